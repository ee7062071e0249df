//! The node's network: a bridge whose address is the node's.

use super::layout::{BRIDGE, GATEWAY, POD_RANGE};
use crate::run::run;
use anyhow::{Context, Result};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Makes the bridge and lets packets pass between pods.
pub(crate) fn up() -> Result<()> {
    let forward = "/proc/sys/net/ipv4/ip_forward";
    fs::write(forward, "1").with_context(|| format!("cannot write {forward}"))?;
    run(&mut ip(&["link", "add", BRIDGE, "type", "bridge"]))?;
    let (_, bits) = POD_RANGE
        .split_once('/')
        .context("a range has a number of bits")?;
    run(&mut ip(&[
        "address",
        "add",
        &format!("{GATEWAY}/{bits}"),
        "dev",
        BRIDGE,
    ]))?;
    run(&mut ip(&["link", "set", BRIDGE, "up"]))
}

/// Removes the bridge, if it is there.
pub(crate) fn down() -> Result<()> {
    if PathBuf::from("/sys/class/net").join(BRIDGE).exists() {
        run(&mut ip(&["link", "delete", BRIDGE]))?;
    }
    Ok(())
}

fn ip(arguments: &[&str]) -> Command {
    let mut command = Command::new("ip");
    command.args(arguments);
    command
}
