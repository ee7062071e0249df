//! Mutual TLS between scheduler, workers and clients: what comes together, what does not and what is said then, and
//! certificates that are replaced while a job runs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use dasklike::array::DataArray;
use dasklike::context::{Context, ContextTls};
use dasklike::{
    Client, ClientTls, ComputeError, ComputeOptions, Dataset, LocalCluster, LocalClusterConfig,
    OpenOptions, PoolName, compute, compute_with,
};
use dasklike_graph::dtype::DType;
use dasklike_proto_engine::transport::Connector;
use dasklike_scheduler::{Scheduler, SchedulerConfig, SchedulerHandle, StartError};
use dasklike_storage::sample::{SampleCodec, SampleSpec, write_sample};
use dasklike_tests::processes::until;
use dasklike_tests::tls::{Authority, CLIENT, Leaf, Mounted, NAME, OPERATOR, SERVER, WORKER};
use dasklike_worker::{Worker, WorkerConfig, WorkerHandle};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

const DEADLINE: Duration = Duration::from_secs(60);

/// A scheduler with TLS in this process.
struct Cluster {
    runtime: Runtime,
    scheduler: Option<SchedulerHandle>,
    url: String,
    folder: Mounted,
}

impl Cluster {
    fn start(folder: Mounted) -> Cluster {
        let runtime = Runtime::new().unwrap();
        let config = SchedulerConfig {
            listen: Some((Ipv4Addr::LOCALHOST, 0).into()),
            tls: Some(folder.path().to_owned()),
            ..SchedulerConfig::default()
        };
        let scheduler = runtime.block_on(Scheduler::start(config)).unwrap();
        let url = format!("tls://{}", scheduler.address().unwrap());
        Cluster {
            runtime,
            scheduler: Some(scheduler),
            url,
            folder,
        }
    }

    fn connector(&self, tls: ClientTls) -> Connector {
        Connector::to(&self.url, Some(tls)).unwrap()
    }

    fn knock(&self, name: &str, connector: Connector) -> WorkerHandle {
        let config = WorkerConfig {
            name: name.into(),
            slots: 1,
            memory_limit: 256 << 20,
            pool: PoolName::default(),
            connector,
        };
        let _runtime = self.runtime.enter();
        Worker::start(config).unwrap()
    }

    fn let_in(&self, worker: &WorkerHandle) {
        let connected = async { tokio::time::timeout(DEADLINE, worker.connected()).await };
        self.runtime.block_on(connected).unwrap().unwrap();
    }

    fn worker(&self, name: &str, connector: Connector) -> WorkerHandle {
        let worker = self.knock(name, connector);
        self.let_in(&worker);
        worker
    }

    /// A worker that is not let in, and goes on trying.
    fn turned_away(&self, name: &str, connector: Connector) -> WorkerHandle {
        let worker = self.knock(name, connector);
        let waits = self.runtime.block_on(async {
            tokio::time::timeout(Duration::from_millis(300), worker.connected()).await
        });
        assert!(waits.is_err(), "{name} was let in");
        worker
    }

    fn address(&self) -> SocketAddr {
        self.scheduler.as_ref().unwrap().address().unwrap()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(scheduler) = self.scheduler.take() {
            self.runtime.block_on(scheduler.shutdown());
        }
    }
}

fn count(client: &Client, elements: u64) -> f64 {
    let array = DataArray::ones(DType::F64, &[("x", elements, 10)]).count(..);
    compute(client, [&array]).unwrap()[0].values_f64()[0]
}

