//! The real stores and what NumPy and xarray compute from them.

use serde_json::Value;
use std::path::{Path, PathBuf};

/// The folder of stores, beside the checkout; none if there is none and DASKLIKE_WITHOUT_DATA says that this is known.
pub fn folder() -> Option<PathBuf> {
    let path = PathBuf::from("../../shared/data");
    if path.join("reference.json").exists() {
        return Some(path);
    }
    assert!(
        std::env::var_os("DASKLIKE_WITHOUT_DATA").is_some(),
        "there is no {}: bring the data, or set DASKLIKE_WITHOUT_DATA to leave out what needs it",
        path.display()
    );
    None
}

/// The reference's facts about one store, whatever its Zarr version.
pub fn facts(folder: &Path, store: &str) -> Value {
    let text = std::fs::read(folder.join("reference.json")).unwrap();
    let reference: Value = serde_json::from_slice(&text).unwrap();
    reference["stores"][store].clone()
}

/// Fails unless `have` is the list of numbers `expected`, whose `null` is NaN, to nine digits.
pub fn assert_close(what: &str, have: &[f64], expected: &Value) {
    let expected: Vec<f64> = expected
        .as_array()
        .unwrap_or_else(|| panic!("the reference has no {what}"))
        .iter()
        .map(|v| v.as_f64().unwrap_or(f64::NAN))
        .collect();
    assert_eq!(have.len(), expected.len(), "{what}");
    for (i, (h, e)) in have.iter().zip(&expected).enumerate() {
        let close = (h.is_nan() && e.is_nan()) || (h - e).abs() <= 1e-9 * e.abs().max(1e-30);
        assert!(
            close,
            "{what}, element {i}: {h} where the reference has {e}"
        );
    }
}
