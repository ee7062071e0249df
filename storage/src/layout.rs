//! What an array's own metadata document says: dtype, shape, chunks, keys and codecs.

use crate::codec::Pipeline;
use crate::shard::Sharding;
use dasklike_graph::dtype::{DType, Scalar};
use serde_json::Value;
use std::num::NonZeroU64;
use std::sync::Arc;
use zarrs::array::{Array, ArrayCreateError, ArrayMetadata, ChunkKeyEncoding, CodecChain};
use zarrs::plugin::ExtensionName;

/// A parsed array.
pub(crate) struct Layout {
    pub(crate) dtype: DType,
    pub(crate) shape: Vec<u64>,
    /// What is read at once: the chunk, or a shard's inner chunk.
    pub(crate) chunks: Vec<u64>,
    pub(crate) fill: Scalar,
    /// Names of the dims as far as the document has them (v3).
    pub(crate) dims: Option<Vec<Option<String>>>,
    pub(crate) keys: ChunkKeyEncoding,
    pub(crate) pipeline: Pipeline,
    /// How inner chunks lie in their shards, for a sharded array.
    pub(crate) sharding: Option<Sharding>,
}

/// Bytes of a chunk above which something is wrong: no codec here handles more.
const CHUNK_LIMIT: u64 = 1 << 31;

impl Layout {
    /// Parses the document of an array. The error is a reason to be shown with the array's name.
    pub(crate) fn parse(document: &Value) -> Result<Layout, String> {
        let array = array_of(document)?;
        let dtype = dtype_of(&array)?;
        let shape = array.shape().to_vec();
        let outer = chunk_shape(document)?;
        if outer.len() != shape.len() {
            return Err(format!(
                "its chunks have {} dims and its shape has {}",
                outer.len(),
                shape.len()
            ));
        }
        let transformers = document
            .get("storage_transformers")
            .and_then(Value::as_array);
        if transformers.is_some_and(|t| !t.is_empty()) {
            return Err("storage transformers are not supported".to_owned());
        }
        let fill = array.fill_value().as_ne_bytes();
        if fill.len() != dtype.size() {
            return Err(format!(
                "its fill value has {} bytes, its dtype {}",
                fill.len(),
                dtype.size()
            ));
        }
        let sharding = Sharding::parse(document, &outer)?;
        let (chunks, chain) = match &sharding {
            Some(s) => (s.inner_shape().to_vec(), s.inner_codecs()),
            None => (outer, array.codecs()),
        };
        let bytes = chunk_bytes(&chunks, dtype)?;
        let pipeline = Pipeline::new(
            &chain,
            &chunks,
            array.data_type(),
            array.fill_value(),
            bytes,
        )
        .map_err(|e| format!("its codecs do not fit: {e}"))?;
        Ok(Layout {
            dtype,
            fill: Scalar::from_le_bytes(dtype, fill),
            dims: array.dimension_names().clone(),
            keys: array.chunk_key_encoding().clone(),
            chunks: chunks.iter().map(|c| c.get()).collect(),
            shape,
            pipeline,
            sharding,
        })
    }

    /// Bytes of a decoded chunk.
    pub(crate) fn chunk_bytes(&self) -> usize {
        self.chunks.iter().product::<u64>() as usize * self.dtype.size()
    }
}

fn array_of(document: &Value) -> Result<Array<()>, String> {
    let metadata = match document.get("zarr_format").and_then(Value::as_u64) {
        Some(2) => serde_json::from_value(document.clone()).map(ArrayMetadata::V2),
        Some(3) => serde_json::from_value(document.clone()).map(ArrayMetadata::V3),
        other => return Err(format!("zarr_format is {other:?}, expected 2 or 3")),
    };
    let metadata = metadata.map_err(|e| format!("its metadata is malformed: {e}"))?;
    Array::new_with_metadata(Arc::new(()), "/", metadata).map_err(|e| match e {
        ArrayCreateError::CodecsCreateError(e) => format!("codec: {e}"),
        ArrayCreateError::DataTypeCreateError(e) => format!("dtype: {e}"),
        e => e.to_string(),
    })
}

fn dtype_of(array: &Array<()>) -> Result<DType, String> {
    let name = array
        .data_type()
        .name_v3()
        .or_else(|| array.data_type().name_v2())
        .unwrap_or_default();
    let known: Vec<&str> = DType::ALL.iter().map(|d| d.name()).collect();
    DType::from_name(&name).ok_or_else(|| {
        format!(
            "dtype {name} is not supported (known: {})",
            known.join(", ")
        )
    })
}

fn chunk_bytes(chunks: &[NonZeroU64], dtype: DType) -> Result<usize, String> {
    let bytes = chunks
        .iter()
        .try_fold(dtype.size() as u64, |n, c| n.checked_mul(c.get()));
    match bytes {
        Some(n) if n < CHUNK_LIMIT => Ok(n as usize),
        _ => Err(format!(
            "its chunks have {CHUNK_LIMIT} bytes or more, which no codec handles"
        )),
    }
}

fn chunk_shape(document: &Value) -> Result<Vec<NonZeroU64>, String> {
    let shape = match document.get("chunks") {
        Some(chunks) => chunks,
        None => {
            let grid = &document["chunk_grid"];
            match grid["name"].as_str() {
                Some("regular") => &grid["configuration"]["chunk_shape"],
                name => {
                    return Err(format!(
                        "chunk grid {} is not supported",
                        name.unwrap_or("without a name")
                    ));
                }
            }
        }
    };
    serde_json::from_value(shape.clone())
        .map_err(|e| format!("its chunk shape {shape} is malformed: {e}"))
}

/// A chain from a list of v3 codecs.
pub(crate) fn chain_of(codecs: &Value) -> Result<Arc<CodecChain>, String> {
    let metadata: Vec<_> =
        serde_json::from_value(codecs.clone()).map_err(|e| format!("codecs: {e}"))?;
    CodecChain::from_metadata(&metadata)
        .map(Arc::new)
        .map_err(|e| format!("codec: {e}"))
}
