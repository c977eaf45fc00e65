//! The fabric: a network in memory that obeys a [`Link`] per direction, and does to connections what TCP does.
//!
//! - Bytes wait their turn at the bandwidth, travel the latency and the jitter, and wait for retransmissions when
//!   segments are lost; what is behind them in a connection waits too. Windows bound what is under way.
//! - A dial sends a SYN, again after 1, 2, 4 and 8 s, and is refused where nobody listens.
//! - A cut holds what arrives. The sender stalls, and gives up after a while ([`Patience::stall`]); when the cut is mended earlier,
//!   its next retransmission gets through and what was held goes first.
//! - Cut one way, TCP stalls both ways: the open direction lacks acknowledgements and carries one flight more.
//!
//! Where to look: `host` a node's place, `way` one direction between two nodes and its counters, `connection` and
//! `pipe` what is between two sides, `agenda` what arrives when, `sending`, `arrival`, `dialling` and `ending` what
//! happens then, `transport`, `muxer` and `stream` what libp2p sees.

mod agenda;
mod arrival;
mod connection;
mod dialling;
mod ending;
mod host;
mod muxer;
mod patience;
mod pipe;
mod sending;
mod state;
mod stream;
#[cfg(test)]
mod tests;
mod transport;
mod way;

use std::sync::{Arc, Mutex, PoisonError};

use libp2p::identity::Keypair;
use serde::{Deserialize, Serialize};

pub use agenda::Pump;
pub use host::{NodeIndex, PORT};
pub use patience::Patience;
pub use way::Counters;

use crate::link::Link;
use crate::simulation::trace::Recorder;
use state::State;

/// How much of the wire is real.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fidelity {
    /// Streams of a connection are carried as such: no encryption, no multiplexing protocol. The default.
    #[default]
    Memory,
    /// A byte stream under noise and yamux, as over TCP.
    Wire,
}

/// A handle to the network of one simulation. Clones are handles to the same network.
#[derive(Clone)]
pub struct Fabric(Arc<Mutex<State>>);

impl Fabric {
    /// A network where every way is the default [`Link`]. To be made inside the simulation's runtime, whose clock it
    /// follows; nothing moves until its [`Fabric::pump`] runs.
    pub fn new(seed: u64, patience: Patience, recorder: Recorder) -> Self {
        Self(Arc::new(Mutex::new(State::new(seed, patience, recorder))))
    }

    /// The future that delivers. It ends when the fabric is closed.
    pub fn pump(&self) -> Pump {
        Pump::of(self.clone())
    }

    /// How a node reaches the others. Its address is [`NodeIndex::address`]; a node's second life takes a new
    /// transport.
    pub fn transport(&self, node: NodeIndex, identity: &Keypair, fidelity: Fidelity) -> schism_wire::Transport {
        transport::boxed(self, node, identity, fidelity)
    }

    /// Sets one direction; what is under way is not changed.
    pub fn set_link(&self, from: NodeIndex, to: NodeIndex, link: Link) {
        self.with(|state| state.set_link(from, to, link));
    }

    /// Sets every direction that has not been set by itself.
    pub fn set_default_link(&self, link: Link) {
        self.with(|state| state.set_default_link(link));
    }

    /// What one direction is set to; cuts by [`Fabric::cut`] do not show here.
    pub fn link(&self, from: NodeIndex, to: NodeIndex) -> Link {
        self.with(|state| state.way(from, to).link)
    }

    /// Cuts one direction. Cuts nest: it carries again when each has been mended.
    pub fn cut(&self, from: NodeIndex, to: NodeIndex) {
        self.with(|state| state.cut(from, to));
    }

    /// Undoes one [`Fabric::cut`].
    pub fn mend(&self, from: NodeIndex, to: NodeIndex) {
        self.with(|state| state.mend(from, to));
    }

    /// Whether one direction carries nothing now, for whatever reason.
    pub fn is_cut(&self, from: NodeIndex, to: NodeIndex) -> bool {
        self.with(|state| state.is_blocked(from, to))
    }

    /// Cuts a node off in silence, as when its machine loses power: nothing leaves it, nothing reaches it, and
    /// connections it drops meanwhile say no goodbye.
    pub fn blackhole(&self, node: NodeIndex) {
        self.with(|state| state.blackhole(node));
    }

    /// Undoes [`Fabric::blackhole`]: the machine is back. Connections that the node has forgotten are reset when the
    /// other side's next retransmission reaches it.
    pub fn restore(&self, node: NodeIndex) {
        self.with(|state| state.restore(node));
    }

    /// Does what a kernel does for a process that died: resets the connections that the node left open, and refuses
    /// dials from now on. Undoes [`Fabric::blackhole`] too, so that a killed process is blackhole, kill, hang up.
    pub fn hang_up(&self, node: NodeIndex) {
        self.with(|state| state.hang_up(node));
    }

    /// What one direction has done so far.
    pub fn counters(&self, from: NodeIndex, to: NodeIndex) -> Counters {
        self.with(|state| state.counters(from, to))
    }

    /// What all directions together have done so far.
    pub fn totals(&self) -> Counters {
        self.with(|state| state.totals())
    }

    /// Connections that both sides or one of them still hold.
    pub fn connections(&self) -> usize {
        self.with(|state| state.connections.count())
    }

    /// Ends it: nothing is sent or delivered any more.
    pub fn close(&self) {
        self.with(State::close);
    }

    /// Works on the state, then wakes whom that concerned: wakers are not called under the lock.
    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let result = work(&mut state);
        if state.woken.is_empty() {
            return result;
        }
        let woken = std::mem::take(&mut state.woken);
        drop(state);
        woken.into_iter().for_each(std::task::Waker::wake);
        result
    }
}
