//! The scheduler over HTTP: dashboard, `/metrics`, `/healthz`, `/readyz` and `/api/v1`. It only reads.
//!
//! What is shown comes from the driver: a [`Snapshot`] through a `watch` channel, and the task stream through a
//! `broadcast` channel. Neither can hold the driver up.

pub mod assets;
pub mod events;
pub mod host;
pub mod metrics;
pub mod observe;
pub mod record;
mod routes;
pub mod snapshot;
pub mod stream;
#[cfg(test)]
mod tests;

use crate::http::host::Hosts;
use crate::http::routes::Shared;
use crate::http::snapshot::{Interval, Snapshot};
use crate::http::stream::Stream;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;

/// The port of the dashboard.
pub const DEFAULT_PORT: u16 = 8787;

/// How long open requests may take when the server stops.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(500);

/// Why the HTTP server could not start.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Another program listens there.
    #[error(
        "the dashboard's port {port} on {host} is taken; stop what listens there or give another port"
    )]
    PortTaken {
        /// The address.
        host: IpAddr,
        /// The port.
        port: u16,
    },
    /// Other programs listen on all the ports that were tried.
    #[error("the dashboard's ports {first} to {last} on {host} are all taken; give another port")]
    PortsTaken {
        /// The address.
        host: IpAddr,
        /// The first that was tried.
        first: u16,
        /// The last.
        last: u16,
    },
    /// The system refused for another reason.
    #[error("the dashboard cannot listen on {addr}: {source}")]
    Listen {
        /// Where.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// Listens on `host:port`; port 0 is any free one.
pub async fn bind(host: IpAddr, port: u16) -> Result<TcpListener, HttpError> {
    let addr = SocketAddr::new(host, port);
    crate::listen::listen(addr)
        .await
        .map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => HttpError::PortTaken { host, port },
            _ => HttpError::Listen { addr, source },
        })
}

/// Listens on the first free port among the `tries` from `port` on.
pub async fn bind_first_free(
    host: IpAddr,
    port: u16,
    tries: u16,
) -> Result<TcpListener, HttpError> {
    let last = port.saturating_add(tries.saturating_sub(1));
    for port in port..=last {
        match bind(host, port).await {
            Err(HttpError::PortTaken { .. }) => {}
            other => return other,
        }
    }
    Err(HttpError::PortsTaken {
        host,
        first: port,
        last,
    })
}

/// A running server. Dropping it stops the server without waiting.
#[derive(Debug)]
pub struct HttpHandle {
    addr: SocketAddr,
    stop: watch::Sender<bool>,
    server: JoinHandle<io::Result<()>>,
    filler: JoinHandle<()>,
}

impl HttpHandle {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The address of the dashboard for a browser on this machine.
    pub fn url(&self) -> String {
        let ip = self.addr.ip();
        if ip.is_loopback() || ip.is_unspecified() {
            format!("http://localhost:{}", self.addr.port())
        } else {
            format!("http://{}", self.addr)
        }
    }

    /// Ends the event streams, lets other requests finish for a moment, and stops.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        // What is left after the grace is cut off when `self` is dropped.
        let _ = tokio::time::timeout(SHUTDOWN_GRACE, &mut self.server).await;
    }
}

impl Drop for HttpHandle {
    fn drop(&mut self) {
        self.server.abort();
        self.filler.abort();
    }
}

/// Starts serving in the current tokio runtime. `hosts` are names under which the server may be asked for,
/// beside `localhost` and literal addresses.
pub fn serve(
    listener: TcpListener,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    intervals: broadcast::Receiver<Arc<[Interval]>>,
    hosts: Hosts,
) -> io::Result<HttpHandle> {
    let addr = listener.local_addr()?;
    let (stop, stopped) = watch::channel(false);
    let stream = Arc::new(Stream::default());
    let filler = tokio::spawn({
        let stream = stream.clone();
        async move { stream.fill(intervals).await }
    });
    let shared = Arc::new(Shared {
        snapshots,
        stream,
        hosts,
        stopped: stopped.clone(),
    });
    let mut stopped = stopped;
    let server = tokio::spawn(async move {
        axum::serve(listener, routes::router(shared))
            .with_graceful_shutdown(async move {
                // An error means that the handle is gone, which stops the server too.
                let _ = stopped.wait_for(|stop| *stop).await;
            })
            .await
    });
    Ok(HttpHandle {
        addr,
        stop,
        server,
        filler,
    })
}
