//! Yesterday's work under another policy: the work that came is read out of the log of decisions, and simulated.
//!
//! A log tells how much there was to do at each moment, not what came when. What came is what the amount grew by, and
//! what was done meanwhile. How long tasks take is what was learned by the end of a busy time, and all that came in a
//! busy time is as much as slots have computed in it. So the amount of work is right; which tasks were one job is not
//! known, so what came at once is taken for one.

mod arrivals;
mod samples;

use crate::simulate::{Job, Kind, Ours, Report, START, Stage, Trace, World, run, to_seconds};
use crate::{Policy, Record};
use jiff::{SignedDuration, Timestamp};
use samples::{Sample, samples};
use std::collections::BTreeMap;

/// Why a log cannot be replayed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// It says nothing.
    #[error("there is no record")]
    Empty,
    /// Its records are of several pools, whose work cannot be told apart.
    #[error("the records are of pool {one} and of pool {other}: choose one")]
    SeveralPools {
        /// One.
        one: String,
        /// Another.
        other: String,
    },
}

/// The work of one pool, as its log tells.
#[derive(Clone, Debug)]
pub struct Replay {
    begin: Timestamp,
    world: World,
    trace: Trace,
    recorded: Recorded,
}

/// What it was like when it was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Recorded {
    /// Seconds of all pods, between the first record and the last.
    pub pod_seconds: f64,
    /// Slot-seconds that were computed.
    pub work_seconds: f64,
    /// How often another number of workers was decided on.
    pub scale_events: u32,
}

/// Records by pool, as `namespace/name pool`, each in the order of time.
pub fn by_pool(records: Vec<Record>) -> BTreeMap<String, Vec<Record>> {
    let mut pools: BTreeMap<String, Vec<Record>> = BTreeMap::new();
    for record in records {
        pools.entry(pool(&record)).or_default().push(record);
    }
    for records in pools.values_mut() {
        records.sort_by_key(|record| record.time);
    }
    pools
}

fn pool(record: &Record) -> String {
    format!("{} {}", record.cluster, record.pool)
}

impl Replay {
    /// What the records of one pool tell, which must be in the order of time.
    pub fn new(records: &[Record]) -> Result<Replay, ReplayError> {
        let first = records.first().ok_or(ReplayError::Empty)?;
        if let Some(other) = records.iter().find(|record| pool(record) != pool(first)) {
            return Err(ReplayError::SeveralPools {
                one: pool(first),
                other: pool(other),
            });
        }
        let samples = samples(records);
        let length = samples.last().map_or(0, |sample| sample.at);
        let length = SignedDuration::from_micros(i64::try_from(length).unwrap_or(i64::MAX));
        let jobs = arrivals::of(&samples).into_iter().map(|arrival| {
            let seconds = vec![arrival.task_seconds; arrival.tasks];
            Job::new(to_seconds(arrival.at), [Stage::new(Kind(0), seconds)])
        });
        Ok(Replay {
            begin: first.time,
            world: world(first, records),
            trace: Trace::new(jobs, length),
            recorded: recorded(records, &samples),
        })
    }

    /// What it was like when it was recorded.
    pub fn recorded(&self) -> Recorded {
        self.recorded
    }

    /// The work that came.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// What it would have been like under a policy. The times are those of the log.
    pub fn run(&self, policy: &Policy) -> Report {
        let mut report = run(&self.world, &self.trace, &mut Ours::new(policy.clone()));
        for frame in &mut report.timeline {
            let since = frame.time.duration_since(START);
            frame.time = crate::history::after(self.begin, since);
        }
        report
    }
}

fn world(first: &Record, records: &[Record]) -> World {
    // Jobs are compared with what they would take with as many workers as any policy allows, so that reports of
    // different policies can be compared.
    let mut world = World::new(0, Policy::MOST);
    world.slots = first.observed.slots_per_worker;
    if let Some(seconds) = samples::start_seconds(records) {
        world.start_seconds = seconds;
    }
    world
}

fn recorded(records: &[Record], samples: &[Sample]) -> Recorded {
    let mut recorded = Recorded::default();
    for pair in samples.windows(2) {
        let seconds = to_seconds(pair[1].at - pair[0].at);
        recorded.pod_seconds += f64::from(pair[0].pods) * seconds;
        recorded.work_seconds += pair[0].runs * seconds;
    }
    let changes = records
        .windows(2)
        .filter(|pair| pair[0].decision.replicas != pair[1].decision.replicas);
    recorded.scale_events = crate::observed::count(changes);
    recorded
}
