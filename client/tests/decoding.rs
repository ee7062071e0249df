//! Stores are decoded as xarray decodes them: dtypes and coordinates against xarray 2026.9 with zarr 3.1, whose
//! answers are quoted here, and against `reference.json`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use dasklike::array::{Coord, DecodeFloat, plan};
use dasklike::cluster::{LocalCluster, LocalClusterConfig};
use dasklike::{Dataset, OpenOptions, compute};
use dasklike_graph::dtype::{DType, Scalar};
use dasklike_graph::ops::BinaryOp;
use dasklike_graph::plan::Op;
use std::path::PathBuf;

fn data(store: &str) -> Option<String> {
    let path = PathBuf::from("../../shared/data").join(store);
    if !path.exists() {
        assert!(
            std::env::var_os("DASKLIKE_WITHOUT_DATA").is_some(),
            "there is no {}: bring the data, or set DASKLIKE_WITHOUT_DATA to leave out what needs it",
            path.display()
        );
        return None;
    }
    path.to_str().map(str::to_owned)
}

fn open(store: &str, options: &OpenOptions) -> Option<Dataset> {
    Some(Dataset::open(&data(store)?, options).unwrap())
}

#[test]
fn result_dtypes_are_xarrays() {
    // {v: ds[v].dtype for v in xr.open_zarr(store)}
    let expected: [(&str, &[(&str, DType)]); 3] = [
        (
            "s2_field_2019",
            &[("red", DType::F64), ("nir", DType::F64), ("scl", DType::U8)],
        ),
        ("s2_dem_climate_monthly_2021", DEM),
        ("climate_era5_t2m_uk_201903", &[("t2m", DType::F32)]),
    ];
    for (store, variables) in expected {
        for version in ["v2", "v3"] {
            let Some(ds) = open(&format!("{store}.{version}.zarr"), &OpenOptions::default()) else {
                return;
            };
            for (name, dtype) in variables {
                assert_eq!(
                    ds[*name].dtype().unwrap(),
                    *dtype,
                    "{name} of {store}.{version}"
                );
            }
        }
    }
}

const DEM: &[(&str, DType)] = &[
    ("red", DType::F64),
    ("elevation", DType::U16),
    ("temperature", DType::F64),
    ("precipitation", DType::F64),
];

#[test]
fn the_mask_comes_before_scale_and_offset() {
    let Some(ds) = open(
        "s2_tile_33TWM_202308_boaoffset.v3.zarr",
        &OpenOptions::default(),
    ) else {
        return;
    };
    let plan = plan([&ds["red"]]).unwrap();
    let constant = |id: dasklike_graph::plan::NodeId| match &plan.nodes[id.0 as usize].op {
        Op::Full { value, .. } => value.as_f64(),
        other => panic!("{other:?} is no constant"),
    };
    let last = plan.nodes.last().unwrap();
    assert_eq!(last.op, Op::Binary(BinaryOp::Add));
    assert_eq!(constant(last.inputs[1]), -0.1);
    let scaled = &plan.nodes[last.inputs[0].0 as usize];
    assert_eq!(scaled.op, Op::Binary(BinaryOp::Mul));
    assert_eq!(constant(scaled.inputs[1]), 1e-4);
    let masked = &plan.nodes[scaled.inputs[0].0 as usize];
    assert_eq!(masked.op, Op::Where);
    assert!(constant(masked.inputs[1]).is_nan());
    assert_eq!(
        plan.nodes[masked.inputs[2].0 as usize].op,
        Op::Cast(DType::F64)
    );
    let is_nodata = &plan.nodes[masked.inputs[0].0 as usize];
    assert_eq!(is_nodata.op, Op::Binary(BinaryOp::Eq));
    assert_eq!(constant(is_nodata.inputs[1]), 0.0);
}

#[test]
fn options_choose_the_decoding() {
    let store = "s2_field_2019.v3.zarr";
    let f32 = OpenOptions::default().decode_float(DecodeFloat::F32);
    let Some(ds) = open(store, &f32) else { return };
    assert_eq!(ds["red"].dtype().unwrap(), DType::F32);
    let ds = open(store, &OpenOptions::default().mask_and_scale(false)).unwrap();
    assert_eq!(ds["red"].dtype().unwrap(), DType::U16);
    assert!(matches!(ds["red"].coord("time"), Some(Coord::Time(_))));
    let scaled = OpenOptions::default()
        .mask_and_scale(false)
        .scale_offset("scl", Some(0.5), None);
    assert_eq!(
        open(store, &scaled).unwrap()["scl"].dtype().unwrap(),
        DType::F64
    );
    let offset = OpenOptions::default().scale_offset("red", None, Some(-0.1));
    let p = plan([&open(store, &offset).unwrap()["red"]]).unwrap();
    let has = |x: f64| {
        p.nodes
            .iter()
            .any(|n| matches!(&n.op, Op::Full { value, .. } if *value == Scalar::F64(x)))
    };
    assert!(has(1e-4) && has(-0.1));
}

