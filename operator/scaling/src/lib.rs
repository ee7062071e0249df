//! How many workers a pool should have: a pure decision, and a simulation of what it costs.
//!
//! [`decide`] takes what is allowed ([`Policy`]), what is seen ([`Observed`]), what is remembered ([`History`]) and the
//! time; it gives what to do ([`Decision`]). Nothing here reads a clock, a file or the environment, so a day of
//! [`Record`]s can be [`replay`]ed under another policy, and policies can be compared by [`simulate`].

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod decide;
mod decision;
mod history;
mod observed;
mod policy;
mod reason;
mod record;
pub mod replay;
pub mod simulate;

pub use decide::decide;
pub use decision::{Decision, Hold};
pub use history::History;
pub use observed::{Demand, Observed, SlotSeconds, Worker, WorkerState};
pub use policy::{Policy, PolicyError, PolicyFields, ScaleDown, ScaleUp};
pub use reason::{Inputs, Reason};
pub use record::{Record, RecordError, parse};
