//! Whether the cluster works: waiting for it at the start, looking at it later.

use super::layout::{DNS_READY_PORT, GATEWAY, Layout, NODE};
use super::parts::{Part, without_proxies};
use super::process;
use super::programs::Program;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

/// How long each step of the start may take. All of it takes 3 to 5 s; the rest is for busy machines.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long one look may take.
const LOOK: Duration = Duration::from_secs(2);
/// How much of a log is shown when a part has ended.
const LOG_LINES: usize = 15;

/// The parts that should run and do not.
pub(crate) fn ended(layout: &Layout, parts: &[Part]) -> Result<Vec<Part>> {
    let mut ended = Vec::new();
    for part in parts {
        let alive = match process::recorded(layout, part.name()) {
            Some(process) => process.alive()?,
            None => false,
        };
        if !alive {
            ended.push(*part);
        }
    }
    Ok(ended)
}

/// Polls until `done`; gives up at once when one of `parts` has ended.
pub(crate) fn wait(
    layout: &Layout,
    what: &str,
    parts: &[Part],
    mut done: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if done()? {
            return Ok(());
        }
        if let Some(part) = ended(layout, parts)?.first() {
            bail!("{} has ended: {}", part.name(), end_of_log(layout, *part));
        }
        if Instant::now() > deadline {
            bail!(
                "waited {} s for {what}; the logs are in {}",
                PATIENCE.as_secs(),
                layout.state.join("log").display()
            );
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn end_of_log(layout: &Layout, part: Part) -> String {
    let path = layout.log(part.name());
    let text = fs::read_to_string(&path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let last = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n");
    format!("{} ends with\n{last}", path.display())
}

/// Whether the API server says that it is ready.
pub(crate) fn api_server(layout: &Layout) -> Result<bool> {
    Ok(get(layout, "/readyz")?.is_some())
}

/// Whether the node takes pods: it is Ready, the first namespace has its ServiceAccount, without which pods are
/// refused, and names are resolved.
pub(crate) fn node(layout: &Layout) -> Result<bool> {
    let Some(node) = get(layout, &format!("/api/v1/nodes/{NODE}"))? else {
        return Ok(false);
    };
    let node: Value = serde_json::from_str(&node).context("the API server answers no JSON")?;
    let account = "/api/v1/namespaces/default/serviceaccounts/default";
    Ok(is_ready(&node) && get(layout, account)?.is_some() && dns())
}

/// Whether a Node object says so.
pub(crate) fn is_ready(node: &Value) -> bool {
    node["status"]["conditions"]
        .as_array()
        .is_some_and(|conditions| {
            conditions
                .iter()
                .any(|c| c["type"] == "Ready" && c["status"] == "True")
        })
}

/// Whether CoreDNS has seen the cluster's Services.
fn dns() -> bool {
    let ask = || -> Result<bool> {
        let address = SocketAddr::new(GATEWAY.parse::<IpAddr>()?, DNS_READY_PORT);
        let mut stream = TcpStream::connect_timeout(&address, LOOK)?;
        stream.set_read_timeout(Some(LOOK))?;
        write!(stream, "GET /ready HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer
            .split_whitespace()
            .nth(1)
            .is_some_and(|status| status == "200"))
    };
    // Whatever goes wrong on the way, the answer is that it is not ready yet.
    ask().unwrap_or(false)
}

/// What the API server answers to a GET; none when it does not or refuses.
pub(crate) fn get(layout: &Layout, path: &str) -> Result<Option<String>> {
    let output = kubectl(layout)?
        .args(["get", "--request-timeout=2s", "--raw", path])
        .output()
        .context("cannot start kubectl")?;
    let text = String::from_utf8(output.stdout).context("the API server answers no text")?;
    Ok(output.status.success().then_some(text))
}

/// `kubectl` as the cluster's administrator.
pub(crate) fn kubectl(layout: &Layout) -> Result<Command> {
    let mut command = Command::new(Program::Kubectl.path()?);
    command.arg("--kubeconfig").arg(layout.kubeconfig());
    without_proxies(&mut command);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::is_ready;
    use serde_json::json;

    #[test]
    fn a_node_is_ready_when_that_condition_is_true() {
        let node = |kind: &str, status: &str| {
            json!({"status": {"conditions": [
                {"type": "DiskPressure", "status": "False"}, {"type": kind, "status": status}]}})
        };
        assert!(is_ready(&node("Ready", "True")));
        assert!(!is_ready(&node("Ready", "False")));
        assert!(!is_ready(&node("PIDPressure", "True")));
        assert!(!is_ready(&json!({})));
    }
}
