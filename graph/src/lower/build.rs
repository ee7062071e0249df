//! Builds a stage: its passes in order, their sinks, and the tile grid over them.

use super::emit::{ArrayRef, Emitter};
use super::partition::{Domain, Partition, Root, domain};
use super::{Budget, Limits, LowerError, memory, tile};
use crate::grid::Axis;
use crate::plan::{Dim, Labels, Meta, NodeId, Op, Plan};
use crate::reduce::{ReduceOp, State};
use crate::stage::{
    AxisView, DomainDim, Groups, InlineArray, InlineId, InlineValues, LocalArray, LocalId, Origin,
    Pass, ReduceSink, Sink, SinkResult, Stage, StageId, Target, TileCost,
};
use std::collections::{BTreeSet, HashMap};

/// What building a stage looks at.
pub(super) struct Context<'a> {
    pub(super) plan: &'a Plan,
    pub(super) metas: &'a [Meta],
    pub(super) partition: &'a Partition,
    pub(super) known: &'a [(NodeId, InlineId)],
    pub(super) inlines: &'a [InlineArray],
    pub(super) budget: &'a Budget,
    pub(super) limits: Limits,
}

/// One pass before the tile grid is known.
struct Draft<'a> {
    emitter: Emitter<'a>,
    sinks: Vec<Sink>,
}

/// Builds stage number `number` with these results.
pub(super) fn stage(
    cx: &Context<'_>,
    roots: &[Root],
    number: usize,
    notes: &mut Vec<String>,
) -> Result<Stage, LowerError> {
    let schedule = Schedule::new(cx, roots);
    let arrays = schedule.arrays(cx);
    let mut drafts: Vec<Draft<'_>> = Vec::new();
    for group in &schedule.passes {
        let domain = domain(cx.plan, cx.metas, group[0].node);
        let emitter = Emitter::new(cx.plan, cx.metas, &arrays, domain);
        let mut draft = Draft {
            emitter,
            sinks: Vec::new(),
        };
        for item in group {
            draft.add(cx, &schedule, item);
        }
        drafts.push(draft);
    }
    let mut whole = must_be_whole(cx, &schedule, &drafts);
    if !schedule.locals.is_empty() {
        let dims: Vec<&str> = whole.iter().map(|d| &**d).collect();
        notes.push(format!(
            "stage {number}: {} passes a task, tiles span {}",
            drafts.len(),
            dims.join(", ")
        ));
    }
    let stage = loop {
        let stage = with_tiles(cx, &schedule, &drafts, &whole);
        let Some(dims) = tile::with_large_partials(&stage, cx.limits) else {
            break stage;
        };
        // Partials of this size do not travel, so the reductions must end inside the tiles.
        notes.push(format!(
            "stage {number}: tiles span {}, so that reductions end inside them",
            dims.join(", ")
        ));
        whole.extend(dims);
    };
    let stage = tile::join_small(cx, stage, number, notes);
    memory::fits(cx, &stage)?;
    Ok(stage)
}

/// A thing that a pass computes.
struct Item {
    node: NodeId,
    root: Option<Root>,
}

/// Which items are computed in which pass.
struct Schedule {
    passes: Vec<Vec<Item>>,
    /// By [`LocalId`]: the node, and the pass that computes it.
    locals: Vec<(NodeId, usize)>,
}

impl Schedule {
    fn new(cx: &Context<'_>, roots: &[Root]) -> Schedule {
        let mut depth: HashMap<NodeId, u32> = HashMap::new();
        let last = roots
            .iter()
            .map(|r| depth_of(cx, r.node, true, &mut depth))
            .max()
            .unwrap_or(0);
        let mut local: Vec<(u32, NodeId)> = depth.iter().map(|(n, d)| (*d, *n)).collect();
        local.sort_unstable();
        let mut groups: Vec<(u32, Domain, Vec<Item>)> = Vec::new();
        let roots = roots.iter().map(|r| (last, r.node, Some(r.clone())));
        for (depth, node, root) in local.into_iter().map(|(d, n)| (d, n, None)).chain(roots) {
            let key = domain(cx.plan, cx.metas, node);
            let item = Item { node, root };
            match groups.iter_mut().find(|g| g.0 == depth && g.1 == key) {
                Some(g) => g.2.push(item),
                None => groups.push((depth, key, vec![item])),
            }
        }
        groups.sort_by_key(|g| g.0);
        let passes: Vec<Vec<Item>> = groups.into_iter().map(|g| g.2).collect();
        let mut locals = Vec::new();
        for (p, items) in passes.iter().enumerate() {
            locals.extend(
                items
                    .iter()
                    .filter(|i| i.root.is_none())
                    .map(|i| (i.node, p)),
            );
        }
        Schedule { passes, locals }
    }

