//! Blocks of an array in C order, and how they are put into it.

use std::ops::Range;

/// Elements of a region.
pub fn region_elements(region: &[Range<u64>]) -> u64 {
    region.iter().map(|r| r.end - r.start).product()
}

/// Copies `block`, the elements of `region` in C order, into `array`, whose shape is `shape`. Elements have
/// `size` bytes. The region lies within the shape and the block fills the region.
pub fn place_block(
    array: &mut [u8],
    shape: &[u64],
    region: &[Range<u64>],
    block: &[u8],
    size: usize,
) {
    place_part(array, shape, region, 0, block, size);
}

/// As [`place_block`], of the part of a block that begins `from` bytes behind the block's start.
pub fn place_part(
    array: &mut [u8],
    shape: &[u64],
    region: &[Range<u64>],
    from: usize,
    part: &[u8],
    size: usize,
) {
    if part.is_empty() {
        return;
    }
    // Trailing dims that the region covers whole are one run of bytes with the dim before them.
    let mut run = size as u64;
    let mut outer = region.len();
    while outer > 0 {
        outer -= 1;
        run *= region[outer].end - region[outer].start;
        if region[outer] != (0..shape[outer]) {
            break;
        }
    }
    let stride = |d: usize| shape[d + 1..].iter().product::<u64>() * size as u64;
    let base: u64 = region
        .iter()
        .enumerate()
        .map(|(d, r)| r.start * stride(d))
        .sum();
    let run = run as usize;
    let (mut done, mut rest) = (from, part);
    while !rest.is_empty() {
        let (mut left, mut at) = ((done / run) as u64, base);
        for d in (0..outer).rev() {
            let extent = region[d].end - region[d].start;
            at += left % extent * stride(d);
            left /= extent;
        }
        // The part may begin and end within a run.
        let within = done % run;
        let (now, later) = rest.split_at(rest.len().min(run - within));
        let at = at as usize + within;
        array[at..at + now.len()].copy_from_slice(now);
        (done, rest) = (done + now.len(), later);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn blocks_of_a_grid_fill_the_array(
            shape in proptest::collection::vec(1u64..6, 1..4), chunk in proptest::collection::vec(1u64..4, 3),
            cut: usize,
        ) {
            let axes: Vec<_> =
                shape.iter().zip(&chunk).map(|(n, c)| crate::grid::Axis::regular(*n, *c)).collect();
            let total = shape.iter().product::<u64>() as usize;
            let mut array = vec![0u8; total * 2];
            for b in 0..crate::grid::block_count(&axes) {
                let index = crate::grid::block_index(&axes, b);
                let region: Vec<_> = axes.iter().zip(&index).map(|(a, i)| a.range(*i)).collect();
                let mut block = Vec::new();
                for e in 0..region_elements(&region) {
                    let (mut left, mut at, mut weight) = (e, 0, 1);
                    for d in (0..shape.len()).rev() {
                        let extent = region[d].end - region[d].start;
                        at += (region[d].start + left % extent) * weight;
                        left /= extent;
                        weight *= shape[d];
                    }
                    block.extend_from_slice(&(at as u16).to_le_bytes());
                }
                let (first, second) = block.split_at(cut % (block.len() + 1));
                place_part(&mut array, &shape, &region, 0, first, 2);
                place_part(&mut array, &shape, &region, first.len(), second, 2);
            }
            let expected: Vec<u8> = (0..total as u16).flat_map(u16::to_le_bytes).collect();
            prop_assert_eq!(array, expected);
        }
    }
}
