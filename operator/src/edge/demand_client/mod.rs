//! Keeps one `WatchDemand` stream to each scheduler that can be dialled, and what they say in [`Demands`].
//!
//! An operator of a thousand clusters holds a thousand of these connections in a few tens of megabytes, so each is
//! one task, one socket and as few buffers as can be.

mod call;
mod convert;
mod dial;
mod follow;
mod frames;
mod secured;

use crate::demand::{ClusterKey, Demands, Endpoint, Endpoints};
use crate::edge::progress::Progress;
use follow::Follower;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

/// How many schedulers are dialled at the same time: a handshake costs far more than the stream after it.
const DIALS_AT_ONCE: usize = 32;

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// What a scheduler said counts for so long while it has work. It says something every five seconds. Without work
    /// it may be silent for as long as its machine is there.
    pub stale: Duration,
    /// A connection that takes longer to open has failed.
    pub dial: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            stale: Duration::from_secs(15),
            dial: Duration::from_secs(5),
        }
    }
}

/// What all followers share.
struct Shared {
    patience: Patience,
    demands: Arc<Demands>,
    dials: Semaphore,
    open: AtomicUsize,
    progress: Progress,
}

impl Shared {
    /// Counts a stream for as long as the guard lives.
    fn opened(self: &Arc<Shared>) -> OpenStream {
        self.show(self.open.fetch_add(1, Ordering::Relaxed) + 1);
        OpenStream(self.clone())
    }

    fn show(&self, open: usize) {
        self.progress.metrics().demand_streams(open);
    }
}

struct OpenStream(Arc<Shared>);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.show(self.0.open.fetch_sub(1, Ordering::Relaxed) - 1);
    }
}

/// A scheduler that is followed.
struct Followed {
    endpoint: watch::Sender<Endpoint>,
    task: JoinHandle<()>,
}

impl Followed {
    /// Ends it and waits for that, so that it says nothing afterwards.
    async fn stop(mut self) {
        self.task.abort();
        // It was cancelled, or it panicked, which the runtime has reported.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Follows all schedulers of `endpoints` until dropped.
pub async fn run(
    endpoints: Arc<Endpoints>,
    demands: Arc<Demands>,
    progress: Progress,
    patience: Patience,
) {
    let shared = Arc::new(Shared {
        patience,
        demands,
        dials: Semaphore::new(DIALS_AT_ONCE),
        open: AtomicUsize::new(0),
        progress,
    });
    let mut followed: BTreeMap<ClusterKey, Followed> = BTreeMap::new();
    loop {
        for cluster in endpoints.changed().await {
            let endpoint = endpoints.get(&cluster);
            let known = followed.get(&cluster);
            if let (Some(endpoint), Some(known)) = (&endpoint, known)
                && same_place(endpoint, &known.endpoint.borrow())
            {
                // Newer certificates are for the next connection; the present one stays.
                known.endpoint.send_replace(endpoint.clone());
                continue;
            }
            if let Some(known) = followed.remove(&cluster) {
                known.stop().await;
                shared.demands.forget(&cluster);
            }
            if let Some(endpoint) = endpoint {
                let follower = follow(&shared, cluster.clone(), endpoint);
                followed.insert(cluster, follower);
            }
        }
    }
}

fn follow(shared: &Arc<Shared>, cluster: ClusterKey, endpoint: Endpoint) -> Followed {
    let (sender, receiver) = watch::channel(endpoint);
    let follower = Follower::new(shared.clone(), cluster, receiver);
    Followed {
        endpoint: sender,
        task: tokio::spawn(follower.run()),
    }
}

/// Whether it is the same scheduler, reached in the same way and told the same.
fn same_place(one: &Endpoint, other: &Endpoint) -> bool {
    let place = |e: &Endpoint| {
        let tls = e.tls.as_ref();
        tls.map(|t| t.server_name.clone())
    };
    let same = one.pod_uid == other.pod_uid && one.ip == other.ip;
    same && place(one) == place(other) && one.shapes == other.shapes
}
