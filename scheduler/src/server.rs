//! A scheduler as a whole: listeners, services, driver and dashboard.

use crate::client_rpc::ClientService;
use crate::core::ids::Epoch;
use crate::driver::{Driver, Input};
use crate::http::host::Hosts;
use crate::http::{self, HttpError, HttpHandle};
use crate::in_process::InProcessResults;
use crate::journal::{self, JournalError};
use crate::services::services;
use crate::view::Viewer;
use dasklike_proto_engine::transport::{Connector, TlsError, TlsServer, server, settle};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_stream::{Stream, StreamExt};
use tonic::transport::server::{Connected, Router};

/// How long open connections may take to end when the scheduler stops.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(50);

/// What a scheduler listens on.
#[derive(Clone, Debug, Default)]
pub struct SchedulerConfig {
    /// Where workers and clients of other processes connect; `None` for none. Port 0 is any free one.
    pub listen: Option<SocketAddr>,
    /// A folder with `ca.crt`, `tls.crt` and `tls.key`: those who connect must show a certificate of an authority in
    /// `ca.crt`. `None`: plain connections. The files are read anew when they change.
    pub tls: Option<PathBuf>,
    /// The dashboard; `None` for none.
    pub dashboard: Option<DashboardConfig>,
    /// A folder in which named jobs are kept, so that the next scheduler with this folder goes on with them. `None`:
    /// they end with this one.
    pub journal: Option<PathBuf>,
}

/// Where the dashboard is.
#[derive(Clone, Debug)]
pub struct DashboardConfig {
    /// The address to listen on.
    pub host: IpAddr,
    /// The port; 0 is any free one.
    pub port: u16,
    /// If the port is taken, how many to try in all. At least 1.
    pub tries: u16,
    /// Names under which the dashboard may be asked for, beside `localhost` and literal addresses.
    pub hosts: Vec<String>,
}

/// Why a scheduler does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another program listens there.
    #[error("the scheduler's port {} on {} is taken: stop what listens there, or give another port", .0.port(), .0.ip())]
    PortTaken(SocketAddr),
    /// The system refused for another reason.
    #[error("the scheduler cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The dashboard's listener failed.
    #[error(transparent)]
    Dashboard(#[from] HttpError),
    /// The dashboard failed after it listened.
    #[error("the dashboard cannot start: {0}")]
    Serve(io::Error),
}

/// A scheduler.
#[derive(Debug)]
pub struct Scheduler;

/// A running scheduler. Dropping it stops the scheduler without waiting.
#[derive(Debug)]
pub struct SchedulerHandle {
    address: Option<SocketAddr>,
    memory: Connector,
    dashboard: Option<HttpHandle>,
    driver: Driver,
    stop: watch::Sender<bool>,
    servers: Vec<JoinHandle<()>>,
}

impl Scheduler {
    /// Starts a scheduler in the current tokio runtime.
    pub async fn start(config: SchedulerConfig) -> Result<SchedulerHandle, StartError> {
        let tls = config.tls.as_deref().map(TlsServer::open).transpose()?;
        let listener = match config.listen {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        let address = listener.as_ref().and_then(|l| l.local_addr().ok());
        let epoch = new_epoch();
        let (viewer, shown) = Viewer::new(epoch, address);
        let dashboard = match config.dashboard {
            None => None,
            Some(d) => {
                let tcp = match d.tries {
                    0 | 1 => http::bind(d.host, d.port).await?,
                    tries => http::bind_first_free(d.host, d.port, tries).await?,
                };
                let handle =
                    http::serve(tcp, shown.snapshots, shown.intervals, Hosts::new(d.hosts));
                Some(handle.map_err(StartError::Serve)?)
            }
        };
        let journal = config.journal.as_deref().map(journal::open).transpose()?;
        let driver = Driver::start(epoch, viewer, journal);
        let (stop, stopped) = watch::channel(false);
        let url = dashboard.as_ref().map(HttpHandle::url);
        let (memory, incoming) = Connector::memory(Arc::new(InProcessResults {
            driver: driver.clone(),
            clients: ClientService {
                driver: driver.clone(),
                dashboard: url.clone(),
            },
        }));
        let routes = services(&driver, &url);
        let http2 = server().add_routes(routes.clone());
        let either = server().accept_http1(true).add_routes(routes);
        let incoming = ReceiverStream::new(incoming).map(Ok);
        let mut servers = vec![serve(http2.clone(), incoming, stopped.clone())];
        match (listener, tls) {
            (None, _) => {}
            (Some(listener), None) => {
                let incoming = TcpListenerStream::new(listener).map(|tcp| tcp.inspect(settle));
                servers.push(serve(either, incoming, stopped));
            }
            (Some(listener), Some(tls)) => {
                let incoming = Arc::new(tls).incoming(listener);
                servers.push(serve(http2, incoming.http2, stopped.clone()));
                servers.push(serve(either, incoming.http1, stopped));
            }
        }
        Ok(SchedulerHandle {
            address,
            memory,
            dashboard,
            driver,
            stop,
            servers,
        })
    }
}

impl SchedulerHandle {
    /// Where it listens for workers and clients.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// The dashboard's address for a browser on this machine.
    pub fn dashboard_url(&self) -> Option<String> {
        self.dashboard.as_ref().map(HttpHandle::url)
    }

    /// The way to it for workers and clients of this process.
    pub fn in_memory_connector(&self) -> Connector {
        self.memory.clone()
    }

    /// Ends all jobs and connections, and stops.
    pub async fn shutdown(mut self) {
        // If the driver has ended there is nothing to stop.
        let _ = self.driver.send(Input::Stop).await;
        self.stop.send_replace(true);
        for server in &mut self.servers {
            // What is left after the grace is cut off when `self` is dropped.
            let _ = tokio::time::timeout(SHUTDOWN_GRACE, server).await;
        }
        if let Some(dashboard) = self.dashboard.take() {
            dashboard.shutdown().await;
        }
    }
}

impl Drop for SchedulerHandle {
    fn drop(&mut self) {
        self.driver.stop();
        for server in &self.servers {
            server.abort();
        }
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    crate::listen::listen(address)
        .await
        .map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => StartError::PortTaken(address),
            _ => StartError::Listen { address, source },
        })
}

fn serve<S, I>(routes: Router, incoming: S, mut stopped: watch::Receiver<bool>) -> JoinHandle<()>
where
    S: Stream<Item = io::Result<I>> + Send + 'static,
    I: tokio::io::AsyncRead + tokio::io::AsyncWrite + Connected + Unpin + Send + 'static,
{
    tokio::spawn(async move {
        let stop = async move {
            // An error means that the handle is gone, which stops the server too.
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        if let Err(error) = routes.serve_with_incoming_shutdown(incoming, stop).await {
            tracing::error!(%error, "the scheduler's server ended");
        }
    })
}

/// No two incarnations share the nanosecond at which they started.
fn new_epoch() -> Epoch {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Epoch(since.as_nanos() as u64)
}
