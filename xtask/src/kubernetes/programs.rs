//! The upstream programs, built from Go modules and kept in the cache folder under the hash of the
//! `go.mod` and `go.sum` that pin them.

use super::layout::base;
use crate::places::root;
use crate::run::{on_path, run, say};
use anyhow::{Context, Result, bail};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder with a `go.mod`. Programs that are released together share one; others do not, so that what one needs does
/// not move what another needs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Module {
    Kubernetes,
    Etcd,
    CoreDns,
    Helm,
    Kwok,
    Kuberay,
}

impl Module {
    fn folder(self) -> &'static str {
        match self {
            Module::Kubernetes => "kubernetes",
            Module::Etcd => "etcd",
            Module::CoreDns => "coredns",
            Module::Helm => "helm",
            Module::Kwok => "kwok",
            Module::Kuberay => "kuberay",
        }
    }

    /// The Go module that the programs, and the few data files we take, are from.
    fn path(self) -> &'static str {
        match self {
            Module::Kubernetes => "k8s.io/kubernetes",
            Module::Etcd => "go.etcd.io/etcd/server/v3",
            Module::CoreDns => "github.com/coredns/coredns",
            Module::Helm => "helm.sh/helm/v3",
            Module::Kwok => "sigs.k8s.io/kwok",
            Module::Kuberay => "github.com/ray-project/kuberay/ray-operator",
        }
    }

    /// The folder of its `go.mod` in the checkout.
    fn source(self) -> Result<PathBuf> {
        let parent = match self {
            Module::Kuberay => "bench/peers",
            _ => "tests/kubernetes",
        };
        Ok(root()?.join(parent).join(self.folder()))
    }

    /// The folder in the cache for what is built from just these pinned versions.
    fn cache(self) -> Result<PathBuf> {
        let source = self.source()?;
        let mut hash = Sha256::new();
        for file in ["go.mod", "go.sum"] {
            let path = source.join(file);
            hash.update(
                fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?,
            );
        }
        let key = HEXLOWER.encode(&hash.finalize()[..8]);
        let folder = base()?
            .join("programs")
            .join(format!("{}-{key}", self.folder()));
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(folder)
    }

    /// The version of the module that its `go.mod` asks for.
    fn version(self) -> Result<String> {
        let path = self.source()?.join("go.mod");
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        text.lines()
            .map(|line| line.trim().trim_start_matches("require "))
            .find_map(|line| {
                let (module, rest) = line.split_once(' ')?;
                (module == self.path()).then(|| rest.split_whitespace().next())?
            })
            .map(str::to_owned)
            .with_context(|| format!("{} does not require {}", path.display(), self.path()))
    }

    /// `go` in this module's folder, with nothing of the caller's environment that would change what is built.
    fn go(self) -> Result<Command> {
        if !on_path("go") {
            bail!(
                "`go` is not in PATH: the test cluster is built from Go modules, install Go 1.26 or newer from https://go.dev/dl, or set DASKLIKE_TEST_KUBECONFIG to the kubeconfig of a cluster that you have"
            );
        }
        let mut command = Command::new("go");
        command
            .current_dir(self.source()?)
            .env("CGO_ENABLED", "0")
            .env("GOWORK", "off")
            .env_remove("GOFLAGS");
        Ok(command)
    }
}

/// A program that the cluster or its tests start.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Program {
    Kubectl,
    KubeApiserver,
    KubeControllerManager,
    KubeScheduler,
    Kubelet,
    KubeProxy,
    Etcd,
    Coredns,
    Helm,
    Kwok,
    Kuberay,
}

impl Program {
    fn module(self) -> Module {
        match self {
            Program::Etcd => Module::Etcd,
            Program::Coredns => Module::CoreDns,
            Program::Helm => Module::Helm,
            Program::Kwok => Module::Kwok,
            Program::Kuberay => Module::Kuberay,
            _ => Module::Kubernetes,
        }
    }

