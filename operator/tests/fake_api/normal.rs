//! All objects without what differs from run to run.

use super::FakeApi;
use serde_json::Value;
use std::collections::BTreeMap;

/// Fields that are a matter of chance or of time.
const CHANCE: [&str; 17] = [
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "generation",
    "observedGeneration",
    "clusterIP",
    "podIP",
    "podIPs",
    "startTime",
    "startedAt",
    "finishedAt",
    "lastTransitionTime",
    "lastProbeTime",
    "time",
    "lastScale",
    "lastTermination",
    "deletionTimestamp",
];

/// By `plural namespace/name`. Events and Leases are no state.
pub fn normal(api: &FakeApi) -> BTreeMap<String, Value> {
    api.with_store(|store| {
        let all = store
            .everything()
            .filter(|(key, _)| !matches!(key.0.as_str(), "events" | "leases"));
        all.map(|(key, object)| {
            let mut object = object.clone();
            strip(&mut object);
            if key.0 == "secrets" {
                // Keys and certificates are random; which files there are is not.
                for file in object["data"]
                    .as_object_mut()
                    .into_iter()
                    .flat_map(|d| d.values_mut())
                {
                    *file = Value::from("…");
                }
            }
            (format!("{} {}/{}", key.0, key.1, key.2), object)
        })
        .collect()
    })
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|key, _| !CHANCE.contains(&key.as_str()));
            map.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}
