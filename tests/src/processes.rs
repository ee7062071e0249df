//! Schedulers and workers as processes of their own.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Whatever takes longer will not come.
const DEADLINE: Duration = Duration::from_secs(60);

/// Looks again and again until it is so.
pub fn until(what: &str, mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < DEADLINE, "still not so: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Tells a process to end, as a container runtime does.
pub fn terminate(child: &Child) {
    let told = Command::new("kill").arg(child.id().to_string()).status();
    assert!(told.unwrap().success());
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// The `dasklike` command, as clusters of processes find it.
pub fn dasklike() -> PathBuf {
    let me = std::env::current_exe().unwrap();
    let program: PathBuf = me.ancestors().nth(2).unwrap().join("dasklike");
    assert!(
        program.is_file(),
        "{} is not built: cargo build --release",
        program.display()
    );
    program
}

/// A `dasklike` process, which is killed when this is dropped.
#[derive(Debug)]
pub struct Process(pub Child);

impl Process {
    /// Starts one that says nothing.
    pub fn start<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Process {
        let mut command = Command::new(dasklike());
        command.args(args);
        command.stdin(Stdio::null()).stderr(Stdio::null());
        Process(command.spawn().unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