#[test]
fn results_are_those_of_a_plain_cluster() {
    let cube = tempfile::tempdir().unwrap();
    let spec = SampleSpec {
        steps: 4,
        size: 600,
        chunk: 100,
        codec: SampleCodec::Zstd,
    };
    write_sample(&cube.path().join("cube"), &spec, &mut |_, _| {}).unwrap();
    let bytes = |client: &Client| {
        let location = cube.path().join("cube");
        let ds = Dataset::open(location.to_str().unwrap(), &OpenOptions::default()).unwrap();
        let (red, nir) = (&ds["red"], &ds["nir"]);
        let ndvi = (nir - red) / (nir + red);
        // Small partials, and blocks of several frames.
        let arrays = [ndvi.mean(["y", "x"]), ndvi];
        let computed = compute(client, &arrays).unwrap();
        computed
            .iter()
            .map(|c| c.bytes().to_vec())
            .collect::<Vec<_>>()
    };
    let plain = LocalCluster::start(&LocalClusterConfig {
        workers: 2,
        slots: 1,
        memory_limit: 256 << 20,
        processes: false,
        dashboard: None,
    })
    .unwrap();
    let expected = bytes(&plain.client());

    let authority = Authority::generate();
    let cluster = Cluster::start(Mounted::new(&authority.pem, &authority.issue(SERVER)));
    let clients = Mounted::new(&authority.pem, &authority.issue(CLIENT));
    let workers = Mounted::new(&authority.pem, &authority.issue(WORKER));
    let _workers = [
        cluster.worker("a", cluster.connector(workers.as_client())),
        cluster.worker("b", cluster.connector(workers.as_client())),
    ];
    let client = Client::connect_tls(&cluster.url, clients.as_client()).unwrap();
    assert_eq!(client.cluster().unwrap().workers.len(), 2);
    assert!(bytes(&client) == expected, "TLS changes the results");

    // A context holds the same as texts; the dashboard is its own.
    let (certificate, key) = authority.issue(CLIENT);
    let context = Context {
        address: cluster.url.clone(),
        tls: Some(ContextTls {
            server_name: NAME.into(),
            ca: authority.pem.clone(),
            certificate,
            key,
        }),
        dashboard: Some("http://localhost:4321".into()),
    };
    let client = Client::connect_context(&context).unwrap();
    assert_eq!(count(&client, 1000), 1000.0);
    assert_eq!(client.cluster().unwrap().dashboard_url, context.dashboard);
}

#[test]
fn those_who_do_not_belong_are_told_why() {
    let (ours, others) = (Authority::generate(), Authority::generate());
    let cluster = Cluster::start(Mounted::new(&ours.pem, &ours.issue(SERVER)));
    let client = ours.issue(CLIENT);
    let expired = Leaf {
        expired: true,
        ..CLIENT
    };
    let refused = |what: &str, folder: &Mounted, name: &str, because: &str| {
        let tls = ClientTls {
            server_name: Some(name.into()),
            ..folder.as_client()
        };
        let begun = Instant::now();
        let error = Client::connect_tls(&cluster.url, tls).unwrap_err();
        let text = error.to_string();
        assert!(
            matches!(error, ComputeError::Connect(_)) && text.contains(because),
            "{what}: {text}"
        );
        assert!(text.contains(&cluster.url), "{what}: {text}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{what}");
    };
    refused(
        "a scheduler of another authority",
        &Mounted::new(&others.pem, &client),
        NAME,
        "is not from an authority in ca.crt",
    );
    refused(
        "a client of another authority",
        &Mounted::new(&ours.pem, &others.issue(CLIENT)),
        NAME,
        "does not know the authority of this certificate",
    );
    refused(
        "an expired client",
        &Mounted::new(&ours.pem, &ours.issue(expired)),
        NAME,
        "this certificate has expired",
    );
    refused(
        "a scheduler's certificate as a client's",
        &Mounted::new(&ours.pem, &ours.issue(SERVER)),
        NAME,
        "refused this certificate",
    );
    refused(
        "another cluster's name",
        &Mounted::new(&ours.pem, &client),
        "other-scheduler.ns.svc",
        "other-scheduler.ns.svc",
    );
    let good = Mounted::new(&ours.pem, &client);
    Client::connect_tls(&cluster.url, good.as_client()).unwrap();

    // A worker tries again until it is let in.
    let stranger = Mounted::new(&ours.pem, &others.issue(WORKER));
    let worker = cluster.turned_away("stranger", cluster.connector(stranger.as_client()));
    stranger.replace(&ours.pem, &ours.issue(WORKER));
    cluster.let_in(&worker);
}

