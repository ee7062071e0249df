//! The definition in `crds/` is the one that the types make.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

#[test]
fn the_committed_definition_is_that_of_the_types() {
    let path = Path::new("../crds/dasklikeclusters.dasklike.dev.yaml");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    let made = dasklike_operator::crd::yaml().unwrap();
    assert!(
        committed == made,
        "{} is out of date: run `cargo run --release -p dasklike-operator -- crd` and keep its output there",
        path.display()
    );
}
