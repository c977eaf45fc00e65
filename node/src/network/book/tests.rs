//! Laws of the book, whatever it is told.

use proptest::prelude::*;
use rand::SeedableRng;

use super::*;
use crate::bounds::{NEW_PER_BUCKET, TRIED_PER_BUCKET};

/// The address of host number `host` in a group.
fn address(group: u8, host: u16) -> Multiaddr {
    let [high, low] = host.to_be_bytes();
    format!("/ip4/240.{group}.{high}.{low}/tcp/4001").parse().expect("an address")
}

fn source(group: u8) -> Group {
    Group::of(&address(group, 1))
}

/// A peer whose name follows from a number.
fn peer(number: u16) -> PeerId {
    let [high, low] = number.to_be_bytes();
    PeerId::from_bytes(&[0, 2, high, low]).expect("an identity multihash is a peer id")
}

/// Something that happens to a book.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Learn { who: u16, group: u8, source: u8 },
    Meet(u16),
    Miss(u16),
    Forget(u16),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let who = 0..400_u16;
    let deed = prop_oneof![
        4 => (who.clone(), 0..6_u8, 0..6_u8).prop_map(|(who, group, source)| Deed::Learn { who, group, source }),
        2 => who.clone().prop_map(Deed::Meet),
        1 => who.clone().prop_map(Deed::Miss),
        1 => who.prop_map(Deed::Forget),
    ];
    prop::collection::vec(deed, 0..600)
}

fn play(book: &mut Book, deeds: &[Deed]) {
    let mut chance = StdRng::seed_from_u64(1);
    for deed in deeds {
        match *deed {
            Deed::Learn { who, group, source: from } => {
                book.learn(peer(who), vec![address(group, who)], &source(from), |_| false, &mut chance);
            }
            Deed::Meet(who) => book.met(peer(who)),
            Deed::Miss(who) => book.missed(peer(who)),
            Deed::Forget(who) => book.forget(peer(who)),
        }
    }
}

/// What must always be true of a book in buckets.
fn is_in_order(book: &Book) {
    let tables = book.tables.as_ref().expect("it is in buckets");
    assert!(book.len() <= ADDRESSES);
    assert_eq!(tables.all().count(), book.len(), "everyone has one place, and nobody else has one");
    for (slot, peer) in tables.all() {
        let entry = &book.entries[&peer];
        assert_eq!(entry.slot, Some(slot));
        let belongs = if slot.tried {
            tables.tried_slot(&peer, &entry.group())
        } else {
            tables.new_slot(&peer, &entry.group(), &entry.source)
        };
        assert_eq!(slot, belongs);
    }
    assert!(book.challenges.len() <= CHALLENGES);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_book_stays_in_order_whatever_it_is_told(deeds in deeds(), try_before_evict: bool) {
        let mut book = Book::in_buckets(7, try_before_evict);
        play(&mut book, &deeds);
        is_in_order(&book);
    }

    #[test]
    fn notes_hold_the_whole_book(deeds in deeds(), buckets: bool) {
        let mut book = Book::opened(None, buckets, false, 7).0;
        play(&mut book, &deeds);
        let anchors = vec![(peer(1), vec![address(1, 1)])];
        let text = notes::written(&book, &anchors);
        let (again, anchored) = Book::opened(Some(&text), buckets, false, 8);
        prop_assert_eq!(anchored, anchors);
        let all = |book: &Book| book.entries.iter().map(|(peer, entry)| (*peer, entry.slot, entry.addresses.clone())).collect::<Vec<_>>();
        prop_assert_eq!(all(&again), all(&book));
    }

    #[test]
    fn what_notes_would_say_changes_with_its_number_only(deeds in deeds(), buckets: bool, try_before_evict: bool) {
        let mut book = Book::opened(None, buckets, try_before_evict, 7).0;
        for deed in deeds {
            let (said, number) = (notes::written(&book, &[]), book.changes());
            play(&mut book, &[deed]);
            prop_assert!(notes::written(&book, &[]) == said || book.changes() != number, "{deed:?}");
        }
    }

    #[test]
    fn notes_that_somebody_damaged_are_read_as_far_as_they_go(text in "\\PC{0,200}", lines in prop::collection::vec("(new|tried|anchor|secret) [a-zA-Z0-9/. ]{0,40}", 0..20)) {
        let (book, _) = Book::opened(Some(&format!("{text}\n{}", lines.join("\n"))), true, true, 7);
        is_in_order(&book);
    }
}

