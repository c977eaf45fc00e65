//! The filter: what the kernel does with frames on their way into a node, said to nftables over netlink.
//!
//! ```text
//! table ip schism
//!   chain in   (input, priority -300)   from @cut   → count in @held, drop
//!                                       count in @carried
//!                                       from @kept  → queue 0, where the delay line keeps them
//!   chain deaf (input, priority -400), chain mute (output, priority -400): drop everything while the machine is down
//! ```
//!
//! Frames are dropped where they arrive, never where they leave: a sender whose frame is dropped on the way out hears of
//! it, and no partition tells. One batch changes a set at once. Numbers are those of
//! `include/uapi/linux/netfilter/nf_tables.h` and `nf_tables_compat.h`.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;

use nix::errno::Errno;
use nix::sys::socket::SockProtocol;
use serde::{Deserialize, Serialize};

use super::netlink::message::{ACKNOWLEDGE, APPEND, CREATE, DUMP, REQUEST};
use super::netlink::{Attributes, Message, Netlink};

const TABLE: &str = "schism";
/// nftables' part of netfilter.
const NFTABLES: u16 = 10;
const NEW_TABLE: u16 = 0;
const NEW_CHAIN: u16 = 3;
const NEW_RULE: u16 = 6;
const NEW_SET: u16 = 9;
const NEW_ELEMENTS: u16 = 12;
const LIST_ELEMENTS: u16 = 13;
const DELETE_ELEMENTS: u16 = 14;
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
/// IPv4, as netfilter numbers families.
const IPV4: u8 = 2;
const ON_THE_WAY_IN: u32 = 1;
const ON_THE_WAY_OUT: u32 = 3;
const DROP: u32 = 0;
const ACCEPT: u32 = 1;
/// Where a rule keeps the address it looks at.
const REGISTER: u32 = 1;
/// Where the source address stands in a packet of IPv4.
const SOURCE: (u32, u32) = (12, 4);
/// Addresses in one message: its list is an attribute, which holds 64 KB at most, and each takes 16 bytes of it.
const IN_A_MESSAGE: usize = 1_000;

/// A set of addresses in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// Nothing comes in from these.
    Cut,
    /// Frames from these go to the delay line.
    Kept,
    /// All peers, with what was dropped of each.
    Held,
    /// All peers, with what was let through of each.
    Carried,
}

/// How the kernel hands frames to the delay line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Queueing {
    /// By nftables' own expression.
    Native,
    /// By the older target, which nftables can carry.
    Compatible,
}

/// The filter of the network namespace it was made in.
#[derive(Debug)]
pub struct Filter {
    netlink: Netlink,
    /// How frames are handed to the delay line; nothing: this kernel cannot.
    queueing: Option<Queueing>,
}

impl Filter {
    /// Makes the filter, with counters for these peers.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn make(peers: &[Ipv4Addr]) -> io::Result<Self> {
        let netlink = Netlink::open(SockProtocol::NetlinkNetFilter)?;
        let mut filter = Self { netlink, queueing: None };
        let mut all = vec![
            message(NEW_TABLE, CREATE).text(1, TABLE),
            chain("deaf", ON_THE_WAY_IN, -400),
            chain("mute", ON_THE_WAY_OUT, -400),
            chain("in", ON_THE_WAY_IN, -300),
        ];
        all.extend([Set::Cut, Set::Kept, Set::Held, Set::Carried].map(Set::made));
        all.push(rule(|list| look_up(Set::Held, look_up(Set::Cut, list)), drop_it));
        all.push(rule(|list| look_up(Set::Carried, list), |list| list));
        filter.batch(all)?;
        for set in [Set::Held, Set::Carried] {
            filter.change(&[(set, true, peers.to_vec())])?;
        }
        for queueing in [Queueing::Native, Queueing::Compatible] {
            if filter.batch(vec![rule(|list| look_up(Set::Kept, list), |list| queueing.hand_over(list))]).is_ok() {
                filter.queueing = Some(queueing);
                break;
            }
        }
        Ok(filter)
    }

    /// How frames are handed to the delay line; nothing: this kernel cannot.
    pub fn queueing(&self) -> Option<Queueing> {
        self.queueing
    }

    /// Puts addresses into sets and takes others out, all at once.
    ///
    /// # Errors
    /// What the kernel said; nothing has changed then.
    pub fn change(&mut self, changes: &[(Set, bool, Vec<Ipv4Addr>)]) -> io::Result<()> {
        let messages = self::changes(changes);
        if messages.is_empty() { Ok(()) } else { self.batch(messages) }
    }

    /// Lets nothing in or out, or everything again.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn silence(&mut self, silent: bool) -> io::Result<()> {
        let policy = if silent { DROP } else { ACCEPT };
        let of = |name| message(NEW_CHAIN, 0).text(1, TABLE).text(3, name).number(5, policy);
        self.batch(vec![of("deaf"), of("mute")])
    }

    /// Frames and bytes counted for each peer of a set.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn counted(&mut self, set: Set) -> io::Result<BTreeMap<Ipv4Addr, (u64, u64)>> {
        let list = Message::new(kind(LIST_ELEMENTS), REQUEST | DUMP).with(&family(IPV4, 0));
        let said = self.netlink.list(list.text(1, TABLE).text(2, set.name()))?;
        // Behind the family: the list, in which each element has a key and an expression with its counter.
        let elements = said.iter().filter_map(|said| Attributes(said.content.get(4..)?).within(3)).flatten();
        let counted = elements.filter_map(|(_, element)| {
            let element = Attributes(element);
            let address: [u8; 4] = element.within(1)?.value(1)?.try_into().ok()?;
            let counter = element.within(7)?.within(2)?;
            Some((Ipv4Addr::from(address), (counter.long(2)?, counter.long(1)?)))
        });
        Ok(counted.collect())
    }

    fn batch(&mut self, messages: Vec<Message>) -> io::Result<()> {
        let edge = |kind| Message::new(kind, REQUEST).with(&family(0, NFTABLES));
        let mut all = vec![edge(BATCH_BEGIN)];
        all.extend(messages);
        all.push(edge(BATCH_END));
        self.netlink.ask(all)
    }
}

