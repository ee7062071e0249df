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
        TreeKey { output_tile, level: 0, index: leaf }
    }

    /// The root over `leaves` reduced tiles.
    pub fn root(output_tile: u64, leaves: u64) -> TreeKey {
        TreeKey { output_tile, level: leaves.max(1).next_power_of_two().trailing_zeros() as u8, index: 0 }
    }
}

/// Partials that wait for their sibling.
#[derive(Clone, Debug, Default)]
pub struct PartialTree {
    nodes: BTreeMap<TreeKey, Partial>,
    bytes: u64,
}

impl PartialTree {
    /// Adds a node and folds upwards for as long as siblings are there. `leaves` is the number of reduced
    /// tiles of an output tile. A node whose sibling lies wholly beyond the last leaf rises alone.
    /// Returns the root's partial when it is complete.
    pub fn insert(&mut self, state: &State, leaves: u64, key: TreeKey, partial: Partial) -> Option<Partial> {
        let (mut key, mut partial) = (key, partial);
        loop {
            let covers = 1u64.checked_shl(key.level as u32).unwrap_or(u64::MAX);
            if key.index == 0 && covers >= leaves {
                return Some(partial);
            }
            let sibling = TreeKey { index: key.index ^ 1, ..key };
            if sibling.index.saturating_mul(covers) < leaves {
                let Some(other) = self.nodes.remove(&sibling) else {
                    self.bytes += partial.bytes();
                    self.nodes.insert(key, partial);
                    return None;
                };
                self.bytes -= other.bytes();
                partial = if key.index & 1 == 0 {
                    partial.merge(state, &other)
                } else {
                    other.merge(state, &partial)
                };
            }
            key = TreeKey { output_tile: key.output_tile, level: key.level + 1, index: key.index >> 1 };
        }
    }

    /// Takes every node out, in the order of their keys.
    pub fn drain(&mut self) -> impl Iterator<Item = (TreeKey, Partial)> {
        self.bytes = 0;
        std::mem::take(&mut self.nodes).into_iter()
    }

    /// The number of nodes that wait.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether no node waits.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Bytes of the words of all waiting nodes.
    pub fn bytes(&self) -> u64 {
        self.bytes
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
