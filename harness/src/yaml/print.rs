//! Printing: building what a file would say, and its text.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

/// A value to be printed; maps keep their order.
#[derive(Clone, Debug, PartialEq)]
pub enum Printed {
    /// Nothing.
    Nothing,
    /// `true`, `false`.
    Bool(bool),
    /// A whole number.
    Whole(i128),
    /// Any other number.
    Number(f64),
    /// A text, quoted where it must be.
    Text(String),
    /// A sequence.
    List(Vec<Printed>),
    /// A mapping.
    Map(Vec<(String, Printed)>),
}

/// The text of something that prints itself.
pub fn text(value: impl ToString) -> Printed {
    Printed::Text(value.to_string())
}

/// A list.
pub fn list<T>(items: impl IntoIterator<Item = T>, print: impl Fn(T) -> Printed) -> Printed {
    Printed::List(items.into_iter().map(print).collect())
}

/// A map, without the keys that have nothing to say.
pub fn map<const N: usize>(entries: [(&str, Option<Printed>); N]) -> Printed {
    let said = entries.into_iter().filter_map(|(key, value)| value.map(|value| (key.to_owned(), value)));
    Printed::Map(said.collect())
}

impl Printed {
    /// As YAML.
    pub fn to_yaml(&self) -> String {
        // Nothing in a tree of scalars, lists and maps can fail to be written into a text.
        serde_yaml::to_string(self).unwrap_or_default()
    }

    /// Joins another map's entries to this one's.
    pub fn and(mut self, other: Printed) -> Printed {
        if let (Self::Map(entries), Self::Map(more)) = (&mut self, other) {
            entries.extend(more);
        }
        self
    }
}

impl From<u32> for Printed {
    fn from(number: u32) -> Self {
        Self::Whole(number.into())
    }
}

impl From<u64> for Printed {
    fn from(number: u64) -> Self {
        Self::Whole(number.into())
    }
}

impl From<f64> for Printed {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Printed {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl Serialize for Printed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nothing => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Whole(number) => serializer.serialize_i128(*number),
            Self::Number(number) => serializer.serialize_f64(*number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => {
                let mut sequence = serializer.serialize_seq(Some(items.len()))?;
                items.iter().try_for_each(|item| sequence.serialize_element(item))?;
                sequence.end()
            }
            Self::Map(entries) => {
                let mut mapping = serializer.serialize_map(Some(entries.len()))?;
                entries.iter().try_for_each(|(key, value)| mapping.serialize_entry(key, value))?;
                mapping.end()
            }
        }
    }
}
