//! The tokio runtime that a client or a local cluster keeps in the background.

use std::io;
use tokio::runtime::{Builder, Runtime};

/// A runtime that ends without waiting when it is dropped, wherever that is.
#[derive(Debug)]
pub(crate) struct Background {
    runtime: Option<Runtime>,
}

impl Background {
    /// A runtime with so many threads.
    pub(crate) fn start(threads: usize) -> io::Result<Background> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("dasklike-io")
            .enable_all()
            .build()?;
        Ok(Background {
            runtime: Some(runtime),
        })
    }

    /// Runs a future to its end on this thread; what it spawns runs on the runtime's threads.
    pub(crate) fn run<F: Future>(&self, future: F) -> F::Output {
        #[expect(clippy::expect_used, reason = "the runtime is taken by `drop` only")]
        let runtime = self
            .runtime
            .as_ref()
            .expect("the runtime is there until it is dropped");
        runtime.block_on(future)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
