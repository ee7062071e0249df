//! Inputs: where a pass' input lies in memory for a part of its domain.

use crate::cells::Cells;
use dasklike_graph::dtype::DType;
use dasklike_graph::plan::{Source, SourceId};
use dasklike_graph::stage::{AxisView, InlineId, Input, LocalId, Origin};
use std::ops::Range;

/// The arrays that travel whole with a job.
pub trait Inlines {
    /// The shape and the little-endian bytes in C order of an array.
    fn bytes(&self, id: InlineId) -> Option<(&[u64], &[u8])>;
}

/// A compiled input.
#[derive(Clone, Debug)]
pub(crate) struct InputCode {
    pub(crate) place: Place,
    pub(crate) dtype: DType,
    pub(crate) axes: Vec<AxisView>,
}

/// Where an input's array is.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Stored {
        source: SourceId,
        chunk: Vec<u64>,
        bytes: usize,
        fill: u64,
    },
    Inline(InlineId),
    Local(LocalId),
}

/// Where an input's elements are for the current cell.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Bound {
    /// Nothing reads it.
    #[default]
    Unused,
    /// One value: native bits.
    Uniform(u64),
    /// In the chunk of that slot.
    Chunk(usize),
    /// In the inline array.
    Inline,
    /// In the local array.
    Local(usize),
}

impl InputCode {
    /// Compiles an input; an error says what does not fit.
    pub(crate) fn new(
        input: &Input,
        sources: &[Source],
        rank: usize,
        locals: usize,
    ) -> Result<Self, &'static str> {
        if input
            .axes
            .iter()
            .any(|a| matches!(a, AxisView::Along { dim, .. } if *dim >= rank))
        {
            return Err("it follows a dim that the domain does not have");
        }
        let place = match input.origin {
            Origin::Stored(id) => {
                let source = sources.get(id.0 as usize).ok_or("its source is unknown")?;
                if source.dtype != input.dtype || source.chunks.len() != input.axes.len() {
                    return Err("the source has another dtype or number of axes");
                }
                Place::Stored {
                    source: id,
                    chunk: source.chunks.clone(),
                    bytes: source.chunk_bytes() as usize,
                    fill: source.fill.cast(source.dtype).to_bits(),
                }
            }
            Origin::Inline(id) => Place::Inline(id),
            Origin::Local(id) if (id.0 as usize) < locals => Place::Local(id),
            Origin::Local(_) => return Err("its local array is unknown"),
        };
        Ok(InputCode {
            place,
            dtype: input.dtype,
            axes: input.axes.clone(),
        })
    }

    /// Bytes of the chunks it lies in, if it is stored.
    pub(crate) fn chunk_bytes(&self) -> Option<usize> {
        match self.place {
            Place::Stored { bytes, .. } => Some(bytes),
            _ => None,
        }
    }

    /// The element along axis `a` that element `at` of the domain's dim needs.
    fn element(&self, a: usize, ranges: &[Range<u64>]) -> u64 {
        match self.axes[a] {
            AxisView::Fixed(at) => at,
            AxisView::Along { dim, start, step } => along(start, step, ranges[dim].start),
        }
    }

    /// The index of the chunk that holds a cell.
    pub(crate) fn chunk_index(&self, chunk: &[u64], ranges: &[Range<u64>], index: &mut Vec<u64>) {
        index.clear();
        index.extend((0..self.axes.len()).map(|a| self.element(a, ranges) / chunk[a]));
    }

    /// Where the first element of `ranges` is in an array of `shape` (a chunk's, where the input is stored),
    /// whose first element is `origin` of the axis.
    pub(crate) fn offset(
        &self,
        shape: &[u64],
        origin: impl Fn(usize) -> u64,
        ranges: &[Range<u64>],
    ) -> i64 {
        let mut at = 0;
        for (a, len) in shape.iter().enumerate() {
            let element = self.element(a, ranges);
            let inside = match (&self.place, self.axes[a]) {
                (Place::Stored { chunk, .. }, _) => element % chunk[a],
                // A fixed element of a local array counts from the tile's start already.
                (_, AxisView::Fixed(_)) => element,
                _ => element - origin(a),
            };
            at = at * len + inside;
        }
        at as i64
    }

    /// What a step along each dim of the domain adds to the position in an array of `shape`.
    pub(crate) fn strides(&self, shape: &[u64], strides: &mut [i64]) {
        strides.fill(0);
        let mut weight = 1;
        for (a, len) in shape.iter().enumerate().rev() {
            if let AxisView::Along { dim, step, .. } = self.axes[a] {
                strides[dim] += step * weight;
            }
            weight *= *len as i64;
        }
    }

    /// Whether a chunk of this stored input is needed by the current cell or a later one.
    pub(crate) fn needs(&self, index: &[u64], cells: &Cells) -> bool {
        let Place::Stored { chunk, .. } = &self.place else {
            return false;
        };
        for (d, range) in cells.ranges.iter().enumerate() {
            let next = cells.next_along(d);
            let mut follows = false;
            let mut next_is_same = true;
            for (a, view) in self.axes.iter().enumerate() {
                let AxisView::Along { dim, start, step } = *view else {
                    continue;
                };
                if dim != d {
                    continue;
                }
                follows = true;
                let now = along(start, step, range.start) / chunk[a];
                if index[a] != now {
                    // Walked past, or still to come.
                    return (index[a] > now) == (step > 0);
                }
                next_is_same &= next.is_some_and(|n| along(start, step, n) / chunk[a] == now);
            }
            // The inner dims are walked again with the same chunks.
            if next.is_some() && (!follows || next_is_same) {
                return true;
            }
        }
        true
    }
}

/// Element `start + step * at`.
fn along(start: u64, step: i64, at: u64) -> u64 {
    (start as i64 + step * at as i64) as u64
}
