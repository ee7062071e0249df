//! Turns to make a Service. The API server gives their addresses out one after the other, whoever asks, so that a thousand
//! new clusters stand in that queue for the better part of a minute. A look does not stand in it with its own turn in its
//! hand, while others could make pods: without a turn it goes on, and its cluster is looked at again when there is one.

use crate::core::names::ClusterKey;
use crate::dirty::Dirty;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The turns that there are, and who waits for one.
#[derive(Debug)]
pub(crate) struct ServiceTurns {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    free: usize,
    /// Who waits, with the number of its first asking: that keeps its place, however often it is looked at meanwhile.
    waiting: BTreeMap<ClusterKey, u64>,
    asked: u64,
}

/// A turn, which lasts until it is dropped and then goes to the next.
#[derive(Debug)]
pub(crate) struct ServiceTurn<'a> {
    turns: &'a ServiceTurns,
    dirty: &'a Dirty,
}

impl ServiceTurns {
    /// A quarter of the looks at once: enough that a Service is always being made, though the looks that make them wait for
    /// their turns to act among all others, and few enough that most of those turns are left for pods. With 64 looks, the
    /// pods of 300 new clusters were there after 14 s with 4 turns, 12 s with 16, and 20 s with 64; all was Ready after 32,
    /// 26 and 23 s.
    pub(crate) fn new(looks: usize) -> ServiceTurns {
        ServiceTurns {
            inner: Mutex::new(Inner {
                free: (looks / 4).max(1),
                waiting: BTreeMap::new(),
                asked: 0,
            }),
        }
    }

    /// A turn, if one is free. Otherwise the cluster waits by name.
    pub(crate) fn take<'a>(
        &'a self,
        key: &ClusterKey,
        dirty: &'a Dirty,
    ) -> Option<ServiceTurn<'a>> {
        let mut inner = self.lock();
        if inner.free == 0 {
            let now = inner.asked;
            inner.asked += 1;
            inner.waiting.entry(key.clone()).or_insert(now);
            return None;
        }
        inner.free -= 1;
        inner.waiting.remove(key);
        Some(ServiceTurn { turns: self, dirty })
    }

    /// Marks as many of those that wait as there are free turns. Called after every look too, whatever became of it: so
    /// none is forgotten, though a marked cluster may be gone, or its look may not come to its Service.
    pub(crate) fn pass_on(&self, dirty: &Dirty) {
        let mut inner = self.lock();
        for _ in 0..inner.free {
            let first = inner.waiting.iter().min_by_key(|(_, asked)| **asked);
            let Some(key) = first.map(|(key, _)| key.clone()) else {
                return;
            };
            inner.waiting.remove(&key);
            dirty.mark(key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ServiceTurn<'_> {
    fn drop(&mut self) {
        self.turns.lock().free += 1;
        self.turns.pass_on(self.dirty);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn who_finds_no_turn_is_marked_when_one_is_free() {
        let (turns, dirty) = (ServiceTurns::new(16), Dirty::default());
        let key = |number| ClusterKey::new("ns", format!("c{number}"));
        let marked = || dirty.take().now_or_never().unwrap_or_default();
        let take = |number| turns.take(&key(number), &dirty);
        let mut taken: Vec<_> = (0..4).map(|n| take(n).unwrap()).collect();
        for number in [9, 7, 8, 9] {
            assert!(take(number).is_none());
        }
        turns.pass_on(&dirty);
        assert!(marked().is_empty(), "none is free");
        taken.pop();
        assert_eq!(marked(), [key(9)].into(), "it asked first");
        // It is gone, say: its look never comes, but another's does.
        turns.pass_on(&dirty);
        assert_eq!(marked(), [key(7)].into());
        let _seventh = take(7).unwrap();
        turns.pass_on(&dirty);
        assert!(marked().is_empty(), "none is free again");
        taken.clear();
        assert_eq!(marked(), [key(8)].into());
        turns.pass_on(&dirty);
        assert!(marked().is_empty(), "nobody waits");
    }
}
