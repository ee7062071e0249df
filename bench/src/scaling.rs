//! Our scaling policy against those of others, simulated: `operator/scaling/examples/compare` does the work.

use crate::programs::{comparison, output};
use crate::report::Report;
use anyhow::{Context, Result};

/// `dasklike-bench scaling`.
pub(crate) fn run() -> Result<()> {
    let table = output(&mut comparison()?)?;
    let mut report = Report::new(
        "scaling",
        "pods and waiting under our default policy and re-implementations of three others, simulated",
    );
    report.text(std::str::from_utf8(&table).context("the comparison prints text")?);
    report.print()
}
