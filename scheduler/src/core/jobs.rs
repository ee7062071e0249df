//! Jobs come and end.

use super::State;
use super::effect::{Effect, Refusal};
use super::event::{Order, Submission};
use super::ids::{AssignmentId, ClientId, JobId, RequestId};
use super::job::{Job, JobState, output_bytes};
use super::journal::Record;
use super::stage::{Phase, StageRun};
use super::story::Entry;
use dasklike_graph::block::place_block;
use dasklike_graph::finish::finish_nothing;
use dasklike_graph::protocol::{Block, ErrorKind, TaskError, ToWorker};
use dasklike_graph::stage::{InlineValues, Lowered, Sink, StageId, Target};

/// Records of ended jobs that are kept for the dashboard.
const HISTORY: usize = 64;

impl State {
    pub(super) fn submit(&mut self, submission: Submission, out: &mut Vec<Effect>) {
        let Submission {
            client,
            request,
            order,
        } = submission;
        if let Err(what) = check_stages(&order.lowered) {
            return out.push(Effect::Refused {
                client,
                request,
                refusal: Refusal::Malformed { what },
            });
        }
        if let Some(name) = &order.name {
            match self.named(name, &order) {
                Ok(Some(job)) => return self.join(job, client, request, out),
                Ok(None) => {}
                Err(refusal) => {
                    return out.push(Effect::Refused {
                        client,
                        request,
                        refusal,
                    });
                }
            }
        }
        let id = JobId(self.next_job);
        self.next_job += 1;
        if let Some(name) = &order.name {
            self.names.insert(name.clone(), id);
        }
        let live = self
            .jobs
            .values()
            .filter(|j| j.state.is_live() && j.pool == order.pool);
        let share = live.map(|j| j.share).min().unwrap_or(0);
        let mut job = Job::new(id, order.clone(), self.now);
        job.clients.push(client);
        job.share = share;
        job.journaled = self.config.journal && order.name.is_some();
        self.jobs.insert(id, job);
        self.journal(id, || Record::Begun(order), out);
        self.log.push(self.now, Entry::Submitted { job: id });
        out.push(Effect::Accepted {
            client,
            request,
            job: id,
        });
        self.begin_stages(id, out);
        self.forget_old_jobs();
        self.everyone_has_room();
    }

    /// The job that a named submission joins, if any.
    fn named(&self, name: &str, order: &Order) -> Result<Option<JobId>, Refusal> {
        let outputs = &order.lowered.outputs;
        let bytes = outputs
            .iter()
            .map(|o| output_bytes(o.dtype.size(), &o.shape))
            .fold(0, u64::saturating_add);
        let limit = self.config.kept_bytes;
        if bytes > limit {
            return Err(Refusal::ResultsTooLarge {
                name: name.to_owned(),
                bytes,
                limit,
            });
        }
        let Some(job) = self.names.get(name).and_then(|id| self.jobs.get(id)) else {
            return Ok(None);
        };
        let waits =
            job.state == JobState::Finished && !job.kept.is_empty() && job.expires.is_some();
        // What a task may hold follows the workers that happen to be there.
        let (theirs, ours) = (&job.spec, &order.spec);
        let same = theirs.plan == ours.plan && theirs.budget.chunks == ours.budget.chunks;
        match same && job.pool == order.pool {
            _ if !job.state.is_live() && !waits => Ok(None),
            true => Ok(Some(job.id)),
            false => Err(Refusal::NameTaken {
                name: name.to_owned(),
            }),
        }
    }

    pub(super) fn attach(
        &mut self,
        client: ClientId,
        request: RequestId,
        name: String,
        out: &mut Vec<Effect>,
    ) {
        match self.names.get(&name) {
            Some(job) => self.join(*job, client, request, out),
            None => out.push(Effect::Refused {
                client,
                request,
                refusal: Refusal::NoSuchJob { name },
            }),
        }
    }

    /// Lets a client have a job's results and end: now, or when it ends.
    fn join(&mut self, id: JobId, client: ClientId, request: RequestId, out: &mut Vec<Effect>) {
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        out.push(Effect::Accepted {
            client,
            request,
            job: id,
        });
        if !job.clients.contains(&client) {
            job.clients.push(client);
        }
        self.tell_end(id, client, out);
        self.drop_fetched(id, out);
    }

    /// Results that a client has got need not be kept.
    fn drop_fetched(&mut self, id: JobId, out: &mut Vec<Effect>) {
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        if job.state.is_live() || job.clients.is_empty() {
            return;
        }
        job.kept = Vec::new();
        job.expires = None;
        if let Some(name) = &job.name
            && self.names.get(name) == Some(&id)
        {
            self.names.remove(name);
        }
        self.drop_journal(id, out);
    }

