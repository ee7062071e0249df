//! What a worker and its scheduler tell each other.

use super::common::{
    budget_from_proto, budget_to_proto, partial_from_proto, partial_to_proto, region_from_proto,
    region_to_proto,
};
use super::plan::{plan_from_proto, plan_to_proto};
use super::{ConvertError, invalid, need};
use crate::pb;
use dasklike_graph::plan::OutputId;
use dasklike_graph::protocol::{
    Assignment, AssignmentId, Block, Commit, ErrorKind, Heartbeat, IdleTimes, Instant, JobId,
    JobSpec, Node, SinkId, Span, TaskError, TaskStats, ToScheduler, ToWorker, WorkerId,
};
use dasklike_graph::stage::{InlineId, StageId, Target, Tile};
use dasklike_graph::tree::TreeKey;
use std::ops::Range;
use std::sync::Arc;

/// A message for a worker.
pub fn to_worker_to_proto(message: &ToWorker) -> pb::ToWorker {
    use pb::to_worker::Message as M;
    let message = match message {
        ToWorker::Welcome { worker } => M::Welcome(worker.0),
        ToWorker::Job { job, spec } => M::Job(pb::Job {
            job: job.0,
            plan: Some(plan_to_proto(&spec.plan)),
            budget: Some(budget_to_proto(&spec.budget)),
        }),
        ToWorker::Inline { job, inline, bytes } => M::Inline(pb::InlineArray {
            job: job.0,
            inline: inline.0,
            values: bytes.to_vec(),
        }),
        ToWorker::Assign(a) => M::Assign(pb::Assignment {
            id: a.id.0,
            job: a.job.0,
            stage: a.stage.0,
            start: a.range.start,
            end: a.range.end,
        }),
        ToWorker::Revoke { assignment, from } => M::Revoke(pb::Revoke {
            assignment: assignment.0,
            from: *from,
        }),
        ToWorker::Free { job } => M::Free(job.0),
        ToWorker::Drain => M::Drain(pb::Drain {}),
    };
    pb::ToWorker {
        message: Some(message),
    }
}

/// What a scheduler's message says.
pub fn to_worker_from_proto(message: pb::ToWorker) -> Result<ToWorker, ConvertError> {
    use pb::to_worker::Message as M;
    Ok(match need(message.message, "message to a worker")? {
        M::Welcome(worker) => ToWorker::Welcome {
            worker: WorkerId(worker),
        },
        M::Job(job) => {
            let plan = plan_from_proto(need(job.plan, "plan")?)?;
            let budget = budget_from_proto(need(job.budget, "budget")?);
            ToWorker::Job {
                job: JobId(job.job),
                spec: Arc::new(JobSpec { plan, budget }),
            }
        }
        M::Inline(i) => ToWorker::Inline {
            job: JobId(i.job),
            inline: InlineId(i.inline),
            bytes: i.values.into(),
        },
        M::Assign(a) => ToWorker::Assign(Assignment {
            id: AssignmentId(a.id),
            job: JobId(a.job),
            stage: StageId(a.stage),
            range: tiles(a.start, a.end)?,
        }),
        M::Revoke(r) => ToWorker::Revoke {
            assignment: AssignmentId(r.assignment),
            from: r.from,
        },
        M::Free(job) => ToWorker::Free { job: JobId(job) },
        M::Drain(pb::Drain {}) => ToWorker::Drain,
    })
}

/// A message for the scheduler.
pub fn to_scheduler_to_proto(message: &ToScheduler) -> pb::ToScheduler {
    use pb::to_scheduler::Message as M;
    let message = match message {
        ToScheduler::Commit(commit) => M::Commit(commit_to_proto(commit)),
        ToScheduler::Revoked { assignment, range } => M::Revoked(pb::Revoked {
            assignment: assignment.0,
            start: range.start,
            end: range.end,
        }),
        ToScheduler::Failed { job, task, error } => M::Failed(pb::TaskFailed {
            job: job.0,
            task: task.map(|(stage, tile)| pb::task_failed::Task {
                stage: stage.0,
                tile: tile.0,
            }),
            kind: kind_to_proto(error.kind) as i32,
            message: error.message.clone(),
        }),
        ToScheduler::Heartbeat(heartbeat) => M::Heartbeat(heartbeat_to_proto(heartbeat)),
        ToScheduler::Draining => M::Draining(pb::Draining {}),
        ToScheduler::Drained => M::Drained(pb::Drained {}),
    };
    pb::ToScheduler {
        message: Some(message),
    }
}

