//! Which stored chunks a tile reads: arithmetic over the inputs of its passes, so that reading can be ahead of
//! computing.

use crate::grid::Axis;
use crate::plan::{Source, SourceId};
use crate::stage::{AxisView, Input, Origin, Stage, Tile};
use std::ops::Range;

/// A stored chunk: the source and the chunk's index along each axis.
pub type ChunkId = (SourceId, Vec<u64>);

impl Stage {
    /// The chunks of stored arrays that a tile reads, sorted, each once. `sources` are the plan's.
    pub fn chunks_of(&self, sources: &[Source], tile: Tile) -> Vec<ChunkId> {
        let mut chunks = Vec::new();
        for pass in &self.passes {
            let region = self.region(&pass.domain, tile);
            if region.iter().any(Range::is_empty) {
                continue;
            }
            for input in &pass.inputs {
                if let Origin::Stored(id) = input.origin
                    && let Some(source) = sources.get(id.0 as usize)
                {
                    add_chunks(id, source, input, &region, &mut chunks);
                }
            }
        }
        chunks.sort_unstable();
        chunks.dedup();
        chunks
    }
}

fn add_chunks(
    id: SourceId,
    source: &Source,
    input: &Input,
    region: &[Range<u64>],
    chunks: &mut Vec<ChunkId>,
) {
    let axes = source.axes();
    let parts: Vec<Vec<u64>> = axes
        .iter()
        .zip(&input.axes)
        .map(|(axis, view)| parts(axis, view, region))
        .collect();
    let count: usize = parts.iter().map(Vec::len).product();
    for mut number in 0..count {
        let mut index = vec![0; parts.len()];
        for (i, parts) in index.iter_mut().zip(&parts).rev() {
            *i = parts[number % parts.len()];
            number /= parts.len();
        }
        chunks.push((id, index));
    }
}

/// The parts of an axis that a view of it touches, in a region of the domain that is not empty.
fn parts(axis: &Axis, view: &AxisView, region: &[Range<u64>]) -> Vec<u64> {
    match *view {
        AxisView::Fixed(at) => vec![axis.index_of(at)],
        AxisView::Along { dim, start, step } => {
            let element = |i: u64| (start as i64 + step * i as i64) as u64;
            let (from, to) = (element(region[dim].start), element(region[dim].end - 1));
            if step.unsigned_abs() <= axis.max_part() && matches!(axis, Axis::Regular { .. }) {
                return (axis.index_of(from.min(to))..=axis.index_of(from.max(to))).collect();
            }
            let mut parts: Vec<u64> = region[dim]
                .clone()
                .map(|i| axis.index_of(element(i)))
                .collect();
            parts.sort_unstable();
            parts.dedup();
            parts
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::{DType, Scalar};
    use crate::program::Program;
    use crate::stage::{DomainDim, Pass, StageDim, TileCost};
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn source(shape: Vec<u64>, chunks: Vec<u64>) -> Source {
        Source {
            store: String::new(),
            options: BTreeMap::new(),
            path: String::new(),
            metadata: String::new(),
            dtype: DType::U8,
            dims: shape.iter().map(|_| "x".into()).collect(),
            shape,
            chunks,
            fill: Scalar::U64(0),
            encoded_bound: 0,
            decode_scratch: 0,
        }
    }

    fn stage(domain: &[(u64, u64)], views: Vec<AxisView>) -> Stage {
        let dims = domain.iter().map(|(len, tile)| StageDim {
            name: "d".into(),
            tiles: Axis::regular(*len, *tile),
        });
        let domain = domain.iter().enumerate().map(|(i, (len, _))| DomainDim {
            name: "d".into(),
            len: *len,
            stage_dim: Some(i),
            cells: Axis::whole(*len),
        });
        let input = Input {
            origin: Origin::Stored(SourceId(0)),
            dtype: DType::U8,
            axes: views,
        };
        let pass = Pass {
            domain: domain.collect(),
            inputs: vec![input],
            program: Program::default(),
            sinks: Vec::new(),
        };
        Stage {
            dims: dims.collect(),
            passes: vec![pass],
            locals: Vec::new(),
            after: Vec::new(),
            peak_bytes: 0,
            tile_cost: TileCost::default(),
        }
    }

    proptest! {
        /// Against a walk over every element of the tile.
        #[test]
        fn chunks_are_those_of_all_elements(
            chunk in 1u64..12, other in 1u64..5, at in 0u64..9, start in 0u64..20, stride in 1i64..17, down: bool,
            len in 1u64..30, tile in 1u64..12,
        ) {
            let reach = stride as u64 * (len - 1);
            let (start, step) = if down { (start + reach, -stride) } else { (start, stride) };
            let size = start + reach + 1;
            let sources = [source(vec![9, size, 4], vec![other, chunk, 3])];
            let views = vec![
                AxisView::Fixed(at),
                AxisView::Along { dim: 0, start, step },
                AxisView::Along { dim: 1, start: 0, step: 1 },
            ];
            let stage = stage(&[(len, tile), (4, 2)], views);
            for t in 0..stage.tile_count() {
                let region = stage.region(&stage.passes[0].domain, Tile(t));
                let mut expected = BTreeSet::new();
                for i in region[0].clone() {
                    for j in region[1].clone() {
                        let element = (start as i64 + step * i as i64) as u64;
                        expected.insert((SourceId(0), vec![at / other, element / chunk, j / 3]));
                    }
                }
                let chunks = stage.chunks_of(&sources, Tile(t));
                prop_assert_eq!(chunks, expected.into_iter().collect::<Vec<_>>());
            }
        }
    }
}
