//! Sets of tiles as ranges.

use std::collections::BTreeMap;
use std::ops::Range;

/// Tiles as disjoint ranges that do not touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RangeSet {
    /// End by start.
    ranges: BTreeMap<u64, u64>,
    count: u64,
}

impl RangeSet {
    pub(crate) fn from_range(range: Range<u64>) -> RangeSet {
        let mut set = RangeSet::default();
        set.insert(range);
        set
    }

    /// How many tiles.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.ranges.iter().map(|(start, end)| *start..*end)
    }

    pub(crate) fn contains(&self, tile: u64) -> bool {
        self.ranges
            .range(..=tile)
            .next_back()
            .is_some_and(|(_, end)| tile < *end)
    }

    /// Adds tiles that are not in the set.
    pub(crate) fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        self.count += range.end - range.start;
        let (mut start, mut end) = (range.start, range.end);
        if let Some((before, to)) = self
            .ranges
            .range(..start)
            .next_back()
            .map(|(s, e)| (*s, *e))
            && to == start
        {
            self.ranges.remove(&before);
            start = before;
        }
        if let Some(to) = self.ranges.remove(&end) {
            end = to;
        }
        self.ranges.insert(start, end);
    }

    /// Takes tiles out, which must all be in the set; otherwise it stays as it is.
    pub(crate) fn remove(&mut self, range: &Range<u64>) -> bool {
        if range.is_empty() {
            return true;
        }
        let around = self.ranges.range(..=range.start).next_back();
        let Some((start, end)) = around.map(|(s, e)| (*s, *e)) else {
            return false;
        };
        if end < range.end {
            return false;
        }
        self.ranges.remove(&start);
        let rest = [start..range.start, range.end..end];
        let rest = rest.into_iter().filter(|r| !r.is_empty());
        self.ranges.extend(rest.map(|r| (r.start, r.end)));
        self.count -= range.end - range.start;
        true
    }

    /// The first range.
    pub(crate) fn first(&self) -> Option<Range<u64>> {
        self.ranges
            .first_key_value()
            .map(|(start, end)| *start..*end)
    }

    /// Takes the first tiles: at most `n` (at least 1), all of one range.
    pub(crate) fn take_first(&mut self, n: u64) -> Option<Range<u64>> {
        let entry = self.ranges.first_entry()?;
        let (start, end) = (*entry.key(), *entry.get());
        let cut = end.min(start.saturating_add(n.max(1)));
        self.count -= cut - start;
        if cut == end {
            entry.remove();
        } else if let Some(next) = self.ranges.first_entry().map(|e| e.remove()) {
            self.ranges.insert(cut, next);
        }
        Some(start..cut)
    }
}

/// A number for each tile, 0 unless something was added: the deaths that tiles are blamed for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Disjoint parts: end and number by start.
    parts: BTreeMap<u64, (u64, u32)>,
}

impl Tally {
    /// Adds 1 to each tile of the range, up to `most`.
    pub(crate) fn add(&mut self, range: Range<u64>, most: u32) {
        self.cut(range.start);
        self.cut(range.end);
        let mut gaps = Vec::new();
        let mut at = range.start;
        for (start, (end, n)) in self.parts.range_mut(range.clone()) {
            gaps.push(at..*start);
            *n = (*n + 1).min(most);
            at = *end;
        }
        gaps.push(at..range.end);
        self.parts.extend(
            gaps.into_iter()
                .filter(|g| !g.is_empty())
                .map(|g| (g.start, (g.end, most.min(1)))),
        );
    }

    /// Makes `at` the start of a part, if it is within one.
    fn cut(&mut self, at: u64) {
        if let Some((_, part)) = self.parts.range_mut(..at).next_back()
            && at < part.0
        {
            let tail = *part;
            part.0 = at;
            self.parts.insert(at, tail);
        }
    }

    /// The number at `tile`, and how many tiles from there on are known to have the same.
    pub(crate) fn run(&self, tile: u64) -> (u32, u64) {
        if let Some((_, (end, n))) = self.parts.range(..=tile).next_back()
            && tile < *end
        {
            return (*n, end - tile);
        }
        let next = self.parts.range(tile..).next();
        (0, next.map_or(u64::MAX, |(start, _)| start - tile))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_join_their_neighbours_and_are_taken_from_the_front() {
        let mut set = RangeSet::from_range(10..20);
        set.insert(0..3);
        set.insert(3..10);
        assert!(set.iter().eq(std::iter::once(0..20)));
        assert_eq!(set.take_first(5), Some(0..5));
        assert_eq!(set.count(), 15);
        for outside in [4..6, 19..21, 0..1, 30..31] {
            assert!(!set.remove(&outside), "{outside:?}");
        }
        assert!(set.remove(&(7..9)) && !set.remove(&(6..8)));
        assert!(set.iter().eq([5..7, 9..20]) && set.count() == 13);
        set.insert(7..9);
        set.insert(1..2);
        assert!(
            set.contains(1)
                && !set.contains(2)
                && set.contains(5)
                && set.contains(19)
                && !set.contains(20)
        );
        assert_eq!(set.take_first(9), Some(1..2));
        assert_eq!(set.take_first(99), Some(5..20));
        assert_eq!(set.take_first(1), None);
        assert!(set.is_empty());
    }

    #[test]
    fn a_tally_counts_each_tile_alone() {
        let mut tally = Tally::default();
        let mut plain = [0u32; 40];
        for (start, end) in [(3, 9), (5, 20), (0, 4), (8, 9), (30, 33), (2, 39)] {
            tally.add(start..end, 3);
            for n in &mut plain[start as usize..end as usize] {
                *n = (*n + 1).min(3);
            }
            for (i, n) in plain.iter().enumerate() {
                assert_eq!(tally.run(i as u64).0, *n, "tile {i}");
            }
        }
    }
}
