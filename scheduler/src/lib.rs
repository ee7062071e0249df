//! The scheduler: a pure core, its gRPC edge, metrics and the dashboard.
