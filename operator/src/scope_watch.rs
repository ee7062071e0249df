//! The watches of one scope: each feeds an index and marks the clusters that it is about.

use crate::context::Context;
use crate::core::names::ClusterKey;
use crate::object_index::Kind;
use crate::packed::PackedCluster;
use crate::slim::{SlimCluster, SlimMeta, SlimPod, pack};
use futures::StreamExt;
use kube::Api;
use kube::Resource;
use kube::runtime::WatchStreamExt;
use kube::runtime::reflector::Store;
use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher::{self, Event, watcher};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::watch;
use tracing::warn;

/// Counts the watches that have brought their first lists.
pub(crate) struct Synced {
    missing: watch::Sender<usize>,
}

impl Synced {
    pub(crate) fn new(watches: usize) -> Synced {
        Synced {
            missing: watch::Sender::new(watches),
        }
    }

    /// Waits for all of them.
    pub(crate) async fn wait(&self) {
        // The sender is `self`: it cannot be gone while this waits.
        let _ = self
            .missing
            .subscribe()
            .wait_for(|missing| *missing == 0)
            .await;
    }

    fn one(&self) {
        self.missing
            .send_modify(|missing| *missing = missing.saturating_sub(1));
    }
}

/// Watches the clusters' pods.
pub(crate) async fn watch_pods(
    api: Api<SlimPod>,
    config: watcher::Config,
    context: Arc<Context>,
    synced: Arc<Synced>,
) {
    let mut events = watcher(api, config).default_backoff().boxed();
    let mut first = true;
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                if context.pods.observe(event, &context.dirty) && std::mem::take(&mut first) {
                    synced.one();
                }
            }
            Err(error) => warn!(%error, watch = "pods", "a watch failed and is begun anew"),
        }
    }
}

/// Watches the metadata of the clusters' objects of one kind.
pub(crate) async fn watch_objects<K>(
    api: Api<SlimMeta<K>>,
    config: watcher::Config,
    kind: Kind,
    context: Arc<Context>,
    synced: Arc<Synced>,
) where
    K: Resource<DynamicType = ()> + 'static,
{
    let mut events = watcher(api, config).default_backoff().boxed();
    let mut first = true;
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                let listed = context.objects.observe(kind, event, &context.dirty);
                if listed && std::mem::take(&mut first) {
                    synced.one();
                }
            }
            Err(error) => warn!(%error, watch = kind.word(), "a watch failed and is begun anew"),
        }
    }
}

/// What the watch of the clusters themselves works with.
pub(crate) struct ClusterWatch {
    context: Arc<Context>,
    reader: Store<PackedCluster>,
    writer: Writer<PackedCluster>,
    /// The uid and generation at which each cluster was last looked at. Its status changes by our own hand.
    seen: BTreeMap<ClusterKey, (String, i64)>,
}

impl ClusterWatch {
    pub(crate) fn new(
        context: &Arc<Context>,
        reader: Store<PackedCluster>,
        writer: Writer<PackedCluster>,
    ) -> ClusterWatch {
        ClusterWatch {
            context: context.clone(),
            reader,
            writer,
            seen: BTreeMap::new(),
        }
    }

    fn observe(&mut self, event: Event<PackedCluster>) {
        self.writer.apply_watcher_event(&event);
        match event {
            Event::Init => {}
            Event::InitApply(cluster) | Event::Apply(cluster) => self.changed(&cluster),
            Event::Delete(cluster) => {
                if let Some(key) = key(&cluster) {
                    self.seen.remove(&key);
                    self.context.forget(&key);
                }
            }
            Event::InitDone => self.relisted(),
        }
    }

    fn changed(&mut self, cluster: &PackedCluster) {
        let Some(key) = key(cluster) else {
            return;
        };
        if let Some(status) = &cluster.status {
            self.context.memories.share(&key, status);
        }
        let version = (
            cluster.metadata.uid.clone().unwrap_or_default(),
            cluster.metadata.generation.unwrap_or_default(),
        );
        if self.seen.get(&key) != Some(&version) {
            self.seen.insert(key.clone(), version);
            self.context.dirty.mark(key);
        }
    }

    /// Clusters that went while the watch was cut are forgotten, and those that are there looked at: the list may
    /// be the store's first.
    fn relisted(&mut self) {
        let there: BTreeSet<ClusterKey> = self
            .reader
            .state()
            .iter()
            .filter_map(|cluster| key(cluster))
            .collect();
        let gone: Vec<ClusterKey> = self
            .seen
            .keys()
            .filter(|key| !there.contains(*key))
            .cloned()
            .collect();
        for key in gone {
            self.seen.remove(&key);
            self.context.forget(&key);
        }
        for key in there {
            self.context.dirty.mark(key);
        }
    }
}

fn key(cluster: &PackedCluster) -> Option<ClusterKey> {
    let metadata = &cluster.metadata;
    Some(ClusterKey::new(
        metadata.namespace.as_deref()?,
        metadata.name.as_deref()?,
    ))
}

/// Watches the clusters themselves.
pub(crate) async fn watch_clusters(api: Api<SlimCluster>, mut watch: ClusterWatch) {
    let mut events = watcher(api, watcher::Config::default())
        .default_backoff()
        .boxed();
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => watch.observe(pack(event)),
            Err(error) => warn!(%error, watch = "clusters", "a watch failed and is begun anew"),
        }
    }
}