    /// The arrays that exist outside of the programs of this stage.
    fn arrays(&self, cx: &Context<'_>) -> HashMap<NodeId, ArrayRef> {
        let barriers = cx.partition.barriers.iter().enumerate();
        barriers
            .map(|(i, b)| (b.node, ArrayRef::Inline(InlineId(i as u32))))
            .chain(cx.known.iter().map(|(n, i)| (*n, ArrayRef::Inline(*i))))
            .chain(
                self.locals
                    .iter()
                    .enumerate()
                    .map(|(l, (n, _))| (*n, ArrayRef::Local(LocalId(l as u32)))),
            )
            .collect()
    }

    fn local(&self, node: NodeId) -> Option<LocalId> {
        self.locals
            .iter()
            .position(|l| l.0 == node)
            .map(|l| LocalId(l as u32))
    }
}

/// How many passes must run before `node`'s value (or, at the top, its reduction) can be computed. Notes the
/// local reductions on the way with theirs.
fn depth_of(cx: &Context<'_>, node: NodeId, top: bool, locals: &mut HashMap<NodeId, u32>) -> u32 {
    let n = &cx.plan.nodes[node.0 as usize];
    let below = |locals: &mut HashMap<NodeId, u32>| {
        n.inputs
            .iter()
            .map(|i| depth_of(cx, *i, false, locals))
            .max()
            .unwrap_or(0)
    };
    if top || !matches!(n.op, Op::Reduce { .. }) {
        return below(locals);
    }
    if cx.partition.barrier(node).is_some() {
        return 0;
    }
    if let Some(depth) = locals.get(&node) {
        return depth + 1;
    }
    let depth = below(locals);
    locals.insert(node, depth);
    depth + 1
}

impl Draft<'_> {
    fn add(&mut self, cx: &Context<'_>, schedule: &Schedule, item: &Item) {
        let node = &cx.plan.nodes[item.node.0 as usize];
        let Op::Reduce {
            op,
            dims,
            skipna,
            labels,
        } = &node.op
        else {
            let value = self.emitter.value(item.node);
            let outputs = item.root.iter().flat_map(|r| &r.outputs);
            self.sinks.extend(outputs.map(|output| Sink::Emit {
                value,
                output: *output,
            }));
            return;
        };
        let dtype = cx.metas[item.node.0 as usize].dtype;
        let targets: Vec<Target> = match (&item.root, schedule.local(item.node)) {
            (Some(root), _) => {
                let outputs = root.outputs.iter().map(|o| Target::Output(*o));
                outputs.chain(root.inline.map(Target::Inline)).collect()
            }
            (None, local) => local.map(Target::Local).into_iter().collect(),
        };
        let value = self.emitter.value(node.inputs[0]);
        let domain = &self.emitter.domain;
        let lane = self.emitter.program.dtype(value).lane();
        let sink = ReduceSink {
            value,
            // xarray's count leaves missing values out whatever else is asked for.
            state: State::for_ops(lane, *skipna || *op == ReduceOp::Count, &[*op]),
            kept: (0..domain.len())
                .filter(|d| !dims.contains(&domain[*d].0))
                .collect(),
            groups: labels.as_ref().map(|l| groups(l, domain)),
            results: targets
                .into_iter()
                .map(|target| SinkResult {
                    op: *op,
                    dtype,
                    target,
                })
                .collect(),
        };
        self.share(sink);
    }

    /// Adds the sink's results to one that keeps the same cells of the same values, if there is one.
    fn share(&mut self, sink: ReduceSink) {
        let same = |s: &ReduceSink| {
            s.value == sink.value
                && s.kept == sink.kept
                && s.groups == sink.groups
                && s.state.skipna == sink.state.skipna
                && s.is_local() == sink.is_local()
        };
        let found = self.sinks.iter_mut().find_map(|s| match s {
            Sink::Reduce(s) if same(s) => Some(s),
            _ => None,
        });
        let Some(shared) = found else {
            self.sinks.push(Sink::Reduce(sink));
            return;
        };
        shared.results.extend(sink.results);
        let ops: Vec<ReduceOp> = shared.results.iter().map(|r| r.op).collect();
        shared.state = State::for_ops(shared.state.lane, shared.state.skipna, &ops);
    }
}

fn groups(labels: &Labels, domain: &[(Dim, u64)]) -> Groups {
    let mut start = 0;
    let starts = labels.runs.iter().filter(|r| r.1 > 0).map(|(group, len)| {
        start += len;
        (start - len, *group)
    });
    Groups {
        starts: starts.collect(),
        dim: domain.iter().position(|d| d.0 == labels.dim).unwrap_or(0),
        count: labels.groups,
    }
}

