//! Opening a store: which arrays it has, and what a plan must know of them.

use crate::ReadScratch;
use crate::cf;
use crate::document::{self, ArrayDocument};
use crate::error::{OpenError, ReadError};
use crate::layout::Layout;
use crate::reader::{ArrayReader, Presence};
use crate::store::Store;
use dasklike_graph::block::place_block;
use dasklike_graph::dtype::Scalar;
use dasklike_graph::grid::{block_count, block_index};
use dasklike_graph::plan::{Dim, Source};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Map, Value};
use std::ops::Range;

/// What is in a store.
#[derive(Clone, Debug)]
pub struct DatasetInfo {
    /// Where it is: an absolute path or a URL.
    pub location: String,
    /// The group's attributes; none for a lone array.
    pub attributes: Map<String, Value>,
    /// The arrays, sorted by name.
    pub arrays: Vec<ArrayInfo>,
    /// Arrays that this build cannot read, and why.
    pub unreadable: Vec<(String, String)>,
}

/// A stored array.
#[derive(Clone, Debug)]
pub struct ArrayInfo {
    /// Its path in the group, such as `red` or `r10m/red`; for a lone array the last part of the location.
    pub name: String,
    /// What a plan says of it.
    pub source: Source,
    /// Its attributes, without those that only name its dims.
    pub attributes: Map<String, Value>,
    /// The stored value that means "missing", by xarray's rules, in the lane of the dtype.
    pub fill_is_missing: Option<Scalar>,
    /// A second such value, where the attribute `missing_value` differs from the first.
    pub also_missing: Option<Scalar>,
}

impl DatasetInfo {
    /// The array of that name.
    ///
    /// # Errors
    /// When there is none, or it is one of the unreadable.
    pub fn array(&self, name: &str) -> Result<&ArrayInfo, OpenError> {
        if let Some(array) = self.arrays.iter().find(|a| a.name == name) {
            return Ok(array);
        }
        let (store, array) = (self.location.clone(), name.to_owned());
        match self.unreadable.iter().find(|(n, _)| n == name) {
            Some((_, reason)) => Err(OpenError::Unreadable {
                store,
                array,
                reason: reason.clone(),
            }),
            None => {
                let have: Vec<&str> = self.arrays.iter().map(|a| a.name.as_str()).collect();
                let have = if have.is_empty() {
                    "none".to_owned()
                } else {
                    have.join(", ")
                };
                Err(OpenError::NoSuchArray { store, array, have })
            }
        }
    }
}

/// Finds the arrays of a group, or the one array that the store is. Reads metadata only.
///
/// # Errors
/// When there is no Zarr, it cannot be read, or a remote group is not consolidated. A single array that is not
/// supported is no error: it is listed as unreadable.
pub async fn open_dataset(store: &Store) -> Result<DatasetInfo, OpenError> {
    let documents = document::find(store).await?;
    let mut dataset = DatasetInfo {
        location: store.location().to_owned(),
        attributes: documents.attributes,
        arrays: Vec::new(),
        unreadable: Vec::new(),
    };
    for document in documents.arrays {
        let last = store.location().rsplit('/').next().unwrap_or_default();
        let name = if document.path.is_empty() {
            last.to_owned()
        } else {
            document.path.clone()
        };
        match describe(store, &name, document) {
            Ok(array) => dataset.arrays.push(array),
            Err(reason) => dataset.unreadable.push((name, reason)),
        }
    }
    Ok(dataset)
}

fn describe(store: &Store, name: &str, document: ArrayDocument) -> Result<ArrayInfo, String> {
    let ArrayDocument {
        path,
        metadata,
        mut attributes,
    } = document;
    let layout = Layout::parse(&metadata)?;
    let v2_fill =
        (metadata["zarr_format"] == 2 && !metadata["fill_value"].is_null()).then_some(layout.fill);
    let missing = cf::missing(layout.dtype, v2_fill, &attributes);
    let source = Source {
        store: store.location().to_owned(),
        options: store.options().clone(),
        path,
        metadata: metadata.to_string(),
        dtype: layout.dtype,
        dims: dims(&layout, attributes.get("_ARRAY_DIMENSIONS"))?,
        chunks: layout.chunks.clone(),
        fill: layout.fill,
        encoded_bound: layout.pipeline.encoded_bound(),
        decode_scratch: layout.pipeline.scratch_bound(),
        shape: layout.shape,
    };
    attributes.remove("_ARRAY_DIMENSIONS");
    let (fill_is_missing, also_missing) = (missing.fill, missing.other);
    Ok(ArrayInfo {
        name: name.to_owned(),
        source,
        attributes,
        fill_is_missing,
        also_missing,
    })
}

