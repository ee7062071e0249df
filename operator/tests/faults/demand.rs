//! The demand client against scripted schedulers on real sockets. Each has a loopback address of its own, since
//! the port is always the same.

use dasklike_operator::core::health::Limits;
use dasklike_operator::core::names::{ClusterKey, GRPC_PORT};
use dasklike_operator::credentials::{Credentials, Pem};
use dasklike_operator::demand::{Demands, Endpoint, EndpointTls, Endpoints};
use dasklike_operator::edge::demand_client::{self, Patience};
use dasklike_operator::edge::progress::Progress;
use dasklike_operator::metrics::Metrics;
use dasklike_proto_admin::pb::admin_server::{Admin, AdminServer};
use dasklike_proto_admin::pb::{
    Demand, DrainWorkerReply, DrainWorkerRequest, PoolDemand, WatchDemandRequest,
};
use futures::{FutureExt, StreamExt};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tonic::{Request, Response, Status};
use tonic_web::GrpcWebLayer;
use tower::Layer;

/// What a scheduler says, which the test changes; `None` ends the streams.
type Says = watch::Receiver<Option<u64>>;

#[derive(Clone)]
struct Scripted {
    says: Says,
    streams: Arc<AtomicUsize>,
}

#[tonic::async_trait]
impl Admin for Scripted {
    async fn drain_worker(
        &self,
        _: Request<DrainWorkerRequest>,
    ) -> Result<Response<DrainWorkerReply>, Status> {
        Err(Status::unimplemented("nobody asks this scheduler to drain"))
    }

    type WatchDemandStream = futures::stream::BoxStream<'static, Result<Demand, Status>>;

    async fn watch_demand(
        &self,
        _: Request<WatchDemandRequest>,
    ) -> Result<Response<Self::WatchDemandStream>, Status> {
        self.streams.fetch_add(1, Ordering::SeqCst);
        let mut says = self.says.clone();
        says.mark_changed();
        let stream = futures::stream::unfold(says, |mut says| async move {
            says.changed().await.ok()?;
            let ready = (*says.borrow_and_update())?;
            Some((Ok(demand(ready)), says))
        });
        Ok(Response::new(stream.boxed()))
    }
}

fn demand(ready_tasks: u64) -> Demand {
    let pool = PoolDemand {
        pool: "default".into(),
        ready_tasks,
        ..PoolDemand::default()
    };
    Demand {
        epoch: 1,
        pools: vec![pool],
        unfinished_jobs: u32::from(ready_tasks > 0),
        idle_seconds: 0.0,
    }
}

struct Scheduler {
    says: watch::Sender<Option<u64>>,
    streams: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Scheduler {
    async fn start(ip: IpAddr, tls: Option<ServerConfig>) -> Scheduler {
        let listener = TcpListener::bind((ip, GRPC_PORT)).await.unwrap();
        let (says, heard) = watch::channel(Some(1));
        let streams = Arc::new(AtomicUsize::new(0));
        let scripted = Scripted {
            says: heard,
            streams: streams.clone(),
        };
        let tls = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
        let task = tokio::spawn(async move {
            // The connections end with the listener, as those of a process do.
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (scripted, tls) = (scripted.clone(), tls.clone());
                connections.spawn(async move {
                    match tls {
                        None => serve(socket, scripted).await,
                        Some(tls) => {
                            if let Ok(socket) = tls.accept(socket).await {
                                serve(socket, scripted).await;
                            }
                        }
                    }
                });
            }
        });
        Scheduler {
            says,
            streams,
            task,
        }
    }

    fn streams(&self) -> usize {
        self.streams.load(Ordering::SeqCst)
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve<S>(socket: S, scripted: Scripted)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let service = GrpcWebLayer::new().layer(AdminServer::new(scripted));
    let connection = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(socket), TowerToHyperService::new(service));
    // A client that goes away is an error here and no failure of the test.
    let _ = connection.await;
}

struct Client {
    endpoints: Arc<Endpoints>,
    demands: Arc<Demands>,
    progress: Progress,
    task: JoinHandle<()>,
}

