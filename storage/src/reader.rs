//! Reading the chunks of one array.

use crate::buffer::Buffer;
use crate::codec::ReadScratch;
use crate::document::joined;
use crate::error::{OpenError, ReadError, ReadErrorKind};
use crate::layout::Layout;
use crate::remote::{self, Span};
use crate::shard::{IndexCache, ShardIndex, Sharding};
use crate::store::{Place, Store, is_absent};
use bytes::Bytes;
use dasklike_graph::plan::Source;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Reads the chunks of one array, from any number of threads.
pub struct ArrayReader {
    store: Store,
    path: String,
    layout: Layout,
    encoded_bound: u64,
    indices: IndexCache,
}

/// Whether a chunk is stored. One that is not has the array's fill value everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It was read and decoded.
    Stored {
        /// Bytes as stored.
        encoded_bytes: u64,
    },
    /// It is not stored; nothing was written to the buffer.
    Absent,
}

impl ArrayReader {
    /// Prepares to read an array, from what the plan says of it. Reads nothing.
    ///
    /// # Errors
    /// When the store or the metadata is no good, or they do not agree with the rest of `source`.
    pub fn open(source: &Source) -> Result<ArrayReader, OpenError> {
        let store = Store::open(&source.store, &source.options)?;
        let (name, array) = (source.store.clone(), source.path.clone());
        let document = serde_json::from_str(&source.metadata).map_err(|e| OpenError::Metadata {
            store: name.clone(),
            document: joined(&array, "the plan's metadata"),
            what: e.to_string(),
        })?;
        let layout = Layout::parse(&document).map_err(|reason| OpenError::Unreadable {
            store: name.clone(),
            array: array.clone(),
            reason,
        })?;
        let what = if layout.dtype != source.dtype {
            Some(format!(
                "its dtype is {}, not {}",
                layout.dtype, source.dtype
            ))
        } else if layout.shape != source.shape {
            Some(format!(
                "its shape is {:?}, not {:?}",
                layout.shape, source.shape
            ))
        } else if layout.chunks != source.chunks {
            Some(format!(
                "its chunks are {:?}, not {:?}",
                layout.chunks, source.chunks
            ))
        } else if layout.fill != source.fill {
            Some(format!(
                "its fill value is {}, not {}",
                layout.fill, source.fill
            ))
        } else {
            None
        };
        if let Some(what) = what {
            return Err(OpenError::Mismatch {
                store: name,
                array,
                what,
            });
        }
        let encoded_bound = layout.pipeline.encoded_bound();
        Ok(ArrayReader {
            store,
            path: array,
            layout,
            encoded_bound,
            indices: IndexCache::default(),
        })
    }

    /// Whether chunks are files of this machine, for [`ArrayReader::read_local`]; else they are fetched.
    pub fn is_local(&self) -> bool {
        self.store.is_local()
    }

    /// Reads and decodes a chunk of a local store into `out`, which has exactly the bytes of a chunk. Chunks at
    /// the array's edge are whole too; what lies beyond the edge is arbitrary.
    ///
    /// # Errors
    /// When the chunk cannot be read or is damaged; `out` is then arbitrary.
    pub fn read_local(
        &self,
        index: &[u64],
        scratch: &mut ReadScratch,
        out: &mut [u8],
    ) -> Result<Presence, ReadError> {
        self.try_read_local(index, scratch, out)
            .map_err(|kind| self.failed(index, kind))
    }

    /// Fetches the encoded bytes of a chunk; `None` if it is not stored. For a sharded array, the index of the
    /// shard is fetched first, once.
    ///
    /// # Errors
    /// When the store refuses, is silent, or sends less than it promised, after some retries.
    pub async fn fetch(&self, index: &[u64]) -> Result<Option<Bytes>, ReadError> {
        self.try_fetch(index)
            .await
            .map_err(|kind| self.failed(index, kind))
    }

    /// Decodes what [`ArrayReader::fetch`] gave into `out`, which has exactly the bytes of a chunk.
    ///
    /// # Errors
    /// When it is damaged; `out` is then arbitrary.
    pub fn decode(
        &self,
        index: &[u64],
        encoded: &[u8],
        scratch: &mut ReadScratch,
        out: &mut [u8],
    ) -> Result<(), ReadError> {
        let decoded = self.check(index, Some(out.len()));
        let decoded = decoded.and_then(|()| self.layout.pipeline.decode(encoded, scratch, out));
        decoded.map_err(|kind| self.failed(index, kind))
    }

    fn failed(&self, index: &[u64], kind: ReadErrorKind) -> ReadError {
        let (store, array) = (self.store.location().to_owned(), self.path.clone());
        ReadError {
            store,
            array,
            chunk: index.to_vec(),
            kind,
        }
    }

    fn check(&self, index: &[u64], out: Option<usize>) -> Result<(), ReadErrorKind> {
        let grid = self
            .layout
            .shape
            .iter()
            .zip(&self.layout.chunks)
            .map(|(n, c)| n.div_ceil(*c));
        if index.len() != self.layout.shape.len() || index.iter().zip(grid).any(|(i, n)| *i >= n) {
            return Err(ReadErrorKind::Request(
                "the array has no such chunk".to_owned(),
            ));
        }
        let need = self.layout.chunk_bytes();
        match out {
            Some(have) if have != need => Err(ReadErrorKind::Request(format!(
                "the buffer has {have} bytes, a chunk {need}"
            ))),
            _ => Ok(()),
        }
    }

    fn key(&self, index: &[u64]) -> String {
        joined(&self.path, self.layout.keys.encode(index).as_str())
    }

