//! What the dashboard is shown.

use crate::core::State;
use crate::core::ids::{Epoch, Instant};
use crate::http::snapshot::{Interval, Snapshot};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::{broadcast, watch};

#[derive(Debug)]
pub(crate) struct Viewer {
    snapshots: watch::Sender<Arc<Snapshot>>,
    intervals: broadcast::Sender<Arc<[Interval]>>,
}

pub(crate) struct Shown {
    pub(crate) snapshots: watch::Receiver<Arc<Snapshot>>,
    pub(crate) intervals: broadcast::Receiver<Arc<[Interval]>>,
}

impl Viewer {
    pub(crate) fn new(_epoch: Epoch, _address: Option<SocketAddr>) -> (Viewer, Shown) {
        let (snapshots, shown) = watch::channel(Arc::default());
        let (intervals, stream) = broadcast::channel(64);
        (Viewer { snapshots, intervals }, Shown { snapshots: shown, intervals: stream })
    }

    pub(crate) fn look(&mut self, _state: &State, _now: Instant) {
        let _ = (&self.snapshots, &self.intervals);
    }
}
