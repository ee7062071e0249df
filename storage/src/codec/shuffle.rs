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

/// Undoes the bit shuffle of elements of `size` bytes, with room for as many bytes as `input` has. Blosc shuffles
/// bits only when the number of elements is a multiple of 8, and copies otherwise.
pub(super) fn bit_unshuffle(size: usize, input: &[u8], room: &mut [u8], out: &mut [u8]) {
    let count = input.len() / size;
    if !count.is_multiple_of(8) {
        out.copy_from_slice(input);
        return;
    }
    if count == 0 {
        return;
    }
    let shuffled = count * size;
    out[shuffled..].copy_from_slice(&input[shuffled..]);
    if size == 1 {
        gather_bits(&input[..shuffled], &mut out[..shuffled]);
        return;
    }
    // First the bits of each byte come together, which gives a byte shuffle.
    let room = &mut room[..shuffled];
    for (bits, bytes) in input.chunks_exact(count).zip(room.chunks_exact_mut(count)) {
        gather_bits(bits, bytes);
    }
    unshuffle(size, room, &mut out[..shuffled]);
}

/// Columns of eight bytes that are worked on at once, so that the compiler can use wide registers.
const LANES: usize = 4;
type Words = [[u64; LANES]; 8];

/// `bits` are eight rows, the lowest bit of all bytes, then the next; `bytes` are those bytes.
fn gather_bits(bits: &[u8], bytes: &mut [u8]) {
    let row = bits.len() / 8;
    let rows: [&[u8]; 8] = std::array::from_fn(|b| &bits[b * row..(b + 1) * row]);
    let (wide, rest) = bytes.as_chunks_mut::<{ 64 * LANES }>();
    for (j, bytes) in wide.iter_mut().enumerate() {
        let at = j * 8 * LANES;
        let mut words: Words = std::array::from_fn(|b| {
            let (columns, _) = rows[b][at..at + 8 * LANES].as_chunks::<8>();
            std::array::from_fn(|l| u64::from_le_bytes(columns[l]))
        });
        // Two transpositions of 8 by 8: of bits between the rows, and then of bytes.
        swap::<1>(&mut words, 1, 0x5555_5555_5555_5555);
        swap::<2>(&mut words, 2, 0x3333_3333_3333_3333);
        swap::<4>(&mut words, 4, 0x0F0F_0F0F_0F0F_0F0F);
        swap::<1>(&mut words, 8, 0x00FF_00FF_00FF_00FF);
        swap::<2>(&mut words, 16, 0x0000_FFFF_0000_FFFF);
        swap::<4>(&mut words, 32, 0x0000_0000_FFFF_FFFF);
        let (out, _) = bytes.as_chunks_mut::<8>();
        for (i, word) in words.iter().enumerate() {
            for (l, lane) in word.iter().enumerate() {
                out[8 * l + i] = lane.to_le_bytes();
            }
        }
    }
    let done = wide.len() * 8 * LANES;
    let (rest, _) = rest.as_chunks_mut::<8>();
    for (j, bytes) in (done..).zip(rest) {
        let column: [u8; 8] = std::array::from_fn(|b| rows[b][j]);
        *bytes =
            std::array::from_fn(|i| (0..8).fold(0, |byte, b| byte | (column[b] >> i & 1) << b));
    }
}

/// Swaps, between rows that are `D` apart, the parts of `shift` bits that `mask` keeps: one step of transposing.
#[inline(always)]
fn swap<const D: usize>(words: &mut Words, shift: u32, mask: u64) {
    for i in (0..8).filter(|i| i & D == 0) {
        let (a, b) = (words[i], words[i + D]);
        let moved: [u64; LANES] = std::array::from_fn(|l| (a[l] >> shift ^ b[l]) & mask);
        words[i] = std::array::from_fn(|l| a[l] ^ moved[l] << shift);
        words[i + D] = std::array::from_fn(|l| b[l] ^ moved[l]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, bit by bit.
    fn bit_shuffled(size: usize, elements: &[u8]) -> Vec<u8> {
        let count = elements.len() / size;
        let mut out = vec![0; elements.len()];
        for (e, element) in elements.chunks_exact(size).enumerate() {
            for bit in 0..8 * size {
                let value = element[bit / 8] >> (bit % 8) & 1;
                out[bit * (count / 8) + e / 8] |= value << (e % 8);
            }
        }
        out
    }

    #[test]
    fn bits_come_together() {
        for size in [1, 2, 3, 4, 8] {
            for count in [8, 16, 256, 264, 1000, 4096] {
                let elements: Vec<u8> = (0..count * size).map(|i| (i * i / 3 + i) as u8).collect();
                let (mut room, mut out) = (vec![0; count * size], vec![0; count * size]);
                bit_unshuffle(size, &bit_shuffled(size, &elements), &mut room, &mut out);
                assert!(out == elements, "{count} elements of {size}");
            }
        }
    }
}
