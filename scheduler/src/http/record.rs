//! What the driver keeps beside the core so that progress can be drawn: when each part of a stage was done, and
//! how fast the cluster was. Plain state without a clock; the caller says what time it is.

use crate::http::snapshot::{CELLS_LIMIT, Cells, Limit, Rate};
use std::collections::VecDeque;
use std::ops::Range;

/// The cells of one stage as its tiles are assigned and committed.
#[derive(Clone, Debug)]
pub struct StageRecord {
    tiles: u64,
    submitted_us: u64,
    cells: Cells,
    done: u64,
    running: u64,
    failed: u64,
}

impl StageRecord {
    /// A stage of `tiles` tiles, none of them assigned, of a job submitted at `submitted_us`.
    pub fn new(tiles: u64, submitted_us: u64) -> StageRecord {
        let n = tiles.min(CELLS_LIMIT as u64) as usize;
        let cells = Cells {
            done: vec![0; n],
            running: vec![0; n],
            failed: vec![0; n],
            first_done_ms: vec![-1; n],
            last_done_ms: vec![-1; n],
        };
        StageRecord { tiles, submitted_us, cells, done: 0, running: 0, failed: 0 }
    }

    /// A worker holds the tiles now.
    pub fn assigned(&mut self, tiles: Range<u64>) {
        self.running += tiles.end - tiles.start;
        self.each_cell(tiles, |cells, c, n| cells.running[c] += n);
    }

    /// Nobody holds the tiles any more: they were revoked, or their worker was lost.
    pub fn released(&mut self, tiles: Range<u64>) {
        self.running = self.running.saturating_sub(tiles.end - tiles.start);
        self.each_cell(tiles, |cells, c, n| cells.running[c] = cells.running[c].saturating_sub(n));
    }

    /// The tiles, which a worker held, are committed.
    pub fn committed(&mut self, tiles: Range<u64>, now_us: u64) {
        self.released(tiles.clone());
        self.done += tiles.end - tiles.start;
        let at = (now_us.saturating_sub(self.submitted_us) / 1000) as i64;
        self.each_cell(tiles, |cells, c, n| {
            cells.done[c] += n;
            if cells.first_done_ms[c] < 0 {
                cells.first_done_ms[c] = at;
            }
            cells.last_done_ms[c] = at;
        });
    }

    /// The tiles were committed, and what they left is lost with a worker: they must run again.
    pub fn uncommitted(&mut self, tiles: Range<u64>) {
        self.done = self.done.saturating_sub(tiles.end - tiles.start);
        self.each_cell(tiles, |cells, c, n| cells.done[c] = cells.done[c].saturating_sub(n));
    }

    /// A tile, which a worker held, failed.
    pub fn failed(&mut self, tile: u64) {
        self.released(tile..tile + 1);
        self.failed += 1;
        self.each_cell(tile..tile + 1, |cells, c, n| cells.failed[c] += n);
    }

    /// The cells as they are now.
    pub fn cells(&self) -> &Cells {
        &self.cells
    }

    /// Tiles that are committed, that a worker holds, and that failed.
    pub fn counts(&self) -> (u64, u64, u64) {
        (self.done, self.running, self.failed)
    }

    /// Calls `f` with each cell that the tiles touch and how many of them are in it.
    fn each_cell(&mut self, tiles: Range<u64>, mut f: impl FnMut(&mut Cells, usize, u32)) {
        let (n, total) = (self.cells.done.len() as u64, self.tiles);
        let mut at = tiles.start;
        let end = tiles.end.min(total);
        while at < end {
            let c = at * n / total;
            let next = ((c + 1) * total).div_ceil(n).min(end);
            f(&mut self.cells, c as usize, (next - at) as u32);
            at = next;
        }
    }
}

/// Which measurements a [`RateRecord`] keeps when it is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The latest: a window that moves. For the cluster.
    Latest,
    /// All, at ever coarser distances. For a job.
    Whole,
}

/// The most measurements that a [`RateRecord`] keeps.
pub const RATES_LIMIT: usize = 600;

/// Counters that only rise; a [`RateRecord`] measures how fast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Counters {
    pub stored_bytes: u64,
    pub decoded_bytes: u64,
    pub tasks: u64,
}

/// How fast counters rose.
#[derive(Clone, Debug)]
pub struct RateRecord {
    keep: Keep,
    interval_us: u64,
    last: Option<(u64, Counters)>,
    rates: VecDeque<Rate>,
}

