//! Idle workers get the unstarted tails of busy ones.

use super::State;
use super::effect::Effect;
use super::ids::{AssignmentId, PoolName, WorkerId};
use super::worker::Worker;
use dasklike_graph::protocol::ToWorker;

/// Less work than this is done before it has moved.
const WORTH_NS: u64 = 500_000;

impl State {
    /// Where nothing is left to assign and a worker has idle slots, asks the busiest worker of its pool for half of
    /// what it has not started. What comes back is placed like any other work.
    pub(super) fn steal(&mut self, out: &mut Vec<Effect>) {
        let pools: Vec<PoolName> = self.slots.keys().cloned().collect();
        for pool in pools {
            self.steal_within(&pool, out);
        }
    }

    fn steal_within(&mut self, pool: &PoolName, out: &mut Vec<Effect>) {
        if self
            .jobs
            .values()
            .any(|j| !j.ready.is_empty() && j.pool == *pool)
        {
            return;
        }
        let idle = |w: &Worker| !w.draining && !w.alone && w.tiles < w.slots();
        let ours = |w: &Worker| w.hello.pool == *pool;
        let mut idle_slots: u64 = self
            .workers
            .values()
            .filter(|w| ours(w) && idle(w))
            .map(|w| w.slots() - w.tiles)
            .sum();
        // What was asked for already will serve some of them.
        let asked = self
            .workers
            .values()
            .filter(|w| ours(w) && !w.revoking.is_empty())
            .count() as u64;
        idle_slots = idle_slots.saturating_sub(asked);
        while idle_slots > 0 {
            let candidates = self
                .workers
                .iter()
                .filter(|(_, w)| ours(w) && !w.draining && !w.barren && w.revoking.is_empty());
            let surplus = candidates
                .map(|(id, w)| (self.surplus_ns(w), *id))
                .filter(|(s, _)| *s > WORTH_NS);
            let Some((_, victim)) = surplus.max_by_key(|(s, id)| (*s, std::cmp::Reverse(*id)))
            else {
                return;
            };
            self.revoke_half(victim, out);
            idle_slots -= 1;
        }
    }

    /// The estimated work of the tiles that a worker has not started.
    fn surplus_ns(&self, w: &Worker) -> u64 {
        let unstarted = w.tiles.saturating_sub(w.slots());
        if unstarted == 0 {
            return 0;
        }
        let tile_ns = |a: &super::worker::Assignment| {
            self.jobs
                .get(&a.job)
                .and_then(|j| j.stage(a.stage))
                .map_or(0, |s| s.tile_ns)
        };
        // The newest assignment is what would come back.
        unstarted.saturating_mul(w.assignments.values().next_back().map_or(0, tile_ns))
    }

    fn revoke_half(&mut self, worker: WorkerId, out: &mut Vec<Effect>) {
        let Some(w) = self.workers.get_mut(&worker) else {
            return;
        };
        let mut n = w.tiles.saturating_sub(w.slots()).div_ceil(2);
        let mut asks: Vec<(AssignmentId, u64)> = Vec::new();
        for (id, a) in w.assignments.iter().rev() {
            if n == 0 {
                break;
            }
            let some = n.min(a.left);
            asks.push((*id, a.tail(some)));
            n -= some;
        }
        for (assignment, from) in asks {
            w.revoking.insert(assignment);
            out.push(Effect::Send {
                worker,
                message: ToWorker::Revoke { assignment, from },
            });
        }
    }
}
