//! Partials: the state of some cells of one output, as it is kept, sent and merged.

use crate::dtype::DType;
use crate::reduce::{ReduceOp, State};

/// Cells whose results are read off together: few enough that room made for them stays in the nearest cache.
const FINISHED_AT_ONCE: usize = 1024;

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
        let empty = Partial::empty(state, 0, 1, 1);
        state.finish(op, dtype, &empty.words, 0..1, &mut nothing);
        for g in 0..groups {
            if g >= self.first_group && g < self.first_group + self.groups {
                self.finish_group(state, op, dtype, g, &mut out);
            } else {
                (0..cells).for_each(|_| out.extend_from_slice(&nothing));
            }
        }
        out
    }

    /// Appends the results of `op` for a group of the span.
    pub fn finish_group(
        &self,
        state: &State,
        op: ReduceOp,
        dtype: DType,
        group: u32,
        out: &mut Vec<u8>,
    ) {
        let cells = self.cells as usize;
        let at = (group - self.first_group) as usize * cells;
        for start in (at..at + cells).step_by(FINISHED_AT_ONCE) {
            let some = start..(at + cells).min(start + FINISHED_AT_ONCE);
            state.finish(op, dtype, &self.words, some, out);
        }
    }

    /// Makes it a partial of the same size from `group` on into which nothing has gone yet.
    pub fn begin_again(&mut self, state: &State, group: u32) {
        self.first_group = group;
        let n = self.groups as usize * self.cells as usize;
        for (k, column) in state.columns.iter().enumerate() {
            self.words[k * n..][..n].fill(state.identity(*column));
        }
    }
}
