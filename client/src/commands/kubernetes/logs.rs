//! `dasklike logs`: what a cluster's pods say, each line with its pod's name.

use super::client;
use super::cluster::Cluster;
use super::error::{KubeError, Request};
use crate::commands::talk::say;
use anyhow::{Context as _, Result};
use dasklike::PoolName;
use futures::{AsyncBufReadExt, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::LogParams;
use std::collections::BTreeSet;
use std::io::{ErrorKind, Write};
use std::time::Duration;
use tokio::sync::mpsc;

/// How often is looked for new pods.
const POLL: Duration = Duration::from_secs(2);
/// Lines that may wait to be printed.
const WAITING: usize = 1024;
/// Which part of a cluster a pod is; also the name of its container.
const COMPONENT: &str = "app.kubernetes.io/component";

/// Print what a cluster's pods in Kubernetes say
#[derive(Debug, clap::Args)]
pub(crate) struct LogsArgs {
    /// The cluster's name
    name: String,
    /// Its namespace [default: your kubeconfig's]
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,
    /// Go on with what they will say, new pods' too, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// Only the workers of this pool
    #[arg(long, value_name = "NAME")]
    pool: Option<PoolName>,
}

impl LogsArgs {
    pub(crate) fn run(self) -> Result<()> {
        let runtime = tokio::runtime::Runtime::new().context("cannot start threads")?;
        runtime.block_on(async {
            let (client, namespace) = client(self.namespace.as_deref()).await?;
            let cluster = Cluster::find(client, namespace, &self.name).await?;
            let pool = self.pool.as_ref().map(PoolName::as_str);
            if self.follow {
                follow(&cluster, pool).await
            } else {
                print_all(&cluster, pool).await
            }
        })
    }
}

/// What there is, pod by pod.
async fn print_all(cluster: &Cluster, pool: Option<&str>) -> Result<()> {
    let sources = sources(cluster, pool).await?;
    if sources.is_empty() {
        say!("cluster {} has no such pods", cluster.name);
    }
    for source in sources {
        if !source.has_begun {
            say!("{}: it has not started yet", source.name);
            continue;
        }
        let (sender, mut lines) = mpsc::channel(WAITING);
        let reading = tokio::spawn(source.clone().read(cluster.clone(), false, sender));
        while let Some(line) = lines.recv().await {
            if !print(&source.name, &line)? {
                return Ok(());
            }
        }
        if let Err(error) = reading.await? {
            say!("{}: {error}", source.name);
        }
    }
    Ok(())
}

/// What there is and will be, as it comes.
async fn follow(cluster: &Cluster, pool: Option<&str>) -> Result<()> {
    let (sender, mut lines) = mpsc::channel::<(String, String)>(WAITING);
    let mut seen = BTreeSet::new();
    let mut poll = tokio::time::interval(POLL);
    loop {
        tokio::select! {
            _ = poll.tick() => {
                for source in sources(cluster, pool).await? {
                    if source.has_begun && seen.insert(source.life.clone()) {
                        tokio::spawn(follow_one(source, cluster.clone(), sender.clone()));
                    }
                }
            }
            Some((pod, line)) = lines.recv() => {
                if !print(&pod, &line)? {
                    return Ok(());
                }
            }
        }
    }
}

async fn follow_one(source: Source, cluster: Cluster, out: mpsc::Sender<(String, String)>) {
    let (sender, mut lines) = mpsc::channel(WAITING);
    let name = source.name.clone();
    let reading = tokio::spawn(source.read(cluster, true, sender));
    while let Some(line) = lines.recv().await {
        // The receiver lives as long as the program.
        let _ = out.send((name.clone(), line)).await;
    }
    if let Ok(Err(error)) = reading.await {
        say!("{name}: {error}");
    }
}

/// A container whose words are read.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Source {
    name: String,
    container: Option<String>,
    /// The pod and how often its container was started anew: each life's words are read once.
    life: (String, i32),
    /// It has run: before, there is nothing to read.
    has_begun: bool,
}

