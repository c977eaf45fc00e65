//! The judgement: what each kind of fault owes, and whether the counters show it.

use std::time::Duration;

use super::{Confirmed, Evidence, LinkCounters, NodeCounters, Proof, Snapshot, Witness};
use crate::effect::LinkChange;
use crate::fault::{CrashKind, Fault};
use crate::schedule::Prove;

/// Seconds that a clock of a real node may run on between an order and the look at it: what moves one by no more is never proven.
pub const CLOCK_GRAIN: f64 = 1.5;

impl Witness {
    /// Judges what was noted of an occurrence of this fault, and what the file asks to be proven besides. To be asked
    /// after [`Witness::last`].
    pub fn judge(&self, fault: &Fault, prove: &Prove) -> Evidence {
        let end = self.healed.then(|| self.ended.as_ref().map(|ended| ended.at)).flatten();
        let mut proofs = match fault {
            Fault::Partition(_) | Fault::Cut { .. } | Fault::Isolate { .. } => self.cut(true),
            Fault::Flap { .. } => self.cut(false),
            Fault::Latency { by, jitter, .. } => self.slower(LinkChange::Latency { by: *by, jitter: *jitter }),
            Fault::Bandwidth { limit, .. } => self.slower(LinkChange::Bandwidth(limit.0)),
            Fault::Loss { share, .. } => self.slower(LinkChange::Loss(share.0)),
            Fault::Crash { kind, .. } => {
                [vec![self.stopped(), self.silent(), self.returned()], self.noticed(*kind)].concat()
            }
            Fault::Destroy { .. } => vec![self.stopped(), self.silent()],
            Fault::Restart { kind, .. } => [vec![self.stopped(), self.returned()], self.noticed(*kind)].concat(),
            Fault::Upgrade { .. } => {
                let said = self.of_each("tight", "each says that it follows the upgrades", self.sighting.obeyed.len());
                vec![self.stopped(), said, self.returned()]
            }
            Fault::HashPower { .. } => vec![
                self.of_each("applied", "each says that it hashes at another rate", self.sighting.obeyed.len()),
                self.of_each("healed", "each says that it hashes at its former rate", self.sighting.undone.len()),
            ],
            Fault::Freeze { .. } => vec![self.withheld(), self.silent(), self.speaks_again()],
            Fault::Churn { kind, .. } => [vec![self.left(), self.returned()], self.noticed(*kind)].concat(),
            Fault::ClockSkew { by_seconds, rate, .. } => self.clocks(*by_seconds, *rate),
            Fault::Slow { .. } | Fault::Drop { .. } | Fault::Hold { .. } => {
                vec![self.touched_messages(), self.passing()]
            }
            Fault::Disk { .. } => vec![self.failed(), self.speaks_again()],
            Fault::Join(_) => vec![self.joined()],
        };
        // Who is yet to return could notice nothing; what heals by itself, as a restart, owes its return at once.
        if !self.healed && fault.heals() {
            proofs.retain(|proof| !["healed", "noticed"].contains(&proof.name.as_str()));
        }
        let confirmed = self.confirmed.map(|Confirmed { links, obey, took }| {
            let seen = format!("{obey} of {links} links, within {}", milliseconds(took));
            proof("in force", "each link seen to obey before its time counts", seen, obey == links)
        });
        proofs.splice(1..1, confirmed);
        proofs.extend(self.effective(fault, prove));
        let began = self.applied.as_ref().unwrap_or(&self.before).at;
        Evidence { fault: self.id, acted: (began, end), nodes: self.touched.clone(), proofs }
    }

    /// Each direction held something and, where it was cut all the time, carried nothing; now it carries again.
    fn cut(&self, all_the_time: bool) -> Vec<Proof> {
        let during = self.directions(self.applied.as_ref(), self.ended.as_ref());
        let after = self.directions(self.ended.as_ref(), self.after.as_ref());
        let crossed = if all_the_time { during.iter().map(|d| d.carried).sum() } else { self.crossed };
        let leaked = crossed + during.iter().map(|d| d.leaked).sum::<u64>();
        vec![
            proof("applied", "frames held in each direction", list(&during, |d| d.held), all(&during, |d| d.held > 0)),
            proof("tight", "no frame crossed", format!("{leaked} crossed"), !during.is_empty() && leaked == 0),
            proof(
                "healed",
                "frames cross again in each direction",
                list(&after, |d| d.carried),
                all(&after, |d| d.carried > 0),
            ),
        ]
    }

