//! Decoding zlib: our reader against the system's zlib on the same chunks.

use crate::cube::Cube;
use crate::own_reader::OwnReader;
use crate::programs::peer;
use crate::race::{Contender, Run, race, timed};
use crate::report::{Report, Target};
use anyhow::{Result, ensure};
use dasklike_storage::sample::SampleCodec;

pub(crate) fn run() -> Result<()> {
    let cube = Cube::standard(SampleCodec::Zlib)?;
    let reader = OwnReader::open(&cube.path)?;
    let path = cube.path.to_string_lossy();
    let contenders = vec![
        Contender::new("dasklike's reader, two threads", || {
            timed(|| reader.decode().map(|()| Vec::new()))
        }),
        Contender::new("system zlib, two threads", || {
            let run = peer("zlib_decode.py", &[&path, "--repeats", "2"])?;
            ensure!(
                run.result == [cube.decoded_bytes() as f64],
                "zlib decoded {:?} bytes",
                run.result
            );
            Ok(Run {
                result: Vec::new(),
                ..run
            })
        }),
    ];
    let timings = race(contenders, 5)?;
    let mut report = Report::new(
        "zlib",
        "reading and decoding every zlib chunk (level 6) and dropping it",
    );
    report.fact("input", cube.describe()?);
    report.timings(&timings);
    report.figure(
        "dasklike's speed against system zlib",
        timings[1].min() / timings[0].min(),
        "x",
        Target::AtLeast(2.0),
    );
    report.print()
}
