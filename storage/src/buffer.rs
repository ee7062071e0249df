//! Memory that is used again for bytes that come and go.

/// Bytes from a cache line's start on, of which nothing stays when they grow.
///
/// The kernel copies what it reads with one instruction, which on some processors takes three times as long to
/// where no vector may begin: as allocators place large buffers, 16 bytes behind their own notes.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    from: usize,
}

/// Bytes of a cache line.
const LINE: usize = 64;

impl Buffer {
    /// Room for `len` bytes, whatever they are.
    pub(crate) fn room(&mut self, len: usize) -> &mut [u8] {
        if self.bytes.len() < self.from + len {
            // Given back first: the old bytes and the new ones are never held together.
            self.bytes = Vec::new();
            self.bytes = vec![0; len + LINE];
            self.from = self.bytes.as_ptr().align_offset(LINE).min(LINE);
        }
        &mut self.bytes[self.from..self.from + len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_begins_on_a_cache_line_whatever_it_grew_from() {
        let mut buffer = Buffer::default();
        for len in [0, 1, 100, 5, 4096, 300_000, 17, 1 << 20] {
            let room = buffer.room(len);
            assert_eq!(room.len(), len);
            assert!(len == 0 || room.as_ptr().addr().is_multiple_of(LINE));
        }
    }
}
