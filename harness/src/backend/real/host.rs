//! A host: what outlives a node. Its supervisor, its store, its counters, and what is in force for each of its lives.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use schism_chaos::evidence::NodeCounters;
use schism_chaos::fault::{Actor, DiskTrouble};
use schism_chaos::gate::Passage;

use super::attached::Attached;
use crate::backend::Place;
use crate::supervisor::netlink::links::{Hardware, Neighbour};
use crate::supervisor::protocol::{Counted, Report, What};

/// A node's machine.
pub struct Host {
    /// Who the node is.
    pub place: Place,
    /// The build that it is, on its machine; nothing: this one.
    pub program: Option<PathBuf>,
    /// The line to its supervisor, from its first start on.
    pub attached: Option<Attached>,
    /// Its address, from then on.
    pub address: Ipv4Addr,
    /// That of its wire, where it has one.
    pub hardware: Option<Hardware>,
    /// Whether it runs, frozen or not.
    pub alive: bool,
    /// Whether it stands still.
    pub frozen: bool,
    /// What was done to it.
    pub counters: NodeCounters,
    /// What this life said of itself last.
    pub report: Report,
    /// What links into it have done when they were last counted.
    pub links: BTreeMap<Ipv4Addr, Counted>,
    /// Of that, what earlier lives did, where it is the node that counts.
    pub past: BTreeMap<Ipv4Addr, Counted>,
    /// Gates that were ever set.
    pub gates: Vec<(Actor, Passage)>,
    /// What is wrong with its disk.
    pub disk: Option<DiskTrouble>,
    /// Seconds its clock is moved by, and seconds it counts in one of the story's.
    pub clock: (f64, f64),
}

impl Host {
    /// A machine whose node was never started.
    pub fn of(place: Place) -> Self {
        Self {
            place,
            program: None,
            attached: None,
            address: Ipv4Addr::UNSPECIFIED,
            hardware: None,
            alive: false,
            frozen: false,
            counters: NodeCounters::default(),
            report: Report::default(),
            links: BTreeMap::new(),
            past: BTreeMap::new(),
            gates: Vec::new(),
            disk: None,
            clock: (0.0, 1.0),
        }
    }

    /// Where others reach it.
    pub fn neighbour(&self) -> Neighbour {
        Neighbour { address: self.address, hardware: self.hardware }
    }

    /// Whether the node hears what it is told.
    pub fn hears(&self) -> bool {
        self.alive && !self.frozen
    }

    /// Notes a start.
    pub fn begin_life(&mut self) {
        self.alive = true;
        self.counters.starts += 1;
    }

    /// Notes an end. What it said of itself counts on.
    pub fn end_life(&mut self) {
        (self.alive, self.frozen) = (false, false);
        self.counters.stops += 1;
        self.counters.touched += self.report.touched;
        self.counters.passed += self.report.passed;
        self.counters.processor_seconds += self.report.processor_seconds;
        self.report = Report::default();
        self.past = self.links.clone();
    }

    /// Notes what this life has said of itself.
    pub fn hear(&mut self, report: Report) {
        for (peer, counted) in &report.ways {
            let past = self.past.get(peer).copied().unwrap_or_default();
            self.links.insert(*peer, past + *counted);
        }
        self.report = report;
    }

    /// Everything that was counted about the node.
    pub fn counted(&self) -> NodeCounters {
        NodeCounters {
            words: self.attached.as_ref().map_or(0, Attached::words),
            touched: self.counters.touched + self.report.touched,
            passed: self.counters.passed + self.report.passed,
            processor_seconds: self.counters.processor_seconds + self.report.processor_seconds,
            clock_offset: self.report.clock_offset,
            ..self.counters
        }
    }

    /// What every life is told besides: what was in force when the last one ended.
    pub fn standing_orders(&self) -> Vec<What> {
        let gates = self.gates.iter().filter(|(_, passage)| *passage != Passage::Open);
        let mut orders: Vec<What> = gates.map(|&(actor, passage)| What::Gate { actor, passage }).collect();
        if self.clock != (0.0, 1.0) {
            let (by_seconds, rate) = self.clock;
            orders.push(What::Clock { by_seconds, rate });
        }
        if self.disk == Some(DiskTrouble::NoSync) {
            orders.push(What::FailSyncs);
        }
        orders
    }
}
