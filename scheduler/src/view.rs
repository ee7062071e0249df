//! What the dashboard is shown: the observer's picture, published where the HTTP server reads it.

use crate::core::State;
use crate::core::ids::{Epoch, Instant};
use crate::http::observe::{Observation, Observer, Origin};
use crate::http::snapshot::{Cluster, Interval, Snapshot};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::{broadcast, watch};

/// While nothing changes, this is how often it is said again.
const REPEAT_US: u64 = 1_000_000;

/// Batches of intervals that wait for the HTTP server; the oldest are dropped beyond that.
const INTERVALS_QUEUE: usize = 64;

#[derive(Debug)]
pub(crate) struct Viewer {
    cluster: Cluster,
    /// Made at the first look, when the core's clock is known beside the system's.
    observer: Option<Observer>,
    snapshots: watch::Sender<Arc<Snapshot>>,
    intervals: broadcast::Sender<Arc<[Interval]>>,
}

pub(crate) struct Shown {
    pub(crate) snapshots: watch::Receiver<Arc<Snapshot>>,
    pub(crate) intervals: broadcast::Receiver<Arc<[Interval]>>,
}

impl Viewer {
    pub(crate) fn new(epoch: Epoch, address: Option<SocketAddr>) -> (Viewer, Shown) {
        let (snapshots, shown) = watch::channel(Arc::default());
        let (intervals, stream) = broadcast::channel(INTERVALS_QUEUE);
        let cluster = Cluster {
            dasklike: env!("CARGO_PKG_VERSION").to_owned(),
            address: address.map_or_else(|| "in this process".to_owned(), |a| format!("tcp://{a}")),
            started_us: unix_us(),
            epoch: epoch.0.to_string(),
        };
        let viewer = Viewer {
            cluster,
            observer: None,
            snapshots,
            intervals,
        };
        (
            viewer,
            Shown {
                snapshots: shown,
                intervals: stream,
            },
        )
    }

    pub(crate) fn look(&mut self, state: &State, now: Instant) {
        let observer = self.observer.get_or_insert_with(|| {
            let origin = Origin {
                unix_us: unix_us().saturating_sub(now.0 / 1000),
            };
            Observer::new(self.cluster.clone(), origin)
        });
        let Observation {
            snapshot,
            intervals,
        } = observer.look(state, now);
        if !intervals.is_empty() {
            // Without a dashboard nobody listens.
            let _ = self.intervals.send(intervals.into());
        }
        let last = self.snapshots.borrow().clone();
        if snapshot.at_us < last.at_us + REPEAT_US
            && (Snapshot {
                at_us: last.at_us,
                ..snapshot.clone()
            }) == *last
        {
            return;
        }
        self.snapshots.send_replace(Arc::new(snapshot));
    }
}

/// Microseconds since the Unix epoch.
fn unix_us() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_micros() as u64
}
