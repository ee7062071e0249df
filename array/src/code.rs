//! What a pass is compiled to: kernels over numbered registers.

use crate::STRIP;
use crate::guard::Guard;
use crate::kernels::Kernel;

/// A register that holds one strip of elements of `1 << class` bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Reg {
    pub(crate) class: u8,
    pub(crate) index: u16,
}

/// Where a kernel or a sink finds a strip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operand {
    None,
    /// The pass' input of that number: where it lies, or in its register if it had to be loaded.
    Input(u32),
    Reg(Reg),
}

/// One kernel call.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) kernel: Kernel,
    pub(crate) out: Reg,
    pub(crate) args: [Operand; 3],
    pub(crate) consts: Box<[u64]>,
}

/// A register that holds one value throughout a pass.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Constant {
    pub(crate) reg: Reg,
    pub(crate) bits: u64,
}

/// A sink's value, and where only elements that a mask selects count, the mask.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fed {
    pub(crate) value: Operand,
    pub(crate) mask: Operand,
}

/// A compiled program.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub(crate) steps: Vec<Step>,
    pub(crate) constants: Vec<Constant>,
    /// By input: the register for strips that do not lie ready in memory; `None` if nothing uses the input.
    pub(crate) inputs: Vec<Option<Reg>>,
    /// By sink.
    pub(crate) fed: Vec<Fed>,
    /// Registers by class.
    pub(crate) registers: [u16; 4],
    /// Which steps come first and thin the strip for the others.
    pub(crate) guard: Option<Guard>,
    /// Elements of a strip.
    pub(crate) strip: usize,
}

/// Bytes of the registers of a strip: they shall stay in the first level of the cache, with what is read.
const STRIP_BYTES: usize = 64 << 10;

/// The elements of a strip for so many registers of each class. The same on every machine: where strips end is
/// part of the order in which a sum is formed.
pub(crate) fn strip(registers: &[u16; 4]) -> usize {
    let classes = registers.iter().enumerate();
    let bytes: usize = classes.map(|(class, n)| (*n as usize) << class).sum();
    if bytes * STRIP > STRIP_BYTES {
        STRIP / 2
    } else {
        STRIP
    }
}

/// The class of elements of `size` bytes.
pub(crate) fn class(size: usize) -> u8 {
    size.trailing_zeros() as u8
}
