//! `cargo xtask images`: the images of `images/Dockerfile`, built without a daemon, into a cluster.

mod archive;

use crate::debian::{self, Need};
use crate::kubernetes;
use crate::places::{root, target};
use crate::run::{cargo, on_path, run};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) use archive::{Recipe, archive};

/// An image, its Dockerfile target, and the package and program in it: all go by one name.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Image {
    Dasklike,
    DasklikeOperator,
}

impl Image {
    fn name(self) -> &'static str {
        match self {
            Image::Dasklike => "dasklike",
            Image::DasklikeOperator => "dasklike-operator",
        }
    }
}

/// The most bytes of an image, unpacked.
const LARGEST: u64 = 40_000_000;
/// The authorities that HTTPS is checked against; the image gets this machine's.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";
const NEEDS: [Need; 2] = [
    Need::new("buildah", "buildah"),
    Need::new(AUTHORITIES, "ca-certificates"),
];

/// Builds `images`, or all, and loads them into the cluster of `cargo xtask cluster`, or into the kind cluster named.
pub(crate) fn build_and_load(images: &[Image], kind: Option<&str>) -> Result<()> {
    let images = match images {
        [] => &[Image::Dasklike, Image::DasklikeOperator],
        some => some,
    };
    if kind.is_some() && !on_path("kind") {
        bail!("`kind` is not in PATH: see https://kind.sigs.k8s.io for how to install it");
    }
    debian::ensure(&NEEDS)?;
    let work = target()?.join("images");
    let context = context(&work, images)?;
    for image in images {
        let name = format!("localhost/{}:dev", image.name());
        let file = work.join(format!("{}.tar", image.name()));
        archive(
            &Recipe {
                dockerfile: root()?.join("images/Dockerfile"),
                target: Some(image.name().to_owned()),
                contexts: vec![("build".to_owned(), context.clone())],
                context: context.clone(),
                name: name.clone(),
            },
            &file,
        )?;
        let bytes = fs::metadata(&file)?.len();
        print(&name, bytes);
        if bytes > LARGEST {
            bail!("{name} has {bytes} bytes, more than {LARGEST}: see what its program links");
        }
        match kind {
            Some(cluster) => run(Command::new("kind")
                .args(["load", "image-archive", "--name", cluster])
                .arg(&file)
                .stdout(std::io::stderr()))?,
            None => kubernetes::import(&file)?,
        }
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "sizes are this command's data")]
fn print(name: &str, bytes: u64) {
    println!("{name} {:.1} MB", bytes as f64 / 1e6);
}

/// A folder that stands for the Dockerfile's first stage: `out/` with the static programs and the authorities.
fn context(work: &Path, images: &[Image]) -> Result<PathBuf> {
    let triple = host_triple()?;
    let built = work.join("target");
    let mut build = cargo()?;
    build.args(["build", "--release", "--locked", "--target", &triple]);
    build.arg("--target-dir").arg(&built);
    for image in images {
        build.args(["-p", image.name(), "--bin", image.name()]);
    }
    // The same as in the Dockerfile, where the reasons are.
    run(build
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env(
            "RUSTFLAGS",
            "-C target-feature=+crt-static -C strip=symbols",
        )
        .env("CARGO_PROFILE_RELEASE_INCREMENTAL", "false"))?;
    let context = work.join("context");
    let out = context.join("out");
    fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    let copy = |from: &Path| -> Result<()> {
        let name = from.file_name().context("a file has a name")?;
        fs::copy(from, out.join(name))
            .with_context(|| format!("cannot copy {}", from.display()))
            .map(|_| ())
    };
    for image in images {
        copy(&built.join(&triple).join("release").join(image.name()))?;
    }
    copy(Path::new(AUTHORITIES))?;
    Ok(context)
}

fn host_triple() -> Result<String> {
    let output = Command::new("rustc")
        .arg("-vV")
        .output()
        .context("cannot start rustc")?;
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .context("`rustc -vV` does not say what it builds for")
}