    /// Each direction was slower, or lost something, and is as it was.
    fn slower(&self, change: LinkChange) -> Vec<Proof> {
        let during = self.directions(self.applied.as_ref(), self.ended.as_ref());
        let after = self.directions(self.ended.as_ref(), self.after.as_ref());
        let seen = |directions: &[LinkCounters]| match change {
            LinkChange::Loss(_) => list(directions, |d| d.lost),
            LinkChange::Bandwidth(_) => list(directions, |d| milliseconds(each(d, d.queued))),
            _ => list(directions, |d| milliseconds(each(d, d.travel))),
        };
        let slow = |d: &LinkCounters| match change {
            // What the link takes by itself proves nothing. Frames that are under way now are not in every backend's sum.
            LinkChange::Latency { by, jitter } => {
                let least = by.mul_f64(0.75) + jitter.mul_f64(0.05);
                d.sent > 0 && each(d, d.travel.saturating_sub(d.unhurt)) >= least
            }
            // A frame takes at least the time its own bytes need.
            LinkChange::Bandwidth(bits) => d.sent > 0 && d.queued.as_secs_f64() >= 0.9 * least_time(d, bits),
            LinkChange::Loss(share) => d.lost > 0 && d.lost as f64 >= least_lost(d, share),
            LinkChange::Cut => d.held > 0,
        };
        let mut proofs =
            vec![proof("applied", "frames late or lost in each direction", seen(&during), all(&during, slow))];
        let free = during.iter().zip(&after).all(|(during, after)| match change {
            LinkChange::Loss(_) => {
                after.sent > 0 && (after.lost as f64) * (during.sent as f64) < (during.lost * after.sent) as f64
            }
            LinkChange::Bandwidth(_) => after.sent > 0 && each(after, after.queued) < each(during, during.queued),
            _ => after.sent > 0 && each(after, after.travel) < each(during, during.travel),
        });
        proofs.push(proof("healed", "and no longer", seen(&after), !after.is_empty() && free));
        proofs
    }

    fn stopped(&self) -> Proof {
        let nodes = self.nodes(Some(&self.before), self.ended.as_ref());
        let stopped = nodes.iter().filter(|(before, now)| now.stops > before.stops).count();
        self.of_each("applied", "a stop of each node", stopped)
    }

    fn silent(&self) -> Proof {
        let nodes = self.nodes(self.applied.as_ref(), self.ended.as_ref());
        let silent = nodes.iter().filter(|(before, now)| now.words == before.words).count();
        let mut proof = self.of_each("tight", "no word from any of them", silent);
        // The end of a process is told to its peers; that of a machine is not, nor does it answer any more.
        let Some((applied, ended)) = self.applied.as_ref().zip(self.ended.as_ref()) else { return proof };
        let during = applied.silent.iter().zip(&ended.silent).map(|(applied, ended)| *ended - *applied);
        // What was sent before may arrive still; what is held, as an attempt to reach it, was not sent by it.
        let sent: u64 = during.map(|links| links.sent.min(links.carried)).sum();
        if !applied.silent.is_empty() {
            proof.asked += ", no frame from their machines";
            proof.seen += &format!(", {sent} frames");
            proof.shown &= sent == 0;
        }
        proof
    }

    fn returned(&self) -> Proof {
        let nodes = self.nodes(Some(&self.before), self.after.as_ref());
        let back = nodes.iter().filter(|(before, now)| {
            let (starts, stops) = (now.starts - before.starts, now.stops - before.stops);
            starts >= stops && now.words > before.words
        });
        self.of_each("healed", "a start for every stop, and words after it", back.count())
    }

