//! Loads of elements that do not lie one after another, or not aligned.

use super::with_width;
use bytemuck::{Pod, cast_slice_mut};

/// Fills `out` with the element whose native bits are `bits`.
pub(crate) fn splat(out: &mut [u64], size: usize, bits: u64) {
    // Words of 8 bytes that repeat the element.
    let word = match size {
        1 => bits & 0xff,
        2 => bits & 0xffff,
        4 => bits & 0xffff_ffff,
        _ => bits,
    };
    let ones = match size {
        1 => 0x0101_0101_0101_0101,
        2 => 0x0001_0001_0001_0001,
        4 => 0x0000_0001_0000_0001,
        _ => 1,
    };
    out.fill(word.wrapping_mul(ones));
}

/// The native bits of element `at` of an array of elements of `size` bytes.
pub(crate) fn element(bytes: &[u8], size: usize, at: usize) -> u64 {
    let mut word = [0; 8];
    word[..size].copy_from_slice(&bytes[at * size..(at + 1) * size]);
    u64::from_le_bytes(word)
}

/// Writes elements `start`, `start + stride`, ... of `bytes` to `out[at..at + n]`, in elements of `size` bytes.
pub(crate) fn gather(
    out: &mut [u64],
    at: usize,
    n: usize,
    bytes: &[u8],
    size: usize,
    start: i64,
    stride: i64,
) {
    with_width!(size, T => gather_as::<T>(&mut cast_slice_mut(out)[at..at + n], bytes, start, stride))
}

fn gather_as<T: Pod>(out: &mut [T], bytes: &[u8], start: i64, stride: i64) {
    let size = size_of::<T>();
    if stride == 1 {
        let from = start as usize * size;
        let out = bytemuck::cast_slice_mut::<T, u8>(out);
        out.copy_from_slice(&bytes[from..from + out.len()]);
        return;
    }
    let at = |i: i64| {
        let from = (start + i * stride) as usize * size;
        bytemuck::pod_read_unaligned::<T>(&bytes[from..from + size])
    };
    if stride == 0 {
        out.fill(at(0));
        return;
    }
    for (i, d) in out.iter_mut().enumerate() {
        *d = at(i as i64);
    }
}

/// Makes bytes of `out[at..at + n]` 0 or 1: stored bools may be any byte.
pub(crate) fn to_bool(out: &mut [u64], at: usize, n: usize) {
    for byte in &mut cast_slice_mut::<u64, u8>(out)[at..at + n] {
        *byte = (*byte != 0) as u8;
    }
}