impl Client {
    fn start(patience: Patience) -> Client {
        let endpoints = Arc::new(Endpoints::default());
        let demands = Arc::new(Demands::default());
        let progress = Progress::new(Metrics::new().unwrap(), Limits::default());
        let work = demand_client::run(
            endpoints.clone(),
            demands.clone(),
            progress.clone(),
            patience,
        );
        Client {
            endpoints,
            demands,
            progress,
            task: tokio::spawn(work),
        }
    }

    async fn wait_for_ready_tasks(&self, expected: Option<u64>) {
        let known = || {
            let demand = self.demands.get(&cluster());
            demand.map(|d| d.pools["default"].ready_tasks)
        };
        let wait = async {
            while known() != expected {
                self.demands.changed().await;
            }
        };
        let limit = Duration::from_secs(30);
        if timeout(limit, wait).await.is_err() {
            panic!("expected {expected:?}, and it is {:?}", known());
        }
    }

    fn open_streams(&self, expected: usize) -> bool {
        let line = format!("dasklike_operator_demand_streams {expected}");
        self.progress
            .metrics()
            .text()
            .unwrap()
            .lines()
            .any(|l| l == line)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn cluster() -> ClusterKey {
    ClusterKey::new("lab", "demo")
}

fn endpoint(pod_uid: &str, ip: IpAddr) -> Endpoint {
    Endpoint {
        pod_uid: pod_uid.into(),
        ip,
        tls: None,
        shapes: Vec::new(),
    }
}

fn address(last: u8) -> IpAddr {
    Ipv4Addr::new(127, 44, 1, last).into()
}

#[tokio::test]
async fn what_a_scheduler_says_is_known_until_it_is_gone() {
    let scheduler = Scheduler::start(address(1), None).await;
    let client = Client::start(Patience::default());
    client
        .endpoints
        .set(&cluster(), Some(endpoint("a", address(1))));
    client.wait_for_ready_tasks(Some(1)).await;
    assert!(client.open_streams(1));
    scheduler.says.send_replace(Some(7));
    client.wait_for_ready_tasks(Some(7)).await;
    client.endpoints.set(&cluster(), None);
    client.wait_for_ready_tasks(None).await;
    assert!(client.open_streams(0));
    assert_eq!(scheduler.streams(), 1);
}

#[tokio::test]
async fn a_broken_stream_is_opened_again_and_the_last_word_counts_meanwhile() {
    let scheduler = Scheduler::start(address(2), None).await;
    let client = Client::start(Patience::default());
    client
        .endpoints
        .set(&cluster(), Some(endpoint("a", address(2))));
    client.wait_for_ready_tasks(Some(1)).await;
    drop(scheduler);
    let mut again = None;
    // The port is free once the old listener is dropped by its task.
    for _ in 0..1000 {
        if TcpListener::bind((address(2), GRPC_PORT)).await.is_ok() {
            again = Some(Scheduler::start(address(2), None).await);
            break;
        }
        tokio::task::yield_now().await;
    }
    let scheduler = again.expect("the port is free again");
    assert!(client.demands.get(&cluster()).is_some());
    scheduler.says.send_replace(Some(9));
    client.wait_for_ready_tasks(Some(9)).await;
}

/// When a word is stale where a test waits for that.
const SOON: Duration = Duration::from_millis(300);

/// A scheduler that was heard, and its impatient client.
async fn soon_stale(last: u8) -> (Scheduler, Client) {
    let scheduler = Scheduler::start(address(last), None).await;
    let client = Client::start(Patience {
        stale: SOON,
        ..Patience::default()
    });
    client
        .endpoints
        .set(&cluster(), Some(endpoint("a", address(last))));
    client.wait_for_ready_tasks(Some(1)).await;
    (scheduler, client)
}

#[tokio::test]
async fn silence_makes_the_last_word_stale() {
    let (scheduler, client) = soon_stale(3).await;
    client.wait_for_ready_tasks(None).await;
    // A new stream is asked for, and begins with a word.
    client.wait_for_ready_tasks(Some(1)).await;
    assert!(scheduler.streams() >= 2);
}

#[tokio::test]
async fn without_work_silence_means_nothing_until_the_stream_breaks() {
    let (scheduler, client) = soon_stale(10).await;
    scheduler.says.send_replace(Some(0));
    client.wait_for_ready_tasks(Some(0)).await;
    client.demands.changed().now_or_never();
    let changed = timeout(3 * SOON, client.demands.changed());
    assert!(
        changed.await.is_err(),
        "nothing was said, and nothing is due"
    );
    assert!(client.open_streams(1));
    drop(scheduler);
    client.wait_for_ready_tasks(None).await;
}

#[tokio::test]
async fn a_new_pod_s_silence_is_not_filled_with_the_old_one_s_words() {
    let old = Scheduler::start(address(4), None).await;
    let client = Client::start(Patience::default());
    client
        .endpoints
        .set(&cluster(), Some(endpoint("a", address(4))));
    client.wait_for_ready_tasks(Some(1)).await;
    // Nobody listens at the new address.
    client
        .endpoints
        .set(&cluster(), Some(endpoint("b", address(5))));
    client.wait_for_ready_tasks(None).await;
    let new = Scheduler::start(address(5), None).await;
    new.says.send_replace(Some(3));
    client.wait_for_ready_tasks(Some(3)).await;
    drop(old);
}

/// A certificate authority and what it signed.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Authority { issuer }
    }

