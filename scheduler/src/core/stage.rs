//! A stage of a job: which of its tiles are where, and what waits in its merge trees.

use super::ids::Instant;
use super::progress::Cells;
use super::ranges::{RangeSet, Tally};
use dasklike_graph::protocol::{SinkId, TaskStats};
use dasklike_graph::stage::{InlineArray, InlineId, InlineValues, Origin, Sink, Stage};
use dasklike_graph::tree::PartialTree;

/// Where a stage stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It waits for other stages.
    Blocked,
    /// Its tiles can run.
    Running,
    /// All tiles are committed.
    Done,
}

#[derive(Clone, Debug)]
pub(crate) struct StageRun {
    pub(crate) phase: Phase,
    pub(crate) op: OpKind,
    pub(crate) tiles: u64,
    pub(crate) unassigned: RangeSet,
    /// Tiles that workers have and have not committed.
    pub(crate) assigned: u64,
    pub(crate) done: u64,
    pub(crate) cells: Cells,
    pub(crate) trees: Vec<SinkTree>,
    /// Arrays of earlier stages that its tiles read.
    pub(crate) reads: Vec<InlineId>,
    /// The estimate for one tile on a slot.
    pub(crate) tile_ns: u64,
    measured: bool,
    /// Deaths of workers that its tiles are blamed for.
    pub(crate) deaths: Tally,
    pub(crate) stats: TaskStats,
    /// The part of `stats` that an earlier scheduler had seen.
    pub(crate) restored: TaskStats,
    pub(crate) started: Option<Instant>,
    pub(crate) ended: Option<Instant>,
}

#[derive(Clone, Debug)]
pub(crate) struct SinkTree {
    pub(crate) sink: SinkId,
    pub(crate) leaves: u64,
    pub(crate) output_tiles: u64,
    pub(crate) tree: PartialTree,
}

/// What a stage's tasks are, as metrics name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OpKind {
    /// Its passes end in reductions only.
    Reduce,
    /// Its passes emit blocks, and may reduce as well.
    Emit,
}

impl OpKind {
    /// The metric's label.
    pub const fn name(self) -> &'static str {
        match self {
            OpKind::Reduce => "reduce",
            OpKind::Emit => "emit",
        }
    }
}

impl StageRun {
    pub(crate) fn new(stage: &Stage, inlines: &[InlineArray]) -> StageRun {
        let tiles = stage.tile_count();
        let sinks = || stage.passes.iter().flat_map(|p| &p.sinks);
        let emits = sinks().any(|s| matches!(s, Sink::Emit { .. }));
        let cost = &stage.tile_cost;
        StageRun {
            phase: Phase::Blocked,
            op: if emits { OpKind::Emit } else { OpKind::Reduce },
            tiles,
            unassigned: RangeSet::from_range(0..tiles),
            assigned: 0,
            done: 0,
            cells: Cells::new(tiles),
            trees: sink_trees(stage),
            reads: reads(stage, inlines),
            // Until tiles are measured: a fixed cost, then decoding and evaluating at about 1 GB/s.
            tile_ns: 10_000 + cost.reads * 20_000 + cost.decoded_bytes + cost.elements,
            measured: false,
            deaths: Tally::default(),
            stats: TaskStats::default(),
            restored: TaskStats::default(),
            started: None,
            ended: None,
        }
    }

    /// Learns from committed tiles how long one takes.
    pub(crate) fn measure(&mut self, stats: &TaskStats) {
        self.stats.add(stats);
        if stats.tiles == 0 {
            return;
        }
        let seen = (stats.busy_ns / stats.tiles).max(100);
        if !std::mem::replace(&mut self.measured, true) {
            self.tile_ns = seen;
            return;
        }
        // Many tiles weigh more than one, and no report more than half.
        let weight = stats.tiles.min(16);
        self.tile_ns = (self.tile_ns * (32 - weight) + seen * weight) / 32;
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.done == self.tiles
    }

    /// Frees what only a running stage needs.
    pub(crate) fn release(&mut self) {
        self.unassigned = RangeSet::default();
        self.trees = Vec::new();
        self.deaths = Tally::default();
    }
}

fn sink_trees(stage: &Stage) -> Vec<SinkTree> {
    let mut trees = Vec::new();
    for (p, pass) in stage.passes.iter().enumerate() {
        for (s, sink) in pass.sinks.iter().enumerate() {
            let Sink::Reduce(reduce) = sink else { continue };
            if reduce.is_local() {
                continue;
            }
            let output_tiles = stage.output_tiles(pass, reduce);
            trees.push(SinkTree {
                sink: SinkId {
                    pass: p as u32,
                    sink: s as u32,
                },
                leaves: stage.tile_count().checked_div(output_tiles).unwrap_or(0),
                output_tiles,
                tree: PartialTree::default(),
            });
        }
    }
    trees
}

fn reads(stage: &Stage, inlines: &[InlineArray]) -> Vec<InlineId> {
    let inputs = stage.passes.iter().flat_map(|p| &p.inputs);
    let mut reads: Vec<InlineId> = inputs
        .filter_map(|input| match input.origin {
            Origin::Inline(id) => Some(id),
            Origin::Stored(_) | Origin::Local(_) => None,
        })
        .filter(|id| {
            matches!(
                inlines.get(id.0 as usize).map(|i| &i.values),
                Some(InlineValues::From(_))
            )
        })
        .collect();
    reads.sort_unstable();
    reads.dedup();
    reads
}
