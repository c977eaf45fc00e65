//! A desk: where a method asks its node, or the cluster.

use jsonrpsee::types::ErrorObjectOwned;
use schism_node::control::{Answer, HeaderState, LedgerState, Question};
use serde_json::Value;
use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;

use crate::live::order::Order;
use crate::run::live::Request;

/// Bitcoin Core's codes of what can go wrong.
pub(super) mod code {
    /// Something that has no code of its own.
    pub(crate) const MISC: i32 = -1;
    /// No such block, transaction, peer or address.
    pub(crate) const NOT_FOUND: i32 = -5;
    /// An argument that makes no sense.
    pub(crate) const PARAMETER: i32 = -8;
    /// Bytes that are no transaction.
    pub(crate) const BYTES: i32 = -22;
    /// A transaction that was judged and refused.
    pub(crate) const REFUSED: i32 = -26;
}

/// What a method gives.
pub(super) type Said = Result<Value, ErrorObjectOwned>;

/// A node as its methods see it.
pub(super) struct Desk {
    /// Its name.
    pub(super) node: String,
    told: Sender<Request>,
}

/// What is wrong, in Core's form.
pub(super) fn wrong(code: i32, why: impl Into<String>) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(code, why.into(), None::<()>)
}

impl Desk {
    pub(super) fn new(node: String, told: Sender<Request>) -> Self {
        Self { node, told }
    }

    /// Gives the cluster an order.
    pub(super) async fn order(&self, order: Order) -> Said {
        let gone = || wrong(code::MISC, "the cluster is going down");
        let (reply, replied) = oneshot::channel();
        // Whoever asked may have hung up.
        let reply = Box::new(move |done| drop(reply.send(done)));
        self.told.send(Request { order, reply }).await.map_err(|_| gone())?;
        replied.await.map_err(|_| gone())?.map_err(|why| wrong(code::MISC, why))
    }

    /// Asks the node.
    pub(super) async fn ask(&self, question: Question) -> Result<Answer, ErrorObjectOwned> {
        let order = Order::Ask { node: self.node.clone(), question };
        serde_json::from_value(self.order(order).await?).map_err(|error| wrong(code::MISC, error.to_string()))
    }

    pub(super) async fn ledger(&self) -> Result<LedgerState, ErrorObjectOwned> {
        match self.ask(Question::Ledger).await? {
            Answer::Ledger(state) => Ok(state),
            other => Err(riddle(&other)),
        }
    }

    pub(super) async fn header(&self, hash: bitcoin::BlockHash) -> Result<HeaderState, ErrorObjectOwned> {
        match self.ask(Question::Header { hash }).await? {
            Answer::Header { state: Some(state) } => Ok(state),
            Answer::Header { state: None } => Err(wrong(code::NOT_FOUND, "Block not found")),
            other => Err(riddle(&other)),
        }
    }
}

/// An answer to another question.
pub(super) fn riddle(answer: &Answer) -> ErrorObjectOwned {
    wrong(code::MISC, format!("the node answered {answer:?}"))
}
