//! `cargo xtask docs`: writes what is made from `crds/`, so that neither the page nor the chart can say something else.

mod reference;

use crate::places;
use crate::run::say;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// Writes `docs/crd.md` and the chart's copy of the resources, or with `check` fails if what is there differs.
pub(crate) fn run(check: bool) -> Result<()> {
    let root = places::root()?;
    let mut stale = Vec::new();
    for (path, text) in files(&root)? {
        if std::fs::read_to_string(&path).is_ok_and(|old| old == text) {
            continue;
        }
        if check {
            stale.push(shown(&root, &path));
        } else {
            write(&path, &text)?;
            say(&format!("wrote {}", shown(&root, &path)));
        }
    }
    if !stale.is_empty() {
        bail!(
            "not what crds/ gives: {}; run `cargo xtask docs`",
            stale.join(", ")
        );
    }
    Ok(())
}

/// Every file that is made from `crds/`, with its text.
fn files(root: &Path) -> Result<Vec<(PathBuf, String)>> {
    let mut files = Vec::new();
    let mut pages = Vec::new();
    for source in resources(&root.join("crds"))? {
        let text = std::fs::read_to_string(&source)
            .with_context(|| format!("cannot read {}", source.display()))?;
        let crd = serde_saphyr::from_str(&text)
            .with_context(|| format!("{} is not YAML", source.display()))?;
        let page = reference::page(&crd)
            .with_context(|| format!("cannot describe {}", source.display()))?;
        pages.push(page);
        let name = source.file_name().unwrap_or_default();
        let copy = root.join("charts/dasklike-crds/files").join(name);
        files.push((copy, text));
    }
    files.push((root.join("docs/crd.md"), pages.join("\n")));
    Ok(files)
}

fn resources(folder: &Path) -> Result<Vec<PathBuf>> {
    let listing =
        std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut found = listing
        .map(|entry| entry.map(|e| e.path()))
        .collect::<std::io::Result<Vec<_>>>()?;
    found.retain(|path| path.extension().is_some_and(|e| e == "yaml"));
    found.sort();
    if found.is_empty() {
        bail!(
            "{} holds no resource: `dasklike-operator crd` writes them",
            folder.display()
        );
    }
    Ok(found)
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
    }
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn shown(root: &Path, path: &Path) -> String {
    path.strip_prefix(root)
        .unwrap_or(path)
        .display()
        .to_string()
}
