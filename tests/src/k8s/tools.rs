//! kubectl and helm, as a user has them.

use super::cluster::{kubeconfig, variable};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// `kubectl` for the cluster under test.
pub fn kubectl(arguments: &[&str]) -> Command {
    tool("kubectl", arguments)
}

/// `helm` for the cluster under test.
pub fn helm(arguments: &[&str]) -> Command {
    tool("helm", arguments)
}

fn tool(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(PathBuf::from(variable("DASKLIKE_TEST_BIN")).join(name));
    command
        .env("KUBECONFIG", kubeconfig())
        .args(arguments)
        .stdin(Stdio::null());
    command
}

/// What the command prints on stdout; the test fails if the command does, with its own words.
pub fn output(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
    assert!(
        output.status.success(),
        "{command:?} failed, {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("the output is no text")
}
