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
        let all = all.map(|(key, object)| {
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
        });
        renumber(all.collect())
    })
}

/// Counts the workers of each pool from 0: which indices were free when they were made is a matter of time.
fn renumber(objects: BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    let (workers, mut others): (BTreeMap<_, _>, BTreeMap<_, _>) = objects
        .into_iter()
        .partition(|(_, o)| o["metadata"]["labels"]["app.kubernetes.io/component"] == "worker");
    let mut pools: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (key, mut worker) in workers {
        let pool = key.trim_end_matches(|c: char| c.is_ascii_digit());
        worker["metadata"]["name"] = Value::Null;
        pools.entry(pool.to_owned()).or_default().push(worker);
    }
    for (pool, mut workers) in pools {
        workers.sort_by_cached_key(Value::to_string);
        let numbered = workers.into_iter().enumerate();
        others.extend(numbered.map(|(i, worker)| (format!("{pool}{i}"), worker)));
    }
    others
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
