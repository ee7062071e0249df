//! What can be said of the charts, the examples and their pages without Helm and without a cluster.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use dasklike_tests::charts::{crd, objects, read, root, yaml};
use promql_parser::parser::{self, Expr};
use promql_parser::util::{ExprVisitor, walk_expr};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Every alert and recording of the chart.
fn alerts() -> Vec<Value> {
    let rules = yaml(&read("charts/dasklike-operator/alerts/rules.yaml"));
    let groups = rules["groups"].as_array().unwrap();
    groups
        .iter()
        .flat_map(|g| g["rules"].as_array().unwrap().clone())
        .collect()
}

/// The anchor that a forge gives a heading: lower case, words joined by hyphens, no other signs.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = page.lines().filter_map(|line| line.strip_prefix('#'));
    headings
        .map(|heading| {
            let words = heading
                .trim_start_matches('#')
                .trim()
                .to_lowercase()
                .replace(' ', "-");
            words
                .chars()
                .filter(|c| c.is_alphanumeric() || *c == '-' || *c == '_')
                .collect()
        })
        .collect()
}

#[test]
fn every_alert_has_a_runbook() {
    let anchors = anchors(&read("docs/operations.md"));
    let alerts = alerts();
    assert!(alerts.len() > 5, "{} alerts", alerts.len());
    for alert in alerts {
        let name = alert["alert"]
            .as_str()
            .expect("a rule of the chart is an alert");
        let link = alert["annotations"]["runbook_url"]
            .as_str()
            .unwrap_or_else(|| panic!("{name} has no runbook_url"));
        assert_eq!(
            link,
            format!("#{}", name.to_lowercase()),
            "the runbook of {name}"
        );
        assert!(
            anchors.contains(&link[1..]),
            "docs/operations.md has no heading {name}"
        );
        for key in ["summary", "description"] {
            assert!(alert["annotations"][key].is_string(), "{name} has no {key}");
        }
        assert!(
            alert["labels"]["severity"].is_string(),
            "{name} has no severity"
        );
    }
}

/// The metrics that a query names.
struct Metrics(BTreeSet<String>);

impl ExprVisitor for Metrics {
    type Error = std::convert::Infallible;

    fn pre_visit(&mut self, expr: &Expr) -> Result<bool, Self::Error> {
        let selector = match expr {
            Expr::VectorSelector(selector) => Some(selector),
            Expr::MatrixSelector(range) => Some(&range.vs),
            _ => None,
        };
        self.0.extend(selector.and_then(|s| s.name.clone()));
        Ok(true)
    }
}

fn metrics_of(query: &str) -> BTreeSet<String> {
    // Grafana puts a duration in place of this one.
    let query = query.replace("$__rate_interval", "5m");
    let expr = parser::parse(&query).unwrap_or_else(|e| panic!("`{query}` is not PromQL: {e}"));
    let mut metrics = Metrics(BTreeSet::new());
    let _ = walk_expr(&mut metrics, &expr);
    assert!(!metrics.0.is_empty(), "`{query}` names no metric");
    metrics.0
}

/// The words of a source file that look like the name of a metric.
fn exported(source: &str) -> BTreeSet<String> {
    let text = read(source);
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let names = words.filter(|word| word.starts_with("dasklike_") && !word.ends_with('_'));
    names.map(|name| family(name).to_owned()).collect()
}

/// The metric that a series of a histogram belongs to.
fn family(series: &str) -> &str {
    let ends = ["_bucket", "_count", "_sum"];
    ends.iter()
        .find_map(|end| series.strip_suffix(end))
        .unwrap_or(series)
}

