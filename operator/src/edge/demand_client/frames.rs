//! gRPC-Web's frames: a byte of flags, four of length, and what they hold.

use bytes::{Buf, Bytes, BytesMut};
use percent_encoding::percent_decode_str;

/// No scheduler says more at once; it is gRPC's own limit.
const LONGEST: usize = 4 << 20;
const HEAD: usize = 5;
/// Trailers, which HTTP/1 has no good place for, are the last frame.
const TRAILERS: u8 = 0x80;

/// What is no frame.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    /// Compressed, or of a kind that is not known.
    #[error("a message with flags {0} came: expected 0")]
    Flags(u8),
    /// Longer than any.
    #[error("a message of {0} bytes came: expected at most {LONGEST}")]
    Long(usize),
}

/// A frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// A message.
    Message(Bytes),
    /// The end: why, if it is an error.
    Trailers(Option<String>),
}

/// Takes the first frame off `buffer`, if all of it is there.
pub(super) fn take(buffer: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
    let Some((&[flags, ref length @ ..], rest)) = buffer.split_first_chunk::<HEAD>() else {
        return Ok(None);
    };
    if flags & !TRAILERS != 0 {
        return Err(FrameError::Flags(flags));
    }
    let length = length
        .iter()
        .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    if length > LONGEST {
        return Err(FrameError::Long(length));
    }
    if rest.len() < length {
        return Ok(None);
    }
    buffer.advance(HEAD);
    let held = buffer.split_to(length).freeze();
    Ok(Some(match flags {
        TRAILERS => Frame::Trailers(failure(&held)),
        _ => Frame::Message(held),
    }))
}

/// What trailers say of a failure.
fn failure(trailers: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(trailers);
    refusal(|name| {
        let mut lines = text.lines().filter_map(|line| line.split_once(':'));
        let line = lines.find(|(key, _)| key.trim().eq_ignore_ascii_case(name))?;
        Some(line.1.trim().to_owned())
    })
}

/// The status of gRPC in what `value` finds by name, in trailers or in a head; `None` if it is none of a failure.
pub(super) fn refusal(value: impl Fn(&str) -> Option<String>) -> Option<String> {
    let code = value("grpc-status").filter(|code| code != "0")?;
    let why = value("grpc-message").unwrap_or_default();
    let why = percent_decode_str(&why).decode_utf8_lossy();
    Some(format!("status {code}: {why}"))
}
