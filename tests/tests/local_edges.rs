//! What happens at the edges of a cluster: who may join, who leaves how, and where the bytes come from.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use dasklike::array::DataArray;
use dasklike::{
    Client, ComputeError, ComputeOptions, Dataset, LocalCluster, LocalClusterConfig, OpenOptions,
    compute, compute_with,
};
use dasklike_graph::dtype::DType;
use dasklike_graph::pool::PoolName;
use dasklike_proto_engine::pb::client_client::ClientClient;
use dasklike_proto_engine::pb::worker_client::WorkerClient;
use dasklike_proto_engine::transport::Connector;
use dasklike_proto_engine::{VERSION, pb};
use dasklike_scheduler::{Scheduler, SchedulerConfig};
use dasklike_storage::sample::{SampleCodec, SampleSpec, write_sample};
use dasklike_tests::processes::{dasklike, free_port, terminate, until};
use dasklike_worker::{Worker, WorkerConfig};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tonic::Code;

const DEADLINE: Duration = Duration::from_secs(20);

fn cluster(workers: u32, processes: bool) -> LocalCluster {
    cluster_within(256 << 20, workers, processes)
}

fn cluster_within(memory_limit: u64, workers: u32, processes: bool) -> LocalCluster {
    let config = LocalClusterConfig {
        workers,
        slots: 1,
        memory_limit,
        processes,
        dashboard: None,
    };
    LocalCluster::start(&config).unwrap()
}

fn count(client: &Client, elements: u64) -> f64 {
    let array = DataArray::ones(DType::F64, &[("x", elements, 10)]).count(..);
    compute(client, [&array]).unwrap()[0].values_f64()[0]
}

