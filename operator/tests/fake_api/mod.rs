//! A Kubernetes API server in this process, for tests of the operator: no sockets, no wall clock.
//!
//! It keeps objects as JSON and knows what the operator relies on: resource versions, conflicts, label selectors,
//! pages, watches with bookmarks, metadata-only answers, schema defaults, server-side apply with owners of fields,
//! merge patches, graceful deletion with preconditions, and the garbage collector. [`kubelet`] moves pods.
//! [`fault`] makes it fail, and ends clients in the middle of their work.
//!
//! What it does not know: CEL rules, admission, quotas, strategic merge patches, JSON patches, scale subresources.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    dead_code,
    unreachable_pub
)]

pub mod apply;
pub mod clock;
pub mod delete;
pub mod fault;
pub mod kubelet;
pub mod list;
pub mod normal;
pub mod refusal;
pub mod route;
pub mod schema;
pub mod selector;
pub mod serve;
pub mod store;
mod tests;
pub mod watch;
pub mod write;

use clock::Clock;
use fault::{Faults, Life};
use kube::Client;
use serde_json::Value;
use std::sync::{Arc, Mutex, MutexGuard};
use store::Store;
use tokio::sync::watch as channel;

/// A request that arrived, for tests that count them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// `list`, `watch`, `get`, `create`, `update`, `patch`, `apply` or `delete`.
    pub verb: &'static str,
    /// The plural, with the subresource after a `/`.
    pub resource: String,
    /// The object's name, if the request names one.
    pub name: Option<String>,
    /// The HTTP status of the answer; `None` if the client never saw one.
    pub code: Option<u16>,
}

impl Seen {
    /// Whether it changes something.
    pub fn writes(&self) -> bool {
        !matches!(self.verb, "list" | "watch" | "get")
    }
}

/// The server. Cheap to clone: all clones are the same one.
#[derive(Clone)]
pub struct FakeApi {
    shared: Arc<Shared>,
}

struct Shared {
    store: Mutex<Store>,
    faults: Mutex<Faults>,
    seen: Mutex<Vec<Seen>>,
    /// Held while a Service gets its address.
    addresses: tokio::sync::Mutex<()>,
    /// The newest resource version, so that watches wake up.
    revision: channel::Sender<u64>,
    /// Counts up when all watches are to be cut.
    cut: channel::Sender<u64>,
}

impl FakeApi {
    /// An empty server whose clock starts now and follows tokio's.
    pub fn new() -> FakeApi {
        let clock = Clock::start();
        FakeApi {
            shared: Arc::new(Shared {
                store: Mutex::new(Store::new(clock)),
                faults: Mutex::new(Faults::none()),
                seen: Mutex::new(Vec::new()),
                addresses: tokio::sync::Mutex::new(()),
                revision: channel::Sender::new(0),
                cut: channel::Sender::new(0),
            }),
        }
    }

    /// A client that no fault ever meets: a person with kubectl.
    pub fn person(&self) -> Client {
        Client::new(serve::Service::new(self.clone(), None), "default")
    }

    /// A client that lives as `life` says, whose requests are counted and meet the faults.
    pub fn client(&self, life: &Life) -> Client {
        Client::new(
            serve::Service::new(self.clone(), Some(life.clone())),
            "default",
        )
    }

    /// From now on requests of [`FakeApi::client`] fail like this.
    pub fn set_faults(&self, faults: Faults) {
        *self.shared.faults.lock().unwrap() = faults;
    }

    /// How many faults were met since the last [`FakeApi::set_faults`].
    pub fn faults_met(&self) -> usize {
        self.shared.faults.lock().unwrap().met()
    }

    /// All requests of [`FakeApi::client`] since the last call.
    pub fn take_seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.shared.seen.lock().unwrap())
    }

    /// Ends all watches that are open, as a restart of the API server does.
    pub fn cut_watches(&self) {
        self.shared.cut.send_modify(|n| *n += 1);
    }

    /// Forgets the past, so that watches from an older version are refused with 410.
    pub fn compact(&self) {
        self.store().compact();
    }

    /// A custom resource, with its schema's defaults and its subresources.
    pub fn install(&self, definition: &Value) {
        self.store().install(definition);
    }

    /// Every object of this plural, by namespace and name.
    pub fn objects(&self, plural: &str) -> Vec<Value> {
        self.store().all(plural).into_iter().cloned().collect()
    }

    /// Waits for the next change after `revision`; returns the newest.
    pub async fn changed(&self, revision: u64) -> u64 {
        let mut newest = self.shared.revision.subscribe();
        let found = newest.wait_for(|n| *n > revision).await;
        *found.expect("the server outlives its waiters")
    }

    /// Does something with the store, then tells the watches.
    pub fn with_store<T>(&self, f: impl FnOnce(&mut Store) -> T) -> T {
        let mut store = self.store();
        let result = f(&mut store);
        let revision = store.revision();
        drop(store);
        self.shared.revision.send_if_modified(|n| {
            let newer = revision > *n;
            *n = revision;
            newer
        });
        result
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.shared.store.lock().unwrap()
    }
}
