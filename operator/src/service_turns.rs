//! Turns to make a Service. The API server gives their addresses out one after the other, whoever asks, so that a thousand
//! new clusters stand in that queue for the better part of a minute. A look does not stand in it with its own turn in its
//! hand, while others could make pods: without a turn it goes on, and its cluster is looked at again when there is one.

use crate::core::names::ClusterKey;
use crate::dirty::Dirty;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The turns that there are, and who waits for one.
#[derive(Debug)]
pub(crate) struct ServiceTurns {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    free: usize,
    waiting: BTreeSet<ClusterKey>,
    /// Those that were marked and have not come yet: each of the free turns is kept for one of them.
    expected: BTreeSet<ClusterKey>,
}

/// A turn, which lasts until it is dropped and then goes to the next.
#[derive(Debug)]
pub(crate) struct ServiceTurn<'a> {
    turns: &'a ServiceTurns,
    dirty: &'a Dirty,
}

impl ServiceTurns {
    /// A quarter of the looks at once: enough that a Service is always being made, and few enough that most of the looks are
    /// left for pods.
    pub(crate) fn new(looks: usize) -> ServiceTurns {
        ServiceTurns {
            inner: Mutex::new(Inner {
                free: (looks / 4).max(1),
                waiting: BTreeSet::new(),
                expected: BTreeSet::new(),
            }),
        }
    }

    /// Whether a turn is kept for a cluster. Its look waits for no other turn, or others would have used this one meanwhile.
    pub(crate) fn expects(&self, key: &ClusterKey) -> bool {
        self.lock().expected.contains(key)
    }

    /// A turn, if one is kept for the cluster or for nobody. Otherwise the cluster waits by name.
    pub(crate) fn take<'a>(
        &'a self,
        key: &ClusterKey,
        dirty: &'a Dirty,
    ) -> Option<ServiceTurn<'a>> {
        let mut inner = self.lock();
        if !inner.expected.remove(key) && inner.free <= inner.expected.len() {
            inner.waiting.insert(key.clone());
            return None;
        }
        inner.free -= 1;
        inner.waiting.remove(key);
        Some(ServiceTurn { turns: self, dirty })
    }

    /// A look at a cluster has ended, or there is no such cluster any more: nothing is kept for it.
    pub(crate) fn ended(&self, key: &ClusterKey, dirty: &Dirty) {
        self.lock().expected.remove(key);
        self.pass_on(dirty);
    }

    /// Marks as many of those that wait as there are turns for.
    fn pass_on(&self, dirty: &Dirty) {
        let mut inner = self.lock();
        while inner.expected.len() < inner.free {
            let Some(key) = inner.waiting.pop_first() else {
                return;
            };
            inner.expected.insert(key.clone());
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
        for number in [7, 8, 9, 8] {
            assert!(take(number).is_none());
        }
        turns.ended(&key(7), &dirty);
        assert!(marked().is_empty(), "none is free");
        taken.pop();
        assert_eq!(marked(), [key(7)].into());
        assert!(turns.expects(&key(7)) && take(1).is_none(), "it is kept");
        // It is gone.
        turns.ended(&key(7), &dirty);
        assert_eq!(marked(), [key(1)].into());
        let _first = take(1).unwrap();
        turns.ended(&key(1), &dirty);
        assert!(marked().is_empty(), "none is free again");
        taken.clear();
        assert_eq!(marked(), [key(8), key(9)].into());
        turns.ended(&key(8), &dirty);
        assert!(marked().is_empty(), "nobody waits");
        assert!(take(5).is_some(), "one is kept, two are free");
    }
}