#[test]
fn times_and_coordinates_are_those_of_the_reference() {
    let Some(path) = data("reference.json") else {
        return;
    };
    let reference: serde_json::Value =
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    for (store, facts) in reference["stores"].as_object().unwrap() {
        let Some(times) = facts["ndvi_masked"]["time"].as_array() else {
            continue;
        };
        for version in ["v2", "v3"] {
            let ds = open(&format!("{store}.{version}.zarr"), &OpenOptions::default()).unwrap();
            let coord = ds["red"].coord("time").unwrap();
            let have: Vec<String> = (0..coord.len()).map(|i| coord.label(i)).collect();
            let expected: Vec<&str> = times.iter().map(|t| t.as_str().unwrap()).collect();
            assert_eq!(have, expected, "{store}.{version}");
            assert!(matches!(ds["red"].coord("y"), Some(Coord::Float(_))));
        }
    }
}

#[test]
fn a_name_that_is_not_there_is_reported_with_those_that_are() {
    let Some(ds) = open("s2_field_2019.v3.zarr", &OpenOptions::default()) else {
        return;
    };
    let message = ds.get("rde").unwrap_err().to_string();
    assert!(
        message.contains("\"rde\"") && message.contains("nir, red, scl"),
        "{message}"
    );
    let sum = &ds["rde"] + &ds["nir"];
    assert_eq!(plan([&sum]).unwrap_err().to_string(), message);
    let march = ds.sel("time", "2019-03".."2019-04").unwrap();
    assert!(march["red"].shape()[0] < ds["red"].shape()[0]);
    assert_eq!(march["red"].shape()[0], march["scl"].shape()[0]);
    assert!(ds.sel("band", 1.0).is_err());
}

/// A store of one array `a` of four `int16` along the dim `t`, as zarr-python lays it out.
fn stored(values: [i16; 4], attributes: &str, shape: u64) -> tempfile::TempDir {
    let folder = tempfile::TempDir::new().unwrap();
    let array = format!(
        r#"{{"zarr_format": 3, "node_type": "array", "data_type": "int16", "shape": [{shape}],
            "chunk_grid": {{"name": "regular", "configuration": {{"chunk_shape": [4]}}}},
            "chunk_key_encoding": {{"name": "default", "configuration": {{"separator": "/"}}}},
            "codecs": [{{"name": "bytes", "configuration": {{"endian": "little"}}}}],
            "fill_value": 0, "dimension_names": ["t"], "attributes": {attributes}}}"#
    );
    for name in ["a", "t"] {
        std::fs::create_dir_all(folder.path().join(name).join("c")).unwrap();
        std::fs::write(folder.path().join(name).join("zarr.json"), &array).unwrap();
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        std::fs::write(folder.path().join(name).join("c/0"), bytes).unwrap();
    }
    let group = r#"{"zarr_format": 3, "node_type": "group", "attributes": {}}"#;
    std::fs::write(folder.path().join("zarr.json"), group).unwrap();
    folder
}

#[test]
fn bits_that_are_said_to_be_unsigned_are_read_so() {
    let attributes = r#"{"_Unsigned": "true", "_FillValue": -1}"#;
    let store = stored([-1, 1, -2, 0], attributes, 4);
    let ds = Dataset::open(store.path().to_str().unwrap(), &OpenOptions::default()).unwrap();
    let cluster = LocalCluster::start(&LocalClusterConfig {
        workers: 1,
        dashboard: None,
        ..LocalClusterConfig::default()
    })
    .unwrap();
    let computed = compute(&cluster.client(), [&ds["a"]]).unwrap();
    // xr.open_zarr(store).a.values: array([nan, 1., 65534., 0.], dtype=float32)
    assert_eq!(computed[0].dtype(), DType::F32);
    let values = computed[0].values_f64();
    assert!(values[0].is_nan());
    assert_eq!(values[1..], [1.0, 65534.0, 0.0]);
    let Some(Coord::Float(labels)) = ds["a"].coord("t") else {
        panic!("{:?}", ds["a"].coord("t"));
    };
    assert_eq!(labels[1..], [1.0, 65534.0, 0.0]);
}

#[test]
fn a_coordinate_too_long_to_be_one_is_left_alone() {
    for shape in [1 << 36, 1 << 50, 1 << 60] {
        let store = stored([0, 1, 2, 3], "{}", shape);
        let ds = Dataset::open(store.path().to_str().unwrap(), &OpenOptions::default()).unwrap();
        let message = ds.sel("t", 1.0).unwrap_err().to_string();
        assert!(message.contains(&shape.to_string()), "{message}");
        assert_eq!(ds.isel("t", ..4).unwrap()["a"].shape(), [4]);
    }
}
