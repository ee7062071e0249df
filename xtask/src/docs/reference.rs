//! The reference page of a custom resource, from its schema alone.

use anyhow::{Context, Result};
use serde_json::Value;
use std::fmt::Write;

/// The page, in Markdown: what the resource is, then one table for each object in its schema.
pub(crate) fn page(crd: &Value) -> Result<String> {
    let names = crd.pointer("/spec/names").context("no spec.names")?;
    let kind = text(names, "kind");
    let versions = crd
        .pointer("/spec/versions")
        .and_then(Value::as_array)
        .context("no spec.versions")?;
    let mut page = format!(
        "# {kind}\n\n<!-- Written by `cargo xtask docs` from crds/. Change the types in operator/api instead. -->\n"
    );
    for version in versions {
        let schema = version
            .pointer("/schema/openAPIV3Schema")
            .context("a version has no schema")?;
        page += &head(crd, names, version);
        page += &paragraph(schema);
        page += &columns(version);
        page += &rules(schema);
        for part in ["spec", "status"] {
            if let Some(object) = schema.pointer(&format!("/properties/{part}")) {
                section(&mut page, part, object);
            }
        }
    }
    Ok(page)
}

fn head(crd: &Value, names: &Value, version: &Value) -> String {
    let group = crd.pointer("/spec/group").and_then(Value::as_str);
    let scope = crd.pointer("/spec/scope").and_then(Value::as_str);
    let mut head = format!(
        "\n`apiVersion: {}/{}`, {}. `kubectl get {}`",
        group.unwrap_or_default(),
        text(version, "name"),
        scope.unwrap_or_default().to_lowercase(),
        text(names, "plural"),
    );
    let others = [words(&names["shortNames"]), words(&names["categories"])].concat();
    if !others.is_empty() {
        let _ = write!(head, ", for short {}", others.join(" or "));
    }
    head + ".\n"
}

/// What `kubectl get` prints.
fn columns(version: &Value) -> String {
    let Some(columns) = version["additionalPrinterColumns"].as_array() else {
        return String::new();
    };
    let mut table = String::from("\n| column | from |\n|---|---|\n");
    for column in columns {
        let _ = writeln!(
            table,
            "| {} | `{}` |",
            cell(&text(column, "name")),
            text(column, "jsonPath").replace('|', "\\|")
        );
    }
    table
}

/// The object at `path`, and below it every object that it holds.
fn section(page: &mut String, path: &str, object: &Value) {
    let _ = write!(page, "\n## {path}\n{}", paragraph(object));
    let mut inner = Vec::new();
    if let Some(properties) = object["properties"].as_object().filter(|p| !p.is_empty()) {
        *page += "\n| field | type | default | meaning |\n|---|---|---|---|\n";
        let required = words(&object["required"]);
        for (name, field) in properties {
            let default = match field.get("default") {
                // The fields of an object have their own defaults, in its own table.
                Some(value) if !value.is_object() => format!("`{value}`"),
                None if required.contains(&format!("`{name}`")) => "required".to_owned(),
                _ => String::new(),
            };
            let _ = writeln!(
                page,
                "| `{name}` | {} | {} | {} |",
                type_of(field),
                cell(&default),
                cell(&text(field, "description"))
            );
            if let Some((suffix, nested)) = nested(field) {
                inner.push((format!("{path}.{name}{suffix}"), nested));
            }
        }
    }
    *page += &rules(object);
    for (path, nested) in inner {
        section(page, &path, nested);
    }
}

/// The object with fields of its own that `field` is, or is a list or a map of, and how its path goes on.
fn nested(field: &Value) -> Option<(&'static str, &Value)> {
    let has_fields = |v: &&Value| v["properties"].as_object().is_some_and(|p| !p.is_empty());
    [
        ("", Some(field)),
        ("[]", field.get("items")),
        ("{}", field.get("additionalProperties")),
    ]
    .into_iter()
    .find_map(|(suffix, v)| Some((suffix, v.filter(has_fields)?)))
}