/// What a worker's message says.
pub fn to_scheduler_from_proto(message: pb::ToScheduler) -> Result<ToScheduler, ConvertError> {
    use pb::to_scheduler::Message as M;
    Ok(match need(message.message, "message to the scheduler")? {
        M::Commit(commit) => ToScheduler::Commit(commit_from_proto(commit)?),
        M::Revoked(r) => ToScheduler::Revoked {
            assignment: AssignmentId(r.assignment),
            range: tiles(r.start, r.end)?,
        },
        M::Failed(f) => ToScheduler::Failed {
            job: JobId(f.job),
            task: f.task.map(|t| (StageId(t.stage), Tile(t.tile))),
            error: TaskError {
                kind: kind_from_proto(f.kind)?,
                message: f.message,
            },
        },
        M::Heartbeat(heartbeat) => ToScheduler::Heartbeat(heartbeat_from_proto(heartbeat)),
        M::Draining(pb::Draining {}) => ToScheduler::Draining,
        M::Drained(pb::Drained {}) => ToScheduler::Drained,
    })
}

fn tiles(start: u64, end: u64) -> Result<Range<u64>, ConvertError> {
    if start > end {
        return Err(invalid("range of tiles", format!("{start} to {end}")));
    }
    Ok(start..end)
}

/// Done tiles as a message.
pub fn commit_to_proto(commit: &Commit) -> pb::Commit {
    let part = |(id, range): &(AssignmentId, Range<u64>)| pb::commit::Part {
        assignment: id.0,
        start: range.start,
        end: range.end,
    };
    pb::Commit {
        job: commit.job.0,
        stage: commit.stage.0,
        parts: commit.ranges.iter().map(part).collect(),
        nodes: commit.nodes.iter().map(node_to_proto).collect(),
        blocks: commit.blocks.iter().map(block_to_proto).collect(),
        stats: Some(stats_to_proto(&commit.stats)),
        spans: commit.spans.iter().map(span_to_proto).collect(),
        now: commit.now.0,
    }
}

/// The done tiles of a message.
pub fn commit_from_proto(commit: pb::Commit) -> Result<Commit, ConvertError> {
    let part = |p: &pb::commit::Part| Ok((AssignmentId(p.assignment), tiles(p.start, p.end)?));
    Ok(Commit {
        job: JobId(commit.job),
        stage: StageId(commit.stage),
        ranges: commit
            .parts
            .iter()
            .map(part)
            .collect::<Result<_, ConvertError>>()?,
        nodes: commit
            .nodes
            .iter()
            .map(node_from_proto)
            .collect::<Result<_, _>>()?,
        blocks: commit
            .blocks
            .into_iter()
            .map(block_from_proto)
            .collect::<Result<_, _>>()?,
        stats: stats_from_proto(&need(commit.stats, "figures of a commit")?),
        spans: commit.spans.iter().map(span_from_proto).collect(),
        now: Instant(commit.now),
    })
}

fn node_to_proto(node: &Node) -> pb::TreeNode {
    pb::TreeNode {
        pass: node.sink.pass,
        sink: node.sink.sink,
        output_tile: node.key.output_tile,
        level: node.key.level.into(),
        index: node.key.index,
        partial: Some(partial_to_proto(&node.partial)),
    }
}

fn node_from_proto(node: &pb::TreeNode) -> Result<Node, ConvertError> {
    let level = u8::try_from(node.level).ok().filter(|l| *l <= 64);
    Ok(Node {
        sink: SinkId {
            pass: node.pass,
            sink: node.sink,
        },
        key: TreeKey {
            output_tile: node.output_tile,
            level: level.ok_or_else(|| invalid("tree level", node.level.to_string()))?,
            index: node.index,
        },
        partial: partial_from_proto(need(node.partial.as_ref(), "partial")?)?,
    })
}

/// A block as a message.
pub fn block_to_proto(block: &Block) -> pb::Block {
    use pb::block::Target as T;
    let target = match block.target {
        Target::Output(id) => Some(T::Output(id.0)),
        Target::Inline(id) => Some(T::Inline(id.0)),
        // By the protocol a local array never travels; a reader refuses a block without a target.
        Target::Local(_) => None,
    };
    pb::Block {
        target,
        region: region_to_proto(&block.region),
        data: block.bytes.clone(),
    }
}

/// The block of a message.
pub fn block_from_proto(block: pb::Block) -> Result<Block, ConvertError> {
    use pb::block::Target as T;
    let target = match need(block.target, "target of a block")? {
        T::Output(id) => Target::Output(OutputId(id)),
        T::Inline(id) => Target::Inline(InlineId(id)),
    };
    Ok(Block {
        target,
        region: region_from_proto(&block.region)?,
        bytes: block.data,
    })
}

