//! What the driver keeps beside the core so that progress can be drawn: when each part of a stage was done, and
//! how fast the cluster was. Plain state without a clock; the caller says what time it is.

use crate::http::snapshot::{CELLS_LIMIT, Limit, Rate};
use std::collections::VecDeque;
use std::ops::Range;

/// When the cells of one stage were done.
#[derive(Clone, Debug)]
pub struct CellTimes {
    tiles: u64,
    /// By cell: when its first and its last tile were done, in milliseconds since the job was submitted; -1 if
    /// none was.
    times: Vec<(i64, i64)>,
}

impl CellTimes {
    /// A stage of `tiles` tiles, none of them done.
    pub fn new(tiles: u64) -> CellTimes {
        CellTimes {
            tiles,
            times: vec![(-1, -1); tiles.min(CELLS_LIMIT as u64) as usize],
        }
    }

    /// One slot computed the tiles one after another between the two instants, which are in microseconds since
    /// the job was submitted.
    pub fn computed(&mut self, tiles: Range<u64>, start_us: u64, end_us: u64) {
        let (n, total) = (self.times.len() as u64, self.tiles);
        let (first, end) = (tiles.start, tiles.end.min(total));
        let done_ms = |through: u64| {
            let part = (through - first) as f64 / (tiles.end - first) as f64;
            ((start_us as f64 + part * end_us.saturating_sub(start_us) as f64) / 1000.0) as i64
        };
        let mut at = first;
        while at < end {
            let c = at * n / total;
            let next = ((c + 1) * total).div_ceil(n).min(end);
            let (early, late) = (done_ms(at + 1), done_ms(next));
            let time = &mut self.times[c as usize];
            time.0 = if time.0 < 0 { early } else { time.0.min(early) };
            time.1 = time.1.max(late);
            at = next;
        }
    }

    /// When each cell's first tile was done.
    pub fn first_ms(&self) -> Vec<i64> {
        self.times.iter().map(|t| t.0).collect()
    }

    /// When each cell's last tile was done, of those that are.
    pub fn last_ms(&self) -> Vec<i64> {
        self.times.iter().map(|t| t.1).collect()
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

impl Keep {
    /// The most measurements that are kept. A job's are sent whole with each update, so they are fewer.
    pub const fn limit(self) -> usize {
        match self {
            Keep::Latest => 600,
            Keep::Whole => 240,
        }
    }
}

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
        RateRecord {
            keep,
            interval_us,
            last: None,
            rates: VecDeque::new(),
        }
    }

    /// Takes note of the counters, as often as the caller likes.
    pub fn sample(&mut self, now_us: u64, counters: Counters, limit: Option<Limit>) {
        let Some((then, _)) = self.last else {
            self.last = Some((now_us, counters));
            return;
        };
        if now_us >= then + self.interval_us {
            self.measure(now_us, counters, limit);
        }
    }

    /// Measures what is left at the end, however short.
    pub fn finish(&mut self, now_us: u64, counters: Counters, limit: Option<Limit>) {
        if self.last.is_some_and(|(then, _)| now_us > then) {
            self.measure(now_us, counters, limit);
        }
    }

    fn measure(&mut self, now_us: u64, counters: Counters, limit: Option<Limit>) {
        let Some((then, before)) = self.last else {
            return;
        };
        let seconds = (now_us - then) as f64 / 1e6;
        let per_s = |now: u64, then: u64| now.saturating_sub(then) as f64 / seconds;
        self.last = Some((now_us, counters));
        self.rates.push_back(Rate {
            from_us: then,
            at_us: now_us,
            stored_per_s: per_s(counters.stored_bytes, before.stored_bytes) as u64,
            decoded_per_s: per_s(counters.decoded_bytes, before.decoded_bytes) as u64,
            tasks_per_s: (per_s(counters.tasks, before.tasks) * 10.0).round() / 10.0,
            limit,
        });
        if self.rates.len() > self.keep.limit() {
            match self.keep {
                Keep::Latest => drop(self.rates.pop_front()),
                Keep::Whole => self.coarsen(),
            }
        }
    }

