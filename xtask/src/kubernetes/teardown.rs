//! Ending the cluster, whole or half dead, so that nothing of it is left: processes, containers, mounts, cgroups,
//! packet rules, the bridge, the folders.

use super::layout::{BRIDGE, Layout};
use super::parts::{BASE, Part};
use super::process::{self, Process};
use super::programs::Program;
use super::{network, parts};
use crate::run::say;
use anyhow::{Context, Result, bail};
use rustix::mount::{UnmountFlags, unmount};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Does all of it. What is not there is no error.
pub(crate) fn all(layout: &Layout) -> Result<()> {
    all_but_state(layout)?;
    remove(&layout.state)
}

/// Ends everything and leaves the state folder, where the logs are.
pub(crate) fn all_but_state(layout: &Layout) -> Result<()> {
    // The kubelet and the controllers first, or they start again what is ended here. Nothing is asked to end in
    // good order: all that these processes keep is thrown away with them.
    for part in BASE.iter().rev().chain([&Part::Kwok]) {
        if *part != Part::Containerd
            && let Some(process) = process::recorded(layout, part.name())
        {
            process.kill()?;
        }
    }
    end_containers(layout)?;
    if let Some(process) = process::recorded(layout, Part::Containerd.name()) {
        process.kill()?;
    }
    unmount_all(layout)?;
    remove_cgroups()?;
    remove_packet_rules()?;
    network::down()?;
    remove_network_records()?;
    remove(&layout.run)
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(())
}

/// Ends containers and their shims without containerd, which may be dead.
fn end_containers(layout: &Layout) -> Result<()> {
    let tasks = layout
        .run
        .join("containerd/io.containerd.runtime.v2.task/k8s.io");
    for task in children(&tasks)? {
        if let Some(process) = first_process(&task)? {
            // It is the first of its process namespace: the kernel ends the others with it.
            process.kill()?;
        }
    }
    let address = layout.containerd_socket().display().to_string();
    for folder in children(Path::new("/proc"))? {
        let arguments = fs::read(folder.join("cmdline")).unwrap_or_default();
        let arguments: Vec<&str> = arguments
            .split(|byte| *byte == 0)
            .map(|argument| std::str::from_utf8(argument).unwrap_or_default())
            .collect();
        let shim = arguments
            .first()
            .is_some_and(|program| program.contains("containerd-shim"));
        if shim
            && arguments.contains(&address.as_str())
            && let Some(process) = numbered(&folder)?
        {
            process.kill()?;
        }
    }
    Ok(())
}

/// The process that a task's folder names, if it is still that task's: its cgroup is named after the container.
fn first_process(task: &Path) -> Result<Option<Process>> {
    let Ok(pid) = fs::read_to_string(task.join("init.pid")) else {
        return Ok(None);
    };
    let folder = Path::new("/proc").join(pid.trim());
    let container = task
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let cgroups = fs::read_to_string(folder.join("cgroup")).unwrap_or_default();
    if cgroups.contains(&container) {
        numbered(&folder)
    } else {
        Ok(None)
    }
}

/// The process whose folder in /proc this is.
fn numbered(folder: &Path) -> Result<Option<Process>> {
    match folder
        .file_name()
        .and_then(|name| name.to_str()?.parse().ok())
    {
        Some(pid) => Process::now(pid),
        None => Ok(None),
    }
}

/// Unmounts all that is mounted beneath our folders: root filesystems, network namespaces, volumes.
fn unmount_all(layout: &Layout) -> Result<()> {
    // A mount may be covered by another: pass by pass, until none is left.
    for _ in 0..8 {
        let mounts = mounts_under(&[&layout.run, &layout.state])?;
        if mounts.is_empty() {
            return Ok(());
        }
        for mount in mounts.iter().rev() {
            if let Err(error) = unmount(mount, UnmountFlags::DETACH) {
                say(&format!("cannot unmount {}: {error}", mount.display()));
            }
        }
    }
    bail!(
        "something stays mounted beneath {} or {}: see /proc/self/mountinfo",
        layout.run.display(),
        layout.state.display()
    )
}

fn mounts_under(folders: &[&PathBuf]) -> Result<Vec<PathBuf>> {
    let table = fs::read_to_string("/proc/self/mountinfo").context("cannot read the mounts")?;
    Ok(table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        // Blanks in paths are written in octal; other bytes that are do not occur in paths made here.
        .map(|path| PathBuf::from(path.replace("\\040", " ")))
        .filter(|path| folders.iter().any(|folder| path.starts_with(folder)))
        .collect())
}

/// Removes the kubelet's cgroups. Only empty ones can be removed, so another kubelet's pods are safe.
fn remove_cgroups() -> Result<()> {
    let root = Path::new("/sys/fs/cgroup");
    // With cgroup v1 there is one tree for each controller, with v2 one tree.
    let mut trees = children(root)?;
    trees.push(root.to_path_buf());
    for tree in trees {
        let pods = tree.join("kubepods");
        if pods.is_dir() {
            remove_empty(&pods)?;
        }
    }
    Ok(())
}

fn remove_empty(cgroup: &Path) -> Result<()> {
    for child in children(cgroup)? {
        if child.is_dir() {
            remove_empty(&child)?;
        }
    }
    // Busy: another's. Not found: its tree is seen under two names.
    let _ = fs::remove_dir(cgroup);
    Ok(())
}

/// Removes kube-proxy's packet rules: with its own means, if it has ever been built, and then the one chain that
/// those leave.
fn remove_packet_rules() -> Result<()> {
    let proxy = Program::KubeProxy.path()?;
    if !proxy.exists() {
        return Ok(());
    }
    let mut command = Command::new(proxy);
    command.arg("--cleanup").stdout(Stdio::null());
    let output = parts::without_proxies(&mut command)
        .output()
        .context("cannot start kube-proxy")?;
    if !output.status.success() {
        say(&format!(
            "kube-proxy could not remove its packet rules: {}",
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    for arguments in [
        "-D INPUT -j KUBE-FIREWALL",
        "-D OUTPUT -j KUBE-FIREWALL",
        "-F KUBE-FIREWALL",
        "-X KUBE-FIREWALL",
    ] {
        // It fails where there is no such rule, which is what is wanted.
        Command::new("iptables")
            .arg("--wait")
            .args(arguments.split(' '))
            .stderr(Stdio::null())
            .status()
            .context("cannot start iptables")?;
    }
    Ok(())
}

/// The plugins' library keeps what it did for each container in a place that cannot be chosen.
fn remove_network_records() -> Result<()> {
    for record in children(Path::new("/var/lib/cni/results"))? {
        let ours = record
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(&format!("{BRIDGE}-")));
        if ours {
            fs::remove_file(&record)
                .with_context(|| format!("cannot remove {}", record.display()))?;
        }
    }
    Ok(())
}

/// What a folder holds; nothing when it is not there.
fn children(folder: &Path) -> Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => Ok(entries.flatten().map(|entry| entry.path()).collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).with_context(|| format!("cannot list {}", folder.display())),
    }
}
