//! What a simulation came to.

use crate::{Demand, Hold, Reason};
use jiff::Timestamp;

/// What a scaler cost on a trace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Seconds from a job's coming to the end of its last task, beyond those that it would take alone on the most
    /// workers, all of them there; summed over all jobs. So it is what a user feels of the scaling and of other users,
    /// and not what the work itself takes, which nobody can spare them. A job that is not done at the end of the trace
    /// counts until then.
    pub waiting_seconds: f64,
    /// The same with what the work itself takes.
    pub job_seconds: f64,
    /// Seconds from a pod's being made to its end, summed over all pods. One that has no node costs nothing until it
    /// has one.
    pub pod_seconds: f64,
    /// How often workers were added.
    pub ups: u32,
    /// How often workers were taken away.
    pub downs: u32,
    /// Tasks that ran again because their worker was taken away.
    pub rerun_scaled: u32,
    /// What they had computed before, in slot-seconds.
    pub rerun_scaled_seconds: f64,
    /// Tasks that ran again because their worker died.
    pub rerun_died: u32,
    /// The most pods at once.
    pub peak: u32,
    /// Jobs that were not done at the end.
    pub unfinished: usize,
    /// What was decided when, the repetitions left out.
    pub timeline: Vec<Frame>,
}

/// A decision, and what there was.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// When.
    pub time: Timestamp,
    /// What there was to do, as it was reported.
    pub demand: Demand,
    /// Pods that worked or started.
    pub workers: u32,
    /// Pods that finished what they had.
    pub draining: u32,
    /// How many were decided on.
    pub replicas: u32,
    /// Why, where the scaler says.
    pub reason: Option<Reason>,
    /// What was in the way.
    pub hold: Option<Hold>,
}

impl Report {
    /// How often the number of workers was changed.
    pub fn scale_events(&self) -> u32 {
        self.ups + self.downs
    }

    /// The price of all, where a second of waiting costs as much as so many of a pod.
    pub fn cost(&self, waiting: f64) -> f64 {
        waiting * self.waiting_seconds + self.pod_seconds
    }
}
