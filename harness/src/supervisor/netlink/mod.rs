//! Netlink: how the kernel is told about links, addresses and filters, and asked for its counters.
//!
//! - [`message`]: bytes of a message, in and out.
//! - [`socket`]: a way to the kernel, on which every message is answered.
//! - [`links`]: bridges, wires between network namespaces, addresses. [`disciplines`]: what else could shape traffic.

pub mod disciplines;
pub mod links;
pub mod message;
pub mod socket;

pub use message::{Attributes, Message};
pub use socket::{Netlink, Said};
