//! Stages: what lowering makes of a plan, and the arithmetic of their tiles.
//!
//! A stage has a grid of tiles over its dims; a task is one tile of one stage. Within a tile the passes run one
//! after another: each evaluates one fused program over its domain and feeds sinks. A later pass may read what
//! an earlier one of the same tile left (a reduction whose reduced dims lie whole in every tile); a later stage
//! may read an earlier stage's result where that is small enough to travel inline.

use crate::dtype::DType;
use crate::grid::{Axis, block_count, block_index};
use crate::plan::{Dim, OutputId, SourceId};
use crate::program::{Program, Value};
use crate::reduce::{ReduceOp, State};
use std::ops::Range;
use std::sync::Arc;

/// A stage's number in its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StageId(pub u32);

/// A tile's number in its stage, in C order of the stage's grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tile(pub u64);

/// An array that one stage leaves for later ones, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InlineId(pub u32);

/// An array that a pass leaves for later passes of the same tile, by number in its stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LocalId(pub u32);

/// All stages of a plan, in an order in which each depends on earlier ones only.
#[derive(Clone, Debug, PartialEq)]
pub struct Lowered {
    /// The stages.
    pub stages: Vec<Stage>,
    /// Arrays that travel with the plan or from stage to stage, by [`InlineId`].
    pub inlines: Vec<InlineArray>,
    /// The plan's outputs: what arrives at the client.
    pub outputs: Vec<OutputMeta>,
    /// What lowering did, in words a person reads in EXPLAIN.
    pub notes: Vec<String>,
}

/// An output's description.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct OutputMeta {
    pub name: String,
    pub dtype: DType,
    pub dims: Vec<Dim>,
    pub shape: Vec<u64>,
}

/// An array small enough to travel whole.
#[derive(Clone, Debug, PartialEq)]
pub struct InlineArray {
    /// The dtype.
    pub dtype: DType,
    /// Elements along each axis.
    pub shape: Vec<u64>,
    /// Little-endian elements in C order: known already, or left by a stage.
    pub values: InlineValues,
}

/// Where the values of an [`InlineArray`] come from.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum InlineValues {
    Known(Arc<[u8]>),
    From(StageId),
}

/// One stage.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// The dims of the tile grid and their cuts.
    pub dims: Vec<StageDim>,
    /// The passes, in order.
    pub passes: Vec<Pass>,
    /// Arrays that passes leave for later passes of the tile.
    pub locals: Vec<LocalArray>,
    /// Earlier stages that must be complete before this one starts.
    pub after: Vec<StageId>,
    /// The most bytes that one task holds at once.
    pub peak_bytes: u64,
    /// An estimate of what a tile reads.
    pub tile_cost: TileCost,
}

/// An estimate of one tile's work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TileCost {
    /// Chunks read.
    pub reads: u64,
    /// Bytes after decoding.
    pub decoded_bytes: u64,
    /// The most bytes before decoding.
    pub encoded_bytes: u64,
    /// The most bytes that asking a mask first takes, before the other chunks are fetched; 0 where none can be asked.
    pub asking_bytes: u64,
    /// Elements evaluated, all passes together.
    pub elements: u64,
}

/// A dim of a stage's tile grid.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct StageDim {
    pub name: Dim,
    pub tiles: Axis,
}

/// The domain of a local array: like a pass' domain, but only kept dims and whole group dims.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct LocalArray {
    pub dtype: DType,
    pub dims: Vec<DomainDim>,
}

/// One dim of a pass' domain.
#[derive(Clone, Debug, PartialEq)]
pub struct DomainDim {
    /// Its name.
    pub name: Dim,
    /// Elements in the whole domain, over all tiles.
    pub len: u64,
    /// The stage's dim whose tiles cut this one; a dim that no tile cuts lies whole in every tile.
    pub stage_dim: Option<usize>,
    /// The cuts of all inputs: within one part, each input lies within one chunk.
    pub cells: Axis,
}

/// A program over a domain.
#[derive(Clone, Debug, PartialEq)]
pub struct Pass {
    /// The dims, outermost first; elements are visited in C order, cell by cell.
    pub domain: Vec<DomainDim>,
    /// What [`crate::program::Instr::Load`] loads.
    pub inputs: Vec<Input>,
    /// The expression.
    pub program: Program,
    /// Where its values go.
    pub sinks: Vec<Sink>,
}

