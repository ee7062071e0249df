//! All pods of all clusters in a few hundred bytes each, kept by one watch.
//!
//! What the operator itself just did is put in at once, from the API server's answer. Without that, a look before
//! the watch has caught up would do it again.

use crate::core::names::ClusterKey;
use crate::core::observed::{ObservedPod, Pods};
use crate::dirty::Dirty;
use crate::slim::SlimPod;
use kube::runtime::watcher::Event;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Uids of pods that are gone are remembered, so that a late answer to a creation does not bring one back.
const REMEMBERED: usize = 4096;

/// The pods of all clusters.
#[derive(Debug, Default)]
pub(crate) struct PodIndex {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    clusters: BTreeMap<ClusterKey, Arc<Pods>>,
    /// What a list has brought so far: it replaces all when it is complete.
    listing: Option<BTreeMap<ClusterKey, Pods>>,
    gone: VecDeque<Box<str>>,
}

impl PodIndex {
    /// A cluster's pods.
    pub(crate) fn of(&self, key: &ClusterKey) -> Arc<Pods> {
        self.lock().clusters.get(key).cloned().unwrap_or_default()
    }

    /// Takes in what the watch says and marks the clusters that it is about. True when a list is complete.
    pub(crate) fn observe(&self, event: Event<SlimPod>, dirty: &Dirty) -> bool {
        let mut inner = self.lock();
        match event {
            Event::Init => inner.listing = Some(BTreeMap::new()),
            Event::InitApply(pod) => {
                if let (Some((key, name, pod)), Some(listing)) = (read(&pod), &mut inner.listing) {
                    listing.entry(key).or_default().insert(name, pod);
                }
            }
            Event::InitDone => {
                for key in inner.relisted() {
                    dirty.mark(key);
                }
                return true;
            }
            Event::Apply(pod) => {
                if let Some((key, name, pod)) = read(&pod)
                    && inner.put(&key, name, pod)
                {
                    dirty.mark(key);
                }
            }
            Event::Delete(pod) => {
                if let Some((key, name, pod)) = read(&pod) {
                    inner.remove(&key, &name, &pod.uid);
                    dirty.mark(key);
                }
            }
        }
        false
    }

    /// Takes in a pod that was just created.
    pub(crate) fn created(&self, pod: &SlimPod) {
        let mut inner = self.lock();
        if let Some((key, name, pod)) = read(pod)
            && !inner.gone.contains(&pod.uid)
            && inner.find(&key, &name).is_none()
        {
            inner.put(&key, name, pod);
        }
    }

    /// Takes in that a pod was just asked to go.
    pub(crate) fn deleting(&self, key: &ClusterKey, name: &str, uid: &str) {
        let mut inner = self.lock();
        if let Some(pods) = inner.clusters.get_mut(key)
            && pods.get(name).is_some_and(|pod| *pod.uid == *uid)
            && let Some(pod) = Arc::make_mut(pods).get_mut(name)
        {
            pod.deleting = true;
        }
    }

    /// Takes in that a pod is not there.
    pub(crate) fn gone(&self, key: &ClusterKey, name: &str, uid: &str) {
        self.lock().remove(key, name, uid);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn find(&self, key: &ClusterKey, name: &str) -> Option<&ObservedPod> {
        self.clusters.get(key)?.get(name).map(|pod| &**pod)
    }

    /// Whether that changed anything.
    fn put(&mut self, key: &ClusterKey, name: String, pod: Box<ObservedPod>) -> bool {
        let pods = self.clusters.entry(key.clone()).or_default();
        if pods.get(&name) == Some(&pod) {
            return false;
        }
        Arc::make_mut(pods).insert(name, pod);
        true
    }

    fn remove(&mut self, key: &ClusterKey, name: &str, uid: &str) {
        if self.gone.len() == REMEMBERED {
            self.gone.pop_front();
        }
        self.gone.push_back(uid.into());
        let Some(pods) = self.clusters.get_mut(key) else {
            return;
        };
        // Another pod of this name stays: news of the one before it came late.
        if pods.get(name).is_some_and(|pod| *pod.uid == *uid) {
            Arc::make_mut(pods).remove(name);
        }
        if pods.is_empty() {
            self.clusters.remove(key);
        }
    }

    /// Puts a complete list in place. Gives the clusters that had or have pods.
    fn relisted(&mut self) -> BTreeSet<ClusterKey> {
        let listed = self.listing.take().unwrap_or_default();
        let keys = self.clusters.keys().chain(listed.keys()).cloned().collect();
        self.clusters = listed
            .into_iter()
            .map(|(key, pods)| (key, Arc::new(pods)))
            .collect();
        keys
    }
}

fn read(pod: &SlimPod) -> Option<(ClusterKey, String, Box<ObservedPod>)> {
    let (key, observed) = ObservedPod::new(&pod.metadata, &pod.status)?;
    Some((key, pod.metadata.name.clone()?, Box::new(observed)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(name: &str, uid: &str, phase: &str) -> SlimPod {
        serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "ns", "uid": uid, "labels": {
                "dasklike.dev/cluster": "demo", "dasklike.dev/pool": "default",
                "app.kubernetes.io/component": "worker"}},
            "spec": {"containers": []},
            "status": {"phase": phase},
        }))
        .unwrap()
    }

    fn names(index: &PodIndex) -> Vec<String> {
        let pods = index.of(&ClusterKey::new("ns", "demo"));
        pods.iter()
            .map(|(name, pod)| format!("{name}={}", pod.uid))
            .collect()
    }

    #[test]
    fn a_list_replaces_all_that_was_known() {
        let (index, dirty) = (PodIndex::default(), Dirty::default());
        index.observe(Event::Apply(pod("a", "1", "Running")), &dirty);
        index.observe(Event::Init, &dirty);
        index.observe(Event::InitApply(pod("b", "2", "Running")), &dirty);
        assert_eq!(names(&index), ["a=1"], "half a list is none");
        assert!(index.observe(Event::InitDone, &dirty));
        assert_eq!(names(&index), ["b=2"]);
    }

    #[test]
    fn late_news_change_nothing() {
        let (index, dirty) = (PodIndex::default(), Dirty::default());
        index.observe(Event::Apply(pod("a", "2", "Running")), &dirty);
        index.observe(Event::Delete(pod("a", "1", "Running")), &dirty);
        assert_eq!(names(&index), ["a=2"], "the successor stays");
        index.created(&pod("a", "2", "Pending"));
        let key = ClusterKey::new("ns", "demo");
        assert_eq!(
            index.of(&key)["a"].phase,
            crate::core::observed::Phase::Running,
            "the watch knows better"
        );
        index.observe(Event::Delete(pod("a", "2", "Running")), &dirty);
        index.created(&pod("a", "2", "Pending"));
        assert!(names(&index).is_empty(), "what is gone does not come back");
    }

    #[test]
    fn own_deeds_are_known_at_once() {
        let index = PodIndex::default();
        let key = ClusterKey::new("ns", "demo");
        index.created(&pod("a", "1", "Pending"));
        assert_eq!(names(&index), ["a=1"]);
        index.deleting(&key, "a", "other");
        assert!(!index.of(&key)["a"].deleting);
        index.deleting(&key, "a", "1");
        assert!(index.of(&key)["a"].deleting);
        index.gone(&key, "a", "1");
        assert!(names(&index).is_empty());
    }
}