fn span_to_proto(span: &Span) -> pb::Span {
    pb::Span {
        slot: span.slot,
        tile: span.tile,
        tiles: span.tiles,
        start: span.start.0,
        end: span.end.0,
    }
}

fn span_from_proto(span: &pb::Span) -> Span {
    Span {
        slot: span.slot,
        tile: span.tile,
        tiles: span.tiles,
        start: Instant(span.start),
        end: Instant(span.end),
    }
}

fn stats_to_proto(s: &TaskStats) -> pb::TaskStats {
    let TaskStats {
        tiles,
        wait_ns,
        fetch_ns,
        decode_ns,
        compute_ns,
        send_ns,
        reads,
        stored_bytes,
        decoded_bytes,
        busy_ns,
    } = *s;
    pb::TaskStats {
        tiles,
        wait_ns,
        fetch_ns,
        decode_ns,
        compute_ns,
        send_ns,
        reads,
        stored_bytes,
        decoded_bytes,
        busy_ns,
    }
}

fn stats_from_proto(s: &pb::TaskStats) -> TaskStats {
    let pb::TaskStats {
        tiles,
        wait_ns,
        fetch_ns,
        decode_ns,
        compute_ns,
        send_ns,
        reads,
        stored_bytes,
        decoded_bytes,
        busy_ns,
    } = *s;
    TaskStats {
        tiles,
        wait_ns,
        fetch_ns,
        decode_ns,
        compute_ns,
        send_ns,
        reads,
        stored_bytes,
        decoded_bytes,
        busy_ns,
    }
}

fn heartbeat_to_proto(h: &Heartbeat) -> pb::Heartbeat {
    let running = |(id, tile): &(AssignmentId, Tile)| pb::heartbeat::Running {
        assignment: id.0,
        tile: tile.0,
    };
    pb::Heartbeat {
        busy: h.busy,
        queued: h.queued,
        running: h.running.iter().map(running).collect(),
        reserved_bytes: h.reserved_bytes,
        idle_work_ns: h.idle.work_ns,
        idle_fetch_ns: h.idle.fetch_ns,
        idle_memory_ns: h.idle.memory_ns,
        resident_bytes: h.resident_bytes,
        cpu_ns: h.cpu_ns,
    }
}

fn heartbeat_from_proto(h: pb::Heartbeat) -> Heartbeat {
    Heartbeat {
        busy: h.busy,
        queued: h.queued,
        running: h
            .running
            .iter()
            .map(|r| (AssignmentId(r.assignment), Tile(r.tile)))
            .collect(),
        reserved_bytes: h.reserved_bytes,
        idle: IdleTimes {
            work_ns: h.idle_work_ns,
            fetch_ns: h.idle_fetch_ns,
            memory_ns: h.idle_memory_ns,
        },
        resident_bytes: h.resident_bytes,
        cpu_ns: h.cpu_ns,
    }
}

fn kind_to_proto(kind: ErrorKind) -> pb::ErrorKind {
    match kind {
        ErrorKind::Store => pb::ErrorKind::Store,
        ErrorKind::Array => pb::ErrorKind::Array,
        ErrorKind::Chunk => pb::ErrorKind::Chunk,
        ErrorKind::Memory => pb::ErrorKind::Memory,
        ErrorKind::Compute => pb::ErrorKind::Compute,
        ErrorKind::WorkersLost => pb::ErrorKind::WorkersLost,
        ErrorKind::Internal => pb::ErrorKind::Internal,
    }
}

fn kind_from_proto(value: i32) -> Result<ErrorKind, ConvertError> {
    match pb::ErrorKind::try_from(value) {
        Ok(pb::ErrorKind::Store) => Ok(ErrorKind::Store),
        Ok(pb::ErrorKind::Array) => Ok(ErrorKind::Array),
        Ok(pb::ErrorKind::Chunk) => Ok(ErrorKind::Chunk),
        Ok(pb::ErrorKind::Memory) => Ok(ErrorKind::Memory),
        Ok(pb::ErrorKind::Compute) => Ok(ErrorKind::Compute),
        Ok(pb::ErrorKind::WorkersLost) => Ok(ErrorKind::WorkersLost),
        Ok(pb::ErrorKind::Internal) => Ok(ErrorKind::Internal),
        Ok(pb::ErrorKind::Unspecified) | Err(_) => Err(ConvertError::Unknown {
            what: "kind of error",
            value,
        }),
    }
}

#[cfg(test)]
mod tests;
