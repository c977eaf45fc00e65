//! A claim's results: a table for people, and rows for programs that read CSV.

use super::Results;
use super::text::{for_people, line};
use crate::claim::judge::{Gate, Measurement, Row};

/// The table, the gate and the figures of a measurement.
pub(super) fn write(out: &mut String, results: &Results, measurement: &Measurement) {
    line(out, &format!("  {}\n", measurement.claim));
    let at = |row: &Row| row.at.iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ");
    let width = measurement.rows.iter().map(|row| at(row).len()).max().unwrap_or(0).max(5);
    let what = measurement.rows.iter().map(|row| row.what.len()).max().unwrap_or(0);
    let head = ("point", "what", "measured", "95 % interval", "theory", "σ");
    line(
        out,
        &format!(
            "    {:<width$}  {:<what$}  {:>9}  {:<19}  {:>9}  {:>6}",
            head.0, head.1, head.2, head.3, head.4, head.5
        ),
    );
    for row in &measurement.rows {
        let mark = match (&row.left_out, row.inside) {
            (Some(_), _) => "–",
            (None, true) => "✓",
            (None, false) => "✗",
        };
        let interval = format!("{} … {}", number(row.interval.0), number(row.interval.1));
        let sigma = row.deviations.map_or_else(|| "–".to_owned(), |z| format!("{z:+.2}"));
        let why = row.left_out.as_ref().map_or_else(String::new, |why| format!("  left out: {why}"));
        line(
            out,
            &format!(
                "  {mark} {:<width$}  {:<what$}  {:>9}  {interval:<19}  {:>9}  {sigma:>6}{why}",
                at(row),
                row.what,
                number(row.measured),
                number(row.theory),
            ),
        );
    }
    gate(out, &measurement.gate);
    line(out, "");
    for figure in &measurement.figures {
        line(out, &format!("  {:<34} {} {}", figure.name, number(figure.value), figure.unit));
    }
    let blocks = format!(
        "{}, {:.0} for each second of one processor; all parts took {}",
        measurement.blocks,
        measurement.blocks_per_second,
        for_people(results.real_seconds)
    );
    line(out, &format!("  {:<34} {blocks}", "blocks found"));
}

fn gate(out: &mut String, gate: &Gate) {
    let Gate { rows, outside, allowed, pairs, less, chi_square, p, smallest_error, holds } = gate;
    let holds = if *holds { "holds" } else { "fails" };
    line(out, &format!("\n  the gate {holds}: {outside} of {rows} outside, {allowed} may be;"));
    if *pairs > 0 {
        line(out, &format!("  {less} of {pairs} less than without what they have (which stands under theory);"));
    }
    line(out, &format!("  pooled chi-square {chi_square:.1}, p = {p:.3} (more than .001 is asked)"));
    if let Some(smallest_error) = smallest_error {
        line(out, &format!("  it would see an error of {smallest_error:.4} at every point in 99 of 100 runs"));
    }
}

/// Four digits that mean something.
pub(super) fn number(value: f64) -> String {
    match value {
        _ if value.fract() == 0.0 && value.abs() < 1e12 => format!("{value}"),
        _ if value.abs() >= 100.0 => format!("{value:.0}"),
        _ if value.abs() >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// One line a row, after one with names. What only some rows have is empty in the others.
pub fn csv(measurement: &Measurement) -> String {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in measurement.rows.iter().flat_map(|row| row.at.iter().chain(&row.from)) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let fixed = "what,measured,low,high,theory,deviations,inside,paired,left_out";
    let mut page = format!("{fixed},{}\n", names.join(","));
    for row in &measurement.rows {
        let deviations = row.deviations.map_or_else(String::new, |z| z.to_string());
        let left_out = row.left_out.as_deref().unwrap_or_default().replace('"', "'");
        page += &format!(
            "{},{},{},{},{},{deviations},{},{},\"{left_out}\"",
            row.what, row.measured, row.interval.0, row.interval.1, row.theory, row.inside, row.paired
        );
        for name in &names {
            let value = row.at.iter().chain(&row.from).find(|(known, _)| known == name);
            page += &value.map_or_else(|| ",".to_owned(), |(_, value)| format!(",{value}"));
        }
        page.push('\n');
    }
    page
}
