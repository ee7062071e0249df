//! A port of a pod on this machine's loopback, through the API server: the way that works with any cluster.

use super::namespace::Namespace;
use super::tools::kubectl;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Stdio};

/// `kubectl port-forward`, ended when this is dropped.
pub struct PortForward {
    /// Where to connect to.
    pub address: SocketAddr,
    child: Child,
}

impl PortForward {
    /// Forwards to `port` of `target`, such as `pod/demo-scheduler`, which must be Ready.
    pub fn start(namespace: &Namespace, target: &str, port: u16) -> PortForward {
        let mut child = kubectl(&["--namespace", &namespace.name])
            .args(["port-forward", "--address=127.0.0.1", target])
            .arg(format!(":{port}"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("cannot start kubectl");
        // It says so when it listens, "Forwarding from 127.0.0.1:40001 -> 8786", or ends with its reason on
        // stderr.
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("the pipe was asked for"));
        stdout.read_line(&mut line).expect("kubectl cannot be read");
        let address = line
            .strip_prefix("Forwarding from ")
            .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
            .unwrap_or_else(|| panic!("kubectl port-forward {target} said {line:?}"));
        // It has a line for each connection, and would wait if nobody took them. The thread ends with it.
        std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        PortForward { address, child }
    }
}

impl Drop for PortForward {
    fn drop(&mut self) {
        // One that has ended already has told why on stderr.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
