//! Runs and strips: how the elements of a cell become long one-dimensional stretches.
//!
//! A *stream* is an input or a sink as a walk sees it: a position in elements, and for each loop how far one
//! step moves it. Adjacent loops that move every stream as one longer loop would are joined, so a cell that is
//! a whole chunk is one run.

/// Nested loops, outermost first.
#[derive(Debug, Default)]
pub(crate) struct Nest {
    streams: usize,
    lens: Vec<usize>,
    /// `strides[l * streams + s]`: what one step of loop `l` adds to stream `s`.
    strides: Vec<i64>,
    /// Where each stream begins.
    pub(crate) base: Vec<i64>,
}

impl Nest {
    /// No loops: one element.
    pub(crate) fn reset(&mut self, streams: usize) {
        self.streams = streams;
        self.lens.clear();
        self.strides.clear();
        self.base.clear();
        self.base.resize(streams, 0);
    }

    /// Adds a loop inside of the others, whose stride of stream `s` is `stride(s)`.
    pub(crate) fn push(&mut self, len: usize, stride: impl Fn(usize) -> i64) {
        if len == 1 {
            return;
        }
        let outer = self.strides.len().wrapping_sub(self.streams);
        let joins = |s: usize| self.strides[outer + s] == stride(s) * len as i64;
        match self.lens.last_mut() {
            Some(last) if (0..self.streams).all(joins) => {
                *last *= len;
                self.strides.truncate(outer);
            }
            _ => self.lens.push(len),
        }
        self.strides.extend((0..self.streams).map(stride));
    }

    /// The length of the innermost loop.
    fn inner(&self) -> usize {
        self.lens.last().copied().unwrap_or(1)
    }

    /// What one step of the innermost loop adds to a stream.
    pub(crate) fn inner_stride(&self, stream: usize) -> i64 {
        match self.lens.len() {
            0 => 0,
            n => self.strides[(n - 1) * self.streams + stream],
        }
    }
}

/// A walk over the strips of a nest. A strip is part of one row (one turn of the innermost loop) or several
/// whole rows.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    index: Vec<usize>,
    at: Vec<i64>,
    column: usize,
    done: bool,
    /// Rows of the current strip.
    pub(crate) rows: usize,
    /// Elements of each of its rows.
    pub(crate) row_len: usize,
    bases: Vec<i64>,
    streams: usize,
    /// The most elements of a strip.
    strip: usize,
}

impl Walk {
    /// Starts before the first strip, none of which has more than `strip` elements.
    pub(crate) fn start(&mut self, nest: &Nest, strip: usize) {
        self.strip = strip;
        self.index.clear();
        self.index.resize(nest.lens.len().saturating_sub(1), 0);
        self.at.clone_from(&nest.base);
        self.column = 0;
        self.done = nest.lens.contains(&0);
        self.streams = nest.streams;
    }

    /// Goes to the next strip; false after the last.
    pub(crate) fn advance(&mut self, nest: &Nest) -> bool {
        self.bases.clear();
        self.rows = 0;
        let inner = nest.inner();
        if self.done {
            return false;
        }
        if inner > self.strip {
            let pieces = inner.div_ceil(self.strip);
            // Even pieces, whole vectors long.
            let piece = inner.div_ceil(pieces).next_multiple_of(64).min(self.strip);
            let column = self.column as i64;
            self.bases
                .extend((0..nest.streams).map(|s| self.at[s] + column * nest.inner_stride(s)));
            self.rows = 1;
            self.row_len = piece.min(inner - self.column);
            self.column += self.row_len;
            if self.column == inner {
                self.column = 0;
                self.next_row(nest);
            }
            return true;
        }
        self.row_len = inner;
        while !self.done && (self.rows + 1) * inner <= self.strip {
            self.bases.extend_from_slice(&self.at);
            self.rows += 1;
            self.next_row(nest);
        }
        true
    }

    fn next_row(&mut self, nest: &Nest) {
        for l in (0..self.index.len()).rev() {
            let strides = &nest.strides[l * nest.streams..(l + 1) * nest.streams];
            self.index[l] += 1;
            if self.index[l] < nest.lens[l] {
                self.at.iter_mut().zip(strides).for_each(|(a, s)| *a += s);
                return;
            }
            self.index[l] = 0;
            let back = nest.lens[l] as i64 - 1;
            self.at
                .iter_mut()
                .zip(strides)
                .for_each(|(a, s)| *a -= s * back);
        }
        self.done = true;
    }

    /// Where a stream is at the start of row `row` of the strip.
    pub(crate) fn base(&self, row: usize, stream: usize) -> i64 {
        self.bases[row * self.streams + stream]
    }

    /// Whether a stream goes on from row to row as it does within them.
    pub(crate) fn is_one_run(&self, stream: usize, inner_stride: i64) -> bool {
        self.run_from(0, stream, inner_stride) == self.rows
    }

    /// The first row after `row` where the stream does not go on as within rows.
    pub(crate) fn run_from(&self, row: usize, stream: usize, inner_stride: i64) -> usize {
        let step = inner_stride * self.row_len as i64;
        let goes_on = |r: &usize| self.base(*r, stream) == self.base(*r - 1, stream) + step;
        (row + 1..self.rows)
            .find(|r| !goes_on(r))
            .unwrap_or(self.rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::STRIP;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn strips_visit_every_element_once_and_in_order(
            lens in proptest::collection::vec(1usize..9, 0..4), whole: bool, long in 1usize..3000,
        ) {
            let mut lens = lens;
            lens.push(long);
            // Stream 0 counts elements; stream 1 skips every other one between rows, so nothing joins.
            let stride = |d: usize, s: usize| {
                let n: usize = lens[d + 1..].iter().product();
                (if s == 0 || whole || d + 1 == lens.len() { n } else { 2 * n }) as i64
            };
            let mut nest = Nest::default();
            nest.reset(2);
            for (d, len) in lens.iter().enumerate() { nest.push(*len, |s| stride(d, s)); }
            let mut walk = Walk::default();
            walk.start(&nest, STRIP);
            let mut next = 0;
            while walk.advance(&nest) {
                prop_assert!(walk.rows * walk.row_len <= STRIP);
                for r in 0..walk.rows {
                    prop_assert_eq!(walk.base(r, 0), next);
                    next += walk.row_len as i64;
                }
            }
            prop_assert_eq!(next as usize, lens.iter().product::<usize>());
        }
    }
}
