//! Faults as they really are: what was asked of a link against what two supervisors measured on it, with traffic of
//! their own. One row a figure, each with a verdict.
//!
//! Only the way there is hurt; what comes back takes the unhurt way. What is allowed: a delay may be off by 2 ms or 5 %,
//! whichever is more; losses have to be as likely as one in a thousand if they were drawn as asked; a bandwidth may be
//! off by 15 %; after a cut a connection has to carry again within 3 s.

use std::time::Duration;

use schism_chaos::link::Link;
use schism_chaos::simulation::Stopwatch;
use serde::Serialize;
use tokio::time::sleep;

use super::{SEED, aligned};
use crate::backend::real::site::Site;
use crate::backend::real::{Real, Settings};
use crate::backend::{Backend, Place};
use crate::statistics::{binomial_quantile, percentile};
use crate::supervisor::probe::{Probe, Probed};

/// The machine that asks, and the one that answers.
const NEAR: usize = 0;
const FAR: usize = 1;
/// Delays, in milliseconds.
const DELAYS: [u64; 4] = [0, 5, 50, 250];
/// What a delay varies by, in milliseconds, on top of one of [`JITTERED`].
const JITTER: u64 = 20;
const JITTERED: u64 = 30;
/// Losses.
const LOSSES: [f64; 3] = [0.01, 0.1, 0.3];
/// Bandwidths, in bits per second.
const BANDWIDTHS: [u64; 3] = [1_000_000, 10_000_000, 100_000_000];
/// Datagrams of one row.
const DELAYED: u32 = 200;
/// A median of so many is right to a third of what is allowed: half of the jitter over the root of their number.
const JITTERY: u32 = 240;
const LOST: u32 = 2_000;
/// How long a connection is flooded, in milliseconds.
const FLOOD: u64 = 3_000;
/// How long the cut lasts that a connection has to survive.
const CUT: Duration = Duration::from_secs(5);
/// How long the connection is watched, from a second before the cut on, in milliseconds.
const WATCHED: u64 = 10_000;
/// Of a thousand rows about losses as they were asked for, how many may fail.
const UNLIKELY: f64 = 0.001;

/// What was asked of a link, and what was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// What was done to the link.
    pub fault: String,
    /// What of it was measured.
    pub figure: &'static str,
    /// What was asked.
    pub asked: f64,
    /// What was measured.
    pub measured: f64,
    /// In what.
    pub unit: &'static str,
    /// The least and the most that is right.
    pub allowed: (f64, f64),
    /// How often it was measured.
    pub samples: u64,
    /// Whether it is right.
    pub within: bool,
}

/// How a cluster begins.
type Begin<S> = fn(Settings) -> Result<Real<S>, String>;

/// Measures all of it between two machines.
///
/// # Errors
/// When they cannot be made, or a link cannot be hurt or measured.
pub fn measure<S: Site>(begin: Begin<S>) -> Result<Vec<Row>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    runtime.block_on(async {
        let mut pair = begin(Settings::plain(SEED, 1.0))?;
        for name in ["near", "far"] {
            pair.add(Place { name: name.to_owned(), ..Place::nobody() });
        }
        pair.set_usual_link(free());
        pair.stand().await?;
        Bench { pair }.rows().await
    })
}

/// Two machines.
struct Bench<S> {
    pair: Real<S>,
}

