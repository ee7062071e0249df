//! From a reduction's root to the blocks of its results.

use crate::partial::Partial;
use crate::protocol::Block;
use crate::stage::{Pass, ReduceSink, Stage, Target};
use std::ops::Range;

/// The blocks of every result of `sink` for one output tile, read off the root's partial. Local results have
/// none.
pub fn finish(
    stage: &Stage,
    pass: &Pass,
    sink: &ReduceSink,
    output_tile: u64,
    root: &Partial,
) -> Vec<Block> {
    let region = stage.output_region(pass, sink, output_tile);
    let domain = domain_region(pass, sink, &region);
    let groups = sink.groups.as_ref().map_or(1, |g| g.count);
    let results = sink
        .results
        .iter()
        .filter(|r| !matches!(r.target, Target::Local(_)));
    results
        .map(|r| {
            let by_group = root.finish(&sink.state, r.op, r.dtype, groups);
            let bytes = sink.in_result_order(by_group, groups as u64, &domain, r.dtype.size());
            Block {
                target: r.target,
                region: region.clone(),
                bytes,
            }
        })
        .collect()
}

/// The blocks of an output tile into which no element goes.
pub fn finish_nothing(
    stage: &Stage,
    pass: &Pass,
    sink: &ReduceSink,
    output_tile: u64,
) -> Vec<Block> {
    let region = stage.output_region(pass, sink, output_tile);
    let cells = sink.cells(&domain_region(pass, sink, &region));
    finish(
        stage,
        pass,
        sink,
        output_tile,
        &Partial::empty(&sink.state, 0, 1, cells),
    )
}

/// The result's region on the pass' dims; dims that are reduced are empty.
fn domain_region(pass: &Pass, sink: &ReduceSink, region: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut parts = region.iter();
    let stays =
        |k: usize| sink.kept.contains(&k) || sink.groups.as_ref().is_some_and(|g| g.dim == k);
    let part = |k: usize| {
        if stays(k) {
            parts.next().cloned()
        } else {
            None
        }
    };
    (0..pass.domain.len())
        .map(part)
        .map(|r| r.unwrap_or(0..0))
        .collect()
}
