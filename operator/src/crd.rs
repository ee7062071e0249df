//! The resource's definition as text.

/// The definition as YAML, as it is kept in `crds/`.
pub fn yaml() -> Result<String, serde_saphyr::ser::Error> {
    serde_saphyr::to_string(&dasklike_operator_api::definition())
}
