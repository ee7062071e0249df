//! Stands in for the schedulers of pods that do not run: answers on every address of kwok's pods, with the
//! certificate that the operator made for that cluster, and pushes demand once a second.

use anyhow::{Context, Result, bail, ensure};
use dasklike_proto_admin::pb::admin_server::{Admin, AdminServer};
use dasklike_proto_admin::pb::{
    Demand, DrainWorkerReply, DrainWorkerRequest, PoolDemand, WatchDemandRequest, WorkerDemand,
};
use futures::StreamExt;
use futures::stream::BoxStream;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{Acceptor, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::LazyConfigAcceptor;
use tonic::{Request, Response, Status};
use tonic_web::GrpcWebLayer;
use tower::Layer;

const PORT: u16 = 8786;
/// One that works says how much is left; four words a second are allowed.
const PUSH_EVERY: Duration = Duration::from_secs(1);

/// All of them.
pub(crate) struct Schedulers {
    range: String,
    open: Arc<AtomicUsize>,
    work: Arc<watch::Sender<Work>>,
    task: JoinHandle<()>,
}

/// What all of them say.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// There is nothing to do, and nobody to do it.
    None,
    /// Ten workers are at work on a long job.
    Long,
}

impl Schedulers {
    /// Has all of them say something else, at once.
    pub(crate) fn say(&self, work: Work) {
        self.work.send_replace(work);
    }

    /// Streams that are open.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}

impl Drop for Schedulers {
    fn drop(&mut self) {
        self.task.abort();
        // What could not be removed is seen by the next start.
        let _ = route("del", &self.range);
    }
}

/// Makes the range this machine's own and listens there.
pub(crate) async fn start(client: &Client, range: &str, work: Work) -> Result<Schedulers> {
    ensure!(
        super::is_range(range),
        "{range} is no range of addresses: expected something like 10.0.0.0/24"
    );
    route("replace", range)?;
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT))
        .await
        .with_context(|| format!("cannot listen on port {PORT}: does a scheduler run here?"))?;
    let open = Arc::new(AtomicUsize::new(0));
    let work = Arc::new(watch::channel(work).0);
    let (client, counter, says) = (client.clone(), open.clone(), work.clone());
    let task = tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (client, counter) = (client.clone(), counter.clone());
            let says = says.subscribe();
            tokio::spawn(async move {
                counter.fetch_add(1, Ordering::Relaxed);
                // The operator goes away at the end, which is an error here.
                let _ = serve(&client, socket, says).await;
                counter.fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
    Ok(Schedulers {
        range: range.to_owned(),
        open,
        work,
        task,
    })
}

fn route(verb: &str, range: &str) -> Result<()> {
    let arguments = ["route", verb, "local", range, "dev", "lo"];
    let status = Command::new("ip")
        .args(arguments)
        .status()
        .context("cannot start ip")?;
    if !status.success() {
        bail!("ip {} failed: it needs root", arguments.join(" "));
    }
    Ok(())
}

async fn serve(client: &Client, socket: TcpStream, says: watch::Receiver<Work>) -> Result<()> {
    socket.set_nodelay(true)?;
    let hello = LazyConfigAcceptor::new(Acceptor::default(), socket).await?;
    let name = hello
        .client_hello()
        .server_name()
        .unwrap_or_default()
        .to_owned();
    let config = config(client, &name).await?;
    let socket = hello.into_stream(Arc::new(config)).await?;
    let service = GrpcWebLayer::new().layer(AdminServer::new(Scripted {
        cluster: name,
        says,
    }));
    hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(socket), TowerToHyperService::new(service))
        .await?;
    Ok(())
}

/// The scheduler's side of a cluster, out of its Secret: `NAME-scheduler.NAMESPACE.svc` is what the operator asks for.
async fn config(client: &Client, server_name: &str) -> Result<ServerConfig> {
    let mut parts = server_name.split('.');
    let (host, namespace) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let cluster = host
        .strip_suffix("-scheduler")
        .with_context(|| format!("who is {server_name:?}?"))?;
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let data = secrets
        .get(&format!("{cluster}-tls"))
        .await?
        .data
        .unwrap_or_default();
    let file = |key: &str| {
        let found = data
            .get(key)
            .with_context(|| format!("{cluster}-tls has no {key}"));
        found.map(|bytes| bytes.0.as_slice())
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    for ca in CertificateDer::pem_slice_iter(file("ca.crt")?) {
        roots.add(ca?)?;
    }
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build()?;
    let chain = CertificateDer::pem_slice_iter(file("scheduler.crt")?).collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(file("scheduler.key")?)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// A scheduler that says what it is told to say.
struct Scripted {
    cluster: String,
    says: watch::Receiver<Work>,
}

#[tonic::async_trait]
impl Admin for Scripted {
    async fn drain_worker(
        &self,
        _: Request<DrainWorkerRequest>,
    ) -> Result<Response<DrainWorkerReply>, Status> {
        Err(Status::unimplemented("nobody asks this scheduler to drain"))
    }

    type WatchDemandStream = BoxStream<'static, Result<Demand, Status>>;

    async fn watch_demand(
        &self,
        _: Request<WatchDemandRequest>,
    ) -> Result<Response<Self::WatchDemandStream>, Status> {
        let cluster = self.cluster.clone();
        let state = (self.says.clone(), false);
        let said = futures::stream::unfold(state, move |(mut says, begun)| {
            let cluster = cluster.clone();
            async move {
                if begun {
                    let work = *says.borrow();
                    let changed = says.changed();
                    match work {
                        Work::None => changed.await.ok()?,
                        // Silence until then is no error: the same is said again.
                        Work::Long => {
                            let _ = tokio::time::timeout(PUSH_EVERY, changed).await;
                        }
                    }
                }
                let work = *says.borrow_and_update();
                Some((Ok(demand(&cluster, work)), (says, true)))
            }
        });
        Ok(Response::new(said.boxed()))
    }
}

/// The queue does not change by itself, as otherwise its cluster would not be settled.
fn demand(cluster: &str, work: Work) -> Demand {
    if work == Work::None {
        return Demand {
            epoch: 1,
            pools: vec![PoolDemand {
                pool: "default".into(),
                ..PoolDemand::default()
            }],
            unfinished_jobs: 0,
            idle_seconds: 1.0,
        };
    }
    let worker = |index| WorkerDemand {
        name: format!("{cluster}-default-{index}"),
        slots: 4,
        busy_slots: 4,
        draining: false,
        idle_seconds: 0.0,
    };
    let pool = PoolDemand {
        pool: "default".into(),
        ready_tasks: 100_000,
        running_tasks: 40,
        blocked_tasks: 0,
        queue_seconds: 1000.0,
        held_bytes: 0,
        done_tasks: 0,
        workers: (0..10).map(worker).collect(),
    };
    Demand {
        epoch: 1,
        pools: vec![pool],
        unfinished_jobs: 1,
        idle_seconds: 0.0,
    }
}
