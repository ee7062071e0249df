//! The merge tree of a reduction: a fixed binary tree over the reduced tiles of each output tile.
//!
//! Floating-point sums depend on their order. Here the order is a property of the plan: node `(level, index)`
//! covers the reduced tiles `index << level .. (index + 1) << level`, and two nodes merge only with their
//! sibling, the left one first. Whoever computed a tile, and whenever, the same plan gives the same bits.

use crate::partial::Partial;
use crate::reduce::State;
use std::collections::BTreeMap;

/// A node of the tree of one output tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TreeKey {
    /// The output tile: the number of the tile among the kept dims, in C order.
    pub output_tile: u64,
    /// The level; leaves are 0.
    pub level: u8,
    /// The number of the node on its level.
    pub index: u64,
}

impl TreeKey {
    /// The leaf of reduced tile `leaf`.
    pub fn leaf(output_tile: u64, leaf: u64) -> TreeKey {
        TreeKey {
            output_tile,
            level: 0,
            index: leaf,
        }
    }

    /// The root over `leaves` reduced tiles.
    pub fn root(output_tile: u64, leaves: u64) -> TreeKey {
        TreeKey {
            output_tile,
            level: leaves.max(1).next_power_of_two().trailing_zeros() as u8,
            index: 0,
        }
    }
}

/// Partials that wait for their sibling.
///
/// With completions scattered over a large reduction, half of all tiles wait here, so small nodes are kept
/// packed: a number of 8 bytes, a place of 4, and the words of many nodes in one page.
#[derive(Clone, Debug, Default)]
pub struct PartialTree {
    /// Numbers that an output tile's nodes take; 0 before the first node.
    span: u64,
    packed: BTreeMap<u64, u32>,
    slab: Slab,
    /// Nodes of another shape than the slab's, or large ones.
    loose: BTreeMap<u64, Partial>,
    bytes: u64,
}

impl PartialTree {
    /// Adds a node and folds upwards for as long as siblings are there. `leaves` is the number of reduced
    /// tiles of an output tile, the same at each call. A node whose sibling lies wholly beyond the last leaf
    /// rises alone. Returns the root's partial when it is complete.
    pub fn insert(
        &mut self,
        state: &State,
        leaves: u64,
        key: TreeKey,
        partial: Partial,
    ) -> Option<Partial> {
        self.span = 2 * leaves.max(1).next_power_of_two();
        let (mut key, mut partial) = (key, partial);
        loop {
            let covers = 1u64.checked_shl(key.level as u32).unwrap_or(u64::MAX);
            if key.index == 0 && covers >= leaves {
                return Some(partial);
            }
            let sibling = TreeKey {
                index: key.index ^ 1,
                ..key
            };
            if sibling.index.saturating_mul(covers) < leaves {
                let Some(other) = self.take(sibling) else {
                    self.keep(key, partial);
                    return None;
                };
                partial = if key.index & 1 == 0 {
                    partial.merge(state, &other)
                } else {
                    other.merge(state, &partial)
                };
            }
            key = TreeKey {
                output_tile: key.output_tile,
                level: key.level + 1,
                index: key.index >> 1,
            };
        }
    }

    /// Takes every node out, in the same order however they came in.
    pub fn drain(&mut self) -> impl Iterator<Item = (TreeKey, Partial)> + use<> {
        let span = self.span;
        let mut nodes: Vec<(u64, Partial)> = std::mem::take(&mut self.loose).into_iter().collect();
        nodes.extend(
            std::mem::take(&mut self.packed)
                .into_iter()
                .map(|(n, at)| (n, self.slab.get(at))),
        );
        nodes.sort_unstable_by_key(|(n, _)| *n);
        self.slab.clear();
        self.bytes = 0;
        nodes.into_iter().map(move |(n, p)| (key_of(n, span), p))
    }

    /// The keys of the nodes that wait.
    pub fn keys(&self) -> impl Iterator<Item = TreeKey> + '_ {
        self.packed
            .keys()
            .chain(self.loose.keys())
            .map(|n| key_of(*n, self.span))
    }

    /// The number of nodes that wait.
    pub fn len(&self) -> usize {
        self.packed.len() + self.loose.len()
    }

    /// Whether no node waits.
    pub fn is_empty(&self) -> bool {
        self.packed.is_empty() && self.loose.is_empty()
    }

    /// Bytes of the words of all waiting nodes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    fn keep(&mut self, key: TreeKey, partial: Partial) {
        self.bytes += partial.bytes();
        let number = number_of(key, self.span);
        match self.slab.put(&partial) {
            Some(at) => drop(self.packed.insert(number, at)),
            None => drop(self.loose.insert(number, partial)),
        }
    }

    fn take(&mut self, key: TreeKey) -> Option<Partial> {
        let number = number_of(key, self.span);
        let partial = match self.packed.remove(&number) {
            Some(at) => {
                let partial = self.slab.get(at);
                self.slab.free(at, self.packed.is_empty());
                partial
            }
            None => self.loose.remove(&number)?,
        };
        self.bytes -= partial.bytes();
        Some(partial)
    }
}