impl<S: Site> Bench<S> {
    async fn rows(&mut self) -> Result<Vec<Row>, String> {
        let mut rows = Vec::new();
        for delay in DELAYS {
            self.hurt(Link { latency: Duration::from_millis(delay), ..free() }).await?;
            let (_, took) = self.ping(DELAYED, 5_000).await?;
            rows.push(Row::delay(
                &format!("latency {delay} ms"),
                "median",
                delay as f64,
                percentile(&took, 0.5),
                &took,
            ));
        }
        let jitter = Duration::from_millis(JITTER);
        self.hurt(Link { latency: Duration::from_millis(JITTERED), jitter, ..free() }).await?;
        // So far apart that no frame waits for the one before it, even where a busy machine sends some late.
        let (_, took) = self.ping(JITTERY, JITTER * 3_000).await?;
        let fault = format!("latency {JITTERED} ms, jitter {JITTER} ms");
        let (least, most) = (JITTERED as f64, (JITTERED + JITTER) as f64);
        rows.push(Row::delay(&fault, "median", (least + most) / 2.0, percentile(&took, 0.5), &took));
        rows.push(Row::delay(&fault, "nine of ten below", least + 0.9 * (most - least), percentile(&took, 0.9), &took));
        for loss in LOSSES {
            self.hurt(Link { loss, ..free() }).await?;
            let (sent, back) = self.ping(LOST, 1_000).await?;
            rows.push(Row::loss(loss, sent, sent.saturating_sub(back.len() as u64)));
        }
        for bandwidth in BANDWIDTHS {
            self.hurt(Link { bandwidth: Some(bandwidth), ..free() }).await?;
            rows.push(Row::bandwidth(bandwidth, self.flood().await?));
        }
        self.hurt(Link { cut: true, ..free() }).await?;
        let (sent, back) = self.ping(DELAYED, 1_000).await?;
        rows.push(Row::cut(sent, back.len() as u64));
        self.hurt(free()).await?;
        rows.push(Row::resumption(self.resumption().await?));
        Ok(rows)
    }

    /// Hurts the way there.
    async fn hurt(&mut self, link: Link) -> Result<(), String> {
        self.pair.set_link(NEAR, FAR, link);
        self.pair.settle().await
    }

    /// Datagrams sent, and how long each that came back was under way, in milliseconds.
    async fn ping(&mut self, count: u32, every_microseconds: u64) -> Result<(u64, Vec<f64>), String> {
        match self.probe(Probe::Ping { count, every_microseconds }).await? {
            Probed::Pinged { sent, microseconds } => {
                Ok((sent, microseconds.into_iter().map(|time| time as f64 / 1e3).collect()))
            }
            other => Err(format!("a ping came to {other:?}")),
        }
    }

    /// Bits per second that a connection carries.
    async fn flood(&mut self) -> Result<f64, String> {
        match self.probe(Probe::Flood { milliseconds: FLOOD }).await? {
            Probed::Flooded { bytes, microseconds } => Ok(bytes as f64 * 8e6 / microseconds.max(1) as f64),
            other => Err(format!("a flood came to {other:?}")),
        }
    }

    /// How long after a cut of both ways a connection carries again.
    async fn resumption(&mut self) -> Result<Duration, String> {
        let talking =
            self.pair.begin_probe(NEAR, FAR, Probe::Talk { milliseconds: WATCHED, every_milliseconds: 10 })?;
        sleep(Duration::from_secs(1)).await;
        let both = |pair: &mut Real<S>, cut| {
            [(NEAR, FAR), (FAR, NEAR)]
                .into_iter()
                .for_each(|(from, to)| pair.set_link(from, to, Link { cut, ..free() }));
        };
        both(&mut self.pair, true);
        self.pair.settle().await?;
        let cut = Stopwatch::start();
        sleep(CUT).await;
        both(&mut self.pair, false);
        self.pair.settle().await?;
        let cut = cut.elapsed();
        match self.pair.probed(talking).await? {
            Probed::Talked { longest_silence_microseconds, .. } => {
                let silence = Duration::from_micros(longest_silence_microseconds);
                // A connection that went on talking all the time was never cut, which is no resumption.
                silence
                    .checked_sub(cut)
                    .ok_or_else(|| format!("a cut of {cut:?} silenced a connection for {silence:?}"))
            }
            other => Err(format!("a talk came to {other:?}")),
        }
    }

    async fn probe(&mut self, probe: Probe) -> Result<Probed, String> {
        let probing = self.pair.begin_probe(NEAR, FAR, probe)?;
        self.pair.probed(probing).await
    }
}

impl Row {
    fn new(fault: &str, figure: &'static str, asked: f64, measured: f64, unit: &'static str) -> Self {
        let fault = fault.to_owned();
        Self { fault, figure, asked, measured, unit, allowed: (asked, asked), samples: 1, within: false }
    }

    /// The same with what is right, and whether it is.
    fn allowing(self, least: f64, most: f64, samples: u64) -> Self {
        Self { allowed: (least, most), samples, within: (least..=most).contains(&self.measured), ..self }
    }

