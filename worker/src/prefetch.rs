//! Fetching the stored bytes of a tile's chunks ahead of its evaluation.

use crate::asking::needs_more;
use crate::job::Job;
use crate::pace::Pace;
use crate::reader::failed;
use bytes::Bytes;
use dasklike_graph::chunks::ChunkId;
use dasklike_graph::plan::SourceId;
use dasklike_graph::protocol::{ErrorKind, TaskError};
use dasklike_graph::stage::{StageId, Tile};
use dasklike_storage::{ArrayReader, ReadError};
use futures::stream::{FuturesUnordered, StreamExt};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::time::sleep;

/// Requests under way at once: 64 of 0.4 MB behind 30 ms are about 850 MB/s.
const REQUESTS: u64 = 64;

/// What a connection's buffers grow to, beside the bytes of the chunk.
const CONNECTION_BYTES: u64 = 512 << 10;

/// A request is slow when it takes longer than this and than [`SLOW_TIMES`] the usual.
const SLOW: Duration = Duration::from_secs(1);
const SLOW_TIMES: u64 = 8;
/// Second requests for slow ones, at once.
const SPARE_REQUESTS: usize = 8;
/// Requests for one chunk, at most.
const ATTEMPTS: usize = 4;

/// The stored bytes of a tile's remote chunks, but for those that a mask ruled out.
#[derive(Debug, Default)]
pub(crate) struct FetchedTile {
    /// By source and index; `None` for chunks that are not stored.
    chunks: HashMap<(SourceId, Vec<u64>), Option<Bytes>>,
    /// From the first request to the last answer.
    pub(crate) fetch_ns: u64,
}

impl FetchedTile {
    /// The bytes of a chunk, if it was fetched and if it is stored.
    pub(crate) fn get(&self, source: SourceId, index: &[u64]) -> Option<Option<&Bytes>> {
        self.chunks
            .get(&(source, index.to_vec()))
            .map(Option::as_ref)
    }
}

/// The requests of a worker: how many may be under way, and how long they usually take.
#[derive(Debug)]
pub(crate) struct Requests {
    pace: Pace,
    spare: Semaphore,
    usual_ns: AtomicU64,
}

impl Requests {
    /// As many as connections fit into `memory`.
    pub(crate) fn new(memory: u64) -> Requests {
        Requests {
            pace: Pace::new((memory / CONNECTION_BYTES).min(REQUESTS) as usize),
            spare: Semaphore::new(SPARE_REQUESTS),
            usual_ns: AtomicU64::new(0),
        }
    }

    /// Fetches a chunk. A request that takes far longer than usual is sent once more and the first answer taken:
    /// a server that has dropped a packet or a connection would otherwise hold a whole job up.
    async fn fetch(&self, reader: &ArrayReader, index: &[u64]) -> Result<Option<Bytes>, ReadError> {
        let begun = Instant::now();
        let patience = self.patience();
        let mut attempts = FuturesUnordered::from_iter([reader.fetch(index)]);
        let mut spare = Vec::new();
        let mut sent = 1;
        loop {
            let answer = tokio::select! {
                answer = attempts.next() => answer,
                () = sleep(patience), if sent < ATTEMPTS => {
                    self.pace.is_slow(Instant::now(), patience);
                    if let Ok(permit) = self.spare.try_acquire() {
                        spare.push(permit);
                        sent += 1;
                        attempts.push(reader.fetch(index));
                    }
                    continue;
                }
            };
            match answer {
                Some(Err(_)) if !attempts.is_empty() => {}
                Some(answer) => {
                    self.learn(begun.elapsed());
                    return answer;
                }
                // There is always a first attempt, and its answer ends the loop if it is the last.
                None => attempts.push(reader.fetch(index)),
            }
        }
    }

    fn patience(&self) -> Duration {
        let usual = self.usual_ns.load(Ordering::Relaxed);
        SLOW.max(Duration::from_nanos(usual * SLOW_TIMES))
    }

    /// A moving average is exact enough, and so is losing an update to another thread.
    fn learn(&self, took: Duration) {
        let (usual, took) = (
            self.usual_ns.load(Ordering::Relaxed),
            took.as_nanos() as u64,
        );
        let next = if usual == 0 {
            took
        } else {
            (usual * 15 + took) / 16
        };
        self.usual_ns.store(next, Ordering::Relaxed);
    }
}

/// Fetches the remote chunks that the tile reads. Dropping the future cancels the requests.
pub(crate) async fn fetch_tile(
    job: &Arc<Job>,
    id: StageId,
    tile: Tile,
    requests: &Requests,
) -> Result<FetchedTile, TaskError> {
    let Some(stage) = job.lowered.stages.get(id.0 as usize) else {
        return Ok(FetchedTile::default());
    };
    let begun = Instant::now();
    let remote = |source: &SourceId| {
        let reader = job.readers.get(source.0 as usize);
        reader.is_some_and(|r| !r.is_local())
    };
    let mut wanted = stage.chunks_of(&job.sources, tile);
    wanted.retain(|(source, _)| remote(source));
    let asking = job.asking(id);
    let later = |source| asking.is_some_and(|a| a.pays() && !a.is_mask(source));
    let mut fetched = FetchedTile::default();
    let left = fetched.fetch(job, wanted, requests, later).await?;
    if !left.is_empty() {
        let job_too = job.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let needs_more = needs_more(&job_too, id, tile, &fetched);
            (fetched, needs_more)
        });
        let needs_more;
        (fetched, needs_more) = asked
            .await
            .map_err(|_| internal("a mask could not be asked"))?;
        if needs_more {
            fetched.fetch(job, left, requests, |_| false).await?;
        }
    }
    fetched.fetch_ns = begun.elapsed().as_nanos() as u64;
    Ok(fetched)
}

impl FetchedTile {
    /// Fetches chunks, all at once as far as the pace allows. Gives those back whose sources are for `later` when it
    /// is their turn.
    async fn fetch(
        &mut self,
        job: &Job,
        wanted: Vec<ChunkId>,
        requests: &Requests,
        later: impl Fn(SourceId) -> bool,
    ) -> Result<Vec<ChunkId>, TaskError> {
        let later = &later;
        let mut answers: FuturesUnordered<_> = wanted
            .into_iter()
            .map(|id| async move {
                let permit = requests.pace.start().await;
                let permit = permit.ok_or_else(|| internal("the worker is ending"))?;
                if later(id.0) {
                    return Ok((id, None));
                }
                let reader = &job.readers[id.0.0 as usize];
                let bytes = requests.fetch(reader, &id.1).await;
                requests.pace.answered(permit);
                Ok((id, Some(bytes.map_err(|e| failed(&e))?)))
            })
            .collect();
        let mut left = Vec::new();
        while let Some(chunk) = answers.next().await {
            match chunk? {
                (id, Some(bytes)) => drop(self.chunks.insert(id, bytes)),
                (id, None) => left.push(id),
            }
        }
        Ok(left)
    }
}

fn internal(message: &str) -> TaskError {
    TaskError {
        kind: ErrorKind::Internal,
        message: message.to_owned(),
    }
}
