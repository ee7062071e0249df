//! How an axis is cut into chunks or tiles: arithmetic for regular cuts, a list where there is no rule.

use std::ops::Range;
use std::sync::Arc;

/// The cuts of one axis of length `len`. Part `i` is `bounds(i)..bounds(i + 1)`; no part is empty, and an
/// axis of length 0 has no parts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Axis {
    /// A first part of `first` elements (at most `size`), then parts of `size`, the last one cut short.
    Regular {
        /// The axis' length.
        len: u64,
        /// The length of the first part, in `1..=size`.
        first: u64,
        /// The length of the others; at least 1.
        size: u64,
    },
    /// Any cuts: `bounds[0]` is 0, the last is the length, and they rise strictly.
    Explicit {
        /// The cuts, both ends included.
        bounds: Arc<[u64]>,
    },
}

impl Axis {
    /// Parts of `size` from the start. A size of 0 is taken as 1.
    pub fn regular(len: u64, size: u64) -> Axis {
        let size = size.max(1);
        Axis::Regular {
            len,
            first: size,
            size,
        }
    }

    /// One part.
    pub fn whole(len: u64) -> Axis {
        Axis::regular(len, len)
    }

    /// Cuts at `bounds`, which need be neither sorted nor unique; kept as a rule where they follow one.
    pub fn from_bounds(len: u64, mut bounds: Vec<u64>) -> Axis {
        bounds.push(0);
        bounds.push(len);
        bounds.retain(|b| *b <= len);
        bounds.sort_unstable();
        bounds.dedup();
        if bounds.len() <= 2 {
            return Axis::whole(len);
        }
        let first = bounds[1];
        let size = first.max(bounds[2] - first);
        let rule = Axis::Regular { len, first, size };
        let follows = rule.count() as usize == bounds.len() - 1
            && (0..rule.count()).all(|i| rule.range(i).start == bounds[i as usize]);
        if follows {
            rule
        } else {
            Axis::Explicit {
                bounds: bounds.into(),
            }
        }
    }

    /// The axis' length in elements.
    pub fn len(&self) -> u64 {
        match self {
            Axis::Regular { len, .. } => *len,
            Axis::Explicit { bounds } => bounds.last().copied().unwrap_or(0),
        }
    }

    /// Whether the axis has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of parts.
    pub fn count(&self) -> u64 {
        match self {
            Axis::Regular { len, first, size } => match len {
                0 => 0,
                len if len <= first => 1,
                len => 1 + (len - first).div_ceil(*size),
            },
            Axis::Explicit { bounds } => bounds.len().saturating_sub(1) as u64,
        }
    }

    /// The elements of part `i`; `i` is below [`Axis::count`].
    pub fn range(&self, i: u64) -> Range<u64> {
        match self {
            Axis::Regular { len, first, size } => {
                let start = if i == 0 { 0 } else { first + (i - 1) * size };
                start..(first + i * size).min(*len)
            }
            Axis::Explicit { bounds } => bounds[i as usize]..bounds[i as usize + 1],
        }
    }

    /// The part that holds element `at`, which is below [`Axis::len`].
    pub fn index_of(&self, at: u64) -> u64 {
        match self {
            Axis::Regular { first, size, .. } => {
                if at < *first {
                    0
                } else {
                    1 + (at - first) / size
                }
            }
            Axis::Explicit { bounds } => bounds.partition_point(|b| *b <= at) as u64 - 1,
        }
    }

    /// The longest part.
    pub fn max_part(&self) -> u64 {
        match self {
            Axis::Regular { len, size, .. } => (*size).min(*len),
            Axis::Explicit { bounds } => bounds.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(0),
        }
    }

