//! Get and list.

use super::refusal::Refusal;
use super::route::Route;
use super::selector::matches;
use super::store::Store;
use super::write::{Answer, key};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// `GET` of one object
pub fn get(store: &Store, route: &Route) -> Answer {
    let name = route.name.as_deref().unwrap_or_default();
    let found = store.get(&key(route, name));
    let found = found.ok_or_else(|| Refusal::not_found(&route.resource, name))?;
    Ok((200, found.clone()))
}

/// `GET` of a collection, in pages
pub fn list(store: &Store, route: &Route, query: &BTreeMap<String, String>) -> Answer {
    let limit = query
        .get("limit")
        .map_or(usize::MAX, |l| l.parse().unwrap());
    let (revision, after) = match query.get("continue") {
        None => (store.revision(), None),
        Some(token) => {
            let (revision, last) = token
                .split_once('|')
                .ok_or_else(|| Refusal::bad("continue"))?;
            let revision: u64 = revision.parse().map_err(|_| Refusal::bad("continue"))?;
            // A page of a past that is compacted cannot be served.
            store.since(revision).ok_or_else(Refusal::expired)?;
            (revision, Some(last.to_owned()))
        }
    };
    let mut found = store
        .all(&route.resource)
        .into_iter()
        .filter(|object| selected(object, route, query))
        .filter(|object| after.as_ref().is_none_or(|after| place(object) > *after));
    let items: Vec<Value> = found
        .by_ref()
        .take(limit)
        .map(|o| item(store, route, o))
        .collect();
    let rest = found.count();
    let mut metadata = json!({ "resourceVersion": revision.to_string() });
    if let Some(last) = items.last().filter(|_| rest > 0) {
        metadata["continue"] = json!(format!("{revision}|{}", place(last)));
        metadata["remainingItemCount"] = json!(rest);
    }
    let list = json!({
        "kind": "List", "apiVersion": route.api_version, "metadata": metadata, "items": items,
    });
    Ok((200, list))
}

/// Whether a list or a watch of this route has the object.
pub fn selected(object: &Value, route: &Route, query: &BTreeMap<String, String>) -> bool {
    let here = route.namespace.as_deref();
    here.is_none_or(|n| object["metadata"]["namespace"] == n)
        && matches(
            object,
            query.get("labelSelector").map(String::as_str),
            query.get("fieldSelector").map(String::as_str),
        )
}

/// The order of a list.
fn place(object: &Value) -> String {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
    format!("{}/{}", text("namespace"), text("name"))
}

/// Items of built-in kinds do not say their kind; those of custom resources do.
fn item(store: &Store, route: &Route, object: &Value) -> Value {
    let mut object = object.clone();
    if store.definition(&route.resource).is_none() {
        let map = object.as_object_mut().unwrap();
        map.remove("apiVersion");
        map.remove("kind");
    }
    object
}
