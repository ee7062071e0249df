//! The walk over the cells of a tile: parts of a pass' domain in which every stored input lies in one chunk.

use dasklike_graph::stage::DomainDim;
use std::ops::Range;

/// The current cell.
#[derive(Debug, Default)]
pub(crate) struct Cells {
    /// The first and the last part of each dim that the tile touches.
    first: Vec<u64>,
    last: Vec<u64>,
    /// The current part of each dim.
    at: Vec<u64>,
    /// The elements of the current cell, dim by dim.
    pub(crate) ranges: Vec<Range<u64>>,
    done: bool,
}

impl Cells {
    /// Starts at the first cell of `region`.
    pub(crate) fn start(&mut self, domain: &[DomainDim], region: &[Range<u64>]) {
        self.done = region.iter().any(|r| r.is_empty());
        self.first.clear();
        self.last.clear();
        self.ranges.clear();
        if self.done {
            return;
        }
        for (dim, r) in domain.iter().zip(region) {
            self.first.push(dim.cells.index_of(r.start));
            self.last.push(dim.cells.index_of(r.end - 1));
        }
        self.at.clone_from(&self.first);
        self.ranges
            .extend((0..domain.len()).map(|d| part(domain, region, d, self.at[d])));
    }

    /// Whether there is a current cell.
    pub(crate) fn is_done(&self) -> bool {
        self.done
    }

    /// Goes to the next cell in C order.
    pub(crate) fn advance(&mut self, domain: &[DomainDim], region: &[Range<u64>]) {
        for d in (0..domain.len()).rev() {
            let end = self.at[d] == self.last[d];
            self.at[d] = if end { self.first[d] } else { self.at[d] + 1 };
            self.ranges[d] = part(domain, region, d, self.at[d]);
            if !end {
                return;
            }
        }
        self.done = true;
    }

    /// The first element of the next cell along a dim, if the tile has one.
    pub(crate) fn next_along(&self, d: usize) -> Option<u64> {
        (self.at[d] < self.last[d]).then(|| self.ranges[d].end)
    }
}

fn part(domain: &[DomainDim], region: &[Range<u64>], d: usize, at: u64) -> Range<u64> {
    let part = domain[d].cells.range(at);
    part.start.max(region[d].start)..part.end.min(region[d].end)
}