/// An array as a pass sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Where it comes from.
    pub origin: Origin,
    /// The dtype of its elements.
    pub dtype: DType,
    /// For each axis of the origin, which element the domain's element needs.
    pub axes: Vec<AxisView>,
}

/// Where an input's elements come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Chunks of a stored array.
    Stored(SourceId),
    /// An array that travelled whole.
    Inline(InlineId),
    /// What an earlier pass of this tile left: its axes are the local's dims, counted from the tile's start.
    Local(LocalId),
}

/// How one axis of an input follows the domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AxisView {
    /// Always the same element.
    Fixed(u64),
    /// Element `start + step * i` for element `i` of the domain's dim of that number. For a local axis that is
    /// cut by tiles, `start` is 0 and `step` is 1.
    Along {
        /// The domain's dim.
        dim: usize,
        /// The element for the domain's first.
        start: u64,
        /// Never 0.
        step: i64,
    },
}

/// Where a pass' value goes.
#[derive(Clone, Debug, PartialEq)]
pub enum Sink {
    /// Every element is a result: the tile's part of the domain is a block of the output.
    Emit {
        /// The value.
        value: Value,
        /// The output, whose dims are the domain's.
        output: OutputId,
    },
    /// The elements are reduced.
    Reduce(ReduceSink),
}

/// A reduction at the end of a pass.
#[derive(Clone, Debug, PartialEq)]
pub struct ReduceSink {
    /// The reduced value.
    pub value: Value,
    /// What a cell keeps.
    pub state: State,
    /// The domain's dims that stay, by number, rising.
    pub kept: Vec<usize>,
    /// Groups along one of the reduced dims.
    pub groups: Option<Groups>,
    /// The results that are read off the state.
    pub results: Vec<SinkResult>,
}

/// The groups of a grouped reduction.
#[derive(Clone, Debug, PartialEq)]
pub struct Groups {
    /// The domain's dim along which the labels lie.
    pub dim: usize,
    /// The number of groups.
    pub count: u32,
    /// The group of each run of elements, with the run's first element; `None` is left out.
    pub starts: Arc<[(u64, Option<u32>)]>,
}

/// One statistic of a reduction and where it goes. Its dims are the kept dims in order, with the group dim at
/// the place of the grouped dim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct SinkResult {
    pub op: ReduceOp,
    pub dtype: DType,
    pub target: Target,
}

/// Where a statistic goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// To the client.
    Output(OutputId),
    /// To later stages.
    Inline(InlineId),
    /// To later passes of the tile. All results of such a sink are local.
    Local(LocalId),
}

impl Groups {
    /// The group of element `at` of the dim.
    pub fn group_of(&self, at: u64) -> Option<u32> {
        let i = self.starts.partition_point(|(start, _)| *start <= at);
        i.checked_sub(1).and_then(|i| self.starts[i].1)
    }

    /// The least and greatest group of a range of elements, as `first..end`; empty if there is none.
    pub fn span(&self, range: Range<u64>) -> Range<u32> {
        let from = self
            .starts
            .partition_point(|(start, _)| *start <= range.start)
            .saturating_sub(1);
        let runs = self.starts[from..]
            .iter()
            .take_while(|(start, _)| *start < range.end);
        let (mut first, mut end) = (u32::MAX, 0);
        for group in runs.filter_map(|r| r.1) {
            first = first.min(group);
            end = end.max(group + 1);
        }
        if first < end { first..end } else { 0..0 }
    }
}

impl Stage {
    /// The cuts of the tile grid.
    pub fn axes(&self) -> Vec<Axis> {
        self.dims.iter().map(|d| d.tiles.clone()).collect()
    }

    /// The number of tiles.
    pub fn tile_count(&self) -> u64 {
        block_count(&self.axes())
    }

    /// The part of each of the pass' dims that lies in a tile.
    pub fn region(&self, domain: &[DomainDim], tile: Tile) -> Vec<Range<u64>> {
        let index = block_index(&self.axes(), tile.0);
        let part = |d: &DomainDim| {
            d.stage_dim
                .map_or(0..d.len, |s| self.dims[s].tiles.range(index[s]))
        };
        domain.iter().map(part).collect()
    }

