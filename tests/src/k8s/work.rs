//! Work for a real cluster that lasts: slow workers, and jobs that come again and again.

use super::data;
use super::engine::try_ndvi_timeseries;
use super::file_server::FileServer;
use super::namespace::{Namespace, with_namespace};
use super::operator::{SOON, install, status, uninstall};
use super::wait::until;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The store that they compute on.
pub const STORE: &str = "s2_tile_33TWM_202308";

/// A worker slow enough for a job of this small store to last: a tenth of a processor.
pub fn slow(more: Value) -> Value {
    let mut worker = json!({"resources": {
        "requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"cpu": "100m", "memory": "512Mi"}}});
    for (key, value) in more.as_object().unwrap() {
        worker[key] = value.clone();
    }
    worker
}

/// A scheduler of which many fit on one small node.
pub fn scheduler() -> Value {
    json!({"resources": {"requests": {"cpu": "20m", "memory": "64Mi"}}})
}

/// A policy under which a test need not wait long for workers to go.
pub fn policy(min: u32, max: u32) -> Value {
    json!({"minReplicas": min, "maxReplicas": max, "targetSeconds": 1,
        "scaleDown": {"stabilizationWindowSeconds": 5, "maxPercent": 100}})
}

/// A number in the status; 0 where there is none.
pub fn count(cluster: &Value, field: &str) -> i64 {
    cluster["status"][field].as_i64().unwrap_or_default()
}

/// The store, served to pods, and what the reference says of it.
pub struct Store {
    /// Its address.
    pub input: String,
    /// What the reference says of it.
    pub facts: Value,
    _server: FileServer,
}

/// Runs a test in a namespace with an operator, on the store.
pub async fn with_store<F: Future<Output = ()>>(test: impl FnOnce(Namespace, Store) -> F) {
    let Some(folder) = data::folder() else { return };
    with_namespace(async move |namespace| {
        install(&namespace, &[]);
        let server = FileServer::start(&namespace.client, &folder).await;
        let store = Store {
            input: format!("{}/{STORE}.v3.zarr", server.url),
            facts: data::facts(&folder, STORE),
            _server: server,
        };
        test(namespace.clone(), store).await;
        uninstall(&namespace);
    })
    .await;
}

/// Waits until no worker is wanted and none is there.
pub async fn asleep(namespace: &Namespace, name: &str) {
    status(namespace, name, "to have no workers", |cluster| {
        count(cluster, "desiredReplicas") == 0 && count(cluster, "replicas") == 0
    })
    .await;
}

/// Tasks that had to run again, whatever the cause, as the scheduler counts them.
pub async fn reruns(namespace: &Namespace, scheduler: &str) -> f64 {
    let path = format!(
        "/api/v1/namespaces/{}/pods/{scheduler}:8787/proxy/metrics",
        namespace.name
    );
    let request = http::Request::get(path).body(Vec::new()).unwrap();
    let text = namespace.client.request_text(request).await.unwrap();
    let counts: Vec<f64> = text
        .lines()
        .filter(|line| line.starts_with("dasklike_tasks_rerun_total{"))
        .map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap())
        .collect();
    assert_eq!(counts.len(), 2, "one for each cause\n{text}");
    counts.iter().sum()
}

/// Runs the series again and again until it is told to end; each must be what the reference says.
pub struct Jobs {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Jobs {
    /// `at_once` of them side by side.
    pub fn start(at_once: usize, contexts: &Path, input: &str, facts: &Value) -> Jobs {
        let stop = Arc::new(AtomicBool::new(false));
        let done = Arc::new(AtomicUsize::new(0));
        let tasks = (0..at_once).map(|_| {
            let (stop, done) = (stop.clone(), done.clone());
            let (contexts, input, facts) = (contexts.to_owned(), input.to_owned(), facts.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let series = try_ndvi_timeseries("demo", &contexts, &input).await;
                    series.unwrap().assert_is(STORE, &facts);
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        Jobs {
            tasks: tasks.collect(),
            stop,
            done,
        }
    }

    /// Waits until another job has ended, so that what happened before happened in the middle of one.
    pub async fn one_more(&self) {
        let before = self.done.load(Ordering::Relaxed);
        until("one more job to end", SOON, || async {
            match self.done.load(Ordering::Relaxed) > before {
                true => Ok(()),
                false => Err(format!("{before} have ended")),
            }
        })
        .await;
    }

    /// Lets those end that have begun.
    pub async fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
    }
}