    fn tell_end(&self, id: JobId, client: ClientId, out: &mut Vec<Effect>) {
        let Some(job) = self.jobs.get(&id) else {
            return;
        };
        let Some(end) = job.state.end() else { return };
        if job.state == JobState::Finished {
            for (i, bytes) in job.kept.iter().enumerate() {
                let region = job.lowered.outputs[i].shape.iter().map(|n| 0..*n).collect();
                let target = Target::Output(dasklike_graph::plan::OutputId(i as u32));
                let block = Block {
                    target,
                    region,
                    bytes: bytes.clone(),
                };
                out.push(Effect::Deliver {
                    client,
                    job: id,
                    block,
                });
            }
        }
        out.push(Effect::Ended {
            client,
            job: id,
            end,
        });
    }

    pub(super) fn client_gone(&mut self, client: ClientId, out: &mut Vec<Effect>) {
        let with = self
            .jobs
            .values_mut()
            .filter(|j| j.clients.contains(&client));
        let mut left = Vec::new();
        for job in with {
            job.clients.retain(|c| *c != client);
            if job.clients.is_empty() && job.name.is_none() {
                left.push(job.id);
            }
        }
        for job in left {
            self.end_job(job, JobState::Cancelled, out);
        }
    }

    /// Ends a live job: its tiles leave all workers, its clients are told.
    pub(super) fn end_job(&mut self, id: JobId, state: JobState, out: &mut Vec<Effect>) {
        let Some(job) = self.jobs.get_mut(&id).filter(|j| j.state.is_live()) else {
            return;
        };
        self.totals.ended[match &state {
            JobState::Failed(_) => 1,
            JobState::Cancelled => 2,
            _ => 0,
        }] += 1;
        self.log.push(self.now, Entry::Ended { job: id });
        self.last_end = self.now;
        let finished = state == JobState::Finished;
        job.state = state;
        job.ended = Some(self.now);
        job.ready.clear();
        job.inlines.clear();
        job.filling.clear();
        if !finished {
            job.kept = Vec::new();
        }
        job.expires = job
            .name
            .is_some()
            .then(|| self.now.after(self.config.kept_ns));
        for stage in &mut job.stages {
            stage.release();
        }
        let (clients, expires) = (job.clients.clone(), job.expires);
        for (worker, w) in &mut self.workers {
            let of_job = w.assignments.iter().filter(|(_, a)| a.job == id);
            let ids: Vec<AssignmentId> = of_job.map(|(id, _)| *id).collect();
            for assignment in ids {
                let Some(a) = w.drop_assignment(assignment, self.now) else {
                    continue;
                };
                w.leftovers = true;
                if let Some(stage) = job.stage_mut(a.stage) {
                    stage.assigned -= a.left;
                    for part in a.remaining() {
                        stage.cells.update(&part, |c, n| c.assigned -= n);
                    }
                }
            }
            if w.knows.remove(&id).is_some() {
                out.push(Effect::Send {
                    worker: *worker,
                    message: ToWorker::Free { job: id },
                });
            }
        }
        for client in clients {
            self.tell_end(id, client, out);
        }
        if !finished {
            self.drop_journal(id, out);
        }
        self.drop_fetched(id, out);
        if let Some(at) = expires {
            self.alarm_by(at);
        }
        self.everyone_has_room();
    }

    pub(super) fn fail_job(
        &mut self,
        id: JobId,
        kind: ErrorKind,
        message: String,
        out: &mut Vec<Effect>,
    ) {
        self.end_job(id, JobState::Failed(TaskError { kind, message }), out);
    }

    /// Starts every stage whose inputs are complete, and ends the job with its last stage.
    pub(super) fn begin_stages(&mut self, id: JobId, out: &mut Vec<Effect>) {
        let Some(job) = self.jobs.get_mut(&id).filter(|j| j.state.is_live()) else {
            return;
        };
        let lowered = job.lowered.clone();
        let mut blocks = Vec::new();
        for (i, stage) in lowered.stages.iter().enumerate() {
            let done = |s: &StageId| job.stages[s.0 as usize].phase == Phase::Done;
            if job.stages[i].phase != Phase::Blocked || !stage.after.iter().all(done) {
                continue;
            }
            let sid = StageId(i as u32);
            for (n, inline) in lowered.inlines.iter().enumerate() {
                if inline.values == InlineValues::From(sid) {
                    let bytes = output_bytes(inline.dtype.size(), &inline.shape) as usize;
                    job.filling
                        .insert(dasklike_graph::stage::InlineId(n as u32), vec![0; bytes]);
                }
            }
            let run = &mut job.stages[i];
            run.phase = Phase::Running;
            run.started = Some(self.now);
            if run.tiles > 0 {
                job.ready.push(sid);
                continue;
            }
            for tree in &run.trees {
                let pass = &stage.passes[tree.sink.pass as usize];
                if let Sink::Reduce(sink) = &pass.sinks[tree.sink.sink as usize] {
                    blocks.extend(
                        (0..tree.output_tiles).flat_map(|t| finish_nothing(stage, pass, sink, t)),
                    );
                }
            }
        }
        job.ready.sort_unstable();
        for block in blocks {
            self.place_block(id, block, out);
        }
        self.complete_stages(id, out);
    }

