//! Reports: what a run found, told to people, to programs and to CI.

mod claim;
mod html;
mod json;
mod junit;
mod markdown;
mod results;
mod side;
mod spread;
mod table;
#[cfg(test)]
mod tests;
mod text;

pub use claim::csv;
pub use html::html;
pub use json::{json, json_line};
pub use junit::{Inconclusive, junit};
pub use markdown::{markdown, markdown_of_sweep};
pub use results::{
    Evidence, Measured, NodeRow, Requirement, RequirementState, Results, TimelineFault, TimelinePoint, Verdict,
    Violation,
};
pub use side::{figures, side_by_side};
pub use table::table;
pub use text::{Colour, first_line, text};