#[test]
fn queries_parse_and_name_metrics_that_exist() {
    let mut queries: Vec<String> = alerts()
        .iter()
        .map(|a| a["expr"].as_str().unwrap().to_owned())
        .collect();
    let dashboard: Value =
        serde_json::from_str(&read("charts/dasklike-operator/dashboards/dasklike.json")).unwrap();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            queries.push(target["expr"].as_str().unwrap().to_owned());
        }
    }
    let mut known = exported("scheduler/src/http/metrics.rs");
    known.extend(exported("operator/src/metrics.rs"));
    known.insert("up".to_owned());
    for query in &queries {
        for metric in metrics_of(query) {
            assert!(
                known.contains(family(&metric)),
                "nothing exports {metric}, which `{query}` asks for"
            );
        }
    }
    let asked: BTreeSet<String> = queries
        .iter()
        .flat_map(|q| metrics_of(q))
        .map(|m| family(&m).to_owned())
        .collect();
    for metric in known {
        assert!(
            asked.contains(&metric),
            "{metric} is on no panel and in no alert"
        );
    }
}

#[test]
fn a_client_side_apply_can_carry_the_resource() {
    // It keeps what was applied as JSON in an annotation, and all annotations of an object have 256 KiB.
    let bytes = serde_json::to_vec(&crd()).unwrap().len();
    assert!(bytes < 200 * 1024, "the resource is {bytes} bytes");
}

#[test]
fn the_chart_carries_the_resource() {
    let name = "dasklikeclusters.dasklike.dev.yaml";
    let (made, copied) = (
        read(&format!("crds/{name}")),
        read(&format!("charts/dasklike-crds/files/{name}")),
    );
    assert!(
        made == copied,
        "crds/{name} and the chart's copy differ: run `cargo xtask docs`"
    );
}

/// The operator's own words in `reason` fields.
fn reasons() -> Vec<String> {
    let text = read("operator/api/src/reasons.rs");
    let constants = text.split("pub const ").skip(1);
    constants
        .map(|c| c.split('"').nth(1).unwrap().to_owned())
        .collect()
}

#[test]
fn every_reason_and_condition_is_explained() {
    let page = read("docs/operations.md");
    let conditions = [
        "Ready",
        "SchedulerReady",
        "WorkersReady",
        "Progressing",
        "ScalingActive",
    ];
    let reasons = reasons();
    assert!(reasons.len() > 10, "{reasons:?}");
    for word in reasons.iter().map(String::as_str).chain(conditions) {
        let explained = page.lines().any(|l| {
            l.starts_with('|')
                && l.split('|')
                    .nth(1)
                    .is_some_and(|c| c.contains(&format!("`{word}`")))
        });
        assert!(explained, "docs/operations.md has no row for `{word}`");
    }
}

/// A structural schema drops what it does not know; a reader of an example should be told instead.
fn refuse_unknown(schema: &mut Value) {
    if let Some(object) = schema.as_object_mut() {
        let keeps = object.get("x-kubernetes-preserve-unknown-fields") == Some(&json!(true));
        if object.contains_key("properties")
            && !object.contains_key("additionalProperties")
            && !keeps
        {
            object.insert("additionalProperties".to_owned(), json!(false));
        }
    }
    let inner = match schema {
        Value::Object(object) => object.values_mut().collect::<Vec<_>>(),
        Value::Array(list) => list.iter_mut().collect(),
        _ => Vec::new(),
    };
    inner.into_iter().for_each(refuse_unknown);
}

fn strict_schema() -> Value {
    let crd = crd();
    let mut schema = crd
        .pointer("/spec/versions/0/schema/openAPIV3Schema")
        .unwrap()
        .clone();
    for part in ["spec", "status"] {
        if let Some(part) = schema.pointer_mut(&format!("/properties/{part}")) {
            refuse_unknown(part);
        }
    }
    schema
}

#[test]
fn examples_fit_the_schema() {
    let validator = jsonschema::validator_for(&strict_schema()).unwrap();
    let mut found = 0;
    for entry in std::fs::read_dir(root().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        for object in objects(&std::fs::read_to_string(&path).unwrap()) {
            found += 1;
            assert_eq!(
                object["apiVersion"],
                "dasklike.dev/v1alpha1",
                "{}",
                path.display()
            );
            assert_eq!(object["kind"], "DaskLikeCluster", "{}", path.display());
            let errors: Vec<String> = validator
                .iter_errors(&object)
                .map(|e| format!("{}: {e}", e.instance_path()))
                .collect();
            assert!(
                errors.is_empty(),
                "{}: {}",
                path.display(),
                errors.join("; ")
            );
        }
    }
    assert!(found >= 2, "{found} examples");
    let mistyped = json!({"apiVersion": "dasklike.dev/v1alpha1", "kind": "DaskLikeCluster", "metadata": {"name": "a"},
        "spec": {"worker": {"replica": 2}}});
    assert!(
        !validator.is_valid(&mistyped),
        "the check knows no unknown field"
    );
}

