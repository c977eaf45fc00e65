//! Limits: figures of the whole run stay below what the file says.

use std::collections::BTreeMap;

use super::{Check, Finding, Measure, Of, Tempo, View};
use crate::experiment::{Limits as Asked, Percentiles};
use crate::timeline::Entry;

/// Measures along and compares at the end.
#[derive(Debug)]
pub struct Limits {
    asked: Asked,
    tempo: Tempo,
    of: Of,
    measure: Measure,
    seconds_to_converge: Option<f64>,
    seen: Vec<String>,
}

impl Limits {
    /// These limits.
    pub fn new(asked: Asked, tempo: Tempo) -> Self {
        let (of, measure) = (Of::Everyone, Measure::default());
        Self { asked, tempo, of, measure, seconds_to_converge: None, seen: Vec::new() }
    }

    /// Reorganisations of these nodes alone; the other figures are the whole run's.
    pub fn among(self, of: Of) -> Self {
        Self { of, ..self }
    }

    /// Blocks undone at once by one of those who are meant, at most.
    fn reorganisation(&self, view: &View) -> u32 {
        let meant = view.nodes().iter().enumerate().filter(|(place, node)| node.judged && self.of.holds(*place));
        meant.map(|(_, node)| node.deepest).max().unwrap_or(0)
    }

    /// Each figure that has a limit: its name, what was measured, and the limit.
    fn figures(&self, view: &View) -> Vec<(String, Option<f64>, f64)> {
        let measured = self.measure.measured(view);
        let asked = &self.asked;
        let mut figures = Vec::new();
        let mut add = |name: &str, seen: Option<f64>, limit: Option<f64>| {
            figures.extend(limit.map(|limit| (name.to_owned(), seen, limit)));
        };
        let reorganisation = asked.reorganisation.map(f64::from);
        add("reorganisation", Some(f64::from(self.reorganisation(view))), reorganisation);
        add("blocks_lost", Some(f64::from(measured.blocks_lost)), asked.blocks_lost.map(f64::from));
        let converge = asked.time_to_converge.map(|length| self.tempo.time(length).as_secs_f64());
        add("time_to_converge", self.seconds_to_converge, converge);
        add("gini_bytes_served", Some(measured.gini_bytes_served), asked.gini_bytes_served);
        add("gini_verifications", Some(measured.gini_verifications), asked.gini_verifications);
        let mut spread = |name: &str, seen: &BTreeMap<String, f64>, limits: &Option<Percentiles>| {
            let Some(limits) = limits else { return };
            for (word, limit) in [("p50", limits.p50), ("p90", limits.p90), ("p99", limits.p99), ("max", limits.max)] {
                let limit = limit.map(|limit| limit.as_secs_f64());
                add(&format!("{name} {word}"), seen.get(word).copied(), limit);
            }
        };
        spread("transaction_everywhere", &measured.transaction_everywhere, &asked.transaction_everywhere);
        spread("block_everywhere", &measured.block_everywhere, &asked.block_everywhere);
        figures
    }
}

impl Check for Limits {
    fn name(&self) -> &'static str {
        "limits"
    }

    fn asked(&self) -> String {
        "figures of the run stay below their limits".to_owned()
    }

    fn on(&mut self, view: &View, entry: &Entry) -> Option<Finding> {
        self.measure.feed(view, entry);
        None
    }

    fn told(&mut self, name: &'static str, value: f64) {
        if name == "seconds_to_converge" {
            self.seconds_to_converge = Some(value);
        }
    }

    fn at_end(&mut self, view: &View) -> Option<Finding> {
        let mut finding = None;
        for (name, seen, limit) in self.figures(view) {
            let (text, broken) = match seen {
                Some(seen) => (format!("{name} {seen:.2} of {limit:.2}"), seen > limit),
                None => (format!("{name} was not measured"), true),
            };
            if broken && finding.is_none() {
                finding = Some(Finding::refuted("limits", view, text.clone()));
            }
            self.seen.push(text);
        }
        finding
    }

    fn seen(&self) -> String {
        self.seen.join(", ")
    }
}