#[tokio::test(flavor = "multi_thread")]
async fn another_major_version_is_refused_by_both_names() {
    let scheduler = Scheduler::start(SchedulerConfig::default()).await.unwrap();
    let channel = scheduler.in_memory_connector().connect().await.unwrap();
    let hello = Some(pb::Hello {
        version: "97.1.0".into(),
        plan_version: 1,
    });
    let names_both = |status: tonic::Status| {
        assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
        assert!(
            status.message().contains("97.1.0") && status.message().contains(VERSION),
            "{status}"
        );
    };
    let request = pb::SubmitRequest {
        hello: hello.clone(),
        ..Default::default()
    };
    names_both(
        ClientClient::new(channel.clone())
            .submit(request)
            .await
            .unwrap_err(),
    );
    let register = pb::Register {
        hello,
        name: "old".into(),
        slots: 1,
        memory_limit: 1,
        ..Default::default()
    };
    let frame = pb::WorkerFrame {
        register: Some(register),
        ..Default::default()
    };
    names_both(
        WorkerClient::new(channel)
            .session(tokio_stream::iter([frame]))
            .await
            .unwrap_err(),
    );
    scheduler.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_connects_as_soon_as_there_is_a_scheduler() {
    let port = free_port();
    let connector = Connector::tcp(&format!("tcp://127.0.0.1:{port}")).unwrap();
    let config = WorkerConfig {
        name: "early".into(),
        slots: 1,
        memory_limit: 1 << 20,
        pool: PoolName::default(),
        connector,
    };
    let worker = Worker::start(config).unwrap();
    let listen = Some((Ipv4Addr::LOCALHOST, port).into());
    let scheduler = Scheduler::start(SchedulerConfig {
        listen,
        ..SchedulerConfig::default()
    })
    .await
    .unwrap();
    tokio::time::timeout(DEADLINE, worker.connected())
        .await
        .unwrap()
        .unwrap();
    scheduler.shutdown().await;
    tokio::task::spawn_blocking(|| worker.stop()).await.unwrap();
}

#[test]
fn a_drained_worker_leaves_and_the_rest_goes_on() {
    for processes in [false, true] {
        let cluster = cluster(2, processes);
        let client = cluster.client();
        assert_eq!(count(&client, 1000), 1000.0);
        client.drain_worker("worker-0", None).unwrap();
        until("one worker is left", || {
            client.cluster().unwrap().workers.len() == 1
        });
        if let Some(gone) = cluster.worker_pids().first() {
            until("its process has ended", || !is_running(*gone));
        }
        assert_eq!(count(&client, 1000), 1000.0);
        assert_eq!(client.cluster().unwrap().workers[0].name, "worker-1");
        let missing = client.drain_worker("worker-7", None);
        let named = matches!(&missing, Err(ComputeError::Refused(why)) if why.contains("worker-7"));
        assert!(named, "{missing:?}");
    }
}

#[test]
fn commands_make_a_cluster_that_ends_when_told() {
    let port = free_port();
    let url = format!("tcp://127.0.0.1:{port}");
    let dashboard = free_port().to_string();
    let mut scheduler = command(&[
        "scheduler",
        "--port",
        &port.to_string(),
        "--dashboard-port",
        &dashboard,
    ]);
    let mut worker = command(&[
        "worker",
        "--scheduler",
        &url,
        "--name",
        "w",
        "--slots",
        "1",
        "--memory-limit",
        "256MB",
    ]);
    let mut client = None;
    until("the scheduler answers", || {
        client = Client::connect(&url).ok();
        client.is_some()
    });
    let client = client.unwrap();
    until("the worker is there", || {
        client.cluster().unwrap().workers.len() == 1
    });
    assert_eq!(
        client.cluster().unwrap().dashboard_url,
        Some(format!("http://localhost:{dashboard}"))
    );
    assert_eq!(count(&client, 1000), 1000.0);
    let workers = |arguments: &[&str]| {
        let output = Command::new(dasklike())
            .arg("workers")
            .args(arguments)
            .args(["--scheduler", &url])
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    let (_, listed) = workers(&["list", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(
        (
            &listed[0]["name"],
            &listed[0]["slots"],
            &listed[0]["draining"]
        ),
        (&"w".into(), &1.into(), &false.into())
    );
    assert!(workers(&["list"]).1.starts_with("w\tdefault\t1 slots"));
    assert_ne!(workers(&["drain", "nobody"]).0, Some(0));
    assert_eq!(workers(&["drain", "w"]).0, Some(0));
    until("the worker has drained", || {
        worker.try_wait().unwrap().is_some()
    });
    assert!(worker.wait().unwrap().success());
    assert!(client.cluster().unwrap().workers.is_empty());
    terminate(&scheduler);
    until("the scheduler has ended", || {
        scheduler.try_wait().unwrap().is_some()
    });
    assert!(scheduler.wait().unwrap().success());
    let lost = client.cluster();
    assert!(matches!(&lost, Err(ComputeError::Lost { .. })), "{lost:?}");
}

#[test]
fn no_worker_survives_its_parent() {
    let mut parent = command(&["local", "--workers", "2", "--memory-limit", "256MB"]);
    let mut children = Vec::new();
    until("the workers are started", || {
        children = children_of(parent.id());
        children.len() == 2
    });
    parent.kill().unwrap();
    parent.wait().unwrap();
    until("the workers have ended", || {
        children.iter().all(|pid| !is_running(*pid))
    });
}

#[test]
fn a_log_that_no_terminal_shows_has_no_colours() {
    let mut worker = Command::new(dasklike())
        .args(["worker", "--scheduler", "tcp://127.0.0.1:1"])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut log = BufReader::new(worker.stderr.take().unwrap());
    log.read_line(&mut line).unwrap();
    worker.kill().unwrap();
    worker.wait().unwrap();
    assert!(line.contains("no scheduler answers"), "{line}");
    assert!(!line.contains('\x1b'), "{line:?}");
}

#[test]
fn a_lost_scheduler_is_told() {
    let cluster = cluster(1, true);
    let client = Client::connect(&cluster.scheduler_url().unwrap()).unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let running = std::thread::spawn(move || {
        let array = DataArray::ones(DType::F64, &[("x", 1 << 40, 1 << 14)]).count(..);
        compute_with(&client, [&array], &ComputeOptions::default(), |_| {
            tell.send(()).unwrap()
        })
    });
    // Progress is told while it runs.
    told.recv().unwrap();
    drop(cluster);
    let outcome = running.join().unwrap();
    let text = outcome.unwrap_err().to_string();
    assert!(
        text.contains("tcp://127.0.0.1") && text.contains("scheduler"),
        "{text}"
    );
}

#[test]
fn a_remote_cube_gives_the_same_bits_and_is_fetched_ahead() {
    let folder = cube(4, 600, 100);
    let latency = Duration::from_millis(20);
    let (url, _) = serve_files(folder.path().to_owned(), latency);
    let sums = |location: &str| {
        let ds = Dataset::open(location, &OpenOptions::default()).unwrap();
        let (red, nir) = (&ds["red"], &ds["nir"]);
        let ndvi = (nir - red) / (nir + red);
        let mean = ndvi.mean(["y", "x"]);
        let begun = Instant::now();
        let cluster = cluster(2, false);
        (
            compute(&cluster.client(), [&mean]).unwrap()[0]
                .bytes()
                .to_vec(),
            begun.elapsed(),
        )
    };
    let (local, _) = sums(folder.path().join("cube").to_str().unwrap());
    let (remote, took) = sums(&format!("{url}/cube"));
    assert_eq!(local, remote);
    // 288 chunks one after the other would wait for six seconds.
    let chunks = 4 * 36 * 2;
    assert!(
        took < latency * chunks / 3,
        "{took:?}: chunks were not fetched at once"
    );
}

#[test]
fn remote_chunks_that_a_mask_rules_out_are_not_fetched() {
    let folder = cube(40, 300, 50);
    let (url, bands) = serve_files(folder.path().to_owned(), Duration::from_millis(2));
    // So little that no worker fetches all of its tiles before it has computed the first, however slow it is.
    let memory_limit = 8 << 20;
    // Dense clouds, of which a third of the steps has none, and a class that there is not.
    let statistics = |location: &str, class: i64| {
        let ds = Dataset::open(location, &OpenOptions::default()).unwrap();
        let nir = ds["nir"].where_(ds["scl"].isin([class]));
        let (mean, count) = (nir.mean(["y", "x"]), nir.count(["y", "x"]));
        let cluster = cluster_within(memory_limit, 2, false);
        let results = compute(&cluster.client(), [&mean, &count]).unwrap();
        let counts = results[1].values_f64();
        (results[0].bytes().to_vec(), counts)
    };
    let local = folder.path().join("cube");
    let all = 40 * 36;
    for (class, most) in [(9, all - 1), (200, all / 3)] {
        let before = bands.load(Relaxed);
        let remote = statistics(&format!("{url}/cube"), class);
        let fetched = bands.load(Relaxed) - before;
        assert_eq!(remote, statistics(local.to_str().unwrap(), class));
        assert_eq!(remote.1.iter().any(|n| *n > 0.0), class == 9);
        assert!(
            fetched <= most,
            "{fetched} of {all} chunks of nir were fetched"
        );
    }
}

/// A folder with the synthetic cube `cube`.
fn cube(steps: u64, size: u64, chunk: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let spec = SampleSpec {
        steps,
        size,
        chunk,
        codec: SampleCodec::Zstd,
    };
    write_sample(&folder.path().join("cube"), &spec, &mut |_, _| {}).unwrap();
    folder
}

fn command(args: &[&str]) -> Child {
    Command::new(dasklike())
        .args(args)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Whether the process is there and is no zombie.
fn is_running(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')')
        .next()
        .is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}

fn children_of(pid: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let children = tasks.flat_map(|t| std::fs::read_to_string(t.path().join("children")).ok());
    children
        .flat_map(|c| {
            c.split_whitespace()
                .flat_map(str::parse)
                .collect::<Vec<u32>>()
        })
        .collect()
}

/// Serves a folder's files over HTTP, each answer after `latency`; gives the URL, and the number of requests for
/// chunks of `nir` so far.
fn serve_files(folder: PathBuf, latency: Duration) -> (String, Arc<AtomicUsize>) {
    let bands = Arc::new(AtomicUsize::new(0));
    let count = bands.clone();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (folder, count) = (folder.clone(), count.clone());
            // The body would wait for the head's acknowledgement, which takes 40 ms.
            stream.set_nodelay(true).unwrap();
            // Ends when the client closes the connection.
            std::thread::spawn(move || answer(&folder, stream, latency, &count));
        }
    });
    (url, bands)
}

fn answer(
    folder: &Path,
    mut stream: TcpStream,
    latency: Duration,
    bands: &AtomicUsize,
) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    loop {
        let request = lines.next()?.ok()?;
        while !lines.next()?.ok()?.is_empty() {}
        std::thread::sleep(latency);
        let path = request.split(' ').nth(1)?.trim_start_matches('/');
        if path.contains("/nir/c/") {
            bands.fetch_add(1, Relaxed);
        }
        let mut body = Vec::new();
        let found = std::fs::File::open(folder.join(path))
            .and_then(|mut f| f.read_to_end(&mut body))
            .is_ok();
        let status = if found { "200 OK" } else { "404 Not Found" };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream
            .write_all(head.as_bytes())
            .and_then(|()| stream.write_all(&body))
            .ok()?;
    }
}
