//! A validator for the part of JSON Schema that our schemas are written in. Any other keyword stops the test, so that
//! nothing is passed over. (The validators on crates.io change features of crates that libp2p is built on, so that
//! every switch between `cargo run` and `cargo test` would build it again.)

use regex::Regex;
use serde_json::{Map, Value};

/// A schema to hold values against.
pub(super) struct Validator(Value);

impl Validator {
    pub(super) fn new(schema: Value) -> Self {
        Self(schema)
    }

    /// What is wrong with a value; nothing when it is valid.
    pub(super) fn error(&self, value: &Value) -> Option<String> {
        self.check(&self.0, value).err()
    }

    pub(super) fn is_valid(&self, value: &Value) -> bool {
        self.error(value).is_none()
    }

    fn check(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let schema = match schema {
            Value::Bool(true) => return Ok(()),
            Value::Bool(false) => return Err(format!("{value} may not be here")),
            Value::Object(schema) => schema,
            other => panic!("{other} is no schema"),
        };
        schema.iter().try_for_each(|(keyword, rule)| self.keyword(schema, keyword, rule, value))
    }

    fn keyword(&self, schema: &Map<String, Value>, keyword: &str, rule: &Value, value: &Value) -> Result<(), String> {
        let number = || rule.as_f64().unwrap();
        let valid = |schema: &&Value| self.check(schema, value).is_ok();
        let list = || rule.as_array().unwrap();
        let holds = match (keyword, value) {
            ("$schema" | "$defs" | "title" | "description" | "format" | "default", _) => true,
            ("$ref", _) => {
                let pointer = rule.as_str().unwrap().trim_start_matches('#');
                return self.check(self.0.pointer(pointer).unwrap(), value);
            }
            ("type", _) => match rule {
                Value::Array(kinds) => kinds.iter().any(|kind| is(kind, value)),
                kind => is(kind, value),
            },
            ("const", _) => rule == value,
            ("enum", _) => list().contains(value),
            ("anyOf", _) => list().iter().any(|schema| valid(&schema)),
            ("oneOf", _) => list().iter().filter(valid).count() == 1,
            ("minimum", Value::Number(value)) => value.as_f64().unwrap() >= number(),
            ("maximum", Value::Number(value)) => value.as_f64().unwrap() <= number(),
            ("exclusiveMinimum", Value::Number(value)) => value.as_f64().unwrap() > number(),
            ("pattern", Value::String(text)) => Regex::new(rule.as_str().unwrap()).unwrap().is_match(text),
            ("minItems", Value::Array(items)) => items.len() as f64 >= number(),
            ("maxItems", Value::Array(items)) => items.len() as f64 <= number(),
            ("items", Value::Array(items)) => return items.iter().try_for_each(|item| self.check(rule, item)),
            ("minProperties", Value::Object(map)) => map.len() as f64 >= number(),
            ("required", Value::Object(map)) => list().iter().all(|key| map.contains_key(key.as_str().unwrap())),
            ("properties", Value::Object(map)) => {
                let known = map.iter().filter_map(|(key, value)| Some((rule.get(key)?, value)));
                return known.into_iter().try_for_each(|(schema, value)| self.check(schema, value));
            }
            ("additionalProperties", Value::Object(map)) => {
                let named = |key: &String| schema.get("properties").is_some_and(|named| named.get(key).is_some());
                return map.iter().filter(|(key, _)| !named(key)).try_for_each(|(_, value)| self.check(rule, value));
            }
            (
                "minimum"
                | "maximum"
                | "exclusiveMinimum"
                | "pattern"
                | "minItems"
                | "maxItems"
                | "items"
                | "minProperties"
                | "required"
                | "properties"
                | "additionalProperties",
                _,
            ) => true,
            _ => panic!("the keyword {keyword} is not known here"),
        };
        if holds { Ok(()) } else { Err(format!("{value} is not what `{keyword}: {rule}` asks")) }
    }
}

fn is(kind: &Value, value: &Value) -> bool {
    match (kind.as_str().unwrap(), value) {
        ("null", Value::Null)
        | ("boolean", Value::Bool(_))
        | ("number", Value::Number(_))
        | ("string", Value::String(_))
        | ("array", Value::Array(_))
        | ("object", Value::Object(_)) => true,
        ("integer", Value::Number(number)) => number.is_i64() || number.is_u64(),
        _ => false,
    }
}
