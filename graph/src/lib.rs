//! Plans over chunked n-d arrays: expressions, chunk grids, lowering to stages, estimates.
//!
//! A [`plan::Plan`] is what a client sends: typed operations on named arrays, whose size grows with the
//! operations and never with the number of chunks. [`lower::lower`] turns it into [`stage::Stage`]s; client,
//! scheduler and worker each lower the same plan with the same [`lower::Budget`] and get the same stages, so
//! a stage never travels. A task is `(stage, tile)`; tiles are numbers on a grid, never objects.
//!
//! Nothing here reads a clock, a file, a socket or the environment.

pub mod block;
pub mod chunks;
mod columns;
pub mod dtype;
pub mod explain;
pub mod finish;
pub mod formula;
pub mod grid;
mod infer;
pub mod lower;
pub mod mask;
pub mod ops;
pub mod partial;
pub mod passing;
pub mod picture;
pub mod plan;
pub mod pool;
pub mod program;
pub mod protocol;
pub mod reduce;
pub mod stage;
pub mod tree;
