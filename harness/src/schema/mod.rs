//! JSON Schema of the files, for editors. The structs of this folder are the files' shapes and nothing else: what reads
//! them, with better words than a schema has, is in `topology` and `experiment`; a test holds the two against each other.

#![allow(dead_code, reason = "shapes are derived from, never made")]

mod checks;
mod experiment;
mod faults;
#[cfg(test)]
mod tests;
mod text;
mod topology;
#[cfg(test)]
mod validator;

use schemars::{JsonSchema, schema_for};
use serde_json::Value;

/// The schema of a topology.
pub fn topology() -> Value {
    schema_for!(topology::Topology).to_value()
}

/// The schema of an experiment.
pub fn experiment() -> Value {
    schema_for!(experiment::Experiment).to_value()
}

/// Either of two shapes.
#[derive(JsonSchema)]
#[schemars(untagged, inline)]
enum Either<A, B> {
    One(A),
    Other(B),
}

/// One, or a list of them.
type Some<T> = Either<T, Vec<T>>;
