//! The processes of the cluster and their command lines.

use super::layout::{
    API_PORT, ETCD_PEER_PORT, ETCD_PORT, GATEWAY, Layout, NODE, POD_RANGE, SERVICE_RANGE,
};
use super::programs::Program;
use super::{kwok, process};
use anyhow::Result;
use std::path::PathBuf;
use std::process::Command;

/// A process of the cluster.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Containerd,
    Etcd,
    ApiServer,
    ControllerManager,
    Scheduler,
    Kubelet,
    Proxy,
    Dns,
    /// The fake nodes' keeper; only when asked for.
    Kwok,
}

/// What every cluster consists of.
pub(crate) const BASE: [Part; 8] = [
    Part::Containerd,
    Part::Etcd,
    Part::ApiServer,
    Part::ControllerManager,
    Part::Scheduler,
    Part::Kubelet,
    Part::Proxy,
    Part::Dns,
];

impl Part {
    /// The name of its log and its record.
    pub(crate) fn name(self) -> &'static str {
        match self.program() {
            Some(program) => program.name(),
            None => "containerd",
        }
    }

    /// The upstream program; containerd is Debian's, because it fits Debian's runc.
    fn program(self) -> Option<Program> {
        match self {
            Part::Containerd => None,
            Part::Etcd => Some(Program::Etcd),
            Part::ApiServer => Some(Program::KubeApiserver),
            Part::ControllerManager => Some(Program::KubeControllerManager),
            Part::Scheduler => Some(Program::KubeScheduler),
            Part::Kubelet => Some(Program::Kubelet),
            Part::Proxy => Some(Program::KubeProxy),
            Part::Dns => Some(Program::Coredns),
            Part::Kwok => Some(Program::Kwok),
        }
    }

    /// The file of its program. The cache names its folder after the version.
    fn file(self) -> Result<PathBuf> {
        match self.program() {
            Some(program) => program.path(),
            None => Ok(PathBuf::from("containerd")),
        }
    }

    /// All that is said to the system to start it, as one text.
    pub(crate) fn command_line(self, layout: &Layout) -> Result<String> {
        Ok(format!(
            "{} {}\n",
            self.file()?.display(),
            self.arguments(layout)?.join(" ")
        ))
    }

    /// Starts it.
    pub(crate) fn start(self, layout: &Layout) -> Result<()> {
        let mut command = Command::new(self.file()?);
        command.args(self.arguments(layout)?);
        without_proxies(&mut command);
        process::start(layout, self.name(), &mut command)
    }

    fn arguments(self, layout: &Layout) -> Result<Vec<String>> {
        let state = |file: &str| layout.state.join(file).display().to_string();
        let pki = |file: &str| layout.pki(file).display().to_string();
        let kubeconfig = format!(
            "--kubeconfig={}",
            layout.kubeconfig_of(self.name()).display()
        );
        Ok(match self {
            Part::Containerd => vec!["--config".into(), state("containerd.toml")],
            Part::Etcd => vec![
                format!("--data-dir={}", state("etcd")),
                // The data never outlives the process, so nothing need reach the disk.
                "--unsafe-no-fsync".into(),
                "--log-level=warn".into(),
                format!("--listen-client-urls={}", etcd(ETCD_PORT)),
                format!("--advertise-client-urls={}", etcd(ETCD_PORT)),
                format!("--listen-peer-urls={}", etcd(ETCD_PEER_PORT)),
                format!("--initial-advertise-peer-urls={}", etcd(ETCD_PEER_PORT)),
                format!("--initial-cluster=default={}", etcd(ETCD_PEER_PORT)),
            ],
            Part::ApiServer => vec![
                format!("--etcd-servers={}", etcd(ETCD_PORT)),
                format!("--service-cluster-ip-range={SERVICE_RANGE}"),
                format!("--bind-address={GATEWAY}"),
                format!("--advertise-address={GATEWAY}"),
                format!("--secure-port={API_PORT}"),
                format!("--client-ca-file={}", pki("ca.crt")),
                format!("--tls-cert-file={}", pki("apiserver.crt")),
                format!("--tls-private-key-file={}", pki("apiserver.key")),
                "--service-account-issuer=https://kubernetes.default.svc.cluster.local".into(),
                format!("--service-account-key-file={}", pki("sa.pub")),
                format!("--service-account-signing-key-file={}", pki("sa.key")),
                "--authorization-mode=Node,RBAC".into(),
                "--enable-admission-plugins=NodeRestriction".into(),
                "--allow-privileged=true".into(),
                format!("--kubelet-client-certificate={}", pki("admin.crt")),
                format!("--kubelet-client-key={}", pki("admin.key")),
                // The node's name is in no DNS, so `kubectl logs` and `exec` must go by its address.
                "--kubelet-preferred-address-types=InternalIP".into(),
            ],
            Part::ControllerManager => [
                kubeconfig,
                format!("--service-account-private-key-file={}", pki("sa.key")),
                format!("--root-ca-file={}", pki("ca.crt")),
                "--use-service-account-credentials=true".into(),
                "--leader-elect=false".into(),
            ]
            .into_iter()
            .chain(client_rates())
            .collect(),
            Part::Scheduler => [kubeconfig, "--leader-elect=false".into()]
                .into_iter()
                .chain(client_rates())
                .collect(),
            Part::Kubelet => vec![
                format!("--config={}", state("kubelet.yaml")),
                kubeconfig,
                format!("--hostname-override={NODE}"),
                format!("--node-ip={GATEWAY}"),
                format!("--root-dir={}", state("kubelet")),
            ],
            Part::Proxy => vec![
                kubeconfig,
                "--proxy-mode=iptables".into(),
                format!("--hostname-override={NODE}"),
                format!("--cluster-cidr={POD_RANGE}"),
                // What it would do for NodePorts of the loopback stays when it ends: a sysctl and a packet rule.
                "--iptables-localhost-nodeports=false".into(),
                // Zero leaves the machine's own connection tracking limits as they are.
                "--conntrack-max-per-core=0".into(),
                "--conntrack-tcp-timeout-established=0".into(),
                "--conntrack-tcp-timeout-close-wait=0".into(),
            ],
            Part::Dns => vec!["-conf".into(), state("Corefile")],
            Part::Kwok => kwok::arguments(layout)?,
        })
    }
}

/// The rates at which a part may ask the API server. Kubernetes' own (50 a second for the scheduler, 20 for the
/// controller manager) spare an API server that thousands of nodes share; here they would be the floor of what
/// scale tests measure: 400 pods would take 6 s to be placed, and 100 clusters 25 s to be deleted.
fn client_rates() -> [String; 2] {
    ["--kube-api-qps=400".into(), "--kube-api-burst=800".into()]
}

fn etcd(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// All of the cluster is on this machine: a proxy for the Internet has no part in it.
pub(crate) fn without_proxies(command: &mut Command) -> &mut Command {
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    command
}
