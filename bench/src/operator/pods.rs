//! Counts the pods of a namespace as they come to exist, or to run.

use anyhow::{Result, bail};
use futures::TryStreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Without a new pod for so long, something is wrong.
const PATIENCE: Duration = Duration::from_secs(120);

/// A count that is kept up to date by a watch.
pub(crate) struct PodCount {
    count: watch::Receiver<Option<usize>>,
    task: JoinHandle<()>,
}

impl PodCount {
    /// Starts the watch and waits until it has seen what is there now.
    pub(crate) async fn start(client: &Client, namespace: &str) -> Result<PodCount> {
        PodCount::of(client, namespace, watcher::Config::default()).await
    }

    /// The same of pods that are Running.
    pub(crate) async fn running(client: &Client, namespace: &str) -> Result<PodCount> {
        let running = watcher::Config::default().fields("status.phase=Running");
        PodCount::of(client, namespace, running).await
    }

    async fn of(client: &Client, namespace: &str, which: watcher::Config) -> Result<PodCount> {
        let api: Api<PartialObjectMeta<Pod>> = Api::namespaced(client.clone(), namespace);
        let (sender, mut count) = watch::channel(None);
        let task = tokio::spawn(async move {
            let mut events = Box::pin(watcher::watcher(api, which));
            let (mut names, mut listed) = (std::collections::BTreeSet::new(), false);
            while let Ok(Some(event)) = events.try_next().await {
                match event {
                    Event::Init => names.clear(),
                    Event::InitApply(pod) | Event::Apply(pod) => {
                        names.insert(pod.metadata.uid);
                    }
                    Event::Delete(pod) => {
                        names.remove(&pod.metadata.uid);
                    }
                    Event::InitDone => listed = true,
                }
                if listed {
                    sender.send_replace(Some(names.len()));
                }
            }
        });
        count.wait_for(Option::is_some).await?;
        Ok(PodCount { count, task })
    }

    /// How many there are.
    pub(crate) fn now(&self) -> usize {
        self.count.borrow().unwrap_or(0)
    }

    /// Waits until there are so many.
    pub(crate) async fn reach(&self, wanted: usize) -> Result<()> {
        let mut count = self.count.clone();
        while self.now() < wanted {
            match tokio::time::timeout(PATIENCE, count.changed()).await {
                Ok(changed) => changed?,
                Err(_) => bail!(
                    "{} of {wanted} pods are there, and none came in the last {} s",
                    self.now(),
                    PATIENCE.as_secs()
                ),
            }
        }
        Ok(())
    }
}

impl Drop for PodCount {
    fn drop(&mut self) {
        self.task.abort();
    }
}
