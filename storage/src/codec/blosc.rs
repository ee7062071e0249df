//! Blosc 1 containers, decoded block by block into the caller's memory.
//!
//! The C library allocates its temporaries and a zstd context for every block; here both are used again, which
//! is most of what makes a chunk cheaper. Inner codecs that are rare (blosclz, snappy) are left to it.

use super::{Contexts, shuffle};
use crate::error::ReadErrorKind;

const HEADER: usize = 16;
const MAX_SPLITS: usize = 16;
const MIN_SPLIT: usize = 128;

/// What the 16 bytes at the start say.
struct Header {
    flags: u8,
    typesize: usize,
    decoded: usize,
    block: usize,
    encoded: usize,
}

/// The codec inside of the container.
#[derive(Clone, Copy)]
enum Inner {
    Lz4,
    Zlib,
    Zstd,
}

/// Whether the container was decoded, or has an inner codec that only the C library knows.
pub(super) enum Done {
    Yes,
    NeedsLibrary,
}

fn damaged(what: impl Into<String>) -> ReadErrorKind {
    ReadErrorKind::Codec {
        codec: "blosc".to_owned(),
        what: what.into(),
    }
}

fn word(bytes: &[u8], at: usize) -> Option<usize> {
    let b: [u8; 4] = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
    usize::try_from(i32::from_le_bytes(b)).ok()
}

impl Header {
    fn parse(input: &[u8]) -> Result<Header, ReadErrorKind> {
        if input.len() < HEADER {
            return Err(ReadErrorKind::Truncated {
                have: input.len() as u64,
                need: HEADER as u64,
            });
        }
        let size = |at| word(input, at).ok_or_else(|| damaged("a negative size in the header"));
        let header = Header {
            flags: input[2],
            typesize: input[3] as usize,
            decoded: size(4)?,
            block: size(8)?,
            encoded: size(12)?,
        };
        if input[0] != 2 || header.flags & 0x08 != 0 {
            return Err(damaged(format!(
                "format version {} is not one of blosc 1",
                input[0]
            )));
        }
        if header.typesize == 0 || (header.block == 0 && header.decoded > 0) {
            return Err(damaged("a size of zero in the header"));
        }
        if header.encoded > input.len() {
            return Err(ReadErrorKind::Truncated {
                have: input.len() as u64,
                need: header.encoded as u64,
            });
        }
        Ok(header)
    }
}

/// Decodes `input` into `out`, which has exactly the size it must decode to.
pub(super) fn decode(
    input: &[u8],
    out: &mut [u8],
    contexts: &mut Contexts,
) -> Result<Done, ReadErrorKind> {
    let header = Header::parse(input)?;
    if header.decoded != out.len() {
        return Err(ReadErrorKind::Size {
            have: header.decoded as u64,
            need: out.len() as u64,
        });
    }
    let input = &input[..header.encoded];
    if out.is_empty() {
        return Ok(Done::Yes);
    }
    if header.flags & 0x02 != 0 {
        let stored = input.get(HEADER..).filter(|s| s.len() == out.len());
        out.copy_from_slice(
            stored.ok_or_else(|| damaged("the stored bytes are not as many as it says"))?,
        );
        return Ok(Done::Yes);
    }
    let inner = match header.flags >> 5 {
        1 => Inner::Lz4,
        3 => Inner::Zlib,
        4 => Inner::Zstd,
        _ => return Ok(Done::NeedsLibrary),
    };
    let mut buffer = std::mem::take(&mut contexts.block);
    let shuffled = header.flags & 0x05 != 0 && header.block > 1;
    let room = if shuffled {
        header.block.min(out.len())
    } else {
        0
    };
    // Bits need as much room again on their way.
    let room = if header.flags & 0x04 != 0 {
        2 * room
    } else {
        room
    };
    let plain = buffer.room(room);
    let whole = header.block;
    let result = out
        .chunks_mut(whole)
        .enumerate()
        .try_for_each(|(i, block)| {
            let start = word(input, HEADER + 4 * i)
                .ok_or_else(|| damaged("a block's offset is missing"))?;
            let splits = header.splits(block.len(), whole);
            header.decode_block(inner, input, start, splits, block, plain, contexts)
        });
    contexts.block = buffer;
    result.map(|()| Done::Yes)
}

impl Header {
    /// Into how many streams a block of `len` bytes is split: one for each byte of an element, or one.
    fn splits(&self, len: usize, whole: usize) -> usize {
        let split = self.flags & 0x10 == 0
            && self.typesize <= MAX_SPLITS
            && len / self.typesize >= MIN_SPLIT
            && len == whole;
        if split { self.typesize } else { 1 }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one block, borrowed apart"
    )]
    fn decode_block(
        &self,
        inner: Inner,
        input: &[u8],
        start: usize,
        splits: usize,
        block: &mut [u8],
        plain: &mut [u8],
        contexts: &mut Contexts,
    ) -> Result<(), ReadErrorKind> {
        let bytes = self.flags & 0x01 != 0 && self.typesize > 1;
        let bits = !bytes && self.flags & 0x04 != 0 && block.len() >= self.typesize;
        let len = block.len();
        let target = if bytes || bits {
            &mut plain[..len]
        } else {
            &mut *block
        };
        if !len.is_multiple_of(splits) {
            return Err(damaged("a block is not a whole number of streams"));
        }
        let mut at = start;
        for stream in target.chunks_exact_mut(len / splits) {
            let size =
                word(input, at).ok_or_else(|| damaged("a stream lies outside of the chunk"))?;
            let end = (at + 4).checked_add(size);
            let encoded = end.and_then(|e| input.get(at + 4..e));
            let encoded = encoded.ok_or_else(|| damaged("a stream lies outside of the chunk"))?;
            at += 4 + size;
            if size == stream.len() {
                stream.copy_from_slice(encoded);
            } else {
                inner.decode(encoded, stream, contexts)?;
            }
        }
        if bytes {
            shuffle::unshuffle(self.typesize, &plain[..len], block);
        } else if bits {
            let (plain, room) = plain.split_at_mut(len);
            shuffle::bit_unshuffle(self.typesize, plain, room, block);
        }
        Ok(())
    }
}

impl Inner {
    fn decode(
        self,
        input: &[u8],
        out: &mut [u8],
        contexts: &mut Contexts,
    ) -> Result<(), ReadErrorKind> {
        let need = out.len();
        let refuse = |codec: &str, what: String| damaged(format!("{codec}: {what}"));
        let have = match self {
            Inner::Zstd => contexts
                .zstd()?
                .decompress_to_buffer(input, out)
                .map_err(|e| refuse("zstd", e.to_string()))?,
            Inner::Zlib => contexts
                .deflate()
                .zlib_decompress(input, out)
                .map_err(|e| refuse("zlib", e.to_string()))?,
            Inner::Lz4 => {
                let size = i32::try_from(need).map_err(|e| refuse("lz4", e.to_string()))?;
                lz4::block::decompress_to_buffer(input, Some(size), out)
                    .map_err(|e| refuse("lz4", e.to_string()))?
            }
        };
        if have == need {
            Ok(())
        } else {
            Err(damaged(format!(
                "a stream decodes to {have} bytes, not {need}"
            )))
        }
    }
}
