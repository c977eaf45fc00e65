//! What is heard from peers, and what is made of it.

use std::sync::Arc;

use bitcoin::bip152::{BlockTransactions, BlockTransactionsRequest};
use bitcoin::{Block, Transaction};
use schism_wire::{Announcement, AskId, Event as Heard, GossipId, Judgement, PeerId, Request, Response};

use super::Network;
use super::told::OFF;
use crate::bounds::{ADDRESSES_PER_RESPONSE, ASKS_PER_PEER, RUBBISH_BLAME};
use crate::control::Event;
use crate::messages::{Source, ToLedger, ToMempool};
use crate::network::admission::Origin;
use crate::network::book::Group;
use crate::network::sync::Unasked;

impl Network {
    pub(super) fn heard(&mut self, event: Heard) {
        let now = self.now();
        match event {
            Heard::Listening { address } => {
                self.wire.add_external_address(address.clone());
                (self.events)(Event::Listening { address });
            }
            Heard::Connected { peer, outbound, address } => {
                self.peers.connected(peer, outbound);
                self.overlay.connected(peer, now);
                (self.events)(Event::PeerConnected { peer, outbound });
                let group = Group::of(&address);
                if outbound {
                    if !self.peers.book().knows(peer) {
                        self.peers.learn(peer, vec![address], &group, &mut self.chance);
                    }
                    self.peers.book_mut().met(peer);
                } else if let Some(leaves) = self.inbound.arrived(peer, group, now) {
                    self.wire.disconnect(leaves, "makes room for a newcomer");
                }
                if !self.active {
                    self.wire.disconnect(peer, OFF);
                }
            }
            Heard::Disconnected { peer, reason } => {
                self.peers.disconnected(peer);
                self.inbound.left(peer);
                self.overlay.disconnected(peer, now);
                self.sync.disconnected(peer);
                self.reconcile.disconnected(peer);
                (self.events)(Event::PeerDisconnected { peer, reason });
            }
            Heard::DialFailed { peer, tried, reason } => {
                tracing::debug!(%peer, reason, "a dial failed");
                if tried {
                    self.peers.book_mut().missed(peer);
                }
                self.overlay.dial_failed(peer, now);
            }
            Heard::Subscribed { peer } => {
                self.sync.introduced(peer);
                self.reconcile.introduced(peer);
            }
            Heard::Identified { peer, addresses } => {
                let source = self.source(peer);
                self.peers.learn(peer, addresses, &source, &mut self.chance);
            }
            Heard::RoundTrip { peer, time } => {
                self.peers.round_trip(peer, time);
                self.inbound.round_trip(peer, time);
            }
            Heard::Gossip { from, id, announcement } => self.gossiped(from, id, announcement),
            Heard::Requested { ask, peer, request } => self.requested(ask, peer, request),
            Heard::Answered { peer, asked, response } => {
                if self.answered(peer, asked, response).is_err() {
                    self.charge(peer, RUBBISH_BLAME, "answered with what it was not asked for", None);
                }
            }
            Heard::Failed { peer, asked, failure } => {
                self.sync.failed(peer, &asked, &failure, now);
                match asked {
                    Request::BlockTransactions(asked) => self.missing(peer, &asked, None),
                    Request::Transactions { txids } => drop(self.reconcile.answered(peer, &txids, Vec::new())),
                    _ => {}
                }
            }
            Heard::Rubbish { peer, what } => self.charge(peer, RUBBISH_BLAME, &format!("rubbish: {what}"), None),
        }
    }

    fn gossiped(&mut self, from: PeerId, id: GossipId, announcement: Announcement) {
        let now = self.now();
        let Some(item) = self.admission.admit(from, Origin::Gossip(id.clone()), now) else {
            self.wire.judge(&id, Judgement::Ignore);
            if let Announcement::Block(_) = announcement {
                self.sync.ask_headers(from, None);
            }
            return;
        };
        let source = Source::Peer { peer: from, item };
        match announcement {
            Announcement::Block(compact) => self.ring.mempool.tell(ToMempool::Reconstruct { compact, source }),
            Announcement::Transaction(transaction) => {
                self.ring.ledger.tell(ToLedger::CheckTransaction { transaction, source });
            }
        }
    }