impl Source {
    fn new(pod: &Pod) -> Source {
        let container = pod.labels().get(COMPONENT).cloned();
        let statuses = pod
            .status
            .iter()
            .flat_map(|s| s.container_statuses.iter().flatten());
        let status = statuses
            .into_iter()
            .find(|s| Some(&s.name) == container.as_ref());
        let state = status.and_then(|s| s.state.as_ref());
        Source {
            name: pod.name_any(),
            container,
            life: (
                pod.uid().unwrap_or_default(),
                status.map_or(0, |s| s.restart_count),
            ),
            has_begun: state.is_some_and(|s| s.running.is_some() || s.terminated.is_some()),
        }
    }

    async fn read(
        self,
        cluster: Cluster,
        follow: bool,
        out: mpsc::Sender<String>,
    ) -> Result<(), KubeError> {
        let get = Request::new("get", "pods/log", &cluster.namespace);
        let params = LogParams {
            container: self.container,
            follow,
            ..LogParams::default()
        };
        let stream = cluster
            .pod_api()
            .log_stream(&self.name, &params)
            .await
            .map_err(|e| get.failed(e))?;
        let mut lines = stream.lines();
        while let Some(line) = lines.next().await {
            let line = line.map_err(|e| get.failed(kube::Error::ReadEvents(e)))?;
            if out.send(line).await.is_err() {
                break;
            }
        }
        Ok(())
    }
}

async fn sources(cluster: &Cluster, pool: Option<&str>) -> Result<Vec<Source>, KubeError> {
    let mut pods = cluster
        .pods(pool.map(|pool| ("dasklike.dev/pool", pool)))
        .await?;
    sort(&mut pods);
    Ok(pods.iter().map(Source::new).collect())
}

/// Schedulers first, the newest of them at the top, then workers by name.
fn sort(pods: &mut [Pod]) {
    let key = |pod: &Pod| {
        let worker = pod.labels().get(COMPONENT).is_none_or(|c| c != "scheduler");
        let age = pod.creation_timestamp().map(|t| t.0).filter(|_| !worker);
        (worker, std::cmp::Reverse(age), pod.name_any())
    };
    pods.sort_by_cached_key(key);
}

/// False if nobody reads any more.
fn print(pod: &str, line: &str) -> Result<bool> {
    match writeln!(std::io::stdout().lock(), "[{pod}] {line}") {
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(false),
        written => Ok(written.map(|()| true)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(name: &str, component: &str, created: &str) -> Pod {
        let value = json!({"metadata": {
            "name": name, "uid": name, "creationTimestamp": created,
            "labels": {COMPONENT: component},
        }});
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn the_newest_scheduler_comes_first_and_workers_by_name() {
        let mut pods = [
            pod("w-1", "worker", "2024-05-01T00:00:09Z"),
            pod("s-old", "scheduler", "2024-05-01T00:00:00Z"),
            pod("w-0", "worker", "2024-05-01T00:00:01Z"),
            pod("s-new", "scheduler", "2024-05-01T00:00:05Z"),
        ];
        sort(&mut pods);
        let names: Vec<String> = pods.iter().map(ResourceExt::name_any).collect();
        assert_eq!(names, ["s-new", "s-old", "w-0", "w-1"]);
    }

    #[test]
    fn a_container_that_starts_anew_is_read_anew() {
        let mut pod = pod("s", "scheduler", "2024-05-01T00:00:00Z");
        assert!(!Source::new(&pod).has_begun);
        let status = |restarts: i32| {
            json!({"containerStatuses": [{
                "name": "scheduler", "image": "x", "imageID": "", "ready": true,
                "restartCount": restarts, "state": {"running": {}},
            }]})
        };
        pod.status = Some(serde_json::from_value(status(0)).unwrap());
        let first = Source::new(&pod);
        assert!(first.has_begun && first.container.as_deref() == Some("scheduler"));
        pod.status = Some(serde_json::from_value(status(1)).unwrap());
        assert_ne!(Source::new(&pod).life, first.life);
    }
}
