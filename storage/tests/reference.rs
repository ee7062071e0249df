//! Every array of the real stores, against hashes that other implementations computed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says so by panicking"
)]

use dasklike_storage::{ArrayReader, Store, open_dataset, read_all};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::PathBuf;

fn data() -> Option<PathBuf> {
    let path = PathBuf::from("../../shared/data");
    if !path.join("reference.json").exists() {
        assert!(
            std::env::var_os("DASKLIKE_WITHOUT_DATA").is_some(),
            "there is no {}: bring the data, or set DASKLIKE_WITHOUT_DATA to leave out what needs it",
            path.display()
        );
        return None;
    }
    Some(path)
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

#[tokio::test]
async fn every_array_hashes_as_the_reference_says() {
    let Some(data) = data() else { return };
    let reference: serde_json::Value =
        serde_json::from_slice(&std::fs::read(data.join("reference.json")).unwrap()).unwrap();
    let mut arrays = 0;
    for (name, store) in reference["stores"].as_object().unwrap() {
        for version in ["v2", "v3"] {
            let path = data.join(format!("{name}.{version}.zarr"));
            let store_ = Store::open(path.to_str().unwrap(), &BTreeMap::new()).unwrap();
            let dataset = open_dataset(&store_).await.unwrap();
            assert!(dataset.unreadable.is_empty(), "{:?}", dataset.unreadable);
            let raw = store["raw"].as_object().unwrap();
            assert_eq!(dataset.arrays.len(), raw.len(), "{name} {version}");
            for (array, expected) in raw {
                let info = dataset.array(array).unwrap();
                assert_eq!(
                    info.source.dtype.name(),
                    expected["dtype"],
                    "{name} {version} {array}"
                );
                let shape: Vec<u64> = serde_json::from_value(expected["shape"].clone()).unwrap();
                // A scalar is recorded with one dim.
                let scalar = info.source.shape.is_empty() && shape == [1];
                assert!(
                    scalar || info.source.shape == shape,
                    "{name} {version} {array}"
                );
                let bytes = read_all(&info.source).await.unwrap();
                assert_eq!(hex(&bytes), expected["sha256"], "{name} {version} {array}");
                arrays += 1;
            }
        }
    }
    assert!(arrays > 60, "only {arrays} arrays were compared");
}

#[tokio::test]
async fn shards_are_read_by_inner_chunk() {
    let Some(data) = data() else { return };
    let path = data.join("s2_tile_33TWM_202308.v3.zarr");
    let store = Store::open(path.to_str().unwrap(), &BTreeMap::new()).unwrap();
    let dataset = open_dataset(&store).await.unwrap();
    let red = dataset.array("red").unwrap();
    assert_eq!(red.source.chunks, [1, 256, 256]);
    assert_eq!(
        red.source.dims.iter().map(|d| &**d).collect::<Vec<_>>(),
        ["time", "y", "x"]
    );
    // The whole array is checked against its hash above; here, that one inner chunk is where it should be.
    let (whole, reader) = (
        read_all(&red.source).await.unwrap(),
        ArrayReader::open(&red.source).unwrap(),
    );
    let mut chunk = vec![0; 256 * 256 * 2];
    reader
        .read_local(&[3, 1, 2], &mut Default::default(), &mut chunk)
        .unwrap();
    for (y, row) in chunk.chunks_exact(512).enumerate() {
        let at = ((3 * 768 + 256 + y) * 768 + 512) * 2;
        assert_eq!(row, &whole[at..at + 512]);
    }
}

#[tokio::test]
async fn masks_follow_the_rules_of_each_version() {
    use dasklike_graph::dtype::Scalar;
    let Some(data) = data() else { return };
    let cases = [
        ("s2_field_2019", "red", Some(Scalar::U64(0))),
        ("s2_field_2019", "scl", None),
        (
            "s2_dem_climate_monthly_2021",
            "red",
            Some(Scalar::U64(65535)),
        ),
        ("s2_dem_climate_monthly_2021", "elevation", None),
        (
            "climate_era5_t2m_uk_201903",
            "t2m",
            Some(Scalar::F32(f32::NAN)),
        ),
        (
            "climate_era5_t2m_uk_201903",
            "latitude",
            Some(Scalar::F64(f64::NAN)),
        ),
    ];
    for (name, array, expected) in cases {
        for version in ["v2", "v3"] {
            let path = data.join(format!("{name}.{version}.zarr"));
            let store = Store::open(path.to_str().unwrap(), &BTreeMap::new()).unwrap();
            let dataset = open_dataset(&store).await.unwrap();
            assert_eq!(
                dataset.array(array).unwrap().fill_is_missing,
                expected,
                "{name} {version} {array}"
            );
        }
    }
}

/// The same arrays are found with and without consolidated metadata.
#[tokio::test]
async fn consolidated_metadata_is_not_needed_in_a_folder() {
    let Some(data) = data() else { return };
    for version in ["v2", "v3"] {
        let from = data.join(format!("s2_field_2019.{version}.zarr"));
        let folder = tempfile::tempdir().unwrap();
        copy(&from, folder.path());
        let open = async |path: &std::path::Path| {
            let store = Store::open(path.to_str().unwrap(), &BTreeMap::new()).unwrap();
            open_dataset(&store).await.unwrap()
        };
        let expected = open(folder.path()).await;
        if version == "v2" {
            std::fs::remove_file(folder.path().join(".zmetadata")).unwrap();
        } else {
            let path = folder.path().join("zarr.json");
            let mut root: serde_json::Value =
                serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            root.as_object_mut()
                .unwrap()
                .remove("consolidated_metadata");
            std::fs::write(path, root.to_string()).unwrap();
        }
        let found = open(folder.path()).await;
        assert_eq!(found.attributes, expected.attributes);
        assert_eq!(found.arrays.len(), expected.arrays.len());
        for (a, b) in found.arrays.iter().zip(&expected.arrays) {
            assert_eq!(
                (&a.name, &a.source.shape, &a.source.dims),
                (&b.name, &b.source.shape, &b.source.dims)
            );
            assert_eq!(
                (&a.attributes, a.fill_is_missing),
                (&b.attributes, b.fill_is_missing)
            );
        }
        let red = open(&folder.path().join("red")).await;
        assert_eq!(
            red.array("red").unwrap().source.shape,
            expected.array("red").unwrap().source.shape
        );
    }
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to)
        } else {
            std::fs::copy(entry.path(), to).map(drop).unwrap()
        }
    }
}
