//! Stores behind HTTP: what is read, what is asked for, and what failures are called.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says so by panicking"
)]

mod common;

use common::{Fault, Server};
use dasklike_graph::plan::Source;
use dasklike_storage::sample::{SampleCodec, SampleSpec, write_sample};
use dasklike_storage::{
    ArrayReader, DatasetInfo, OpenError, ReadErrorKind, ReadScratch, Store, open_dataset, read_all,
};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

fn sample(folder: &Path) {
    let spec = SampleSpec {
        steps: 2,
        size: 100,
        chunk: 64,
        codec: SampleCodec::Zstd,
    };
    write_sample(&folder.join("cube"), &spec, &mut |_, _| {}).unwrap();
}

async fn open(location: &str) -> Result<DatasetInfo, OpenError> {
    open_dataset(&Store::open(location, &BTreeMap::new()).unwrap()).await
}

#[tokio::test]
async fn a_cube_reads_as_from_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    sample(folder.path());
    let server = Server::start(folder.path());
    let remote = open(&format!("{}/cube/", server.url)).await.unwrap();
    // Opening takes the root document and nothing else: no listing.
    assert_eq!(server.log(), [("cube/zarr.json".to_owned(), None)]);
    let local = open(folder.path().join("cube").to_str().unwrap())
        .await
        .unwrap();
    assert_eq!(remote.arrays.len(), local.arrays.len());
    for (a, b) in remote.arrays.iter().zip(&local.arrays) {
        assert_eq!(
            read_all(&a.source).await.unwrap(),
            read_all(&b.source).await.unwrap(),
            "{}",
            a.name
        );
    }
    // A plan carries all that a worker needs.
    let red = &remote.array("red").unwrap().source;
    server.log();
    let reader = ArrayReader::open(red).unwrap();
    assert!(!reader.is_local());
    reader.fetch(&[1, 0, 1]).await.unwrap().unwrap();
    assert_eq!(server.log(), [("cube/red/c/1/0/1".to_owned(), None)]);
    std::fs::remove_file(folder.path().join("cube/red/c/1/0/1")).unwrap();
    assert_eq!(reader.fetch(&[1, 0, 1]).await.unwrap(), None);
}

#[tokio::test]
async fn v2_and_lone_arrays_open_without_listing() {
    let folder = tempfile::tempdir().unwrap();
    let array = json!({"zarr_format": 2, "shape": [4], "chunks": [4], "dtype": "<u2", "compressor": null,
        "fill_value": 0, "order": "C", "filters": null});
    std::fs::create_dir_all(folder.path().join("g/a")).unwrap();
    std::fs::write(folder.path().join("g/a/.zarray"), array.to_string()).unwrap();
    std::fs::write(folder.path().join("g/a/0"), [1, 0, 2, 0, 3, 0, 4, 0]).unwrap();
    std::fs::write(folder.path().join("g/.zgroup"), "{\"zarr_format\": 2}").unwrap();
    let server = Server::start(folder.path());
    let group = format!("{}/g", server.url);
    assert!(matches!(
        open(&group).await,
        Err(OpenError::NotConsolidated { .. })
    ));
    let lone = open(&format!("{group}/a")).await.unwrap();
    assert_eq!(
        read_all(&lone.array("a").unwrap().source).await.unwrap(),
        [1, 0, 2, 0, 3, 0, 4, 0]
    );
    let consolidated = json!({"zarr_consolidated_format": 1, "metadata": {".zgroup": {"zarr_format": 2},
        "a/.zarray": array, "a/.zattrs": {"_ARRAY_DIMENSIONS": ["time"]}}});
    std::fs::write(folder.path().join("g/.zmetadata"), consolidated.to_string()).unwrap();
    let source = &open(&group).await.unwrap().arrays[0].source;
    assert_eq!((&*source.path, &*source.dims[0]), ("a", "time"));
    // Servers that hide what is not there behind a 403 are asked for the next document.
    server.fail("g/zarr.json", Fault::Status(403), 1);
    open(&group).await.unwrap();
    assert!(matches!(
        open(&format!("{}/none", server.url)).await,
        Err(OpenError::NotZarr { .. })
    ));
    for document in ["zarr.json", ".zmetadata", ".zarray", ".zgroup"] {
        server.fail(&format!("none/{document}"), Fault::Status(403), 1);
    }
    let refused = open(&format!("{}/none", server.url)).await.unwrap_err();
    assert!(
        matches!(
            refused,
            OpenError::Read {
                kind: ReadErrorKind::Forbidden(_),
                ..
            }
        ),
        "{refused}"
    );
}

