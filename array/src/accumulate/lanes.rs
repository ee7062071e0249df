//! Lanes: accumulators side by side, so that values enter several at a time in an order that is fixed.

use super::{KEEP, LANES, MASKED};
use crate::element::Element;
use multiversion::multiversion;
use multiversion::target::target_cfg_f;

/// [`LANES`] accumulators of values of `T`.
pub(super) trait Lanes<T>: Copy {
    /// Lets a value into lane `j`, unless it is left out; a float that is left out is NaN. Implementations are
    /// `#[inline(always)]`.
    fn add(&mut self, j: usize, value: T, counts_in: bool);
}

/// Two accumulators of the same values, fed in one pass.
impl<T: Copy, A: Lanes<T>, B: Lanes<T>> Lanes<T> for (A, B) {
    #[inline(always)]
    fn add(&mut self, j: usize, value: T, counts_in: bool) {
        self.0.add(j, value, counts_in);
        self.1.add(j, value, counts_in);
    }
}

/// Lets a strip in. Value `i` goes to lane `i % LANES`.
pub(super) fn feed<T: Element, const MODE: u8, A: Lanes<T>>(
    lanes: &mut A,
    values: &[T],
    mask: &[u8],
) {
    let (blocks, rest) = values.as_chunks::<LANES>();
    let (masks, rest_mask) = mask.as_chunks::<LANES>();
    if !blocks.is_empty() {
        feed_blocks::<T, MODE, A>(lanes, blocks, masks);
    }
    for (j, v) in rest.iter().enumerate() {
        add::<T, MODE, A>(lanes, j, *v, MODE != MASKED || rest_mask[j] != 0);
    }
}

#[inline(always)]
fn add<T: Element, const MODE: u8, A: Lanes<T>>(lanes: &mut A, j: usize, value: T, selected: bool) {
    let value = if selected { value } else { T::NOTHING };
    let counts_in = if T::FLOAT {
        MODE == KEEP || !value.is_nan()
    } else {
        selected
    };
    lanes.add(j, value, counts_in);
}

/// A function of its own, which leaves the lanes in memory: where the sum of the lanes or the rest of the strip
/// is in view, the compiler orders the lanes by those, with shuffles in the loop (2 to 3 times slower).
#[multiversion(targets(
    "x86_64+avx+avx2+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+bmi1+bmi2+lzcnt+popcnt",
    "x86_64+avx+avx2+bmi1+bmi2+lzcnt+popcnt"
))]
fn feed_blocks<T: Element, const MODE: u8, A: Lanes<T>>(
    lanes: &mut A,
    blocks: &[[T; LANES]],
    masks: &[[u8; LANES]],
) {
    let mut local = *lanes;
    // All lanes of wide values need more than the 16 registers that there are without AVX-512.
    if size_of::<T>() == 8 && !target_cfg_f!(target_feature = "avx512f") {
        feed_some::<T, MODE, A, 0, { LANES / 2 }>(&mut local, blocks, masks);
        feed_some::<T, MODE, A, { LANES / 2 }, LANES>(&mut local, blocks, masks);
    } else {
        feed_some::<T, MODE, A, 0, LANES>(&mut local, blocks, masks);
    }
    *lanes = local;
}

/// Feeds lanes `FROM..TO`.
#[inline(always)]
fn feed_some<T: Element, const MODE: u8, A: Lanes<T>, const FROM: usize, const TO: usize>(
    lanes: &mut A,
    blocks: &[[T; LANES]],
    masks: &[[u8; LANES]],
) {
    if MODE == MASKED {
        for (block, mask) in blocks.iter().zip(masks) {
            for (j, (v, m)) in block[FROM..TO].iter().zip(&mask[FROM..TO]).enumerate() {
                add::<T, MODE, A>(lanes, FROM + j, *v, *m != 0);
            }
        }
    } else {
        for block in blocks {
            for (j, v) in block[FROM..TO].iter().enumerate() {
                add::<T, MODE, A>(lanes, FROM + j, *v, true);
            }
        }
    }
}
