//! Done tiles and what they left.

use super::State;
use super::effect::Effect;
use super::ids::WorkerId;
use super::journal::{self, Record};
use super::stage::Phase;
use super::story::Entry;
use dasklike_graph::finish::finish;
use dasklike_graph::protocol::{Block, Commit, ErrorKind, JobId, Node};
use dasklike_graph::stage::{Sink, Stage, StageId};

impl State {
    /// Counts a commit's tiles, folds its nodes and passes its blocks on. Tiles that the worker does not have
    /// would be counted twice, so such a commit is refused whole.
    pub(super) fn commit(&mut self, worker: WorkerId, commit: Commit, out: &mut Vec<Effect>) {
        let (id, sid) = (commit.job, commit.stage);
        let Some(job) = self.jobs.get_mut(&id).filter(|j| j.state.is_live()) else {
            return;
        };
        let Some(w) = self.workers.get_mut(&worker) else {
            return;
        };
        for (a, range) in &commit.ranges {
            let held = w
                .assignments
                .get(a)
                .filter(|a| a.job == id && a.stage == sid);
            if !held.is_some_and(|a| a.holds(range)) {
                let reason =
                    format!("it committed tiles {range:?} of {a} in {id}, which it does not have");
                return self.broken(worker, reason, out);
            }
        }
        let record = job
            .journaled
            .then(|| Record::Done(journal::written(&commit)));
        let Some(run) = job.stage_mut(sid) else {
            return;
        };
        debug_assert_eq!(run.phase, Phase::Running);
        let mut done = 0;
        for (a, range) in commit.ranges {
            if !w.take(a, range.clone(), self.now) {
                return self.broken(
                    worker,
                    format!("it committed tiles {range:?} of {a} twice at once"),
                    out,
                );
            }
            let n = range.end - range.start;
            run.assigned -= n;
            run.done += n;
            done += n;
            run.cells.update(&range, |c, n| {
                c.assigned -= n;
                c.done += n;
            });
            let (start, end) = (range.start, range.end);
            self.log.push(
                self.now,
                Entry::Committed {
                    worker,
                    job: id,
                    stage: sid,
                    start,
                    end,
                },
            );
        }
        w.barren = false;
        w.stats.add(&commit.stats);
        run.measure(&commit.stats);
        self.totals
            .done
            .entry(run.op)
            .or_default()
            .add(&commit.stats);
        *self.totals.done_in.entry(job.pool.clone()).or_default() += done;
        out.extend(record.map(|record| Effect::Journal { job: id, record }));
        self.keep_spans(worker, id, sid, commit.now, commit.spans);
        self.room.insert(worker);
        self.fold_done(id, sid, commit.nodes, commit.blocks, out);
    }

    /// Folds what done tiles left, passes blocks on, and goes on with other stages if these were the last tiles of one.
    pub(super) fn fold_done(
        &mut self,
        id: JobId,
        sid: StageId,
        nodes: Vec<Node>,
        mut blocks: Vec<Block>,
        out: &mut Vec<Effect>,
    ) {
        let Some(job) = self.jobs.get_mut(&id).filter(|j| j.state.is_live()) else {
            return;
        };
        let lowered = job.lowered.clone();
        let Some((stage, run)) = lowered.stages.get(sid.0 as usize).zip(job.stage_mut(sid)) else {
            return;
        };
        for node in nodes {
            match fold(stage, run, node) {
                Ok(finished) => blocks.extend(finished),
                Err(message) => return self.fail_job(id, ErrorKind::Internal, message, out),
            }
        }
        let complete = self
            .jobs
            .get(&id)
            .and_then(|j| j.stage(sid))
            .is_some_and(|s| s.is_complete());
        for block in blocks {
            self.place_block(id, block, out);
        }
        if complete {
            self.complete_stages(id, out);
        }
    }
}

/// Adds a node to its sink's tree. Gives the blocks of the output tile that it completes.
fn fold(stage: &Stage, run: &mut super::stage::StageRun, node: Node) -> Result<Vec<Block>, String> {
    let Node {
        sink: id,
        key,
        partial,
    } = node;
    let unknown = || format!("a worker sent node {key:?} of sink {id:?}, which is not in the plan");
    let tree = run
        .trees
        .iter_mut()
        .find(|t| t.sink == id)
        .ok_or_else(unknown)?;
    let pass = &stage.passes[id.pass as usize];
    let Sink::Reduce(sink) = &pass.sinks[id.sink as usize] else {
        return Err(unknown());
    };
    let known = key.output_tile < tree.output_tiles
        && key.level < 64
        && key
            .index
            .checked_shl(key.level.into())
            .is_some_and(|first| first < tree.leaves);
    let words = partial.groups as usize * partial.cells as usize * sink.state.columns.len();
    if !known || partial.words.len() != words {
        return Err(unknown());
    }
    let root = tree.tree.insert(&sink.state, tree.leaves, key, partial);
    Ok(root
        .map(|root| finish(stage, pass, sink, key.output_tile, &root))
        .unwrap_or_default())
}