#[tokio::test]
async fn failures_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    sample(folder.path());
    let server = Server::start(folder.path());
    let dataset = open(&format!("{}/cube", server.url)).await.unwrap();
    let reader = ArrayReader::open(&dataset.array("nir").unwrap().source).unwrap();
    let (key, index) = ("cube/nir/c/0/1/0", [0, 1, 0]);
    let good = std::fs::read(folder.path().join(key)).unwrap();
    server.fail(key, Fault::Status(503), 2);
    assert_eq!(reader.fetch(&index).await.unwrap().unwrap(), good);
    assert_eq!(
        server.log().iter().filter(|(path, _)| path == key).count(),
        3
    );
    server.fail(key, Fault::Cut, 1);
    assert_eq!(reader.fetch(&index).await.unwrap().unwrap(), good);
    server.fail(key, Fault::Status(403), 1);
    let error = reader.fetch(&index).await.unwrap_err();
    assert!(matches!(error.kind, ReadErrorKind::Forbidden(_)), "{error}");
    server.fail(key, Fault::Cut, usize::MAX);
    let error = reader.fetch(&index).await.unwrap_err();
    let len = good.len() as u64;
    assert_eq!(
        error.kind,
        ReadErrorKind::Truncated {
            have: len / 2,
            need: len
        }
    );
    assert_eq!((&error.array[..], &error.chunk[..]), ("nir", &index[..]));
    server.fail(key, Fault::Cut, 0);
    std::fs::write(folder.path().join(key), &good[..100]).unwrap();
    let encoded = reader.fetch(&index).await.unwrap().unwrap();
    let error = reader
        .decode(
            &index,
            &encoded,
            &mut ReadScratch::default(),
            &mut [0; 8192],
        )
        .unwrap_err();
    assert!(
        matches!(error.kind, ReadErrorKind::Checksum { .. }),
        "{error}"
    );
    std::fs::write(folder.path().join(key), vec![0; 1 << 20]).unwrap();
    let error = reader.fetch(&index).await.unwrap_err();
    assert!(
        matches!(error.kind, ReadErrorKind::TooLarge { .. }),
        "{error}"
    );
}

/// A server that never recovers fails in bounded time.
#[tokio::test]
async fn patience_ends() {
    let folder = tempfile::tempdir().unwrap();
    sample(folder.path());
    let server = Server::start(folder.path());
    let dataset = open(&format!("{}/cube", server.url)).await.unwrap();
    let reader = ArrayReader::open(&dataset.array("nir").unwrap().source).unwrap();
    server.fail("cube/nir/c/0/0/0", Fault::Status(503), usize::MAX);
    let fetch = tokio::time::timeout(std::time::Duration::from_secs(90), reader.fetch(&[0, 0, 0]));
    let error = fetch.await.unwrap().unwrap_err();
    assert!(
        matches!(&error.kind, ReadErrorKind::Io(words) if words.contains("503")),
        "{error}"
    );
}

#[tokio::test]
async fn shards_are_read_by_range() {
    let data = Path::new("../../shared/data");
    if !data.exists() {
        assert!(
            std::env::var_os("DASKLIKE_WITHOUT_DATA").is_some(),
            "there is no {}: bring the data, or set DASKLIKE_WITHOUT_DATA to leave out what needs it",
            data.display()
        );
        return;
    }
    let name = "s2_tile_33TWM_202308.v3.zarr";
    let server = Server::start(data);
    let remote = open(&format!("{}/{name}", server.url)).await.unwrap();
    let local = open(data.join(name).to_str().unwrap()).await.unwrap();
    let sources = |d: &DatasetInfo| d.array("red").unwrap().source.clone();
    let (remote, local): (Source, Source) = (sources(&remote), sources(&local));
    server.log();
    assert_eq!(
        read_all(&remote).await.unwrap(),
        read_all(&local).await.unwrap()
    );
    let log = server.log();
    assert!(log.iter().all(|(_, range)| range.is_some()), "{log:?}");
    let indices = log
        .iter()
        .filter(|(_, r)| r.as_deref().is_some_and(|r| r.starts_with('-')))
        .count();
    assert_eq!(
        (indices, log.len()),
        (5, 5 + 45),
        "each shard's index is fetched once"
    );
}

/// With a provider installed, as every main program does, TLS is spoken: here to a server that does not.
#[tokio::test]
async fn https_has_a_client() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let error = open(&server.url.replace("http://", "https://"))
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            OpenError::Read {
                kind: ReadErrorKind::Io(_),
                ..
            }
        ),
        "{error}"
    );
}
