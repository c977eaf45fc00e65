//! Scalars: single values, with their units.

use std::str::FromStr;
use std::time::Duration;

use schism_chaos::quantity::{Pause, Unreadable};
use schism_chaos::selector;

use super::fields::Context;
use super::tree::{Node, Value};

impl Context {
    /// Anything that is read from its text: quantities with units, roles, names.
    pub fn quantity<T: FromStr<Err = Unreadable>>(&self, node: &Node) -> Option<T> {
        let text = match &node.value {
            Value::Text(text) => text.clone(),
            Value::Whole(number) => number.to_string(),
            Value::Number(number) => number.to_string(),
            other => {
                // What it should have been is best said by the quantity itself.
                let help = "".parse::<T>().err().map(|error| format!("say {}", error.instead));
                self.wrong(node.at, format!("a single value is wanted here, not {}", other.kind()), help);
                return None;
            }
        };
        let read = text.parse();
        read.map_err(|error: Unreadable| self.wrong(node.at, error.what, Some(format!("say {}", error.instead)))).ok()
    }

    /// A duration that does not follow the pace.
    pub fn pause(&self, node: &Node) -> Option<Duration> {
        self.quantity::<Pause>(node).map(|pause| pause.0)
    }

    /// A name: letters, digits, `-` and `_`.
    pub fn name(&self, node: &Node) -> Option<String> {
        let text = self.text(node)?;
        selector::name(&text)
            .map_err(|error| self.wrong(node.at, error.what, Some(format!("say {}", error.instead))))
            .ok()
    }

    /// A text.
    pub fn text(&self, node: &Node) -> Option<String> {
        match &node.value {
            Value::Text(text) => Some(text.clone()),
            other => {
                self.wrong(node.at, format!("a text is wanted here, not {}", other.kind()), None);
                None
            }
        }
    }

    /// A whole number that is not negative.
    pub fn whole<T: TryFrom<i128>>(&self, node: &Node) -> Option<T> {
        let Value::Whole(number) = node.value else {
            self.wrong(node.at, format!("a whole number is wanted here, not {}", self.said(node)), None);
            return None;
        };
        let fits = T::try_from(number).ok();
        if fits.is_none() {
            let what = if number < 0 { "is negative" } else { "is too large" };
            self.wrong(node.at, format!("{number} {what}"), None);
        }
        fits
    }

    /// A whole number from 1.
    pub fn count(&self, node: &Node) -> Option<u32> {
        let count: u32 = self.whole(node)?;
        if count == 0 {
            self.wrong(node.at, "0 is none at all", Some("say 1 or more".into()));
        }
        (count > 0).then_some(count)
    }

    /// A number above 0, without a unit.
    pub fn factor(&self, node: &Node) -> Option<f64> {
        let number = self.number(node)?;
        if number <= 0.0 {
            self.wrong(node.at, format!("{number} is not above 0"), None);
        }
        (number > 0.0).then_some(number)
    }

    /// A finite number, without a unit.
    pub fn number(&self, node: &Node) -> Option<f64> {
        match node.value {
            Value::Whole(number) => Some(number as f64),
            Value::Number(number) if number.is_finite() => Some(number),
            _ => {
                self.wrong(node.at, format!("a number is wanted here, not {}", self.said(node)), None);
                None
            }
        }
    }

    /// `true` or `false`.
    pub fn flag(&self, node: &Node) -> Option<bool> {
        match node.value {
            Value::Bool(value) => Some(value),
            _ => {
                self.wrong(node.at, format!("`true` or `false` is wanted here, not {}", self.said(node)), None);
                None
            }
        }
    }

    /// One of some words.
    pub fn word<T: Clone>(&self, node: &Node, kind: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(node)?;
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            self.unknown(node.at, kind, &text, words.iter().map(|(word, _)| *word));
        }
        found.map(|(_, meaning)| meaning.clone())
    }

    /// What stands there, for people.
    pub fn said(&self, node: &Node) -> String {
        match &node.value {
            Value::Text(text) => format!("`{text}`"),
            Value::Whole(number) => format!("`{number}`"),
            Value::Number(number) => format!("`{number}`"),
            Value::Bool(value) => format!("`{value}`"),
            other => other.kind().to_owned(),
        }
    }
}
