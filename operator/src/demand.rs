//! The two maps between the controller and the demand client, which keeps one stream to each scheduler.
//!
//! The controller says which schedulers there are ([`Endpoints`]); the client says what they want ([`Demands`]).
//! Either side is told which keys changed, many changes of one key as one, so what waits to be looked at is
//! bounded by the number of clusters.

pub use crate::core::demand::{Demand, PoolDemand, WorkerDemand};
pub use crate::core::names::ClusterKey;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// What the schedulers want, by cluster.
#[derive(Debug, Default)]
pub struct Demands {
    map: Watched<Demand>,
}

impl Demands {
    /// The last word of this cluster's scheduler; none while it is unknown or stale.
    pub fn get(&self, cluster: &ClusterKey) -> Option<Demand> {
        self.map.lock().values.get(cluster).cloned()
    }

    /// Keeps what a scheduler said. Only what may change a decision wakes the controller.
    pub fn put(&self, cluster: &ClusterKey, demand: Demand) {
        let mut inner = self.map.lock();
        let tell = inner
            .values
            .get(cluster)
            .is_none_or(|earlier| demand.differs_from(earlier));
        inner.values.insert(cluster.clone(), demand);
        if tell {
            inner.changed.insert(cluster.clone());
            self.map.notify.notify_one();
        }
    }

    /// Forgets what a scheduler said: it is gone, or has been silent for too long.
    pub fn forget(&self, cluster: &ClusterKey) {
        self.map.remove(cluster);
    }

    /// Waits until something changed and says for which clusters. For one listener.
    pub async fn changed(&self) -> BTreeSet<ClusterKey> {
        self.map.changed().await
    }
}

/// Where a scheduler is to be dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The scheduler pod's uid: another pod is another incarnation, even at the same address.
    pub pod_uid: String,
    /// The pod's address; the port is [`crate::core::names::GRPC_PORT`].
    pub ip: IpAddr,
    /// None where `tls.mode` is `Disabled`.
    pub tls: Option<EndpointTls>,
}

/// What a client needs to trust a scheduler and to be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointTls {
    /// The Secret in the cluster's namespace with `ca.crt`, `operator.crt` and `operator.key`.
    pub secret: String,
    /// The Secret's version: when it differs, the files are to be read again at the next connect.
    pub version: String,
    /// The name that the scheduler's certificate must carry.
    pub server_name: String,
}

/// The schedulers that can be dialled, by cluster.
#[derive(Debug, Default)]
pub struct Endpoints {
    map: Watched<Endpoint>,
}

impl Endpoints {
    /// Where this cluster's scheduler is; none when there is none that answers.
    pub fn get(&self, cluster: &ClusterKey) -> Option<Endpoint> {
        self.map.lock().values.get(cluster).cloned()
    }

    /// Sets or removes a scheduler; the listener hears of it only when it differs.
    pub fn set(&self, cluster: &ClusterKey, endpoint: Option<Endpoint>) {
        let Some(endpoint) = endpoint else {
            self.map.remove(cluster);
            return;
        };
        let mut inner = self.map.lock();
        if inner.values.get(cluster) != Some(&endpoint) {
            inner.values.insert(cluster.clone(), endpoint);
            inner.changed.insert(cluster.clone());
            self.map.notify.notify_one();
        }
    }

    /// Waits until something changed and says for which clusters. For one listener.
    pub async fn changed(&self) -> BTreeSet<ClusterKey> {
        self.map.changed().await
    }
}

/// A map whose changed keys are told to one listener.
#[derive(Debug)]
struct Watched<V> {
    inner: Mutex<Inner<V>>,
    notify: Notify,
}

#[derive(Debug)]
struct Inner<V> {
    values: BTreeMap<ClusterKey, V>,
    changed: BTreeSet<ClusterKey>,
}

impl<V> Default for Watched<V> {
    fn default() -> Watched<V> {
        Watched {
            inner: Mutex::new(Inner {
                values: BTreeMap::new(),
                changed: BTreeSet::new(),
            }),
            notify: Notify::new(),
        }
    }
}

impl<V> Watched<V> {
    /// A panic while the lock is held cannot leave the maps half written: every write is one insert or remove.
    fn lock(&self) -> MutexGuard<'_, Inner<V>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remove(&self, key: &ClusterKey) {
        let mut inner = self.lock();
        if inner.values.remove(key).is_some() {
            inner.changed.insert(key.clone());
            self.notify.notify_one();
        }
    }

    async fn changed(&self) -> BTreeSet<ClusterKey> {
        loop {
            // `notify_one` keeps a permit when nobody waits, so nothing is missed between the look and the wait.
            self.notify.notified().await;
            let changed = std::mem::take(&mut self.lock().changed);
            if !changed.is_empty() {
                return changed;
            }
        }
    }
}