    /// The starts of all parts but the first, rising.
    pub fn cuts(&self) -> impl Iterator<Item = u64> + '_ {
        (1..self.count()).map(|i| self.range(i).start)
    }

    /// The cuts as seen through a slice that takes `len` elements, from `start` by `step` (never 0).
    pub fn view(&self, start: u64, step: i64, len: u64) -> Axis {
        if let (Axis::Regular { size, .. }, 1) = (self, step)
            && len > 0
        {
            let size = *size;
            let first = (self.range(self.index_of(start)).end - start).min(len);
            return Axis::Regular {
                len,
                first: first.min(size),
                size,
            };
        }
        if len == 0 {
            return Axis::whole(0);
        }
        let element = |i: u64| (start as i64 + step * i as i64) as u64;
        let last = element(len - 1);
        let parts = self.index_of(last.min(start))..self.index_of(last.max(start));
        if parts.end - parts.start >= len {
            // More cuts than elements: the elements are asked.
            let part = |i: u64| self.index_of(element(i));
            let bounds = (1..len).filter(|i| part(*i) != part(*i - 1));
            return Axis::from_bounds(len, bounds.collect());
        }
        let cuts = parts.map(|i| self.range(i + 1).start as i64);
        let seen = cuts.map(|c| {
            // The first element of the slice on the far side of the cut.
            if step > 0 {
                (c - start as i64 + step - 1) / step
            } else {
                (start as i64 - c) / -step + 1
            }
        });
        Axis::from_bounds(len, seen.map(|c| c as u64).collect())
    }

    /// Every cut of both axes, which have one length: parts that lie within one part of each.
    pub fn refine(&self, other: &Axis) -> Axis {
        if self == other || other.count() <= 1 {
            return self.clone();
        }
        if self.count() <= 1 {
            return other.clone();
        }
        Axis::from_bounds(self.len(), self.cuts().chain(other.cuts()).collect())
    }

    /// The cuts that both axes share: parts that are whole numbers of parts of each.
    pub fn common(&self, other: &Axis) -> Axis {
        if self == other {
            return self.clone();
        }
        let shared = self
            .cuts()
            .filter(|c| other.range(other.index_of(*c)).start == *c);
        Axis::from_bounds(self.len(), shared.collect())
    }

    /// Joins every `n` parts into one.
    pub fn coarsen(&self, n: u64) -> Axis {
        match self {
            _ if n <= 1 => self.clone(),
            Axis::Regular { len, first, size } if first == size => {
                Axis::regular(*len, size.saturating_mul(n))
            }
            _ => {
                let starts = (0..self.count())
                    .step_by(n as usize)
                    .map(|i| self.range(i).start);
                Axis::from_bounds(self.len(), starts.collect())
            }
        }
    }

    /// The most parts of this axis that one part of `tiles`, cuts of the same dim, touches.
    pub fn most_within(&self, tiles: &Axis) -> u64 {
        if let (
            Axis::Regular {
                first: f, size: t, ..
            },
            Axis::Regular {
                first: g, size: p, ..
            },
        ) = (tiles, self)
            && f == t
            && g == p
        {
            // Tiles start at multiples of `t`, parts at multiples of `p`. Where they do not fit this is a bound, and
            // may be one too many; stages are cut by it, so it is part of what a plan version means.
            let aligned = t % p == 0;
            let most = if aligned { t / p } else { t.div_ceil(*p) + 1 };
            return most.min(self.count());
        }
        let within = |tile: u64| {
            let r = tiles.range(tile);
            self.index_of(r.end - 1) - self.index_of(r.start) + 1
        };
        let count = tiles.count();
        // Regular tiles lie over regular parts in a pattern that comes again, but for the first tile and the last.
        let pattern = match (tiles, self) {
            (Axis::Regular { size: t, .. }, Axis::Regular { size: p, .. }) => p / gcd(*t, *p),
            _ => count,
        };
        if self.count() < count.min(pattern) {
            // A tile touches more than one part where a cut lies in it.
            let cut = self.cuts().map(|c| within(tiles.index_of(c)));
            return cut.fold(1, u64::max);
        }
        let tiles = (0..count.min(pattern + 1)).chain(count.checked_sub(1));
        tiles.map(within).max().unwrap_or(0)
    }
}

/// The greatest common divisor of two numbers that are not both 0 (Euclid).
fn gcd(a: u64, b: u64) -> u64 {
    match b {
        0 => a,
        b => gcd(b, a % b),
    }
}

/// The number of blocks of a grid of these axes.
pub fn block_count(axes: &[Axis]) -> u64 {
    axes.iter().map(Axis::count).product()
}

