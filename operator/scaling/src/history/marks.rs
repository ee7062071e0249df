//! Numbers at times, the oldest first, never more than a few.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// More would be a status that grows; those that are too close are taken together.
const MOST: usize = 64;

/// Numbers at times.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Marks(Vec<Mark>);

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Mark {
    time: Timestamp,
    count: u32,
}

impl Marks {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a number of which only the largest since some time will be asked for: smaller ones before it will never
    /// be it, so they are left out. The number before it was so until now.
    pub(super) fn add_peak(&mut self, time: Timestamp, count: u32) {
        if let Some(last) = self.0.last_mut() {
            last.time = time;
        }
        while self.0.last().is_some_and(|mark| mark.count <= count) {
            self.0.pop();
        }
        self.0.push(Mark { time, count });
        // Two neighbours become one that is as large as the one and as late as the other: nothing goes too early.
        self.shrink(
            |older, newer| older.count - newer.count.min(older.count),
            |older, newer| Mark {
                time: newer.time,
                count: older.count,
            },
        );
    }

    /// Adds a number of which only sums will be asked for.
    pub(super) fn add(&mut self, time: Timestamp, count: u32) {
        self.0.push(Mark { time, count });
        self.shrink(
            |older, _| older.count,
            |older, newer| Mark {
                time: newer.time,
                count: older.count.saturating_add(newer.count),
            },
        );
    }

    /// Joins the two neighbours of which that tells least wrong: by how much, times for how long.
    fn shrink(&mut self, by: impl Fn(Mark, Mark) -> u32, join: impl Fn(Mark, Mark) -> Mark) {
        if self.0.len() <= MOST {
            return;
        }
        let wrong = |i: &usize| {
            let (older, newer) = (self.0[*i], self.0[i + 1]);
            newer.time.duration_since(older.time).as_millis() * i128::from(by(older, newer))
        };
        // The last is what is so now, and stays as it is.
        if let Some(i) = (0..self.0.len() - 2).min_by_key(wrong) {
            let newer = self.0.remove(i + 1);
            self.0[i] = join(self.0[i], newer);
        }
    }

    pub(super) fn forget_before(&mut self, from: Timestamp) {
        self.0.retain(|mark| mark.time >= from);
    }

    /// Forgets all but the last, which is so until another is added.
    pub(super) fn forget_peaks_before(&mut self, from: Timestamp) {
        let last = self.0.last().copied();
        self.forget_before(from);
        if self.0.is_empty() {
            self.0.extend(last);
        }
    }

    fn since(&self, from: Timestamp) -> impl Iterator<Item = &Mark> {
        self.0.iter().filter(move |mark| mark.time > from)
    }

    /// The largest since `from`, with the one that is so now.
    pub(super) fn most(&self, from: Timestamp) -> u32 {
        let last = self.0.last();
        self.since(from)
            .chain(last)
            .map(|mark| mark.count)
            .max()
            .unwrap_or(0)
    }

    /// Until when there was more than `count`, for the first time since `from`.
    pub(super) fn first_above(&self, from: Timestamp, count: u32) -> Option<Timestamp> {
        self.since(from)
            .find(|mark| mark.count > count)
            .map(|mark| mark.time)
    }

    pub(super) fn sum(&self, from: Timestamp) -> u32 {
        self.since(from)
            .map(|mark| mark.count)
            .fold(0, u32::saturating_add)
    }

    pub(super) fn oldest(&self, from: Timestamp) -> Option<Timestamp> {
        self.since(from).map(|mark| mark.time).next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_largest_since_a_time_is_that_of_all_numbers() {
        let counts = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4];
        let mut marks = Marks::default();
        for (i, count) in counts.into_iter().enumerate() {
            marks.add_peak(at(i as i64), count);
            for from in 0..=i {
                // What was so in the second before is so until this one begins.
                let most = counts[from.max(1) - 1..=i].iter().copied().max();
                assert_eq!(Some(marks.most(at(from as i64 - 1))), most, "{from}..={i}");
            }
        }
    }

    #[test]
    fn they_stay_few_and_nothing_is_forgotten_too_early() {
        let mut marks = Marks::default();
        for i in 0..10_000_u32 {
            marks.add_peak(at(i.into()), 10_000 - i);
        }
        assert!(marks.0.len() <= MOST);
        assert!((999..9_999).contains(&marks.most(at(9_000))));
        marks.forget_peaks_before(at(1_000_000));
        assert_eq!(marks.most(at(2_000_000)), 1);
        let mut sums = Marks::default();
        for i in 0..1000 {
            sums.add(at(i), 1);
        }
        assert_eq!(sums.sum(at(-1)), 1000);
        assert!(sums.0.len() <= MOST);
    }
}
