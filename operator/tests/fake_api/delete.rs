//! Delete, and the garbage collector.

use super::refusal::Refusal;
use super::route::Route;
use super::store::{Key, Store, metadata};
use super::write::{Answer, key};
use jiff::SignedDuration;
use serde_json::{Value, json};

/// `DELETE`
pub fn delete(store: &mut Store, route: &Route, options: &Value) -> Answer {
    let name = route.name.as_deref();
    let name = name.ok_or_else(|| Refusal::bad("this server deletes no collections"))?;
    let key = key(route, name);
    let Some(object) = store.get(&key) else {
        return Err(Refusal::not_found(&route.resource, name));
    };
    for field in ["uid", "resourceVersion"] {
        let wanted = options["preconditions"][field].as_str();
        if wanted.is_some_and(|w| object["metadata"][field] != w) {
            let why = format!("Precondition failed: {field} in precondition does not match");
            return Err(Refusal::conflict(&route.resource, name, &why));
        }
    }
    Ok((
        200,
        end(store, &key, options["gracePeriodSeconds"].as_i64()),
    ))
}

/// Deletes an object as its kind is deleted: a pod on a node with its grace, others at once unless held.
pub fn end(store: &mut Store, key: &Key, grace: Option<i64>) -> Value {
    let object = store.get(key).expect("the caller has seen it").clone();
    let finalizers = object["metadata"]["finalizers"].as_array();
    let held = finalizers.is_some_and(|f| !f.is_empty());
    let running = key.0 == "pods" && object["spec"]["nodeName"].is_string();
    let grace = match running {
        true => grace
            .or(object["spec"]["terminationGracePeriodSeconds"].as_i64())
            .unwrap_or(30),
        false => 0,
    };
    if grace == 0 && !held {
        return store.remove(key);
    }
    let mut object = object;
    let shorter = object["metadata"]["deletionGracePeriodSeconds"]
        .as_i64()
        .is_none_or(|g| grace < g);
    if shorter {
        let at = store.clock.stamp(SignedDuration::from_secs(grace));
        metadata(&mut object).insert("deletionTimestamp".into(), json!(at));
        metadata(&mut object).insert("deletionGracePeriodSeconds".into(), json!(grace));
    }
    store.update(key.clone(), object)
}

/// Deletes what has owners of which none is left.
pub fn collect_garbage(store: &mut Store) {
    let orphans: Vec<Key> = store
        .everything()
        .filter(|(_, object)| object["metadata"]["deletionTimestamp"].is_null())
        .filter(|(_, object)| {
            let owners = object["metadata"]["ownerReferences"].as_array();
            owners.is_some_and(|owners| {
                let gone = |o: &Value| !store.has_uid(o["uid"].as_str().unwrap_or_default());
                !owners.is_empty() && owners.iter().all(gone)
            })
        })
        .map(|(key, _)| key.clone())
        .collect();
    for key in orphans {
        end(store, &key, None);
    }
}