    fn bounded(&self, bytes: u64) -> Result<u64, ReadErrorKind> {
        let bound = self.encoded_bound;
        if bytes <= bound {
            Ok(bytes)
        } else {
            Err(ReadErrorKind::TooLarge { bytes, bound })
        }
    }

    fn try_read_local(
        &self,
        index: &[u64],
        scratch: &mut ReadScratch,
        out: &mut [u8],
    ) -> Result<Presence, ReadErrorKind> {
        self.check(index, Some(out.len()))?;
        let Place::Local(root) = self.store.place() else {
            return Err(ReadErrorKind::Request("the store is not local".to_owned()));
        };
        let mut encoded = std::mem::take(&mut scratch.encoded);
        let read = match &self.layout.sharding {
            None => self.read_file(&root.join(self.key(index)), &mut encoded),
            Some(sharding) => self.read_inner(root, sharding, index, &mut encoded),
        };
        let result = match read {
            Ok(None) => Ok(Presence::Absent),
            Ok(Some(bytes)) => {
                self.layout
                    .pipeline
                    .decode(bytes, scratch, out)
                    .map(|()| Presence::Stored {
                        encoded_bytes: bytes.len() as u64,
                    })
            }
            Err(kind) => Err(kind),
        };
        scratch.encoded = encoded;
        result
    }

    /// Reads a whole file into `buffer`.
    fn read_file<'b>(
        &self,
        path: &Path,
        buffer: &'b mut Buffer,
    ) -> Result<Option<&'b [u8]>, ReadErrorKind> {
        let Some((file, len)) = opened(path)? else {
            return Ok(None);
        };
        let len = self.bounded(len)?;
        read_range(&file, 0..len, len, buffer).map(Some)
    }

    /// Reads an inner chunk of a shard into `buffer`.
    fn read_inner<'b>(
        &self,
        root: &Path,
        sharding: &Sharding,
        index: &[u64],
        buffer: &'b mut Buffer,
    ) -> Result<Option<&'b [u8]>, ReadErrorKind> {
        let (shard, number) = sharding.place(index);
        let Some((file, len)) = opened(&root.join(self.key(&shard)))? else {
            return Ok(None);
        };
        let cell = self.indices.cell(shard, sharding);
        if cell.get().is_none() {
            let need = sharding.index_bytes;
            let Some(last) = len.checked_sub(need) else {
                return Err(ReadErrorKind::Truncated { have: len, need });
            };
            let start = if sharding.index_at_end { last } else { 0 };
            let bytes = read_range(&file, start..start + need, len, buffer)?;
            // Another thread may have been faster; it read the same.
            let _ = cell.set(Some(sharding.decode_index(bytes)?));
        }
        let Some(Some(places)) = cell.get() else {
            return Ok(None);
        };
        let Some(range) = places.range(number)? else {
            return Ok(None);
        };
        self.bounded(range.end - range.start)?;
        read_range(&file, range, len, buffer).map(Some)
    }

    async fn try_fetch(&self, index: &[u64]) -> Result<Option<Bytes>, ReadErrorKind> {
        self.check(index, None)?;
        let Some(sharding) = &self.layout.sharding else {
            return self.store.get(&self.key(index), self.encoded_bound).await;
        };
        let Place::Remote { store, prefix } = self.store.place() else {
            return Err(ReadErrorKind::Request(
                "inner chunks of a local shard are read, not fetched".to_owned(),
            ));
        };
        let (shard, number) = sharding.place(index);
        let key = self.key(&shard);
        let cell = self.indices.cell(shard, sharding);
        let load = || async {
            let need = sharding.index_bytes;
            let span = if sharding.index_at_end {
                Span::Last(need)
            } else {
                Span::Range(0..need)
            };
            match remote::get(store, prefix, &key, span).await? {
                None => Ok(None),
                Some(bytes) if (bytes.len() as u64) < need => Err(ReadErrorKind::Truncated {
                    have: bytes.len() as u64,
                    need,
                }),
                Some(bytes) => sharding.decode_index(&bytes).map(Some),
            }
        };
        let places: &Option<ShardIndex> = cell.get_or_try_init(load).await?;
        let Some(range) = places
            .as_ref()
            .map(|p| p.range(number))
            .transpose()?
            .flatten()
        else {
            return Ok(None);
        };
        self.bounded(range.end - range.start)?;
        if range.is_empty() {
            return Ok(Some(Bytes::new()));
        }
        remote::get(store, prefix, &key, Span::Range(range)).await
    }
}

/// An open file and its length, `None` if there is none.
fn opened(path: &Path) -> Result<Option<(File, u64)>, ReadErrorKind> {
    match File::open(path).and_then(|f| f.metadata().map(|m| (f, m.len()))) {
        Ok(opened) => Ok(Some(opened)),
        Err(e) if is_absent(&e) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// Reads a range of a file of `len` bytes into `buffer`.
fn read_range<'b>(
    file: &File,
    range: Range<u64>,
    len: u64,
    buffer: &'b mut Buffer,
) -> Result<&'b [u8], ReadErrorKind> {
    let truncated = || ReadErrorKind::Truncated {
        have: len,
        need: range.end,
    };
    if range.end > len {
        return Err(truncated());
    }
    let bytes = buffer.room((range.end - range.start) as usize);
    file.read_exact_at(bytes, range.start)
        .map_err(|e| match e.kind() {
            std::io::ErrorKind::UnexpectedEof => truncated(),
            _ => e.into(),
        })?;
    Ok(bytes)
}
