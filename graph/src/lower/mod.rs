//! Lowering: from a plan to stages. [`simplify`] pushes selections down to the reads, [`partition`] says which
//! reductions end a stage, [`emit`] fuses expressions into programs, [`build`] makes passes and sinks,
//! [`tile`] cuts the domain and [`memory`] proves that a task fits.

mod build;
mod emit;
pub mod memory;
mod partition;
mod simplify;
mod tile;

#[cfg(test)]
mod tests;

use crate::dtype::DType;
use crate::plan::{Dim, NodeId, Op, OutputId, Plan, PlanError};
use crate::stage::{InlineArray, InlineValues, Lowered, OutputMeta};
use std::sync::Arc;

/// The sizes at which lowering decides one way or the other. They are part of what a plan version means:
/// everybody who lowers a plan uses [`Limits::default`]; only tests try others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of a reduction's result that travels from one stage to the next with its assignments.
    pub inline_result_bytes: u64,
    /// The most bytes of a partial that is sent to the scheduler. A reduction with larger ones is finished
    /// inside its tasks, whose tiles then span the reduced dims.
    pub partial_bytes: u64,
    /// Tiles with fewer decoded bytes are joined: below this, the fixed cost of a task begins to show.
    pub tile_bytes: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            inline_result_bytes: 64 << 10,
            partial_bytes: 64 << 10,
            tile_bytes: 512 << 10,
        }
    }
}

/// What lowering must fit into. The same plan and budget give the same stages everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The most bytes that one task may hold at once.
    pub task_bytes: u64,
    /// Tile sizes the user asked for, by dim; the planner chooses for the others.
    pub chunks: Vec<(Dim, u64)>,
}

/// Why a plan has no stages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum LowerError {
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error("a task of this plan needs {needed} bytes and may hold {allowed}: {help}")]
    Memory {
        needed: u64,
        allowed: u64,
        help: String,
    },
}

/// Lowers a plan with the limits that everybody uses. The notes of the result say what was pushed down, shared, joined or refused to be cut.
pub fn lower(plan: &Plan, budget: &Budget) -> Result<Lowered, LowerError> {
    lower_with(plan, budget, Limits::default())
}

/// Lowers a plan with limits of the caller's choice.
pub fn lower_with(plan: &Plan, budget: &Budget, limits: Limits) -> Result<Lowered, LowerError> {
    let given = crate::plan::check(plan)?;
    let outputs = plan.outputs.iter().map(|o| {
        let meta = &given[o.node.0 as usize];
        OutputMeta {
            name: o.name.clone(),
            dtype: meta.dtype,
            dims: meta.dims.clone(),
            shape: meta.shape.clone(),
        }
    });
    let mut notes = Vec::new();
    let simple = simplify::simplify(plan, &given, &mut notes)?;
    let metas = crate::plan::check(&simple)?;
    let partition = partition::partition(&simple, &metas, limits);
    let mut lowered = Lowered {
        stages: Vec::new(),
        inlines: Vec::new(),
        outputs: outputs.collect(),
        notes,
    };
    for barrier in &partition.barriers {
        let meta = &metas[barrier.node.0 as usize];
        lowered.inlines.push(InlineArray {
            dtype: meta.dtype,
            shape: meta.shape.clone(),
            values: InlineValues::From(barrier.stage),
        });
    }
    let known = known_inlines(&simple, &mut lowered.inlines);
    for (i, roots) in partition.stages.iter().enumerate() {
        let context = build::Context {
            plan: &simple,
            metas: &metas,
            partition: &partition,
            known: &known,
            inlines: &lowered.inlines,
            budget,
            limits,
        };
        let stage = build::stage(&context, roots, i, &mut lowered.notes)?;
        lowered.stages.push(stage);
    }
    Ok(lowered)
}

/// The arrays that travel in the plan itself, by the node that brings them.
fn known_inlines(
    plan: &Plan,
    inlines: &mut Vec<InlineArray>,
) -> Vec<(NodeId, crate::stage::InlineId)> {
    let mut known = Vec::new();
    for (i, node) in plan.nodes.iter().enumerate() {
        if let Op::Inline {
            dtype,
            shape,
            bytes,
            ..
        } = &node.op
        {
            known.push((
                NodeId(i as u32),
                crate::stage::InlineId(inlines.len() as u32),
            ));
            inlines.push(InlineArray {
                dtype: *dtype,
                shape: shape.clone(),
                values: InlineValues::Known(Arc::clone(bytes)),
            });
        }
    }
    known
}

/// The number of an output in the plan.
fn output_id(i: usize) -> OutputId {
    OutputId(i as u32)
}

/// Bytes of an array of these sizes.
fn array_bytes(shape: &[u64], dtype: DType) -> u64 {
    shape.iter().product::<u64>() * dtype.size() as u64
}
