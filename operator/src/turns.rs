//! Who may work now, whichever namespace a cluster is in. Words go before deeds: a new number is said while pods of
//! others wait to be made.

use crate::edge::progress::Progress;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{RwLock, RwLockReadGuard, Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};

/// Deeds wait no longer than this for words that get no answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// Words that come together come within so long of each other: deeds wait for the last of them.
const PAUSE: Duration = Duration::from_millis(25);

/// So many pods are asked for at once, of all clusters together: more would wait in the API server instead.
const PODS: usize = 64;

/// The turns that there are.
#[derive(Debug)]
pub(crate) struct Turns {
    /// So many clusters are worked on at once.
    deeds: Semaphore,
    /// Of them all, so many pods are made at once.
    pods: Semaphore,
    /// And of so many is something said at once.
    words: Semaphore,
    /// Who has something to say reads; who acts waits to write, so behind all who spoke up before.
    spoken: RwLock<()>,
    /// When the last of them was said.
    last_word: Mutex<Option<Instant>>,
    waiting: AtomicUsize,
    progress: Progress,
}

/// A turn to say something, which lasts until it is dropped.
#[derive(Debug)]
pub(crate) struct Word<'a> {
    turns: &'a Turns,
    _permit: Option<SemaphorePermit<'a>>,
    _spoken: RwLockReadGuard<'a, ()>,
}

/// One that waits. It is counted until it waits no more, for its turn or for being dropped.
struct Waiting<'a>(&'a Turns);

impl Turns {
    pub(crate) fn new(at_once: u16, progress: Progress) -> Turns {
        Turns {
            deeds: Semaphore::new(usize::from(at_once)),
            pods: Semaphore::new(PODS),
            words: Semaphore::new(usize::from(at_once)),
            spoken: RwLock::new(()),
            last_word: Mutex::new(None),
            waiting: AtomicUsize::new(0),
            progress,
        }
    }

    /// Waits for a turn to act, which lasts until it is dropped.
    pub(crate) async fn act(&self) -> Option<SemaphorePermit<'_>> {
        let waiting = self.waiting.fetch_add(1, Ordering::Relaxed) + 1;
        self.progress.metrics().queued(waiting);
        let counted = Waiting(self);
        // It would only fail if it were closed, which nobody does.
        let permit = self.deeds.acquire().await.ok();
        // Whether all have spoken or patience is at its end, it is time to act.
        let _ = tokio::time::timeout(PATIENCE, self.all_have_spoken()).await;
        drop(counted);
        permit
    }

    async fn all_have_spoken(&self) {
        loop {
            drop(self.spoken.write().await);
            let last = *self.last_word();
            match last.map(|last| last + PAUSE) {
                Some(over) if Instant::now() < over => sleep_until(over).await,
                _ => return,
            }
        }
    }

    /// Waits for a turn to make a pod, which lasts until it is dropped.
    pub(crate) async fn make(&self) -> Option<SemaphorePermit<'_>> {
        self.pods.acquire().await.ok()
    }

    fn last_word(&self) -> MutexGuard<'_, Option<Instant>> {
        // A moment is whole at any time.
        self.last_word
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody waits for a turn to act.
    pub(crate) fn are_waited_for(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Waits for a turn to say something.
    pub(crate) async fn speak(&self) -> Word<'_> {
        let spoken = self.spoken.read().await;
        Word {
            turns: self,
            _permit: self.words.acquire().await.ok(),
            _spoken: spoken,
        }
    }
}

impl Drop for Word<'_> {
    fn drop(&mut self) {
        *self.turns.last_word() = Some(Instant::now());
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let before = self.0.waiting.fetch_sub(1, Ordering::Relaxed);
        self.0.progress.metrics().queued(before.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::health::Limits;
    use crate::metrics::Metrics;
    use futures::FutureExt;
    use tokio::time::timeout;

    fn turns(at_once: u16) -> Turns {
        let metrics = Metrics::new().unwrap();
        Turns::new(at_once, Progress::new(metrics, Limits::default()))
    }

    #[tokio::test(start_paused = true)]
    async fn deeds_wait_for_the_words_that_came_before_and_for_those_that_follow_at_once() {
        let turns = turns(1);
        let first = turns.speak().await;
        let mut act = Box::pin(turns.act());
        assert!(act.as_mut().now_or_never().is_none(), "a word is under way");
        let mut later = Box::pin(turns.speak());
        assert!(later.as_mut().now_or_never().is_none(), "one word at once");
        drop(first);
        assert!(act.as_mut().now_or_never().is_none(), "another may follow");
        drop(later.await);
        let spoken = Instant::now();
        let deed = act.await;
        assert_eq!(spoken.elapsed(), PAUSE);
        drop(deed);
    }

    #[tokio::test(start_paused = true)]
    async fn a_word_without_an_answer_does_not_stop_the_deeds() {
        let turns = turns(2);
        let _word = turns.speak().await;
        let began = Instant::now();
        let deed = timeout(2 * PATIENCE, turns.act()).await.unwrap();
        assert_eq!(began.elapsed(), PATIENCE);
        drop(deed);
    }
}
