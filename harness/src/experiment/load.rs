//! Load: what the cluster's users do while it is hurt, and how fast time is played.

use schism_chaos::quantity::{Rate, Share};
use schism_chaos::selector::Selector;

/// Payments between the lab's funded wallets.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// Payments a second, at exponentially distributed intervals; 0 is no load. Not scaled by `pace` in number per
    /// block: a run at pace 0.1 submits ten times as often.
    pub transactions: Rate,
    /// Of them, payments that are submitted at the same time as another one that spends the same coin, elsewhere.
    pub conflicting: Share,
    /// Where they are submitted, drawn for each payment.
    pub from: Selector,
}

/// By what every interval and length is multiplied, per backend: 0.1 is ten times as fast.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// On the virtual clock.
    pub simulated: f64,
    /// On processes.
    pub process: f64,
    /// On containers.
    pub container: f64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { simulated: 1.0, process: 1.0, container: 1.0 }
    }
}
