//! The wire between client, scheduler and workers: generated messages, typed conversions, connections.
//!
//! Messages are for the edges only. What arrives is converted at once ([`convert`]), so that nothing past an
//! edge holds a generated type.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod convert;
pub mod frames;
pub mod outbox;
pub mod transport;

#[rustfmt::skip]
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
#[path = "generated/dasklike.engine.v1.rs"]
mod generated;

/// The generated messages and services.
pub mod pb {
    pub use crate::generated::*;
}

/// The version that programs tell each other.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The most bytes of a block that one message carries.
pub const PIECE_BYTES: usize = 1 << 20;

/// The most bytes of a message other than a plan: a piece, or a frame of [`FRAME_BYTES`] and one message more.
pub const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// The most bytes of a plan as a message.
pub const MAX_PLAN_BYTES: usize = 64 << 20;

/// A frame is closed when its messages reach so many bytes.
pub const FRAME_BYTES: usize = 1 << 20;
