//! Workers as processes: this program started once more, or the `dasklike` command.
//!
//! A worker's process reads its standard input and ends when that is closed: whichever way the parent ends, the
//! system closes the pipe, so no worker is left behind.

use super::serve::run_worker_process;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

/// The variable that tells a process to be a worker, as JSON of a [`WorkerSpec`].
const REQUEST: &str = "DASKLIKE_LOCAL_WORKER";

/// Whether this program becomes a worker when asked.
static SELF_IS_WORKER: AtomicBool = AtomicBool::new(false);

/// What a worker's process is told.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct WorkerSpec {
    pub(crate) scheduler: String,
    pub(crate) name: String,
    pub(crate) slots: u32,
    pub(crate) memory_limit: u64,
}

/// Why there is no worker's process.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// There is nothing to start.
    #[error(
        "cannot find the dasklike executable for worker processes: call dasklike::worker_main_if_requested() first \
         in main, or put the dasklike command on the PATH"
    )]
    NoExecutable,
    /// The system does not start it.
    #[error("cannot start {executable}: {source}")]
    Spawn {
        /// The program.
        executable: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It ended at once.
    #[error("a worker's process ended before it had connected ({0}): its messages are above")]
    Ended(ExitStatus),
}

/// Turns this process into a worker if a local cluster started it as one, and then never returns. Programs that
/// use clusters of processes call it first in `main`, before they read arguments.
pub fn worker_main_if_requested() {
    let Ok(request) = std::env::var(REQUEST) else {
        SELF_IS_WORKER.store(true, Ordering::Relaxed);
        return;
    };
    crate::start::logging();
    crate::start::tls();
    std::thread::spawn(|| {
        // The parent never writes: this ends when the parent does.
        let _ = std::io::stdin().read(&mut [0; 1]);
        std::process::exit(0);
    });
    let outcome = match serde_json::from_str(&request) {
        Ok(spec) => run_worker_process(spec).map_err(|e| e.to_string()),
        Err(error) => Err(format!(
            "{REQUEST} is not what a local cluster sets: {error}"
        )),
    };
    let code = outcome.map_or_else(
        |error| {
            tracing::error!("{error}");
            1
        },
        |()| 0,
    );
    std::process::exit(code);
}

/// A worker's process. Dropping it kills the process.
#[derive(Debug)]
pub(crate) struct WorkerProcess {
    child: Child,
}

impl WorkerProcess {
    pub(crate) fn spawn(spec: &WorkerSpec) -> Result<WorkerProcess, ProcessError> {
        let executable = executable().ok_or(ProcessError::NoExecutable)?;
        #[expect(
            clippy::expect_used,
            reason = "a struct of strings and numbers always has a form as JSON"
        )]
        let request = serde_json::to_string(spec).expect("a spec is JSON");
        let child = Command::new(&executable)
            .env(REQUEST, request)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|source| ProcessError::Spawn {
                executable: executable.display().to_string(),
                source,
            })?;
        Ok(WorkerProcess { child })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// An error if the process has ended.
    pub(crate) fn check(&mut self) -> Result<(), ProcessError> {
        match self.child.try_wait() {
            Ok(Some(status)) => Err(ProcessError::Ended(status)),
            Ok(None) | Err(_) => Ok(()),
        }
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// This program if it becomes a worker when asked, else the `dasklike` command: beside this program, in the
/// folder above (tests and examples lie in a folder of their own), or on the PATH.
fn executable() -> Option<PathBuf> {
    let me = std::env::current_exe().ok();
    if SELF_IS_WORKER.load(Ordering::Relaxed) {
        // Works even if the file was replaced since this process started.
        let running = PathBuf::from("/proc/self/exe");
        return if running.exists() { Some(running) } else { me };
    }
    let name = format!("dasklike{}", std::env::consts::EXE_SUFFIX);
    let beside = me.into_iter().flat_map(|me| {
        me.ancestors()
            .skip(1)
            .take(2)
            .map(PathBuf::from)
            .collect::<Vec<_>>()
    });
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = beside.chain(std::env::split_paths(&path));
    folders.find_map(|folder| Some(folder.join(&name)).filter(|file| file.is_file()))
}
