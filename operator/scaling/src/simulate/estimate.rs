//! What the scheduler thinks a task takes, learned from those that are done.

use super::{Kind, Micros, to_seconds};
use std::collections::BTreeMap;

/// Before any of a kind is done.
const PRIOR_SECONDS: f64 = 0.5;
/// As in the scheduler, the latest counts for a thirty-second.
const WEIGHT: f64 = 1.0 / 32.0;

/// Seconds of a task, by kind.
#[derive(Debug, Default)]
pub(super) struct Estimates(BTreeMap<Kind, f64>);

impl Estimates {
    pub(super) fn learn(&mut self, kind: Kind, took: Micros) {
        let took = to_seconds(took);
        self.0
            .entry(kind)
            .and_modify(|seconds| *seconds += (took - *seconds) * WEIGHT)
            .or_insert(took);
    }

    pub(super) fn seconds(&self, kind: Kind) -> f64 {
        self.0.get(&kind).copied().unwrap_or(PRIOR_SECONDS)
    }
}
