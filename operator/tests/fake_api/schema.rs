//! What the API server adds to objects: the defaults of custom resources' schemas and of the core types.

use serde_json::{Value, json};

/// A custom resource.
#[derive(Clone, Debug)]
pub struct Definition {
    /// The plural.
    pub plural: String,
    /// Whether it has a status subresource.
    pub has_status: bool,
    schema: Value,
}

impl Definition {
    /// Takes what it needs from a CustomResourceDefinition; the first version counts.
    pub fn new(definition: &Value) -> Definition {
        let version = &definition["spec"]["versions"][0];
        Definition {
            plural: definition["spec"]["names"]["plural"]
                .as_str()
                .unwrap()
                .to_owned(),
            has_status: version["subresources"]["status"].is_object(),
            schema: version["schema"]["openAPIV3Schema"].clone(),
        }
    }

    /// Fills in defaults and drops what the schema does not know.
    pub fn complete(&self, object: &mut Value) {
        for part in ["spec", "status"] {
            if let Some(value) = object.get_mut(part) {
                complete(&self.schema["properties"][part], value);
            }
        }
    }
}

fn complete(schema: &Value, value: &mut Value) {
    if schema["x-kubernetes-preserve-unknown-fields"] == true {
        return;
    }
    match value {
        Value::Object(map) => {
            if let Some(properties) = schema["properties"].as_object() {
                map.retain(|key, value| {
                    let dropped_null = value.is_null()
                        && properties.get(key).is_some_and(|p| p["nullable"] != true);
                    properties.contains_key(key) && !dropped_null
                });
                for (key, property) in properties {
                    if !map.contains_key(key) && !property["default"].is_null() {
                        map.insert(key.clone(), property["default"].clone());
                    }
                    if let Some(inner) = map.get_mut(key) {
                        complete(property, inner);
                    }
                }
            } else if schema["additionalProperties"].is_object() {
                map.values_mut()
                    .for_each(|inner| complete(&schema["additionalProperties"], inner));
            }
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| complete(&schema["items"], item)),
        _ => {}
    }
}

/// Fills in some of what the API server fills in of the core types: enough that an object as read differs from the
/// object as sent.
pub fn complete_core(resource: &str, number: u64, object: &mut Value) {
    match resource {
        "pods" => {
            let spec = &mut object["spec"];
            default(spec, "restartPolicy", json!("Always"));
            default(spec, "dnsPolicy", json!("ClusterFirst"));
            default(spec, "terminationGracePeriodSeconds", json!(30));
            default(spec, "schedulerName", json!("default-scheduler"));
            default(spec, "enableServiceLinks", json!(true));
            default(spec, "securityContext", json!({}));
            for container in spec["containers"].as_array_mut().into_iter().flatten() {
                default(container, "imagePullPolicy", json!("IfNotPresent"));
                default(
                    container,
                    "terminationMessagePath",
                    json!("/dev/termination-log"),
                );
                default(container, "terminationMessagePolicy", json!("File"));
                default(container, "resources", json!({}));
            }
            object["status"] = json!({ "phase": "Pending", "qosClass": "BestEffort" });
        }
        "services" => {
            let spec = &mut object["spec"];
            default(spec, "type", json!("ClusterIP"));
            default(spec, "sessionAffinity", json!("None"));
            default(spec, "internalTrafficPolicy", json!("Cluster"));
            default(
                spec,
                "clusterIP",
                json!(format!("10.96.0.{}", number % 250 + 1)),
            );
            for port in spec["ports"].as_array_mut().into_iter().flatten() {
                default(port, "protocol", json!("TCP"));
            }
        }
        "secrets" => default(object, "type", json!("Opaque")),
        _ => {}
    }
}

fn default(object: &mut Value, key: &str, value: Value) {
    let map = object
        .as_object_mut()
        .expect("the operator sends JSON objects here");
    map.entry(key).or_insert(value);
}

#[test]
fn defaults_are_filled_in_and_unknown_fields_dropped() {
    let definition = Definition::new(&json!({"spec": {
        "names": {"plural": "things"},
        "versions": [{"subresources": {"status": {}}, "schema": {"openAPIV3Schema": {"properties": {"spec": {
            "properties": {
                "worker": {"default": {}, "properties": {"replicas": {"default": 1}}},
                "template": {"x-kubernetes-preserve-unknown-fields": true},
                "pools": {"items": {"properties": {"slots": {"default": 0}}}},
            },
        }}}}}],
    }}));
    let mut object = json!({"spec": {"template": {"any": 1}, "pools": [{}, {"x": 1, "slots": null}], "typo": 1}});
    definition.complete(&mut object);
    let expected = json!({"spec": {
        "worker": {"replicas": 1}, "template": {"any": 1}, "pools": [{"slots": 0}, {"slots": 0}],
    }});
    assert_eq!(object, expected);
}