/// The paths of all fields in a schema, without those of pod templates, which are Kubernetes' own.
fn fields(schema: &Value, path: &str, out: &mut BTreeSet<String>) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        let inner = field.get("items").unwrap_or(field);
        fields(inner, &path, out);
        out.insert(path);
    }
}

fn used(value: &Value, path: &str, out: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, field) in object {
                let path = format!("{path}.{name}");
                used(field, &path, out);
                out.insert(path);
            }
        }
        Value::Array(list) => list.iter().for_each(|item| used(item, path, out)),
        _ => {}
    }
}

#[test]
fn the_full_example_shows_every_field() {
    let (mut known, mut shown) = (BTreeSet::new(), BTreeSet::new());
    fields(&strict_schema()["properties"]["spec"], "spec", &mut known);
    for object in objects(&read("examples/cluster-full.yaml")) {
        used(&object["spec"], "spec", &mut shown);
    }
    // A pool is a worker section with a name: what the worker section shows need not be repeated.
    let missing: Vec<&String> = known
        .iter()
        .filter(|path| {
            !shown.contains(*path) && !shown.contains(&path.replace("spec.pools.", "spec.worker."))
        })
        .collect();
    assert!(
        missing.is_empty(),
        "examples/cluster-full.yaml does not show {missing:?}"
    );
}

/// Every object in a values schema either names its keys or says what its values are.
fn open_objects(schema: &Value, path: &str, out: &mut Vec<String>) {
    if schema.get("properties").is_some() && schema["additionalProperties"] != json!(false) {
        out.push(path.to_owned());
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        open_objects(field, &format!("{path}.{name}"), out);
    }
}

/// The keys of `values` that `schema` does not name.
fn unnamed(values: &Value, schema: &Value, path: &str, out: &mut Vec<String>) {
    for (name, value) in values.as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        match schema["properties"].get(name) {
            Some(field) if field.get("properties").is_some() => unnamed(value, field, &path, out),
            Some(_) => {}
            None => out.push(path),
        }
    }
}

#[test]
fn values_and_their_schema_name_the_same_keys() {
    for chart in ["dasklike-crds", "dasklike-operator"] {
        let schema: Value =
            serde_json::from_str(&read(&format!("charts/{chart}/values.schema.json"))).unwrap();
        let values = yaml(&read(&format!("charts/{chart}/values.yaml")));
        let (mut open, mut unknown) = (Vec::new(), Vec::new());
        open_objects(&schema, "", &mut open);
        unnamed(&values, &schema, "", &mut unknown);
        assert!(open.is_empty(), "{chart}: any key is allowed in {open:?}");
        assert!(
            unknown.is_empty(),
            "{chart}: the schema does not know {unknown:?}"
        );
        for name in schema["properties"]
            .as_object()
            .unwrap()
            .keys()
            .filter(|n| *n != "global")
        {
            assert!(
                values.get(name).is_some(),
                "{chart}: values.yaml does not document {name}"
            );
        }
    }
}

#[test]
fn links_between_pages_lead_somewhere() {
    for page in [
        "README.md",
        "docs/install.md",
        "docs/operations.md",
        "docs/crd.md",
    ] {
        // What is between backticks is code and has no links.
        let text: String = read(page).split('`').step_by(2).collect();
        let folder = root().join(page).parent().unwrap().to_owned();
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            if link.contains("://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() {
                root().join(page)
            } else {
                folder.join(file)
            };
            assert!(
                target.exists(),
                "{page} links to {link}, which is not there"
            );
            if !anchor.is_empty() {
                let target = std::fs::read_to_string(&target).unwrap();
                assert!(
                    anchors(&target).contains(anchor),
                    "{page} links to {link}, which is no heading"
                );
            }
        }
    }
}
