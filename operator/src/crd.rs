//! The resource's definition as text.

/// The definition as YAML, as it is kept in `crds/`.
///
/// # Errors
/// None is known: the types are plain data.
pub fn yaml() -> anyhow::Result<String> {
    let mut definition = serde_json::to_value(dasklike_operator_api::definition())?;
    // Whether JSON keeps the order of keys depends on what else is in the build; the text must not.
    definition.sort_all_objects();
    Ok(serde_saphyr::to_string(&definition)?)
}