impl Set {
    fn name(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::Kept => "kept",
            Self::Held => "held",
            Self::Carried => "carried",
        }
    }

    fn made(self) -> Message {
        let address_type = 7; // what nft prints as `ipv4_addr`
        let set = message(NEW_SET, CREATE).text(1, TABLE).text(2, self.name()).number(3, 0);
        let set = set.number(4, address_type).number(5, SOURCE.1).number(10, self as u32 + 1);
        match self {
            Self::Cut | Self::Kept => set,
            Self::Held | Self::Carried => set.nest(17, |counter| {
                counter.text(1, "counter").nest(2, |data| data.attribute(1, &[0; 8]).attribute(2, &[0; 8]))
            }),
        }
    }
}

impl Queueing {
    /// To queue 0; where nobody listens, frames pass.
    fn hand_over(self, list: Message) -> Message {
        let (queue, queues, bypass) = (0_u16, 1_u16, 1_u16);
        match self {
            Self::Native => expression(list, "queue", |data| {
                let data = data.attribute(1, &queue.to_be_bytes()).attribute(2, &queues.to_be_bytes());
                data.attribute(3, &bypass.to_be_bytes())
            }),
            Self::Compatible => expression(list, "target", |data| {
                let words = [queue, queues, bypass, 0].map(u16::to_ne_bytes);
                data.text(1, "NFQUEUE").number(2, 3).attribute(3, &words.concat())
            }),
        }
    }
}

fn kind(of_nftables: u16) -> u16 {
    NFTABLES << 8 | of_nftables
}

/// What every message of netfilter begins with: the family, a version, and a number that only edges of batches use.
fn family(family: u8, resource: u16) -> [u8; 4] {
    let resource = resource.to_be_bytes();
    [family, 0, resource[0], resource[1]]
}

fn message(of_nftables: u16, flags: u16) -> Message {
    Message::new(kind(of_nftables), REQUEST | ACKNOWLEDGE | flags).with(&family(IPV4, 0))
}

fn chain(name: &str, hook: u32, priority: i32) -> Message {
    let place = |hooked: Message| hooked.number(1, hook).attribute(2, &priority.to_be_bytes());
    message(NEW_CHAIN, CREATE).text(1, TABLE).text(3, name).nest(4, place).number(5, ACCEPT).text(7, "filter")
}

/// A rule of chain `in`: what its frames have in common, and what becomes of them.
fn rule(of: impl FnOnce(Message) -> Message, then: impl FnOnce(Message) -> Message) -> Message {
    let rule = message(NEW_RULE, CREATE | APPEND).text(1, TABLE).text(2, "in");
    rule.nest(4, |list| {
        let source = expression(list, "payload", |data| {
            let network_header = 1;
            data.number(1, REGISTER).number(2, network_header).number(3, SOURCE.0).number(4, SOURCE.1)
        });
        then(of(source))
    })
}

fn look_up(set: Set, list: Message) -> Message {
    expression(list, "lookup", |data| data.text(1, set.name()).number(2, REGISTER))
}

fn drop_it(list: Message) -> Message {
    let verdict = |data: Message| data.nest(2, |verdict| verdict.number(1, DROP));
    expression(list, "immediate", |data| data.number(1, 0).nest(2, verdict))
}

fn expression(list: Message, name: &str, data: impl FnOnce(Message) -> Message) -> Message {
    list.nest(1, |expression| expression.text(1, name).nest(2, data))
}

/// What puts addresses into sets and takes others out.
fn changes(changes: &[(Set, bool, Vec<Ipv4Addr>)]) -> Vec<Message> {
    let messages = changes.iter().flat_map(|(set, put, addresses)| {
        let kind = if *put { NEW_ELEMENTS } else { DELETE_ELEMENTS };
        addresses.chunks(IN_A_MESSAGE).map(move |some| elements(kind, *set, some))
    });
    messages.collect()
}

fn elements(of_nftables: u16, set: Set, addresses: &[Ipv4Addr]) -> Message {
    let flags = if of_nftables == NEW_ELEMENTS { CREATE } else { 0 };
    message(of_nftables, flags).text(1, TABLE).text(2, set.name()).nest(3, |list| {
        let add = |list: Message, address: &Ipv4Addr| {
            list.nest(1, |element| element.nest(1, |key| key.attribute(1, &address.octets())))
        };
        addresses.iter().fold(list, add)
    })
}

/// Whether the kernel would have said this to someone who may not do it at all.
pub fn is_forbidden(error: &io::Error) -> bool {
    [Errno::EPERM, Errno::EACCES].map(|errno| errno as i32).contains(&error.raw_os_error().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervisor::netlink::message::HEADER;

    #[test]
    fn however_many_peers_there_are_each_is_in_one_message_that_holds_it() {
        let peers: Vec<Ipv4Addr> = (0..10_000).map(Ipv4Addr::from).collect();
        let messages = changes(&[(Set::Cut, true, peers), (Set::Kept, false, Vec::new())]);
        let listed = |message: Message| {
            let bytes = message.numbered(1);
            assert_eq!(bytes.len(), u32::from_ne_bytes(bytes[..4].try_into().unwrap()) as usize);
            Attributes(&bytes[HEADER + 4..]).within(3).expect("a list").count()
        };
        assert_eq!(messages.into_iter().map(listed).sum::<usize>(), 10_000);
    }
}
