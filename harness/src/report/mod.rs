//! Reports: what a run found, told to people, to programs and to CI.

mod results;

pub use results::{
    Evidence, Measured, NodeRow, Requirement, RequirementState, Results, TimelineFault, TimelinePoint, Verdict,
    Violation,
};
