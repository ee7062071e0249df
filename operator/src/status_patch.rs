//! The step that writes the status: only when it changed, and only what changed of it.

use crate::context::Context;
use crate::core::names::ClusterKey;
use crate::core::status::{Write, writing};
use crate::error::{Error, is};
use crate::memory::Memory;
use crate::packed::Packed;
use crate::slim::for_metadata;
use dasklike_operator_api::{DaskLikeCluster, DaskLikeClusterStatus};
use jiff::Timestamp;
use kube::Resource;
use kube::api::{Patch, PatchParams};
use kube::core::Request;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

/// Writes `next` over `previous` if that is worth a request now. Otherwise says when it will be.
///
/// # Errors
/// What the API server answered.
pub(crate) async fn write_status(
    key: &ClusterKey,
    context: &Context,
    memory: &mut Memory,
    previous: &DaskLikeClusterStatus,
    next: &DaskLikeClusterStatus,
    now: Timestamp,
) -> Result<Option<Timestamp>, Error> {
    let written = memory.status.as_ref().map(|(_, written)| *written);
    let value = |status| serde_json::to_value(status).unwrap_or_default();
    let change = match &memory.doubtful {
        Some(doubtful) => rewrite(&[&value(previous), &value(doubtful)], &value(next)),
        None => match writing(previous, next, written, memory.untold, now) {
            Write::No => {
                memory.untold = None;
                return Ok(None);
            }
            Write::At(time) => {
                memory.untold = memory.untold.or(Some(now));
                return Ok(Some(time));
            }
            Write::Now => difference(&value(previous), &value(next)),
        },
    };
    let body = json!({"status": change});
    let params = PatchParams {
        field_manager: Some(crate::FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    // As `Api::patch_status`, of whose answer only that it came is of interest.
    let place = Request::new(DaskLikeCluster::url_path(&(), Some(&key.namespace)));
    let request = place.patch_subresource("status", &key.name, &params, &Patch::Merge(&body));
    let answer = match request.map(for_metadata) {
        Ok(request) => context.client.request::<IgnoredAny>(request).await,
        Err(error) => Err(kube::Error::BuildRequest(error)),
    };
    match answer {
        Ok(_) => {
            memory.status = Some((Packed::new(next), now));
            memory.doubtful = None;
            memory.untold = None;
        }
        // It was deleted meanwhile: nobody will ask how it is.
        Err(error) if is(&error, 404) => {}
        Err(error) => {
            memory.doubtful = Some(next.clone());
            return Err(Error::of("write", &format!("the status of {key}"), error));
        }
    }
    Ok(None)
}

/// The merge patch (RFC 7396) that makes `to` of `from`: what went is null, lists are whole.
fn difference(from: &Value, to: &Value) -> Value {
    let (Value::Object(before), Value::Object(after)) = (from, to) else {
        return to.clone();
    };
    let mut patch = Map::new();
    for key in before.keys().filter(|key| !after.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    for (key, value) in after {
        match before.get(key) {
            Some(same) if same == value => {}
            Some(other) => {
                patch.insert(key.clone(), difference(other, value));
            }
            None => {
                patch.insert(key.clone(), value.clone());
            }
        }
    }
    Value::Object(patch)
}

/// The merge patch that makes `to` of any of `known`: it says all of `to`.
fn rewrite(known: &[&Value], to: &Value) -> Value {
    let Value::Object(after) = to else {
        return to.clone();
    };
    let mut patch = Map::new();
    for key in known
        .iter()
        .filter_map(|k| k.as_object())
        .flat_map(Map::keys)
    {
        patch.insert(key.clone(), Value::Null);
    }
    for (key, value) in after {
        let known: Vec<&Value> = known.iter().filter_map(|k| k.get(key)).collect();
        patch.insert(key.clone(), rewrite(&known, value));
    }
    Value::Object(patch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_says_what_came_changed_and_went() {
        let from = json!({"a": 1, "b": {"c": 1, "d": 2}, "e": [1], "g": 1});
        let to = json!({"a": 1, "b": {"c": 1, "d": 3}, "e": [2], "f": 1});
        let patch = json!({"b": {"d": 3}, "e": [2], "f": 1, "g": null});
        assert_eq!(difference(&from, &to), patch);
        assert_eq!(difference(&to, &to), json!({}));
    }

    #[test]
    fn after_a_doubtful_write_a_patch_says_all() {
        let (one, other) = (
            json!({"a": 1, "b": {"c": 1}}),
            json!({"b": {"d": 2}, "e": 1}),
        );
        let to = json!({"a": 1, "b": {"c": 1}});
        let patch = json!({"a": 1, "b": {"c": 1, "d": null}, "e": null});
        assert_eq!(rewrite(&[&one, &other], &to), patch);
    }
}
