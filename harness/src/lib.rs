//! Schism's harness: files in, a cluster hurt on purpose, a verdict with evidence out.

pub mod experiment;
pub mod payments;
pub mod report;
pub mod topology;
