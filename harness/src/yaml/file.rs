//! Files: reading one as a tree, with what a file says without a key: its name, and what it is for.

use std::path::Path;

use super::fields::Context;
use super::tree::{Entry, Node, Place, Value};

impl Context {
    /// Reads a file; `name` and `about` are filled in from its name and its first line where it does not say them.
    pub fn file(&self, path: &Path) -> Option<Node> {
        let shown = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => self.document(&shown, &text),
            Err(error) => {
                let source = self.add(&shown, "");
                self.wrong(Place { source, ..Place::default() }, format!("cannot be read: {error}"), None);
                None
            }
        }
    }

    /// The same for a text that is already read, known as `shown`.
    pub fn document(&self, shown: &str, text: &str) -> Option<Node> {
        let mut node = self.parse(shown, text)?;
        let at = Place { source: node.at.source, start: 0, length: 0 };
        if let Value::Map(entries) = &mut node.value {
            let mut add = |key: &str, said: &str| {
                if !entries.iter().any(|entry| entry.key == key) {
                    let value = Node { value: Value::Text(said.to_owned()), at };
                    entries.push(Entry { key: key.to_owned(), at, value });
                }
            };
            if let Some(about) = text.lines().next().and_then(|line| line.strip_prefix('#')) {
                add("about", about.trim());
            }
            add("name", &stem(shown));
        }
        Some(node)
    }
}

/// A file's name without its folder and ending, as a name: it names run folders, too.
fn stem(shown: &str) -> String {
    let stem = Path::new(shown).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let plain: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect();
    let begins = plain.starts_with(|c: char| c.is_ascii_alphabetic());
    let named = if begins { plain } else { format!("x{plain}") };
    named.chars().take(64).collect()
}
