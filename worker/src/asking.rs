//! Whether to ask masks before the chunks that they may rule out are fetched. It costs a round trip and some decoding,
//! so it is done where what was computed so far says that it saves more.

use crate::job::Job;
use crate::prefetch::FetchedTile;
use crate::reader::TileReader;
use dasklike_array::Scratch;
use dasklike_graph::mask;
use dasklike_graph::plan::SourceId;
use dasklike_graph::protocol::TaskStats;
use dasklike_graph::stage::{Stage, StageId, Tile};
use dasklike_storage::ReadScratch;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Masks are asked while they rule out at least one tile in so many.
const ONE_IN: u64 = 8;

/// What is known of a mask that can be asked first.
#[derive(Debug)]
pub(crate) struct Asking {
    /// The mask's sources.
    sources: Vec<SourceId>,
    computed: AtomicU64,
    ruled_out: AtomicU64,
}

impl Asking {
    /// Nothing yet; `None` if the stage has no such mask.
    pub(crate) fn of(stage: &Stage) -> Option<Asking> {
        Some(Asking {
            sources: mask::asked_first(stage)?,
            computed: AtomicU64::new(0),
            ruled_out: AtomicU64::new(0),
        })
    }

    /// Whether a chunk of `source` is part of the mask.
    pub(crate) fn is_mask(&self, source: SourceId) -> bool {
        self.sources.contains(&source)
    }

    /// Whether to ask before the next tile's other chunks are fetched.
    pub(crate) fn pays(&self) -> bool {
        let (ruled_out, computed) = (self.ruled_out.load(Relaxed), self.computed.load(Relaxed));
        ruled_out > 0 && ruled_out * ONE_IN >= computed
    }

    /// A tile was computed; `read_more` says whether chunks were read that are no mask's.
    pub(crate) fn learn(&self, read_more: bool) {
        self.computed.fetch_add(1, Relaxed);
        self.ruled_out.fetch_add(u64::from(!read_more), Relaxed);
    }
}

/// Whether the tile needs more than its mask, which was fetched. What goes wrong here goes wrong again when the tile
/// is computed, and is told then.
pub(crate) fn needs_more(job: &Job, stage: StageId, tile: Tile, mask: &FetchedTile) -> bool {
    let Ok(evaluator) = job.evaluator(stage) else {
        return true;
    };
    let mut reader = TileReader {
        job,
        asking: None,
        scratch: &mut ReadScratch::default(),
        fetched: Some(mask),
        stats: TaskStats::default(),
        read_more: false,
    };
    let answer = evaluator.needs_more(&mut Scratch::new(), tile, job, &mut reader);
    answer.unwrap_or(true)
}
