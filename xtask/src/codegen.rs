//! Writes `proto/engine/src/generated/` from the `.proto` files, without `protoc`.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// Writes the generated code, or with `check` fails if what is committed differs.
pub(crate) fn run(check: bool) -> Result<()> {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/engine");
    let target = crate_dir.join("src/generated");
    if !check {
        return generate(&crate_dir, &target);
    }
    let fresh = std::env::temp_dir().join(format!("dasklike-codegen-{}", std::process::id()));
    std::fs::create_dir_all(&fresh)
        .with_context(|| format!("cannot create {}", fresh.display()))?;
    let outcome = generate(&crate_dir, &fresh).and_then(|()| compare(&fresh, &target));
    std::fs::remove_dir_all(&fresh)
        .with_context(|| format!("cannot remove {}", fresh.display()))?;
    outcome
}

fn generate(crate_dir: &Path, out: &Path) -> Result<()> {
    let root = crate_dir.join("proto");
    let protos: Vec<PathBuf> = ["plan", "worker", "client"]
        .iter()
        .map(|name| root.join(format!("dasklike/engine/v1/{name}.proto")))
        .collect();
    let descriptors =
        protox::compile(&protos, [&root]).context("the .proto files do not compile")?;
    tonic_prost_build::configure()
        .out_dir(out)
        .emit_rerun_if_changed(false)
        .build_transport(false)
        .bytes(".dasklike.engine.v1.BlockPiece.data")
        .bytes(".dasklike.engine.v1.PushPiece.data")
        .btree_map(".dasklike.engine.v1.Source.options")
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