    /// Nothing measured is not right: `took` is empty then.
    fn delay(fault: &str, figure: &'static str, asked: f64, measured: Option<f64>, took: &[f64]) -> Self {
        let off = (asked * 0.05).max(2.0);
        let row = Self::new(fault, figure, asked, measured.unwrap_or(f64::MAX), "ms");
        row.allowing((asked - off).max(0.0), asked + off, took.len() as u64)
    }

    fn loss(share: f64, sent: u64, lost: u64) -> Self {
        let within = |confidence| binomial_quantile(sent, share, confidence) as f64;
        let row =
            Self::new(&format!("loss {} %", share * 100.0), "lost", share * sent as f64, lost as f64, "datagrams");
        row.allowing(within(UNLIKELY / 2.0), within(1.0 - UNLIKELY / 2.0), sent)
    }

    fn bandwidth(asked: u64, measured: f64) -> Self {
        let asked = asked as f64 / 1e6;
        let row = Self::new(&format!("bandwidth {asked} Mbit/s"), "carried", asked, measured / 1e6, "Mbit/s");
        row.allowing(asked * 0.85, asked * 1.15, 1)
    }

    fn cut(sent: u64, crossed: u64) -> Self {
        Self::new("cut", "crossed", 0.0, crossed as f64, "datagrams").allowing(0.0, 0.0, sent)
    }

    fn resumption(after: Duration) -> Self {
        let row =
            Self::new(&format!("cut {} s, healed", CUT.as_secs()), "carries after", 0.0, after.as_secs_f64(), "s");
        row.allowing(0.0, 3.0, 1)
    }
}

/// Rows as aligned lines.
pub fn lines(rows: &[Row]) -> String {
    let head = ["fault", "figure", "asked", "measured", "allowed", "n", "verdict"].map(str::to_owned).to_vec();
    let line = |row: &Row| {
        let (least, most) = row.allowed;
        vec![
            row.fault.clone(),
            row.figure.to_owned(),
            format!("{} {}", figure(row.asked), row.unit),
            figure(row.measured),
            format!("{} to {}", figure(least), figure(most)),
            row.samples.to_string(),
            if row.within { "as asked" } else { "NOT as asked" }.to_owned(),
        ]
    };
    aligned(std::iter::once(head).chain(rows.iter().map(line)).collect())
}

fn figure(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A link that does nothing.
fn free() -> Link {
    Link { latency: Duration::ZERO, ..Link::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_off_by_more_than_is_allowed_is_not_as_asked() {
        let delay = |asked, measured| Row::delay("latency", "median", asked, Some(measured), &[measured]).within;
        assert_eq!([delay(5.0, 6.9), delay(5.0, 7.1), delay(5.0, 2.9)], [true, false, false]);
        assert_eq!([delay(250.0, 262.0), delay(250.0, 263.0)], [true, false]);
        assert!(!Row::delay("latency", "median", 0.0, None, &[]).within, "nothing came back");
        // 2,000 of a tenth: a standard deviation is 13.4, and a thousandth on both sides together is 3.3 of them.
        let loss = |lost| Row::loss(0.1, 2_000, lost).within;
        assert_eq!([loss(200), loss(240), loss(250), loss(160), loss(150)], [true, true, false, true, false]);
        let bandwidth = |measured| Row::bandwidth(10_000_000, measured).within;
        assert_eq!([bandwidth(8.6e6), bandwidth(8.4e6), bandwidth(11.6e6)], [true, false, false]);
        assert_eq!([Row::cut(100, 0).within, Row::cut(100, 1).within], [true, false]);
        let resumed = |milliseconds| Row::resumption(Duration::from_millis(milliseconds)).within;
        assert_eq!([resumed(1_400), resumed(3_100)], [true, false]);
    }

    #[test]
    fn a_row_is_a_line_with_its_verdict() {
        let page = lines(&[Row::cut(100, 3), Row::bandwidth(1_000_000, 0.95e6)]);
        assert_eq!(
            page.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>(),
            [
                "fault figure asked measured allowed n verdict",
                "cut crossed 0 datagrams 3 0 to 0 100 NOT as asked",
                "bandwidth 1 Mbit/s carried 1 Mbit/s 0.95 0.85 to 1.15 1 as asked",
            ]
        );
    }
}
