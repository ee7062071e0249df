//! Our speed against decoding the same chunks and dropping them.

use crate::bare;
use crate::cube::Cube;
use crate::ours::{Ours, five_statistics, mean_and_count, ndvi, open};
use crate::own_reader::OwnReader;
use crate::race::{Contender, race, timed};
use crate::report::{Report, Target};
use anyhow::Result;
use dasklike::array::DecodeFloat;
use dasklike_storage::sample::SampleCodec;

pub(crate) fn run() -> Result<()> {
    let cube = Cube::standard(SampleCodec::BloscZstd)?;
    let arrays = bare::open(&cube.path)?;
    let reader = OwnReader::open(&cube.path)?;
    let ours = Ours::start()?;
    let path = cube.path.to_string_lossy();
    let single = open(&path, DecodeFloat::F32)?;
    let double = open(&path, DecodeFloat::F64)?;
    let contenders = vec![
        Contender::new("bare program: zarrs, two threads", || {
            timed(|| bare::decode(&arrays).map(|()| Vec::new()))
        }),
        Contender::new("dasklike's reader alone, two threads", || {
            timed(|| reader.decode().map(|()| Vec::new()))
        }),
        Contender::new("dasklike: mean and count, f32", || {
            timed(|| ours.first_of(&mean_and_count(&ndvi(&single))))
        }),
        Contender::new("dasklike: five statistics, f64", || {
            timed(|| ours.first_of(&five_statistics(&ndvi(&double))))
        }),
    ];
    let timings = race(contenders, 11)?;
    let mut report = Report::new(
        "decode",
        "NDVI of each step, compute alone, against a bare program that decodes the same chunks and drops them",
    );
    report.fact("input", cube.describe()?);
    report.timings(&timings);
    let share = |number: usize| timings[0].min() / timings[number].min();
    report.figure(
        "bare decoding",
        cube.decoded_bytes() as f64 / timings[0].min() / 1e9,
        " GB/s",
        Target::None,
    );
    report.figure(
        "our reader alone, of the bare program's speed",
        share(1),
        "",
        Target::None,
    );
    report.figure(
        "mean and count in f32, of the bare program's speed",
        share(2),
        "",
        Target::AtLeast(0.8),
    );
    report.figure(
        "five statistics in f64, of the bare program's speed",
        share(3),
        "",
        Target::None,
    );
    report.print()
}
