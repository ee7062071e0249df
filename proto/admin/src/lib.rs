//! What an operator and other tools need of a scheduler: generated messages and service.
//!
//! It depends on no other crate of the project, so that tools can be older or newer than the scheduler they ask.

#[rustfmt::skip]
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
#[path = "generated/dasklike.admin.v1.rs"]
mod generated;

/// The generated messages and services.
pub mod pb {
    pub use crate::generated::*;
}

/// Where [`pb::admin_server::Admin::watch_demand`] is called. Schedulers answer there by gRPC-Web over HTTP/1 as well:
/// such a connection costs who holds a thousand of them a third of one over HTTP/2.
pub const WATCH_DEMAND: &str = "/dasklike.admin.v1.Admin/WatchDemand";
