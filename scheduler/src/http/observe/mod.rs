//! Makes the [`Snapshot`] from the core's views. Looked at ten times a second, it keeps what the core does not:
//! when each cell was done, how fast things went, which workers were lost. It reads no clock.

mod job;
mod limits;
mod plan;
mod worker;

use crate::core::ids::{Instant, JobId, WorkerId};
use crate::core::{SpanView, State};
use crate::http::record::{Counters, Keep, RateRecord};
use crate::http::snapshot::{
    Cluster, ErrorLine, Interval, LimitShares, Phase, PhaseTotal, Pool, RerunCause, RerunTotal,
    SNAPSHOT_VERSION, Snapshot, TaskResult, TaskTotal, Totals,
};
use dasklike_graph::protocol::TaskStats;
use job::JobRecord;
use limits::Limits;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use worker::Workers;

/// The most errors that are shown.
const ERRORS_LIMIT: usize = 100;

/// The shortest interval that a rate is measured over.
const RATE_INTERVAL_US: u64 = 90_000;

/// The core's clock as microseconds since the Unix epoch.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// The microsecond in which the core's clock was 0.
    pub unix_us: u64,
}

impl Origin {
    fn us(self, at: Instant) -> u64 {
        self.unix_us + at.0 / 1000
    }
}

/// What one look gave.
#[derive(Debug)]
pub struct Observation {
    /// The picture.
    pub snapshot: Snapshot,
    /// What slots did since the last look.
    pub intervals: Vec<Interval>,
}

/// See the module.
#[derive(Debug)]
pub struct Observer {
    cluster: Cluster,
    origin: Origin,
    jobs: BTreeMap<JobId, JobRecord>,
    workers: Workers,
    limits: Limits,
    rates: RateRecord,
    errors: VecDeque<ErrorLine>,
    next_span: u64,
}

impl Observer {
    /// Nothing was seen yet.
    pub fn new(cluster: Cluster, origin: Origin) -> Observer {
        Observer {
            cluster,
            origin,
            jobs: BTreeMap::new(),
            workers: Workers::default(),
            limits: Limits::default(),
            rates: RateRecord::new(Keep::Latest, RATE_INTERVAL_US),
            errors: VecDeque::new(),
            next_span: 0,
        }
    }

    /// The picture now. `now` never goes back.
    pub fn look(&mut self, state: &State, now: Instant) -> Observation {
        let now_us = self.origin.us(now);
        self.note_jobs(state);
        for lost in self.workers.look(state, self.origin, now_us) {
            self.note_error(lost);
        }
        let intervals = self.take_spans(state);
        let spent = sum(state);
        let limit = self.limits.look(now, state, &spent, &self.workers);
        let counters = Counters {
            stored_bytes: spent.stored_bytes,
            decoded_bytes: spent.decoded_bytes,
            tasks: spent.tiles,
        };
        if limit.binds.is_some() {
            self.rates.sample(now_us, counters, limit.binds);
        } else {
            self.rates.rest(now_us, counters);
        }
        let jobs = self.draw_jobs(state, now_us, &limit);
        let snapshot = Snapshot {
            version: SNAPSHOT_VERSION,
            at_us: now_us,
            cluster: self.cluster.clone(),
            jobs,
            workers: self.workers.draw(),
            pools: pools(state),
            rates: self.rates.rates(),
            limit,
            errors: self.errors.iter().cloned().collect(),
            totals: totals(state, &spent),
        };
        Observation {
            snapshot,
            intervals,
        }
    }

    /// Starts records of new jobs, and drops those of jobs that the core has forgotten.
    fn note_jobs(&mut self, state: &State) {
        self.jobs.retain(|id, _| state.job(*id).is_some());
        for view in state.jobs() {
            self.jobs
                .entry(view.id)
                .or_insert_with(|| JobRecord::new(&view, self.origin));
        }
    }

    /// The pictures of all jobs, latest first, and a line for each that has failed since.
    fn draw_jobs(
        &mut self,
        state: &State,
        now_us: u64,
        limit: &LimitShares,
    ) -> Vec<Arc<crate::http::snapshot::Job>> {
        let mut jobs = Vec::new();
        let mut failed = Vec::new();
        for view in state.jobs() {
            let Some(record) = self.jobs.get_mut(&view.id) else {
                continue;
            };
            let drawn = record.draw(&view, self.origin, now_us, limit);
            if let Some(message) = record.new_error(&drawn) {
                failed.push(ErrorLine {
                    at_us: drawn.finished_us.unwrap_or(now_us),
                    job: Some(drawn.id.clone()),
                    worker: view
                        .fault
                        .and_then(|f| self.workers.name(f.2))
                        .map(|n| n.to_string()),
                    message,
                });
            }
            jobs.push(drawn);
        }
        for line in failed {
            self.note_error(line);
        }
        jobs.reverse();
        jobs
    }

    fn note_error(&mut self, line: ErrorLine) {
        self.errors.push_front(line);
        self.errors.truncate(ERRORS_LIMIT);
    }

