//! What touches the world: the API server, the schedulers, clocks and sockets.

pub mod api_metrics;
pub mod client;
pub mod demand_client;
pub mod http;
pub mod lease;
pub mod progress;
pub mod run;
