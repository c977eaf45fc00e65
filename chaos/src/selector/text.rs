//! Text of selectors: `half of role:miner`, `one`, `miner-0, group:east`, `hashpower:>50%`.

use std::fmt;
use std::str::FromStr;

use super::{Amount, Role, Selector, Set};
use crate::quantity::{Share, Unreadable};

impl FromStr for Selector {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let text = text.trim();
        if let Some((amount, sets)) = text.split_once(" of ") {
            let amount =
                parse_amount(amount.trim())?.ok_or_else(|| wrong(format!("`{amount}` is not a number of nodes")))?;
            return Ok(Self { amount, among: parse_sets(sets)? });
        }
        match parse_amount(text)? {
            Some(amount) => Ok(Self { amount, among: vec![Set::Everyone] }),
            None => Ok(Self { amount: Amount::All, among: parse_sets(text)? }),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let everyone = self.among == [Set::Everyone];
        match self.amount {
            Amount::All => {}
            amount if everyone => return amount.fmt(f),
            amount => write!(f, "{amount} of ")?,
        }
        for (position, set) in self.among.iter().enumerate() {
            write!(f, "{}{set}", if position == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Count(1) => f.write_str("one"),
            Self::Count(count) => count.fmt(f),
            Self::Minority => f.write_str("minority"),
            Self::Majority => f.write_str("majority"),
            Self::Half => f.write_str("half"),
            Self::Share(share) => share.fmt(f),
            Self::HashPowerOver(share) => write!(f, "hashpower:>{share}"),
            Self::HashPowerUnder(share) => write!(f, "hashpower:<{share}"),
        }
    }
}

impl FromStr for Set {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        match text.split_once(':') {
            Some(("role", role)) => role.parse().map(Self::Role),
            Some(("group", group)) => name(group).map(Self::Group),
            Some(("region", region)) => name(region).map(Self::Region),
            Some((kind, _)) => Err(wrong(format!("`{kind}:` is not a kind of set"))),
            None => match text {
                "all" | "any" => Ok(Self::Everyone),
                "busiest" => Ok(Self::Busiest),
                "rest" => Ok(Self::Rest),
                _ => name(text).map(Self::Name),
            },
        }
    }
}

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everyone => f.write_str("all"),
            Self::Name(name) => f.write_str(name),
            Self::Role(role) => write!(f, "role:{role}"),
            Self::Group(group) => write!(f, "group:{group}"),
            Self::Region(region) => write!(f, "region:{region}"),
            Self::Busiest => f.write_str("busiest"),
            Self::Rest => f.write_str("rest"),
        }
    }
}

impl Role {
    /// All of them with their words.
    pub const WORDS: &[(&str, Self)] = &[
        ("miner", Self::Miner),
        ("full", Self::Full),
        ("light", Self::Light),
        ("coordinator", Self::Coordinator),
        ("adversary", Self::Adversary),
    ];
}

impl FromStr for Role {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let found = Self::WORDS.iter().find(|(word, _)| *word == text);
        found.map(|(_, role)| *role).ok_or_else(|| Unreadable {
            what: format!("`{text}` is not a role"),
            instead: "`miner`, `full`, `light`, `coordinator` or `adversary`".into(),
        })
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = Self::WORDS.iter().find(|(_, role)| role == self);
        f.write_str(found.map_or("", |(word, _)| word))
    }
}

/// Names of nodes, groups, regions and steps: letters, digits, `-`, `_`, beginning with a letter.
pub fn name(text: &str) -> Result<String, Unreadable> {
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if begins && plain && text.len() <= 64 {
        return Ok(text.to_owned());
    }
    Err(Unreadable {
        what: format!("`{text}` is not a name"),
        instead: "letters, digits, `-` and `_`, beginning with a letter, at most 64".into(),
    })
}

/// Nothing where the text is no amount at all; then it may be a set.
fn parse_amount(text: &str) -> Result<Option<Amount>, Unreadable> {
    if let Some(limit) = text.strip_prefix("hashpower:") {
        let bound = limit.get(1..).unwrap_or_default().trim();
        return match limit.chars().next() {
            Some('>') => bound.parse().map(|share| Some(Amount::HashPowerOver(share))),
            Some('<') => bound.parse().map(|share| Some(Amount::HashPowerUnder(share))),
            _ => Err(wrong(format!("`{text}` says neither more nor less"))),
        };
    }
    Ok(Some(match text {
        "one" => Amount::Count(1),
        "minority" => Amount::Minority,
        "majority" => Amount::Majority,
        "half" => Amount::Half,
        share if share.ends_with('%') => Amount::Share(share.parse::<Share>()?),
        count if count.starts_with(|c: char| c.is_ascii_digit()) => match count.parse() {
            Ok(count) if count > 0 => Amount::Count(count),
            _ => return Err(wrong(format!("`{text}` is not a number of nodes"))),
        },
        _ => return Ok(None),
    }))
}

fn parse_sets(text: &str) -> Result<Vec<Set>, Unreadable> {
    text.split(',').map(|set| set.trim().parse()).collect()
}

fn wrong(what: String) -> Unreadable {
    let instead = "a name, `role:miner`, `group:east`, `region:europe`, `one`, `3`, `minority`, `half`, `majority`, `30%`, \
                   `hashpower:>50%`, `busiest`, `rest`, `all`, or one `of` the other, such as `half of role:miner`";
    Unreadable { what, instead: instead.into() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn selectors_mean_what_they_say() {
        let all = |set| Ok(Selector { amount: Amount::All, among: vec![set] });
        assert_eq!("miner-3".parse(), all(Set::Name("miner-3".into())));
        assert_eq!("role:miner".parse(), all(Set::Role(Role::Miner)));
        assert_eq!("any".parse(), all(Set::Everyone));
        let one = Selector { amount: Amount::Count(1), among: vec![Set::Group("east".into()), Set::Busiest] };
        assert_eq!("one of group:east, busiest".parse(), Ok(one));
        let over = Selector { amount: Amount::HashPowerOver(Share(0.5)), among: vec![Set::Everyone] };
        assert_eq!("hashpower:>50%".parse(), Ok(over));
    }

    #[test]
    fn what_selects_nothing_is_refused() {
        for text in
            ["", "0", "role:digger", "grup:east", "hashpower:50%", "one of", "one of ", "a b", "some of all", "5 %x"]
        {
            assert!(text.parse::<Selector>().is_err(), "{text}");
        }
    }

    fn any_selector() -> impl Strategy<Value = Selector> {
        let amount = prop_oneof![
            Just(Amount::All),
            (1_u32..99).prop_map(Amount::Count),
            Just(Amount::Minority),
            Just(Amount::Majority),
            Just(Amount::Half),
            (0_u32..=100).prop_map(|percent| Amount::Share(Share(f64::from(percent) / 100.0))),
            (0_u32..=100).prop_map(|percent| Amount::HashPowerOver(Share(f64::from(percent) / 100.0))),
        ];
        let set = prop_oneof![
            Just(Set::Everyone),
            "n[a-z]{1,8}-[0-9]".prop_map(Set::Name),
            "g[a-z]{1,8}".prop_map(Set::Group),
            Just(Set::Role(Role::Coordinator)),
            Just(Set::Rest),
        ];
        (amount, proptest::collection::vec(set, 1..4)).prop_map(|(amount, among)| Selector { amount, among })
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(selector in any_selector()) {
            prop_assert_eq!(selector.to_string().parse(), Ok(selector));
        }
    }
}
