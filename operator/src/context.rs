//! What a look at a cluster works with.

use crate::clock::Clock;
use crate::core::names::ClusterKey;
use crate::demand::{Demands, Endpoints};
use crate::dirty::Dirty;
use crate::edge::progress::Progress;
use crate::memory::Memories;
use crate::object_index::ObjectIndex;
use crate::pod_index::PodIndex;
use crate::service_turns::ServiceTurns;
use crate::tell::Teller;
use crate::turns::Turns;
use kube::Client;
use rustls::crypto::CryptoProvider;
use std::sync::Arc;

/// How to look after clusters.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The namespaces to look after; none: all.
    pub namespaces: Vec<String>,
    /// The engine's image of clusters whose spec names none.
    pub default_image: String,
    /// Clusters that are worked on at once.
    pub concurrency: u16,
    /// This operator's name in events.
    pub identity: Option<String>,
    /// Where the time of day comes from.
    pub clock: Clock,
}

/// What one watched namespace, or all of them, share.
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) default_image: String,
    pub(crate) pods: PodIndex,
    pub(crate) objects: ObjectIndex,
    pub(crate) memories: Memories,
    pub(crate) dirty: Dirty,
    pub(crate) service_turns: ServiceTurns,
    pub(crate) demands: Arc<Demands>,
    pub(crate) endpoints: Arc<Endpoints>,
    pub(crate) teller: Teller,
    pub(crate) progress: Progress,
    pub(crate) clock: Clock,
    /// For the connections to all schedulers.
    pub(crate) provider: Arc<CryptoProvider>,
    /// Bounds the looks of all watched namespaces together.
    pub(crate) turns: Arc<Turns>,
}

impl Context {
    /// A cluster is gone.
    pub(crate) fn forget(&self, key: &ClusterKey) {
        self.memories.forget(key);
        self.endpoints.set(key, None);
        self.demands.forget(key);
    }
}
