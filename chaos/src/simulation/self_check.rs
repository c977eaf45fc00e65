//! The check at the start of every simulation: is time the runtime's, and randomness the seed's?
//!
//! Determinism alone proves nothing: with libp2p's timers on the real clock two runs agree byte for byte, because no
//! timer ever fires. So the check runs on threads set up just as the simulation's, and says what failed.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use futures::future::{Either, select};
use futures_timer::Delay;

use super::{clock, runtime};

/// What is wrong with this build, and how to put it right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum Doubt {
    #[error("futures-timer's Delay does not follow the virtual clock: is the patch in Cargo.toml and Cargo.lock?")]
    Delay,
    #[error("std's Instant does not follow the virtual clock: is clock_gettime ours? (Linux only)")]
    Instant,
    #[error("std's SystemTime does not follow the virtual clock: is clock_gettime ours? (Linux only)")]
    SystemTime,
    #[error("the real clock cannot be read beside the virtual one")]
    RealTime,
    #[error("std's RandomState does not follow the seed: is getrandom ours? (Linux only)")]
    RandomState,
    #[error("rand does not follow the seed: RUSTFLAGS in the environment replace those of .cargo/config.toml")]
    Rand,
    #[error("getrandom 0.3 does not follow the seed: it needs --cfg getrandom_backend=\"linux_getrandom\"")]
    Getrandom03,
    #[error("getrandom 0.4 does not follow the seed: it needs --cfg getrandom_backend=\"linux_getrandom\"")]
    Getrandom04,
}

/// What a thread draws first from each source of randomness that libp2p and std use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Draws {
    states: [u64; 2],
    rand: u64,
    getrandom_03: [u8; 8],
    getrandom_04: [u8; 8],
}

impl Draws {
    pub(super) fn take() -> Self {
        let mut draws = Self {
            states: [RandomState::new().hash_one(0u8), RandomState::new().hash_one(0u8)],
            #[expect(clippy::disallowed_methods, reason = "this is what is checked")]
            rand: rand::random(),
            getrandom_03: [0; 8],
            getrandom_04: [0; 8],
        };
        // A source that fails leaves zeros, which no other seed changes, and that is noticed.
        let _ = getrandom_03::fill(&mut draws.getrandom_03);
        let _ = getrandom_04::fill(&mut draws.getrandom_04);
        draws
    }
}

/// Runs the check before a simulation with this seed; gives what its thread must draw first.
pub(super) fn rehearse(seed: u64) -> Result<Draws, Doubt> {
    let draws = on_a_fresh_thread(move || {
        runtime::enter(seed);
        let draws = Draws::take();
        an_hour_passes()?;
        Ok(draws)
    })?;
    let others = on_a_fresh_thread(move || {
        runtime::enter(!seed);
        Ok(Draws::take())
    })?;
    // A constant would follow every seed.
    first_doubt(&draws, &others, |one, other| one != other)?;
    Ok(draws)
}

/// Whether two threads of one seed drew the same.
pub(super) fn compare(drawn: &Draws, expected: &Draws) -> Result<(), Doubt> {
    first_doubt(drawn, expected, |one, other| one == other)
}

fn first_doubt(one: &Draws, other: &Draws, fits: fn(&[u8], &[u8]) -> bool) -> Result<(), Doubt> {
    let bytes = |draws: &Draws| draws.states.map(u64::to_be_bytes).concat();
    let pairs = [
        (bytes(one), bytes(other), Doubt::RandomState),
        (one.getrandom_03.to_vec(), other.getrandom_03.to_vec(), Doubt::Getrandom03),
        (one.getrandom_04.to_vec(), other.getrandom_04.to_vec(), Doubt::Getrandom04),
        (one.rand.to_be_bytes().to_vec(), other.rand.to_be_bytes().to_vec(), Doubt::Rand),
    ];
    match pairs.into_iter().find(|(one, other, _)| !fits(one, other)) {
        Some((_, _, doubt)) => Err(doubt),
        None => Ok(()),
    }
}

fn on_a_fresh_thread<T: Send + 'static>(check: impl FnOnce() -> Result<T, Doubt> + Send + 'static) -> Result<T, Doubt> {
    thread::spawn(check).join().unwrap_or_else(|payload| std::panic::resume_unwind(payload))
}

const HOUR: Duration = Duration::from_secs(3_600);

#[expect(clippy::disallowed_methods, reason = "this is what is checked")]
fn an_hour_passes() -> Result<(), Doubt> {
    let real = clock::Stopwatch::start();
    runtime::runtime().block_on(async {
        clock::follow_the_runtime();
        let (instant, wall) = (Instant::now(), SystemTime::now());
        // On the real clock the Delay would take a real hour; this other timer of two virtual ones ends the wait.
        let limit = tokio::time::sleep(2 * HOUR);
        if let Either::Right(_) = select(Delay::new(HOUR), std::pin::pin!(limit)).await {
            return Err(Doubt::Delay);
        }
        if instant.elapsed() != HOUR {
            return Err(Doubt::Instant);
        }
        if wall.elapsed().ok() != Some(HOUR) || wall != SystemTime::UNIX_EPOCH + schism_node::clock::LAB_EPOCH {
            return Err(Doubt::SystemTime);
        }
        Ok(())
    })?;
    let passed = real.elapsed();
    if passed.is_zero() || passed >= HOUR { Err(Doubt::RealTime) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws() -> Draws {
        Draws { states: [1, 2], rand: 3, getrandom_03: [4; 8], getrandom_04: [5; 8] }
    }

    #[test]
    fn the_source_that_left_the_seed_is_named() {
        assert_eq!(compare(&draws(), &draws()), Ok(()));
        let named = |spoil: fn(&mut Draws)| {
            let mut drawn = draws();
            spoil(&mut drawn);
            compare(&drawn, &draws()).unwrap_err()
        };
        assert_eq!(named(|drawn| drawn.states[1] = 0), Doubt::RandomState);
        assert_eq!(named(|drawn| drawn.rand = 0), Doubt::Rand);
        assert_eq!(named(|drawn| drawn.getrandom_03 = [0; 8]), Doubt::Getrandom03);
        assert_eq!(named(|drawn| drawn.getrandom_04 = [0; 8]), Doubt::Getrandom04);
    }

    #[test]
    fn this_build_can_simulate() {
        assert_eq!(rehearse(1), rehearse(1));
        assert_ne!(rehearse(1).unwrap(), rehearse(2).unwrap());
    }

    #[test]
    fn a_thread_beside_the_simulation_has_the_kernels_time_and_chance() {
        let real = on_a_fresh_thread(|| Ok(Draws::take())).unwrap();
        assert_ne!(real, on_a_fresh_thread(|| Ok(Draws::take())).unwrap());
        #[expect(clippy::disallowed_methods, reason = "this is what is checked")]
        let now = SystemTime::now();
        // The lab's epoch is in 2023; nobody runs this before 2024.
        assert!(now > SystemTime::UNIX_EPOCH + schism_node::clock::LAB_EPOCH + 1_000 * HOUR);
    }
}
