//! A lane: one peer's frames on their way into a node. It says when each may go on, so that together they travel as the
//! link between the two would carry them. Plain arithmetic: time and frames are told to it.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::link::Link;

/// Frames that wait in one lane at most: what a good router's buffer holds. More are lost, and TCP slows down.
const WAITING: usize = 4_096;
/// Bytes of a segment of a stream.
const SEGMENT: usize = 1_448;
/// A segment that is lost so often arrives: the wait would be longer than anybody's.
const MOST_LOSSES: u32 = 6;
/// A link this good is not worth a detour: the kernel itself takes about as long.
const UNNOTICED: Duration = Duration::from_micros(100);

/// One peer's frames.
#[derive(Debug)]
pub struct Lane {
    link: Link,
    /// When the last byte so far is through the narrow place.
    busy_until: Duration,
    /// When the last frame so far goes on: none may overtake it.
    last: Duration,
    chance: StdRng,
    waiting: usize,
    /// Frames that it was given and did not lose.
    kept: u64,
    /// How long these are to be kept, summed.
    meant: Duration,
    /// Frames lost on purpose.
    lost: u64,
    /// How long frames were kept, summed.
    delayed: Duration,
    /// How long of that they waited for their turn and took to leave.
    queued: Duration,
    /// How much longer that was than it should have been.
    late: Duration,
}

/// What a lane has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Frames it was given and did not lose, gone on or not.
    pub kept: u64,
    /// How long it meant to keep these, summed.
    pub meant: Duration,
    /// Frames lost on purpose.
    pub lost: u64,
    /// How long the others were kept, summed.
    pub delayed: Duration,
    /// How long of that they waited for their turn and took to leave.
    pub queued: Duration,
    /// How much longer that was than it should have been: a machine with too much to do is late.
    pub late: Duration,
}

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is lost.
    Lost,
    /// It goes on at this moment.
    At(Duration),
}

impl Lane {
    /// A lane that carries everything at once. `chance` is the seed of its losses and its jitter.
    pub fn new(chance: u64) -> Self {
        Self {
            link: Link { latency: Duration::ZERO, ..Link::default() },
            busy_until: Duration::ZERO,
            last: Duration::ZERO,
            chance: StdRng::seed_from_u64(chance),
            waiting: 0,
            kept: 0,
            meant: Duration::ZERO,
            lost: 0,
            delayed: Duration::ZERO,
            queued: Duration::ZERO,
            late: Duration::ZERO,
        }
    }

    /// What it is like from now on.
    pub fn set(&mut self, link: Link) {
        self.link = link;
    }

    /// Decides about a frame of so many bytes that arrives now.
    pub fn arrive(&mut self, now: Duration, bytes: usize) -> Fate {
        if self.waiting >= WAITING || (self.link.loss > 0.0 && self.chance.random::<f64>() < self.link.loss) {
            self.lost += 1;
            return Fate::Lost;
        }
        self.waiting += 1;
        Fate::At(self.pass(now, bytes))
    }

    /// When a frame that is not lost goes on.
    fn pass(&mut self, now: Duration, bytes: usize) -> Duration {
        self.busy_until = self.busy_until.max(now) + self.link.serialisation(bytes);
        self.queued += self.busy_until - now;
        let jitter = self.link.jitter.mul_f64(self.chance.random::<f64>());
        self.last = self.last.max(self.busy_until + self.link.latency + jitter);
        self.kept += 1;
        self.meant += self.last - now;
        self.last
    }

    /// Decides when a piece of a stream goes on that comes now: a segment that is lost is sent again until it arrives,
    /// first after `again`, then after twice that, and everything behind it waits.
    pub fn arrive_in_stream(&mut self, now: Duration, bytes: usize, again: Duration) -> Duration {
        let segments = bytes.div_ceil(SEGMENT);
        let mut worst = 0;
        for _ in 0..segments {
            let mut losses = 0;
            while losses < MOST_LOSSES && self.link.loss > 0.0 && self.chance.random::<f64>() < self.link.loss {
                losses += 1;
            }
            self.lost += u64::from(losses);
            worst = worst.max(losses);
        }
        self.pass(now, bytes) + again * ((1 << worst) - 1)
    }

