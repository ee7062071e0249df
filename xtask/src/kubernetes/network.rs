//! The node's network: a bridge whose address is the node's.

use super::layout::{BRIDGE, GATEWAY, POD_RANGE};
use crate::run::run;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use std::process::Command;

/// The bridge's hardware address: locally administered, as the two low bits of its first byte say.
const OWN_ADDRESS: &str = "02:0d:a5:00:00:01";

/// Makes the bridge and lets packets pass between pods.
pub(crate) fn up() -> Result<()> {
    switch_on("/proc/sys/net/ipv4/ip_forward")?;
    // Without it packets between two ports of a bridge pass no rules, and a pod that calls a Service on its own
    // node never sees the answer. A kernel that has no such switch has nothing to switch.
    let bridged = "/proc/sys/net/bridge/bridge-nf-call-iptables";
    if Path::new(bridged).exists() {
        switch_on(bridged)?;
    }
    // A bridge without an address of its own takes the lowest of its ports', and another one when that pod goes: the
    // other pods then send to an address that nobody has, for a minute and more.
    run(&mut ip(&[
        "link",
        "add",
        BRIDGE,
        "address",
        OWN_ADDRESS,
        "type",
        "bridge",
    ]))?;
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

fn switch_on(path: &str) -> Result<()> {
    fs::write(path, "1").with_context(|| format!("cannot write {path}"))
}

/// Removes the bridge, if it is there.
pub(crate) fn down() -> Result<()> {
    if Path::new("/sys/class/net").join(BRIDGE).exists() {
        run(&mut ip(&["link", "delete", BRIDGE]))?;
    }
    Ok(())
}

fn ip(arguments: &[&str]) -> Command {
    let mut command = Command::new("ip");
    command.args(arguments);
    command
}
