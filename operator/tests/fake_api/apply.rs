//! Server-side apply and merge patches.

use super::refusal::Refusal;
use super::store::Managers;
use serde_json::{Map, Value};

/// Applies a JSON merge patch (RFC 7386).
pub fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let target = target.as_object_mut().expect("it was made an object above");
    for (key, value) in patch {
        match value {
            Value::Null => {
                target.remove(key);
            }
            value => merge(target.entry(key.clone()).or_insert(Value::Null), value),
        }
    }
}

/// Applies `wanted` for `manager`: its fields are set, those that it applied before and does not want any more are
/// removed unless another manager applied them too, and all others stay. Lists are one value each, which is simpler
/// than the API server's lists by key and the same for an operator that applies whole lists.
pub fn apply(
    target: &mut Value,
    managers: &mut Managers,
    manager: &str,
    force: bool,
    wanted: &Value,
) -> Result<(), Refusal> {
    let others = || managers.iter().filter(|(name, _)| name.as_str() != manager);
    for (other, theirs) in others() {
        if !force && let Some(path) = disagreement(theirs, wanted, target, "") {
            let why = format!("Apply failed with 1 conflict: conflict with {other:?}: {path}");
            return Err(Refusal::conflict("object", "", &why));
        }
    }
    if let Some(before) = managers.get(manager) {
        let kept: Vec<&Value> = others().map(|(_, theirs)| theirs).collect();
        prune(target, before, wanted, &kept);
    }
    set(target, wanted);
    managers.insert(manager.to_owned(), wanted.clone());
    if force {
        for (name, theirs) in managers.iter_mut() {
            if name != manager {
                disown(theirs, wanted, target);
            }
        }
    }
    Ok(())
}

/// A path that both applied and on which they do not agree.
fn disagreement(theirs: &Value, ours: &Value, present: &Value, path: &str) -> Option<String> {
    match (theirs, ours) {
        (Value::Object(theirs), Value::Object(ours)) => theirs.iter().find_map(|(key, their)| {
            let our = ours.get(key)?;
            disagreement(their, our, &present[key], &format!("{path}.{key}"))
        }),
        (_, ours) => (present != ours).then(|| path.to_owned()),
    }
}

/// Removes from one manager's fields those that another has taken.
fn disown(theirs: &mut Value, ours: &Value, present: &Value) {
    if let (Value::Object(theirs), Value::Object(ours)) = (theirs, ours) {
        theirs.retain(|key, their| match (&mut *their, ours.get(key)) {
            (_, None) => true,
            (Value::Object(_), Some(our)) => {
                disown(their, our, &present[key]);
                true
            }
            (their, Some(our)) => their == our,
        });
    }
}

fn prune(target: &mut Value, before: &Value, wanted: &Value, kept: &[&Value]) {
    let (Value::Object(map), Value::Object(before)) = (target, before) else {
        return;
    };
    for (key, before) in before {
        let kept: Vec<&Value> = kept.iter().filter_map(|k| k.get(key)).collect();
        match (wanted.get(key), before) {
            (Some(wanted), Value::Object(_)) => {
                if let Some(inner) = map.get_mut(key) {
                    prune(inner, before, wanted, &kept);
                }
            }
            (Some(_), _) => {}
            (None, Value::Object(_)) => {
                if let Some(inner) = map.get_mut(key) {
                    prune(inner, before, &Value::Null, &kept);
                    if kept.is_empty() && inner.as_object().is_some_and(Map::is_empty) {
                        map.remove(key);
                    }
                }
            }
            (None, _) if kept.is_empty() => {
                map.remove(key);
            }
            (None, _) => {}
        }
    }
}

fn set(target: &mut Value, wanted: &Value) {
    match (target, wanted) {
        (Value::Object(target), Value::Object(wanted)) => {
            for (key, value) in wanted {
                set(target.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        // An empty object in the place of nothing is one, as in the API server.
        (target, wanted) => *target = wanted.clone(),
    }
}

#[test]
fn merge_patches() {
    let mut target = serde_json::json!({"a": {"b": 1, "c": 2}, "d": [1, 2]});
    merge(
        &mut target,
        &serde_json::json!({"a": {"b": null, "e": 3}, "d": [3]}),
    );
    assert_eq!(target, serde_json::json!({"a": {"c": 2, "e": 3}, "d": [3]}));
}

#[test]
fn apply_removes_only_what_the_manager_itself_applied() {
    let mut target = serde_json::json!({"spec": {"clusterIP": "1"}});
    let mut managers = Managers::new();
    let first = serde_json::json!({"spec": {"a": 1, "b": {"c": 2}}, "labels": {"x": "1"}});
    apply(&mut target, &mut managers, "op", true, &first).unwrap();
    let other = serde_json::json!({"labels": {"x": "1", "y": "2"}});
    apply(&mut target, &mut managers, "other", false, &other).unwrap();
    let second = serde_json::json!({"spec": {"a": 3}});
    apply(&mut target, &mut managers, "op", true, &second).unwrap();
    let expected =
        serde_json::json!({"spec": {"clusterIP": "1", "a": 3}, "labels": {"x": "1", "y": "2"}});
    assert_eq!(target, expected);
}

#[test]
fn apply_refuses_another_manager_s_field_unless_forced() {
    let mut target = serde_json::json!({});
    let mut managers = Managers::new();
    apply(
        &mut target,
        &mut managers,
        "one",
        false,
        &serde_json::json!({"a": 1}),
    )
    .unwrap();
    let wanted = serde_json::json!({"a": 2});
    let refusal = apply(&mut target, &mut managers, "two", false, &wanted).unwrap_err();
    assert_eq!(refusal.code, 409);
    apply(&mut target, &mut managers, "two", true, &wanted).unwrap();
    assert_eq!(target, wanted);
    // The first does not own it any more.
    apply(
        &mut target,
        &mut managers,
        "one",
        false,
        &serde_json::json!({}),
    )
    .unwrap();
    assert_eq!(target, wanted);
}
