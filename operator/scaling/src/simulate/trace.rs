//! Work that comes.

use super::{Micros, from_seconds, to_seconds};
use jiff::SignedDuration;

/// Jobs, in the order in which they come.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    pub(crate) jobs: Vec<Job>,
    pub(crate) end: Micros,
}

/// A kind of tasks: how long the next takes is learned from those before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(pub u16);

/// Work that somebody waits for.
#[derive(Clone, Debug)]
pub struct Job {
    /// When it comes.
    pub(crate) at: Micros,
    pub(crate) stages: Vec<Stage>,
}

/// Tasks that can all run at once, when those of the stage before are done.
#[derive(Clone, Debug)]
pub struct Stage {
    pub(crate) kind: Kind,
    pub(crate) tasks: Vec<Micros>,
}

impl Stage {
    /// Tasks of one kind that take so many seconds each.
    pub fn new(kind: Kind, seconds: impl IntoIterator<Item = f64>) -> Stage {
        let tasks = seconds.into_iter().map(from_seconds).collect();
        Stage { kind, tasks }
    }
}

impl Job {
    /// A job that comes so many seconds after the start. Stages without tasks are left out.
    pub fn new(at_seconds: f64, stages: impl IntoIterator<Item = Stage>) -> Job {
        let stages = stages.into_iter().filter(|stage| !stage.tasks.is_empty());
        Job {
            at: from_seconds(at_seconds),
            stages: stages.collect(),
        }
    }

    /// How many seconds after the start it comes.
    pub fn at_seconds(&self) -> f64 {
        to_seconds(self.at)
    }
}

impl Trace {
    /// Jobs, and for how long it is looked at what comes of them. Jobs without tasks are left out.
    pub fn new(jobs: impl IntoIterator<Item = Job>, length: SignedDuration) -> Trace {
        let filled = |job: &Job| !job.stages.is_empty();
        let mut jobs: Vec<Job> = jobs.into_iter().filter(filled).collect();
        jobs.sort_by_key(|job| job.at);
        Trace {
            jobs,
            end: super::micros(length),
        }
    }

    /// The jobs' number.
    pub fn jobs(&self) -> usize {
        self.jobs.len()
    }

    /// Slot-seconds of all tasks.
    pub fn work_seconds(&self) -> f64 {
        let stages = self.jobs.iter().flat_map(|job| &job.stages);
        stages
            .flat_map(|stage| &stage.tasks)
            .copied()
            .map(to_seconds)
            .sum()
    }

    /// The tasks' number.
    pub fn tasks(&self) -> usize {
        let stages = self.jobs.iter().flat_map(|job| &job.stages);
        stages.map(|stage| stage.tasks.len()).sum()
    }
}
