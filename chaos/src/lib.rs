//! Faults: what can go wrong on purpose, when, to whom, and how it is undone.

pub mod fault;
pub mod gate;
pub mod quantity;
pub mod schedule;
pub mod selector;
