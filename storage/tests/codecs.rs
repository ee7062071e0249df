//! Chunks written by other implementations (`zarrs`, flate2) come back as they were, whatever encodes them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says so by panicking"
)]

use dasklike_graph::dtype::DType;
use dasklike_storage::{ArrayReader, Presence, ReadScratch, Store, open_dataset, read_all};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use zarrs::array::{Array, ArrayBytes, ArrayMetadata, ArrayMetadataV2, ArrayMetadataV3};
use zarrs::filesystem::FilesystemStore;

const SHAPE: [u64; 3] = [3, 70, 45];
const CHUNKS: [u64; 3] = [2, 32, 24];

/// Bytes that compress a little: smooth numbers with some noise.
fn elements(size: usize) -> Vec<u8> {
    let count = SHAPE.iter().product::<u64>();
    let value = |i: u64| (i / 7 * 3).wrapping_add(i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 59);
    (0..count)
        .flat_map(|i| value(i).to_le_bytes()[..size].to_vec())
        .collect()
}

fn chunk_of(elements: &[u8], size: usize, index: [u64; 3]) -> Vec<u8> {
    let mut chunk = Vec::new();
    for t in 0..CHUNKS[0] {
        for y in 0..CHUNKS[1] {
            for x in 0..CHUNKS[2] {
                let at = [
                    index[0] * CHUNKS[0] + t,
                    index[1] * CHUNKS[1] + y,
                    index[2] * CHUNKS[2] + x,
                ];
                let inside = at.iter().zip(SHAPE).all(|(a, n)| *a < n);
                let from = ((at[0] * SHAPE[1] + at[1]) * SHAPE[2] + at[2]) as usize * size;
                if inside {
                    chunk.extend_from_slice(&elements[from..from + size])
                } else {
                    chunk.resize(chunk.len() + size, 0)
                }
            }
        }
    }
    chunk
}

fn indices() -> Vec<[u64; 3]> {
    let mut all = Vec::new();
    for t in 0..2 {
        for y in 0..3 {
            all.extend((0..2).map(|x| [t, y, x]));
        }
    }
    all
}

/// Has `zarrs` write an array, all but its last chunk.
fn write(folder: &Path, metadata: ArrayMetadata, elements: &[u8], size: usize) {
    let store = Arc::new(FilesystemStore::new(folder).unwrap());
    let array = Array::new_with_metadata(store, "/a", metadata).unwrap();
    array.store_metadata().unwrap();
    for index in &indices()[..11] {
        array
            .store_chunk(
                index,
                ArrayBytes::new_flen(chunk_of(elements, size, *index)),
            )
            .unwrap();
    }
}

/// What is to be read: the last chunk is not stored, and so zero.
fn expected(mut elements: Vec<u8>, size: usize) -> Vec<u8> {
    for y in 64..70 {
        for x in 24..45 {
            let at = ((2 * SHAPE[1] + y) * SHAPE[2] + x) as usize * size;
            elements[at..at + size].fill(0);
        }
    }
    elements
}

async fn check(folder: &Path, dtype: DType, what: &str) {
    let store = Store::open(folder.join("a").to_str().unwrap(), &BTreeMap::new()).unwrap();
    let dataset = open_dataset(&store).await.unwrap();
    let source = &dataset
        .array("a")
        .unwrap_or_else(|e| panic!("{what}: {e}"))
        .source;
    assert_eq!(
        (source.dtype, &source.shape[..]),
        (dtype, &SHAPE[..]),
        "{what}"
    );
    let bytes = read_all(source)
        .await
        .unwrap_or_else(|e| panic!("{what}: {e}"));
    assert!(
        bytes == expected(elements(dtype.size()), dtype.size()),
        "{what} is read wrongly"
    );
}

fn blosc(size: usize, cname: &str, shuffle: &str, blocksize: usize) -> Value {
    json!({"name": "blosc", "configuration":
        {"typesize": size, "cname": cname, "clevel": 5, "shuffle": shuffle, "blocksize": blocksize}})
}

fn chains(size: usize) -> Vec<Value> {
    let bytes = |endian: &str| json!({"name": "bytes", "configuration": {"endian": endian}});
    let (little, crc) = (bytes("little"), json!({"name": "crc32c"}));
    let zstd = json!({"name": "zstd", "configuration": {"level": 3, "checksum": true}});
    let gzip = json!({"name": "gzip", "configuration": {"level": 6}});
    let zlib = json!({"name": "numcodecs.zlib", "configuration": {"level": 6}});
    let transpose = json!({"name": "transpose", "configuration": {"order": [2, 0, 1]}});
    let lz4 = blosc(size, "lz4", "shuffle", 0);
    let shard = |inner: [u64; 3], index: &str, codec: Value| {
        json!([{"name": "sharding_indexed", "configuration": {"chunk_shape": inner,
            "codecs": [little, codec], "index_codecs": [little, crc], "index_location": index}}])
    };
    let mut chains = vec![
        json!([little]),
        json!([bytes("big")]),
        json!([little, crc]),
        json!([little, zstd]),
        json!([little, gzip]),
        json!([little, zlib]),
        json!([bytes("big"), zstd, crc]),
        json!([little, crc, zstd]),
        json!([little, crc, gzip, crc]),
        json!([little, gzip, zstd]),
        json!([transpose, little, zstd]),
        json!([transpose, bytes("big"), lz4, crc]),
        shard([1, 16, 12], "end", zstd.clone()),
        shard([2, 8, 24], "start", lz4.clone()),
        json!([transpose, shard([12, 1, 16], "end", zlib.clone())[0]]),
        json!([shard([1, 16, 12], "end", gzip.clone())[0], crc]),
    ];
    for cname in ["zstd", "lz4", "lz4hc", "zlib", "blosclz", "snappy"] {
        for shuffle in ["noshuffle", "shuffle", "bitshuffle"] {
            for blocksize in [0, 1000] {
                chains.push(json!([little, blosc(size, cname, shuffle, blocksize)]));
            }
        }
    }
    chains
}

