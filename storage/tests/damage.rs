//! Bad stores and bad chunks: the right kind of error, naming the thing, and never a panic.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says so by panicking"
)]

use dasklike_graph::plan::Source;
use dasklike_storage::sample::{SampleCodec, SampleError, SampleSpec, write_sample};
use dasklike_storage::{
    ArrayReader, OpenError, ReadErrorKind, ReadScratch, Store, StoreError, open_dataset,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

fn store(path: &Path) -> Store {
    Store::open(path.to_str().unwrap(), &BTreeMap::new()).unwrap()
}

async fn source(path: &Path) -> Source {
    open_dataset(&store(path)).await.unwrap().arrays[0]
        .source
        .clone()
}

fn read(source: &Source, index: &[u64]) -> Result<Vec<u8>, dasklike_storage::ReadError> {
    let mut out = vec![0; source.chunk_bytes() as usize];
    ArrayReader::open(source)
        .unwrap()
        .read_local(index, &mut ReadScratch::default(), &mut out)
        .map(|_| out)
}

fn array(folder: &Path, codecs: Value) -> Value {
    let document = json!({"zarr_format": 3, "node_type": "array", "shape": [64, 64], "data_type": "uint16",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [64, 64]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0, "codecs": codecs});
    std::fs::create_dir_all(folder.join("c/0")).unwrap();
    std::fs::write(folder.join("zarr.json"), document.to_string()).unwrap();
    document
}

fn chains() -> Vec<(&'static str, Value)> {
    let bytes = json!({"name": "bytes", "configuration": {"endian": "little"}});
    let blosc = |cname: &str, shuffle: &str| {
        json!({"name": "blosc", "configuration":
            {"typesize": 2, "cname": cname, "clevel": 5, "shuffle": shuffle, "blocksize": 2048}})
    };
    vec![
        ("none", json!([bytes])),
        (
            "zstd",
            json!([bytes, {"name": "zstd", "configuration": {"level": 3, "checksum": false}}]),
        ),
        (
            "gzip",
            json!([bytes, {"name": "gzip", "configuration": {"level": 6}}]),
        ),
        (
            "zlib",
            json!([bytes, {"name": "numcodecs.zlib", "configuration": {"level": 6}}]),
        ),
        ("blosc zstd", json!([bytes, blosc("zstd", "shuffle")])),
        ("blosc lz4", json!([bytes, blosc("lz4", "bitshuffle")])),
        ("blosc zlib", json!([bytes, blosc("zlib", "shuffle")])),
        ("blosc blosclz", json!([bytes, blosc("blosclz", "shuffle")])),
        ("blosc snappy", json!([bytes, blosc("snappy", "noshuffle")])),
        (
            "transpose",
            json!([{"name": "transpose", "configuration": {"order": [1, 0]}}, bytes, blosc("lz4", "shuffle")]),
        ),
        (
            "shard",
            json!([{"name": "sharding_indexed", "configuration": {"chunk_shape": [32, 32],
            "codecs": [bytes, blosc("zstd", "shuffle")], "index_codecs": [bytes, {"name": "crc32c"}],
            "index_location": "end"}}]),
        ),
        (
            "crc32c",
            json!([bytes, blosc("zstd", "shuffle"), {"name": "crc32c"}]),
        ),
    ]
}

/// Every byte flipped, and every length cut: an error or other numbers, but no panic, and with a checksum always
/// an error.
#[tokio::test]
async fn damage_never_panics() {
    for (name, codecs) in chains() {
        let folder = tempfile::tempdir().unwrap();
        let document = array(folder.path(), codecs);
        let files =
            std::sync::Arc::new(zarrs::filesystem::FilesystemStore::new(folder.path()).unwrap());
        let metadata: zarrs::array::ArrayMetadataV3 = serde_json::from_value(document).unwrap();
        let written = zarrs::array::Array::new_with_metadata(files, "/", metadata.into()).unwrap();
        let numbers: Vec<u16> = (0..4096u16).map(|i| i / 5 * 3 + i % 7).collect();
        written.store_chunk(&[0, 0], &numbers).unwrap();
        let path = folder.path().join("c/0/0");
        let good = std::fs::read(&path).unwrap();
        let source = source(folder.path()).await;
        let whole = read(&source, &[0, 0]).unwrap();
        for at in (0..good.len()).step_by(1 + good.len() / 120) {
            for flip in [0x01, 0x80, 0xFF] {
                let mut bad = good.clone();
                bad[at] ^= flip;
                std::fs::write(&path, bad).unwrap();
                let result = read(&source, &[0, 0]);
                assert!(name != "crc32c" || result.is_err(), "byte {at} of {name}");
            }
            std::fs::write(&path, &good[..at]).unwrap();
            // The last inner chunk may lie before the cut, but the index of a shard does not.
            let error = read(&source, &[0, 0]).expect_err(name);
            assert_eq!(
                (&error.chunk[..], &error.store),
                (&[0, 0][..], &source.store)
            );
        }
        std::fs::write(&path, [good.clone(), vec![0; 1 << 20]].concat()).unwrap();
        let long = read(&source, &[0, 0]);
        assert!(
            name == "shard" || matches!(long.unwrap_err().kind, ReadErrorKind::TooLarge { .. }),
            "{name}"
        );
        std::fs::write(&path, &good).unwrap();
        assert_eq!(read(&source, &[0, 0]).unwrap(), whole, "{name}");
    }
}

#[tokio::test]
async fn damage_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cube");
    let spec = SampleSpec {
        steps: 1,
        size: 64,
        chunk: 64,
        codec: SampleCodec::BloscZstd,
    };
    write_sample(&path, &spec, &mut |_, _| {}).unwrap();
    let dataset = open_dataset(&store(&path)).await.unwrap();
    let red = &dataset.array("red").unwrap().source;
    let file = path.join("red/c/0/0/0");
    let good = std::fs::read(&file).unwrap();
    let mut bad = good.clone();
    bad[100] ^= 4;
    std::fs::write(&file, &bad).unwrap();
    let error = read(red, &[0, 0, 0]).unwrap_err();
    assert!(
        matches!(
            error.kind,
            ReadErrorKind::Checksum {
                codec: "crc32c",
                ..
            }
        ),
        "{error}"
    );
    let words = error.to_string();
    assert!(
        words.contains("\"red\"") && words.contains("[0,0,0]") && words.contains("cube"),
        "{words}"
    );
    let request = |e: dasklike_storage::ReadError| matches!(e.kind, ReadErrorKind::Request(_));
    assert!(request(read(red, &[0, 0, 1]).unwrap_err()));
    assert!(request(read(red, &[0, 0]).unwrap_err()));
    // Without a checksum, the lengths tell.
    let plain = tempfile::tempdir().unwrap();
    array(
        plain.path(),
        json!([{"name": "bytes", "configuration": {"endian": "little"}}]),
    );
    std::fs::write(plain.path().join("c/0/0"), vec![1; 8000]).unwrap();
    let kind = read(&source(plain.path()).await, &[0, 0]).unwrap_err().kind;
    assert_eq!(
        kind,
        ReadErrorKind::Truncated {
            have: 8000,
            need: 8192
        }
    );
    std::fs::write(plain.path().join("c/0/0"), vec![1; 8193]).unwrap();
    let kind = read(&source(plain.path()).await, &[0, 0]).unwrap_err().kind;
    assert!(
        matches!(
            kind,
            ReadErrorKind::Size { .. } | ReadErrorKind::TooLarge { .. }
        ),
        "{kind}"
    );
}

