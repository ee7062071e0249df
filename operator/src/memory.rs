//! What the operator remembers of a cluster between two looks. None of it is needed for being right: a new leader
//! starts with none, asks the API server once more for a few things, and arrives at the same end.

use crate::core::names::ClusterKey;
use crate::core::plan::History;
use crate::core::status::Refusal;
use crate::credentials::Credentials;
use crate::known_spec::KnownSpec;
use crate::object_index::Kind;
use crate::packed::Packed;
use dasklike_operator_api::DaskLikeClusterStatus;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is remembered of one cluster.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    /// The uid: another cluster of this name is not remembered.
    pub(crate) uid: String,
    /// The spec, while there is work to follow: idle clusters are many.
    pub(crate) spec: Option<KnownSpec>,
    /// What was last applied of each kind. Boxed, for a map has room for eleven.
    pub(crate) applied: BTreeMap<Kind, Box<Applied>>,
    /// When the certificates in that Secret are to be looked at again.
    pub(crate) certificates: Option<Certificates>,
    /// The status as it was last written, and when.
    pub(crate) status: Option<(Packed<DaskLikeClusterStatus>, Timestamp)>,
    /// The status of a write whose answer was an error or never came: the object has it, or not.
    pub(crate) doubtful: Option<DaskLikeClusterStatus>,
    /// Since when something is so that is not written yet, for it can wait a little.
    pub(crate) untold: Option<Timestamp>,
    /// Pods that ended too soon.
    pub(crate) history: History,
    /// What the API server did not want, which is not asked again at every look.
    pub(crate) refused: Option<Refused>,
    /// What was last logged of each pool that follows its work.
    pub(crate) logged: BTreeMap<String, Logged>,
    /// Failures in a row.
    pub(crate) failures: u32,
}

/// What of a decision makes another log line worth it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Logged {
    pub(crate) at: Timestamp,
    pub(crate) demand: Option<dasklike_scaling::Demand>,
    pub(crate) connected: u32,
    pub(crate) hold: Option<&'static str>,
}

/// What the API server did not want.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// The generation of the spec that it was about: another one is another question.
    pub(crate) generation: i64,
    /// When it is asked again. A quota or a right may change without any word.
    pub(crate) until: Timestamp,
    /// Its words.
    pub(crate) refusals: Vec<Refusal>,
}

/// An object that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Applied {
    /// The digest of what was asked for.
    pub(crate) asked: [u8; 32],
    /// The object's version after it.
    pub(crate) version: String,
}

/// A Secret that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Certificates {
    /// The Secret's version.
    pub(crate) version: String,
    /// When something in it is to be renewed.
    pub(crate) recheck_at: Timestamp,
    /// What the scheduler is dialled with.
    pub(crate) credentials: Credentials,
}

/// What is remembered of all clusters.
#[derive(Debug, Default)]
pub(crate) struct Memories {
    /// Boxed, for a map has room for more than it holds.
    map: Mutex<BTreeMap<ClusterKey, Box<Memory>>>,
}

impl Memories {
    /// Takes out what is remembered of a cluster. While it is out, nobody else works on this cluster: the
    /// controller looks at each cluster once at a time.
    pub(crate) fn take(&self, key: &ClusterKey, uid: &str) -> Memory {
        let known = self.lock().remove(key).map(|memory| *memory);
        let known = known.filter(|memory| memory.uid == uid);
        known.unwrap_or_else(|| Memory {
            uid: uid.to_owned(),
            ..Memory::default()
        })
    }

    /// Puts it back.
    pub(crate) fn put(&self, key: &ClusterKey, memory: Memory) {
        self.lock().insert(key.clone(), Box::new(memory));
    }

    /// A cluster's status came back as it was written: one text is enough.
    pub(crate) fn share(&self, key: &ClusterKey, status: &Packed<DaskLikeClusterStatus>) {
        let mut map = self.lock();
        let memory = map.get_mut(key).and_then(|memory| memory.status.as_mut());
        if let Some((written, _)) = memory.filter(|(written, _)| written == status) {
            *written = status.clone();
        }
    }

    /// One more failure in a row: how many there are now.
    pub(crate) fn failed(&self, key: &ClusterKey) -> u32 {
        let mut map = self.lock();
        let memory = map.entry(key.clone()).or_default();
        memory.failures = memory.failures.saturating_add(1);
        memory.failures
    }

    /// Forgets a cluster.
    pub(crate) fn forget(&self, key: &ClusterKey) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ClusterKey, Box<Memory>>> {
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
