//! Label and field selectors.

use serde_json::Value;

/// Whether an object has the labels and fields asked for.
pub fn matches(object: &Value, labels: Option<&str>, fields: Option<&str>) -> bool {
    let has_labels = requirements(labels.unwrap_or_default())
        .iter()
        .all(|r| has_label(object, r));
    let has_fields = fields
        .unwrap_or_default()
        .split(',')
        .filter(|f| !f.is_empty())
        .all(|f| has_field(object, f));
    has_labels && has_fields
}

/// Splits at the commas that are not inside `in (…)`.
fn requirements(selector: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut depth = 0;
    for c in selector.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        match c {
            ',' if depth == 0 => all.push(String::new()),
            c => all.last_mut().unwrap().push(c),
        }
    }
    all.retain(|r| !r.trim().is_empty());
    all
}

fn has_label(object: &Value, requirement: &str) -> bool {
    let label = |key: &str| object["metadata"]["labels"][key.trim()].as_str();
    let list = |values: &str| -> Vec<String> {
        let inner = values.trim().trim_start_matches('(').trim_end_matches(')');
        inner.split(',').map(|v| v.trim().to_owned()).collect()
    };
    if let Some((key, values)) = requirement.split_once(" notin ") {
        return label(key).is_none_or(|l| !list(values).iter().any(|v| v == l));
    }
    if let Some((key, values)) = requirement.split_once(" in ") {
        return label(key).is_some_and(|l| list(values).iter().any(|v| v == l));
    }
    if let Some((key, value)) = requirement.split_once("!=") {
        return label(key) != Some(value.trim());
    }
    if let Some((key, value)) = requirement.split_once("==").or(requirement.split_once('=')) {
        return label(key) == Some(value.trim());
    }
    match requirement.trim().strip_prefix('!') {
        Some(key) => label(key).is_none(),
        None => label(requirement).is_some(),
    }
}

fn has_field(object: &Value, requirement: &str) -> bool {
    let (path, wanted, equal) = match requirement.split_once("!=") {
        Some((path, wanted)) => (path, wanted, false),
        None => {
            let (path, wanted) = requirement
                .split_once('=')
                .expect("a field selector has a =");
            (path, wanted.trim_start_matches('='), true)
        }
    };
    let found = path.split('.').fold(object, |value, key| &value[key]);
    (found.as_str().unwrap_or_default() == wanted) == equal
}

#[test]
fn label_selectors() {
    let object = serde_json::json!({"metadata": {"name": "p", "labels": {"a/b": "1", "c": "x"}}});
    for (selector, expected) in [
        ("", true),
        ("a/b=1", true),
        ("a/b==1,c=x", true),
        ("a/b=2", false),
        ("a/b!=2,d!=1", true),
        ("c in (y, x),a/b", true),
        ("c notin (y,x)", false),
        ("d notin (y)", true),
        ("!d", true),
        ("!c", false),
        ("d", false),
    ] {
        assert_eq!(
            matches(&object, Some(selector), None),
            expected,
            "{selector}"
        );
    }
    assert!(matches(&object, None, Some("metadata.name=p")));
    assert!(!matches(&object, None, Some("metadata.name!=p")));
}
