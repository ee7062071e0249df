//! Records as bytes.

use crate::core::event::Order;
use crate::core::ids::JobId;
use crate::core::journal::Record;
use dasklike_graph::lower::{LowerError, lower};
use dasklike_graph::protocol::{Block, JobSpec};
use dasklike_graph::stage::Lowered;
use dasklike_proto_engine::convert::{
    ConvertError, block_from_proto, block_to_proto, budget_from_proto, budget_to_proto,
    commit_from_proto, commit_to_proto, plan_from_proto, plan_to_proto, pool_from_proto,
};
use dasklike_proto_engine::pb::{self, journal_record::Record as Kind};
use prost::Message;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// Why a record cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum RecordError {
    #[error("it is no message: {0}")]
    Decode(#[from] prost::DecodeError),
    #[error(transparent)]
    Convert(#[from] ConvertError),
    #[error(transparent)]
    Lower(#[from] LowerError),
    #[error("a record of another kind was expected")]
    Kind,
}

/// The first record of a file.
pub(super) struct Begun {
    pub(super) job: JobId,
    pub(super) order: Order,
    /// Whether the plan was lowered to these stages when the records after it were made.
    pub(super) same_stages: bool,
}

/// About how many bytes it takes in memory.
pub(super) fn bytes(record: &Record) -> u64 {
    let block = |b: &Block| b.bytes.len() as u64;
    1024 + match record {
        Record::Begun(_) => 0,
        Record::Pushed(b) => block(b),
        Record::Done(commit) => {
            let nodes = commit
                .nodes
                .iter()
                .map(|n| 64 + 8 * n.partial.words.len() as u64);
            nodes.sum::<u64>() + commit.blocks.iter().map(block).sum::<u64>()
        }
    }
}

pub(super) fn encode(job: JobId, record: &Record) -> Vec<u8> {
    let kind = match record {
        Record::Begun(order) => Kind::Begun(begun_to_proto(job, order)),
        Record::Pushed(block) => Kind::Pushed(block_to_proto(block)),
        Record::Done(commit) => Kind::Done(commit_to_proto(commit)),
    };
    pb::JournalRecord { record: Some(kind) }.encode_to_vec()
}

pub(super) fn decode_begun(bytes: &[u8]) -> Result<Begun, RecordError> {
    let Some(Kind::Begun(begun)) = pb::JournalRecord::decode(bytes)?.record else {
        return Err(RecordError::Kind);
    };
    let plan = plan_from_proto(begun.plan.ok_or(RecordError::Kind)?)?;
    let budget = budget_from_proto(begun.budget.ok_or(RecordError::Kind)?);
    let lowered = lower(&plan, &budget)?;
    Ok(Begun {
        job: JobId(begun.job),
        same_stages: fingerprint(&lowered) == begun.stages_fingerprint,
        order: Order {
            name: Some(begun.name),
            pool: pool_from_proto(&begun.pool)?,
            spec: Arc::new(JobSpec { plan, budget }),
            lowered: Arc::new(lowered),
            max_range: Some(begun.max_range).filter(|n| *n > 0),
        },
    })
}

/// A record after the first.
pub(super) fn decode(bytes: &[u8]) -> Result<Record, RecordError> {
    match pb::JournalRecord::decode(bytes)?.record {
        Some(Kind::Pushed(block)) => Ok(Record::Pushed(block_from_proto(block)?)),
        Some(Kind::Done(commit)) => Ok(Record::Done(commit_from_proto(commit)?)),
        Some(Kind::Begun(_)) | None => Err(RecordError::Kind),
    }
}

fn begun_to_proto(job: JobId, order: &Order) -> pb::JournalBegun {
    pb::JournalBegun {
        job: job.0,
        name: order.name.clone().unwrap_or_default(),
        pool: order.pool.to_string(),
        plan: Some(plan_to_proto(&order.spec.plan)),
        budget: Some(budget_to_proto(&order.spec.budget)),
        max_range: order.max_range.unwrap_or(0),
        stages_fingerprint: fingerprint(&order.lowered),
    }
}

/// Another number for other stages. Another toolchain may give another number too, which costs work and nothing else.
fn fingerprint(lowered: &Lowered) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{lowered:?}").hash(&mut hasher);
    hasher.finish()
}
