//! What the scheduler knows of a worker.

use super::ids::{AssignmentId, Instant, JobId};
use dasklike_graph::protocol::{Heartbeat, TaskStats, WorkerHello};
use dasklike_graph::stage::{InlineId, StageId};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// A connected worker. One that is lost is removed.
#[derive(Clone, Debug)]
pub(crate) struct Worker {
    pub(crate) hello: WorkerHello,
    pub(crate) draining: bool,
    /// When it is given up if it still drains.
    pub(crate) leaves_by: Option<Instant>,
    pub(crate) connected: Instant,
    pub(crate) last_heard: Instant,
    pub(crate) heartbeat: Heartbeat,
    pub(crate) stats: TaskStats,
    pub(crate) assignments: BTreeMap<AssignmentId, Assignment>,
    pub(crate) next: u64,
    /// Tiles of `assignments` that are not committed.
    pub(crate) tiles: u64,
    /// Since when it has none, while it has none.
    pub(crate) idle_since: Instant,
    /// Their estimated slot-nanoseconds, each by the estimate it was assigned with.
    pub(crate) load_ns: u64,
    /// Assignments that it was asked to shorten and has not answered for.
    pub(crate) revoking: BTreeSet<AssignmentId>,
    /// Jobs it was told of, with the inline arrays it has.
    pub(crate) knows: BTreeMap<JobId, BTreeSet<InlineId>>,
    /// It was asked for tiles and had none to give; true until it commits or is given some.
    pub(crate) barren: bool,
    /// It runs a tile that workers died of before, and nothing else.
    pub(crate) alone: bool,
    /// It had tiles of a job that has ended, and may still run some of them.
    pub(crate) leftovers: bool,
}

impl Worker {
    pub(crate) fn new(hello: WorkerHello, now: Instant) -> Worker {
        Worker {
            hello: WorkerHello {
                slots: hello.slots.max(1),
                ..hello
            },
            draining: false,
            leaves_by: None,
            connected: now,
            last_heard: now,
            heartbeat: Heartbeat::default(),
            stats: TaskStats::default(),
            assignments: BTreeMap::new(),
            next: 0,
            tiles: 0,
            idle_since: now,
            load_ns: 0,
            revoking: BTreeSet::new(),
            knows: BTreeMap::new(),
            barren: false,
            alone: false,
            leftovers: false,
        }
    }

    pub(crate) fn slots(&self) -> u64 {
        self.hello.slots as u64
    }

    /// Its tiles in thousandths of its slots.
    pub(crate) fn crowding(&self) -> u64 {
        self.tiles.saturating_mul(1000) / self.slots()
    }

    pub(crate) fn assign(&mut self, assignment: Assignment) -> AssignmentId {
        let id = AssignmentId(self.next);
        self.next += 1;
        self.barren = false;
        self.tiles += assignment.left;
        self.load_ns += assignment.load();
        self.assignments.insert(id, assignment);
        id
    }

    /// Takes tiles out of an assignment, all of which it holds, and forgets it when none is left.
    pub(crate) fn take(&mut self, id: AssignmentId, range: Range<u64>, now: Instant) -> bool {
        let Some(a) = self.assignments.get_mut(&id) else {
            return false;
        };
        let (before, load) = (a.left, a.load());
        if !a.take(range) {
            return false;
        }
        self.tiles -= before - a.left;
        self.load_ns -= load - a.load();
        if a.left == 0 {
            self.assignments.remove(&id);
        }
        self.rest(now);
        true
    }

    /// Forgets a whole assignment.
    pub(crate) fn drop_assignment(&mut self, id: AssignmentId, now: Instant) -> Option<Assignment> {
        let a = self.assignments.remove(&id)?;
        self.tiles -= a.left;
        self.load_ns -= a.load();
        self.rest(now);
        Some(a)
    }

