//! Guards: the cheap part of a mask, by which a strip is thinned before the costly part of a program runs.
//!
//! Where every sink leaves out what one mask does not select, and part of that mask needs nothing of what the
//! values need (a scene's classes, say), that part is evaluated first. Blocks of [`LANES`] elements of which it
//! selects none are then taken out of the strip. A block is a turn of the accumulators' lanes, so what is left
//! enters the same lanes in the same order, and no bit of a result changes.
//!
//! Where it selects nothing of a whole cell, the chunks that only the rest of the program needs are not read.

use crate::accumulate::LANES;
use crate::code::{Operand, Reg};
use crate::kernels::with_width;
use crate::select::{Arg, Call, Def, Selector};
use bytemuck::Pod;
use dasklike_graph::mask;
use dasklike_graph::stage::Sink;
use std::collections::BTreeSet;

/// The least number of calls after the guard for which taking blocks out pays.
const WORTH: usize = 2;

/// A compiled guard.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    /// How many of the first steps it is.
    pub(crate) steps: usize,
    /// Whether enough follows that thinning strips pays.
    pub(crate) thins: bool,
    /// Inputs that the first steps and the masks read.
    pub(crate) reads: Vec<u32>,
    /// The parts of the mask: an element counts only if all of them select it.
    pub(crate) masks: Vec<Operand>,
    /// Inputs that later steps or sinks read.
    pub(crate) inputs: Vec<u32>,
    /// Registers that the first steps write and later ones or sinks read.
    pub(crate) registers: Vec<Reg>,
}

/// A guard before registers are allocated.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    /// How many of the first calls it is.
    pub(crate) calls: usize,
    /// Whether enough calls follow that thinning strips pays.
    pub(crate) thins: bool,
    pub(crate) masks: Vec<Arg>,
}

/// Finds the guard of a program's sinks, and moves its calls to the front.
pub(crate) fn select(
    s: &Selector<'_>,
    sinks: &[Sink],
    calls: &mut [(u32, usize, Call)],
) -> Option<Selection> {
    let (values, mask) = mask::common_mask(s.program, sinks)?;
    let parts = mask::cheap_parts(s.program, &values, mask);
    let parts = parts.into_iter().map(|part| s.arg(part));
    let masks: Vec<Arg> = parts
        .filter(|arg| matches!(arg, Arg::Value(_) | Arg::Input(_)))
        .collect();
    if masks.is_empty() {
        return None;
    }
    let cheap = needed(s, &masks);
    // Stable: calls stay behind those whose results they read.
    calls.sort_by_key(|(value, _, _)| !cheap.contains(value));
    Some(Selection {
        calls: cheap.len(),
        thins: calls.len() >= cheap.len() + WORTH,
        masks,
    })
}

/// The values that calls define and `args` need.
fn needed(s: &Selector<'_>, args: &[Arg]) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let mut open = args.to_vec();
    while let Some(arg) = open.pop() {
        if let Arg::Value(v) = arg
            && let Def::Call(call) = &s.defs[v as usize]
            && found.insert(v)
        {
            open.extend(call.args);
        }
    }
    found
}

/// Lists the blocks of which `masks` (each of `n` bytes at least) select an element.
pub(crate) fn live_blocks(masks: &[&[u8]], n: usize, live: &mut Vec<u16>) {
    live.clear();
    let Some((first, others)) = masks.split_first() else {
        return;
    };
    let lanes = |block: &[u8; LANES]| u128::from_ne_bytes(*block);
    live.resize(n / LANES, 0);
    let mut found = 0;
    for (at, block) in first[..n].as_chunks::<LANES>().0.iter().enumerate() {
        // Bools are bytes of 0 and 1.
        let selected = others
            .iter()
            .fold(lanes(block), |all, m| all & lanes(&m.as_chunks().0[at]));
        // Written in any case, and kept if it counts: no branch to guess wrong.
        live[found] = at as u16;
        found += (selected != 0) as usize;
    }
    live.truncate(found);
}

/// Whether `masks` select any of `n` elements. Leaves the blocks with such elements in `live`.
pub(crate) fn selects_any(masks: &[&[u8]], n: usize, live: &mut Vec<u16>) -> bool {
    live_blocks(masks, n, live);
    !live.is_empty() || (n - n % LANES..n).any(|i| masks.iter().all(|m| m[i] != 0))
}

/// Copies the `live` blocks and what is left behind the last block from `from` to `to`; both hold elements of
/// `size` bytes, `n` of them in `from`.
pub(crate) fn gather(to: &mut [u64], from: &[u8], size: usize, live: &[u16], n: usize) {
    fn of<T: Pod>(to: &mut [u64], from: &[u8], live: &[u16], n: usize) {
        let (to, from) = (
            bytemuck::cast_slice_mut::<u64, T>(to),
            bytemuck::cast_slice::<u8, T>(from),
        );
        let (blocks, rest) = from[..n].as_chunks::<LANES>();
        let (out, _) = to.as_chunks_mut::<LANES>();
        for (block, live) in out.iter_mut().zip(live) {
            *block = blocks[*live as usize];
        }
        to[live.len() * LANES..][..rest.len()].copy_from_slice(rest);
    }
    with_width!(size, T => of::<T>(to, from, live, n))
}

/// As [`gather`], within a register.
pub(crate) fn close_up(register: &mut [u64], size: usize, live: &[u16], n: usize) {
    fn of<T: Pod>(register: &mut [u64], live: &[u16], n: usize) {
        let all = bytemuck::cast_slice_mut::<u64, T>(register);
        let (blocks, _) = all[..n].as_chunks_mut::<LANES>();
        let whole = blocks.len() * LANES;
        for (to, from) in live.iter().enumerate() {
            blocks[to] = blocks[*from as usize];
        }
        all.copy_within(whole..n, live.len() * LANES);
    }
    with_width!(size, T => of::<T>(register, live, n))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_left_is_every_block_with_a_selected_element_and_the_rest(
            mask in proptest::collection::vec(prop_oneof![40 => Just(0u8), 1 => Just(1u8)], 0..400),
        ) {
            let n = mask.len();
            let mut live = Vec::new();
            live_blocks(&[&mask], n, &mut live);
            let values: Vec<u16> = (0..n as u16).collect();
            let kept: Vec<u16> = values
                .chunks(LANES)
                .zip(mask.chunks(LANES))
                .filter(|(v, m)| v.len() < LANES || m.contains(&1))
                .flat_map(|(v, _)| v.to_vec())
                .collect();
            let mut out = vec![0u64; 100];
            // A buffer of words is aligned for every element.
            let mut words = vec![0u64; 100];
            bytemuck::cast_slice_mut::<u64, u16>(&mut words)[..n].copy_from_slice(&values);
            gather(&mut out, bytemuck::cast_slice(&words), 2, &live, n);
            prop_assert_eq!(&bytemuck::cast_slice::<u64, u16>(&out)[..kept.len()], &kept[..]);
            close_up(&mut words, 2, &live, n);
            prop_assert_eq!(&bytemuck::cast_slice::<u64, u16>(&words)[..kept.len()], &kept[..]);
        }
    }
}
