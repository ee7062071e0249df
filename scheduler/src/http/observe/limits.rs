//! Which limit binds: where slot time went over the last moments.

use super::worker::Workers;
use crate::core::State;
use crate::core::ids::Instant;
use crate::http::snapshot::{Limit, LimitShares};
use dasklike_graph::protocol::TaskStats;
use std::collections::VecDeque;

/// How far back is looked: two heartbeats, which tell why slots were idle.
const WINDOW_NS: u64 = 2_000_000_000;

/// What takes less of the slots' time is not said to bind: what does bind may not have been told yet.
const LEAST_SHARE: f64 = 0.1;

/// Slot-nanoseconds by what they went to, since the scheduler started.
#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    network: u64,
    decode: u64,
    compute: u64,
    memory: u64,
    scheduler: u64,
}

#[derive(Debug, Default)]
pub(super) struct Limits {
    window: VecDeque<(Instant, Spent)>,
}

impl Limits {
    pub(super) fn look(
        &mut self,
        now: Instant,
        state: &State,
        stats: &TaskStats,
        workers: &Workers,
    ) -> LimitShares {
        let idle = workers.idle();
        let rest = stats
            .busy_ns
            .saturating_sub(stats.decode_ns + stats.compute_ns);
        let spent = Spent {
            network: idle.fetch_ns + rest.min(stats.fetch_ns),
            decode: stats.decode_ns,
            compute: stats.compute_ns,
            memory: idle.memory_ns,
            scheduler: idle.work_ns,
        };
        self.window.push_back((now, spent));
        while self
            .window
            .get(1)
            .is_some_and(|(at, _)| now.since(*at) >= WINDOW_NS)
        {
            self.window.pop_front();
        }
        let slots: u64 = state.workers().map(|w| u64::from(w.hello.slots)).sum();
        let (from, before) = self.window[0];
        // What waits in a pool without workers is not limited by those that there are.
        let queues = state.queues();
        let works = state.workers().any(|w| {
            let queue = queues.get(&w.hello.pool);
            queue.is_some_and(|q| q.ready + q.running > 0)
        });
        if !works {
            // What was before the next job begins will say nothing of it.
            self.window.drain(..self.window.len() - 1);
        }
        shares(&before, &spent, slots * now.since(from))
    }
}

fn shares(before: &Spent, now: &Spent, slot_ns: u64) -> LimitShares {
    let share = |f: fn(&Spent) -> u64| {
        let part = f(now).saturating_sub(f(before)) as f64 / slot_ns.max(1) as f64;
        (part.min(1.0) * 1000.0).round() / 1000.0
    };
    let mut shares = LimitShares {
        binds: None,
        network: share(|s| s.network),
        decode: share(|s| s.decode),
        compute: share(|s| s.compute),
        memory: share(|s| s.memory),
        scheduler: share(|s| s.scheduler),
    };
    let largest = Limit::ALL
        .into_iter()
        .max_by(|a, b| shares.share(*a).total_cmp(&shares.share(*b)));
    shares.binds = largest.filter(|l| shares.share(*l) >= LEAST_SHARE);
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_share_of_slot_time_binds() {
        let before = Spent {
            decode: 100,
            ..Spent::default()
        };
        let now = Spent {
            decode: 700,
            compute: 200,
            network: 10,
            ..Spent::default()
        };
        let shares = shares(&before, &now, 1000);
        assert_eq!(shares.binds, Some(Limit::Decode));
        assert_eq!(
            (shares.decode, shares.compute, shares.network),
            (0.6, 0.2, 0.01)
        );
    }

    #[test]
    fn nothing_binds_where_nothing_was_done() {
        assert_eq!(
            shares(&Spent::default(), &Spent::default(), 1000),
            LimitShares::default()
        );
    }
}
