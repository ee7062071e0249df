//! What a pod is made from, as 16 hex digits on the pod.
//!
//! It covers what the user wrote and the recipe's version, not the pod that comes out: so an operator that builds
//! pods a little differently replaces none of those that run.

use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// Raised only when pods of an earlier recipe cannot work with what this operator makes.
pub const RECIPE: u32 = 1;

/// The hash of a JSON value, whatever the order of its keys.
pub fn of(value: &Value) -> String {
    let mut text = String::new();
    canonical(value, &mut text);
    Sha256::digest(text.as_bytes()).iter().take(8).fold(
        String::with_capacity(16),
        |mut hex, byte| {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        },
    )
}

fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            out.push('{');
            for key in keys {
                out.push_str(&Value::String(key.clone()).to_string());
                out.push(':');
                canonical(&map[key], out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for item in items {
                canonical(item, out);
                out.push(',');
            }
            out.push(']');
        }
        plain => out.push_str(&plain.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The digits were made with `printf '{"a":1,"b":[true,null,],}' | sha256sum`.
    #[test]
    fn a_hash_is_the_same_in_every_release() {
        assert_eq!(of(&json!({"b": [true, null], "a": 1})), "b1b493ddd33d6736");
    }

    #[test]
    fn what_differs_has_another_hash() {
        let values = [
            json!({"a": "1"}),
            json!({"a": 1}),
            json!({"a": [1]}),
            json!({"a": {"b": 1}, "c": 1}),
            json!({"a": {"b": 1, "c": 1}}),
            json!({}),
            json!([]),
        ];
        let hashes: std::collections::BTreeSet<_> = values.iter().map(of).collect();
        assert_eq!(hashes.len(), values.len());
    }
}
