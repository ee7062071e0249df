//! Partials: the state of some cells of one output, as it is kept, sent and merged.

use crate::dtype::DType;
use crate::reduce::{ReduceOp, State};
use std::ops::Range;

/// Cells whose results are read off together: few enough that they and the room made for their results stay in the
/// nearest cache.
const AT_ONCE: usize = 1024;

/// Part of a reduction's result: for each group of a span of labels (one group if the reduction is not
/// grouped), `cells` cells in C order of the kept dims.
///
/// Columns lie one after another: column `k` of cell `c` of the span's group `g` is at
/// `k * groups * cells + g * cells + c`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partial {
    /// The first group of the span.
    pub first_group: u32,
    /// The number of groups in the span.
    pub groups: u32,
    /// The cells of each group.
    pub cells: u64,
    /// All words, column by column.
    pub words: Vec<u64>,
}

impl Partial {
    /// A partial into which nothing has gone yet.
    pub fn empty(state: &State, first_group: u32, groups: u32, cells: u64) -> Partial {
        let n = groups as usize * cells as usize;
        let mut words = Vec::with_capacity(n * state.columns.len());
        for column in &state.columns {
            words.resize(words.len() + n, state.identity(*column));
        }
        Partial {
            first_group,
            groups,
            cells,
            words,
        }
    }

    /// Bytes of the words.
    pub fn bytes(&self) -> u64 {
        8 * self.words.len() as u64
    }

    /// The state after `self`'s values and then `other`'s. Both have the same number of cells a group.
    pub fn merge(self, state: &State, other: &Partial) -> Partial {
        let first = self.first_group.min(other.first_group);
        let end = (self.first_group + self.groups).max(other.first_group + other.groups);
        let mut into = if first == self.first_group && end == self.first_group + self.groups {
            self
        } else {
            let mut wider = Partial::empty(state, first, end - first, self.cells);
            wider.place(state, &self);
            wider
        };
        let shift = (other.first_group - into.first_group) as usize * into.cells as usize;
        state.merge(&mut into.words, shift, &other.words);
        into
    }

    /// Copies a narrower partial into this one, which is empty there.
    fn place(&mut self, state: &State, other: &Partial) {
        let n = self.groups as usize * self.cells as usize;
        let m = other.groups as usize * other.cells as usize;
        let shift = (other.first_group - self.first_group) as usize * self.cells as usize;
        for k in 0..state.columns.len() {
            self.words[k * n + shift..][..m].copy_from_slice(&other.words[k * m..][..m]);
        }
    }

    /// The results of `op` for groups `0..groups` as little-endian elements of `dtype`, group by group.
    /// Groups outside the span are as if no value had gone in.
    pub fn finish(&self, state: &State, op: ReduceOp, dtype: DType, groups: u32) -> Vec<u8> {
        let cells = self.cells as usize;
        let mut out = Vec::with_capacity(groups as usize * cells * dtype.size());
        let mut nothing = Vec::new();
        Partial::empty(state, 0, 1, 1).finish_cells(state, op, dtype, 0..1, &mut nothing);
        for g in 0..groups {
            if g >= self.first_group && g < self.first_group + self.groups {
                for some in self.some_cells(g) {
                    self.finish_cells(state, op, dtype, some, &mut out);
                }
            } else {
                (0..cells).for_each(|_| out.extend_from_slice(&nothing));
            }
        }
        out
    }

    /// The cells of a group of the span, a few at a time.
    pub fn some_cells(&self, group: u32) -> impl Iterator<Item = Range<usize>> + use<> {
        let cells = self.cells as usize;
        let start = (group - self.first_group) as usize * cells;
        let end = start + cells;
        let starts = (start..end).step_by(AT_ONCE);
        starts.map(move |start| start..end.min(start + AT_ONCE))
    }

    /// Appends the results of `op` for some cells.
    pub fn finish_cells(
        &self,
        state: &State,
        op: ReduceOp,
        dtype: DType,
        cells: Range<usize>,
        out: &mut Vec<u8>,
    ) {
        state.finish(op, dtype, &self.words, cells, out);
    }

    /// Takes out of some cells what has gone in.
    pub fn clear_cells(&mut self, state: &State, cells: Range<usize>) {
        let n = (self.groups as usize * self.cells as usize).max(1);
        for (column, words) in state.columns.iter().zip(self.words.chunks_exact_mut(n)) {
            words[cells.clone()].fill(state.identity(*column));
        }
    }
}