    /// That a damaged store was not taken for a good one.
    fn noticed(&self, kind: CrashKind) -> Vec<Proof> {
        let nodes = self.nodes(Some(&self.before), self.after.as_ref());
        let noticed = nodes.iter().filter(|(before, now)| now.rebuilt > before.rebuilt).count();
        let owed = kind == CrashKind::Torn;
        owed.then(|| self.of_each("noticed", "each damaged store rebuilt", noticed)).into_iter().collect()
    }

    fn speaks_again(&self) -> Proof {
        let nodes = self.nodes(self.ended.as_ref(), self.after.as_ref());
        let speaking = nodes.iter().filter(|(before, now)| now.words > before.words).count();
        self.of_each("healed", "words from each node again", speaking)
    }

    fn withheld(&self) -> Proof {
        let nodes = self.nodes(Some(&self.before), self.ended.as_ref());
        let withheld = nodes.iter().filter(|(before, now)| now.withheld > before.withheld).count();
        self.of_each("applied", "polls withheld from each node", withheld)
    }

    fn failed(&self) -> Proof {
        let nodes = self.nodes(Some(&self.before), self.ended.as_ref());
        let failed = nodes.iter().filter(|(before, now)| now.failed > before.failed).count();
        self.of_each("applied", "a failure of each store", failed)
    }

    fn left(&self) -> Proof {
        let nodes = self.nodes(Some(&self.before), self.ended.as_ref());
        let departures: u64 = nodes.iter().map(|(before, now)| now.stops - before.stops).sum();
        proof("applied", "departures", format!("{departures}"), departures > 0)
    }

    fn joined(&self) -> Proof {
        let nodes = self.nodes(Some(&self.before), self.after.as_ref());
        let joined = nodes.iter().filter(|(before, now)| now.starts > before.starts && now.words > before.words);
        self.of_each("applied", "a start of each node", joined.count())
    }

    fn touched_messages(&self) -> Proof {
        let nodes = self.nodes(Some(&self.before), self.ended.as_ref());
        let touched = nodes.iter().filter(|(before, now)| now.touched > before.touched).count();
        self.of_each("applied", "messages delayed, lost or held in each node", touched)
    }

    fn passing(&self) -> Proof {
        let nodes = self.nodes(self.ended.as_ref(), self.after.as_ref());
        let passing = nodes.iter().filter(|(before, now)| now.passed > before.passed).count();
        self.of_each("healed", "messages pass in each node again", passing)
    }

    fn clocks(&self, by_seconds: f64, rate: f64) -> Vec<Proof> {
        let lasted = self.ended.as_ref().map_or(0.0, |ended| ended.at.saturating_sub(self.before.at).as_secs_f64());
        let expected = by_seconds + (rate - 1.0) * lasted;
        let near = |offset: f64, expected: f64| (offset - expected).abs() <= CLOCK_GRAIN + expected.abs() * 0.01;
        let moved = self.nodes(Some(&self.before), self.ended.as_ref());
        let moved = moved.iter().filter(|(_, now)| near(now.clock_offset, expected) && expected.abs() > CLOCK_GRAIN);
        let right = self.nodes(Some(&self.before), self.after.as_ref());
        let right = right.iter().filter(|(before, now)| near(now.clock_offset, before.clock_offset));
        vec![
            self.of_each("applied", &format!("each clock off by {expected:.0} s"), moved.count()),
            self.of_each("healed", "each clock as it was", right.count()),
        ]
    }

