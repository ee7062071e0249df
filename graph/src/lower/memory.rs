//! What a task costs and the most it holds at once, before anything runs.

use super::build::Context;
use super::{LowerError, array_bytes};
use crate::grid::Axis;
use crate::mask;
use crate::passing::groups_pass;
use crate::stage::{
    AxisView, DomainDim, Input, Origin, Pass, ReduceSink, Sink, Stage, Target, TileCost,
};

/// Registers and strips of the evaluator, with room to spare.
pub const EVALUATOR_BYTES: u64 = 1 << 20;

/// Fills in the stage's cost a tile and its peak.
pub(super) fn measure(cx: &Context<'_>, stage: &mut Stage) {
    let mut cost = TileCost::default();
    let asked = mask::asked_first(stage).unwrap_or_default();
    let (mut peak, mut results) = (0, 0);
    for pass in &stage.passes {
        let (mut decoded, mut encoded) = (0, 0);
        for input in &pass.inputs {
            let Origin::Stored(id) = input.origin else {
                continue;
            };
            let source = &cx.plan.sources[id.0 as usize];
            let touched = chunks_touched(stage, pass, input, &source.axes());
            cost.reads += touched;
            cost.decoded_bytes += touched * source.chunk_bytes();
            cost.encoded_bytes += touched * source.encoded_bound;
            if asked.contains(&id) {
                cost.asking_bytes += touched * source.chunk_bytes() + source.decode_scratch;
            }
            let held = if visits_once(pass, input, &source.axes()) {
                1
            } else {
                touched
            };
            decoded += held * source.chunk_bytes();
            encoded = encoded.max(source.encoded_bound + source.decode_scratch);
        }
        cost.elements += pass
            .domain
            .iter()
            .map(|d| extent(stage, d))
            .product::<u64>();
        let sinks: u64 = pass.sinks.iter().map(|s| sink_bytes(stage, pass, s)).sum();
        // What leaves the tile stays until it is sent; local states go when their pass ends.
        results += pass
            .sinks
            .iter()
            .filter(|s| leaves(s))
            .map(|s| left_bytes(stage, pass, s))
            .sum::<u64>();
        peak = peak.max(decoded + encoded + sinks);
    }
    let locals: u64 = stage
        .locals
        .iter()
        .map(|l| l.dims.iter().map(|d| extent(stage, d)).product::<u64>() * l.dtype.size() as u64)
        .sum();
    let inlines: u64 = stage
        .passes
        .iter()
        .flat_map(|p| &p.inputs)
        .map(|i| match i.origin {
            Origin::Inline(id) => {
                let array = &cx.inlines[id.0 as usize];
                array_bytes(&array.shape, array.dtype)
            }
            _ => 0,
        })
        .sum();
    if !asked.is_empty() {
        cost.asking_bytes += EVALUATOR_BYTES;
    }
    stage.tile_cost = cost;
    stage.peak_bytes = peak + results + locals + inlines + EVALUATOR_BYTES;
}

/// Whether the stage's tasks fit the budget.
pub(super) fn fits(cx: &Context<'_>, stage: &Stage) -> Result<(), LowerError> {
    if stage.peak_bytes <= cx.budget.task_bytes {
        return Ok(());
    }
    let tile: Vec<String> = stage
        .dims
        .iter()
        .map(|d| format!("{}={}", d.name, d.tiles.max_part()))
        .collect();
    let smaller = match &tile[..] {
        [] => "reduce along fewer dims at once".to_owned(),
        tile => format!("ask for tiles smaller than {}", tile.join(", ")),
    };
    Err(LowerError::Memory {
        needed: stage.peak_bytes,
        allowed: cx.budget.task_bytes,
        help: format!("raise the workers' memory limit, give them fewer slots, or {smaller}"),
    })
}

/// The most bytes of one partial of a sink.
pub(super) fn partial_bytes(stage: &Stage, pass: &Pass, sink: &ReduceSink) -> u64 {
    let groups = sink.groups.as_ref().map_or(1, |g| {
        let dim = &pass.domain[g.dim];
        let tiles = dim
            .stage_dim
            .map_or(Axis::whole(dim.len), |s| stage.dims[s].tiles.clone());
        let spans = (0..tiles.count())
            .map(|t| g.span(tiles.range(t)))
            .map(|s| s.end - s.start);
        spans.max().unwrap_or(0) as u64
    });
    cells(stage, pass, sink) * groups * sink.state.cell_bytes()
}