    /// A frame goes on that was kept so long, and so much longer than it should have been.
    pub fn go_on(&mut self, kept: Duration, late: Duration) {
        self.waiting = self.waiting.saturating_sub(1);
        self.delayed += kept;
        self.late += late;
    }

    /// What it has done so far.
    pub fn done(&self) -> Done {
        let Self { kept, meant, lost, delayed, queued, late, .. } = *self;
        Done { kept, meant, lost, delayed, queued, late }
    }
}

/// Whether frames of such a link have to go through a lane.
pub fn needs_lane(link: &Link) -> bool {
    link.latency + link.jitter > UNNOTICED || link.loss > 0.0 || link.bandwidth.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn lane(link: Link) -> Lane {
        let mut lane = Lane::new(1);
        lane.set(link);
        lane
    }

    #[test]
    fn a_megabit_at_a_megabit_takes_a_second_and_the_latency() {
        let link = Link { latency: SECOND, bandwidth: Some(1_000_000), ..Link::default() };
        let mut lane = lane(link);
        assert_eq!(lane.arrive(SECOND, 125_000), Fate::At(3 * SECOND));
        assert_eq!(lane.arrive(SECOND, 125_000), Fate::At(4 * SECOND));
    }

    #[test]
    fn a_tenth_is_lost_where_a_tenth_is_to_be() {
        let mut lane = lane(Link { loss: 0.1, latency: Duration::ZERO, ..Link::default() });
        for _ in 0..100_000 {
            if let Fate::At(_) = lane.arrive(SECOND, 1_500) {
                lane.go_on(Duration::ZERO, Duration::ZERO);
            }
        }
        // Ten standard deviations of a binomial with n = 100,000 and p = 0.1.
        assert!(lane.done().lost.abs_diff(10_000) < 950, "{}", lane.done().lost);
    }

    #[test]
    fn a_stream_loses_time_and_nothing_else() {
        let mut lane = lane(Link { loss: 0.5, latency: Duration::ZERO, ..Link::default() });
        let at: Vec<Duration> = (0..1_000).map(|_| lane.arrive_in_stream(SECOND, 1, SECOND)).collect();
        assert!((900..1_100).contains(&lane.done().lost), "half of all that are sent: {}", lane.done().lost);
        // One loss costs a second, two cost three, each half as likely.
        let of = |wait: u32| at.iter().filter(|at| **at == SECOND + wait * SECOND).count();
        assert!((420..580).contains(&of(0)) && (190..310).contains(&of(1)) && (80..170).contains(&of(3)), "{at:?}");
    }

    #[test]
    fn nobody_waits_for_ever_behind_a_flood() {
        let mut lane = lane(Link::with_latency(SECOND));
        let fates = (0..WAITING + 10).map(|_| lane.arrive(SECOND, 1));
        assert_eq!(fates.filter(|fate| *fate == Fate::Lost).count(), 10);
    }

    proptest! {
        #[test]
        fn no_frame_overtakes_another_or_is_early(
            frames in proptest::collection::vec((0_u64..5_000, 0_usize..65_536), 1..200),
            latency in 0_u64..5_000, jitter in 0_u64..5_000, bandwidth in proptest::option::of(1_000_u64..10_000_000),
        ) {
            let (latency, jitter) = (Duration::from_micros(latency), Duration::from_micros(jitter));
            let mut lane = lane(Link { latency, jitter, bandwidth, loss: 0.0, cut: false });
            let (mut now, mut last) = (Duration::ZERO, Duration::ZERO);
            for (pause, bytes) in frames {
                now += Duration::from_micros(pause);
                let Fate::At(at) = lane.arrive(now, bytes) else { panic!("nothing is lost here") };
                prop_assert!(at >= now + latency && at >= last);
                last = at;
            }
        }
    }
}