#[tokio::test]
async fn places_that_are_no_stores() {
    let open = |location: &str| Store::open(location, &BTreeMap::new());
    assert!(matches!(
        open("/no/such/place"),
        Err(StoreError::Path { .. })
    ));
    assert!(matches!(
        open("ftp://host/cube"),
        Err(StoreError::Scheme { .. })
    ));
    assert!(matches!(open("http:///"), Err(StoreError::Url { .. })));
    assert!(matches!(open("s3://"), Err(StoreError::Url { .. })));
    assert!(
        matches!(open("https://host/cube"), Err(StoreError::Client { .. })),
        "there is no tls provider here"
    );
    let option = |k: &str, v: &str| BTreeMap::from([(k.to_owned(), v.to_owned())]);
    let wrong = [
        ("s3://b/c", "colour", "red"),
        ("s3://b/c", "anonymous", "yes"),
        ("s3://b/c", "endpoint", "host"),
        ("/", "region", "x"),
    ];
    for (location, name, value) in wrong {
        assert!(
            matches!(
                Store::open(location, &option(name, value)),
                Err(StoreError::Option { .. })
            ),
            "{name}"
        );
    }
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(
        open_dataset(&store(folder.path())).await,
        Err(OpenError::NotZarr { .. })
    ));
    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    assert!(matches!(
        open(file.to_str().unwrap()),
        Err(StoreError::Path { .. })
    ));
    std::fs::write(folder.path().join("zarr.json"), "{").unwrap();
    assert!(matches!(
        open_dataset(&store(folder.path())).await,
        Err(OpenError::Metadata { .. })
    ));
    let url = format!("file://{}", folder.path().display());
    assert_eq!(
        open(&url).unwrap().location(),
        folder.path().canonicalize().unwrap().to_str().unwrap()
    );
}

