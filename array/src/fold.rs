//! Constants: a step all of whose operands are constants is run once, by its own kernel, when it is compiled.

use crate::kernels::{Kernel, Operands};

/// The native bits of the one element that `kernel` makes of `args`.
pub(crate) fn fold(kernel: Kernel, args: &[u64], consts: &[u64]) -> u64 {
    let mut words = [[0u64; 1]; 3];
    for (word, arg) in words.iter_mut().zip(args) {
        word[0] = *arg;
    }
    let bytes: [&[u8]; 3] = [0, 1, 2].map(|i| bytemuck::cast_slice::<u64, u8>(&words[i]));
    let mut out = [0u64; 1];
    kernel(
        &mut out,
        &Operands {
            args: bytes,
            consts,
        },
        1,
    );
    out[0]
}
