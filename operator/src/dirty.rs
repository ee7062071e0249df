//! Keys of clusters that wait to be looked at, each once however often it was named: so what waits is bounded by
//! the number of clusters, and a burst of changes is one look.

use crate::core::names::ClusterKey;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;

/// Keys that wait. Many tell, one listens.
#[derive(Debug, Default)]
pub(crate) struct Dirty {
    keys: Mutex<BTreeSet<ClusterKey>>,
    notify: Notify,
}

impl Dirty {
    /// This cluster is to be looked at.
    pub(crate) fn mark(&self, key: ClusterKey) {
        self.keys
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key);
        self.notify.notify_one();
    }

    /// Waits until some wait, and takes them all.
    pub(crate) async fn take(&self) -> BTreeSet<ClusterKey> {
        loop {
            // `notify_one` keeps a permit when nobody waits, so nothing is missed between the look and the wait.
            self.notify.notified().await;
            let keys =
                std::mem::take(&mut *self.keys.lock().unwrap_or_else(PoisonError::into_inner));
            if !keys.is_empty() {
                return keys;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_that_is_named_often_waits_once() {
        let dirty = Dirty::default();
        let keys = ["b", "a", "b"].map(|name| ClusterKey::new("ns", name));
        for key in keys.clone() {
            dirty.mark(key);
        }
        let taken = dirty.take().await;
        assert_eq!(taken, keys.into());
        let later = tokio::time::timeout(std::time::Duration::from_millis(1), dirty.take());
        assert!(later.await.is_err(), "nothing waits any more");
    }
}