/// One array that cannot be read does not spoil the others, and says why when it is asked for.
#[tokio::test]
async fn unreadable_arrays_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(".zgroup"), "{\"zarr_format\": 2}").unwrap();
    std::fs::write(
        folder.path().join(".zattrs"),
        "{\"title\": \"mixed\", \"limit\": NaN}",
    )
    .unwrap();
    let array = |name: &str, dtype: &str, compressor: Value, filters: Value| {
        let document = json!({"zarr_format": 2, "shape": [4], "chunks": [2], "dtype": dtype, "fill_value": null,
            "compressor": compressor, "filters": filters, "order": "C"});
        std::fs::create_dir(folder.path().join(name)).unwrap();
        std::fs::write(
            folder.path().join(name).join(".zarray"),
            document.to_string(),
        )
        .unwrap();
    };
    array("good", "<i4", Value::Null, Value::Null);
    array(
        "codec",
        "<i4",
        json!({"id": "lzma", "preset": 1}),
        Value::Null,
    );
    array("filter", "<i4", Value::Null, json!([{"id": "categorize"}]));
    array("text", "|O", Value::Null, json!([{"id": "vlen-utf8"}]));
    array("half", "<f2", Value::Null, Value::Null);
    array("when", "<M8[ns]", Value::Null, Value::Null);
    let dataset = open_dataset(&store(folder.path())).await.unwrap();
    assert_eq!(dataset.attributes["title"], "mixed");
    assert_eq!(
        dataset
            .arrays
            .iter()
            .map(|a| &a.name[..])
            .collect::<Vec<_>>(),
        ["good"]
    );
    for (name, thing) in [
        ("codec", "lzma"),
        ("filter", "categorize"),
        ("text", "string"),
        ("half", "float16"),
        ("when", "M8"),
    ] {
        let error = dataset.array(name).unwrap_err();
        let words = error.to_string();
        assert!(matches!(error, OpenError::Unreadable { .. }), "{words}");
        assert!(words.contains(thing) && words.contains(name), "{words}");
    }
    let words = dataset.array("none").unwrap_err().to_string();
    assert!(words.contains("it has good"), "{words}");
}

#[tokio::test]
async fn a_reader_checks_the_plan() {
    let folder = tempfile::tempdir().unwrap();
    array(
        folder.path(),
        json!([{"name": "bytes", "configuration": {"endian": "little"}}]),
    );
    let good = source(folder.path()).await;
    ArrayReader::open(&good).map(drop).unwrap();
    let wrong = [
        Source {
            chunks: vec![32, 64],
            ..good.clone()
        },
        Source {
            shape: vec![64, 65],
            ..good.clone()
        },
        Source {
            dtype: dasklike_graph::dtype::DType::I16,
            ..good.clone()
        },
    ];
    for source in wrong {
        assert!(matches!(
            ArrayReader::open(&source),
            Err(OpenError::Mismatch { .. })
        ));
    }
    let gone = Source {
        store: "/no/such/place".to_owned(),
        ..good.clone()
    };
    assert!(matches!(ArrayReader::open(&gone), Err(OpenError::Store(_))));
    let garbled = Source {
        metadata: "{".to_owned(),
        ..good
    };
    assert!(matches!(
        ArrayReader::open(&garbled),
        Err(OpenError::Metadata { .. })
    ));
}

#[tokio::test]
async fn the_sample_is_the_same_whatever_encodes_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut first: Option<Vec<Vec<u8>>> = None;
    for codec in SampleCodec::ALL {
        let path = folder.path().join(codec.name());
        // The scene is no multiple of the chunk, so that there are edges.
        let spec = SampleSpec {
            steps: 3,
            size: 150,
            chunk: 64,
            codec,
        };
        let mut last = (0, 0);
        write_sample(&path, &spec, &mut |done, total| last = (done, total)).unwrap();
        assert_eq!(last, (27, 27));
        let again = write_sample(&path, &spec, &mut |_, _| {});
        assert!(matches!(again, Err(SampleError::Exists { .. })));
        let dataset = open_dataset(&store(&path)).await.unwrap();
        assert!(
            dataset.attributes["title"]
                .as_str()
                .unwrap()
                .contains("SYNTHETIC")
        );
        let mut bands = Vec::new();
        for name in ["red", "nir", "scl"] {
            bands.push(
                dasklike_storage::read_all(&dataset.array(name).unwrap().source)
                    .await
                    .unwrap(),
            );
        }
        assert_eq!(bands[0].len(), 3 * 150 * 150 * 2);
        assert_eq!(
            first.get_or_insert_with(|| bands.clone()),
            &bands,
            "{codec}"
        );
    }
    // Nothing is left beside what was asked for.
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        SampleCodec::ALL.len()
    );
    let bad = SampleSpec {
        steps: 0,
        size: 1,
        chunk: 1,
        codec: SampleCodec::None,
    };
    assert!(matches!(
        write_sample(&folder.path().join("x"), &bad, &mut |_, _| {}),
        Err(SampleError::Spec { .. })
    ));
}
