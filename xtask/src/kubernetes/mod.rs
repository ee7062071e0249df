//! `cargo xtask cluster`: a real Kubernetes of one node on this machine, every part the upstream program.

mod certificates;
mod check;
mod kuberay;
mod kwok;
mod layout;
mod network;
mod parts;
mod pause;
mod process;
pub(crate) mod programs;
mod ready;
mod runtime;
mod teardown;
mod templates;

use crate::debian::{self, Need};
use crate::run::say;
use anyhow::{Context, Result, bail};
use data_encoding::HEXLOWER;
use layout::Layout;
use parts::{BASE, Part};
use programs::Program;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Instant;

pub(crate) use check::{KUBECONFIG, run_tests};
pub(crate) use runtime::import;

/// Which part of a cluster's life.
#[derive(Clone, Copy, clap::Subcommand)]
pub(crate) enum ClusterCommand {
    /// Start the cluster unless it runs; print the path of its kubeconfig
    Up {
        /// Add so many fake nodes, whose pods run only on paper, for measuring scale
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=5000))]
        kwok: Option<u32>,
    },
    /// End the cluster and all that runs on it
    Down,
}

/// Carries out `command`.
pub(crate) fn run(command: ClusterCommand) -> Result<()> {
    match command {
        ClusterCommand::Up { kwok } => {
            print(&match kwok {
                Some(nodes) => up_with_fake_nodes(nodes)?,
                None => up()?,
            });
            Ok(())
        }
        ClusterCommand::Down => down(),
    }
}

#[expect(clippy::print_stdout, reason = "the path is this command's data")]
fn print(kubeconfig: &Path) {
    println!("{}", kubeconfig.display());
}

const PROGRAMS: [Program; 8] = [
    Program::Kubectl,
    Program::KubeApiserver,
    Program::KubeControllerManager,
    Program::KubeScheduler,
    Program::Kubelet,
    Program::KubeProxy,
    Program::Etcd,
    Program::Coredns,
];

/// Debian's part: what starts containers, and what the network plugins and kube-proxy start in their turn.
const NEEDS: [Need; 6] = [
    Need::new("containerd", "containerd"),
    Need::new("runc", "runc"),
    Need::new("/usr/lib/cni/bridge", "containernetworking-plugins"),
    Need::new("iptables", "iptables"),
    Need::new("ip", "iproute2"),
    Need::new("buildah", "buildah"),
];

/// The kubeconfig of a cluster that works: the one that runs, or one made anew.
pub(crate) fn up() -> Result<PathBuf> {
    let layout = Layout::new()?;
    let _lock = lock(&layout)?;
    if !debian::is_root()? {
        bail!(
            "the test cluster needs root, for namespaces, mounts and packet rules: run this as root, or set DASKLIKE_TEST_KUBECONFIG to the kubeconfig of a cluster that you have, such as kind's"
        );
    }
    programs::ensure(&PROGRAMS)?;
    if works(&layout)? {
        return Ok(layout.kubeconfig());
    }
    debian::ensure(&NEEDS)?;
    let pause = pause::ensure()?;
    // Whatever is left of an earlier one: half dead, of another version, from before the machine restarted.
    teardown::all(&layout)?;
    let begun = Instant::now();
    if let Err(error) = start(&layout, &pause) {
        // The logs stay for people to read.
        teardown::all_but_state(&layout)?;
        return Err(error.context("the test cluster does not start"));
    }
    say(&format!(
        "the cluster is ready after {:.1} s",
        begun.elapsed().as_secs_f64()
    ));
    Ok(layout.kubeconfig())
}

/// The same with so many nodes whose pods run only on paper.
pub(crate) fn up_with_fake_nodes(nodes: u32) -> Result<PathBuf> {
    let kubeconfig = up()?;
    kwok::ensure(&Layout::new()?, nodes)?;
    Ok(kubeconfig)
}

/// KubeRay's operator, a peer to measure beside ours, and in the running cluster what it needs to work.
pub(crate) fn kuberay() -> Result<PathBuf> {
    kuberay::ensure(&Layout::new()?)
}

/// Whether our own cluster runs.
fn is_up() -> Result<bool> {
    let layout = Layout::new()?;
    let _lock = lock(&layout)?;
    works(&layout)
}

/// Ends the cluster.
pub(crate) fn down() -> Result<()> {
    let layout = Layout::new()?;
    let _lock = lock(&layout)?;
    teardown::all(&layout)?;
    say("the cluster is gone");
    Ok(())
}

/// Two commands at once must not both start or end it; released when the file is closed.
fn lock(layout: &Layout) -> Result<File> {
    let path = layout.base.join("cluster.lock");
    let file = File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
    file.lock()
        .with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

/// Whether the cluster that this checkout describes runs and answers.
fn works(layout: &Layout) -> Result<bool> {
    let recipe = recipe(layout)?;
    if !fs::read_to_string(layout.state.join("recipe")).is_ok_and(|text| text == recipe) {
        return Ok(false);
    }
    Ok(ready::ended(layout, &BASE)?.is_empty()
        && ready::api_server(layout)?
        && ready::node(layout)?)
}

fn start(layout: &Layout, pause: &Path) -> Result<()> {
    for folder in ["log", "processes", "etcd", "kubelet", "volume-plugins"] {
        let folder = layout.state.join(folder);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    certificates::write(layout)?;
    templates::write(layout)?;
    network::up()?;
    let first = [Part::Containerd, Part::Etcd, Part::ApiServer];
    for part in first {
        part.start(layout)?;
    }
    ready::wait(layout, "containerd", &first, || runtime::answers(layout))?;
    runtime::import_archive(layout, pause)?;
    ready::wait(layout, "the API server", &first, || {
        ready::api_server(layout)
    })?;
    for part in BASE.iter().filter(|part| !first.contains(part)) {
        part.start(layout)?;
    }
    ready::wait(layout, "the node", &BASE, || ready::node(layout))?;
    let path = layout.state.join("recipe");
    fs::write(&path, recipe(layout)?).with_context(|| format!("cannot write {}", path.display()))
}

/// What the cluster is made from: versions, command lines, configuration. One made from other things is not the
/// cluster that was asked for, however well it works.
fn recipe(layout: &Layout) -> Result<String> {
    let mut hash = Sha256::new();
    for part in BASE {
        hash.update(part.command_line(layout)?);
    }
    hash.update(templates::filled(layout)?.concat());
    Ok(HEXLOWER.encode(&hash.finalize()))
}