fn leaves(sink: &Sink) -> bool {
    match sink {
        Sink::Emit { .. } => true,
        Sink::Reduce(r) => r
            .results
            .iter()
            .any(|r| !matches!(r.target, Target::Local(_))),
    }
}

fn sink_bytes(stage: &Stage, pass: &Pass, sink: &Sink) -> u64 {
    match sink {
        Sink::Emit { value, .. } => {
            let elements: u64 = pass.domain.iter().map(|d| extent(stage, d)).product();
            elements * pass.program.dtype(*value).size() as u64
        }
        Sink::Reduce(r) if groups_pass(stage, pass, r) => one_group_bytes(stage, pass, r),
        Sink::Reduce(r) => partial_bytes(stage, pass, r),
    }
}

/// The most that a sink whose groups pass holds beside its results: the state of one group, and while a result is put
/// in order that result again.
fn one_group_bytes(stage: &Stage, pass: &Pass, sink: &ReduceSink) -> u64 {
    let before = |dim: usize| sink.kept.iter().filter(move |k| **k <= dim);
    let in_order = sink
        .groups
        .iter()
        .flat_map(|g| before(g.dim))
        .all(|k| extent(stage, &pass.domain[*k]) == 1);
    let again = match in_order {
        true => 0,
        false => result_sizes(stage, pass, sink).max().unwrap_or(0),
    };
    cells(stage, pass, sink) * sink.state.cell_bytes() + again
}

/// The most bytes of each result of one output tile.
fn result_sizes(stage: &Stage, pass: &Pass, sink: &ReduceSink) -> impl Iterator<Item = u64> {
    let groups = sink.groups.as_ref().map_or(1, |g| u64::from(g.count));
    let elements = groups * cells(stage, pass, sink);
    let results = sink.results.iter();
    results.map(move |r| elements * r.dtype.size() as u64)
}

/// The most that a sink leaves of a tile.
fn left_bytes(stage: &Stage, pass: &Pass, sink: &Sink) -> u64 {
    match sink {
        Sink::Reduce(r) if groups_pass(stage, pass, r) => result_sizes(stage, pass, r).sum(),
        sink => sink_bytes(stage, pass, sink),
    }
}

/// The most cells of one group of a sink in one tile.
fn cells(stage: &Stage, pass: &Pass, sink: &ReduceSink) -> u64 {
    let kept = sink.kept.iter();
    kept.map(|k| extent(stage, &pass.domain[*k])).product()
}

/// The longest part of a dim that lies in one tile.
fn extent(stage: &Stage, dim: &DomainDim) -> u64 {
    dim.stage_dim
        .map_or(dim.len, |s| stage.dims[s].tiles.max_part())
}

/// The most chunks of an input that one tile needs.
fn chunks_touched(stage: &Stage, pass: &Pass, input: &Input, axes: &[Axis]) -> u64 {
    let along = |(axis, view): (&Axis, &AxisView)| match *view {
        AxisView::Fixed(_) => 1,
        AxisView::Along { dim, start, step } => {
            let dim = &pass.domain[dim];
            if dim.len == 0 {
                return 0;
            }
            let seen = axis.view(start, step, dim.len);
            match dim.stage_dim {
                None => seen.count(),
                Some(s) => seen.most_within(&stage.dims[s].tiles),
            }
        }
    };
    axes.iter().zip(&input.axes).map(along).product()
}

/// Whether walking the cells of a tile in C order stays in each chunk of the input until it is done with it,
/// so that one buffer is enough: every dim along which the input has more than one chunk in the domain is cut
/// just as the cells are, and no dim outside of such a one makes the walk come back.
pub fn visits_once(pass: &Pass, input: &Input, axes: &[Axis]) -> bool {
    let own = |d: usize| {
        input
            .axes
            .iter()
            .zip(axes)
            .find_map(|(view, axis)| match *view {
                AxisView::Along { dim, start, step } if dim == d => {
                    Some(axis.view(start, step, pass.domain[d].len.max(1)))
                }
                _ => None,
            })
    };
    let mut outer_repeats = false;
    for (d, dim) in pass.domain.iter().enumerate() {
        let cells = dim.cells.count();
        let parts = if dim.len == 0 {
            1
        } else {
            own(d).map_or(1, |a| a.count())
        };
        if parts > 1 && outer_repeats {
            return false;
        }
        outer_repeats |= cells > parts;
    }
    true
}
