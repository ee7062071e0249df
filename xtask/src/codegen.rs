//! Writes `proto/*/src/generated/` from the `.proto` files, without `protoc`.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use tonic_prost_build::Builder;

/// A crate of generated code.
struct Package {
    folder: &'static str,
    protos: &'static [&'static str],
    /// What its code needs beside the usual.
    settings: fn(Builder) -> Builder,
}

const PACKAGES: [Package; 2] = [
    Package {
        folder: "proto/engine",
        protos: &[
            "dasklike/engine/v1/plan.proto",
            "dasklike/engine/v1/worker.proto",
            "dasklike/engine/v1/client.proto",
            "dasklike/engine/v1/journal.proto",
        ],
        settings: |builder| {
            builder
                .bytes(".dasklike.engine.v1.BlockPiece.data")
                .bytes(".dasklike.engine.v1.PushPiece.data")
                .btree_map(".dasklike.engine.v1.Source.options")
        },
    },
    Package {
        folder: "proto/admin",
        protos: &["dasklike/admin/v1/admin.proto"],
        settings: |builder| builder,
    },
];

/// Writes the generated code, or with `check` fails if what is committed differs.
pub(crate) fn run(check: bool) -> Result<()> {
    let root = crate::places::root()?;
    for package in &PACKAGES {
        let crate_dir = root.join(package.folder);
        let target = crate_dir.join("src/generated");
        if check {
            check_one(package, &crate_dir, &target)?;
        } else {
            generate(package, &crate_dir, &target)?;
        }
    }
    Ok(())
}

fn check_one(package: &Package, crate_dir: &Path, target: &Path) -> Result<()> {
    let fresh = std::env::temp_dir().join(format!("dasklike-codegen-{}", std::process::id()));
    std::fs::create_dir_all(&fresh)
        .with_context(|| format!("cannot create {}", fresh.display()))?;
    let outcome = generate(package, crate_dir, &fresh).and_then(|()| compare(&fresh, target));
    std::fs::remove_dir_all(&fresh)
        .with_context(|| format!("cannot remove {}", fresh.display()))?;
    outcome
}

fn generate(package: &Package, crate_dir: &Path, out: &Path) -> Result<()> {
    let root = crate_dir.join("proto");
    let protos: Vec<PathBuf> = package.protos.iter().map(|p| root.join(p)).collect();
    let descriptors =
        protox::compile(&protos, [&root]).context("the .proto files do not compile")?;
    let builder = tonic_prost_build::configure()
        .out_dir(out)
        .emit_rerun_if_changed(false)
        .build_transport(false);
    (package.settings)(builder)
        .compile_fds(descriptors)
        .with_context(|| format!("cannot write {}", out.display()))
}

fn compare(fresh: &Path, committed: &Path) -> Result<()> {
    for entry in std::fs::read_dir(fresh)? {
        let entry = entry?;
        let other = committed.join(entry.file_name());
        let same = std::fs::read(&other)
            .is_ok_and(|text| std::fs::read(entry.path()).is_ok_and(|new| new == text));
        if !same {
            bail!(
                "{} does not match the .proto files: run `cargo xtask codegen`",
                other.display()
            );
        }
    }
    Ok(())
}
