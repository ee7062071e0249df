//! The task stream: the latest intervals of all slots, numbered, so that each reader gets what is new to it.

use crate::http::snapshot::Interval;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// The most intervals that are kept.
pub const INTERVALS_LIMIT: usize = 4096;

/// The latest intervals.
#[derive(Debug, Default)]
pub struct Stream {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// How many were ever pushed: the number of the next one.
    next: u64,
    intervals: VecDeque<Interval>,
}

impl Stream {
    /// Adds intervals, and forgets the oldest beyond [`INTERVALS_LIMIT`].
    pub fn push(&self, intervals: &[Interval]) {
        let mut inner = self.lock();
        inner.next += intervals.len() as u64;
        inner.intervals.extend(intervals.iter().cloned());
        let surplus = inner.intervals.len().saturating_sub(INTERVALS_LIMIT);
        inner.intervals.drain(..surplus);
    }

    /// What is kept of the intervals from number `from` on, and the number to ask with next.
    pub fn since(&self, from: u64) -> (Vec<Interval>, u64) {
        let inner = self.lock();
        let first = inner.next - inner.intervals.len() as u64;
        let skip = from.saturating_sub(first) as usize;
        (
            inner.intervals.iter().skip(skip).cloned().collect(),
            inner.next,
        )
    }

    /// Moves what the driver sends into the stream until it ends.
    pub async fn fill(&self, mut from: broadcast::Receiver<Arc<[Interval]>>) {
        loop {
            match from.recv().await {
                Ok(intervals) => self.push(&intervals),
                // The picture has a hole then, and the driver was not held up.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// A thread that panicked while it held the lock left whole intervals behind: nothing here stops half-way.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(first_tile: u64) -> Interval {
        Interval {
            worker: "w".into(),
            slot: 0,
            job: "1".into(),
            stage: 0,
            first_tile,
            tiles: 1,
            start_us: 0,
            end_us: 1,
            wait_us: 0,
            decode_us: 0,
            compute_us: 1,
        }
    }

    #[test]
    fn a_reader_gets_each_interval_once_and_no_more_than_are_kept() {
        let stream = Stream::default();
        stream.push(&[interval(0), interval(1)]);
        let (first, at) = stream.since(0);
        assert_eq!(first.len(), 2);
        stream.push(&[interval(2)]);
        let (second, at) = stream.since(at);
        assert_eq!(second.iter().map(|i| i.first_tile).collect::<Vec<_>>(), [2]);
        let many: Vec<_> = (3..10_000).map(interval).collect();
        stream.push(&many);
        let (kept, at) = stream.since(at);
        assert_eq!(kept.len(), INTERVALS_LIMIT);
        assert_eq!(kept.last().map(|i| i.first_tile), Some(9_999));
        assert!(stream.since(at).0.is_empty());
    }
}
