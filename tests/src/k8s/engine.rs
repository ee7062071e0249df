//! The engine's pods, and the example that computes on them.

use super::data::assert_close;
use super::namespace::Namespace;
use super::wait::{POD, until};
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A pod of one container of the image under test, as the restricted pod security standard wants it, on a
/// read-only root.
pub fn pod(name: &str, arguments: &[&str]) -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {
            "automountServiceAccountToken": false,
            "securityContext": {
                "runAsNonRoot": true,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [{
                "name": "engine",
                "image": "localhost/dasklike:dev",
                "imagePullPolicy": "IfNotPresent",
                "args": arguments,
                "securityContext": {
                    "allowPrivilegeEscalation": false,
                    "readOnlyRootFilesystem": true,
                    "capabilities": {"drop": ["ALL"]},
                },
            }],
        },
    }))
    .unwrap()
}

/// Waits until the pod is Ready, and gives it as it is then.
pub async fn ready(namespace: &Namespace, name: &str) -> Pod {
    let pods = namespace.api::<Pod>();
    until(&format!("the pod {name}"), POD, || async {
        let pod = pods.get(name).await.map_err(|e| e.to_string())?;
        let status = pod.status.clone().unwrap_or_default();
        let is_ready = status
            .conditions
            .iter()
            .flatten()
            .any(|c| c.type_ == "Ready" && c.status == "True");
        if is_ready {
            Ok(pod)
        } else {
            Err(format!(
                "it is {:?}: {:?}",
                status.phase, status.container_statuses
            ))
        }
    })
    .await
}

/// What the scheduler in this pod shows over HTTP, asked through the API server.
pub async fn snapshot(namespace: &Namespace, scheduler: &str) -> Result<Value, String> {
    let path = format!(
        "/api/v1/namespaces/{}/pods/{scheduler}:8787/proxy/api/v1/snapshot",
        namespace.name
    );
    let request = http::Request::get(path).body(Vec::new()).unwrap();
    let answer = namespace.client.request_text(request).await;
    serde_json::from_str(&answer.map_err(|e| e.to_string())?).map_err(|e| e.to_string())
}

/// The example's table.
pub struct Series {
    /// One for each step.
    pub times: Vec<String>,
    columns: Vec<Vec<f64>>,
}

impl Series {
    /// Fails unless the series is what the reference says of the store.
    pub fn assert_is(&self, store: &str, facts: &Value) {
        let expected = &facts["ndvi_masked"];
        let times: Vec<&str> = expected["time"]
            .as_array()
            .expect("the reference has no times")
            .iter()
            .map(|t| t.as_str().unwrap())
            .collect();
        assert_eq!(self.times, times, "times of {store}");
        for (column, key) in self.columns.iter().zip([
            "mean_per_step",
            "std_per_step",
            "min_per_step",
            "max_per_step",
            "valid_count",
        ]) {
            assert_close(&format!("{key} of {store}"), column, &expected[key]);
        }
    }
}

/// Runs the example `ndvi_timeseries`, built by the check, on a cluster and a store.
pub async fn ndvi_timeseries(scheduler: &str, input: &str) -> Series {
    let contexts = std::path::Path::new("/nonexistent");
    let output = try_ndvi_timeseries(scheduler, contexts, input).await;
    output.unwrap_or_else(|said| panic!("ndvi_timeseries on {scheduler} failed\n{said}"))
}

/// As [`ndvi_timeseries`], with a folder of contexts; `Err` is what it says on stderr.
pub async fn try_ndvi_timeseries(
    scheduler: &str,
    contexts: &std::path::Path,
    input: &str,
) -> Result<Series, String> {
    ndvi_timeseries_with(scheduler, contexts, input, &[]).await
}

/// As [`try_ndvi_timeseries`], with more arguments.
pub async fn ndvi_timeseries_with(
    scheduler: &str,
    contexts: &std::path::Path,
    input: &str,
    more: &[&str],
) -> Result<Series, String> {
    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("series.csv");
    let mut command = Command::new(example("ndvi_timeseries"));
    command
        .args(["--scheduler", scheduler, "--input", input, "--csv"])
        .arg(&csv)
        .arg("--output")
        .arg(folder.path().join("series.png"))
        .args(more)
        .env("DASKLIKE_CONTEXTS", contexts)
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap();
    if output.status.success() {
        return Ok(parse(&std::fs::read_to_string(csv).unwrap()));
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

fn parse(csv: &str) -> Series {
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("time,mean,std,min,max,count"));
    let mut series = Series {
        times: Vec::new(),
        columns: vec![Vec::new(); 5],
    };
    for line in lines {
        let mut fields = line.split(',');
        series.times.push(fields.next().unwrap().to_owned());
        for column in &mut series.columns {
            let field = fields.next().expect("a row has six fields");
            // A step with no clear pixel has empty fields.
            column.push(if field.is_empty() {
                f64::NAN
            } else {
                field.parse().unwrap()
            });
        }
    }
    series
}

/// An example of this build: two folders above the test, cargo puts `examples`.
fn example(name: &str) -> PathBuf {
    let me = std::env::current_exe().unwrap();
    let program = me.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(
        program.is_file(),
        "{} is not built: cargo build --release --examples",
        program.display()
    );
    program
}
