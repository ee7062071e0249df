//! What others do, from their descriptions in the research notes, with their default constants. All see the same as
//! ours at the moment when they look, and all get our way of draining, which none of them has.

mod dask_adaptive;
mod keda_hpa;
mod ray_v2;

pub(crate) use dask_adaptive::DaskAdaptive;
pub(crate) use keda_hpa::KedaHpa;
pub(crate) use ray_v2::RayV2;

use dasklike_scaling::simulate::{Orders, Scaler};
use dasklike_scaling::{Observed, WorkerState};
use jiff::{SignedDuration, Timestamp};

/// How many workers have nothing to do.
fn idle(observed: &Observed) -> usize {
    let idle = |worker: &&dasklike_scaling::Worker| worker.is_connected() && !worker.is_busy();
    observed.workers.iter().filter(idle).count()
}

/// How many pods do not work yet.
fn starting(observed: &Observed) -> usize {
    let starting =
        |worker: &&dasklike_scaling::Worker| matches!(worker.state, WorkerState::Starting { .. });
    observed.workers.iter().filter(starting).count()
}

/// As many as there may be, all the time: nobody waits less.
pub(crate) struct Always(pub(crate) u32);

impl Scaler for Always {
    fn period(&self) -> Option<SignedDuration> {
        Some(SignedDuration::from_secs(5))
    }

    fn decide(&mut self, _: Timestamp, _: &Observed) -> Orders {
        Orders {
            replicas: self.0,
            ..Orders::default()
        }
    }
}
