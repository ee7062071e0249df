//! Our speed against decoding the same chunks and dropping them.

use crate::bare;
use crate::cube::Cube;
use crate::own_reader::OwnReader;
use crate::race::{Contender, race, timed};
use crate::report::{Report, Target};
use anyhow::Result;
use dasklike_storage::sample::SampleCodec;

pub(crate) fn run() -> Result<()> {
    let cube = Cube::standard(SampleCodec::BloscZstd)?;
    let arrays = bare::open(&cube.path)?;
    let reader = OwnReader::open(&cube.path)?;
    let contenders = vec![
        Contender::new("bare program, zarrs, two threads", || {
            timed(|| bare::decode(&arrays).map(|()| Vec::new()))
        }),
        Contender::new("dasklike's reader alone, two threads", || {
            timed(|| reader.decode().map(|()| Vec::new()))
        }),
    ];
    let timings = race(contenders, 11)?;
    let mut report = Report::new(
        "decode",
        "NDVI of each step, compute alone, against a bare program that decodes the same chunks and drops them",
    );
    report.fact("input", cube.describe()?);
    report.timings(&timings);
    report.figure(
        "bare decoding",
        cube.decoded_bytes() as f64 / timings[0].min() / 1e9,
        " GB/s",
        Target::None,
    );
    report.print()
}