#[test]
fn a_certificate_is_good_for_what_its_role_does_and_for_nothing_else() {
    let authority = Authority::generate();
    let cluster = Cluster::start(Mounted::new(&authority.pem, &authority.issue(SERVER)));
    let nobody = Leaf {
        role: "somebody",
        ..CLIENT
    };
    for (leaf, says) in [
        (WORKER, "the certificate of worker.demo.ns may not call"),
        (OPERATOR, "the certificate of operator.demo.ns may not call"),
        (nobody, "its common name must begin with worker."),
    ] {
        let shown = Mounted::new(&authority.pem, &authority.issue(leaf));
        let refused = Client::connect_tls(&cluster.url, shown.as_client()).unwrap_err();
        let text = refused.to_string();
        assert!(text.contains(says), "{text}");
    }
    // A client's is no worker's: it is not let in, until it shows another.
    let shown = Mounted::new(&authority.pem, &authority.issue(CLIENT));
    let worker = cluster.turned_away("client", cluster.connector(shown.as_client()));
    let client = Client::connect_tls(&cluster.url, shown.as_client()).unwrap();
    assert_eq!(client.cluster().unwrap().workers.len(), 0);
    shown.replace(&authority.pem, &authority.issue(WORKER));
    cluster.let_in(&worker);
}

#[test]
fn an_expired_scheduler_is_not_believed() {
    let authority = Authority::generate();
    let server = authority.issue(Leaf {
        expired: true,
        ..SERVER
    });
    let cluster = Cluster::start(Mounted::new(&authority.pem, &server));
    let clients = Mounted::new(&authority.pem, &authority.issue(CLIENT));
    let error = Client::connect_tls(&cluster.url, clients.as_client()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the scheduler's certificate has expired"),
        "{error}"
    );
}

#[test]
fn plain_and_tls_do_not_mix_and_both_say_so() {
    let authority = Authority::generate();
    let cluster = Cluster::start(Mounted::new(&authority.pem, &authority.issue(SERVER)));
    let clients = Mounted::new(&authority.pem, &authority.issue(CLIENT));
    let told = |outcome: Result<Client, ComputeError>, because: &str| {
        let text = outcome.unwrap_err().to_string();
        assert!(text.contains(because), "{text}");
    };
    let plain_url = format!("tcp://{}", cluster.address());
    told(Client::connect(&plain_url), "speaks TLS");
    told(Client::connect(&cluster.url), "--tls-dir");
    told(
        Client::connect_tls(&plain_url, clients.as_client()),
        "is a plain address",
    );

    let plain = LocalCluster::start(&LocalClusterConfig {
        workers: 1,
        slots: 1,
        memory_limit: 256 << 20,
        processes: true,
        dashboard: None,
    })
    .unwrap();
    let as_tls = plain.scheduler_url().unwrap().replace("tcp://", "tls://");
    told(
        Client::connect_tls(&as_tls, clients.as_client()),
        "speaks no TLS",
    );
}

#[test]
fn no_certificate_no_connection() {
    let authority = Authority::generate();
    let cluster = Cluster::start(Mounted::new(&authority.pem, &authority.issue(SERVER)));
    // Our own clients do not even try.
    let empty = Mounted::new(&authority.pem, &authority.issue(CLIENT));
    empty.replace(&authority.pem, &(String::new(), String::new()));
    let error = Client::connect_tls(&cluster.url, empty.as_client()).unwrap_err();
    assert!(
        error.to_string().contains("tls.crt") && error.to_string().contains("no certificate"),
        "{error}"
    );
    let missing = tempfile::tempdir().unwrap();
    let error = Client::connect_tls(&cluster.url, ClientTls::folder(missing.path())).unwrap_err();
    assert!(error.to_string().contains("ca.crt"), "{error}");
    // A scheduler without them does not start.
    let config = SchedulerConfig {
        listen: Some((Ipv4Addr::LOCALHOST, 0).into()),
        tls: Some(missing.path().to_owned()),
        ..SchedulerConfig::default()
    };
    let outcome = cluster.runtime.block_on(Scheduler::start(config));
    assert!(matches!(outcome, Err(StartError::Tls(_))), "{outcome:?}");

    // One that trusts the scheduler and shows nothing is let nowhere.
    let mut roots = rustls::RootCertStore::empty();
    use rustls::pki_types::pem::PemObject;
    let ca = rustls::pki_types::CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap();
    roots.add(ca).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let session =
        rustls::ClientConnection::new(Arc::new(config), NAME.try_into().unwrap()).unwrap();
    let tcp = TcpStream::connect(cluster.address()).unwrap();
    tcp.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut stream = rustls::StreamOwned::new(session, tcp);
    let written = stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    let error = written
        .and_then(|()| stream.read(&mut [0; 64]).map(|n| panic!("{n} bytes came")))
        .unwrap_err();
    assert!(error.to_string().contains("CertificateRequired"), "{error}");
}

