//! Create, update, patch and apply.

use super::apply::{apply, merge};
use super::refusal::Refusal;
use super::route::Route;
use super::schema::complete_core;
use super::store::{Key, Store, metadata};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A status code and a body.
pub type Answer = Result<(u16, Value), Refusal>;

/// Where an object is kept.
pub fn key(route: &Route, name: &str) -> Key {
    let namespace = route.namespace.clone().unwrap_or_default();
    (route.resource.clone(), namespace, name.to_owned())
}

fn named(route: &Route) -> Result<(Key, &str), Refusal> {
    let name = route
        .name
        .as_deref()
        .ok_or_else(|| Refusal::bad("the path names no object"))?;
    Ok((key(route, name), name))
}

/// `POST`
pub fn create(store: &mut Store, route: &Route, mut object: Value) -> Answer {
    let name = match object["metadata"]["name"]
        .as_str()
        .filter(|n| !n.is_empty())
    {
        Some(name) => name.to_owned(),
        None => {
            let prefix = object["metadata"]["generateName"].as_str();
            let prefix = prefix.ok_or_else(|| Refusal::bad("name or generateName is required"))?;
            format!("{prefix}{:05}", store.revision())
        }
    };
    let key = key(route, &name);
    if store.get(&key).is_some() {
        return Err(Refusal::exists(&route.resource, &name));
    }
    if !object["metadata"]["resourceVersion"]
        .as_str()
        .unwrap_or_default()
        .is_empty()
    {
        return Err(Refusal::bad(
            "resourceVersion should not be set on objects to be created",
        ));
    }
    let metadata = metadata(&mut object);
    metadata.insert("name".into(), json!(name));
    if let Some(namespace) = &route.namespace {
        metadata.insert("namespace".into(), json!(namespace));
    }
    admit(store, route, &name, &mut object)?;
    Ok((201, store.insert(key, object)))
}

fn admit(store: &Store, route: &Route, name: &str, object: &mut Value) -> Result<(), Refusal> {
    if let Some(definition) = store.definition(&route.resource) {
        if definition.has_status {
            object.as_object_mut().unwrap().remove("status");
        }
        definition.complete(object);
        return Ok(());
    }
    if route.resource == "pods" {
        let containers = object["spec"]["containers"]
            .as_array()
            .map_or(&[][..], |c| c);
        let complete = |c: &Value| c["image"].as_str().is_some_and(|i| !i.is_empty());
        if containers.is_empty() || !containers.iter().all(complete) {
            let why = "spec.containers[0].image: Required value";
            return Err(Refusal::invalid("Pod", name, why));
        }
    }
    complete_core(&route.resource, store.revision(), object);
    Ok(())
}

/// `PUT`
pub fn update(store: &mut Store, route: &Route, mut object: Value) -> Answer {
    let (key, name) = named(route)?;
    let before = present(store, route, &key, name)?;
    check_version(route, name, &before, &object)?;
    for kept in [
        "uid",
        "creationTimestamp",
        "namespace",
        "name",
        "deletionTimestamp",
        "generation",
    ] {
        if let Some(value) = before["metadata"].get(kept) {
            metadata(&mut object).insert(kept.into(), value.clone());
        }
    }
    Ok((200, replace(store, route, key, before, object)))
}

/// `PATCH` with a merge patch
pub fn patch(store: &mut Store, route: &Route, content: &str, patch: &Value) -> Answer {
    if !content.starts_with("application/merge-patch+json") {
        return Err(Refusal::bad(&format!(
            "this server does not know {content}"
        )));
    }
    let (key, name) = named(route)?;
    let before = present(store, route, &key, name)?;
    check_version(route, name, &before, patch)?;
    let mut object = before.clone();
    merge(&mut object, patch);
    Ok((200, replace(store, route, key, before, object)))
}

