//! The state of a grouped reduction whose groups pass one after the other.

use dasklike_graph::partial::Partial;
use dasklike_graph::stage::ReduceSink;
use std::ops::Range;

/// One group's state, and the results of the groups before it.
#[derive(Debug)]
pub(crate) struct Passing {
    /// Of the group that passes.
    pub(crate) partial: Partial,
    /// By result: its elements, group by group.
    finished: Vec<Vec<u8>>,
}

impl Passing {
    /// Before the first group of a tile with all elements of its cells.
    pub(crate) fn begin(sink: &ReduceSink, region: &[Range<u64>]) -> Passing {
        let cells = sink.cells(region);
        let groups = sink.groups.as_ref().map_or(1, |g| g.count);
        let room = |size: usize| Vec::with_capacity(groups as usize * cells as usize * size);
        Passing {
            partial: Partial::empty(&sink.state, 0, 1, cells),
            finished: sink.results.iter().map(|r| room(r.dtype.size())).collect(),
        }
    }

    /// Ends the groups before `group`. Those in between had no elements.
    pub(crate) fn turn_to(&mut self, sink: &ReduceSink, group: u32) {
        while self.partial.first_group < group {
            self.finish_group(sink);
            self.partial.first_group += 1;
        }
    }

    /// Reads the results off the state and clears it for the next group, while it is near.
    fn finish_group(&mut self, sink: &ReduceSink) {
        let (partial, state) = (&mut self.partial, &sink.state);
        for cells in partial.some_cells(partial.first_group) {
            for (r, out) in sink.results.iter().zip(&mut self.finished) {
                partial.finish_cells(state, r.op, r.dtype, cells.clone(), out);
            }
            partial.clear_cells(state, cells);
        }
    }

    /// The results of all groups, group by group.
    pub(crate) fn end(mut self, sink: &ReduceSink) -> Vec<Vec<u8>> {
        self.turn_to(sink, sink.groups.as_ref().map_or(1, |g| g.count));
        self.finished
    }
}