#[test]
fn those_who_dally_hold_nobody_up() {
    let authority = Authority::generate();
    let cluster = Cluster::start(Mounted::new(&authority.pem, &authority.issue(SERVER)));
    let clients = Mounted::new(&authority.pem, &authority.issue(CLIENT));
    let idle: Vec<TcpStream> = (0..100)
        .map(|_| TcpStream::connect(cluster.address()).unwrap())
        .collect();
    let begun = Instant::now();
    Client::connect_tls(&cluster.url, clients.as_client()).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(3));
    drop(idle);
}

#[test]
fn certificates_are_replaced_while_a_job_runs() {
    let (old, new) = (Authority::generate(), Authority::generate());
    let cluster = Cluster::start(Mounted::new(&old.pem, &old.issue(SERVER)));
    let clients = Mounted::new(&old.pem, &old.issue(CLIENT));
    let worker = Mounted::new(&old.pem, &old.issue(WORKER));
    let connector = cluster.connector(worker.as_client());
    let mut workers = vec![cluster.worker("first", connector.clone())];
    let options = ComputeOptions::default();
    let cancel = options.cancel.clone();
    let done = Arc::new(AtomicU64::new(0));
    let progress = done.clone();
    let client = Client::connect_tls(&cluster.url, clients.as_client()).unwrap();
    let running = std::thread::spawn(move || {
        // Without an end.
        let array = DataArray::ones(DType::F64, &[("x", 1 << 40, 1 << 14)]).count(..);
        compute_with(&client, [&array], &options, |p| {
            progress.store(p.tasks_done, Ordering::Relaxed)
        })
    });
    let goes_on = |what: &str| {
        let before = done.load(Ordering::Relaxed);
        until(what, || done.load(Ordering::Relaxed) > before);
    };
    goes_on("the job runs");
    let both = format!("{}{}", old.pem, new.pem);
    let steps: [(&str, &str, &Authority); 4] = [
        ("new leaves of the old authority", &old.pem, &old),
        ("both authorities are trusted", &both, &old),
        ("leaves of the new authority", &both, &new),
        ("only the new authority is trusted", &new.pem, &new),
    ];
    for (what, ca, issuer) in steps {
        // The scheduler's pod and the others see a change at different times, in either order.
        cluster.folder.replace(ca, &issuer.issue(SERVER));
        let client = Client::connect_tls(&cluster.url, clients.as_client());
        assert!(client.is_ok(), "{what}: {}", client.unwrap_err());
        clients.replace(ca, &issuer.issue(CLIENT));
        worker.replace(ca, &issuer.issue(WORKER));
        let client = Client::connect_tls(&cluster.url, clients.as_client()).unwrap();
        assert_eq!(count(&client, 1000), 1000.0, "{what}");
        // As a worker does that must connect anew: by the way it had from the start.
        workers.push(cluster.worker(what, connector.clone()));
        goes_on(what);
    }
    // Once only: what workers have died of too often is not run again.
    workers[0].cut_connection();
    let client = Client::connect_tls(&cluster.url, clients.as_client()).unwrap();
    until("all workers are there", || {
        client.cluster().unwrap().workers.len() == workers.len()
    });
    goes_on("a worker has connected anew");
    // What was good before is not any more, and files that make no sense change nothing.
    let past = Mounted::new(&both, &old.issue(CLIENT));
    assert!(Client::connect_tls(&cluster.url, past.as_client()).is_err());
    cluster.folder.replace("nonsense", &new.issue(SERVER));
    Client::connect_tls(&cluster.url, clients.as_client()).unwrap();
    let mixed = (new.issue(SERVER).0, new.issue(SERVER).1);
    cluster.folder.replace(&new.pem, &mixed);
    Client::connect_tls(&cluster.url, clients.as_client()).unwrap();

    goes_on("the job still runs");
    cancel.cancel();
    let outcome = running.join().unwrap();
    let text = outcome.unwrap_err().to_string();
    assert!(text.contains("cancelled"), "{text}");
}
