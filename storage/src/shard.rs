//! Sharded arrays: many inner chunks in one object, with an index of where each lies.

use crate::error::ReadErrorKind;
use crate::layout::chain_of;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU64;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;
use zarrs::array::{
    ArrayToBytesCodecTraits, BytesRepresentation, CodecChain, CodecOptions, FillValue, data_type,
};

/// How inner chunks lie in shards.
pub(crate) struct Sharding {
    inner: Vec<NonZeroU64>,
    /// Inner chunks along each dim of a shard.
    per_shard: Vec<NonZeroU64>,
    codecs: Arc<CodecChain>,
    index_codecs: Arc<CodecChain>,
    /// Bytes of the encoded index.
    pub(crate) index_bytes: u64,
    pub(crate) index_at_end: bool,
}

impl Sharding {
    /// Parses the document of an array with chunks of `outer`. `None` if it is not sharded, or in a way that
    /// only whole shards can be read.
    pub(crate) fn parse(
        document: &Value,
        outer: &[NonZeroU64],
    ) -> Result<Option<Sharding>, String> {
        let codecs = document.get("codecs").and_then(Value::as_array);
        let Some([codec]) = codecs.map(Vec::as_slice) else {
            return Ok(None);
        };
        if codec["name"] != "sharding_indexed" {
            return Ok(None);
        }
        let configuration = &codec["configuration"];
        let inner: Vec<NonZeroU64> =
            serde_json::from_value(configuration["chunk_shape"].clone())
                .map_err(|e| format!("the shape of its inner chunks is malformed: {e}"))?;
        let divides = |(o, i): (&NonZeroU64, &NonZeroU64)| {
            (o.get() % i.get() == 0)
                .then(|| NonZeroU64::new(o.get() / i.get()))
                .flatten()
        };
        let per_shard: Option<Vec<NonZeroU64>> = outer.iter().zip(&inner).map(divides).collect();
        let per_shard = per_shard.filter(|_| inner.len() == outer.len());
        let per_shard = per_shard.ok_or("its shards are not whole inner chunks")?;
        let index_codecs = chain_of(&configuration["index_codecs"])?;
        let shape = index_shape(&per_shard);
        let size = index_codecs.encoded_representation(
            &shape,
            &data_type::uint64(),
            &FillValue::from(u64::MAX),
        );
        let BytesRepresentation::FixedSize(index_bytes) =
            size.map_err(|e| format!("its shard index: {e}"))?
        else {
            return Err(
                "its shard index is compressed, which the format does not allow".to_owned(),
            );
        };
        let index_at_end = configuration
            .get("index_location")
            .is_none_or(|l| l == "end");
        let codecs = chain_of(&configuration["codecs"])?;
        Ok(Some(Sharding {
            inner,
            per_shard,
            codecs,
            index_codecs,
            index_bytes,
            index_at_end,
        }))
    }

    pub(crate) fn inner_shape(&self) -> &[NonZeroU64] {
        &self.inner
    }

    pub(crate) fn inner_codecs(&self) -> Arc<CodecChain> {
        self.codecs.clone()
    }

    /// The shard of an inner chunk, and the inner chunk's number in it.
    pub(crate) fn place(&self, index: &[u64]) -> (Vec<u64>, usize) {
        let shard = index
            .iter()
            .zip(&self.per_shard)
            .map(|(i, n)| i / n.get())
            .collect();
        let number = index
            .iter()
            .zip(&self.per_shard)
            .fold(0, |at, (i, n)| at * n.get() + i % n.get());
        (shard, number as usize)
    }

    /// Decodes an index from its `index_bytes` bytes.
    pub(crate) fn decode_index(&self, encoded: &[u8]) -> Result<ShardIndex, ReadErrorKind> {
        let damaged = |what: String| ReadErrorKind::Codec {
            codec: "shard index".to_owned(),
            what,
        };
        let (shape, options) = (index_shape(&self.per_shard), CodecOptions::default());
        let (dtype, fill) = (data_type::uint64(), FillValue::from(u64::MAX));
        let decoded =
            self.index_codecs
                .decode(Cow::Borrowed(encoded), &shape, &dtype, &fill, &options);
        let bytes = decoded.map_err(|e| damaged(e.to_string()))?.into_fixed();
        let bytes = bytes.map_err(|e| damaged(e.to_string()))?;
        let (pairs, _) = bytes.as_chunks::<16>();
        let word =
            |pair: &[u8; 16], at: usize| u64::from_le_bytes(std::array::from_fn(|i| pair[at + i]));
        Ok(ShardIndex {
            places: pairs.iter().map(|p| (word(p, 0), word(p, 8))).collect(),
        })
    }
}

fn index_shape(per_shard: &[NonZeroU64]) -> Vec<NonZeroU64> {
    let two = NonZeroU64::MIN.saturating_add(1);
    per_shard.iter().copied().chain([two]).collect()
}

/// Where the inner chunks of one shard lie.
pub(crate) struct ShardIndex {
    places: Vec<(u64, u64)>,
}

impl ShardIndex {
    /// The bytes of an inner chunk in its shard; `None` if it is not stored.
    pub(crate) fn range(&self, number: usize) -> Result<Option<Range<u64>>, ReadErrorKind> {
        let Some(&(offset, size)) = self.places.get(number) else {
            return Err(ReadErrorKind::Request(format!(
                "a shard has no inner chunk {number}"
            )));
        };
        if (offset, size) == (u64::MAX, u64::MAX) {
            return Ok(None);
        }
        let end = offset
            .checked_add(size)
            .ok_or_else(|| ReadErrorKind::Codec {
                codec: "shard index".to_owned(),
                what: "a chunk lies outside of its shard".to_owned(),
            })?;
        Ok(Some(offset..end))
    }
}

/// One shard's index, read once however many ask for it. `None` if the shard is not stored.
pub(crate) type IndexCell = Arc<OnceCell<Option<ShardIndex>>>;

/// The indices of the shards that were read last.
#[derive(Default)]
pub(crate) struct IndexCache {
    cells: Mutex<Cells>,
}

#[derive(Default)]
struct Cells {
    by_shard: HashMap<Vec<u64>, IndexCell>,
    order: VecDeque<Vec<u64>>,
}

/// Bytes of indices that are kept for an array.
const CACHE_BYTES: usize = 16 << 20;

impl IndexCache {
    /// The cell of a shard, new or known. The oldest go when there are too many.
    pub(crate) fn cell(&self, shard: Vec<u64>, sharding: &Sharding) -> IndexCell {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = cells.by_shard.get(&shard) {
            return cell.clone();
        }
        let each = sharding
            .per_shard
            .iter()
            .map(|n| n.get() as usize)
            .product::<usize>()
            .saturating_mul(16);
        while cells.order.len() > 2 && cells.order.len().saturating_mul(each) > CACHE_BYTES {
            if let Some(oldest) = cells.order.pop_front() {
                cells.by_shard.remove(&oldest);
            }
        }
        let cell = IndexCell::default();
        cells.order.push_back(shard.clone());
        cells.by_shard.insert(shard, cell.clone());
        cell
    }
}
