//! Fields: taking a map apart key by key, noting what is wrong and going on, so that all of it is told at once.

use std::cell::{Cell, RefCell};

use super::problem::{Problem, Refusal, Source};
use super::tree::{Entry, Node, Place, Value};

/// Everything noted while files are read: their texts and their problems.
#[derive(Debug, Default)]
pub struct Context {
    sources: RefCell<Vec<Source>>,
    problems: RefCell<Vec<Problem>>,
    /// Set while something is read whose problems do not count.
    muted: Cell<bool>,
}

impl Context {
    /// Adds a source; its number is what places refer to.
    pub fn add(&self, name: &str, text: &str) -> usize {
        let mut sources = self.sources.borrow_mut();
        sources.push(Source { name: name.to_owned(), text: text.to_owned() });
        sources.len() - 1
    }

    /// Adds a source and reads it as YAML.
    pub fn parse(&self, name: &str, text: &str) -> Option<Node> {
        let source = self.add(name, text);
        Node::parse(text, source).map_err(|(at, what)| self.wrong(at, what, None)).ok()
    }

    /// Notes a problem.
    pub fn wrong(&self, at: Place, what: impl Into<String>, help: Option<String>) {
        if !self.muted.get() {
            self.problems.borrow_mut().push(Problem { at, what: what.into(), help });
        }
    }

    /// Notes that a word is not one of those allowed, and which it may have been meant to be.
    pub fn unknown<'w>(&self, at: Place, kind: &str, word: &str, words: impl IntoIterator<Item = &'w str>) {
        let words: Vec<&str> = words.into_iter().collect();
        let help = match closest(word, &words) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if words.is_empty() => format!("there is no {kind} here"),
            None => one_of(&words),
        };
        self.wrong(at, format!("unknown {kind} `{word}`"), Some(help));
    }

    /// Runs `read` without noting its problems: for looking ahead.
    pub fn quietly<T>(&self, read: impl FnOnce() -> T) -> T {
        let before = self.muted.replace(true);
        let result = read();
        self.muted.set(before);
        result
    }

    /// What was read, when nothing was wrong.
    pub fn finish<T>(self, read: Option<T>) -> Result<T, Refusal> {
        let problems = self.problems.into_inner();
        match read {
            Some(value) if problems.is_empty() => Ok(value),
            _ => Err(Refusal::new(problems, &self.sources.into_inner())),
        }
    }

    /// The text between two places of a source: what stands there.
    pub fn excerpt(&self, at: Place) -> String {
        let sources = self.sources.borrow();
        let text = sources.get(at.source).map_or("", |source| source.text.as_str());
        text.get(at.start..(at.start + at.length).min(text.len())).unwrap_or("").to_owned()
    }

    /// Takes a map apart; `what` says what it is, for people: `a fault`.
    pub fn map<'a>(&'a self, node: &'a Node, what: &'static str) -> Option<Fields<'a>> {
        match &node.value {
            Value::Map(entries) => {
                Some(Fields { context: self, at: node.at, what, entries, asked: RefCell::default() })
            }
            other => {
                self.wrong(node.at, format!("{what} is a map, not {}", other.kind()), None);
                None
            }
        }
    }

    /// Reads each item of a list; nothing when any of them is wrong.
    pub fn list<T>(&self, node: &Node, what: &str, read: impl Fn(&Self, &Node) -> Option<T>) -> Option<Vec<T>> {
        match &node.value {
            // All are read before one that is wrong makes the whole wrong.
            Value::List(items) => items.iter().map(|item| read(self, item)).collect::<Vec<_>>().into_iter().collect(),
            other => {
                self.wrong(node.at, format!("{what} is a list, not {}", other.kind()), None);
                None
            }
        }
    }
}

/// A map being taken apart. Whatever key is not asked for is unknown.
#[derive(Debug)]
pub struct Fields<'a> {
    context: &'a Context,
    at: Place,
    what: &'static str,
    entries: &'a [Entry],
    asked: RefCell<Vec<&'static str>>,
}

impl<'a> Fields<'a> {
    /// Where the whole map stands.
    pub fn at(&self) -> Place {
        self.at
    }

    /// The entry of a key, which is known from now on.
    pub fn entry(&self, key: &'static str) -> Option<&'a Entry> {
        self.asked.borrow_mut().push(key);
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// A key that must be there. Nothing: it is not, or it is wrong, and that is noted.
    pub fn required<T>(&self, key: &'static str, read: impl Fn(&Context, &Node) -> Option<T>) -> Option<T> {
        match self.entry(key) {
            Some(entry) => read(self.context, &entry.value),
            None => {
                self.context.wrong(self.at, format!("{} says no `{key}`", self.what), Some(format!("add `{key}: …`")));
                None
            }
        }
    }

    /// A key that may be there. The outer nothing: it is wrong, and that is noted.
    pub fn optional<T>(&self, key: &'static str, read: impl Fn(&Context, &Node) -> Option<T>) -> Option<Option<T>> {
        self.entry(key).map_or(Some(None), |entry| read(self.context, &entry.value).map(Some))
    }

    /// A key that may be there, and what holds where it is not.
    pub fn or<T>(&self, key: &'static str, absent: T, read: impl Fn(&Context, &Node) -> Option<T>) -> Option<T> {
        self.entry(key).map_or(Some(absent), |entry| read(self.context, &entry.value))
    }

    /// Those of these keys that are there, all of which are known from now on.
    pub fn present(&self, keys: &[&'static str]) -> Vec<&'a Entry> {
        keys.iter().filter_map(|key| self.entry(key)).collect()
    }

    /// Notes that these cannot be said together; nothing then.
    pub fn at_most_one(&self, entries: &[&Entry]) -> Option<()> {
        let [first, second, ..] = entries else { return Some(()) };
        let help = format!("keep `{}` or `{}`", first.key, second.key);
        self.context.wrong(second.at, format!("`{}` contradicts `{}`", second.key, first.key), Some(help));
        None
    }

    /// Every key that was not asked for is unknown.
    pub fn finish(self) {
        let asked = self.asked.borrow();
        for entry in self.entries.iter().filter(|entry| !asked.contains(&entry.key.as_str())) {
            let what = format!("key in {}", self.what.trim_start_matches("a ").trim_start_matches("an "));
            self.context.unknown(entry.at, &what, &entry.key, asked.iter().copied());
        }
    }
}

/// The word somebody may have meant: at most a third of its letters wrong.
pub(crate) fn closest<'w>(word: &str, words: &[&'w str]) -> Option<&'w str> {
    let distance = |candidate: &str| strsim::damerau_levenshtein(word, candidate);
    let near = |candidate: &&&'w str| distance(candidate) <= (candidate.len().max(word.len()) / 3).max(1);
    words.iter().filter(near).min_by_key(|candidate| distance(candidate)).copied()
}

/// What could have been said, a dozen of it.
pub(crate) fn one_of(words: &[&str]) -> String {
    let mut words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    words.dedup();
    let more = words.len().saturating_sub(12);
    words.truncate(12);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("known here: {}{more}", words.join(", "))
}
