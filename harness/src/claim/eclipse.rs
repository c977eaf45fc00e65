//! Eclipse: trials in which nodes start anew with books of addresses that an attacker has had time to fill. What counts is
//! whom each then has for peers: whom it dialled, and who dialled it. At the end a merchant who is eclipsed is paid.
//!
//! Several victims start anew together: what an attacker does for one it does for all, and each has a book of its own.

mod scene;

use std::sync::Arc;
use std::time::Duration;

use schism_chaos::adversary::{Adversary, Signal};
use schism_chaos::simulation::Simulation;
use schism_node::config::Defences;
use serde::{Deserialize, Serialize};

use super::Point;
use super::arena::{Arena, Attack};
use super::double_spend::Tally;
use crate::backend::Place;
use crate::backend::mutation::Mutation;
use crate::topology::Topology;
use scene::Scene;

/// Where a point says nothing: minutes before the attack, and minutes that the attacker has.
const CALM: f64 = 5.0;
const MINUTES: f64 = 10.0;

/// What a series of trials is held with.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series {
    /// Restarts that are looked at, of all victims together.
    trials: u32,
    /// The group of nodes that are to be eclipsed.
    victims: String,
    /// Outbound peers that each of them seeks, and what protects it.
    slots: usize,
    defences: Defences,
    /// Addresses of the attacker.
    addresses: u32,
    /// Before the attack, on the nodes' clock: everyone finds peers.
    calm: Duration,
    /// What the attacker has.
    attack: Duration,
    /// Times that it crashes the victims meanwhile.
    crashes: u32,
    /// Whether the honest peers that victims had dialled are down when they start anew.
    down: bool,
    /// Blocks on a payment after which a victim hands over, were it a merchant; 0: it is none.
    confirmations: u32,
    /// The attacker's share of all hash power.
    q: f64,
}

impl Series {
    /// Of so many trials at a point.
    pub(super) fn at(point: &Point, trials: u32, victims: &str) -> Self {
        Self {
            trials,
            victims: victims.to_owned(),
            slots: point.whole("slots") as usize,
            defences: defences(point.whole("defences")),
            addresses: point.whole("addresses"),
            calm: minutes(point.get("calm").unwrap_or(CALM)),
            attack: minutes(point.get("minutes").unwrap_or(MINUTES)),
            crashes: point.whole("crashes"),
            down: point.whole("down") > 0,
            confirmations: point.whole("confirmations"),
            q: point.get("q").unwrap_or(0.0),
        }
    }

    /// Gives victims the places and the defences that a point asks for, and the attacker its addresses.
    fn adjust(&self, place: &mut Place) {
        if place.name.rsplit_once('-').is_some_and(|(group, _)| group == self.victims) {
            place.most_connections = place.most_connections.map(|most| most - place.degree + self.slots);
            (place.degree, place.defences) = (self.slots, self.defences);
        }
        if let Some(Adversary::Eclipse(how)) = &mut place.adversary {
            how.addresses = self.addresses;
        }
    }
}

/// What became of restarts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Eclipsed {
    /// By the book that was drawn from.
    pub books: Vec<Drawn>,
    /// Trials in which not all outbound places were taken when it was looked.
    pub unfilled: u64,
    /// What theory gives, added up over trials, were everyone in the book as likely; and the attacker's share of it.
    pub foretold: f64,
    /// See `foretold`.
    pub share: f64,
    /// Payments to eclipsed merchants, such that were undone afterwards, and blocks of the merchant that were.
    pub paid: u64,
    /// See `paid`.
    pub undone: u64,
    /// See `paid`.
    pub blocks: u64,
    /// Satoshi that merchants had been paid and have no more.
    pub lost: u64,
}

/// What became of restarts with the same book.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Drawn {
    /// How many there were.
    pub restarts: u64,
    /// Those after which all whom the victim dialled were the attacker's.
    pub outbound: u64,
    /// Those after which nobody honest had dialled it.
    pub inbound: u64,
    /// Those after which it had no honest peer at all.
    pub whole: u64,
}

impl Eclipsed {
    /// Adds what another part came to.
    pub fn add(&mut self, other: &Self) {
        self.books.extend(&other.books);
        self.unfilled += other.unfilled;
        self.foretold += other.foretold;
        self.share += other.share;
        self.paid += other.paid;
        self.undone += other.undone;
        self.blocks += other.blocks;
        self.lost += other.lost;
    }

    /// All restarts.
    pub fn restarts(&self) -> u64 {
        self.books.iter().map(|book| book.restarts).sum()
    }
}

/// Bits of the parameter `defences`, by the words of [`Defences`].
fn defences(bits: u32) -> Defences {
    let mut defences = Defences::NONE;
    defences.each().into_iter().enumerate().for_each(|(bit, (_, on))| *on = bits & (1 << bit) != 0);
    defences
}

/// What they are called.
pub(super) fn words(bits: u32) -> String {
    let on = Defences::WORDS.iter().enumerate().filter(|(bit, _)| bits & (1 << bit) != 0);
    let words: Vec<String> = on.map(|(_, word)| word.replace('_', " ")).collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}

/// Holds a series of trials, one after the other, on books that are poisoned once.
pub(super) async fn hold(
    simulation: Simulation,
    topology: Topology,
    series: Series,
    mutation: Option<Arc<dyn Mutation>>,
) -> Result<Tally, String> {
    let attack = Attack { kind: "eclipse", share: series.q, pace: 1.0 };
    let mut arena = Arena::build(simulation, &topology, attack, |place| series.adjust(place), mutation).await?;
    arena.mine_with(|_| false);
    wait(&mut arena, series.calm).await;
    arena.leash().tell(Signal::Begin { spends: Vec::new() });
    let mut scene = Scene::of(&mut arena, &series.victims, series.slots)?;
    let stretch = series.attack / (series.crashes + 1);
    wait(&mut arena, stretch).await;
    for _ in 0..series.crashes {
        scene.restart(&mut arena).await?;
        wait(&mut arena, stretch).await;
    }
    scene.copy_books();
    if series.down {
        scene.knock_over(&mut arena).await?;
    }
    let mut eclipsed = Eclipsed::default();
    while scene.restarts() < u64::from(series.trials) {
        scene.trial(&mut arena, &mut eclipsed).await?;
    }
    eclipsed.books = scene.drawn();
    if series.confirmations > 0 {
        scene.pay(&mut arena, series.confirmations, &mut eclipsed).await?;
    }
    Ok(Tally {
        trials: eclipsed.restarts(),
        eclipsed,
        blocks: arena.blocks_found(),
        virtual_seconds: arena.now().as_secs_f64(),
        ..Tally::default()
    })
}

fn minutes(minutes: f64) -> Duration {
    Duration::from_secs_f64(60.0 * minutes)
}

async fn wait(arena: &mut Arena, time: Duration) {
    let deadline = arena.now() + time;
    while arena.next(deadline).await.is_some() {}
}
