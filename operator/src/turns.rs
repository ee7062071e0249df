//! Who may work now: so many clusters at once, whichever namespace they are in, and the others wait.

use crate::edge::progress::Progress;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{Semaphore, SemaphorePermit};

/// The turns that there are.
#[derive(Debug)]
pub(crate) struct Turns {
    permits: Semaphore,
    waiting: AtomicUsize,
    progress: Progress,
}

/// One that waits. It is counted until it waits no more, for its turn or for being dropped.
struct Waiting<'a>(&'a Turns);

impl Turns {
    pub(crate) fn new(at_once: u16, progress: Progress) -> Turns {
        Turns {
            permits: Semaphore::new(usize::from(at_once)),
            waiting: AtomicUsize::new(0),
            progress,
        }
    }

    /// Waits for a turn, which lasts until it is dropped.
    pub(crate) async fn take(&self) -> Option<SemaphorePermit<'_>> {
        let waiting = self.waiting.fetch_add(1, Ordering::Relaxed) + 1;
        self.progress.metrics().queued(waiting);
        let counted = Waiting(self);
        // It would only fail if it were closed, which nobody does.
        let permit = self.permits.acquire().await.ok();
        drop(counted);
        permit
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let before = self.0.waiting.fetch_sub(1, Ordering::Relaxed);
        self.0.progress.metrics().queued(before.saturating_sub(1));
    }
}
