//! Side by side: the same figures of several runs, a column each.

use serde_json::{Value, json};

use super::Results;
use super::text::for_people;

/// What is compared, as one object for each run. Times are in seconds; nothing where a figure was not reached.
pub fn figures(all: &[Results]) -> Vec<Value> {
    let figures = |results: &Results| {
        let measured = &results.measured;
        json!({
            "run": results.folder,
            "experiment": results.experiment,
            "settings": results.settings,
            "seed": results.seed,
            "backend": results.backend,
            "verdict": results.verdict,
            "seconds_to_converge": measured.seconds_to_converge,
            "deepest_reorganisation": measured.deepest_reorganisation,
            "height": measured.height,
            "blocks_mined": measured.blocks_mined,
            "blocks_lost": measured.blocks_lost,
            "messages": measured.frames,
            "bytes_served": measured.bytes_served,
            "transactions_submitted": measured.transactions_submitted,
            "transactions_confirmed": measured.transactions_confirmed,
            "virtual_seconds": results.virtual_seconds,
            "real_seconds": results.real_seconds,
            "trace": results.trace,
        })
    };
    all.iter().map(figures).collect()
}

/// A table: a line for each figure, a column for each run.
pub fn side_by_side(all: &[Results]) -> String {
    let mut lines: Vec<Vec<String>> = Vec::new();
    let mut line = |name: &str, say: &dyn Fn(&Results) -> String| {
        lines.push(std::iter::once(name.to_owned()).chain(all.iter().map(say)).collect());
    };
    line("run", &|run| {
        run.folder
            .as_deref()
            .and_then(|folder| folder.file_name())
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    });
    line("experiment", &|run| run.experiment.clone());
    if all.iter().any(|run| !run.settings.is_empty()) {
        line("settings", &|run| run.settings.join(" "));
    }
    line("seed", &|run| run.seed.to_string());
    line("backend", &|run| run.backend.clone());
    line("verdict", &|run| run.verdict.word().to_owned());
    line("converged after the heal", &|run| {
        run.measured.seconds_to_converge.map_or_else(|| "not".to_owned(), for_people)
    });
    line("deepest reorganisation", &|run| run.measured.deepest_reorganisation.to_string());
    line("blocks mined", &|run| run.measured.blocks_mined.to_string());
    line("blocks lost", &|run| run.measured.blocks_lost.to_string());
    line("messages", &|run| run.measured.frames.to_string());
    line("transactions submitted", &|run| run.measured.transactions_submitted.to_string());
    line("transactions confirmed", &|run| run.measured.transactions_confirmed.to_string());
    line("virtual time", &|run| for_people(run.virtual_seconds));
    line("real time", &|run| for_people(run.real_seconds));
    line("trace", &|run| {
        run.trace.as_deref().map_or_else(|| "none".to_owned(), |trace| trace.chars().take(12).collect())
    });
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..=all.len()).map(width).collect();
    let padded = |line: &Vec<String>| {
        let cells = line.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        format!("  {}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    lines.iter().map(padded).collect()
}
