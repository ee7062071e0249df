//! The memory that a slot uses again for every tile.

use crate::STRIP;
use crate::aligned::Aligned;
use crate::cells::Cells;
use crate::chunks::Chunks;
use crate::code::Reg;
use crate::inputs::Bound;
use crate::runs::{Nest, Walk};

/// Registers, chunk buffers and bookkeeping of one slot. Grows to what the largest tile needs and is then used
/// again as it is.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(crate) registers: Registers,
    pub(crate) chunks: Chunks,
    /// The local arrays of the current tile.
    pub(crate) locals: Vec<Vec<u8>>,
    pub(crate) cells: Cells,
    pub(crate) nest: Nest,
    pub(crate) walk: Walk,
    /// By input: where its elements are for the current cell.
    pub(crate) bound: Vec<Bound>,
    /// By input: what its register is filled with throughout.
    pub(crate) splats: Vec<Option<u64>>,
    /// By input: where its elements are for the current strip.
    pub(crate) here: Vec<Here>,
    /// How many elements the current strip has, after it was thinned.
    pub(crate) count: usize,
    /// Whether blocks were taken out of the current strip.
    pub(crate) thinned: bool,
    /// The blocks that were left in it.
    pub(crate) live: Vec<u16>,
    /// By stream and dim of the domain.
    pub(crate) strides: Vec<i64>,
    pub(crate) index: Vec<u64>,
}

/// Where the elements of an input are for the current strip.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Here {
    /// In the input's register.
    Register,
    /// Where they lie, from that byte on.
    Memory(usize),
}

impl Scratch {
    /// A scratch that holds nothing yet.
    pub fn new() -> Scratch {
        Scratch::default()
    }

    /// Bytes that it holds.
    pub fn bytes(&self) -> u64 {
        let locals: usize = self.locals.iter().map(Vec::capacity).sum();
        self.registers.bytes() + self.chunks.bytes() + locals as u64
    }
}

/// Registers of each class.
#[derive(Debug, Default)]
pub(crate) struct Registers {
    classes: [Vec<Aligned>; 4],
}

impl Registers {
    /// Makes sure that there are `counts` registers of each class.
    pub(crate) fn reserve(&mut self, counts: &[u16; 4]) {
        for (class, count) in counts.iter().enumerate() {
            let have = &mut self.classes[class];
            while have.len() < *count as usize {
                have.push(Aligned::zeros((STRIP << class).div_ceil(8)));
            }
        }
    }

    #[inline]
    pub(crate) fn get(&self, reg: Reg) -> &[u8] {
        self.classes[reg.class as usize][reg.index as usize].bytes()
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, reg: Reg) -> &mut Aligned {
        &mut self.classes[reg.class as usize][reg.index as usize]
    }

    fn bytes(&self) -> u64 {
        self.classes.iter().flatten().map(Aligned::capacity).sum()
    }
}
