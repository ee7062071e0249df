//! Where the test cluster lives: folders, addresses, names. There is one such cluster on a machine.

use crate::places::cache;
use anyhow::{Context, Result};
use std::fs;
use std::path::PathBuf;

/// The node's only name.
pub(crate) const NODE: &str = "dasklike-node";
/// The bridge that pods hang on; the node's address is its own.
pub(crate) const BRIDGE: &str = "dasklike0";
/// The node's address: that of the API server, of DNS, and of this machine as pods see it.
pub(crate) const GATEWAY: &str = "10.213.0.1";
/// The name of the user who may do everything.
pub(crate) const ADMIN: &str = "admin";
/// The addresses of pods.
pub(crate) const POD_RANGE: &str = "10.213.0.0/24";
/// The addresses of Services.
pub(crate) const SERVICE_RANGE: &str = "10.214.0.0/16";
/// The first of them, which is the Service `kubernetes`.
pub(crate) const API_SERVICE: &str = "10.214.0.1";
/// The API server's port on the gateway.
pub(crate) const API_PORT: u16 = 6443;
/// The port on the gateway where CoreDNS says whether it is ready.
pub(crate) const DNS_READY_PORT: u16 = 18181;
/// etcd's port for clients on the loopback; not 2379, where a developer's own may listen.
pub(crate) const ETCD_PORT: u16 = 12379;
/// etcd's port for peers, of which there are none.
pub(crate) const ETCD_PEER_PORT: u16 = 12380;
/// Where Debian's `containernetworking-plugins` puts its programs.
pub(crate) const CNI_PLUGINS: &str = "/usr/lib/cni";
/// Sockets and mounts. A fixed short path, because the path of a socket may have 107 bytes.
const RUN: &str = "/run/dasklike-cluster";

/// The folders of the cluster; all are absolute and outside the checkout.
pub(crate) struct Layout {
    /// Everything that Kubernetes test clusters keep, over their ends too.
    pub(crate) base: PathBuf,
    /// What one life of the cluster writes: removed when it ends.
    pub(crate) state: PathBuf,
    /// Sockets and mounts of one life.
    pub(crate) run: PathBuf,
}

impl Layout {
    /// The folders, of which only `base` is made.
    pub(crate) fn new() -> Result<Layout> {
        let base = base()?;
        Ok(Layout {
            state: base.join("cluster"),
            run: PathBuf::from(RUN),
            base,
        })
    }

    /// The administrator's kubeconfig.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.kubeconfig_of(ADMIN)
    }

    /// The kubeconfig of the part or person called `who`.
    pub(crate) fn kubeconfig_of(&self, who: &str) -> PathBuf {
        self.state.join(format!("{who}.kubeconfig"))
    }

    /// A file among keys and certificates.
    pub(crate) fn pki(&self, file: &str) -> PathBuf {
        self.state.join("pki").join(file)
    }

    /// containerd's socket.
    pub(crate) fn containerd_socket(&self) -> PathBuf {
        self.run.join("containerd.sock")
    }

    /// What the part called `name` prints.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.state.join("log").join(format!("{name}.log"))
    }
}

/// The cache folder for all that has to do with Kubernetes, made when it is not there.
pub(crate) fn base() -> Result<PathBuf> {
    let folder = cache()?.join("kubernetes");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}