/// Names of the dims; those without one are called `dim_0` and so on, as xarray does.
fn dims(layout: &Layout, v2: Option<&Value>) -> Result<Vec<Dim>, String> {
    let count = layout.shape.len();
    let v2 = v2
        .and_then(Value::as_array)
        .filter(|names| names.len() == count);
    let name = |d: usize| {
        let v3 = layout
            .dims
            .as_ref()
            .and_then(|names| names.get(d)?.as_deref());
        let name = v3.or_else(|| v2.and_then(|names| names[d].as_str()));
        name.map_or_else(|| Dim::from(format!("dim_{d}")), Dim::from)
    };
    let dims: Vec<Dim> = (0..count).map(name).collect();
    match dims
        .iter()
        .enumerate()
        .find(|(d, name)| dims[..*d].contains(name))
    {
        Some((_, name)) => Err(format!("its dim {name:?} appears twice")),
        None => Ok(dims),
    }
}

/// Chunks of one array that are fetched at once.
const FETCHES: usize = 16;

/// Reads a whole array that is small, such as a coordinate: little-endian elements in C order.
///
/// # Errors
/// When a chunk cannot be read.
pub async fn read_all(source: &Source) -> Result<Vec<u8>, ReadError> {
    let reader = ArrayReader::open(source).map_err(|e| ReadError {
        store: source.store.clone(),
        array: source.path.clone(),
        chunk: Vec::new(),
        kind: crate::ReadErrorKind::Request(e.to_string()),
    })?;
    let axes = source.axes();
    let size = source.dtype.size();
    let mut fill = Vec::new();
    source.fill.write_le(source.dtype, &mut fill);
    let elements = source.shape.iter().product::<u64>() as usize;
    let mut array = fill.repeat(elements);
    let (mut chunk, mut scratch) = (
        vec![0; source.chunk_bytes() as usize],
        ReadScratch::default(),
    );
    let mut place = |index: &[u64], chunk: &[u8]| {
        let region: Vec<Range<u64>> = axes.iter().zip(index).map(|(a, i)| a.range(*i)).collect();
        place_block(
            &mut array,
            &source.shape,
            &region,
            &cropped(chunk, &source.chunks, &region, size),
            size,
        );
    };
    let indices = (0..block_count(&axes)).map(|b| block_index(&axes, b));
    if reader.is_local() {
        for index in indices {
            if let Presence::Stored { .. } = reader.read_local(&index, &mut scratch, &mut chunk)? {
                place(&index, &chunk);
            }
        }
        return Ok(array);
    }
    let reader = &reader;
    let fetches =
        indices.map(|index| async move { reader.fetch(&index).await.map(|bytes| (index, bytes)) });
    let mut fetched = stream::iter(fetches).buffered(FETCHES);
    while let Some((index, encoded)) = fetched.try_next().await? {
        if let Some(encoded) = encoded {
            reader.decode(&index, &encoded, &mut scratch, &mut chunk)?;
            place(&index, &chunk);
        }
    }
    Ok(array)
}

/// The part of a chunk that lies in the array: its first elements along each dim.
fn cropped(chunk: &[u8], shape: &[u64], region: &[Range<u64>], size: usize) -> Vec<u8> {
    let Some((&outer, inner)) = shape.split_first() else {
        return chunk.to_vec();
    };
    let Some((kept, rest)) = region.split_first() else {
        return chunk.to_vec();
    };
    let stride = chunk.len() / outer.max(1) as usize;
    let kept = (kept.end - kept.start) as usize;
    if inner.is_empty() {
        return chunk[..kept * size].to_vec();
    }
    chunk
        .chunks_exact(stride)
        .take(kept)
        .flat_map(|part| cropped(part, inner, rest, size))
        .collect()
}
