//! Our speed against decoding the same chunks and dropping them.

use crate::bare;
use crate::cube::Cube;
use crate::race::{Contender, race, timed};
use crate::report::{Report, Target};
use anyhow::Result;

pub(crate) fn run() -> Result<()> {
    let cube = Cube::BLOSC.path()?;
    let arrays = bare::open(&cube)?;
    let mut report = Report::new(
        "decode",
        "NDVI of each step, compute alone, against a bare program that decodes the same chunks on two threads and drops them",
    );
    report.fact("input", Cube::BLOSC.describe()?);
    let contenders = vec![Contender::new("bare decode", || {
        timed(|| bare::decode(&arrays, 2).map(|()| Vec::new()))
    })];
    let timings = race(contenders, 7)?;
    report.timings(&timings);
    report.figure(
        "decode",
        Cube::BLOSC.decoded_bytes() as f64 / timings[0].min() / 1e9,
        " GB/s",
        Target::None,
    );
    report.print()
}