#[tokio::test]
async fn v3_arrays_come_back() {
    for dtype in [DType::U8, DType::I16, DType::F64] {
        for codecs in chains(dtype.size()) {
            let folder = tempfile::tempdir().unwrap();
            let metadata = json!({"zarr_format": 3, "node_type": "array", "shape": SHAPE, "data_type": dtype.name(),
                "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": CHUNKS}},
                "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
                "fill_value": 0, "codecs": codecs});
            let metadata: ArrayMetadataV3 = serde_json::from_value(metadata).unwrap();
            write(
                folder.path(),
                metadata.into(),
                &elements(dtype.size()),
                dtype.size(),
            );
            check(folder.path(), dtype, &format!("{dtype} {codecs}")).await;
        }
    }
}

#[tokio::test]
async fn v2_arrays_come_back() {
    let compressors = [
        Value::Null,
        json!({"id": "zlib", "level": 1}),
        json!({"id": "gzip", "level": 9}),
        json!({"id": "zstd", "level": 1}),
        json!({"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0}),
        json!({"id": "blosc", "cname": "zstd", "clevel": 9, "shuffle": 2, "blocksize": 0}),
    ];
    for (code, dtype) in [
        ("|u1", DType::U8),
        ("<i2", DType::I16),
        (">u4", DType::U32),
        (">f8", DType::F64),
    ] {
        for compressor in &compressors {
            for (order, separator, filters) in [
                ("C", ".", Value::Null),
                ("F", "/", Value::Null),
                ("C", "/", json!([{"id": "shuffle", "elementsize": 2}])),
            ] {
                let folder = tempfile::tempdir().unwrap();
                let metadata = json!({"zarr_format": 2, "shape": SHAPE, "chunks": CHUNKS, "dtype": code,
                    "compressor": compressor, "fill_value": null, "order": order, "filters": filters,
                    "dimension_separator": separator});
                let parsed: ArrayMetadataV2 = serde_json::from_value(metadata.clone()).unwrap();
                write(
                    folder.path(),
                    parsed.into(),
                    &elements(dtype.size()),
                    dtype.size(),
                );
                check(folder.path(), dtype, &metadata.to_string()).await;
            }
        }
    }
}

fn v2_array(folder: &Path, id: &str, chunk: &[u8]) {
    let metadata = json!({"zarr_format": 2, "shape": [1000], "chunks": [1000], "dtype": "<u2",
        "compressor": {"id": id, "level": 6}, "fill_value": 7, "order": "C", "filters": null});
    std::fs::write(folder.join(".zarray"), metadata.to_string()).unwrap();
    std::fs::write(folder.join("0"), chunk).unwrap();
}

/// What flate2 wrote, libdeflate reads.
#[tokio::test]
async fn deflate_of_another_implementation() {
    let numbers: Vec<u8> = (0..1000u16)
        .flat_map(|i| (i * i % 777).to_le_bytes())
        .collect();
    for level in [0, 1, 6, 9] {
        let level = flate2::Compression::new(level);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), level);
        gzip.write_all(&numbers).unwrap();
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), level);
        zlib.write_all(&numbers).unwrap();
        for (id, chunk) in [
            ("gzip", gzip.finish().unwrap()),
            ("zlib", zlib.finish().unwrap()),
        ] {
            let folder = tempfile::tempdir().unwrap();
            v2_array(folder.path(), id, &chunk);
            let store = Store::open(folder.path().to_str().unwrap(), &BTreeMap::new()).unwrap();
            let dataset = open_dataset(&store).await.unwrap();
            let source = &dataset.arrays[0].source;
            assert_eq!(&*source.dims[0], "dim_0");
            assert_eq!(read_all(source).await.unwrap(), numbers, "{id} {level:?}");
            assert!(source.encoded_bound >= chunk.len() as u64);
        }
    }
}

#[tokio::test]
async fn an_absent_chunk_is_absent() {
    let folder = tempfile::tempdir().unwrap();
    v2_array(folder.path(), "zlib", b"");
    std::fs::remove_file(folder.path().join("0")).unwrap();
    let store = Store::open(folder.path().to_str().unwrap(), &BTreeMap::new()).unwrap();
    let dataset = open_dataset(&store).await.unwrap();
    let source = &dataset.arrays[0].source;
    let reader = ArrayReader::open(source).unwrap();
    let mut out = vec![9; 2000];
    let presence = reader
        .read_local(&[0], &mut ReadScratch::default(), &mut out)
        .unwrap();
    assert_eq!(presence, Presence::Absent);
    assert_eq!(reader.fetch(&[0]).await.unwrap(), None);
    assert_eq!(read_all(source).await.unwrap(), [7, 0].repeat(1000));
}
