//! Which reductions end a stage, and which results share one.
//!
//! A reduction that other operations use is a *barrier* if its result is small: it ends a stage, and its result
//! travels inline with the next. A large one is *local*: it is computed inside each task of the stage that uses
//! it. Results are grouped by how many barriers lie before them and by the domain of their last pass.

use super::{Limits, array_bytes, output_id};
use crate::plan::{Dim, Meta, NodeId, Op, OutputId, Plan};
use crate::stage::{InlineId, StageId};

/// Dims with their sizes.
pub(super) type Domain = Vec<(Dim, u64)>;

/// A reduction that ends a stage.
pub(super) struct Barrier {
    pub(super) node: NodeId,
    pub(super) stage: StageId,
}

/// A result of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Root {
    pub(super) node: NodeId,
    pub(super) outputs: Vec<OutputId>,
    pub(super) inline: Option<InlineId>,
}

/// The stages' results, stage by stage, and the reductions that connect them.
pub(super) struct Partition {
    pub(super) stages: Vec<Vec<Root>>,
    /// By [`InlineId`].
    pub(super) barriers: Vec<Barrier>,
}

impl Partition {
    /// The inline array that holds the result of a node, if the node is a barrier.
    pub(super) fn barrier(&self, node: NodeId) -> Option<InlineId> {
        self.barriers
            .iter()
            .position(|b| b.node == node)
            .map(|i| InlineId(i as u32))
    }
}

pub(super) fn partition(plan: &Plan, metas: &[Meta], limits: Limits) -> Partition {
    let is_reduce = |n: NodeId| matches!(plan.nodes[n.0 as usize].op, Op::Reduce { .. });
    let small = |n: NodeId| {
        let meta = &metas[n.0 as usize];
        array_bytes(&meta.shape, meta.dtype) <= limits.inline_result_bytes
    };
    let mut barriers: Vec<NodeId> = plan
        .nodes
        .iter()
        .flat_map(|n| n.inputs.iter().copied())
        .collect();
    barriers.retain(|n| is_reduce(*n) && small(*n));
    barriers.sort_unstable();
    barriers.dedup();

    let mut level = vec![0u32; plan.nodes.len()];
    for (i, node) in plan.nodes.iter().enumerate() {
        let available = |n: &NodeId| level[n.0 as usize] + u32::from(barriers.contains(n));
        level[i] = node.inputs.iter().map(available).max().unwrap_or(0);
    }

    let mut roots: Vec<Root> = Vec::new();
    let root = |roots: &mut Vec<Root>, node| match roots.iter().position(|r: &Root| r.node == node)
    {
        Some(i) => i,
        None => {
            roots.push(Root {
                node,
                outputs: Vec::new(),
                inline: None,
            });
            roots.len() - 1
        }
    };
    for (i, node) in barriers.iter().enumerate() {
        let r = root(&mut roots, *node);
        roots[r].inline = Some(InlineId(i as u32));
    }
    for (i, output) in plan.outputs.iter().enumerate() {
        let r = root(&mut roots, output.node);
        roots[r].outputs.push(output_id(i));
    }

    let mut groups: Vec<(u32, Domain, Vec<Root>)> = Vec::new();
    for root in roots {
        let key = (level[root.node.0 as usize], domain(plan, metas, root.node));
        match groups.iter_mut().find(|g| g.0 == key.0 && g.1 == key.1) {
            Some(g) => g.2.push(root),
            None => groups.push((key.0, key.1, vec![root])),
        }
    }
    groups.sort_by_key(|g| g.0);
    let stage_of = |node: NodeId| {
        groups
            .iter()
            .position(|g| g.2.iter().any(|r| r.node == node))
    };
    let barriers = barriers
        .iter()
        .map(|n| Barrier {
            node: *n,
            stage: StageId(stage_of(*n).unwrap_or(0) as u32),
        })
        .collect();
    Partition {
        barriers,
        stages: groups.into_iter().map(|g| g.2).collect(),
    }
}

/// The dims and sizes over which the last pass of a result runs.
pub(super) fn domain(plan: &Plan, metas: &[Meta], node: NodeId) -> Domain {
    let n = &plan.nodes[node.0 as usize];
    let of = if matches!(n.op, Op::Reduce { .. }) {
        n.inputs[0]
    } else {
        node
    };
    let meta = &metas[of.0 as usize];
    meta.dims
        .iter()
        .cloned()
        .zip(meta.shape.iter().copied())
        .collect()
}
