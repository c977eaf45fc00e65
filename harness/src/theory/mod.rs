//! Theory: closed formulas from the literature that measured numbers are held against. Plain functions; the tests hold
//! them against published tables.
//!
//! - [`censorship`]: how long a payment waits that some miners leave out, and how often a block with it is undone.
//! - [`difficulty`]: how long blocks take after hash power has changed, or under lies about the time.
//! - [`double_spend`]: how often a private branch undoes a payment, in three tables that are up to a factor 2 apart.
//! - [`eclipse`]: how likely all peers that a node draws are one owner's.
//! - [`race`]: how long such a race lasts, by walking through its states.
//! - [`selfish`]: revenue and stale blocks of selfish mining.
//! - [`stale_blocks`]: at how many heights two blocks are found.

pub mod censorship;
pub mod difficulty;
pub mod double_spend;
pub mod eclipse;
pub mod race;
pub mod selfish;
pub mod stale_blocks;

/// The probability that the attacker found `m` blocks by the time the others found their `n`-th, each block being the
/// attacker's with probability `q`: C(m + n − 1, m) pⁿ qᵐ.
fn found_meanwhile(q: f64, n: u32, m: u32) -> f64 {
    let p = 1.0 - q;
    let ways = (1..=m).fold(1.0, |ways, k| ways * f64::from(n - 1 + k) / f64::from(k));
    ways * p.powf(n.into()) * q.powf(m.into())
}
