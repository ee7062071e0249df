//! The evaluator: one fused pass of any elementwise expression with any reduction over decoded chunks.
//!
//! An [`Evaluator`] is compiled once for a stage: each pass' program becomes a list of kernels over registers.
//! [`Evaluator::run`] computes one tile. It walks the *cells* of the tile, in which every input lies within one
//! chunk, joins adjacent dims into long runs, cuts runs into *strips* that stay in the first-level cache, and
//! sends each strip through the kernels into the accumulators.
//!
//! The same tile gives the same bits on every machine: sums go through a fixed number of lanes that is
//! written out in the code, nothing is contracted to fused multiply-adds, and transcendental functions come
//! from the `libm` crate instead of the system's library. SIMD comes from plain loops that are compiled for
//! several instruction sets and chosen at run time.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod accumulate;
mod aligned;
mod bind;
mod cells;
mod chunks;
mod code;
mod element;
mod error;
mod evaluator;
mod fold;
mod guard;
mod inputs;
mod kernels;
mod pass;
mod passing;
mod patterns;
mod registers;
mod results;
mod runs;
mod scratch;
mod select;
mod sinks;
mod thinning;

pub use chunks::{Chunk, ChunkReader};
pub use error::{CompileError, RunError};
pub use evaluator::Evaluator;
pub use inputs::Inlines;
pub use results::TileResult;
pub use scratch::Scratch;

const _: () = assert!(
    cfg!(target_endian = "little"),
    "chunks are used as they lie in memory"
);

/// The most elements that a kernel works on at once: a few registers of this length fit the first-level cache,
/// and the cost of calling a kernel is small beside the work.
pub(crate) const STRIP: usize = 2048;
