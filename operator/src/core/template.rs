//! A user's pod template: from JSON to Kubernetes' own type, and nothing lost on the way.

use super::labels;
use super::validate::Error;
use dasklike_operator_api::RawTemplate;
use k8s_openapi::api::core::v1::{Container, PodTemplateSpec};
use serde::Deserialize;
use serde_json::Value;

/// Which kind of pod a template is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The scheduler's.
    Scheduler,
    /// A worker's.
    Worker,
}

/// Reads a template. `field` is where it is in the spec.
///
/// # Errors
/// The field within it that is no PodTemplateSpec's, is not known, or is the operator's to decide.
pub fn parse(field: &str, raw: &RawTemplate) -> Result<PodTemplateSpec, Error> {
    let value = Value::Object(raw.clone());
    let parsed: PodTemplateSpec = read(field, &value)?;
    let known = serde_json::to_value(&parsed)
        .map_err(|problem| error(field.to_owned(), problem.to_string()))?;
    nothing_lost(field, &value, &known)?;
    decided_by_the_operator(field, &parsed)?;
    Ok(parsed)
}

fn read(field: &str, value: &Value) -> Result<PodTemplateSpec, Error> {
    let mut track = serde_path_to_error::Track::new();
    PodTemplateSpec::deserialize(serde_path_to_error::Deserializer::new(value, &mut track)).map_err(
        |problem| {
            let path = track.path().to_string();
            let field = match path.as_str() {
                "." => field.to_owned(),
                path => format!("{field}.{path}"),
            };
            error(field, problem.to_string())
        },
    )
}

/// What was written and is not there after reading is a field that this operator's Kubernetes does not know, most
/// likely a slip of the pen. Passed over in silence, it would be looked for in vain.
fn nothing_lost(field: &str, written: &Value, known: &Value) -> Result<(), Error> {
    match (written, known) {
        (Value::Object(written), Value::Object(known)) => {
            for (key, value) in written {
                let field = format!("{field}.{key}");
                match known.get(key) {
                    Some(known) => nothing_lost(&field, value, known)?,
                    None if is_empty(value) => {}
                    None => {
                        return Err(error(
                            field,
                            "no such field in a Kubernetes 1.36 PodTemplateSpec; check its spelling"
                                .to_owned(),
                        ));
                    }
                }
            }
            Ok(())
        }
        (Value::Array(written), Value::Array(known)) => written
            .iter()
            .zip(known)
            .enumerate()
            .try_for_each(|(index, (written, known))| {
                nothing_lost(&format!("{field}[{index}]"), written, known)
            }),
        _ => Ok(()),
    }
}

/// Nothing is lost with these.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

fn decided_by_the_operator(field: &str, template: &PodTemplateSpec) -> Result<(), Error> {
    let metadata = template.metadata.clone().unwrap_or_default();
    for (name, given) in [
        ("name", metadata.name.is_some()),
        ("generateName", metadata.generate_name.is_some()),
        ("namespace", metadata.namespace.is_some()),
        ("ownerReferences", metadata.owner_references.is_some()),
        ("finalizers", metadata.finalizers.is_some()),
    ] {
        if given {
            return Err(error(
                format!("{field}.metadata.{name}"),
                "is decided by the operator; only labels and annotations can be given".to_owned(),
            ));
        }
    }
    if let Some(key) = metadata
        .labels
        .unwrap_or_default()
        .keys()
        .find(|key| labels::is_reserved(key))
    {
        return Err(error(
            format!("{field}.metadata.labels"),
            format!("'{key}' is decided by the operator, which finds its pods by it"),
        ));
    }
    let Some(spec) = &template.spec else {
        return Ok(());
    };
    for (name, given) in [
        ("restartPolicy", spec.restart_policy.is_some()),
        (
            "terminationGracePeriodSeconds",
            spec.termination_grace_period_seconds.is_some(),
        ),
    ] {
        if given {
            return Err(error(
                format!("{field}.spec.{name}"),
                "is decided by the operator; for workers see drainTimeoutSeconds".to_owned(),
            ));
        }
    }
    let no_containers = Vec::new();
    for (name, containers) in [
        ("containers", &spec.containers),
        (
            "initContainers",
            spec.init_containers.as_ref().unwrap_or(&no_containers),
        ),
    ] {
        named(&format!("{field}.spec.{name}"), containers)?;
    }
    Ok(())
}

/// Containers merge by name, so each needs one.
fn named(field: &str, containers: &[Container]) -> Result<(), Error> {
    match containers.iter().position(|one| one.name.is_empty()) {
        Some(index) => Err(error(
            format!("{field}[{index}].name"),
            "is missing: the engine's container is named scheduler or worker, a sidecar as you like"
                .to_owned(),
        )),
        None => Ok(()),
    }
}

fn error(field: String, problem: String) -> Error {
    Error::Template { field, problem }
}
