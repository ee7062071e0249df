//! Why a tile is where it is: a bounded log of what happened, and the story of one tile.

use super::State;
use super::ids::{Instant, JobId, PoolName, WorkerId};
use super::stage::Phase;
use dasklike_graph::stage::{StageId, Tile};
use std::collections::VecDeque;
use std::fmt::Write;

/// Something that happened, small enough to note for every assignment.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Entry {
    Submitted {
        job: JobId,
    },
    Ended {
        job: JobId,
    },
    Connected {
        worker: WorkerId,
    },
    Draining {
        worker: WorkerId,
    },
    Gone {
        worker: WorkerId,
    },
    Assigned {
        worker: WorkerId,
        job: JobId,
        stage: StageId,
        start: u64,
        end: u64,
    },
    Committed {
        worker: WorkerId,
        job: JobId,
        stage: StageId,
        start: u64,
        end: u64,
    },
    Returned {
        worker: WorkerId,
        job: JobId,
        stage: StageId,
        start: u64,
        end: u64,
    },
    Failed {
        worker: WorkerId,
        job: JobId,
        stage: StageId,
        tile: u64,
    },
}

/// The latest entries.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    entries: VecDeque<(Instant, Entry)>,
}

impl Log {
    const KEPT: usize = 4096;

    pub(crate) fn push(&mut self, now: Instant, entry: Entry) {
        if self.entries.len() == Log::KEPT {
            self.entries.pop_front();
        }
        self.entries.push_back((now, entry));
    }
}

impl State {
    /// Where a tile is and why, with what the log still knows of it; several lines for people.
    pub fn story(&self, job: JobId, stage: StageId, tile: Tile) -> String {
        let mut text = self.place_of(job, stage, tile.0);
        for (at, entry) in &self.log.entries {
            if let Some(line) = line(*entry, job, stage, tile.0) {
                // Writing to a String cannot fail.
                let _ = write!(text, "\n{:10.3} s  {line}", at.0 as f64 / 1e9);
            }
        }
        text
    }

    fn place_of(&self, job: JobId, stage: StageId, tile: u64) -> String {
        let Some(j) = self.jobs.get(&job) else {
            return format!("{job} is not known here");
        };
        let Some(s) = j.stage(stage).filter(|s| tile < s.tiles) else {
            return format!("{job} has no tile {tile} in stage {}", stage.0);
        };
        if !j.state.is_live() {
            return format!("{job} is {}", j.state.name());
        }
        match s.phase {
            Phase::Blocked => {
                let after = j.lowered.stages[stage.0 as usize].after.iter();
                let waits: Vec<String> = after
                    .filter(|s| j.stage(**s).is_some_and(|s| s.phase != Phase::Done))
                    .map(|s| format!("stage {}", s.0))
                    .collect();
                format!("waits for {}", waits.join(" and "))
            }
            Phase::Done => "done".to_owned(),
            Phase::Running if s.unassigned.contains(tile) => {
                self.why_unassigned(&j.pool, s.deaths.run(tile).0)
            }
            Phase::Running => match self.holder(job, stage, tile) {
                Some((worker, name)) => format!("with {worker} ({name}), started or queued there"),
                None => "done".to_owned(),
            },
        }
    }

    fn why_unassigned(&self, pool: &PoolName, deaths: u32) -> String {
        let taking = self
            .workers
            .values()
            .filter(|w| !w.draining && w.hello.pool == *pool)
            .count();
        match (taking, deaths) {
            (0, _) => format!("not assigned: no worker of pool {pool} takes work"),
            (_, 0) => {
                format!("not assigned: {taking} workers have enough queued, others come first")
            }
            (_, n) => format!(
                "not assigned: {n} workers died with it, so it goes in a small range or alone"
            ),
        }
    }

    /// The worker that has a tile.
    pub(super) fn holder(&self, job: JobId, stage: StageId, tile: u64) -> Option<(WorkerId, &str)> {
        let one = tile..tile + 1;
        let has = |w: &&super::worker::Worker| {
            w.assignments
                .values()
                .any(|a| a.job == job && a.stage == stage && a.holds(&one))
        };
        let found = self.workers.iter().find(|(_, w)| has(w));
        found.map(|(id, w)| (*id, w.hello.name.as_str()))
    }
}

/// What an entry says about a tile, if it is about it.
fn line(entry: Entry, of_job: JobId, of_stage: StageId, tile: u64) -> Option<String> {
    let covers =
        |job, stage, start, end| job == of_job && stage == of_stage && (start..end).contains(&tile);
    match entry {
        Entry::Submitted { job } => (job == of_job).then(|| "submitted".to_owned()),
        Entry::Ended { job } => (job == of_job).then(|| "the job ended".to_owned()),
        Entry::Connected { worker } => Some(format!("{worker} connected")),
        Entry::Draining { worker } => Some(format!("{worker} drains")),
        Entry::Gone { worker } => Some(format!("{worker} is gone")),
        Entry::Assigned {
            worker,
            job,
            stage,
            start,
            end,
        } => covers(job, stage, start, end)
            .then(|| format!("assigned to {worker} with tiles {start}..{end}")),
        Entry::Committed {
            worker,
            job,
            stage,
            start,
            end,
        } => covers(job, stage, start, end)
            .then(|| format!("committed by {worker} with tiles {start}..{end}")),
        Entry::Returned {
            worker,
            job,
            stage,
            start,
            end,
        } => covers(job, stage, start, end)
            .then(|| format!("given back by {worker} with tiles {start}..{end}")),
        Entry::Failed {
            worker,
            job,
            stage,
            tile: at,
        } => covers(job, stage, at, at + 1).then(|| format!("failed on {worker}")),
    }
}