    /// What the file asked for besides.
    fn effective(&self, fault: &Fault, prove: &Prove) -> Vec<Proof> {
        let seen = &self.sighting;
        // From when it was seen in force: the frames that showed it are not the nodes'.
        let during = self.directions(self.applied.as_ref().or(Some(&self.before)), self.ended.as_ref());
        let frames: u64 = during.iter().map(|d| d.held + d.lost).sum();
        let late = matches!(fault, Fault::Latency { .. } | Fault::Bandwidth { .. });
        let frames = if late { during.iter().map(|d| d.sent).sum() } else { frames };
        let least_mined = seen.mined_by_side.iter().min().copied().unwrap_or(0);
        let asked = [
            ("each_side_mined", prove.each_side_mined.map(u64::from), u64::from(least_mined)),
            ("tips_differ", prove.tips_differ.map(u64::from), u64::from(seen.tips)),
            ("peers_lost", prove.peers_lost.map(u64::from), u64::from(seen.peers_lost)),
            ("frames_touched", prove.frames_touched, frames),
            ("blocks_missed", prove.blocks_missed.map(u64::from), u64::from(seen.blocks_missed.unwrap_or(0))),
            ("blocks_refused", prove.blocks_refused.map(u64::from), u64::from(seen.blocks_refused)),
            ("blocks_mined", prove.blocks_mined.map(u64::from), u64::from(seen.blocks_mined)),
            ("writes_lost", prove.writes_lost, seen.writes_lost),
        ];
        let owed = asked.into_iter().filter_map(|(name, asked, seen)| asked.map(|asked| (name, asked, seen)));
        owed.map(|(name, asked, seen)| {
            proof(&format!("effective: {name}"), &format!("at least {asked}"), seen.to_string(), seen >= asked)
        })
        .collect()
    }

    /// What each direction did between two moments; nothing when one of them was not noted.
    fn directions(&self, from: Option<&Snapshot>, to: Option<&Snapshot>) -> Vec<LinkCounters> {
        let Some((from, to)) = from.zip(to) else { return Vec::new() };
        from.directions.iter().zip(&to.directions).map(|(from, to)| *to - *from).collect()
    }

    /// Counters of each touched node at two moments; nothing when one of them was not noted.
    fn nodes(&self, from: Option<&Snapshot>, to: Option<&Snapshot>) -> Vec<(NodeCounters, NodeCounters)> {
        let Some((from, to)) = from.zip(to) else { return Vec::new() };
        self.touched.iter().filter_map(|&node| Some((*from.nodes.get(node)?, *to.nodes.get(node)?))).collect()
    }

    fn of_each(&self, name: &str, asked: &str, count: usize) -> Proof {
        let nodes = self.touched.len();
        proof(name, asked, format!("{count} of {nodes} nodes"), nodes > 0 && count == nodes)
    }
}

impl Evidence {
    /// The first thing that was owed and not shown.
    pub fn missing(&self) -> Option<&Proof> {
        self.proofs.iter().find(|proof| !proof.shown)
    }
}

fn proof(name: &str, asked: &str, seen: String, shown: bool) -> Proof {
    Proof { name: name.to_owned(), asked: asked.to_owned(), seen, shown }
}

/// One figure a direction, in the order of the fault's effects.
fn list<T: ToString>(directions: &[LinkCounters], figure: impl Fn(&LinkCounters) -> T) -> String {
    let figures: Vec<String> = directions.iter().map(|direction| figure(direction).to_string()).collect();
    if figures.is_empty() { "nothing was noted".to_owned() } else { figures.join(" · ") }
}

fn all(directions: &[LinkCounters], shown: impl Fn(&LinkCounters) -> bool) -> bool {
    !directions.is_empty() && directions.iter().all(shown)
}

/// What of a sum falls to each frame.
fn each(direction: &LinkCounters, sum: Duration) -> Duration {
    sum.div_f64(direction.sent.max(1) as f64)
}

fn milliseconds(time: Duration) -> String {
    format!("{:.0} ms", time.as_secs_f64() * 1e3)
}

/// How many frames a link that loses this share of them loses at least: five standard deviations below the mean of the
/// binomial distribution. Losses that strike besides only add to them.
fn least_lost(direction: &LinkCounters, share: f64) -> f64 {
    let mean = direction.sent as f64 * share;
    mean - 5.0 * (mean * (1.0 - share)).sqrt()
}

/// How long, in seconds, all frames take at so many bits a second if none waits for another.
fn least_time(direction: &LinkCounters, bits: u64) -> f64 {
    direction.bytes as f64 * 8.0 / bits.max(1) as f64
}
