//! A bench: how fast the laboratory is on this machine, as figures. It asserts nothing about them.
//!
//! - [`cluster`]: whole clusters of several sizes, and what a node of one costs.
//! - [`chain`]: a chain to measure with, made in advance.
//! - [`ledger`]: connecting and opening that chain.
//! - [`sync`]: one node fetching it from another.
//! - [`processes`], [`containers`]: clusters of real nodes. `real`: what is measured of both. `command`: how long the
//!   whole command takes.
//! - [`faults`]: what links really do, against what was asked of them.
//! - [`part`]: what is measured in a process of its own, and by whom.

pub mod chain;
pub mod cluster;
mod command;
pub mod containers;
pub mod faults;
pub mod ledger;
pub mod part;
pub mod processes;
mod real;
pub mod sync;

pub use part::{Measured, Part};

use schism_chaos::selector::Role;
use serde::{Deserialize, Serialize};

use crate::topology::{ChainRules, Group, LinkClass, Overlay, Topology};

/// Sizes of clusters measured where nothing else is asked for.
pub const SIZES: [usize; 5] = [10, 50, 100, 300, 1_000];
/// Decides everything that is drawn: two benches do the same work.
const SEED: u64 = 1;

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What it says, in snake case.
    pub name: String,
    /// Of a cluster of so many nodes; nothing where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<usize>,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: String,
}

impl Figure {
    fn new(name: &str, value: f64, unit: &str) -> Self {
        Self { name: name.to_owned(), nodes: None, value, unit: unit.to_owned() }
    }

    /// What a node of so many takes, where all of them take `bytes` together.
    pub fn memory(nodes: usize, bytes: u64) -> Self {
        Self::of(nodes, "mib_per_node", bytes as f64 / nodes as f64 / f64::from(1 << 20), "MiB")
    }

    fn of(nodes: usize, name: &str, value: f64, unit: &str) -> Self {
        Self { nodes: Some(nodes), ..Self::new(name, value, unit) }
    }
}

/// A cluster to measure, by the lab's rules.
fn topology(nodes: usize, groups: Vec<Group>, overlay: Overlay, link: LinkClass) -> Topology {
    Topology {
        name: format!("bench-{nodes}"),
        about: String::new(),
        chain: ChainRules::default(),
        hash_rate: None,
        groups,
        overlay,
        link,
        regions: Vec::new(),
    }
}

/// So many nodes alike.
fn group(name: &str, count: usize, role: Role) -> Group {
    Group {
        name: name.to_owned(),
        count: count as u32,
        role,
        hash_power: None,
        regions: Vec::new(),
        starts: None,
        peers: None,
        rejects: Vec::new(),
        adversary: None,
    }
}

/// Figures as aligned lines: a table of clusters with one row a size, then one line for each other figure.
pub fn table(figures: &[Figure]) -> String {
    let mut sizes: Vec<usize> = figures.iter().filter_map(|figure| figure.nodes).collect();
    sizes.dedup();
    let mut columns: Vec<&Figure> = Vec::new();
    for figure in figures.iter().filter(|figure| figure.nodes.is_some()) {
        if columns.iter().all(|column| column.name != figure.name) {
            columns.push(figure);
        }
    }
    let mut rows = Vec::new();
    if !sizes.is_empty() {
        rows.push(
            std::iter::once("nodes".to_owned()).chain(columns.iter().map(|column| column.name.clone())).collect(),
        );
    }
    for size in sizes {
        let cell = |column: &&Figure| {
            let of = |figure: &&Figure| figure.nodes == Some(size) && figure.name == column.name;
            figures.iter().find(of).map_or_else(|| "–".to_owned(), |figure| number(figure.value))
        };
        rows.push(std::iter::once(size.to_string()).chain(columns.iter().map(cell)).collect());
    }
    let others = figures.iter().filter(|figure| figure.nodes.is_none());
    let others = others.map(|figure| vec![number(figure.value), format!("{} ({})", figure.name, figure.unit)]);
    format!("{}{}", aligned(rows), aligned(others.collect()))
}

/// Cells to the right of their columns, but the last of a line of two, which is a name.
fn aligned(rows: Vec<Vec<String>>) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| match row.as_slice() {
        [value, name] if columns == 2 => format!("  {value:>0$}  {name}\n", widths[0]),
        cells => cells.iter().zip(&widths).map(|(cell, width)| format!("  {cell:>width$}")).collect::<String>() + "\n",
    };
    rows.iter().map(line).collect()
}

/// Three digits that matter, and no more.
fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size < 1.0 => format!("{value:.3}"),
        size if size < 10.0 => format!("{value:.2}"),
        size if size < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_row_and_what_it_lacks_is_a_dash() {
        let figures = [
            Figure::of(10, "speed", 12_345.6, "1/s"),
            Figure::of(10, "mib_per_node", 2.5, "MiB"),
            Figure::of(1_000, "speed", 99.5, "1/s"),
            Figure::new("share", 0.8126, "of 1"),
        ];
        let expected = [
            "  nodes  speed  mib_per_node\n",
            "     10  12346          2.50\n",
            "   1000   99.5             –\n",
            "  0.813  share (of 1)\n",
        ];
        assert_eq!(table(&figures), expected.concat());
    }

    #[test]
    fn a_figure_in_json_names_its_nodes_only_where_there_are_some() {
        let json = |figure| serde_json::to_string(&figure).expect("it has no odd keys");
        let of_many = r#"{"name":"mib_per_node","nodes":10,"value":2.5,"unit":"MiB"}"#;
        assert_eq!(json(Figure::of(10, "mib_per_node", 2.5, "MiB")), of_many);
        assert_eq!(json(Figure::new("share", 0.5, "of 1")), r#"{"name":"share","value":0.5,"unit":"of 1"}"#);
    }
}
