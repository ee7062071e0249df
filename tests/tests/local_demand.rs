//! A scheduler's demand over HTTP/1, which is how an operator hears it, and what else HTTP/1 does not reach.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use dasklike::array::DataArray;
use dasklike::{Client, compute};
use dasklike_graph::dtype::DType;
use dasklike_operator::core::health::Limits;
use dasklike_operator::core::names::{ClusterKey, GRPC_PORT};
use dasklike_operator::credentials::{Credentials, Pem};
use dasklike_operator::demand::{Demands, Endpoint, EndpointTls, Endpoints};
use dasklike_operator::edge::demand_client::{self, Patience};
use dasklike_operator::edge::progress::Progress;
use dasklike_operator::metrics::Metrics;
use dasklike_proto_engine::transport::Connector;
use dasklike_scheduler::{Scheduler, SchedulerConfig, SchedulerHandle};
use dasklike_tests::tls::{Authority, CLIENT, Mounted, NAME, OPERATOR, SERVER, WORKER};
use dasklike_worker::{Worker, WorkerConfig};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(30);

/// The operator's port is always the same, so that each scheduler has an address of its own.
async fn start(last: u8, tls: Option<PathBuf>) -> (SchedulerHandle, IpAddr) {
    let ip = Ipv4Addr::new(127, 0, 8, last);
    let config = SchedulerConfig {
        listen: Some((ip, GRPC_PORT).into()),
        tls,
        ..SchedulerConfig::default()
    };
    (Scheduler::start(config).await.unwrap(), ip.into())
}

/// Follows one scheduler as the operator does, through a job that waits for its first worker.
async fn hear(ip: IpAddr, tls: Option<EndpointTls>, connector: Connector, client: Client) {
    let (endpoints, demands) = (Arc::new(Endpoints::default()), Arc::new(Demands::default()));
    let progress = Progress::new(Metrics::new().unwrap(), Limits::default());
    let work = demand_client::run(
        endpoints.clone(),
        demands.clone(),
        progress,
        Patience::default(),
    );
    let following = tokio::spawn(work);
    let cluster = ClusterKey::new("lab", "demo");
    let endpoint = Endpoint {
        pod_uid: "a".into(),
        ip,
        tls,
        shapes: Vec::new(),
    };
    endpoints.set(&cluster, Some(endpoint));
    let until = async |so: &dyn Fn(u32, u64) -> bool| {
        let wait = async {
            loop {
                let known = demands.get(&cluster);
                if known.is_some_and(|d| so(d.unfinished_jobs, d.queue_tasks())) {
                    return;
                }
                demands.changed().await;
            }
        };
        timeout(DEADLINE, wait).await.expect("it is heard in time");
    };
    until(&|jobs, tasks| jobs == 0 && tasks == 0).await;
    let job = tokio::task::spawn_blocking(move || {
        let array = DataArray::ones(DType::F64, &[("x", 1000, 10)]).count(..);
        compute(&client, [&array]).unwrap()[0].values_f64()[0]
    });
    until(&|jobs, tasks| jobs == 1 && tasks > 0).await;
    let worker = Worker::start(WorkerConfig {
        name: "demo-default-0".into(),
        slots: 1,
        memory_limit: 256 << 20,
        pool: Default::default(),
        connector,
    });
    until(&|jobs, tasks| jobs == 0 && tasks == 0).await;
    assert_eq!(job.await.unwrap(), 1000.0);
    drop(worker);
    following.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_hears_a_scheduler_without_tls() {
    let (scheduler, ip) = start(1, None).await;
    let url = format!("tcp://{ip}:{GRPC_PORT}");
    let connector = Connector::tcp(&url).unwrap();
    let client = tokio::task::spawn_blocking(move || Client::connect(&url).unwrap());
    hear(ip, None, connector, client.await.unwrap()).await;
    drop(scheduler);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_hears_a_scheduler_with_tls() {
    let authority = Authority::generate();
    let served = Mounted::new(&authority.pem, &authority.issue(SERVER));
    let clients = Mounted::new(&authority.pem, &authority.issue(CLIENT));
    let workers = Mounted::new(&authority.pem, &authority.issue(WORKER));
    let (scheduler, ip) = start(2, Some(served.path().to_owned())).await;
    let url = format!("tls://{ip}:{GRPC_PORT}");
    let connector = Connector::to(&url, Some(workers.as_client())).unwrap();
    let (certificate, key) = authority.issue(OPERATOR);
    let tls = EndpointTls {
        server_name: NAME.into(),
        credentials: Credentials::read(
            Pem {
                ca: authority.pem.as_bytes(),
                certificate: certificate.as_bytes(),
                key: key.as_bytes(),
            },
            &Arc::new(rustls::crypto::ring::default_provider()),
        ),
    };
    let shown = clients.as_client();
    let client = tokio::task::spawn_blocking(move || Client::connect_tls(&url, shown).unwrap());
    hear(ip, Some(tls), connector, client.await.unwrap()).await;
    drop(scheduler);
}

/// The head of the answer to a request of HTTP/1.
fn answer(to: SocketAddr, path: &str, host: &str, kind: &str) -> String {
    let mut socket = TcpStream::connect(to).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let message = "\0\0\0\0\0";
    write!(
        socket,
        "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: {kind}\r\ncontent-length: 5\r\n\r\n{message}"
    )
    .unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_in_a_browser_reaches_nothing() {
    const DEMAND: &str = dasklike_proto_admin::WATCH_DEMAND;
    const WEB: &str = "application/grpc-web+proto";
    let (scheduler, _) = start(3, None).await;
    let to = scheduler.address().unwrap();
    let asked = tokio::task::spawn_blocking(move || {
        let cases = [
            (DEMAND, "127.0.8.3:8786", WEB, "200"),
            // A name that points here, and types that a browser sends without asking first.
            (DEMAND, "evil.example:8786", WEB, "403"),
            (DEMAND, "127.0.8.3:8786", "text/plain", "400"),
            (
                DEMAND,
                "127.0.8.3:8786",
                "application/x-www-form-urlencoded",
                "400",
            ),
            (
                "/dasklike.admin.v1.Admin/DrainWorker",
                "127.0.8.3",
                WEB,
                "505",
            ),
            ("/dasklike.engine.v1.Client/Submit", "127.0.8.3", WEB, "505"),
            (
                "/dasklike.engine.v1.Worker/Session",
                "127.0.8.3",
                WEB,
                "505",
            ),
            ("/", "127.0.8.3", "text/html", "505"),
        ];
        for (path, host, kind, expected) in cases {
            let head = answer(to, path, host, kind);
            let status = head.split(' ').nth(1);
            assert_eq!(status, Some(expected), "{path} {host} {kind}: {head}");
        }
    });
    asked.await.unwrap();
    drop(scheduler);
}
