//! Decoded chunks: who reads them, and how long they stay.

use crate::aligned::Aligned;
use dasklike_graph::plan::SourceId;

/// What a reader found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunk {
    /// The chunk is in the buffer.
    Decoded,
    /// The chunk is not stored: every element is the source's fill value. The buffer's contents do not matter.
    Fill,
}

/// Reads and decodes chunks of a plan's sources.
pub trait ChunkReader {
    /// Why a chunk could not be read.
    type Error;

    /// Decodes the chunk at `index` (one number an axis) of `source` into `into`, which is exactly
    /// [`dasklike_graph::plan::Source::chunk_bytes`] long: C order, native little endian, the whole chunk's
    /// shape even where it reaches over the array's edge.
    fn read(
        &mut self,
        source: SourceId,
        index: &[u64],
        into: &mut [u8],
    ) -> Result<Chunk, Self::Error>;
}

/// A chunk that is held.
#[derive(Debug, Default)]
pub(crate) struct Held {
    live: bool,
    source: u32,
    pub(crate) index: Vec<u64>,
    pub(crate) fill: bool,
    buffer: Aligned,
    bytes: usize,
}

/// The chunks that a pass holds.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    slots: Vec<Held>,
    /// The sizes that the stage's chunks have.
    sizes: Vec<usize>,
}

impl Chunks {
    /// Drops all chunks and keeps their buffers.
    pub(crate) fn clear(&mut self) {
        self.slots.iter_mut().for_each(|s| s.live = false);
    }

    /// The slot of a chunk, if it is held.
    pub(crate) fn find(&self, source: SourceId, index: &[u64]) -> Option<usize> {
        self.slots
            .iter()
            .position(|s| s.live && s.source == source.0 && s.index == index)
    }

    /// Drops the chunks that `needed` does not want.
    pub(crate) fn retain(&mut self, needed: impl Fn(SourceId, &[u64]) -> bool) {
        for s in self.slots.iter_mut().filter(|s| s.live) {
            s.live = needed(SourceId(s.source), &s.index);
        }
    }

    /// Reads a chunk of `bytes` bytes into a free slot.
    pub(crate) fn read<R: ChunkReader>(
        &mut self,
        reader: &mut R,
        source: SourceId,
        index: &[u64],
        bytes: usize,
    ) -> Result<usize, R::Error> {
        let slot = self.free_slot(bytes.div_ceil(8));
        let held = &mut self.slots[slot];
        let into = &mut bytemuck::cast_slice_mut::<u64, u8>(held.buffer.words_mut())[..bytes];
        held.fill = reader.read(source, index, into)? == Chunk::Fill;
        held.live = true;
        held.source = source.0;
        held.bytes = bytes;
        held.index.clear();
        held.index.extend_from_slice(index);
        Ok(slot)
    }

    /// A free slot whose buffer has just the size, or a new one: so there are never more buffers of a size than
    /// chunks of that size have been held at once.
    fn free_slot(&mut self, words: usize) -> usize {
        let found = self
            .slots
            .iter()
            .position(|s| !s.live && s.buffer.len() == words);
        found.unwrap_or_else(|| {
            self.slots.push(Held {
                buffer: Aligned::zeros(words),
                ..Held::default()
            });
            self.slots.len() - 1
        })
    }

    /// Gives back all memory, if the last tile's chunks had other sizes than those of `sizes`.
    pub(crate) fn fit(&mut self, sizes: &[usize]) {
        if self.sizes != sizes {
            self.slots.clear();
            self.sizes = sizes.to_vec();
        }
    }

    /// The chunk in a slot.
    pub(crate) fn held(&self, slot: usize) -> &Held {
        &self.slots[slot]
    }

    /// Bytes of all buffers.
    pub(crate) fn bytes(&self) -> u64 {
        self.slots.iter().map(|s| s.buffer.capacity()).sum()
    }
}

impl Held {
    /// The decoded elements, aligned for every dtype.
    pub(crate) fn decoded(&self) -> &[u8] {
        &self.buffer.bytes()[..self.bytes]
    }
}