/// Nodes of one output tile counted as in a walk from left to right: leaves are odd numbers, and a number's
/// trailing zeros are its level.
fn number_of(key: TreeKey, span: u64) -> u64 {
    key.output_tile * span + ((2 * key.index + 1) << key.level)
}

fn key_of(number: u64, span: u64) -> TreeKey {
    let within = number % span;
    let level = within.trailing_zeros();
    TreeKey {
        output_tile: number / span,
        level: level as u8,
        index: within >> (level + 1),
    }
}

/// Words of partials of one shape, side by side in pages, so that growing copies nothing.
#[derive(Clone, Debug, Default)]
struct Slab {
    /// `(first_group, groups, cells, words)` of the first partial that came.
    shape: Option<(u32, u32, u64, usize)>,
    pages: Vec<Vec<u64>>,
    used: u32,
    free: Vec<u32>,
}

/// Partials with more words are kept as they are: their own overhead is small beside them.
const PACKED_WORDS: usize = 64;
/// Partials in a page.
const PAGE: usize = 512;

impl Slab {
    fn put(&mut self, p: &Partial) -> Option<u32> {
        let words = p.words.len();
        let shape = (p.first_group, p.groups, p.cells, words);
        if words > PACKED_WORDS || *self.shape.get_or_insert(shape) != shape {
            return None;
        }
        if let Some(at) = self.free.pop() {
            let (page, start) = (at as usize / PAGE, at as usize % PAGE * words);
            self.pages[page][start..start + words].copy_from_slice(&p.words);
            return Some(at);
        }
        let at = self.used;
        self.used = self.used.checked_add(1)?;
        let page = at as usize / PAGE;
        if page == self.pages.len() {
            // The first page grows with its content: most trees stay small.
            self.pages.push(if page == 0 {
                Vec::new()
            } else {
                Vec::with_capacity(PAGE * words)
            });
        }
        self.pages[page].extend_from_slice(&p.words);
        Some(at)
    }

    fn get(&self, at: u32) -> Partial {
        let (first_group, groups, cells, words) = self.shape.unwrap_or_default();
        let start = at as usize % PAGE * words;
        let words = self.pages[at as usize / PAGE][start..start + words].to_vec();
        Partial {
            first_group,
            groups,
            cells,
            words,
        }
    }

    fn free(&mut self, at: u32, last: bool) {
        if last {
            self.clear()
        } else {
            self.free.push(at)
        }
    }

    /// Forgets everything and keeps one page's memory.
    fn clear(&mut self) {
        self.shape = None;
        self.used = 0;
        self.free.clear();
        self.pages.truncate(1);
        self.pages.iter_mut().for_each(Vec::clear);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::Lane;
    use crate::reduce::ReduceOp;
    use proptest::prelude::*;

    fn leaf(state: &State, x: f64) -> Partial {
        let mut p = Partial::empty(state, 0, 1, 1);
        p.words = vec![1, x.to_bits(), 0f64.to_bits()];
        p
    }

    proptest! {
        /// Any order of arrival, through any split over workers that fold first, gives the same bits.
        #[test]
        fn the_order_of_arrival_does_not_change_the_bits(
            xs in proptest::collection::vec(-1e6f64..1e6, 1..40), seed in any::<u64>(), workers in 1usize..4,
        ) {
            let state = State::for_ops(Lane::F64, true, &[ReduceOp::Var { ddof: 0 }]);
            let n = xs.len() as u64;
            let key = |i: usize| TreeKey { output_tile: 0, level: 0, index: i as u64 };
            let mut reference = PartialTree::default();
            let mut root = None;
            for (i, x) in xs.iter().enumerate() {
                root = reference.insert(&state, n, key(i), leaf(&state, *x)).or(root);
            }
            let mut order: Vec<usize> = (0..xs.len()).collect();
            order.sort_by_key(|i| (*i as u64 + 1).wrapping_mul(seed | 1).rotate_left(17));
            let mut locals = vec![PartialTree::default(); workers];
            let mut other = None;
            let mut top = PartialTree::default();
            for (turn, i) in order.into_iter().enumerate() {
                other = locals[turn % workers].insert(&state, n, key(i), leaf(&state, xs[i])).or(other);
            }
            for mut local in locals {
                for (k, p) in local.drain() {
                    other = top.insert(&state, n, k, p).or(other);
                }
            }
            prop_assert!(top.is_empty());
            prop_assert_eq!(root.map(|p| p.words), other.map(|p| p.words));
        }
    }
}
