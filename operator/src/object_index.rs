//! Which of the clusters' other objects there are, and in which version: metadata only, a few bytes each.

use crate::core::labels;
use crate::core::names::ClusterKey;
use crate::dirty::Dirty;
use crate::slim::SlimMeta;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::runtime::watcher::Event;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Kinds of objects besides pods. A cluster has at most one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The scheduler's Service.
    Service,
    /// The certificates' Secret.
    Secret,
    /// The NetworkPolicy.
    NetworkPolicy,
    /// The PodDisruptionBudget.
    DisruptionBudget,
}

impl Kind {
    /// Kubernetes' word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Kind::Service => "Service",
            Kind::Secret => "Secret",
            Kind::NetworkPolicy => "NetworkPolicy",
            Kind::DisruptionBudget => "PodDisruptionBudget",
        }
    }

    /// What changes when the object is not any more what was applied. The API server writes a budget's status all
    /// the time, which changes its resourceVersion and means nothing here.
    fn version(self, metadata: &ObjectMeta) -> String {
        let uid = metadata.uid.as_deref().unwrap_or_default();
        let version = match self {
            Kind::DisruptionBudget => metadata.generation.unwrap_or_default().to_string(),
            _ => metadata.resource_version.clone().unwrap_or_default(),
        };
        format!("{uid}/{version}")
    }
}

/// An object that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Observed {
    /// What changes when it changes.
    pub(crate) version: String,
    /// The uid of the cluster that owns it; none if it is nobody's.
    pub(crate) owner: Option<String>,
}

impl Observed {
    /// What there is to know of an object.
    pub(crate) fn new(kind: Kind, metadata: &ObjectMeta) -> Observed {
        Observed {
            version: kind.version(metadata),
            owner: owner(metadata).map(str::to_owned),
        }
    }

    /// It is another cluster's, or somebody's who is none.
    pub(crate) fn is_of_another(&self, uid: &str) -> bool {
        self.owner.as_deref().is_some_and(|owner| owner != uid)
    }
}

/// Whether the object's controller is the one with this uid.
pub(crate) fn is_owned(metadata: &ObjectMeta, uid: &str) -> bool {
    owner(metadata) == Some(uid)
}

fn owner(metadata: &ObjectMeta) -> Option<&str> {
    metadata
        .owner_references
        .iter()
        .flatten()
        .find(|owner| owner.controller == Some(true))
        .map(|owner| owner.uid.as_str())
}

/// Versions of the objects of all clusters.
#[derive(Debug, Default)]
pub(crate) struct ObjectIndex {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    there: BTreeMap<(Kind, ClusterKey), Observed>,
    /// What lists have brought so far.
    listing: BTreeMap<Kind, BTreeMap<ClusterKey, Observed>>,
}

impl ObjectIndex {
    /// A cluster's object, if it is there.
    pub(crate) fn get(&self, kind: Kind, key: &ClusterKey) -> Option<Observed> {
        self.lock().there.get(&(kind, key.clone())).cloned()
    }

    /// Takes in what the watch of a kind says. True when a list is complete.
    pub(crate) fn observe<K: Resource>(
        &self,
        kind: Kind,
        event: Event<SlimMeta<K>>,
        dirty: &Dirty,
    ) -> bool {
        let mut inner = self.lock();
        match event {
            Event::Init => {
                inner.listing.insert(kind, BTreeMap::new());
            }
            Event::InitApply(object) => {
                if let Some((key, object)) = read(kind, &object.metadata) {
                    inner.listing.entry(kind).or_default().insert(key, object);
                }
            }
            Event::InitDone => {
                let listed = inner.listing.remove(&kind).unwrap_or_default();
                inner.there.retain(|(other, key), _| {
                    let keep = *other != kind || listed.contains_key(key);
                    if !keep {
                        dirty.mark(key.clone());
                    }
                    keep
                });
                for (key, object) in listed {
                    inner.put(kind, key, object, dirty);
                }
                return true;
            }
            Event::Apply(object) => {
                if let Some((key, object)) = read(kind, &object.metadata) {
                    inner.put(kind, key, object, dirty);
                }
            }
            Event::Delete(object) => {
                if let Some((key, _)) = read(kind, &object.metadata) {
                    inner.there.remove(&(kind, key.clone()));
                    dirty.mark(key);
                }
            }
        }
        false
    }

    /// Takes in what was just applied, so that the watch's word of it is no news.
    pub(crate) fn applied(&self, kind: Kind, key: &ClusterKey, object: Observed) {
        self.lock().there.insert((kind, key.clone()), object);
    }

    /// Takes in that an object was just deleted.
    pub(crate) fn deleted(&self, kind: Kind, key: &ClusterKey) {
        self.lock().there.remove(&(kind, key.clone()));
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn put(&mut self, kind: Kind, key: ClusterKey, object: Observed, dirty: &Dirty) {
        let before = self.there.insert((kind, key.clone()), object.clone());
        if before != Some(object) {
            dirty.mark(key);
        }
    }
}

fn read(kind: Kind, metadata: &ObjectMeta) -> Option<(ClusterKey, Observed)> {
    let cluster = metadata.labels.as_ref()?.get(labels::CLUSTER)?;
    let key = ClusterKey::new(metadata.namespace.as_deref()?, cluster.as_str());
    Some((key, Observed::new(kind, metadata)))
}