    /// The tile's place in the merge tree of a sink: the output tile, its number among the output tile's
    /// reduced tiles, and how many of those there are.
    pub fn place(&self, pass: &Pass, sink: &ReduceSink, tile: Tile) -> Place {
        let index = block_index(&self.axes(), tile.0);
        let mut place = Place {
            output_tile: 0,
            leaf: 0,
            leaves: 1,
        };
        for (d, dim) in self.dims.iter().enumerate() {
            let kept = sink
                .kept
                .iter()
                .any(|k| pass.domain[*k].stage_dim == Some(d));
            if kept {
                place.output_tile = place.output_tile * dim.tiles.count() + index[d];
            } else {
                place.leaf = place.leaf * dim.tiles.count() + index[d];
                place.leaves *= dim.tiles.count();
            }
        }
        place
    }

    /// The part of each of a sink's result dims that output tile `output_tile` covers, the group dim whole:
    /// where its results lie in the output.
    pub fn output_region(
        &self,
        pass: &Pass,
        sink: &ReduceSink,
        output_tile: u64,
    ) -> Vec<Range<u64>> {
        let kept_axes: Vec<(usize, Axis)> = self
            .dims
            .iter()
            .enumerate()
            .filter(|(d, _)| {
                sink.kept
                    .iter()
                    .any(|k| pass.domain[*k].stage_dim == Some(*d))
            })
            .map(|(d, dim)| (d, dim.tiles.clone()))
            .collect();
        let axes: Vec<Axis> = kept_axes.iter().map(|(_, a)| a.clone()).collect();
        let index = block_index(&axes, output_tile);
        let part = |k: usize| {
            let dim = &pass.domain[k];
            let cut = kept_axes
                .iter()
                .position(|(d, _)| dim.stage_dim == Some(*d));
            cut.map_or(0..dim.len, |i| axes[i].range(index[i]))
        };
        let mut region = Vec::new();
        for k in 0..pass.domain.len() {
            match &sink.groups {
                Some(g) if g.dim == k => region.push(0..g.count as u64),
                _ if sink.kept.contains(&k) => region.push(part(k)),
                _ => {}
            }
        }
        region
    }

    /// The number of output tiles of a sink.
    pub fn output_tiles(&self, pass: &Pass, sink: &ReduceSink) -> u64 {
        let kept = |d: usize| {
            sink.kept
                .iter()
                .any(|k| pass.domain[*k].stage_dim == Some(d))
        };
        self.dims
            .iter()
            .enumerate()
            .filter(|(d, _)| kept(*d))
            .map(|(_, dim)| dim.tiles.count())
            .product()
    }
}

/// See [`Stage::place`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Place {
    pub output_tile: u64,
    pub leaf: u64,
    pub leaves: u64,
}

impl ReduceSink {
    /// Whether the state stays in the tile.
    pub fn is_local(&self) -> bool {
        self.results
            .iter()
            .any(|r| matches!(r.target, Target::Local(_)))
    }

    /// Cells of one group for a region of the pass' domain.
    pub fn cells(&self, region: &[Range<u64>]) -> u64 {
        self.kept
            .iter()
            .map(|k| region[*k].end - region[*k].start)
            .product()
    }

    /// The groups that a region of the pass' domain can touch.
    pub fn group_span(&self, region: &[Range<u64>]) -> Range<u32> {
        self.groups
            .as_ref()
            .map_or(0..1, |g| g.span(region[g.dim].clone()))
    }

    /// The elements of one result, in C order of its dims, from those that [`crate::partial::Partial::finish`]
    /// gave group by group: moves the group dim from the outside to the place of the grouped dim.
    pub fn in_result_order(
        &self,
        by_group: Vec<u8>,
        groups: u64,
        region: &[Range<u64>],
        size: usize,
    ) -> Vec<u8> {
        let Some(g) = &self.groups else {
            return by_group;
        };
        let extent = |k: &usize| region[*k].end - region[*k].start;
        let outer: u64 = self
            .kept
            .iter()
            .filter(|k| **k < g.dim)
            .map(extent)
            .product();
        let inner: u64 = self
            .kept
            .iter()
            .filter(|k| **k > g.dim)
            .map(extent)
            .product();
        if outer == 1 {
            return by_group;
        }
        let run = inner as usize * size;
        let mut out = Vec::with_capacity(by_group.len());
        for o in 0..outer {
            for group in 0..groups {
                let at = (group * outer + o) as usize * run;
                out.extend_from_slice(&by_group[at..at + run]);
            }
        }
        out
    }
}
