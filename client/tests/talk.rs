//! Programs that serve go on when nobody reads what they say.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn a_scheduler_whose_stderr_is_closed_goes_on() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut scheduler = Command::new(env!("CARGO_BIN_EXE_dasklike"))
        .args(["scheduler", "--port", &address.port().to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(writer)
        .spawn()
        .unwrap();
    let url = format!("tcp://{address}");
    let asked = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(asked.elapsed() < Duration::from_secs(30), "nobody listens");
        std::thread::yield_now();
    }
    // It listens before it says so: by the time it has answered this, it has said all.
    let workers = Command::new(env!("CARGO_BIN_EXE_dasklike"))
        .args(["workers", "list", "--scheduler", &url])
        .output()
        .unwrap();
    let ended = scheduler.try_wait().unwrap();
    let _ = scheduler.kill();
    let _ = scheduler.wait();
    assert!(
        workers.status.success(),
        "{}",
        String::from_utf8_lossy(&workers.stderr)
    );
    assert_eq!(ended, None, "it ended by itself");
}