fn type_of(field: &Value) -> String {
    if field["x-kubernetes-int-or-string"] == true {
        return "integer or string".to_owned();
    }
    let mut shown = match field["type"].as_str() {
        Some("array") => format!("list of {}", type_of(&field["items"])),
        Some("object") if field.get("additionalProperties").is_some() => {
            format!("map to {}", type_of(&field["additionalProperties"]))
        }
        Some(name) => name.to_owned(),
        None => "anything".to_owned(),
    };
    if field["x-kubernetes-preserve-unknown-fields"] == true {
        shown += ", kept as it is";
    }
    let values = words(&field["enum"]);
    if !values.is_empty() {
        shown = values.join(", ");
    }
    if let Some(format) = field["format"].as_str().filter(|f| *f == "date-time") {
        shown = format.to_owned();
    }
    for (key, word, unit) in [
        ("minimum", "at least", ""),
        ("maximum", "at most", ""),
        ("maxLength", "at most", " characters"),
        ("maxItems", "at most", " items"),
    ] {
        if let Some(bound) = field[key].as_f64() {
            let _ = write!(shown, ", {word} {bound}{unit}");
        }
    }
    if let Some(pattern) = field["pattern"].as_str() {
        let _ = write!(shown, ", like `{}`", pattern.replace('|', "\\|"));
    }
    shown
}

/// What the API server checks beyond types, in the words it refuses with.
fn rules(object: &Value) -> String {
    let Some(rules) = object["x-kubernetes-validations"].as_array() else {
        return String::new();
    };
    let mut list = String::from("\nThe API server checks:\n\n");
    for rule in rules {
        let _ = writeln!(
            list,
            "- {} (`{}`)",
            one_line(&text(rule, "message")),
            one_line(&text(rule, "rule"))
        );
    }
    list
}

fn paragraph(object: &Value) -> String {
    match text(object, "description").as_str() {
        "" => String::new(),
        description => format!("\n{}\n", one_line(description)),
    }
}

fn cell(value: &str) -> String {
    one_line(value).replace('|', "\\|")
}

fn one_line(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn text(object: &Value, key: &str) -> String {
    object[key].as_str().unwrap_or_default().to_owned()
}

/// A list of values, each as code.
fn words(list: &Value) -> Vec<String> {
    let all = list.as_array().into_iter().flatten();
    all.map(|value| match value.as_str() {
        Some(text) => format!("`{text}`"),
        None => format!("`{value}`"),
    })
    .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_object_has_its_table() {
        let crd = serde_json::json!({"spec": {
        "group": "example.dev", "scope": "Namespaced",
        "names": {"kind": "Thing", "plural": "things", "shortNames": ["th"]},
        "versions": [{
            "name": "v1",
            "additionalPrinterColumns": [{"name": "READY", "jsonPath": ".status.ready"}],
            "schema": {"openAPIV3Schema": {"description": "A thing.", "properties": {"spec": {
                "required": ["mode"],
                "x-kubernetes-validations": [{"rule": "self.a <= self.b", "message": "a must not be above b"}],
                "properties": {
                    "mode": {"type": "string", "enum": ["On", "Off"], "description": "On\nor off | not both."},
                    "count": {"type": "integer", "minimum": 0, "default": 1},
                    "pools": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}},
                    "template": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                }}}}},
        }]}});
        let page = page(&crd).unwrap();
        for line in [
            "`apiVersion: example.dev/v1`, namespaced. `kubectl get things`, for short `th`.",
            "A thing.",
            "| READY | `.status.ready` |",
            "| `mode` | `On`, `Off` | required | On or off \\| not both. |",
            "| `count` | integer, at least 0 | `1` |  |",
            "| `template` | object, kept as it is |  |  |",
            "| `pools` | list of object |  |  |",
            "## spec.pools[]",
            "| `name` | string |  |  |",
            "- a must not be above b (`self.a <= self.b`)",
        ] {
            assert!(
                page.lines().any(|l| l == line),
                "no line `{line}` in\n{page}"
            );
        }
    }

    #[test]
    fn what_is_no_resource_is_an_error() {
        assert!(page(&serde_json::json!({})).is_err());
    }
}
