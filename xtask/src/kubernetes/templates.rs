//! The configuration files of `tests/kubernetes/config`, with this machine's values filled in.

use super::layout::{BRIDGE, CNI_PLUGINS, DNS_READY_PORT, GATEWAY, Layout, POD_RANGE};
use super::pause;
use crate::places::root;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;

/// Each file of `tests/kubernetes/config`, and where it goes in the state folder.
const FILES: [(&str, &str); 4] = [
    ("containerd.toml", "containerd.toml"),
    ("bridge.conflist", "cni/10-bridge.conflist"),
    ("kubelet.yaml", "kubelet.yaml"),
    ("Corefile", "Corefile"),
];

/// Writes all of them.
pub(crate) fn write(layout: &Layout) -> Result<()> {
    for ((_, to), text) in FILES.iter().zip(filled(layout)?) {
        let to = layout.state.join(to);
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)
                .with_context(|| format!("cannot make {}", parent.display()))?;
        }
        fs::write(&to, text).with_context(|| format!("cannot write {}", to.display()))?;
    }
    Ok(())
}

/// Their texts, in the order of `FILES`.
pub(crate) fn filled(layout: &Layout) -> Result<Vec<String>> {
    let folder = root()?.join("tests/kubernetes/config");
    let values = [
        ("STATE", shown(&layout.state)?),
        ("RUN", shown(&layout.run)?),
        ("KUBECONFIG", shown(&layout.kubeconfig())?),
        ("PAUSE", pause::IMAGE.to_owned()),
        ("BRIDGE", BRIDGE.to_owned()),
        ("GATEWAY", GATEWAY.to_owned()),
        ("POD_RANGE", POD_RANGE.to_owned()),
        ("CNI_PLUGINS", CNI_PLUGINS.to_owned()),
        ("DNS_READY_PORT", DNS_READY_PORT.to_string()),
    ];
    FILES
        .iter()
        .map(|(from, _)| {
            let from = folder.join(from);
            let text = fs::read_to_string(&from)
                .with_context(|| format!("cannot read {}", from.display()))?;
            fill(&text, &values).with_context(|| format!("in {}", from.display()))
        })
        .collect()
}

/// The text with each `@NAME@` replaced; a name without a value is an error.
fn fill(text: &str, values: &[(&str, String)]) -> Result<String> {
    let mut parts = text.split('@');
    let mut filled = parts.next().unwrap_or_default().to_owned();
    while let Some(name) = parts.next() {
        let Some((_, value)) = values.iter().find(|(known, _)| *known == name) else {
            bail!("there is no value for @{name}@");
        };
        filled.push_str(value);
        filled.push_str(parts.next().context("a lone @")?);
    }
    Ok(filled)
}

fn shown(path: &Path) -> Result<String> {
    path.to_str()
        .map(str::to_owned)
        .with_context(|| format!("{} is not UTF-8", path.display()))
}

#[cfg(test)]
mod tests {
    use super::fill;

    #[test]
    fn names_are_replaced_and_unknown_ones_refused() {
        let values = [("A", "1".to_owned()), ("BC", "2".to_owned())];
        assert!(matches!(fill("x @A@@BC@ y", &values), Ok(text) if text == "x 12 y"));
        assert!(fill("@D@", &values).is_err());
        assert!(fill("me@example", &values).is_err());
    }
}
