//! dask-kubernetes' `DaskAutoscaler`, which asks the scheduler's `adaptive_target` every five seconds.

use super::idle;
use dasklike_scaling::simulate::{Orders, Scaler};
use dasklike_scaling::{Demand, Observed, Worker};
use jiff::{SignedDuration, Timestamp};

/// `distributed.adaptive.target-duration`.
const TARGET_SECONDS: f64 = 5.0;
const COOLDOWN: SignedDuration = SignedDuration::from_secs(15);

pub(crate) struct DaskAdaptive {
    pub(crate) min: u32,
    pub(crate) max: u32,
    cooldown_until: Option<Timestamp>,
}

impl DaskAdaptive {
    pub(crate) fn new(min: u32, max: u32) -> DaskAdaptive {
        DaskAdaptive {
            min,
            max,
            cooldown_until: None,
        }
    }
}

/// The scheduler's `adaptive_target`. Tasks that wait for others are not in its occupancy.
fn adaptive_target(observed: &Observed, demand: &Demand) -> u32 {
    let tasks = demand.runnable();
    let share = tasks as f64 / demand.tasks().max(1) as f64;
    let occupancy = demand.queue_seconds.get() * share;
    let cpu = ((occupancy / TARGET_SECONDS).ceil() as u64).min(tasks);
    let mut target = cpu.div_ceil(observed.slots_per_worker.get().into()) as u32;
    let workers = observed.connected();
    if workers == 0 && tasks > 0 {
        target = target.max(1);
    }
    if target >= workers {
        return target;
    }
    // Without a number it proposes none that has work.
    workers - idle(observed) as u32
}

/// `workers_to_close(n)`: those that have nothing to do first, then those that hold least. With a number, busy ones too.
fn workers_to_close(observed: &Observed, n: u32) -> Vec<String> {
    let mut workers: Vec<&Worker> = observed
        .workers
        .iter()
        .filter(|worker| worker.is_connected())
        .collect();
    workers.sort_by_key(|worker| worker.is_busy());
    workers
        .into_iter()
        .take(n as usize)
        .map(|worker| worker.name.clone())
        .collect()
}

impl Scaler for DaskAdaptive {
    fn period(&self) -> Option<SignedDuration> {
        Some(SignedDuration::from_secs(5))
    }

    fn decide(&mut self, now: Timestamp, observed: &Observed) -> Orders {
        let current = observed.current;
        let keep = |replicas| Orders {
            replicas,
            ..Orders::default()
        };
        let cools = self.cooldown_until.is_some_and(|until| now < until);
        let Some(demand) = observed.demand.as_ref().filter(|_| !cools) else {
            return keep(current);
        };
        let mut desired = adaptive_target(observed, demand).clamp(self.min, self.max);
        if current > 0 {
            desired = desired.max(current - (current / 4).max(1));
        }
        if desired == current {
            return keep(current);
        }
        self.cooldown_until = Some(now + COOLDOWN);
        Orders {
            replicas: desired,
            retire: workers_to_close(observed, current.saturating_sub(desired)),
            ..Orders::default()
        }
    }
}
