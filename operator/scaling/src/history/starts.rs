//! How long pods take to start, as measured.

use super::{after, before};
use crate::observed::{Observed, Worker, WorkerState};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Taken before any was measured: an image that is there, and a node that has room.
const PRIOR: SignedDuration = SignedDuration::from_secs(3);
/// Later ones tell more of the next than earlier ones.
const SAMPLES: usize = 32;
/// Of so many pods the beginning is remembered.
const WATCHED: usize = 256;
/// By how much the API server's clock may be behind, which tells whole seconds only. A pod that was made before the last
/// look, and was not seen to start, has worked: the scheduler was restarted, say. It tells nothing about starts.
pub(crate) const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_secs(5);
/// A pod may pull its image first, so nobody gives up sooner.
const LEAST_PATIENCE: SignedDuration = SignedDuration::from_secs(60);

/// How long pods take from being made to taking work.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Starts {
    /// Pods that have not come, and when they were made.
    watched: BTreeMap<String, Timestamp>,
    /// The latest, in milliseconds.
    taken: VecDeque<u32>,
    /// How many have come, ever.
    came: u64,
    /// When the youngest pod of those that came was made.
    youngest: Option<Timestamp>,
}

impl Starts {
    /// Remembers what is seen now, where pods were last looked at at `latest`.
    pub(super) fn see(&mut self, observed: &Observed, latest: Option<Timestamp>, now: Timestamp) {
        for worker in &observed.workers {
            if !worker.is_connected() {
                continue;
            }
            if let Some(since) = self.watched.remove(&worker.name) {
                self.has_come(since, now);
            }
        }
        let new_from = before(latest.unwrap_or(now), CLOCKS_DIFFER);
        let starting = |worker: &Worker| match worker.state {
            WorkerState::Starting { since } => Some((worker.name.clone(), since)),
            _ => None,
        };
        self.watched = observed
            .workers
            .iter()
            .filter_map(starting)
            .filter(|(name, since)| *since >= new_from || self.watched.contains_key(name))
            .take(WATCHED)
            .collect();
    }

    fn has_come(&mut self, since: Timestamp, now: Timestamp) {
        let taken = now.duration_since(since).as_millis().max(0);
        self.taken
            .push_back(u32::try_from(taken).unwrap_or(u32::MAX));
        if self.taken.len() > SAMPLES {
            self.taken.pop_front();
        }
        self.came += 1;
        self.youngest = self.youngest.max(Some(since));
    }

    /// How many have come, ever.
    pub(super) fn came(&self) -> u64 {
        self.came
    }

    pub(super) fn median(&self) -> SignedDuration {
        let mut taken: Vec<u32> = self.taken.iter().copied().collect();
        taken.sort_unstable();
        match taken.get(taken.len() / 2) {
            Some(millis) => SignedDuration::from_millis((*millis).into()),
            None => PRIOR,
        }
    }

    /// For how long a pod may be awaited.
    pub(super) fn patience(&self) -> SignedDuration {
        self.median().saturating_mul(10).max(LEAST_PATIENCE)
    }

    /// From when on a pod is taken not to come. Where none come, it is not this pod's fault, and more
    /// pods would not come either.
    pub(super) fn stuck_from(&self, name: &str) -> Option<Timestamp> {
        let since = *self.watched.get(name)?;
        let others_came = self.youngest.is_some_and(|youngest| youngest > since);
        others_came.then(|| after(since, self.patience()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_median_of_the_latest_counts() {
        let mut starts = Starts::default();
        assert_eq!(starts.median(), PRIOR);
        for i in 0..100 {
            starts.has_come(at(i), at(i + 8));
        }
        assert_eq!(starts.median(), SignedDuration::from_secs(8));
        for i in 100..120 {
            starts.has_come(at(i), at(i + 2));
        }
        assert_eq!(starts.median(), SignedDuration::from_secs(2));
        assert_eq!(starts.taken.len(), SAMPLES);
        starts.has_come(at(9), at(3));
        assert_eq!(starts.taken.back(), Some(&0), "a clock that went back");
    }

    #[test]
    fn a_pod_is_stuck_only_once_a_younger_one_came() {
        let mut starts = Starts::default();
        for (name, since) in [("old", 0), ("new", 990)] {
            starts.watched.insert(name.to_owned(), at(since));
        }
        assert_eq!(starts.stuck_from("old"), None);
        starts.has_come(at(500), at(503));
        assert_eq!(starts.stuck_from("old"), Some(at(60)));
        assert_eq!(starts.stuck_from("new"), None);
    }
}
