//! Schism's harness: files in, a cluster hurt on purpose, a verdict with evidence out.

pub mod backend;
pub mod bench;
pub mod checks;
pub mod claim;
pub mod cluster;
pub mod command;
pub mod experiment;
pub mod interrupt;
pub mod known;
pub mod live;
pub mod logs;
pub mod node;
pub mod payments;
pub mod report;
pub mod run;
pub mod schema;
pub mod scratch;
pub mod statistics;
pub mod suite;
pub mod supervisor;
pub mod theory;
pub mod timeline;
pub mod topology;
pub mod yaml;
