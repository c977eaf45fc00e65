//! A verifier for real runs: a few threads that check a block's signatures side by side.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::chain::SignatureCheck;
use crate::surroundings::Verifier;

/// Checks signatures on several threads, which live as long as one batch.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    threads: usize,
}

impl Pool {
    /// A pool of this many threads, the caller's included.
    pub fn of(threads: NonZeroUsize) -> Self {
        Self { threads: threads.get() }
    }

    /// A pool that uses every core.
    pub fn of_all_cores() -> Self {
        Self::of(thread::available_parallelism().unwrap_or(NonZeroUsize::MIN))
    }
}

impl Verifier for Pool {
    fn verify(&self, checks: &[SignatureCheck]) -> Result<(), usize> {
        // A thread costs about as much to start as one signature to check, so few checks are not worth one.
        let threads = self.threads.min(checks.len().div_ceil(CHUNK)).max(1);
        let next = AtomicUsize::new(0);
        let first_bad = AtomicUsize::new(usize::MAX);
        let work = || {
            loop {
                let begin = next.fetch_add(CHUNK, Ordering::Relaxed);
                // All before the first bad one have to be looked at, or another run may name another.
                if begin >= checks.len().min(first_bad.load(Ordering::Relaxed)) {
                    return;
                }
                let chunk = &checks[begin..checks.len().min(begin + CHUNK)];
                if let Some(bad) = chunk.iter().position(|check| !check.holds()) {
                    first_bad.fetch_min(begin + bad, Ordering::Relaxed);
                }
            }
        };
        thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(work);
            }
            work();
        });
        match first_bad.into_inner() {
            usize::MAX => Ok(()),
            bad => Err(bad),
        }
    }
}

/// Checks that a thread takes at a time.
const CHUNK: usize = 8;

/// Checks signatures on the caller's thread, one after the other.
#[derive(Clone, Copy, Debug, Default)]
pub struct Inline;

impl Verifier for Inline {
    fn verify(&self, checks: &[SignatureCheck]) -> Result<(), usize> {
        checks.iter().position(|check| !check.holds()).map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A check that nothing is signed, which holds, or that a signature stands under no key, which does not.
    fn check(holds: bool) -> SignatureCheck {
        let signature = bitcoin::secp256k1::ecdsa::Signature::from_compact(&[1; 64]).expect("in range");
        let signed = [([0; 32], signature)];
        SignatureCheck::new(if holds { &[] } else { &signed }, &[])
    }

    #[test]
    fn every_number_of_threads_names_the_first_bad_check() {
        for threads in 1..5 {
            let pool = Pool::of(NonZeroUsize::new(threads).expect("not zero"));
            for count in [0, 1, CHUNK, 100] {
                let good: Vec<_> = (0..count).map(|_| check(true)).collect();
                assert_eq!(pool.verify(&good), Ok(()));
                for first in 0..count {
                    let mut checks = good.clone();
                    checks[first] = check(false);
                    checks[count - 1] = check(false);
                    assert_eq!(pool.verify(&checks), Err(first), "{threads} threads, {count} checks");
                    assert_eq!(Inline.verify(&checks), Err(first));
                }
            }
        }
    }
}
