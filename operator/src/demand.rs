//! The two maps between the controller and the demand client, which keeps one stream to each scheduler.
//!
//! The controller says which schedulers there are ([`Endpoints`]); the client says what they want ([`Demands`]).
//! Either side is told which keys changed, many changes of one key as one, so what waits to be looked at is
//! bounded by the number of clusters.

pub use crate::core::demand::{Demand, PoolDemand, WorkerDemand};
pub use crate::core::names::ClusterKey;

use crate::credentials::Credentials;
use crate::dirty::Dirty;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the schedulers want, by cluster.
#[derive(Debug, Default)]
pub struct Demands {
    map: Watched<Demand>,
}

impl Demands {
    /// The last word of this cluster's scheduler; none while it is unknown or stale.
    pub fn get(&self, cluster: &ClusterKey) -> Option<Demand> {
        self.map.get(cluster)
    }

    /// Keeps what a scheduler said. Only what may change a decision wakes the controller.
    pub fn put(&self, cluster: &ClusterKey, demand: Demand) {
        self.map.set(cluster, demand, Demand::differs_from);
    }

    /// Forgets what a scheduler said: it is gone, or has been silent for too long.
    pub fn forget(&self, cluster: &ClusterKey) {
        self.map.remove(cluster);
    }

    /// Waits until something changed and says for which clusters. For one listener.
    pub async fn changed(&self) -> BTreeSet<ClusterKey> {
        self.map.changed.take().await
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
    /// What the scheduler is told of workers that come.
    pub shapes: Vec<WorkerShape>,
}

/// What each worker of a pool is like, as far as the spec says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerShape {
    /// The pool's name.
    pub pool: String,
    /// Threads that compute.
    pub slots: u32,
    /// Bytes that it may hold.
    pub memory_limit: u64,
}

/// What a client needs to trust a scheduler and to be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointTls {
    /// The name that the scheduler's certificate must carry.
    pub server_name: String,
    /// For the next connect; the present one stays when they are renewed.
    pub credentials: Credentials,
}

/// The schedulers that can be dialled, by cluster.
#[derive(Debug, Default)]
pub struct Endpoints {
    map: Watched<Endpoint>,
}

impl Endpoints {
    /// Where this cluster's scheduler is; none when there is none that answers.
    pub fn get(&self, cluster: &ClusterKey) -> Option<Endpoint> {
        self.map.get(cluster)
    }

    /// Sets or removes a scheduler; the listener hears of it only when it differs.
    pub fn set(&self, cluster: &ClusterKey, endpoint: Option<Endpoint>) {
        match endpoint {
            Some(endpoint) => self.map.set(cluster, endpoint, Endpoint::ne),
            None => self.map.remove(cluster),
        }
    }

    /// Waits until something changed and says for which clusters. For one listener.
    pub async fn changed(&self) -> BTreeSet<ClusterKey> {
        self.map.changed.take().await
    }
}

/// A map whose changed keys are told to one listener.
#[derive(Debug)]
struct Watched<V> {
    values: Mutex<BTreeMap<ClusterKey, V>>,
    changed: Dirty,
}

impl<V> Default for Watched<V> {
    fn default() -> Watched<V> {
        Watched {
            values: Mutex::default(),
            changed: Dirty::default(),
        }
    }
}

impl<V: Clone> Watched<V> {
    /// A panic while the lock is held cannot leave the map half written: every write is one insert or remove.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ClusterKey, V>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, key: &ClusterKey) -> Option<V> {
        self.lock().get(key).cloned()
    }

    /// Sets a value, and tells of it if `differs` says so of it and the one before.
    fn set(&self, key: &ClusterKey, value: V, differs: impl FnOnce(&V, &V) -> bool) {
        let mut values = self.lock();
        let tell = values
            .get(key)
            .is_none_or(|earlier| differs(&value, earlier));
        values.insert(key.clone(), value);
        drop(values);
        if tell {
            self.changed.mark(key.clone());
        }
    }

    fn remove(&self, key: &ClusterKey) {
        let removed = self.lock().remove(key).is_some();
        if removed {
            self.changed.mark(key.clone());
        }
    }
}
