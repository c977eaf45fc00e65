//! Printing a topology: what a file would have to say to mean the same.

use schism_chaos::quantity::Pause;

use super::{Group, HashPower, LinkClass, Overlay, Region, Topology, adversary, chain};
use crate::yaml::{Printed, list, map, text};

impl Topology {
    /// A file that reads back as this very topology.
    pub fn to_yaml(&self) -> String {
        format!("# {}\n{}", self.about, self.print(false).to_yaml())
    }

    /// The map a file would hold; `about` has a key of its own where there is no first line for it.
    pub(crate) fn print(&self, about: bool) -> Printed {
        map([
            ("name", Some(text(&self.name))),
            ("about", about.then(|| text(&self.about))),
            ("chain", Some(chain::print(&self.chain))),
            ("hash_rate", self.hash_rate.map(text)),
            ("groups", Some(named(self.groups.iter().map(|group| (&group.name, print_group(group)))))),
            ("overlay", Some(print_overlay(&self.overlay))),
            ("link", Some(print_link(&self.link))),
            (
                "regions",
                (!self.regions.is_empty())
                    .then(|| named(self.regions.iter().map(|region| (&region.name, print_region(region))))),
            ),
        ])
    }
}

fn named<'n>(entries: impl Iterator<Item = (&'n String, Printed)>) -> Printed {
    Printed::Map(entries.map(|(name, printed)| (name.clone(), printed)).collect())
}

fn print_group(group: &Group) -> Printed {
    let region = match group.regions.as_slice() {
        [] => None,
        [(region, share)] if share.0 == 1.0 => Some(text(region)),
        regions => Some(named(regions.iter().map(|(region, share)| (region, text(share))))),
    };
    map([
        ("count", Some(group.count.into())),
        ("role", Some(text(group.role))),
        (
            "hash_power",
            group.hash_power.map(|power| match power {
                HashPower::Share(share) => text(share),
                HashPower::Rate(rate) => text(rate),
            }),
        ),
        ("region", region),
        ("starts", group.starts.map(text)),
        ("peers", group.peers.as_ref().map(text)),
        ("rejects", (!group.rejects.is_empty()).then(|| list(&group.rejects, text))),
        ("adversary", group.adversary.map(adversary::print)),
    ])
}

fn print_overlay(overlay: &Overlay) -> Printed {
    match overlay {
        Overlay::Line => text("line"),
        Overlay::Ring => text("ring"),
        Overlay::Star => text("star"),
        Overlay::Mesh => text("mesh"),
        Overlay::Unstructured { degree, inbound, defences } => {
            let mut defences = *defences;
            let on: Vec<&str> = defences.each().into_iter().filter(|(_, on)| **on).map(|(word, _)| word).collect();
            let unstructured = map([
                ("degree", Some((*degree).into())),
                ("inbound", inbound.map(Into::into)),
                ("defences", Some(list(&on, text))),
            ]);
            map([("unstructured", Some(unstructured))])
        }
        Overlay::Islands { degree, bridges } => {
            let islands = map([("degree", Some((*degree).into())), ("bridges", Some((*bridges).into()))]);
            map([("islands", Some(islands))])
        }
        Overlay::Links(links) => {
            let links = list(links, |(from, to)| list([from, to], text));
            map([("links", Some(links))])
        }
    }
}

fn print_link(link: &LinkClass) -> Printed {
    map([
        ("latency", Some(text(Pause(link.latency)))),
        ("jitter", Some(text(Pause(link.jitter)))),
        ("bandwidth", link.bandwidth.map(text)),
        ("loss", Some(text(link.loss))),
    ])
}

fn print_region(region: &Region) -> Printed {
    let latency = region.latency.iter().map(|(to, latency)| (to, text(Pause(*latency))));
    map([
        ("latency", Some(named(latency))),
        ("jitter", Some(text(Pause(region.jitter)))),
        ("upload", region.upload.map(text)),
        ("download", region.download.map(text)),
        ("loss", Some(text(region.loss))),
    ])
}
