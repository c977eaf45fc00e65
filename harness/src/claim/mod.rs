//! A claim: a number that theory gives, held against the same number measured over many trials on real nodes.
//!
//! - this file: what a file says, as data: [`Claim`], and the [`Point`]s it is measured at.
//! - [`parameters`]: what the points of each claim may say. `read`: from a tree to it, and back to text.
//! - [`part`]: a share of a point's trials, for one worker process.
//! - `arena`, `censorship`, `difficulty`, `double_spend`, `eclipse`, `selfish`, `stale_blocks`: how trials are held in a
//!   simulation.
//! - [`judge`]: from what was counted to rows, the gate and a verdict.

mod arena;
mod censorship;
mod difficulty;
mod double_spend;
mod eclipse;
pub mod judge;
pub mod parameters;
pub mod part;
mod read;
mod selfish;
mod stale_blocks;
#[cfg(test)]
mod tests;

pub(crate) use read::{SHORT, print, read};

use std::fmt;

use parameters::Parameter;

use crate::theory::double_spend::Table;
use crate::topology::DifficultyRule;

/// What is claimed, and where it is measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// What.
    pub what: What,
    /// Which of the lists of points is measured.
    pub profile: String,
    /// What holds at every point, whatever its list says.
    pub at: Point,
    /// Lists of points by name.
    pub points: Vec<(String, Vec<Point>)>,
}

/// What is claimed.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A private branch undoes a payment as often as a table says; with more than half of the hash power always, after as
    /// many blocks as its race takes.
    DoubleSpend {
        /// Which table.
        table: Table,
        /// The node that is paid.
        merchant: String,
    },
    /// Selfish mining earns what its formula says, at the gamma that is measured with it, and no more than any strategy can.
    Selfish,
    /// A payment that some miners leave out waits as long as a formula says; with `orphaning`, blocks that hold it are undone
    /// as often as one says.
    Censorship {
        /// Whether censors do not build on blocks that hold it.
        orphaning: bool,
        /// The node whose chain counts.
        witness: String,
    },
    /// A node that starts anew chooses nobody but the attacker as often as draws from its book say, and less often with each
    /// defence.
    Eclipse {
        /// The group of those who start anew.
        victims: String,
    },
    /// Two blocks are found at as many heights as the measured spread of blocks foretells.
    StaleBlocks,
    /// Blocks take as long and become as hard as a law of difficulty says, after hash power has changed and
    /// under lies about the time.
    Difficulty {
        /// The law.
        law: DifficultyRule,
    },
}

/// Where a claim is measured: parameters by name, in the order in which they are shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Point(pub Vec<(&'static str, f64)>);

impl Claim {
    /// The points that are measured: those of the profile with what holds everywhere laid over them; points that have
    /// become the same place are one.
    pub fn chosen(&self) -> Vec<Point> {
        let parameters = self.what.parameters();
        let list = self.points.iter().find(|(name, _)| *name == self.profile);
        let mut chosen: Vec<Point> = Vec::new();
        let listed = list.map_or(&[][..], |(_, points)| points.as_slice());
        for point in listed {
            let point = point.with(&self.at, parameters);
            if !chosen.iter().any(|other| other.same_place(&point, parameters)) {
                chosen.push(point);
            }
        }
        chosen
    }
}

impl Point {
    /// What it says of a parameter.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// A whole number of it; 0 where it says none.
    pub fn whole(&self, name: &str) -> u32 {
        self.get(name).unwrap_or(0.0) as u32
    }

    fn with(&self, over: &Self, parameters: &[Parameter]) -> Self {
        let value = |parameter: &Parameter| {
            let value = over.get(parameter.name).or_else(|| self.get(parameter.name))?;
            Some((parameter.name, value))
        };
        Self(parameters.iter().filter_map(value).collect())
    }

    fn same_place(&self, other: &Self, parameters: &[Parameter]) -> bool {
        parameters
            .iter()
            .filter(|parameter| parameter.place)
            .all(|parameter| self.get(parameter.name) == other.get(parameter.name))
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.0.iter().map(|(name, value)| format!("{name} {value}")).collect();
        f.write_str(&words.join(", "))
    }
}
