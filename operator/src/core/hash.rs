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
    let mut text = Vec::new();
    canonical(value, &mut text);
    Sha256::digest(&text)
        .iter()
        .take(8)
        .fold(String::with_capacity(16), |mut hex, byte| {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

fn canonical(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            out.push(b'{');
            for (key, value) in entries {
                write(key, out);
                out.push(b':');
                canonical(value, out);
                out.push(b',');
            }
            out.push(b'}');
        }
        Value::Array(items) => {
            out.push(b'[');
            for item in items {
                canonical(item, out);
                out.push(b',');
            }
            out.push(b']');
        }
        plain => write(plain, out),
    }
}

fn write(plain: &impl serde::Serialize, out: &mut Vec<u8>) {
    // Writing text and numbers to memory cannot fail.
    let _ = serde_json::to_writer(out, plain);
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
