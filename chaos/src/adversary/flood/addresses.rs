//! Made-up addresses: names that nobody has, where nobody lives. A node may keep some of them and look there in vain; an answer
//! with more than an answer may hold is rubbish.

use rand::RngExt;
use rand::rngs::StdRng;
use schism_node::wire::limits::{ADDRESSES_PER_RESPONSE, RESPONSE_BYTES};
use schism_node::wire::{Multiaddr, PeerId, Response, encode_response};

use crate::adversary::rogue::name;

/// An answer to who asks for addresses: one time as many as it may hold, the other time twice as many.
pub(super) fn answer(chance: &mut StdRng) -> Vec<u8> {
    let made_up = (0..ADDRESSES_PER_RESPONSE).map(|_| (name(chance).public().to_peer_id(), address(chance)));
    let made_up: Vec<(PeerId, Multiaddr)> = made_up.collect();
    let whole = encode_response(&Response::Addresses(made_up), RESPONSE_BYTES);
    if chance.random() { whole } else { twice(&whole) }
}

/// The same list twice. Below 253 a number of items is one byte, after the kind's.
fn twice(answer: &[u8]) -> Vec<u8> {
    let (head, items) = answer.split_at(2);
    [&[head[0], 2 * head[1]], items, items].concat()
}

fn address(chance: &mut StdRng) -> Multiaddr {
    let [group, high, low] = chance.random::<[u8; 3]>();
    format!("/ip4/241.{group}.{high}.{low}/tcp/4001").parse().expect("four numbers and a port")
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use schism_node::wire::decode_response;

    use super::*;

    #[test]
    fn an_answer_holds_as_much_as_it_may_or_twice_that_and_is_refused() {
        let mut chance = StdRng::seed_from_u64(1);
        let (mut taken, mut refused) = (0, 0);
        for _ in 0..20 {
            match decode_response(&answer(&mut chance), RESPONSE_BYTES) {
                Ok(Response::Addresses(told)) => taken += usize::from(told.len() == ADDRESSES_PER_RESPONSE),
                _ => refused += 1,
            }
        }
        assert!(taken > 0 && refused > 0 && taken + refused == 20, "{taken} {refused}");
    }
}
