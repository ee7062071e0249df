//! Slots: threads that compute, one tile after the other.

use crate::core::effect::{Slot, Task};
use crate::core::event::{Event, TileOutput};
use crate::executor::Executor;
use crate::job::Job;
use crate::prefetch::FetchedTile;
use crate::reader::TileReader;
use dasklike_array::{RunError, Scratch, TileResult};
use dasklike_graph::protocol::{Block, ErrorKind, SinkId, TaskError, TaskStats};
use dasklike_storage::ReadScratch;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A tile to compute.
pub(crate) struct Work {
    pub(crate) task: Task,
    pub(crate) job: Arc<Job>,
    pub(crate) fetched: Option<FetchedTile>,
}

/// Where a slot finds its next tile.
#[derive(Default)]
pub(crate) struct Mailbox {
    letter: Mutex<Letter>,
    arrived: Condvar,
}

#[derive(Default)]
enum Letter {
    #[default]
    None,
    Work(Work),
    /// The slot is to end.
    Close,
}

impl Mailbox {
    /// Gives the slot its next tile. The core starts one at a time, so there is never one there yet.
    pub(crate) fn put(&self, work: Work) {
        self.write(Letter::Work(work));
    }

    pub(crate) fn close(&self) {
        self.write(Letter::Close);
    }

    fn write(&self, letter: Letter) {
        let mut place = self.lock();
        if !matches!(*place, Letter::Close) {
            *place = letter;
        }
        drop(place);
        self.arrived.notify_one();
    }

    /// Waits for the next tile; `None` when the slot is to end.
    fn take(&self) -> Option<Work> {
        let mut place = self.lock();
        loop {
            match std::mem::take(&mut *place) {
                Letter::Work(work) => return Some(work),
                Letter::Close => {
                    *place = Letter::Close;
                    return None;
                }
                Letter::None => {
                    place = self
                        .arrived
                        .wait(place)
                        .unwrap_or_else(PoisonError::into_inner)
                }
            }
        }
    }

    /// Nothing panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, Letter> {
        self.letter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The life of a slot's thread. What follows a finished tile is decided on this thread, so that one tile after
/// the other runs without a switch of threads.
pub(crate) fn run(executor: &Arc<Executor>, slot: Slot) {
    let mut scratch = Scratch::new();
    let mut read_scratch = ReadScratch::default();
    while let Some(work) = executor.mailbox(slot).take() {
        let caught = catch_unwind(AssertUnwindSafe(|| {
            compute(work, &mut scratch, &mut read_scratch)
        }));
        let result = caught.unwrap_or_else(|panic| {
            scratch = Scratch::new();
            read_scratch = ReadScratch::default();
            Err(panicked(&panic))
        });
        executor.dispatch(Event::Finished { slot, result });
        executor.hold_back();
    }
}

fn compute(
    work: Work,
    scratch: &mut Scratch,
    read_scratch: &mut ReadScratch,
) -> Result<TileOutput, TaskError> {
    let Work { task, job, fetched } = work;
    let evaluator = job.evaluator(task.stage)?;
    let fetch_ns = fetched.as_ref().map_or(0, |f| f.fetch_ns);
    let stats = TaskStats {
        fetch_ns,
        ..TaskStats::default()
    };
    let mut reader = TileReader {
        job: &job,
        asking: job.asking(task.stage),
        scratch: read_scratch,
        fetched: fetched.as_ref(),
        stats,
        read_more: false,
    };
    let begun = Instant::now();
    let results = evaluator
        .run(scratch, task.tile, &*job, &mut reader)
        .map_err(|error| match error {
            RunError::Read { error, .. } => error,
            error => TaskError {
                kind: ErrorKind::Compute,
                message: format!("{}: {error}", place(&task)),
            },
        })?;
    if let Some(asking) = reader.asking {
        asking.learn(reader.read_more);
    }
    let mut stats = reader.stats;
    stats.compute_ns = (begun.elapsed().as_nanos() as u64).saturating_sub(stats.decode_ns);
    Ok(output(results, stats))
}

fn output(results: Vec<TileResult>, stats: TaskStats) -> TileOutput {
    let mut output = TileOutput {
        stats,
        ..TileOutput::default()
    };
    for result in results {
        match result {
            TileResult::Block {
                target,
                region,
                bytes,
            } => output.blocks.push(Block {
                target,
                region,
                bytes,
            }),
            TileResult::Partial {
                pass,
                sink,
                partial,
                ..
            } => {
                output.partials.push((
                    SinkId {
                        pass: pass as u32,
                        sink: sink as u32,
                    },
                    partial,
                ));
            }
        }
    }
    output
}

fn place(task: &Task) -> String {
    format!("tile {} of stage {}", task.tile.0, task.stage.0)
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> TaskError {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    let message = format!(
        "a task panicked: {}: this is a bug, please report it",
        text.unwrap_or("no message")
    );
    TaskError {
        kind: ErrorKind::Compute,
        message,
    }
}