    /// Ends the stages that have all their tiles, and goes on from there.
    pub(super) fn complete_stages(&mut self, id: JobId, out: &mut Vec<Effect>) {
        let Some(job) = self.jobs.get_mut(&id).filter(|j| j.state.is_live()) else {
            return;
        };
        let complete = |s: &StageRun| s.phase == Phase::Running && s.is_complete();
        let ended: Vec<usize> = (0..job.stages.len())
            .filter(|i| complete(&job.stages[*i]))
            .collect();
        for i in &ended {
            job.stages[*i].phase = Phase::Done;
            job.stages[*i].ended = Some(self.now);
            job.stages[*i].release();
            for (n, inline) in job.lowered.inlines.iter().enumerate() {
                let n = dasklike_graph::stage::InlineId(n as u32);
                if inline.values == InlineValues::From(StageId(*i as u32))
                    && let Some(bytes) = job.filling.remove(&n)
                {
                    job.inlines.insert(n, bytes.into());
                }
            }
        }
        if job.stages.iter().all(|s| s.phase == Phase::Done) {
            self.end_job(id, JobState::Finished, out);
        } else if !ended.is_empty() {
            self.begin_stages(id, out);
            self.everyone_has_room();
        }
    }

    /// Puts a finished block where it belongs: into an inline array, the kept results, or to the clients.
    pub(super) fn place_block(&mut self, id: JobId, block: Block, out: &mut Vec<Effect>) {
        let Some(job) = self.jobs.get_mut(&id).filter(|j| j.state.is_live()) else {
            return;
        };
        let (array, shape, size) = match block.target {
            Target::Inline(n) => {
                let Some(inline) = job.lowered.inlines.get(n.0 as usize) else {
                    return;
                };
                (job.filling.get_mut(&n), &inline.shape, inline.dtype.size())
            }
            Target::Output(n) => {
                let Some(output) = job.lowered.outputs.get(n.0 as usize) else {
                    return;
                };
                if job.name.is_none() {
                    let Some((last, others)) = job.clients.split_last() else {
                        return;
                    };
                    for client in others {
                        out.push(Effect::Deliver {
                            client: *client,
                            job: id,
                            block: block.clone(),
                        });
                    }
                    return out.push(Effect::Deliver {
                        client: *last,
                        job: id,
                        block,
                    });
                }
                (
                    job.kept.get_mut(n.0 as usize),
                    &output.shape,
                    output.dtype.size(),
                )
            }
            Target::Local(_) => return,
        };
        let inside = block.region.len() == shape.len()
            && block
                .region
                .iter()
                .zip(shape)
                .all(|(r, n)| r.start <= r.end && r.end <= *n);
        let fills = || {
            block
                .region
                .iter()
                .map(|r| r.end - r.start)
                .product::<u64>()
                * size as u64
        };
        match array {
            Some(array) if inside && fills() == block.bytes.len() as u64 => {
                place_block(array, shape, &block.region, &block.bytes, size);
            }
            _ => {
                let message = format!("a worker sent a block that does not fit {:?}", block.target);
                self.fail_job(id, ErrorKind::Internal, message, out);
            }
        }
    }

    pub(super) fn drop_expired(&mut self, out: &mut Vec<Effect>) {
        let now = self.now;
        let mut dropped = Vec::new();
        for job in self
            .jobs
            .values_mut()
            .filter(|j| j.expires.is_some_and(|at| at <= now))
        {
            job.kept = Vec::new();
            job.expires = None;
            if let Some(name) = &job.name
                && self.names.get(name) == Some(&job.id)
            {
                self.names.remove(name);
            }
            dropped.push(job.id);
        }
        for job in dropped {
            self.drop_journal(job, out);
        }
    }

    fn forget_old_jobs(&mut self) {
        let ended = self
            .jobs
            .values()
            .filter(|j| !j.state.is_live() && j.expires.is_none());
        let ids: Vec<JobId> = ended.map(|j| j.id).collect();
        for id in &ids[..ids.len().saturating_sub(HISTORY)] {
            self.jobs.remove(id);
        }
    }
}

/// The rules that the rest of the core relies on.
fn check_stages(lowered: &Lowered) -> Result<(), String> {
    for (i, stage) in lowered.stages.iter().enumerate() {
        if stage.after.iter().any(|s| s.0 as usize >= i) {
            return Err(format!("stage {i} does not come after the stages it needs"));
        }
        let missing = |target: &Target| match target {
            Target::Output(o) => o.0 as usize >= lowered.outputs.len(),
            Target::Inline(n) => n.0 as usize >= lowered.inlines.len(),
            Target::Local(n) => n.0 as usize >= stage.locals.len(),
        };
        for sink in stage.passes.iter().flat_map(|p| &p.sinks) {
            let bad = match sink {
                Sink::Emit { output, .. } => missing(&Target::Output(*output)),
                Sink::Reduce(r) => r.results.iter().any(|r| missing(&r.target)),
            };
            if bad {
                return Err(format!("a result of stage {i} goes nowhere"));
            }
        }
    }
    Ok(())
}