    fn requested(&mut self, ask: AskId, peer: PeerId, request: Request) {
        if self.wire.asks_of(peer) > ASKS_PER_PEER {
            return self.wire.ignore(ask);
        }
        match request {
            Request::Headers { .. } | Request::Blocks { .. } | Request::BlockTransactions(_) => {
                self.ring.ledger.tell(ToLedger::Serve { ask, request });
            }
            Request::Transactions { .. } | Request::Pool => {
                self.ring.mempool.tell(ToMempool::Serve { ask, request });
            }
            Request::Addresses => {
                let known = self.peers.some(ADDRESSES_PER_RESPONSE, peer, &mut self.chance);
                self.wire.respond(ask, Response::Addresses(known));
            }
        }
    }

    fn answered(&mut self, peer: PeerId, asked: Request, response: Response) -> Result<(), Unasked> {
        match (asked, response) {
            (Request::Headers { .. }, Response::Headers(headers)) => {
                self.sync.headers_answered(peer, headers.len());
                if !headers.is_empty() {
                    match self.admission.admit(peer, Origin::Response, self.now()) {
                        Some(item) => {
                            let source = Source::Peer { peer, item };
                            self.ring.ledger.tell(ToLedger::CheckHeaders { headers, source });
                        }
                        None => self.sync.ask_headers(peer, None),
                    }
                }
            }
            (Request::Blocks { hashes }, Response::Blocks(blocks)) => {
                for block in self.sync.blocks_answered(peer, &hashes, blocks, self.now())? {
                    self.check_block(peer, block);
                }
            }
            (Request::Transactions { txids }, Response::Transactions(found)) => {
                for transaction in self.reconcile.answered(peer, &txids, found)? {
                    self.check_transaction(peer, transaction);
                }
            }
            (Request::BlockTransactions(asked), Response::BlockTransactions(found)) => {
                let fits = found.as_ref().is_none_or(|found| {
                    found.block_hash == asked.block_hash && found.transactions.len() <= asked.indexes.len()
                });
                self.missing(peer, &asked, found.filter(|_| fits));
                return if fits { Ok(()) } else { Err(Unasked) };
            }
            (Request::Pool, Response::Pool(txids)) if !txids.is_empty() => {
                self.ring.mempool.tell(ToMempool::Offered { peer, txids });
            }
            (Request::Addresses, Response::Addresses(known)) => {
                let (local, source) = (self.wire.local_peer(), self.source(peer));
                for (known, address) in known.into_iter().filter(|(known, _)| *known != local) {
                    if !self.peers.book().knows(known) && !self.peers.is_banned(known) {
                        self.peers.learn(known, vec![address], &source, &mut self.chance);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The part of the network that what a peer says of others comes from.
    fn source(&self, peer: PeerId) -> Group {
        let group = self.inbound.group(peer).or_else(|| self.peers.book().group(peer));
        group.unwrap_or_else(|| Group::named("unknown"))
    }

    fn check_block(&mut self, peer: PeerId, block: Arc<Block>) {
        let hash = block.block_hash();
        match self.admission.admit(peer, Origin::Body(hash), self.now()) {
            Some(item) => {
                self.ring.ledger.tell(ToLedger::CheckBlock { block, source: Source::Peer { peer, item } });
            }
            None => self.sync.not_admitted(hash),
        }
    }

    fn check_transaction(&mut self, peer: PeerId, transaction: Arc<Transaction>) {
        match self.admission.admit(peer, Origin::Response, self.now()) {
            Some(item) => {
                let source = Source::Peer { peer, item };
                self.ring.ledger.tell(ToLedger::CheckTransaction { transaction, source });
            }
            None => self.reconcile.want(peer, vec![transaction.compute_txid()]),
        }
    }

    fn missing(&mut self, peer: PeerId, asked: &BlockTransactionsRequest, transactions: Option<BlockTransactions>) {
        self.ring.mempool.tell(ToMempool::Missing { peer, hash: asked.block_hash, transactions });
    }
}
