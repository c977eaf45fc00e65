//! Proofs: counters before, during and after each fault.

use schism_chaos::progress::Act;

use crate::backend::Backend;
use crate::checks::View;
use crate::cluster::Cluster;
use crate::timeline::Entry;

/// What was noted of every fault so far.
#[derive(Debug, Default)]
pub struct Proofs {}

impl Proofs {
    /// Notes how things stand before an act.
    pub fn before<B: Backend>(&mut self, _act: &Act, _cluster: &Cluster<B>, _view: &View) {}
    /// Notes how things stand after an act.
    pub fn after<B: Backend>(&mut self, _act: &Act, _cluster: &Cluster<B>, _view: &View) {}
    /// Notes what happened.
    pub fn notice(&mut self, _entry: &Entry, _view: &View) {}
}
