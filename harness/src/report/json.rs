//! JSON: results for programs, in the words of [`Results`].

use super::Results;

/// One object, on several lines.
pub fn json(results: &Results) -> String {
    // Nothing in the results can fail to be said in JSON: no map has keys that are not texts.
    let mut text = serde_json::to_string_pretty(results).unwrap_or_default();
    text.push('\n');
    text
}

/// One object, on one line.
pub fn json_line(results: &Results) -> String {
    serde_json::to_string(results).unwrap_or_default()
}
