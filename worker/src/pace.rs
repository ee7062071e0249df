//! How many requests may be under way: few at first, more with each answer, half as many when answers stay away.
//!
//! A server that accepts connections slower than they are opened drops them, and each costs seconds until it is
//! tried again; many requests at once from the start would be slower than few.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Requests under way at first: a few round trips later they are as many as may be.
const FIRST: usize = 16;
/// Requests under way at least.
const LEAST: usize = 4;

#[derive(Debug)]
pub(crate) struct Pace {
    permits: Semaphore,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limit: usize,
    most: usize,
    /// Permits that are to go as soon as they come back.
    surplus: usize,
    /// Every answer adds a permit, until the first sign of trouble.
    opening: bool,
    answers: usize,
    last_cut: Option<Instant>,
}

impl Pace {
    /// At most so many requests at once.
    pub(crate) fn new(most: usize) -> Pace {
        let most = most.max(LEAST);
        let limit = FIRST.min(most);
        let state = State {
            limit,
            most,
            surplus: 0,
            opening: true,
            answers: 0,
            last_cut: None,
        };
        Pace {
            permits: Semaphore::new(limit),
            state: Mutex::new(state),
        }
    }

    /// Waits until one more request may be sent; `None` when the worker is ending.
    pub(crate) async fn start(&self) -> Option<SemaphorePermit<'_>> {
        self.permits.acquire().await.ok()
    }

    /// A request was answered.
    pub(crate) fn answered(&self, permit: SemaphorePermit<'_>) {
        let mut state = self.lock();
        if state.surplus > 0 {
            state.surplus -= 1;
            permit.forget();
            return;
        }
        state.answers += 1;
        let due = state.opening || state.answers >= state.limit;
        if due && state.limit < state.most {
            state.answers = 0;
            state.limit += 1;
            self.permits.add_permits(1);
        }
    }

    /// A request is taking too long. The requests that were sent with it count as one sign.
    pub(crate) fn is_slow(&self, now: Instant, patience: Duration) {
        let mut state = self.lock();
        if state
            .last_cut
            .is_some_and(|cut| now.duration_since(cut) < patience)
        {
            return;
        }
        state.last_cut = Some(now);
        state.opening = false;
        state.answers = 0;
        let limit = (state.limit / 2).max(LEAST);
        state.surplus += state.limit.saturating_sub(limit);
        state.limit = limit;
    }

    /// Nothing panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(pace: &Pace) -> Vec<SemaphorePermit<'_>> {
        std::iter::from_fn(|| pace.permits.try_acquire().ok()).collect()
    }

    fn round(pace: &Pace) -> usize {
        let permits = take(pace);
        let count = permits.len();
        permits.into_iter().for_each(|p| pace.answered(p));
        count
    }

    #[test]
    fn opens_quickly_halves_when_slow_and_recovers_slowly() {
        let pace = Pace::new(64);
        assert_eq!([round(&pace), round(&pace), round(&pace)], [16, 32, 64]);
        assert_eq!(round(&pace), 64);
        let (now, patience) = (Instant::now(), Duration::from_secs(1));
        let under_way = take(&pace);
        pace.is_slow(now, patience);
        pace.is_slow(now, patience);
        under_way.into_iter().for_each(|p| pace.answered(p));
        let after = round(&pace);
        assert!((32..=33).contains(&after), "{after}");
        assert!(round(&pace) <= after + 1);
        for i in 1..9 {
            pace.is_slow(now + i * patience, patience);
            round(&pace);
        }
        assert!((LEAST..LEAST + 2).contains(&round(&pace)));
    }
}
