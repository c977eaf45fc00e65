//! Strict YAML: every value knows where it stands, and every problem of a file is told at once, with its place.

mod fields;
mod file;
mod print;
mod problem;
mod scalar;
mod setting;
mod tree;

pub use fields::{Context, Fields};
pub(crate) use fields::{closest, one_of};
pub use print::{Printed, list, map, text};
pub use problem::{Problem, Refusal, Source};
pub use setting::Setting;
pub use tree::{Entry, Node, Place, Value};
