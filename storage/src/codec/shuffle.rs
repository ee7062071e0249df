//! Undoing blosc's byte and bit shuffles. A shuffled block holds the first bytes (or bits) of all elements, then
//! the second ones, and so on.

/// Undoes the byte shuffle of elements of `size` bytes. `out` is as long as `input`.
pub(super) fn unshuffle(size: usize, input: &[u8], out: &mut [u8]) {
    let count = input.len() / size;
    let (planes, tail) = input.split_at(count * size);
    let (elements, out_tail) = out.split_at_mut(count * size);
    out_tail.copy_from_slice(tail);
    match size {
        2 => interleave::<2>(planes, elements),
        4 => interleave::<4>(planes, elements),
        8 => interleave::<8>(planes, elements),
        _ => {
            for (k, plane) in planes.chunks_exact(count.max(1)).enumerate() {
                for (element, byte) in elements.chunks_exact_mut(size).zip(plane) {
                    element[k] = *byte;
                }
            }
        }
    }
}

/// Element `i` of the output is byte `i` of each of the `N` planes in turn.
fn interleave<const N: usize>(planes: &[u8], elements: &mut [u8]) {
    let count = planes.len() / N;
    let mut rest = planes;
    let planes: [&[u8]; N] = std::array::from_fn(|_| {
        let (plane, after) = rest.split_at(count);
        rest = after;
        plane
    });
    let (elements, _) = elements.as_chunks_mut::<N>();
    for (i, element) in elements.iter_mut().enumerate().take(count) {
        *element = std::array::from_fn(|k| planes[k][i]);
    }
}

/// Undoes the bit shuffle of elements of `size` bytes. Blosc shuffles bits only when the number of elements is
/// a multiple of 8, and copies otherwise.
pub(super) fn bit_unshuffle(size: usize, input: &[u8], out: &mut [u8]) {
    let count = input.len() / size;
    if !count.is_multiple_of(8) {
        out.copy_from_slice(input);
        return;
    }
    let shuffled = count * size;
    out[shuffled..].copy_from_slice(&input[shuffled..]);
    let row = count / 8;
    if row == 0 {
        return;
    }
    for (k, rows) in input[..shuffled].chunks_exact(row * 8).enumerate() {
        let rows: [&[u8]; 8] = std::array::from_fn(|b| &rows[b * row..(b + 1) * row]);
        for (j, elements) in out[..shuffled].chunks_exact_mut(8 * size).enumerate() {
            let bits = u64::from_le_bytes(std::array::from_fn(|b| rows[b][j]));
            let bytes = transpose_bits(bits).to_le_bytes();
            if size == 1 {
                elements.copy_from_slice(&bytes);
            } else {
                for (i, byte) in bytes.into_iter().enumerate() {
                    elements[i * size + k] = byte;
                }
            }
        }
    }
}

/// Transposes an 8 by 8 matrix of bits whose rows are bytes.
fn transpose_bits(mut x: u64) -> u64 {
    let mut t = (x ^ (x >> 7)) & 0x00AA_00AA_00AA_00AA;
    x ^= t ^ (t << 7);
    t = (x ^ (x >> 14)) & 0x0000_CCCC_0000_CCCC;
    x ^= t ^ (t << 14);
    t = (x ^ (x >> 28)) & 0x0000_0000_F0F0_F0F0;
    x ^ t ^ (t << 28)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_transpose() {
        for (row, column) in (0..8).flat_map(|r| (0..8).map(move |c| (r, c))) {
            assert_eq!(
                transpose_bits(1 << (8 * row + column)),
                1 << (8 * column + row)
            );
        }
    }
}
