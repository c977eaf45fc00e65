//! What holds of the pool and of what is made of it.

mod actor;
mod compact;
mod follow;
mod laws;
mod lobby;
mod orphans;
mod purse;
mod replace;
mod select;
