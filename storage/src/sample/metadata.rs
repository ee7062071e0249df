//! The metadata and the coordinates of the synthetic cube.

use super::{STEP_DAYS, SampleSpec};
use crate::checksum::crc32c;
use serde_json::{Map, Value, json};

/// 2023-01-03T10:30:00Z, in seconds since 1970.
const FIRST_STEP: i64 = 1_672_741_800;
/// Metres of a pixel, and the outer corner of the first one, in UTM zone 33N.
const PIXEL: f64 = 10.0;
const CORNER: (f64, f64) = (5_200_000.0, 500_000.0);

/// All files but the chunks of the bands.
pub(super) fn files(spec: &SampleSpec) -> Vec<(String, Vec<u8>)> {
    let arrays = arrays(spec);
    let mut files: Vec<(String, Vec<u8>)> = coordinates(spec)
        .into_iter()
        .map(|(name, chunk, mut bytes)| {
            bytes.extend_from_slice(&crc32c(&bytes).to_le_bytes());
            (format!("{name}/{chunk}"), bytes)
        })
        .collect();
    for (name, document) in &arrays {
        files.push((format!("{name}/zarr.json"), pretty(document)));
    }
    let consolidated = json!({"kind": "inline", "must_understand": false, "metadata": arrays});
    let group = json!({
        "zarr_format": 3,
        "node_type": "group",
        "attributes": {
            "Conventions": "CF-1.9",
            "title": "SYNTHETIC cube in the form of Sentinel-2 level 2A",
            "comment": "SYNTHETIC: computed from hashes, not an observation of any place or time",
            "source": "dasklike sample",
        },
        "consolidated_metadata": consolidated,
    });
    // The group's document comes last: a folder without it is no store.
    files.push(("zarr.json".to_owned(), pretty(&group)));
    files
}

fn pretty(value: &Value) -> Vec<u8> {
    format!("{value:#}\n").into_bytes()
}

fn coordinates(spec: &SampleSpec) -> [(&'static str, &'static str, Vec<u8>); 4] {
    let seconds = (0..spec.steps).map(|t| FIRST_STEP + (t * STEP_DAYS * 86_400) as i64);
    let centre = |i: u64| (i as f64 + 0.5) * PIXEL;
    let ys = (0..spec.size).map(|i| CORNER.0 - centre(i));
    let xs = (0..spec.size).map(|i| CORNER.1 + centre(i));
    [
        ("time", "c/0", seconds.flat_map(i64::to_le_bytes).collect()),
        ("y", "c/0", ys.flat_map(f64::to_le_bytes).collect()),
        ("x", "c/0", xs.flat_map(f64::to_le_bytes).collect()),
        ("spatial_ref", "c", 0i64.to_le_bytes().to_vec()),
    ]
}

fn array(
    dtype: &str,
    shape: &[u64],
    chunks: &[u64],
    dims: &[&str],
    codecs: Value,
    attributes: Value,
) -> Value {
    json!({
        "zarr_format": 3,
        "node_type": "array",
        "shape": shape,
        "data_type": dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunks}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": if dtype == "float64" { json!(0.0) } else { json!(0) },
        "codecs": codecs,
        "dimension_names": dims,
        "storage_transformers": [],
        "attributes": attributes,
    })
}

fn arrays(spec: &SampleSpec) -> Map<String, Value> {
    let (shape, chunks) = (
        [spec.steps, spec.size, spec.size],
        [1, spec.chunk, spec.chunk],
    );
    let band = |long_name: &str| {
        json!({
            "long_name": long_name,
            "standard_name": "surface_bidirectional_reflectance",
            "units": "1",
            "scale_factor": 0.0001,
            "add_offset": 0.0,
            "_FillValue": 0,
            "grid_mapping": "spatial_ref",
            "coordinates": "spatial_ref",
        })
    };
    let classes = json!({
        "long_name": "scene classification (SYNTHETIC)",
        "flag_values": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
        "flag_meanings": "no_data saturated_or_defective dark_area cloud_shadow vegetation not_vegetated water \
                          unclassified cloud_medium_probability cloud_high_probability thin_cirrus snow_or_ice",
        "grid_mapping": "spatial_ref",
        "coordinates": "spatial_ref",
    });
    let cube = |dtype, size, attributes| {
        let codecs = spec.codec.metadata(size);
        array(
            dtype,
            &shape,
            &chunks,
            &["time", "y", "x"],
            codecs,
            attributes,
        )
    };
    let plain =
        json!([{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]);
    let line = |name: &str, dtype, len: u64, attributes| {
        array(dtype, &[len], &[len], &[name], plain.clone(), attributes)
    };
    let along = |name: &str, long_name: &str, axis: &str| json!({"standard_name": name, "long_name": long_name, "units": "m", "axis": axis});
    let transform = format!("{} {PIXEL} 0 {} 0 -{PIXEL}", CORNER.1, CORNER.0);
    let reference = json!({"grid_mapping_name": "transverse_mercator", "epsg_code": "EPSG:32633",
        "spatial_ref": "EPSG:32633", "GeoTransform": transform});
    let time = json!({"standard_name": "time", "axis": "T", "units": "seconds since 1970-01-01",
        "calendar": "proleptic_gregorian"});
    let north = along(
        "projection_y_coordinate",
        "northing of the pixel's centre",
        "Y",
    );
    let east = along(
        "projection_x_coordinate",
        "easting of the pixel's centre",
        "X",
    );
    [
        (
            "red",
            cube("uint16", 2, band("red surface reflectance (SYNTHETIC)")),
        ),
        (
            "nir",
            cube(
                "uint16",
                2,
                band("near infrared surface reflectance (SYNTHETIC)"),
            ),
        ),
        ("scl", cube("uint8", 1, classes)),
        ("time", line("time", "int64", spec.steps, time)),
        ("y", line("y", "float64", spec.size, north)),
        ("x", line("x", "float64", spec.size, east)),
        (
            "spatial_ref",
            array("int64", &[], &[], &[], plain.clone(), reference),
        ),
    ]
    .into_iter()
    .map(|(name, document)| (name.to_owned(), document))
    .collect()
}
