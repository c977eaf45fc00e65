//! A live cluster: nodes that run for as long as somebody wants them to, and do what they are told.
//!
//! - [`order`]: what they can be told, and the answers. [`crate::run::live`] obeys.
//! - [`lines`]: orders on standard streams, as scripts give them: `schism drive`.
//! - [`rpc`]: each node as one of Bitcoin Core's, and its metrics.
//! - [`door`]: orders through a socket, from any terminal, and the file that says where it is: `schism up`.

pub mod door;
pub mod lines;
pub mod order;
pub mod rpc;
