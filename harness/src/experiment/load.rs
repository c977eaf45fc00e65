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
    /// What is done with payments of one side of a fork on the other.
    pub replay: Option<Replay>,
}

/// Payments that were confirmed on one side of a fork are submitted on the other, as they are, as soon as their coins can
/// be spent there.
#[derive(Clone, Debug, PartialEq)]
pub struct Replay {
    /// At whom they were made.
    pub from: Selector,
    /// At whom they are submitted again, in turns.
    pub to: Selector,
    /// Whether wallets that live at whom they were made split their coins before they pay anybody: then everything they
    /// pay is submitted again, whether or not its coins are known there.
    pub split: Option<Split>,
}

/// With what wallets pay all they have to themselves, once their side of a fork has blocks of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// A coin that a coinbase of this side paid for, which the other side cannot know: safe.
    Coinbase,
    /// Nothing: the same payment is valid on the other side, and nothing is split.
    Alone,
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