/// `PATCH` with an apply patch
pub fn server_side_apply(
    store: &mut Store,
    route: &Route,
    query: &BTreeMap<String, String>,
    wanted: Value,
) -> Answer {
    let (key, name) = named(route)?;
    let manager = query
        .get("fieldManager")
        .ok_or_else(|| Refusal::bad("fieldManager is required"))?;
    let force = query.get("force").is_some_and(|f| f == "true");
    let fields = applied_fields(&wanted);
    let mut managers = store.managers(&key);
    let before = store.get(&key).cloned();
    if before.is_none() && route.subresource.is_some() {
        return Err(Refusal::not_found(&route.resource, name));
    }
    if let Some(before) = &before {
        check_version(route, name, before, &wanted)?;
    }
    // Status and the rest are owned apart from each other.
    let manager = match &route.subresource {
        Some(sub) => format!("{manager}/{sub}"),
        None => manager.clone(),
    };
    let mut object = match &before {
        Some(before) => before.clone(),
        None => {
            json!({"apiVersion": wanted["apiVersion"], "kind": wanted["kind"], "metadata": {"name": name}})
        }
    };
    apply(&mut object, &mut managers, &manager, force, &fields)?;
    let answer = match before {
        Some(before) => (200, replace(store, route, key.clone(), before, object)),
        None => create(store, route, object)?,
    };
    store.set_managers(&key, managers);
    Ok(answer)
}

/// What an apply owns: not the object's name and not its version.
fn applied_fields(wanted: &Value) -> Value {
    let mut fields = wanted.clone();
    let map = fields.as_object_mut().expect("an apply sends an object");
    map.remove("apiVersion");
    map.remove("kind");
    if let Some(metadata) = map.get_mut("metadata").and_then(Value::as_object_mut) {
        for identity in [
            "name",
            "namespace",
            "uid",
            "resourceVersion",
            "managedFields",
            "creationTimestamp",
        ] {
            metadata.remove(identity);
        }
    }
    fields
}

fn present(store: &Store, route: &Route, key: &Key, name: &str) -> Result<Value, Refusal> {
    let found = store.get(key).cloned();
    found.ok_or_else(|| Refusal::not_found(&route.resource, name))
}

fn check_version(route: &Route, name: &str, before: &Value, sent: &Value) -> Result<(), Refusal> {
    for field in ["resourceVersion", "uid"] {
        let wanted = sent["metadata"][field].as_str().filter(|v| !v.is_empty());
        if wanted.is_some_and(|w| before["metadata"][field] != w) {
            let why =
                "the object has been modified; please apply your changes to the latest version";
            return Err(Refusal::conflict(&route.resource, name, why));
        }
    }
    Ok(())
}

/// Writes the part of `object` that the endpoint is for, and takes the object out if nothing holds it any more.
fn replace(store: &mut Store, route: &Route, key: Key, before: Value, mut object: Value) -> Value {
    let status_apart = store
        .definition(&route.resource)
        .map_or(route.resource == "pods", |d| d.has_status);
    object = match route.subresource.as_deref() {
        Some("status") => with_status(before, object.get("status").cloned()),
        _ if status_apart => {
            let status = before.get("status").cloned();
            with_status(object, status)
        }
        _ => object,
    };
    if let Some(definition) = store.definition(&route.resource) {
        definition.complete(&mut object);
    }
    let object = store.update(key.clone(), object);
    let metadata = &object["metadata"];
    let held = metadata["finalizers"]
        .as_array()
        .is_some_and(|f| !f.is_empty());
    match metadata["deletionTimestamp"].is_string() && !held && route.resource != "pods" {
        true => store.remove(&key),
        false => object,
    }
}

fn with_status(mut object: Value, status: Option<Value>) -> Value {
    let map: &mut Map<String, Value> = object.as_object_mut().expect("an object is a JSON object");
    match status {
        Some(status) => map.insert("status".into(), status),
        None => map.remove("status"),
    };
    object
}
