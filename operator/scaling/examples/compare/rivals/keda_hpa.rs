//! KEDA, which wakes from zero and goes back to it, and the HPA between one and the most. The metric is the tasks that
//! wait or run, the target as many as a worker has slots.

use dasklike_scaling::Observed;
use dasklike_scaling::simulate::{Orders, Scaler};
use jiff::{SignedDuration, Timestamp};

/// KEDA's `pollingInterval` is two of the HPA's.
const POLL_LOOKS: u64 = 2;
/// KEDA's `cooldownPeriod`.
const COOLDOWN: SignedDuration = SignedDuration::from_secs(300);
/// The HPA's stabilisation of scaling down.
const STABILISATION: SignedDuration = SignedDuration::from_secs(300);
/// What the HPA does not act on.
const TOLERANCE: f64 = 0.1;

pub(crate) struct KedaHpa {
    pub(crate) max: u32,
    looks: u64,
    last_active: Option<Timestamp>,
    recommended: Vec<(Timestamp, u32)>,
}

impl KedaHpa {
    pub(crate) fn new(max: u32) -> KedaHpa {
        KedaHpa {
            max,
            looks: 0,
            last_active: None,
            recommended: Vec::new(),
        }
    }

    /// KEDA's part: whether there is a first pod, or none.
    fn activate(&mut self, current: u32, active: bool, now: Timestamp) -> Option<u32> {
        if active {
            self.last_active = Some(now);
            return (current == 0).then_some(1);
        }
        let cold = self
            .last_active
            .is_none_or(|last| now.duration_since(last) >= COOLDOWN);
        (current > 0 && cold).then_some(0)
    }

    /// The HPA's part.
    fn recommend(&mut self, current: u32, tasks: f64, per_pod: f64, now: Timestamp) -> u32 {
        let ratio = tasks / (per_pod * f64::from(current));
        let raw = if (ratio - 1.0).abs() <= TOLERANCE {
            current
        } else {
            (tasks / per_pod).ceil() as u32
        };
        self.recommended
            .retain(|(time, _)| now.duration_since(*time) < STABILISATION);
        self.recommended.push((now, raw));
        let most = self.recommended.iter().map(|(_, raw)| *raw).max();
        let stable = if raw < current {
            most.unwrap_or(raw).min(current)
        } else {
            raw
        };
        // Up by as much again or by four in its fifteen seconds, down by all.
        stable
            .clamp(1, self.max)
            .min((current * 2).max(current + 4))
    }
}

impl Scaler for KedaHpa {
    fn period(&self) -> Option<SignedDuration> {
        Some(SignedDuration::from_secs(15))
    }

    fn decide(&mut self, now: Timestamp, observed: &Observed) -> Orders {
        let current = observed.current;
        let tasks = observed.demand.map_or(0, |demand| demand.runnable());
        let polls = self.looks.is_multiple_of(POLL_LOOKS);
        self.looks += 1;
        let activated = match polls {
            true => self.activate(current, tasks > 0, now),
            false => None,
        };
        let replicas = match activated {
            Some(replicas) => {
                self.recommended.clear();
                replicas
            }
            None if current == 0 => 0,
            None => {
                let per_pod = f64::from(observed.slots_per_worker.get());
                self.recommend(current, tasks as f64, per_pod, now)
            }
        };
        Orders {
            replicas,
            ..Orders::default()
        }
    }
}
