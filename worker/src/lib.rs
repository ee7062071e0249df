//! The worker: a pure core, the executor's slots, and the gRPC edge.
