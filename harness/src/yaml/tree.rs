//! A tree: what a YAML file says before anybody asks what it means, each value with its place in the text.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::{Location, Spanned};

use super::print::Printed;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Where.
    pub at: Place,
}

/// A piece of a source text, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Place {
    /// Which source: its position among all that were read.
    pub source: usize,
    /// The first byte.
    pub start: usize,
    /// How many bytes; at least the first character is marked where it is 0.
    pub length: usize,
}

/// What YAML can say.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Empty, `~` or `null`.
    Nothing,
    /// `true`, `false`.
    Bool(bool),
    /// A whole number.
    Whole(i128),
    /// Any other number.
    Number(f64),
    /// Any other scalar.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the file's order; keys are unique.
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub at: Place,
    /// The value.
    pub value: Node,
}

impl Node {
    /// Reads a text, the `source`-th of all that are read.
    pub fn parse(text: &str, source: usize) -> Result<Self, (Place, String)> {
        match serde_yaml::from_str::<Spanned<Raw>>(text) {
            Ok(raw) => Ok(raw.value.place(raw.referenced, source)),
            Err(error) => {
                let message = error.without_snippet().to_string();
                let at = error
                    .location()
                    .map_or(Place { source, ..Place::default() }, |location| found(location, text, source));
                Err((at, strip_location(&message)))
            }
        }
    }

    /// The value under a key, where this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value),
            _ => None,
        }
    }

    /// The text, where it is one.
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl Node {
    /// What it says, to be printed.
    pub fn print(&self) -> Printed {
        match &self.value {
            Value::Nothing => Printed::Nothing,
            Value::Bool(value) => Printed::Bool(*value),
            Value::Whole(number) => Printed::Whole(*number),
            Value::Number(number) => Printed::Number(*number),
            Value::Text(text) => Printed::Text(text.clone()),
            Value::List(items) => Printed::List(items.iter().map(Self::print).collect()),
            Value::Map(entries) => {
                Printed::Map(entries.iter().map(|entry| (entry.key.clone(), entry.value.print())).collect())
            }
        }
    }

    /// What it says on one line, as JSON, which is YAML; plain words stay plain.
    pub fn to_flow(&self) -> String {
        match &self.value {
            Value::Text(text) if Self::parse(text, 0).is_ok_and(|node| node.value == self.value) => text.clone(),
            _ => serde_json::to_string(&self.print()).unwrap_or_default(),
        }
    }
}

impl Value {
    /// What it is, for people: `a list`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Bool(_) => "true or false",
            Self::Whole(_) | Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

fn place(location: Location, source: usize) -> Place {
    let span = location.span();
    let bytes = |value: Option<u64>| value.and_then(|value| usize::try_from(value).ok()).unwrap_or(0);
    Place { source, start: bytes(span.byte_offset()), length: bytes(span.byte_len()) }
}

/// The place of a syntax error: some of them know their line and column only.
fn found(location: Location, text: &str, source: usize) -> Place {
    if location.span().byte_offset().is_some() {
        return place(location, source);
    }
    let lines = usize::try_from(location.line().saturating_sub(1)).unwrap_or(0);
    let before: usize = text.split_inclusive('\n').take(lines).map(str::len).sum();
    let rest = text.get(before..).unwrap_or("");
    let column = usize::try_from(location.column().saturating_sub(1)).unwrap_or(0);
    let within = rest.char_indices().nth(column).map_or(rest.len(), |(byte, _)| byte);
    Place { source, start: before + within, length: 0 }
}

/// The parser's messages end in their place, which is told otherwise here.
fn strip_location(message: &str) -> String {
    let end = [" at line ", " (line ", "\n"].iter().filter_map(|mark| message.find(mark)).min();
    message[..end.unwrap_or(message.len())].trim_end_matches(':').to_owned()
}

/// The tree as the parser gives it, with its own locations.
enum Raw {
    Scalar(Value),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl Raw {
    fn place(self, at: Location, source: usize) -> Node {
        let value = match self {
            Self::Scalar(value) => value,
            Self::List(items) => {
                Value::List(items.into_iter().map(|item| item.value.place(item.referenced, source)).collect())
            }
            Self::Map(entries) => Value::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| Entry {
                        at: place(key.referenced, source),
                        key: key.value,
                        value: value.value.place(value.referenced, source),
                    })
                    .collect(),
            ),
        };
        Node { value, at: place(at, source) }
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Nothing))
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Nothing))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Whole(value.into())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Whole(value.into())))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Whole(value)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Number(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Text(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Raw::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_knows_its_place() {
        let source = "name: x\nfaults:\n  - { at: 90s, partition: half }\n";
        let tree = Node::parse(source, 0).unwrap();
        let Some(Value::List(faults)) = tree.get("faults").map(|node| &node.value) else { panic!("{tree:?}") };
        let at = faults[0].get("at").unwrap();
        assert_eq!(&source[at.at.start..at.at.start + at.at.length], "90s");
        let Value::Map(entries) = &faults[0].value else { panic!() };
        let key = entries[1].at;
        assert_eq!(&source[key.start..key.start + key.length], "partition");
    }

    #[test]
    fn scalars_keep_their_kinds() {
        let tree = Node::parse("[1, -2, 0.5, 12 blocks, 30%, true, ~, 18446744073709551615, role:miner]", 0).unwrap();
        let Value::List(items) = tree.value else { panic!() };
        let kinds: Vec<_> = items.into_iter().map(|item| item.value).collect();
        let text = |text: &str| Value::Text(text.into());
        let whole = Value::Whole;
        assert_eq!(
            kinds,
            [
                whole(1),
                whole(-2),
                Value::Number(0.5),
                text("12 blocks"),
                text("30%"),
                Value::Bool(true),
                Value::Nothing,
                whole(u64::MAX.into()),
                text("role:miner"),
            ]
        );
    }

    #[test]
    fn what_is_not_yaml_is_refused_with_its_place() {
        let (at, message) = Node::parse("a: 1\nb: [1, 2\n", 3).unwrap_err();
        assert_eq!(at.source, 3);
        assert!(at.start > 5, "{at:?} {message}");
        assert!(!message.contains("line"), "{message}");
        let (at, message) = Node::parse("a: 1\nb: 2\na: 3\n", 0).unwrap_err();
        assert_eq!(at.start, 10, "{message}");
    }
}