    fn package(self) -> &'static str {
        match self {
            Program::Kubectl => "k8s.io/kubernetes/cmd/kubectl",
            Program::KubeApiserver => "k8s.io/kubernetes/cmd/kube-apiserver",
            Program::KubeControllerManager => "k8s.io/kubernetes/cmd/kube-controller-manager",
            Program::KubeScheduler => "k8s.io/kubernetes/cmd/kube-scheduler",
            Program::Kubelet => "k8s.io/kubernetes/cmd/kubelet",
            Program::KubeProxy => "k8s.io/kubernetes/cmd/kube-proxy",
            Program::Etcd => "go.etcd.io/etcd/server/v3",
            Program::Coredns => "github.com/coredns/coredns",
            Program::Helm => "helm.sh/helm/v3/cmd/helm",
            Program::Kwok => "sigs.k8s.io/kwok/cmd/kwok",
            Program::Kuberay => "github.com/ray-project/kuberay/ray-operator",
        }
    }

    /// The name of its file.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Program::Etcd => "etcd",
            other => other
                .package()
                .rsplit_once('/')
                .map_or(other.package(), |(_, name)| name),
        }
    }

    /// Where it is once `ensure` has built it.
    pub(crate) fn path(self) -> Result<PathBuf> {
        Ok(self.module().cache()?.join(self.name()))
    }
}

/// Builds those of `programs` that are not in the cache.
pub(crate) fn ensure(programs: &[Program]) -> Result<()> {
    let lock_path = base()?.join("programs.lock");
    let lock =
        File::create(&lock_path).with_context(|| format!("cannot make {}", lock_path.display()))?;
    lock.lock()
        .with_context(|| format!("cannot lock {}", lock_path.display()))?;
    let mut missing: BTreeMap<Module, Vec<Program>> = BTreeMap::new();
    for program in programs {
        if !program.path()?.exists() {
            missing.entry(program.module()).or_default().push(*program);
        }
    }
    for (module, programs) in missing {
        build(module, &programs)?;
    }
    Ok(())
}

fn build(module: Module, programs: &[Program]) -> Result<()> {
    let names: Vec<&str> = programs.iter().map(|program| program.name()).collect();
    say(&format!(
        "building {} {}, once; all of Kubernetes takes some minutes",
        names.join(", "),
        module.version()?
    ));
    let mut flags = String::from("-s -w");
    if module == Module::Kubernetes {
        // Without it the programs call themselves v0.0.0, and clients that look at the version refuse them.
        flags.push_str(&format!(
            " -X k8s.io/component-base/version.gitVersion={}",
            module.version()?
        ));
    }
    let folder = module.cache()?;
    // A program is moved to its place when it is whole.
    let unfinished = folder.join("unfinished");
    fs::create_dir_all(&unfinished)
        .with_context(|| format!("cannot make {}", unfinished.display()))?;
    for program in programs {
        let file = unfinished.join(program.name());
        run(module
            .go()?
            .args(["build", "-mod=readonly", "-trimpath", "-buildvcs=false"])
            .args(["-ldflags", &flags, "-o"])
            .arg(&file)
            .arg(program.package()))?;
        let place = folder.join(program.name());
        fs::rename(&file, &place).with_context(|| format!("cannot make {}", place.display()))?;
    }
    Ok(())
}

/// A copy in the cache of data files of a program's module, each under its last name: `kwok`'s stages, the
/// source of the pause container.
pub(crate) fn data_files(program: Program, files: &[&str]) -> Result<Vec<PathBuf>> {
    let module = program.module();
    let folder = module.cache()?;
    let places: Vec<PathBuf> = files
        .iter()
        .map(|file| folder.join(file.replace('/', "-")))
        .collect();
    if places.iter().all(|place| place.exists()) {
        return Ok(places);
    }
    run(module.go()?.args(["mod", "download", module.path()]))?;
    let source = module_folder(module)?;
    for (file, place) in files.iter().zip(&places) {
        let from = source.join(file);
        let text = fs::read(&from).with_context(|| format!("cannot read {}", from.display()))?;
        fs::write(place, text).with_context(|| format!("cannot write {}", place.display()))?;
    }
    Ok(places)
}

/// Where Go keeps the module's source.
fn module_folder(module: Module) -> Result<PathBuf> {
    let output = module
        .go()?
        .args(["list", "-mod=readonly", "-m", "-f", "{{.Dir}}"])
        .arg(module.path())
        .output()
        .context("cannot start `go list`")?;
    let text = String::from_utf8(output.stdout).context("`go list` prints no text")?;
    match text.trim() {
        "" => bail!(
            "`go list -m {}` knows no folder: {}",
            module.path(),
            String::from_utf8_lossy(&output.stderr)
        ),
        folder => Ok(Path::new(folder).to_path_buf()),
    }
}
