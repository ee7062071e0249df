//! Chooses the tile grid: whole chunks of every input where their grids agree, joined where they are tiny.

use super::build::Context;
use super::{Limits, memory};
use crate::grid::Axis;
use crate::plan::Dim;
use crate::stage::{Pass, ReduceSink, Sink, Stage, StageDim};

/// How much longer than the longest chunk a tile may be for the sake of cuts that all inputs share. Beyond it,
/// reading the chunks at a tile's edge twice is cheaper than the memory of a longer tile.
const LONGEST_SHARED: u64 = 4;

/// The tiles along one dim: what the user asked for; or else the cuts that all inputs share; or else those of
/// the input with the longest chunks.
pub(super) fn dim<'a>(
    name: &Dim,
    len: u64,
    cuts: impl Iterator<Item = &'a Axis>,
    asked: Option<u64>,
) -> StageDim {
    let name = name.clone();
    if let Some(size) = asked {
        return StageDim {
            name,
            tiles: Axis::regular(len, size),
        };
    }
    let mut longest: Option<&Axis> = None;
    let mut shared: Option<Axis> = None;
    for cut in cuts {
        shared = Some(shared.map_or_else(|| cut.clone(), |s| s.common(cut)));
        if longest.is_none_or(|l| cut.max_part() > l.max_part()) {
            longest = Some(cut);
        }
    }
    let tiles = match (shared, longest) {
        (Some(s), Some(l)) if s.max_part() <= l.max_part().saturating_mul(LONGEST_SHARED) => s,
        (_, Some(l)) => l.clone(),
        _ => Axis::whole(len),
    };
    StageDim { name, tiles }
}

/// The reduced dims to leave whole because a sink's partials are too large to travel.
pub(super) fn with_large_partials(stage: &Stage, limits: Limits) -> Option<Vec<Dim>> {
    for (pass, sink) in reduce_sinks(stage) {
        let cut: Vec<Dim> = stage
            .dims
            .iter()
            .enumerate()
            .filter(|(d, dim)| dim.tiles.count() > 1 && !keeps(pass, sink, *d))
            .map(|(_, dim)| dim.name.clone())
            .collect();
        if !cut.is_empty() && memory::partial_bytes(stage, pass, sink) > limits.partial_bytes {
            return Some(cut);
        }
    }
    None
}

/// Joins tiles until they hold [`Limits::tile_bytes`]: first along reduced dims, innermost first, where joining
/// makes fewer partials; then along the others while partials still travel and the task still fits.
pub(super) fn join_small(
    cx: &Context<'_>,
    mut stage: Stage,
    number: usize,
    notes: &mut Vec<String>,
) -> Stage {
    let mut order: Vec<usize> = (0..stage.dims.len()).rev().collect();
    order.sort_by_key(|d| reduce_sinks(&stage).any(|(pass, sink)| keeps(pass, sink, *d)));
    let before = stage.tile_count();
    for d in order {
        let decoded = stage.tile_cost.decoded_bytes;
        let asked = cx.budget.chunks.iter().any(|c| c.0 == stage.dims[d].name);
        if asked || decoded == 0 || decoded >= cx.limits.tile_bytes {
            continue;
        }
        let mut joined = stage.clone();
        joined.dims[d].tiles = joined.dims[d]
            .tiles
            .coarsen(cx.limits.tile_bytes.div_ceil(decoded));
        memory::measure(cx, &mut joined);
        if with_large_partials(&joined, cx.limits).is_none()
            && joined.peak_bytes <= cx.budget.task_bytes
        {
            stage = joined;
        }
    }
    if stage.tile_count() < before {
        notes.push(format!(
            "stage {number}: {before} small tiles joined to {}",
            stage.tile_count()
        ));
    }
    stage
}

/// The sinks whose results leave the stage's tiles.
pub(super) fn reduce_sinks(stage: &Stage) -> impl Iterator<Item = (&Pass, &ReduceSink)> {
    stage.passes.iter().flat_map(|p| {
        p.sinks.iter().filter_map(move |s| match s {
            Sink::Reduce(r) if !r.is_local() => Some((p, r)),
            _ => None,
        })
    })
}

fn keeps(pass: &Pass, sink: &ReduceSink, stage_dim: usize) -> bool {
    sink.kept
        .iter()
        .any(|k| pass.domain[*k].stage_dim == Some(stage_dim))
}
