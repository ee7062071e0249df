//! From the wire's words to the core's.

use crate::core::demand::{Demand, PoolDemand, WorkerDemand};
use dasklike_proto_admin::pb;
use jiff::{SignedDuration, Timestamp};

/// What a scheduler said, received at `now`.
pub(super) fn demand(said: pb::Demand, now: Timestamp) -> Demand {
    let idle = SignedDuration::try_from_secs_f64(finite(said.idle_seconds)).unwrap_or_default();
    Demand {
        epoch: said.epoch,
        unfinished_jobs: said.unfinished_jobs,
        idle_since: match said.unfinished_jobs {
            0 => Some(now.checked_sub(idle).unwrap_or(now)),
            _ => None,
        },
        received: now,
        pools: said.pools.into_iter().map(pool).collect(),
    }
}

fn pool(said: pb::PoolDemand) -> (String, Box<PoolDemand>) {
    let demand = PoolDemand {
        ready_tasks: said.ready_tasks,
        running_tasks: said.running_tasks,
        blocked_tasks: said.blocked_tasks,
        queue_seconds: finite(said.queue_seconds),
        held_bytes: said.held_bytes,
        done_tasks: said.done_tasks,
        workers: said.workers.into_iter().map(worker).collect(),
    };
    (said.pool, Box::new(demand))
}

fn worker(said: pb::WorkerDemand) -> (String, WorkerDemand) {
    let demand = WorkerDemand {
        slots: said.slots,
        busy_slots: said.busy_slots,
        draining: said.draining,
        idle_seconds: finite(said.idle_seconds),
    };
    (said.name, demand)
}

/// Decisions are made of these numbers: what is none, or is negative, counts as nothing.
fn finite(seconds: f64) -> f64 {
    match seconds.is_finite() {
        true => seconds.max(0.0),
        false => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(unfinished_jobs: u32, idle_seconds: f64) -> pb::Demand {
        pb::Demand {
            epoch: 3,
            unfinished_jobs,
            idle_seconds,
            pools: vec![pb::PoolDemand {
                pool: "gpu".into(),
                ready_tasks: 4,
                queue_seconds: f64::NAN,
                done_tasks: 7,
                workers: vec![pb::WorkerDemand {
                    name: "demo-gpu-0".into(),
                    slots: 2,
                    busy_slots: 1,
                    ..Default::default()
                }],
                ..Default::default()
            }],
        }
    }

    #[test]
    fn idleness_becomes_a_moment_of_our_own_clock() {
        let now: Timestamp = "2026-01-01T00:01:00Z".parse().unwrap();
        let since: Timestamp = "2026-01-01T00:00:30Z".parse().unwrap();
        assert_eq!(demand(said(0, 30.0), now).idle_since, Some(since));
        assert_eq!(demand(said(1, 0.0), now).idle_since, None);
        for absurd in [-1.0, f64::NAN, f64::INFINITY, f64::MAX] {
            assert_eq!(
                demand(said(0, absurd), now).idle_since,
                Some(now),
                "{absurd}"
            );
        }
    }

    #[test]
    fn pools_and_workers_are_found_by_name() {
        let demand = demand(said(1, 0.0), Timestamp::UNIX_EPOCH);
        assert_eq!(demand.queue_tasks(), 4);
        assert_eq!(demand.pools["gpu"].queue_seconds, 0.0);
        assert_eq!(demand.pools["gpu"].done_tasks, 7);
        assert_eq!(demand.worker("demo-gpu-0").map(|w| w.busy_slots), Some(1));
    }
}