    fn sign(&self, name: &str, usage: ExtendedKeyUsagePurpose) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn server(&self, name: &str) -> ServerConfig {
        let (certificate, key) = self.sign(name, ExtendedKeyUsagePurpose::ServerAuth);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .build()
                .unwrap();
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(
                vec![certificate],
                PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
            )
            .unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config
    }

    /// What the operator has of such a cluster's Secret.
    fn credentials(&self) -> Credentials {
        let (certificate, key) =
            self.sign("operator.demo.lab", ExtendedKeyUsagePurpose::ClientAuth);
        let ca = self.issuer.pem();
        let pem = Pem {
            ca: ca.as_bytes(),
            certificate: certificate.as_bytes(),
            key: key.as_bytes(),
        };
        Credentials::read(pem, &Arc::new(rustls::crypto::ring::default_provider()))
    }
}

fn secured(authority: &Authority, ip: IpAddr) -> Endpoint {
    Endpoint {
        tls: Some(EndpointTls {
            credentials: authority.credentials(),
            server_name: "demo-scheduler.lab.svc".into(),
        }),
        ..endpoint("a", ip)
    }
}

#[tokio::test]
async fn with_tls_the_two_know_each_other_and_newer_credentials_leave_the_stream_alone() {
    let authority = Authority::new();
    let scheduler =
        Scheduler::start(address(6), Some(authority.server("demo-scheduler.lab.svc"))).await;
    let client = Client::start(Patience::default());
    client
        .endpoints
        .set(&cluster(), Some(secured(&authority, address(6))));
    client.wait_for_ready_tasks(Some(1)).await;
    client
        .endpoints
        .set(&cluster(), Some(secured(&authority, address(6))));
    scheduler.says.send_replace(Some(2));
    client.wait_for_ready_tasks(Some(2)).await;
    assert_eq!(scheduler.streams(), 1);
}

#[tokio::test]
async fn a_scheduler_of_another_name_or_authority_is_not_believed() {
    let authority = Authority::new();
    let other_name = Scheduler::start(
        address(7),
        Some(authority.server("other-scheduler.lab.svc")),
    )
    .await;
    let other_ca = Scheduler::start(
        address(8),
        Some(Authority::new().server("demo-scheduler.lab.svc")),
    )
    .await;
    let plain = Scheduler::start(address(9), None).await;
    for wrong in [&other_name, &other_ca, &plain].into_iter().zip(7..) {
        let client = Client::start(Patience::default());
        client
            .endpoints
            .set(&cluster(), Some(secured(&authority, address(wrong.1))));
        let said = timeout(Duration::from_millis(700), client.demands.changed()).await;
        assert!(said.is_err() || client.demands.get(&cluster()).is_none());
        assert_eq!(wrong.0.streams(), 0);
    }
}
