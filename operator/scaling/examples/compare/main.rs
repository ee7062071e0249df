//! Prints what our policy and those of others cost on the same simulated work. An argument is another policy than
//! ours by default, as JSON.

mod comparison;
mod rivals;
mod traces;

use comparison::{NAMES, PRICES, Row, beaten, compare, cost, job, savings, waiting};
use dasklike_scaling::Policy;
use dasklike_scaling::simulate::Report;
use std::io::{self, Write};
use traces::{CASES, MAX, NOT_IN_TOTAL, SEEDS};

fn main() -> io::Result<()> {
    let policy = match std::env::args().nth(1) {
        Some(text) => serde_json::from_str(&text)?,
        None => Policy::up_to(MAX),
    };
    let rows = compare(&policy);
    let out = &mut io::stdout().lock();
    writeln!(out, "Sums over {} seeds of each trace.\n", SEEDS.len())?;
    writeln!(
        out,
        "| trace | policy | waiting, s | pods, s | scale events | run again | most pods | unfinished |"
    )?;
    writeln!(out, "|---|---|--:|--:|--:|--:|--:|--:|")?;
    for case in &CASES {
        let of_case = |row: &&Row| row.case == case.name;
        print_case(
            out,
            case.name,
            &rows.iter().filter(of_case).collect::<Vec<_>>(),
        )?;
    }
    writeln!(
        out,
        "\nThe totals are without \"{NOT_IN_TOTAL}\", which alone would decide them."
    )?;
    print_costs(out, &rows, "waiting", waiting)?;
    print_costs(out, &rows, "waiting and computing", job)?;
    let beaten = beaten(&rows);
    writeln!(
        out,
        "\nBetter than ours by over 5 % in both: {}.",
        match beaten.is_empty() {
            true => "none, on no trace".to_owned(),
            false => beaten.join("; "),
        }
    )
}

fn print_costs(
    out: &mut impl Write,
    rows: &[Row],
    what: &str,
    seconds: fn(&Report) -> f64,
) -> io::Result<()> {
    writeln!(
        out,
        "\n| total cost, a second of {what} at | {} | saved |",
        NAMES.join(" | ")
    )?;
    writeln!(out, "|---|--:|--:|--:|--:|--:|")?;
    for (price, saved) in PRICES.into_iter().zip(savings(rows, seconds)) {
        let costs = cost(rows, seconds, price).map(|cost| format!("{cost:.0}"));
        writeln!(
            out,
            "| {price} | {} | {:.0} % |",
            costs.join(" | "),
            100.0 * saved
        )?;
    }
    Ok(())
}

fn print_case(out: &mut impl Write, case: &str, rows: &[&Row]) -> io::Result<()> {
    for (i, name) in NAMES.iter().enumerate() {
        let sum = |number: fn(&Report) -> f64| {
            rows.iter().map(|row| number(&row.reports[i])).sum::<f64>()
        };
        let peak = rows
            .iter()
            .map(|row| row.reports[i].peak)
            .max()
            .unwrap_or(0);
        writeln!(
            out,
            "| {case} | {name} | {:.0} | {:.0} | {:.0} | {:.0} | {peak} | {:.0} |",
            sum(|report| report.waiting_seconds),
            sum(|report| report.pod_seconds),
            sum(|report| report.scale_events().into()),
            sum(|report| report.rerun_scaled.into()),
            sum(|report| report.unfinished as f64),
        )?;
    }
    let least: f64 = rows.iter().map(|row| row.least_waiting).sum();
    writeln!(out, "| {case} | *always {MAX}* | {least:.0} | | | | | |")
}
