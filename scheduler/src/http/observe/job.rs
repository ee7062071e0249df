//! A job's picture.

use super::{Origin, Parts, difference, plan};
use crate::core::ids::JobId;
use crate::core::{JobState as CoreState, JobView, StageView};
use crate::http::record::{CellTimes, Counters, Keep, RateRecord};
use crate::http::snapshot::{Cells, GridDim, Job, JobState, LimitShares, PlanGraph, Stage};
use dasklike_graph::explain::explain;
use dasklike_graph::protocol::TaskStats;
use dasklike_graph::stage::StageId;
use std::ops::Range;
use std::sync::Arc;

/// How often a job's rates are measured at first; a long job's become coarser.
const INTERVAL_US: u64 = 45_000;

#[derive(Debug)]
pub(super) struct JobRecord {
    id: JobId,
    submitted_us: u64,
    expected_decoded_bytes: u64,
    plan: Arc<PlanGraph>,
    stages: Vec<StageRecord>,
    rates: RateRecord,
    /// What is shown once it has ended, which does not change any more.
    ended: Option<Arc<Job>>,
    told: bool,
}

#[derive(Debug)]
struct StageRecord {
    name: String,
    grid: Vec<GridDim>,
    after: Vec<u32>,
    times: CellTimes,
    /// What its tiles had cost when shares were last taken.
    seen: TaskStats,
}

impl JobRecord {
    pub(super) fn new(view: &JobView<'_>, origin: Origin) -> JobRecord {
        let explanation = explain(&view.spec.plan, view.lowered);
        let lowered = view.lowered.stages.iter().zip(&explanation.stages);
        let stages = lowered
            .zip(&view.stages)
            .map(|((stage, explained), seen)| StageRecord {
                name: plan::stage_name(explained),
                grid: stage
                    .dims
                    .iter()
                    .map(|d| GridDim {
                        name: d.name.to_string(),
                        tiles: d.tiles.count(),
                    })
                    .collect(),
                after: stage.after.iter().map(|s| s.0).collect(),
                times: CellTimes::new(stage.tile_count()),
                seen: *seen.restored,
            });
        let submitted_us = origin.us(view.submitted);
        let mut rates = RateRecord::new(Keep::Whole, INTERVAL_US);
        // What an earlier scheduler saw is not the speed of this one.
        rates.sample(submitted_us, counters(view, |s| s.restored), None);
        JobRecord {
            id: view.id,
            submitted_us,
            expected_decoded_bytes: explanation.decoded_bytes,
            plan: Arc::new(plan::graph(&explanation)),
            stages: stages.collect(),
            rates,
            ended: None,
            told: false,
        }
    }

    /// A slot computed tiles.
    pub(super) fn computed(
        &mut self,
        stage: StageId,
        tiles: Range<u64>,
        start_us: u64,
        end_us: u64,
    ) {
        if let Some(record) = self.stages.get_mut(stage.0 as usize) {
            let since = |us: u64| us.saturating_sub(self.submitted_us);
            record.times.computed(tiles, since(start_us), since(end_us));
        }
    }

    /// Where the time of its tiles went since this was last asked, by stage.
    pub(super) fn take_shares(&mut self, view: &JobView<'_>) -> Vec<(StageId, Parts)> {
        let stages = self.stages.iter_mut().zip(&view.stages);
        stages
            .map(|(record, stage)| {
                let parts = Parts::of(&difference(stage.stats, &record.seen));
                record.seen = *stage.stats;
                (stage.id, parts)
            })
            .collect()
    }

    /// The error of a job that has failed, the first time this is asked.
    pub(super) fn new_error(&mut self, drawn: &Job) -> Option<String> {
        let message = drawn.error.clone()?;
        (!std::mem::replace(&mut self.told, true)).then_some(message)
    }

    pub(super) fn draw(
        &mut self,
        view: &JobView<'_>,
        origin: Origin,
        now_us: u64,
        limit: &LimitShares,
    ) -> Arc<Job> {
        if let Some(job) = &self.ended {
            return job.clone();
        }
        let counters = counters(view, |s| s.stats);
        let finished_us = view.ended.map(|t| origin.us(t));
        match finished_us {
            Some(at) => self.rates.finish(at, counters, limit.binds),
            None => self.rates.sample(now_us, counters, limit.binds),
        }
        let (state, error) = match view.state {
            CoreState::Queued => (JobState::Queued, None),
            CoreState::Running => (JobState::Running, None),
            CoreState::Finished => (JobState::Finished, None),
            CoreState::Failed(error) => (JobState::Failed, Some(error.message.clone())),
            CoreState::Cancelled => (JobState::Cancelled, None),
        };
        let fault = |s: &StageView<'_>| view.fault.filter(|f| f.0 == s.id).map(|f| f.1.0);
        let job = Arc::new(Job {
            id: self.id.0.to_string(),
            name: view.name.map(str::to_owned),
            pool: view.pool.to_string(),
            state,
            submitted_us: self.submitted_us,
            started_us: view.started.map(|t| origin.us(t)),
            finished_us,
            error,
            stages: view
                .stages
                .iter()
                .zip(&self.stages)
                .map(|(s, r)| draw_stage(s, r, fault(s)))
                .collect(),
            stored_bytes: counters.stored_bytes,
            decoded_bytes: counters.decoded_bytes,
            expected_decoded_bytes: self.expected_decoded_bytes,
            rates: self.rates.rates(),
            plan: Some(self.plan.clone()),
        });
        if finished_us.is_some() {
            self.ended = Some(job.clone());
        }
        job
    }
}

/// What all stages have cost, of the figures that `stats` gives.
fn counters<'a>(view: &JobView<'a>, stats: fn(&StageView<'a>) -> &'a TaskStats) -> Counters {
    let sum = |f: fn(&TaskStats) -> u64| view.stages.iter().map(|s| f(stats(s))).sum::<u64>();
    Counters {
        stored_bytes: sum(|s| s.stored_bytes),
        decoded_bytes: sum(|s| s.decoded_bytes),
        tasks: sum(|s| s.tiles),
    }
}

fn draw_stage(view: &StageView<'_>, record: &StageRecord, failed_tile: Option<u64>) -> Stage {
    let cells = view.cells.cells();
    let in_cell = |i: usize| failed_tile.is_some_and(|t| view.cells.range(i).contains(&t));
    Stage {
        id: view.id.0,
        name: record.name.clone(),
        op: view.op.name().to_owned(),
        grid: record.grid.clone(),
        after: record.after.clone(),
        tiles: view.tiles,
        done: view.done,
        running: view.assigned,
        failed: u64::from(failed_tile.is_some()),
        cells: Cells {
            done: cells.iter().map(|c| c.done).collect(),
            running: cells.iter().map(|c| c.assigned).collect(),
            failed: (0..cells.len()).map(|i| u32::from(in_cell(i))).collect(),
            first_done_ms: record.times.first_ms(),
            last_done_ms: record.times.last_ms(),
        },
    }
}
