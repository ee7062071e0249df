//! Memory of results. Large ones ask for huge pages: in small ones a result of 134 MB costs 33,000 page faults, which take
//! longer than writing it does.

use memmap2::MmapMut;
use std::fmt;
use std::ops::{Deref, DerefMut};

/// Bytes from which huge pages are asked for: several of them, whose size is 2 MiB on x86-64.
const LARGE: usize = 16 << 20;

/// The bytes of a result.
pub struct ResultBytes(Place);

enum Place {
    Heap(Vec<u8>),
    Pages(MmapMut),
}

impl ResultBytes {
    /// So many zeros; `None` where there is not that much memory.
    pub(crate) fn zeros(len: usize) -> Option<ResultBytes> {
        if len < LARGE {
            return Some(ResultBytes(Place::Heap(vec![0; len])));
        }
        let pages = MmapMut::map_anon(len).ok()?;
        // A kernel without huge pages refuses, and small ones do as well.
        #[cfg(target_os = "linux")]
        let _ = pages.advise(memmap2::Advice::HugePage);
        Some(ResultBytes(Place::Pages(pages)))
    }
}

impl From<Vec<u8>> for ResultBytes {
    fn from(bytes: Vec<u8>) -> ResultBytes {
        ResultBytes(Place::Heap(bytes))
    }
}

impl Deref for ResultBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Place::Heap(bytes) => bytes,
            Place::Pages(pages) => pages,
        }
    }
}

impl DerefMut for ResultBytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        match &mut self.0 {
            Place::Heap(bytes) => bytes,
            Place::Pages(pages) => pages,
        }
    }
}

impl Clone for ResultBytes {
    fn clone(&self) -> ResultBytes {
        match ResultBytes::zeros(self.len()) {
            Some(mut copy) => {
                copy.copy_from_slice(self);
                copy
            }
            None => self.to_vec().into(),
        }
    }
}

impl PartialEq for ResultBytes {
    fn eq(&self, other: &ResultBytes) -> bool {
        **self == **other
    }
}

impl fmt::Debug for ResultBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_zero_at_first_and_copies_are_equal_wherever_they_lie() {
        for len in [0, 5, LARGE - 1, LARGE, LARGE + 4097] {
            let mut bytes = ResultBytes::zeros(len).unwrap();
            assert!(bytes.len() == len && bytes.iter().all(|b| *b == 0));
            if let Some(last) = bytes.last_mut() {
                *last = 7;
                assert_eq!(bytes.last(), Some(&7));
                assert!(bytes != ResultBytes::zeros(len).unwrap());
            }
            assert!(bytes.clone() == bytes && ResultBytes::from(bytes.to_vec()) == bytes);
        }
    }

    #[test]
    fn more_than_there_can_be_is_refused() {
        assert!(ResultBytes::zeros(usize::MAX / 2).is_none());
    }
}
