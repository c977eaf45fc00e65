//! Metrics: one node's figures in Prometheus' text form.

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use schism_node::control::{Answer, Question};

use super::desk::Desk;

/// What is known of a node now. One that does not answer is not up, and that is all there is to say.
pub(super) async fn text(desk: &Desk) -> String {
    let mut figures = Figures::of(&desk.node);
    let answers = [desk.ask(Question::Ledger).await, desk.ask(Question::Pool).await, desk.ask(Question::Peers).await];
    figures.gauge("up", "Whether the node answers", i64::from(answers.iter().all(Result::is_ok)));
    for answer in answers.into_iter().flatten() {
        figures.take(&answer);
    }
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = encode(&mut text, &figures.0);
    text
}

struct Figures(Registry);

impl Figures {
    fn of(node: &str) -> Self {
        let label = ("node".into(), node.to_owned().into());
        Self(Registry::with_prefix_and_labels("schism", std::iter::once(label)))
    }

    fn take(&mut self, answer: &Answer) {
        let number = |size: usize| i64::try_from(size).unwrap_or(i64::MAX);
        match answer {
            Answer::Ledger(ledger) => {
                self.gauge("height", "Height of the best chain", i64::from(ledger.tip.height));
                self.gauge("coins", "Unspent outputs", i64::try_from(ledger.coins).unwrap_or(i64::MAX));
                self.counter(
                    "signature_checks",
                    "Signature checks asked of the verifier",
                    None,
                    ledger.signature_checks,
                );
            }
            Answer::Pool(pool) => {
                self.gauge("mempool_transactions", "Transactions in the pool", number(pool.transactions.len()));
                self.gauge("mempool_bytes", "Serialised bytes in the pool", number(pool.bytes));
                self.gauge("orphans", "Transactions that wait for a parent", number(pool.orphans));
            }
            Answer::Peers(peers) => {
                self.gauge("peers", "Connected peers", number(peers.connected.len()));
                self.gauge("banned_peers", "Peers that are refused", number(peers.banned.len()));
                self.gauge("known_addresses", "Peers whose addresses are known", number(peers.addresses));
                self.gauge(
                    "most_unjudged",
                    "Items that waited for a verdict at once, at most",
                    number(peers.most_unjudged),
                );
                self.counter("served", "Payload sent", Some(Unit::Bytes), peers.bytes_served);
                self.counter("received", "Payload received", Some(Unit::Bytes), peers.bytes_received);
            }
            _ => {}
        }
    }

    fn gauge(&mut self, name: &str, help: &str, value: i64) {
        let gauge = Gauge::<i64>::default();
        gauge.set(value);
        self.0.register(name, help, gauge);
    }

    fn counter(&mut self, name: &str, help: &str, unit: Option<Unit>, value: u64) {
        let counter = Counter::<u64>::default();
        counter.inc_by(value);
        match unit {
            Some(unit) => self.0.register_with_unit(name, help, unit, counter),
            None => self.0.register(name, help, counter),
        }
    }
}