#[test]
fn what_one_group_tells_of_reaches_four_buckets_and_one_group_of_addresses_two() {
    let mut book = Book::in_buckets(7, false);
    let mut chance = StdRng::seed_from_u64(1);
    for who in 0..5_000 {
        book.learn(peer(who), vec![address((who % 200) as u8, who)], &source(1), |_| false, &mut chance);
    }
    assert!(book.len() <= 4 * NEW_PER_BUCKET as usize, "{}", book.len());
    let mut book = Book::in_buckets(7, false);
    for who in 0..5_000 {
        book.learn(peer(who), vec![address(1, who)], &source((who % 200) as u8), |_| false, &mut chance);
        book.met(peer(who));
    }
    assert!(book.counts().0 <= 2 * TRIED_PER_BUCKET as usize, "{:?}", book.counts());
}

#[test]
fn a_flat_book_is_filled_by_whoever_talks_most() {
    let mut book = Book::default();
    let mut chance = StdRng::seed_from_u64(1);
    for who in 0..5_000 {
        book.learn(peer(who), vec![address(1, who)], &source(1), |_| false, &mut chance);
    }
    assert_eq!(book.len(), ADDRESSES);
}

/// Two peers who want one place among those who were met.
fn rivals(book: &Book) -> (u16, u16) {
    let tables = book.tables.as_ref().expect("it is in buckets");
    let slot = |who: u16| tables.tried_slot(&peer(who), &source(1));
    let other = (1..2_000).find(|who| slot(*who) == slot(0)).expect("there are fewer places");
    (0, other)
}

fn met_both(try_before_evict: bool) -> (Book, PeerId, PeerId) {
    let mut book = Book::in_buckets(7, try_before_evict);
    let mut chance = StdRng::seed_from_u64(1);
    let (first, second) = rivals(&book);
    for (who, from) in [(first, 1), (second, 2)] {
        book.learn(peer(who), vec![address(1, who)], &source(from), |_| false, &mut chance);
        book.met(peer(who));
    }
    (book, peer(first), peer(second))
}

fn is_tried(book: &Book, peer: PeerId) -> bool {
    book.entries.get(&peer).is_some_and(|entry| entry.slot.is_some_and(|slot| slot.tried))
}

#[test]
fn who_was_met_last_takes_the_place_unless_who_has_it_is_tried_first() {
    let (book, first, second) = met_both(false);
    assert!(!is_tried(&book, first) && is_tried(&book, second));
    let (mut book, first, second) = met_both(true);
    assert!(is_tried(&book, first) && !is_tried(&book, second));
    let mut chance = StdRng::seed_from_u64(1);
    assert_eq!(book.doubtful(&mut chance, |_| true), Some(first));
    book.met(first);
    assert!(is_tried(&book, first) && book.challenges.is_empty());
    book.met(second);
    book.missed(first);
    assert!(!is_tried(&book, first) && is_tried(&book, second));
    is_in_order(&book);
}

#[test]
fn addresses_that_come_later_push_nobody_out_who_can_be_reached() {
    let mut book = Book::in_buckets(7, false);
    let mut chance = StdRng::seed_from_u64(1);
    let honest: Vec<u16> = (0..20).collect();
    for who in &honest {
        book.learn(peer(*who), vec![address(*who as u8, *who)], &source(*who as u8), |_| false, &mut chance);
    }
    let before = book.len();
    for who in 100..5_000 {
        book.learn(
            peer(who),
            vec![address((who % 250) as u8, who)],
            &source((who / 250) as u8),
            |_| false,
            &mut chance,
        );
    }
    let left = honest.iter().filter(|who| book.knows(peer(**who))).count();
    assert_eq!(left, before);
}
