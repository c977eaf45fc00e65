//! Obeying: a link is seen to do what a fault asks of it, by traffic that supervisors send over it before the fault's time
//! begins to count. That a kernel has taken an order is its word; that a counter moves is its deed.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use schism_chaos::effect::{Effect, LinkChange};
use schism_chaos::lane::needs_lane;
use schism_chaos::link::Link;

use super::Real;
use super::host::Host;
use super::site::Site;
use crate::supervisor::protocol::{Counted, What};

/// Links that are looked at for the sake of a loss: each takes many frames.
const LOSSY: usize = 16;
/// Frames at once on a link that loses some, at most.
const MOST: f64 = 256.0;
/// Bytes of a frame whose turn on a narrow link is waited for, and of any other.
const LARGE: u16 = 1_000;
const SMALL: u16 = 1;

/// A link that has to be seen to obey.
#[derive(Clone, Copy, Debug)]
pub(super) struct Obeying {
    from: usize,
    to: usize,
    does: Does,
    /// What it had done before.
    before: Counted,
}

/// What a link is seen to do, in real time.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Does {
    /// It holds a frame.
    Hold,
    /// It loses one of about so many.
    Lose(u32),
    /// It keeps each frame so long, and as long again as its bytes take at so many bits a second.
    Keep(Duration, Option<u64>),
}

impl Obeying {
    /// Whether counters, as they were read last, show that it does.
    pub(super) fn is_seen(&self, hosts: &[Host]) -> bool {
        self.does.is_seen(&self.before, &counted(hosts, self.from, self.to))
    }
}

impl Does {
    fn is_seen(self, before: &Counted, now: &Counted) -> bool {
        match self {
            Self::Hold => now.held > before.held,
            Self::Lose(_) => now.lost > before.lost,
            Self::Keep(each, bits) => {
                let (kept, bytes) = (now.kept.saturating_sub(before.kept), now.bytes.saturating_sub(before.bytes));
                let turns = bits.map_or(0.0, |bits| bytes as f64 * 8.0 / bits as f64);
                let meant = Duration::from_micros(now.meant_microseconds.saturating_sub(before.meant_microseconds));
                // What is counted on the way to the lane may not have come there yet.
                kept > 0 && meant.as_secs_f64() >= each.as_secs_f64() * kept as f64 + 0.9 * turns
            }
        }
    }
}

fn counted(hosts: &[Host], from: usize, to: usize) -> Counted {
    hosts[to].links.get(&hosts[from].address).copied().unwrap_or_default()
}

impl<S: Site> Real<S> {
    /// The links of an effect that traffic can be sent over, with what they have done so far. `unhurt` is how long a link
    /// takes by itself, in the story's time.
    pub(super) fn obeying(&self, effect: &Effect, unhurt: &dyn Fn(usize, usize) -> Duration) -> Vec<Obeying> {
        let Effect::Links { from, to, change } = effect else { return Vec::new() };
        let cuts = *change == LinkChange::Cut;
        let pairs = from.iter().flat_map(|&from| to.iter().map(move |&to| (from, to)));
        // A machine that is down sends and hears nothing; what is cut is not slow besides.
        let open = |&(from, to): &(usize, usize)| {
            from != to && self.hosts[from].alive && self.hosts[to].alive && (cuts || !self.link(from, to).cut)
        };
        let most = if matches!(change, LinkChange::Loss(_)) { LOSSY } else { usize::MAX };
        let link = |(from, to)| {
            let does = self.does(*change, unhurt(from, to))?;
            Some(Obeying { from, to, does, before: counted(&self.hosts, from, to) })
        };
        pairs.filter(open).take(most).filter_map(link).collect()
    }

    /// What a change has a link do that takes so long by itself; nothing where it is too little to be noticed.
    fn does(&self, change: LinkChange, unhurt: Duration) -> Option<Does> {
        let free = Link { latency: Duration::ZERO, ..Link::default() };
        let slow = match change {
            LinkChange::Cut => return Some(Does::Hold),
            LinkChange::Loss(share) => return Some(Does::Lose(share.recip().ceil().clamp(1.0, MOST) as u32)),
            LinkChange::Latency { by, jitter } => Link { latency: by, jitter, ..free },
            LinkChange::Bandwidth(bits) => Link { bandwidth: Some(bits), ..free },
        };
        let slow = self.paced(slow);
        let least = unhurt.mul_f64(self.settings.pace) + slow.latency.mul_f64(0.75) + slow.jitter.mul_f64(0.05);
        // A turn is looked for as a latency is: by how much longer frames are kept.
        let turn = slow.serialisation(LARGE.into());
        needs_lane(&Link { latency: slow.latency + turn, bandwidth: None, ..slow })
            .then_some(Does::Keep(least, slow.bandwidth))
    }

    /// Has supervisors send frames over those of these links that were not seen to obey yet.
    ///
    /// # Errors
    /// Why one does not.
    pub(super) async fn call(&mut self, links: &[Obeying]) -> Result<(), String> {
        let mut calls: BTreeMap<(usize, u32, u16), Vec<Ipv4Addr>> = BTreeMap::new();
        for link in links.iter().filter(|link| !link.is_seen(&self.hosts)) {
            let (times, bytes) = match link.does {
                Does::Lose(of) => (of, SMALL),
                Does::Keep(_, Some(_)) => (1, LARGE),
                Does::Hold | Does::Keep(_, None) => (1, SMALL),
            };
            calls.entry((link.from, times, bytes)).or_default().push(self.hosts[link.to].address);
        }
        let mut under_way = Vec::new();
        for ((from, times, bytes), to) in calls {
            under_way.push((from, self.give(from, What::Call { to, times, bytes })?));
        }
        for (from, outcome) in under_way {
            self.fruit(from, outcome).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_seen_to_obey_by_what_it_did_since() {
        let before = Counted { held: 3, lost: 2, kept: 10, bytes: 5_000, meant_microseconds: 70, ..Counted::default() };
        let all = [
            Does::Hold,
            Does::Lose(9),
            Does::Keep(Duration::from_millis(5), None),
            Does::Keep(Duration::ZERO, Some(8_000)),
        ];
        for does in all {
            assert!(!does.is_seen(&before, &before), "{does:?} did nothing");
        }
        assert!(Does::Hold.is_seen(&before, &Counted { held: 4, ..before }));
        assert!(Does::Lose(9).is_seen(&before, &Counted { lost: 3, ..before }));
        let kept = |frames: u64, milliseconds: u64, bytes: u64| Counted {
            kept: 10 + frames,
            meant_microseconds: 70 + milliseconds * 1_000,
            bytes: 5_000 + bytes,
            ..before
        };
        let late = Does::Keep(Duration::from_millis(5), None);
        assert!(late.is_seen(&before, &kept(2, 10, 60)) && !late.is_seen(&before, &kept(2, 9, 60)));
        // A thousand bytes take a second.
        let narrow = Does::Keep(Duration::ZERO, Some(8_000));
        assert!(narrow.is_seen(&before, &kept(2, 900, 1_000)) && !narrow.is_seen(&before, &kept(2, 800, 1_000)));
    }
}
