//! A setting: `path=value`, as `--set` and `sweep` say it, laid over a tree before anybody asks what it means.

use super::fields::Context;
use super::tree::{Entry, Node, Place, Value};

/// Steps into a tree and what to put there.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Keys, or positions in lists, from the top.
    pub path: Vec<String>,
    /// Where the path was said.
    pub at: Place,
    /// The value.
    pub value: Node,
}

impl Setting {
    /// Reads `path=value`, said as `origin` (such as `--set`); the value is YAML.
    pub fn parse(context: &Context, origin: &str, text: &str) -> Option<Self> {
        let Some((path, value)) = text.split_once('=') else {
            let source = context.add(origin, text);
            let at = Place { source, start: 0, length: text.len() };
            context.wrong(at, "a setting is `path=value`", Some("such as `load.transactions=2/s`".into()));
            return None;
        };
        // The path is blanked out so that the value's places are places in what was typed.
        let source = context.add(origin, text);
        let mut value = match Node::parse(value, source) {
            Ok(value) => value,
            Err((mut at, what)) => {
                at.start += path.len() + 1;
                context.wrong(at, what, None);
                return None;
            }
        };
        shift(&mut value, path.len() + 1);
        let at = Place { source, start: 0, length: path.len() };
        Some(Self { path: path.split('.').map(str::to_owned).collect(), at, value })
    }

    /// Lays it over `tree`. Keys that are not there yet are added, so that unknown ones are found where all are.
    pub fn apply(&self, context: &Context, tree: &mut Node) -> Option<()> {
        let mut node = tree;
        let mut start = self.at.start;
        for key in &self.path {
            let at = Place { source: self.at.source, start, length: key.len() };
            start += key.len() + 1;
            node = enter(context, node, key, at)?;
        }
        *node = self.value.clone();
        Some(())
    }
}

/// The node under a key, which is made where it is not.
fn enter<'n>(context: &Context, node: &'n mut Node, key: &str, at: Place) -> Option<&'n mut Node> {
    if node.value == Value::Nothing {
        node.value = Value::Map(Vec::new());
    }
    let kind = node.value.kind();
    match &mut node.value {
        Value::Map(entries) => {
            let position = entries.iter().position(|entry| entry.key == key).unwrap_or_else(|| {
                entries.push(Entry { key: key.to_owned(), at, value: Node { value: Value::Nothing, at } });
                entries.len() - 1
            });
            // Whoever complains about the key shall show the setting, which is what was typed last.
            entries[position].at = at;
            Some(&mut entries[position].value)
        }
        Value::List(items) => {
            let count = items.len();
            let item = key.parse::<usize>().ok().and_then(|position| items.get_mut(position));
            if item.is_none() {
                let help = format!("the list has {count} items, counted from 0");
                context.wrong(at, format!("`{key}` is not a position in a list"), Some(help));
            }
            item
        }
        _ => {
            context.wrong(at, format!("`{key}` cannot be set inside {kind}"), None);
            None
        }
    }
}

fn shift(node: &mut Node, by: usize) {
    node.at.start += by;
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| shift(item, by)),
        Value::Map(entries) => entries.iter_mut().for_each(|entry| {
            entry.at.start += by;
            shift(&mut entry.value, by);
        }),
        _ => {}
    }
}
