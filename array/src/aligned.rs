//! Memory that begins on a cache line: a vector that crosses lines costs twice.

/// Words from a cache line's start on. Made without `unsafe`, by leaving out the first few of a longer vector.
#[derive(Debug, Default)]
pub(crate) struct Aligned {
    words: Vec<u64>,
    from: usize,
    len: usize,
}

/// Bytes of a cache line, and of the widest vector.
const LINE: usize = 64;

impl Aligned {
    /// `len` zeros.
    pub(crate) fn zeros(len: usize) -> Aligned {
        let words = vec![0u64; len + LINE / 8];
        let from = words.as_ptr().align_offset(LINE).min(LINE / 8);
        Aligned { words, from, len }
    }

    /// How many words there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The words.
    #[inline]
    pub(crate) fn words_mut(&mut self) -> &mut [u64] {
        &mut self.words[self.from..self.from + self.len]
    }

    /// The words' bytes.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        bytemuck::cast_slice(&self.words[self.from..self.from + self.len])
    }

    /// Bytes of memory that it takes.
    pub(crate) fn capacity(&self) -> u64 {
        8 * self.words.capacity() as u64
    }
}
