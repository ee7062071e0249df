//! What a benchmark prints on stdout: where it ran, what took how long, and how that compares with
//! what was aimed at.

use crate::race::Timing;
use anyhow::Result;
use std::fmt::Write as _;

/// A report under construction; nothing is printed before it is complete.
pub(crate) struct Report {
    text: String,
}

/// What a figure is held against.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// The figure must reach this.
    AtLeast(f64),
    /// The figure must not pass this.
    AtMost(f64),
    /// The figure is told, nothing is asked of it.
    None,
}

impl Report {
    /// A report on the benchmark `name`, which measures `what`.
    pub(crate) fn new(name: &str, what: &str) -> Report {
        let mut text = String::new();
        let machine = crate::machine::describe();
        let now = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC");
        let mut line = |key: &str, value: &dyn std::fmt::Display| {
            let _ = writeln!(text, "{key:<10} {value}");
        };
        line("benchmark", &name);
        line("measures", &what);
        line("command", &format_args!("cargo xtask bench {name}"));
        line("machine", &machine);
        line("date", &now);
        line("dasklike", &crate::machine::own_version());
        Report { text }
    }

    /// One more fact above the table.
    pub(crate) fn fact(&mut self, key: &str, value: impl std::fmt::Display) {
        let _ = writeln!(self.text, "{key:<10} {value}");
    }

    /// What another program has found.
    pub(crate) fn text(&mut self, text: &str) {
        let _ = write!(self.text, "\n{text}");
    }

    /// The table of all timings.
    pub(crate) fn timings(&mut self, timings: &[Timing]) {
        let width = timings
            .iter()
            .map(|timing| timing.name.chars().count())
            .max()
            .unwrap_or(0);
        let _ = writeln!(
            self.text,
            "\n{:<width$}  {:>8}  {:>8}  {:>4}",
            "", "min s", "median s", "runs"
        );
        for timing in timings {
            let _ = writeln!(
                self.text,
                "{:<width$}  {:>8.3}  {:>8.3}  {:>4}",
                timing.name,
                timing.min(),
                timing.median(),
                timing.runs()
            );
        }
        self.text.push('\n');
    }

    /// A figure with its target; `unit` follows the number as it is.
    pub(crate) fn figure(&mut self, what: &str, value: f64, unit: &str, target: Target) {
        let verdict = match target {
            Target::AtLeast(least) if value >= least => {
                format!("target at least {least}{unit}: PASS")
            }
            Target::AtLeast(least) => format!("target at least {least}{unit}: MISS"),
            Target::AtMost(most) if value <= most => format!("target at most {most}{unit}: PASS"),
            Target::AtMost(most) => format!("target at most {most}{unit}: MISS"),
            Target::None => "no target".to_owned(),
        };
        let _ = writeln!(self.text, "{what}: {value:.2}{unit} ({verdict})");
    }

    /// Prints it all.
    #[expect(clippy::print_stdout, reason = "the report is this program's data")]
    pub(crate) fn print(self) -> Result<()> {
        print!("{}", self.text);
        Ok(())
    }
}