    /// Nothing is done, and has not been since the last measurement: the next one begins now at the earliest.
    pub fn rest(&mut self, now_us: u64, counters: Counters) {
        if self.last.is_none_or(|(_, before)| before == counters) && self.is_still() {
            self.last = Some((now_us, counters));
        } else {
            self.sample(now_us, counters, None);
        }
    }

    /// Whether the last measurement says that nothing was done.
    fn is_still(&self) -> bool {
        self.rates
            .back()
            .is_none_or(|r| r.tasks_per_s == 0.0 && r.decoded_per_s == 0 && r.stored_per_s == 0)
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
            [a, b] => {
                let (la, lb) = ((a.at_us - a.from_us) as f64, (b.at_us - b.from_us) as f64);
                let mean = |x: f64, y: f64| (x * la + y * lb) / (la + lb).max(1.0);
                Rate {
                    from_us: a.from_us,
                    at_us: b.at_us,
                    stored_per_s: mean(a.stored_per_s as f64, b.stored_per_s as f64) as u64,
                    decoded_per_s: mean(a.decoded_per_s as f64, b.decoded_per_s as f64) as u64,
                    tasks_per_s: mean(a.tasks_per_s, b.tasks_per_s),
                    limit: b.limit.or(a.limit),
                }
            }
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
        fn each_cell_lies_within_the_times_of_its_tiles(
            tiles in 1u64..5000, cuts in proptest::collection::vec(0u64..5000, 0..8),
        ) {
            let mut record = CellTimes::new(tiles);
            let mut cuts: Vec<u64> = cuts.into_iter().map(|c| c % (tiles + 1)).chain([0, tiles]).collect();
            cuts.sort_unstable();
            // Tile `t` takes the millisecond from `t` to `t + 1`.
            for pair in cuts.windows(2) {
                record.computed(pair[0]..pair[1], pair[0] * 1000, pair[1] * 1000);
            }
            let n = record.times.len() as u64;
            for (c, (first, last)) in record.times.iter().enumerate() {
                let c = c as u64;
                let (from, to) = ((c * tiles).div_ceil(n), ((c + 1) * tiles).div_ceil(n));
                // Rounding down may take the last millisecond off.
                prop_assert!((*first - (from as i64 + 1)).abs() <= 1, "{first} {from}");
                prop_assert!((*last - to as i64).abs() <= 1, "{last} {to}");
            }
        }
    }

    #[test]
    fn cells_that_nothing_was_computed_of_have_no_time() {
        let mut record = CellTimes::new(3);
        record.computed(1..2, 5000, 7000);
        assert_eq!(
            (record.first_ms(), record.last_ms()),
            (vec![-1, 7, -1], vec![-1, 7, -1])
        );
    }

    #[test]
    fn rest_leaves_a_gap_and_not_a_slow_measurement() {
        let mut record = RateRecord::new(Keep::Latest, 100);
        let tasks = |tasks| Counters {
            tasks,
            ..Counters::default()
        };
        record.sample(0, tasks(0), None);
        record.sample(100, tasks(10), None);
        for i in 2..50 {
            record.rest(i * 100, tasks(10));
        }
        record.sample(5000, tasks(20), None);
        let ends: Vec<_> = record
            .rates()
            .iter()
            .map(|r| (r.from_us, r.at_us))
            .collect();
        assert_eq!(ends, [(0, 100), (100, 200), (4900, 5000)]);
    }

    #[test]
    fn a_whole_record_stays_small_and_keeps_the_sum() {
        let mut record = RateRecord::new(Keep::Whole, 100);
        for i in 0..=10_000u64 {
            let counters = Counters {
                tasks: i,
                ..Counters::default()
            };
            record.sample(i * 100, counters, Some(Limit::Decode));
        }
        let rates = record.rates();
        assert!(rates.len() <= Keep::Whole.limit());
        assert!(rates.iter().all(|r| (r.tasks_per_s - 10_000.0).abs() < 0.1));
        assert!(
            rates.windows(2).all(|w| w[0].at_us == w[1].from_us),
            "no time is left out"
        );
        assert!(rates[0].at_us < 10_000, "the beginning is kept");
    }
}
