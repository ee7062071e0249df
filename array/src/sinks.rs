//! What a pass' sinks gather while a tile runs, and what becomes of it.

use crate::passing::Passing;
use crate::results::TileResult;
use crate::runs::Walk;
use dasklike_graph::partial::Partial;
use dasklike_graph::stage::{Pass, ReduceSink, Sink, Stage, Target, Tile};
use std::ops::Range;

/// What a sink has gathered.
#[derive(Debug)]
pub(crate) enum SinkState {
    /// A block of an output, filled bit by bit; elements of `size` bytes.
    Emit { bytes: Vec<u8>, size: usize },
    /// The partial of the tile.
    Reduce { partial: Partial },
    /// That of the group that passes, and the results of those before it.
    Passing(Passing),
}

impl SinkState {
    /// What values enter now; `None` for blocks.
    pub(crate) fn partial(&self) -> Option<&Partial> {
        match self {
            SinkState::Emit { .. } => None,
            SinkState::Reduce { partial } => Some(partial),
            SinkState::Passing(passing) => Some(&passing.partial),
        }
    }
}

/// A sink's strides over the domain's dims, in elements or cells.
pub(crate) fn strides(sink: &Sink, region: &[Range<u64>], strides: &mut [i64]) {
    strides.fill(0);
    let mut weight = 1;
    for d in (0..region.len()).rev() {
        let kept = match sink {
            Sink::Emit { .. } => true,
            Sink::Reduce(r) => r.kept.contains(&d),
        };
        if kept {
            strides[d] = weight;
            weight *= (region[d].end - region[d].start) as i64;
        }
    }
}

/// The state of a sink before anything went in. `passes` says that its groups pass.
pub(crate) fn begin(pass: &Pass, sink: &Sink, passes: bool, region: &[Range<u64>]) -> SinkState {
    match sink {
        Sink::Emit { value, .. } => {
            let size = pass.program.dtype(*value).size();
            let elements: u64 = region.iter().map(|r| r.end - r.start).product();
            SinkState::Emit {
                bytes: vec![0; elements as usize * size],
                size,
            }
        }
        Sink::Reduce(r) if passes => SinkState::Passing(Passing::begin(r, region)),
        Sink::Reduce(r) => {
            let span = r.group_span(region);
            let partial =
                Partial::empty(&r.state, span.start, span.end - span.start, r.cells(region));
            SinkState::Reduce { partial }
        }
    }
}

/// Where a part of the domain begins in a sink; `None` if its label is of no group. Ends the groups that have passed.
pub(crate) fn base(
    sink: &Sink,
    state: &mut SinkState,
    strides: &[i64],
    region: &[Range<u64>],
    part: &[Range<u64>],
) -> Option<i64> {
    let along = |d: usize| strides[d] * (part[d].start - region[d].start) as i64;
    let within: i64 = (0..region.len()).map(along).sum();
    let Sink::Reduce(sink) = sink else {
        return Some(within);
    };
    let Some(groups) = &sink.groups else {
        return Some(within);
    };
    let group = groups.group_of(part[groups.dim].start)?;
    if let SinkState::Passing(passing) = state {
        passing.turn_to(sink, group);
    }
    let partial = state.partial()?;
    Some(within + (group - partial.first_group) as i64 * partial.cells as i64)
}

/// Copies a strip into a block. `values` are the strip's elements.
pub(crate) fn emit(
    block: &mut [u8],
    size: usize,
    walk: &Walk,
    stream: usize,
    stride: i64,
    values: &[u8],
) {
    for row in 0..walk.rows {
        let from = &values[row * walk.row_len * size..(row + 1) * walk.row_len * size];
        let at = walk.base(row, stream) as usize * size;
        if stride == 1 || walk.row_len == 1 {
            block[at..at + from.len()].copy_from_slice(from);
        } else {
            for (i, element) in from.chunks_exact(size).enumerate() {
                let at = at + i * stride as usize * size;
                block[at..at + size].copy_from_slice(element);
            }
        }
    }
}

/// Makes results of what the sinks of pass `p` gathered; local arrays go to `locals`.
pub(crate) fn finish(
    stage: &Stage,
    p: usize,
    tile: Tile,
    region: &[Range<u64>],
    states: Vec<SinkState>,
    locals: &mut [Vec<u8>],
    results: &mut Vec<TileResult>,
) {
    let pass = &stage.passes[p];
    for (s, (sink, state)) in pass.sinks.iter().zip(states).enumerate() {
        match (sink, state) {
            (Sink::Emit { output, .. }, SinkState::Emit { bytes, .. }) => {
                let target = Target::Output(*output);
                results.push(TileResult::Block {
                    target,
                    region: region.to_vec(),
                    bytes,
                });
            }
            (Sink::Reduce(sink), SinkState::Reduce { partial }) => {
                let place = stage.place(pass, sink, tile);
                if !sink.is_local() && place.leaves > 1 {
                    let (output_tile, leaf) = (place.output_tile, place.leaf);
                    results.push(TileResult::Partial {
                        pass: p,
                        sink: s,
                        output_tile,
                        leaf,
                        partial,
                    });
                    continue;
                }
                let groups = sink.groups.as_ref().map_or(1, |g| g.count);
                let finished = sink
                    .results
                    .iter()
                    .map(|r| partial.finish(&sink.state, r.op, r.dtype, groups));
                let at = stage.output_region(pass, sink, place.output_tile);
                reduced(sink, finished, region, &at, locals, results);
            }
            (Sink::Reduce(sink), SinkState::Passing(passing)) => {
                let place = stage.place(pass, sink, tile);
                let at = stage.output_region(pass, sink, place.output_tile);
                reduced(sink, passing.end(sink), region, &at, locals, results);
            }
            // States are made from the sinks, kind by kind.
            _ => {}
        }
    }
}

/// Makes results of what was read off a state in which nothing is missing, group by group.
fn reduced(
    sink: &ReduceSink,
    finished: impl IntoIterator<Item = Vec<u8>>,
    region: &[Range<u64>],
    at: &[Range<u64>],
    locals: &mut [Vec<u8>],
    results: &mut Vec<TileResult>,
) {
    let groups = sink.groups.as_ref().map_or(1, |g| g.count);
    for (r, by_group) in sink.results.iter().zip(finished) {
        let bytes = sink.in_result_order(by_group, groups as u64, region, r.dtype.size());
        match r.target {
            Target::Local(id) => locals[id.0 as usize] = bytes,
            target => results.push(TileResult::Block {
                target,
                region: at.to_vec(),
                bytes,
            }),
        }
    }
}
