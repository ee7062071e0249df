//! The commands with TLS, told everything by their environment, as a pod tells them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use dasklike::array::DataArray;
use dasklike::{Client, ComputeOptions, compute_with};
use dasklike_graph::dtype::DType;
use dasklike_tests::processes::{dasklike, free_port, terminate, until};
use dasklike_tests::tls::{Authority, CLIENT, Mounted, NAME, SERVER, WORKER};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn commands_take_all_from_the_environment_and_a_told_worker_finishes_what_it_runs() {
    let authority = Authority::generate();
    let server = Mounted::new(&authority.pem, &authority.issue(SERVER));
    let clients = Mounted::new(&authority.pem, &authority.issue(CLIENT));
    let workers = Mounted::new(&authority.pem, &authority.issue(WORKER));
    let (port, dashboard) = (free_port(), free_port());
    let mut scheduler = command(
        "scheduler",
        &[
            ("DASKLIKE_HOST", "::"),
            ("DASKLIKE_PORT", &port.to_string()),
            ("DASKLIKE_DASHBOARD_PORT", &dashboard.to_string()),
            ("DASKLIKE_TLS_DIR", server.path().to_str().unwrap()),
        ],
    );
    let url = format!("tls://127.0.0.1:{port}");
    let worker = |name: &str| {
        command(
            "worker",
            &[
                ("DASKLIKE_SCHEDULER", url.as_str()),
                ("DASKLIKE_NAME", name),
                ("DASKLIKE_POOL", "big"),
                ("DASKLIKE_SLOTS", "0"),
                ("DASKLIKE_MEMORY_LIMIT", "256MB"),
                ("DASKLIKE_TLS_DIR", workers.path().to_str().unwrap()),
                ("DASKLIKE_TLS_SERVER_NAME", NAME),
            ],
        )
    };
    let mut first = worker("first");
    let mut client = None;
    until("the scheduler answers", || {
        client = Client::connect_tls(&url, clients.as_client()).ok();
        client.is_some()
    });
    let client = client.unwrap();
    until("the first worker is there", || {
        client.cluster().unwrap().workers.len() == 1
    });
    let info = client.cluster().unwrap().workers.remove(0);
    let cpus = std::thread::available_parallelism().unwrap().get() as u32;
    assert_eq!((info.pool.as_str(), info.slots), ("big", cpus));
    assert!(ready(dashboard), "a scheduler that takes work is ready");

    let options = ComputeOptions {
        pool: "big".parse().unwrap(),
        ..ComputeOptions::default()
    };
    let cancel = options.cancel.clone();
    let (tell, told) = std::sync::mpsc::channel();
    let running = std::thread::spawn({
        let client = client.clone();
        move || {
            let array = DataArray::ones(DType::F64, &[("x", 1 << 40, 1 << 14)]).count(..);
            compute_with(&client, [&array], &options, |p| {
                // The receiver is gone when enough was heard.
                let _ = tell.send(p.tasks_done);
            })
        }
    });
    while told.recv().unwrap() == 0 {}
    let mut second = worker("second");
    until("the second worker is there", || {
        client.cluster().unwrap().workers.len() == 2
    });
    terminate(&first);
    until("the first worker has ended", || {
        first.try_wait().unwrap().is_some()
    });
    assert!(
        first.wait().unwrap().success(),
        "a drained worker exits with 0"
    );
    // Nothing that it had begun was run again.
    let metrics = get(dashboard, "/metrics");
    let rerun = metrics
        .lines()
        .find(|l| l.starts_with("dasklike_tasks_rerun_total{cause=\"worker_lost\"}"))
        .unwrap();
    assert!(rerun.ends_with(" 0"), "{rerun}");
    cancel.cancel();
    drop(running.join().unwrap());

    // The scheduler ends at once, whoever is connected.
    let begun = Instant::now();
    terminate(&scheduler);
    until("the scheduler has ended", || {
        scheduler.try_wait().unwrap().is_some()
    });
    assert!(scheduler.wait().unwrap().success());
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    terminate(&second);
    until("a worker without a scheduler ends too", || {
        second.try_wait().unwrap().is_some()
    });
}

/// The `dasklike` command, told everything by its environment.
fn command(name: &str, environment: &[(&str, &str)]) -> Child {
    Command::new(dasklike())
        .arg(name)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn ready(port: u16) -> bool {
    get(port, "/readyz").starts_with("HTTP/1.1 200")
}

fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}
