//! What is kept of named jobs, so that a later incarnation of the scheduler goes on with them.
//!
//! The records of a job, put in again in their order, give the job as it was: its tiles are done or waiting, its trees
//! and results hold what they held. Tiles that workers had are run again. Any number of the last records may be missing.

use super::State;
use super::effect::Effect;
use super::event::Order;
use super::ids::JobId;
use super::job::{Job, JobState};
use super::stage::Phase;
use super::story::Entry;
use dasklike_graph::protocol::{AssignmentId, Block, Commit, ErrorKind};

/// What is kept of a job.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// It began: always the first.
    Begun(Order),
    /// A block that came ahead of its commit.
    Pushed(Block),
    /// Tiles are done; their assignments' numbers mean nothing.
    Done(Commit),
}

impl State {
    /// Has a record kept, if the job is one that is.
    pub(super) fn journal(
        &self,
        job: JobId,
        record: impl FnOnce() -> Record,
        out: &mut Vec<Effect>,
    ) {
        if self
            .jobs
            .get(&job)
            .is_some_and(|j| j.journaled && j.state.is_live())
        {
            let record = record();
            out.push(Effect::Journal { job, record });
        }
    }

    /// Has what was kept of a job dropped.
    pub(super) fn drop_journal(&mut self, job: JobId, out: &mut Vec<Effect>) {
        let kept = self.jobs.get_mut(&job).map(|j| &mut j.journaled);
        if kept.is_some_and(std::mem::take) {
            out.push(Effect::DropJournal { job });
        }
    }

    pub(super) fn restore(&mut self, id: JobId, record: Record, out: &mut Vec<Effect>) {
        match record {
            Record::Begun(order) => self.restore_job(id, order, out),
            Record::Pushed(block) => self.place_block(id, block, out),
            Record::Done(commit) => self.restore_done(id, commit, out),
        }
    }

    fn restore_job(&mut self, id: JobId, order: Order, out: &mut Vec<Effect>) {
        self.next_job = self.next_job.max(id.0 + 1);
        if let Some(name) = order.name.clone()
            && let Some(older) = self.names.insert(name, id)
        {
            // That it had ended was not written down any more.
            self.end_job(older, JobState::Cancelled, out);
            self.drop_journal(older, out);
        }
        let mut job = Job::new(id, order, self.now);
        job.journaled = true;
        self.jobs.insert(id, job);
        self.log.push(self.now, Entry::Submitted { job: id });
        self.begin_stages(id, out);
    }

    fn restore_done(&mut self, id: JobId, commit: Commit, out: &mut Vec<Effect>) {
        let now = self.now;
        let Some(job) = self.jobs.get_mut(&id).filter(|j| j.state.is_live()) else {
            return;
        };
        let sid = commit.stage;
        let Some(run) = job.stage_mut(sid) else {
            return;
        };
        for (_, range) in &commit.ranges {
            if run.phase != Phase::Running || !run.unassigned.remove(range) {
                let message = format!(
                    "what was kept of the job says that tiles {range:?} of stage {} are done, which were not to be done: \
                     this is a bug, please report it",
                    sid.0
                );
                return self.fail_job(id, ErrorKind::Internal, message, out);
            }
            let n = range.end - range.start;
            run.done += n;
            run.cells.update(range, |c, n| c.done += n);
        }
        run.measure(&commit.stats);
        run.restored.add(&commit.stats);
        if run.unassigned.is_empty() {
            job.ready.retain(|s| *s != sid);
        }
        job.state = JobState::Running;
        job.started.get_or_insert(now);
        self.fold_done(id, sid, commit.nodes, commit.blocks, out);
    }
}

/// A commit as it is written down: what a scheduler without these workers can make use of.
pub(super) fn written(commit: &Commit) -> Commit {
    let ranges = commit.ranges.iter();
    Commit {
        job: commit.job,
        stage: commit.stage,
        ranges: ranges.map(|(_, r)| (AssignmentId(0), r.clone())).collect(),
        nodes: commit.nodes.clone(),
        blocks: commit.blocks.clone(),
        stats: commit.stats,
        spans: Vec::new(),
        now: commit.now,
    }
}
