//! Where the parts of the operator report what they do: counted for `/metrics`, judged for `/healthz` and `/readyz`.

use crate::core::health::{Event, Health, Limits, Problem};
use crate::metrics::{Metrics, Outcome};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::Instant;

/// A handle that all parts share.
#[derive(Clone, Debug)]
pub struct Progress {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    metrics: Metrics,
    health: Mutex<Health>,
    started: Instant,
    next: AtomicU64,
}

/// A reconcile under way. Dropping it, as a cancelled reconcile does, ends it without counting it.
#[derive(Debug)]
pub struct Reconcile {
    progress: Progress,
    id: u64,
    began: Instant,
}

impl Progress {
    /// Nothing has happened yet.
    pub fn new(metrics: Metrics, limits: Limits) -> Progress {
        Progress {
            shared: Arc::new(Shared {
                metrics,
                health: Mutex::new(Health::new(limits)),
                started: Instant::now(),
                next: AtomicU64::new(0),
            }),
        }
    }

    /// The counters.
    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// A reconcile of this object begins.
    pub fn reconcile(&self, object: String) -> Reconcile {
        let id = self.shared.next.fetch_add(1, Ordering::Relaxed);
        self.handle(Event::ReconcileStarted { id, object });
        Reconcile {
            progress: self.clone(),
            id,
            began: Instant::now(),
        }
    }

    /// The Lease was seen.
    pub fn lease_seen(&self) {
        self.handle(Event::LeaseSeen);
    }

    /// The operator ends on purpose.
    pub fn stopping(&self) {
        self.handle(Event::Stopping);
    }

    /// A watch of this resource was asked for.
    pub(crate) fn watch_asked(&self, resource: String) {
        self.handle(Event::WatchAsked { resource });
    }

    /// The API server answered it.
    pub(crate) fn watch_answered(&self, resource: String, granted: bool) {
        self.handle(Event::WatchAnswered { resource, granted });
    }

    /// What only a restart can cure.
    pub fn sick(&self) -> Vec<Problem> {
        let now = self.shared.started.elapsed();
        self.with_health(|health| health.sick(now))
    }

    /// Why the operator cannot work now.
    pub fn unready(&self) -> Vec<Problem> {
        self.with_health(|health| health.unready())
    }

    fn handle(&self, event: Event) {
        let now = self.shared.started.elapsed();
        self.with_health(|health| health.handle(now, event));
    }

    fn with_health<T>(&self, f: impl FnOnce(&mut Health) -> T) -> T {
        // The health is a plain table: it is whole even if a thread ended while it held the lock.
        let mut health = self
            .shared
            .health
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        f(&mut health)
    }
}

impl Reconcile {
    /// It ended.
    pub fn end(self, outcome: Outcome) {
        let took = self.began.elapsed();
        self.progress.metrics().reconciled(outcome, took);
    }
}

impl Drop for Reconcile {
    fn drop(&mut self) {
        self.progress.handle(Event::ReconcileEnded { id: self.id });
    }
}
