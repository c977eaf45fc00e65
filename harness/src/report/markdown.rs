//! Markdown: what a run came to, as a page of documentation shows it. The same run gives the same words.

use super::Results;
use super::claim::number;
use super::spread::spreads;
use super::text::processor_share;
use crate::claim::judge::{Measurement, Row};

/// A claim's rows and gate, or what each check saw; and the command that repeats it.
pub fn markdown(results: &Results) -> String {
    let body = match &results.claim {
        Some(measurement) => claim(measurement),
        None => checks(results),
    };
    format!("{body}\n`{}` {}\n", results.repeat, results.verdict.ended())
}

/// A row for each setting of a sweep, over all of its seeds; the runs are of one experiment.
pub fn markdown_of_sweep(all: &[Results]) -> String {
    let mut page = "| at | converged after the heal (95 %) | passed |\n|---|---|---|\n".to_owned();
    for spread in spreads(all) {
        page += &format!("| {} | {} | {} of {} |\n", spread.at(), spread.converged(), spread.passed(), spread.runs());
    }
    page
}

fn claim(measurement: &Measurement) -> String {
    let mut page = "| at | what | measured (95 %) | theory | |\n|---|---|---|---|---|\n".to_owned();
    for row in &measurement.rows {
        let at: Vec<String> = row.at.iter().map(|(name, value)| format!("{name} {}", number(*value))).collect();
        let (low, high) = row.interval;
        page += &format!(
            "| {} | {} | {} ({} … {}) | {} | {} |\n",
            at.join(", "),
            row.what,
            number(row.measured),
            number(low),
            number(high),
            if row.paired { format!("without: {}", number(row.theory)) } else { number(row.theory) },
            verdict(row),
        );
    }
    let gate = &measurement.gate;
    page += &format!(
        "\n{} of {} rows that count lie outside of their intervals, where {} may; pooled χ² {:.1}, p = {:.3}{}: the gate {}.\n",
        gate.outside,
        gate.rows,
        gate.allowed,
        gate.chi_square.abs(),
        gate.p,
        if gate.pairs > 0 {
            format!("; {} of {} rows are less than without what they have", gate.less, gate.pairs)
        } else {
            String::new()
        },
        if gate.holds { "holds" } else { "fails" },
    );
    page
}

fn verdict(row: &Row) -> &'static str {
    match (&row.left_out, row.paired, row.inside) {
        (Some(_), ..) => "does not count",
        (None, false, true) => "inside",
        (None, false, false) => "outside",
        (None, true, true) => "less than without",
        (None, true, false) => "not less than without",
    }
}

fn checks(results: &Results) -> String {
    let told = results.checks.iter().map(|check| format!("- `{}`: {}\n", check.name, check.seen));
    told.chain(processor_share(results).map(|share| format!("- processor: {share}\n"))).collect()
}
