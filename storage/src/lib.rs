//! Zarr v2 and v3 over local files and object stores: bytes in, decoded chunks out.
//!
//! [`Store`] opens a place, [`open_dataset`] finds the arrays in it, [`ArrayReader`] reads their chunks, and
//! [`sample`] writes the synthetic cube. Local files are read with positioned reads into a buffer that is used
//! again; remote ones are fetched with bounded retries. The common codecs are decoded straight into the caller's
//! memory, the rest through `zarrs`.
//!
//! Elements are little-endian bytes in C order, whatever the store's order and endianness.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

// Decoded bytes are handed on as they are in memory, and called little-endian.
#[cfg(target_endian = "big")]
compile_error!("dasklike needs a little-endian machine");

mod buffer;
mod cf;
mod checksum;
mod codec;
mod dataset;
mod document;
mod error;
mod json;
mod layout;
mod reader;
mod remote;
pub mod sample;
mod shard;
mod store;

pub use codec::ReadScratch;
pub use dataset::{ArrayInfo, DatasetInfo, open_dataset, read_all};
pub use error::{OpenError, ReadError, ReadErrorKind, StoreError};
pub use reader::{ArrayReader, Presence};
pub use store::Store;
