//! Between: the actor that stands in front of a node's Ledger and Network and asks a strategy about all that passes.

use actix::{Actor, AsyncContext, Context, Handler};
use schism_node::messages::{Source, ToLedger, ToNetwork, Verdict};
use schism_node::ring::{Door, Ring};
use schism_node::surroundings::Trace;

use super::Adversary;
use super::byzantine::Unreliable;
use super::censorship::Censor;
use super::clock_lies::Liar;
use super::echo::Recording;
use super::eclipse::Eclipser;
use super::equivocation::Equivocator;
use super::flood::Flooder;
use super::leash::{Leash, Signal};
use super::private_branch::PrivateBranches;
use super::rogue::Means;
use super::selfish::Selfish;
use super::tampering::Tamperer;

/// Puts an adversary between the actors of a node that is about to start, and gives the ring they then have.
pub fn stand_in(adversary: Adversary, ring: Ring, leash: &Leash, means: &Means) -> Ring {
    let leashed = leash.clone();
    match adversary {
        Adversary::PrivateBranch(how) => stand(PrivateBranches::new(how, leashed), ring, leash, means),
        Adversary::Selfish(how) => stand(Selfish::new(how, leashed), ring, leash, means),
        Adversary::Byzantine(how) => stand(Unreliable::new(how, leashed, means), ring, leash, means),
        Adversary::Eclipse(how) => stand(Eclipser::new(how, leashed, means), ring, leash, means),
        Adversary::Equivocation(how) => stand(Equivocator::new(how, leashed, means), ring, leash, means),
        Adversary::Flood(how) => stand(Flooder::new(how, leashed, means.clone()), ring, leash, means),
        Adversary::Censorship(how) => stand(Censor::new(how, leashed), ring, leash, means),
        Adversary::Echo(how) => stand(Recording::new(how, leashed, means.clone()), ring, leash, means),
        Adversary::ClockLies(how) => stand(Liar::new(how, leashed, means), ring, leash, means),
        Adversary::Tampering(how) => stand(Tamperer::new(how, leashed, means.clone()), ring, leash, means),
    }
}

/// Decides what becomes of what others told Ledger and Network.
pub(super) trait Strategy: Unpin + 'static {
    /// Something on its way to Ledger.
    fn to_ledger(&mut self, message: ToLedger, ring: &Ring);
    /// Something on its way to Network.
    fn to_network(&mut self, message: ToNetwork, ring: &Ring);
    /// Something from outside the node.
    fn signal(&mut self, _signal: Signal, _ring: &Ring) {}
}

/// Ends a peer's item without a word for or against its sender: what a strategy keeps is owed a verdict all the same.
pub(super) fn shelve(source: Source, ring: &Ring) {
    if source != Source::Own {
        ring.network.tell(ToNetwork::Verdict { source, verdict: Verdict::Drop });
    }
}

struct Between<S> {
    strategy: S,
    /// The honest actors.
    ring: Ring,
}

fn stand<S: Strategy>(strategy: S, ring: Ring, leash: &Leash, means: &Means) -> Ring {
    let context = Context::<Between<S>>::new();
    let address = context.address();
    leash.tie_to(address.clone().recipient());
    means.spawner.spawn_local(Box::pin(context.into_future(Between { strategy, ring: ring.clone() })));
    // Messages are traced once, where they enter the actors themselves.
    Ring { ledger: Door::of(address.clone(), Trace::default()), network: Door::of(address, Trace::default()), ..ring }
}

impl<S: Strategy> Actor for Between<S> {
    type Context = Context<Self>;
}

impl<S: Strategy> Handler<ToLedger> for Between<S> {
    type Result = ();

    fn handle(&mut self, message: ToLedger, _: &mut Context<Self>) {
        self.strategy.to_ledger(message, &self.ring);
    }
}

impl<S: Strategy> Handler<ToNetwork> for Between<S> {
    type Result = ();

    fn handle(&mut self, message: ToNetwork, _: &mut Context<Self>) {
        self.strategy.to_network(message, &self.ring);
    }
}

impl<S: Strategy> Handler<Signal> for Between<S> {
    type Result = ();

    fn handle(&mut self, signal: Signal, _: &mut Context<Self>) {
        self.strategy.signal(signal, &self.ring);
    }
}