impl RateRecord {
    /// Measures at distances of at least `interval_us`.
    pub fn new(keep: Keep, interval_us: u64) -> RateRecord {
        RateRecord { keep, interval_us, last: None, rates: VecDeque::new() }
    }

    /// Takes note of the counters, as often as the caller likes.
    pub fn sample(&mut self, now_us: u64, counters: Counters, limit: Option<Limit>) {
        let Some((then, before)) = self.last else {
            self.last = Some((now_us, counters));
            return;
        };
        if now_us < then + self.interval_us {
            return;
        }
        let seconds = (now_us - then) as f64 / 1e6;
        let per_s = |now: u64, then: u64| now.saturating_sub(then) as f64 / seconds;
        self.last = Some((now_us, counters));
        self.rates.push_back(Rate {
            at_us: now_us,
            stored_per_s: per_s(counters.stored_bytes, before.stored_bytes),
            decoded_per_s: per_s(counters.decoded_bytes, before.decoded_bytes),
            tasks_per_s: per_s(counters.tasks, before.tasks),
            limit,
        });
        if self.rates.len() > RATES_LIMIT {
            match self.keep {
                Keep::Latest => drop(self.rates.pop_front()),
                Keep::Whole => self.coarsen(),
            }
        }
    }

    /// The measurements, oldest first.
    pub fn rates(&self) -> Vec<Rate> {
        self.rates.iter().copied().collect()
    }

    /// Makes one measurement of each two, and the distance twice as long.
    fn coarsen(&mut self) {
        self.interval_us *= 2;
        let rates: Vec<Rate> = self.rates.drain(..).collect();
        let mean = |pair: &[Rate]| match pair {
            [a, b] => Rate {
                at_us: b.at_us,
                stored_per_s: (a.stored_per_s + b.stored_per_s) / 2.0,
                decoded_per_s: (a.decoded_per_s + b.decoded_per_s) / 2.0,
                tasks_per_s: (a.tasks_per_s + b.tasks_per_s) / 2.0,
                limit: b.limit.or(a.limit),
            },
            // `chunks(2)` gives pairs, and one single if the number is odd.
            other => other[0],
        };
        self.rates = rates.chunks(2).map(mean).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn cells_hold_each_tile_once(tiles in 1u64..5000, cuts in proptest::collection::vec(0u64..5000, 0..8)) {
            let mut record = StageRecord::new(tiles, 1_000_000);
            let mut cuts: Vec<u64> = cuts.into_iter().map(|c| c % (tiles + 1)).chain([0, tiles]).collect();
            cuts.sort_unstable();
            for (i, pair) in cuts.windows(2).enumerate() {
                record.assigned(pair[0]..pair[1]);
                record.committed(pair[0]..pair[1], 1_000_000 + i as u64 * 1000);
            }
            let cells = record.cells();
            prop_assert_eq!(record.counts(), (tiles, 0, 0));
            prop_assert!(cells.running.iter().all(|r| *r == 0));
            let n = cells.done.len() as u64;
            for (c, done) in cells.done.iter().enumerate() {
                let c = c as u64;
                let held = ((c + 1) * tiles).div_ceil(n) - (c * tiles).div_ceil(n);
                prop_assert_eq!(u64::from(*done), held);
            }
            prop_assert!(cells.first_done_ms.iter().zip(&cells.last_done_ms).all(|(a, b)| 0 <= *a && a <= b));
        }
    }

    #[test]
    fn released_and_failed_tiles_are_not_running() {
        let mut record = StageRecord::new(4, 0);
        record.assigned(0..4);
        record.failed(1);
        record.released(2..4);
        assert_eq!(record.counts(), (0, 1, 1));
        assert_eq!(record.cells().failed, [0, 1, 0, 0]);
        assert_eq!(record.cells().running, [1, 0, 0, 0]);
    }

    #[test]
    fn a_whole_record_stays_small_and_keeps_the_sum() {
        let mut record = RateRecord::new(Keep::Whole, 100);
        for i in 0..=10_000u64 {
            let counters = Counters { tasks: i, ..Counters::default() };
            record.sample(i * 100, counters, Some(Limit::Decode));
        }
        let rates = record.rates();
        assert!(rates.len() <= RATES_LIMIT);
        assert!(rates.iter().all(|r| (r.tasks_per_s - 10_000.0).abs() < 1e-6));
        assert!(rates[0].at_us < 10_000, "the beginning is kept");
    }
}