/// The dims that no tile may cut: those that a local reduction reduces, groups, dims of no elements (a grid
/// over them would have no tiles, and then nobody would say that a sum of nothing is 0), dims whose size is not
/// the same in all passes, and dims in which a pass reads a local array otherwise than element by element.
fn must_be_whole(cx: &Context<'_>, schedule: &Schedule, drafts: &[Draft<'_>]) -> BTreeSet<Dim> {
    let mut whole = BTreeSet::new();
    for (node, _) in &schedule.locals {
        if let Op::Reduce { dims, labels, .. } = &cx.plan.nodes[node.0 as usize].op {
            whole.extend(dims.iter().cloned());
            whole.extend(labels.iter().map(|l| l.group_dim.clone()));
        }
    }
    let mut sizes: HashMap<&Dim, u64> = HashMap::new();
    for (dim, size) in drafts.iter().flat_map(|d| &d.emitter.domain) {
        if *size == 0 || *sizes.entry(dim).or_insert(*size) != *size {
            whole.insert(dim.clone());
        }
    }
    for draft in drafts {
        for input in &draft.emitter.inputs {
            let Origin::Local(local) = input.origin else {
                continue;
            };
            let dims = &cx.metas[schedule.locals[local.0 as usize].0.0 as usize].dims;
            for (name, view) in dims.iter().zip(&input.axes) {
                let same = matches!(view, AxisView::Along { dim, start: 0, step: 1 }
                    if draft.emitter.domain[*dim].0 == *name);
                if !same {
                    whole.insert(name.clone());
                }
            }
        }
    }
    whole
}

/// The stage with its tile grid.
fn with_tiles(
    cx: &Context<'_>,
    schedule: &Schedule,
    drafts: &[Draft<'_>],
    whole: &BTreeSet<Dim>,
) -> Stage {
    let last = drafts.last().map_or(&[][..], |d| &d.emitter.domain[..]);
    let cut = last.iter().filter(|(d, _)| !whole.contains(d));
    let dims: Vec<_> = cut
        .map(|(name, len)| {
            let cuts = drafts.iter().flat_map(|d| {
                let at = d.emitter.domain.iter().position(|x| x.0 == *name);
                at.map_or(&[][..], |at| &d.emitter.cuts[at][..])
            });
            let asked = cx.budget.chunks.iter().find(|c| c.0 == *name).map(|c| c.1);
            tile::dim(name, *len, cuts, asked)
        })
        .collect();
    let place = |name: &Dim| dims.iter().position(|d| d.name == *name);
    let domain = |e: &Emitter<'_>| -> Vec<DomainDim> {
        let dim = |(i, (name, len)): (usize, &(Dim, u64))| DomainDim {
            name: name.clone(),
            len: *len,
            stage_dim: place(name),
            cells: e.cuts[i]
                .iter()
                .fold(Axis::whole(*len), |all, cut| all.refine(cut)),
        };
        e.domain.iter().enumerate().map(dim).collect()
    };
    let passes: Vec<Pass> = drafts
        .iter()
        .map(|d| Pass {
            domain: domain(&d.emitter),
            inputs: d.emitter.inputs.clone(),
            program: d.emitter.program.clone(),
            sinks: d.sinks.clone(),
        })
        .collect();
    let local = |(node, _): &(NodeId, usize)| {
        let meta = &cx.metas[node.0 as usize];
        let dim = |(name, len): (&Dim, &u64)| DomainDim {
            name: name.clone(),
            len: *len,
            stage_dim: place(name),
            cells: Axis::whole(*len),
        };
        LocalArray {
            dtype: meta.dtype,
            dims: meta.dims.iter().zip(&meta.shape).map(dim).collect(),
        }
    };
    let locals = schedule.locals.iter().map(local).collect();
    let mut stage = Stage {
        dims,
        locals,
        after: after(cx, &passes),
        passes,
        peak_bytes: 0,
        tile_cost: TileCost::default(),
    };
    memory::measure(cx, &mut stage);
    stage
}

/// The stages whose results the passes read.
fn after(cx: &Context<'_>, passes: &[Pass]) -> Vec<StageId> {
    let mut stages = BTreeSet::new();
    for input in passes.iter().flat_map(|p| &p.inputs) {
        if let Origin::Inline(i) = input.origin
            && let InlineValues::From(stage) = cx.inlines[i.0 as usize].values
        {
            stages.insert(stage);
        }
    }
    stages.into_iter().collect()
}
