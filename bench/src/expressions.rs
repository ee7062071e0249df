//! Other expressions in the same evaluator, against NDVI's time for each byte. The chunks are not
//! compressed, so that the evaluator's time is not hidden behind a codec's.

use crate::cube::Cube;
use crate::ours::{KEEP, Ours, mean_and_count, ndvi, open};
use crate::race::{Contender, race, timed};
use crate::report::{Report, Target};
use anyhow::Result;
use dasklike::array::{DecodeFloat, where_};
use dasklike::{DataArray, Dataset};
use dasklike_storage::sample::SampleCodec;

pub(crate) fn run() -> Result<()> {
    let cube = Cube::standard(SampleCodec::None)?;
    let float_cube = cube.as_float()?;
    let ours = Ours::start()?;
    let bands = open(&cube.path.to_string_lossy(), DecodeFloat::F32)?;
    let floats = open(&float_cube.to_string_lossy(), DecodeFloat::F32)?;
    let ndvi = ndvi(&bands);
    // Five bytes a pixel: u2, u2 and u1; the float cube has eight.
    let expressions: Vec<(&str, f64, Vec<DataArray>)> = vec![
        (
            "NDVI, mean and count of each step",
            5.0,
            mean_and_count(&ndvi).into(),
        ),
        (
            "EVI, mean and count of each step",
            5.0,
            mean_and_count(&evi(&bands)).into(),
        ),
        (
            "five-term where chain, mean and count of each step",
            5.0,
            mean_and_count(&where_chain(&bands)).into(),
        ),
        (
            "normalised difference of float32, mean and count of each step",
            8.0,
            mean_and_count(&normalised_difference(&floats)).into(),
        ),
        (
            "NDVI, mean of each month",
            5.0,
            vec![ndvi.groupby("time.month")?.mean(..)],
        ),
        (
            "NDVI, mean of each month and pixel",
            5.0,
            vec![ndvi.groupby("time.month")?.mean("time")],
        ),
    ];
    let ours = &ours;
    let contenders = expressions.iter().map(|(name, _, arrays)| {
        Contender::new(*name, move || {
            timed(|| ours.compute(arrays).map(|_| Vec::new()))
        })
    });
    let timings = race(contenders.collect(), 7)?;

    let mut report = Report::new(
        "expressions",
        "expressions in the same evaluator against NDVI, in time for each decoded byte",
    );
    report.fact("input", cube.describe()?);
    report.fact("note", "the synthetic cube has no blue band: scl stands in for it in EVI; the float32 cube holds red and nir as reflectances");
    report.timings(&timings);
    let each = |number: usize| timings[number].min() / expressions[number].1;
    for (number, (name, _, _)) in expressions.iter().enumerate().skip(1) {
        report.figure(
            name,
            each(number) / each(0),
            " times NDVI's time a byte",
            Target::AtMost(1.5),
        );
    }
    report.print()
}

/// Of the same pixels as NDVI.
fn evi(cube: &Dataset) -> DataArray {
    let (red, nir, blue) = (&cube["red"], &cube["nir"], &cube["scl"]);
    let evi = (nir - red) * 2.5 / (nir + red * 6.0 - blue * 7.5 + 1.0);
    evi.where_(cube["scl"].isin(KEEP))
}

/// Five choices, one inside the other.
fn where_chain(cube: &Dataset) -> DataArray {
    let (red, nir, scl) = (&cube["red"], &cube["nir"], &cube["scl"]);
    let water = where_(&scl.eq(6), red - nir, nir - red);
    let bare_soil = where_(&scl.eq(5), nir * 0.5, water);
    let bright = where_(&red.gt(0.3), red, bare_soil);
    let dark = where_(&nir.lt(0.05), nir, bright);
    where_(&scl.eq(4), nir + red, dark)
}

fn normalised_difference(cube: &Dataset) -> DataArray {
    let (red, nir) = (&cube["red"], &cube["nir"]);
    (nir - red) / (nir + red)
}
