//! What can go wrong, by step.

use dasklike_graph::plan::SourceId;
use dasklike_graph::stage::InlineId;

/// Why a stage has no evaluator. Lowering does not make such stages: each is a defect or a damaged plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// An instruction uses a value that is not defined before it, or the program's parts differ in length.
    #[error("pass {pass}: instruction {instr} uses a value that is not defined before it")]
    Undefined {
        /// The pass.
        pass: usize,
        /// The instruction's number.
        instr: usize,
    },
    /// There is no such operation on these dtypes.
    #[error("pass {pass}: instruction {instr} ({what}) is not defined for its operands")]
    Unsupported {
        /// The pass.
        pass: usize,
        /// The instruction's number.
        instr: usize,
        /// The instruction, in words.
        what: String,
    },
    /// An input does not fit the array it comes from.
    #[error("pass {pass}: input {input} does not fit its array: {what}")]
    Input {
        /// The pass.
        pass: usize,
        /// The input's number.
        input: usize,
        /// What does not fit.
        what: &'static str,
    },
    /// A sink does not fit its pass.
    #[error("pass {pass}: sink {sink} does not fit: {what}")]
    Sink {
        /// The pass.
        pass: usize,
        /// The sink's number.
        sink: usize,
        /// What does not fit.
        what: &'static str,
    },
}

/// Why a tile has no results.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError<E> {
    /// The reader failed.
    #[error("chunk {index:?} of source {} could not be read: {error}", source_id.0)]
    Read {
        /// The source.
        source_id: SourceId,
        /// The chunk's index along each axis.
        index: Vec<u64>,
        /// What the reader said.
        error: E,
    },
    /// An inline array is not there.
    #[error("inline array {} is missing", .0.0)]
    MissingInline(InlineId),
    /// An inline array's bytes do not fill its shape, or it has other axes than the stage expects.
    #[error("inline array {} does not fit the stage", .0.0)]
    InlineShape(InlineId),
    /// The stage has fewer tiles.
    #[error("no tile {tile}: the stage has {tiles}")]
    NoTile {
        /// The tile asked for.
        tile: u64,
        /// The number of tiles.
        tiles: u64,
    },
}