    /// Takes note if nothing is left.
    fn rest(&mut self, now: Instant) {
        if self.assignments.is_empty() {
            self.alone = false;
            self.idle_since = now;
        }
    }
}

/// A range that a worker has.
#[derive(Clone, Debug)]
pub(crate) struct Assignment {
    pub(crate) job: JobId,
    pub(crate) stage: StageId,
    /// Without what was committed or came back at either end.
    range: Range<u64>,
    /// Committed parts within `range`, disjoint, rising; slots finish out of order.
    holes: Vec<Range<u64>>,
    /// Tiles not committed.
    pub(crate) left: u64,
    /// The estimate for one tile when it was assigned.
    tile_ns: u64,
}

impl Assignment {
    pub(crate) fn new(job: JobId, stage: StageId, range: Range<u64>, tile_ns: u64) -> Assignment {
        let left = range.end - range.start;
        Assignment {
            job,
            stage,
            range,
            holes: Vec::new(),
            left,
            tile_ns,
        }
    }

    fn load(&self) -> u64 {
        self.left.saturating_mul(self.tile_ns)
    }

    /// Whether every tile of a range is here and not committed.
    pub(crate) fn holds(&self, range: &Range<u64>) -> bool {
        let inside = range.start < range.end
            && self.range.start <= range.start
            && range.end <= self.range.end;
        let next = self.holes.partition_point(|h| h.end <= range.start);
        inside && self.holes.get(next).is_none_or(|h| range.end <= h.start)
    }

    fn take(&mut self, range: Range<u64>) -> bool {
        if !self.holds(&range) {
            return false;
        }
        self.left -= range.end - range.start;
        if range.start != self.range.start && range.end != self.range.end {
            let at = self.holes.partition_point(|h| h.start < range.start);
            self.holes.insert(at, range);
            return true;
        }
        if range.start == self.range.start {
            self.range.start = range.end;
        } else {
            self.range.end = range.start;
        }
        let touching = self.holes.iter().take_while(|h| {
            let touches = h.start == self.range.start;
            if touches {
                self.range.start = h.end;
            }
            touches
        });
        let n = touching.count();
        self.holes.drain(..n);
        while let Some(hole) = self.holes.pop_if(|h| h.end == self.range.end) {
            self.range.end = hole.start;
        }
        true
    }

    /// From the first to the last tile that is not committed.
    pub(crate) fn span(&self) -> Range<u64> {
        self.range.clone()
    }

    /// What is not committed.
    pub(crate) fn remaining(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        let starts = std::iter::once(self.range.start).chain(self.holes.iter().map(|h| h.end));
        let ends = self
            .holes
            .iter()
            .map(|h| h.start)
            .chain(std::iter::once(self.range.end));
        starts
            .zip(ends)
            .map(|(start, end)| start..end)
            .filter(|r| !r.is_empty())
    }

    /// The tile from which on `n` tiles are not committed.
    pub(crate) fn tail(&self, mut n: u64) -> u64 {
        let mut from = self.range.end;
        let parts: Vec<_> = self.remaining().collect();
        for part in parts.iter().rev() {
            let len = part.end - part.start;
            from = part.end - len.min(n);
            n -= len.min(n);
            if n == 0 {
                break;
            }
        }
        from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_may_be_taken_in_any_order_but_once() {
        let mut a = Assignment::new(JobId(1), StageId(0), 10..20, 1);
        assert!(a.take(12..14) && a.take(19..20) && a.take(15..16));
        assert_eq!(a.remaining().collect::<Vec<_>>(), [10..12, 14..15, 16..19]);
        assert!(!a.take(13..15) && !a.take(19..20) && !a.take(9..11) && !a.take(11..11));
        assert_eq!(
            (a.tail(1), a.tail(3), a.tail(4), a.tail(99)),
            (18, 16, 14, 10)
        );
        assert!(a.take(10..12) && a.take(14..15) && a.take(16..19));
        assert_eq!((a.left, a.remaining().count()), (0, 0));
    }
}
