//! Support for tests on a real Kubernetes. Such a test is `#[ignore = "needs a Kubernetes: cargo xtask test --only
//! k8s"]`, so that plain `cargo test` says what it leaves out; the check sets the environment that is read here.

pub mod api_proxy;
pub mod cluster;
pub mod data;
pub mod engine;
pub mod file_server;
pub mod namespace;
pub mod operator;
pub mod port_forward;
pub mod resource;
pub mod tools;
pub mod volume;
pub mod wait;
pub mod work;

pub use namespace::{Namespace, with_namespace};
pub use tools::{helm, kubectl, output};
pub use wait::until;