/// The index along each axis of block `number`, counted in C order (the last axis fastest).
pub fn block_index(axes: &[Axis], mut number: u64) -> Vec<u64> {
    let mut index = vec![0; axes.len()];
    for (i, axis) in index.iter_mut().zip(axes).rev() {
        let count = axis.count().max(1);
        *i = number % count;
        number /= count;
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn axis() -> impl Strategy<Value = Axis> {
        prop_oneof![
            (0u64..60, 1u64..20).prop_map(|(len, size)| Axis::regular(len, size)),
            (1u64..60, proptest::collection::vec(0u64..60, 0..8))
                .prop_map(|(len, cuts)| Axis::from_bounds(len, cuts)),
        ]
    }

    proptest! {
        #[test]
        fn parts_tile_the_axis(a in axis()) {
            let mut at = 0;
            for i in 0..a.count() {
                let r = a.range(i);
                prop_assert_eq!(r.start, at);
                prop_assert!(r.end > r.start);
                for e in r.clone() { prop_assert_eq!(a.index_of(e), i); }
                at = r.end;
            }
            prop_assert_eq!(at, a.len());
        }

        #[test]
        fn a_view_cuts_where_the_source_does(a in axis(), s in 0u64..60, stride in 1i64..6, down: bool, n in 0u64..60) {
            prop_assume!(!a.is_empty());
            let s = s % a.len();
            let (step, room) = if down { (-stride, s) } else { (stride, a.len() - 1 - s) };
            let n = 1 + n % (room / stride as u64 + 1);
            let v = a.view(s, step, n);
            prop_assert_eq!(v.len(), n);
            let part = |i: u64| a.index_of((s as i64 + step * i as i64) as u64);
            for i in 1..n {
                let cut = v.index_of(i) != v.index_of(i - 1);
                prop_assert_eq!(cut, part(i) != part(i - 1), "at {}", i);
            }
        }

        #[test]
        fn the_most_parts_within_a_tile_are_those_of_some_tile(
            parts in axis(), size in 1u64..20, skip in 0u64..20, cuts in proptest::collection::vec(0u64..60, 0..8), ruled: bool,
        ) {
            prop_assume!(!parts.is_empty());
            let len = parts.len();
            let tiles = match ruled {
                // A view begins within a tile.
                true => Axis::regular(len + skip, size).view(skip, 1, len),
                false => Axis::from_bounds(len, cuts),
            };
            let within = |r: Range<u64>| parts.index_of(r.end - 1) - parts.index_of(r.start) + 1;
            let most = (0..tiles.count()).map(|t| within(tiles.range(t))).max().unwrap_or(0);
            let told = parts.most_within(&tiles);
            // Where tiles and parts both start at 0, one more is told than may be there.
            let by_rule = matches!((&tiles, &parts), (Axis::Regular { first: f, size: t, .. }, Axis::Regular { first: g, size: p, .. }) if f == t && g == p);
            prop_assert!(told == most || by_rule && told == most + 1, "{told}, {most} of {tiles:?} over {parts:?}");
        }

        #[test]
        fn long_axes_are_seen_without_looking_at_every_part(size in 1u64..1000, step in 2i64..1 << 40, skip in 0u64..1000) {
            let (len, parts) = (1 << 60, Axis::regular(1 << 60, size));
            let seen = parts.view(skip, step, 20);
            prop_assert_eq!(seen.len(), 20);
            let tiles = Axis::regular(len + skip, 1000).view(skip, 1, len);
            prop_assert!(parts.most_within(&tiles) <= 1000 / size + 2);
        }

        #[test]
        fn refine_and_common_are_union_and_intersection(a in axis(), cuts in proptest::collection::vec(0u64..60, 0..8)) {
            prop_assume!(!a.is_empty());
            let b = Axis::from_bounds(a.len(), cuts);
            let (r, c) = (a.refine(&b), a.common(&b));
            for i in 1..a.len() {
                let cut = |x: &Axis| x.index_of(i) != x.index_of(i - 1);
                prop_assert_eq!(cut(&r), cut(&a) || cut(&b));
                prop_assert_eq!(cut(&c), cut(&a) && cut(&b));
            }
        }
    }
}