    /// What slots did since the last look. Where the time went is known by stage and not by span: each span gets
    /// its share of what the stage's tiles cost since the last look.
    fn take_spans(&mut self, state: &State) -> Vec<Interval> {
        let new: Vec<&SpanView> = state.spans(self.next_span).collect();
        let Some(last) = new.last() else {
            return Vec::new();
        };
        self.next_span = last.number + 1;
        let shares: BTreeMap<_, _> = self
            .jobs
            .iter_mut()
            .filter_map(|(id, record)| Some((id, state.job(*id)?, record)))
            .flat_map(|(id, view, record)| {
                record
                    .take_shares(&view)
                    .into_iter()
                    .map(move |(s, p)| ((*id, s), p))
            })
            .collect();
        let mut intervals = Vec::with_capacity(new.len());
        for span in new {
            let (start_us, end_us) = (
                self.origin.us(span.span.start),
                self.origin.us(span.span.end),
            );
            let tiles = span.span.tile..span.span.tile + u64::from(span.span.tiles);
            if let Some(record) = self.jobs.get_mut(&span.job) {
                record.computed(span.stage, tiles.clone(), start_us, end_us);
            }
            let parts = shares
                .get(&(span.job, span.stage))
                .copied()
                .unwrap_or_default();
            let length = end_us.saturating_sub(start_us) as f64;
            intervals.push(Interval {
                worker: self
                    .workers
                    .name(span.worker)
                    .unwrap_or_else(|| span.worker.to_string().into()),
                slot: span.span.slot,
                job: span.job.0.to_string().into(),
                stage: span.stage.0,
                first_tile: tiles.start,
                tiles: tiles.end - tiles.start,
                start_us,
                end_us,
                wait_us: (length * parts.wait) as u64,
                decode_us: (length * parts.decode) as u64,
                compute_us: (length * parts.compute) as u64,
            });
        }
        intervals
    }
}

/// Where the time of tiles went on their slots: shares of 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Parts {
    wait: f64,
    decode: f64,
    compute: f64,
}

impl Parts {
    /// What is neither decoding nor computing is waiting for bytes, as far as there was any reading: with reads
    /// ahead of the slot there is none left.
    fn of(stats: &TaskStats) -> Parts {
        let busy = stats.busy_ns.max(stats.decode_ns + stats.compute_ns).max(1);
        let rest = busy - stats.decode_ns - stats.compute_ns;
        let part = |ns: u64| ns as f64 / busy as f64;
        Parts {
            wait: part(rest.min(stats.fetch_ns)),
            decode: part(stats.decode_ns),
            compute: part(stats.compute_ns),
        }
    }
}

/// How much `now` has grown since `before`.
fn difference(now: &TaskStats, before: &TaskStats) -> TaskStats {
    TaskStats {
        tiles: now.tiles.saturating_sub(before.tiles),
        busy_ns: now.busy_ns.saturating_sub(before.busy_ns),
        wait_ns: now.wait_ns.saturating_sub(before.wait_ns),
        fetch_ns: now.fetch_ns.saturating_sub(before.fetch_ns),
        decode_ns: now.decode_ns.saturating_sub(before.decode_ns),
        compute_ns: now.compute_ns.saturating_sub(before.compute_ns),
        send_ns: now.send_ns.saturating_sub(before.send_ns),
        reads: now.reads.saturating_sub(before.reads),
        stored_bytes: now.stored_bytes.saturating_sub(before.stored_bytes),
        decoded_bytes: now.decoded_bytes.saturating_sub(before.decoded_bytes),
    }
}

/// The queues of all pools that have a worker or a job, and of the default one.
fn pools(state: &State) -> Vec<Pool> {
    let demand = state.demand();
    let pools = demand.pools.into_iter().map(|(name, pool)| Pool {
        name: name.to_string(),
        ready_tasks: pool.queue.ready,
        running_tasks: pool.queue.running,
        blocked_tasks: pool.queue.blocked,
        queue_seconds: pool.queue.seconds,
    });
    pools.collect()
}

/// What all committed tiles cost since the scheduler started.
fn sum(state: &State) -> TaskStats {
    let mut sum = TaskStats::default();
    for stats in state.totals().done.values() {
        sum.add(stats);
    }
    sum
}

fn totals(state: &State, spent: &TaskStats) -> Totals {
    let totals = state.totals();
    let done = totals
        .done
        .iter()
        .map(|(op, stats)| (op, TaskResult::Done, stats.tiles));
    let failed = totals
        .failed
        .iter()
        .map(|(op, n)| (op, TaskResult::Failed, *n));
    let tasks = done
        .chain(failed)
        .map(|(op, result, count)| TaskTotal {
            op: op.name().to_owned(),
            result,
            count,
        })
        .collect();
    let seconds = totals.done.iter().flat_map(|(op, s)| {
        let phases = [
            (Phase::Wait, s.wait_ns),
            (Phase::Fetch, s.fetch_ns),
            (Phase::Decode, s.decode_ns),
            (Phase::Compute, s.compute_ns),
            (Phase::Send, s.send_ns),
        ];
        phases.map(|(phase, ns)| PhaseTotal {
            op: op.name().to_owned(),
            phase,
            seconds: ns as f64 / 1e9,
        })
    });
    Totals {
        tasks,
        seconds: seconds.collect(),
        stored_bytes: spent.stored_bytes,
        decoded_bytes: spent.decoded_bytes,
        reruns: vec![
            RerunTotal {
                cause: RerunCause::WorkerLost,
                count: totals.rerun_lost,
            },
            RerunTotal {
                cause: RerunCause::DrainCut,
                count: totals.rerun_drained,
            },
        ],
    }
}

/// Names of workers by number, for what they leave behind.
type Names = BTreeMap<WorkerId, Arc<str>>;
