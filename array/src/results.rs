//! What a tile leaves.

use dasklike_graph::partial::Partial;
use dasklike_graph::stage::Target;
use std::ops::Range;

/// A result of one tile.
#[derive(Clone, Debug, PartialEq)]
pub enum TileResult {
    /// A finished part of an output or of an inline array.
    Block {
        /// The output or inline array.
        target: Target,
        /// The part of each of its dims.
        region: Vec<Range<u64>>,
        /// Little-endian elements of the region in C order.
        bytes: Vec<u8>,
    },
    /// A leaf of a sink's merge tree, where an output tile has more than one.
    Partial {
        /// The pass' number in the stage.
        pass: usize,
        /// The sink's number in the pass.
        sink: usize,
        /// The output tile that it belongs to.
        output_tile: u64,
        /// Its number among the output tile's leaves.
        leaf: u64,
        /// The state.
        partial: Partial,
    },
}
