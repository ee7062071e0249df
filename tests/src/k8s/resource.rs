//! The resource's definition, of which a cluster has one for all tests.

use super::operator::apply_text;
use super::tools::{kubectl, output};
use crate::charts::template;
use std::sync::{Mutex, PoisonError};

/// Two that create the same object at once get in each other's way. Tests of one program are threads of one process,
/// and Cargo runs one program after the other.
static TURN: Mutex<()> = Mutex::new(());

/// Does what brings the definition while no other test does.
pub fn in_turn<T>(bring: impl FnOnce() -> T) -> T {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    bring()
}

/// Brings the definition as `kubectl apply` does without Helm, on the client's side: what it applied has to fit into an
/// annotation. An earlier test may have brought it; both mean the same one.
pub fn know() {
    in_turn(|| {
        let resource = template("dasklike-crds", &[]).expect("the chart can be rendered");
        apply_text(None, &resource);
        output(&mut kubectl(&[
            "wait",
            "--for=condition=Established",
            "crd/dasklikeclusters.dasklike.dev",
            "--timeout=60s",
        ]));
    });
}
