//! KubeRay's operator, built from its Go module, and the definitions of its resources.

use super::layout::Layout;
use super::programs::{self, Program, data_files};
use super::ready::kubectl;
use crate::run::run;
use anyhow::Result;
use std::path::PathBuf;
use std::process::Stdio;

/// It watches all three kinds, whichever are used.
const DEFINITIONS: [&str; 3] = [
    "config/crd/bases/ray.io_rayclusters.yaml",
    "config/crd/bases/ray.io_rayjobs.yaml",
    "config/crd/bases/ray.io_rayservices.yaml",
];

/// Builds the program and installs the definitions. Gives the program.
pub(super) fn ensure(layout: &Layout) -> Result<PathBuf> {
    programs::ensure(&[Program::Kuberay])?;
    for definition in data_files(Program::Kuberay, &DEFINITIONS)? {
        // Applied by the client they would not fit into an annotation.
        run(kubectl(layout)?
            .args(["apply", "--server-side", "-f"])
            .arg(definition)
            .stdout(Stdio::null()))?;
    }
    Program::Kuberay.path()
}
