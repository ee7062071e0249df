//! What an operator and other tools need of a scheduler: generated messages and service.
//!
//! It depends on no other crate of the project, so that tools can be older or newer than the scheduler they ask.

mod codec;

#[rustfmt::skip]
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
#[path = "generated/dasklike.admin.v1.rs"]
mod generated;

/// The generated messages and services.
pub mod pb {
    pub use crate::generated::*;
}
