//! Values that are texts of a form: quantities with their units, names, selectors.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

macro_rules! texts {
    ($($(#[doc = $about:literal])* $name:ident $pattern:literal)*) => {$(
        $(#[doc = $about])*
        pub(super) struct $name;

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern, "description": concat!($($about),*).trim() })
            }
        }
    )*};
}

texts! {
    /// A stretch of a run, in time or in blocks: `90s`, `5m`, `500ms`, `2h`, `12 blocks`.
    Length r"^\d+(\.\d+)? *(ns|us|ms|s|m|h|d|blocks?)$"
    /// A duration: `50ms`, `10s`.
    Pause r"^\d+(\.\d+)? *(ns|us|ms|s|m|h|d)$"
    /// A duration, `-` for back: `70m`, `-70m`.
    Offset r"^-?\d+(\.\d+)? *(ns|us|ms|s|m|h|d)$"
    /// A part of a whole: `30%`.
    Share r"^\d+(\.\d+)? *%$"
    /// How often: `1/s`, `30/m`.
    Rate r"^\d+(\.\d+)? */ *(s|m|h|d)$"
    /// Bits per second: `10 Mbit/s`.
    Bandwidth r"^\d+(\.\d+)? *[kMG]?bit/s$"
    /// Bytes: `100 kB`, `1 MiB`.
    Size r"^\d+(\.\d+)? *(B|kB|KiB|MB|MiB|GB|GiB)$"
    /// Hashes per second: `25 H/s`.
    HashRate r"^\d+(\.\d+)? *[kMG]?H/s$"
    /// A share of the cluster's hash power, or hashes per second: `30%`, `25 H/s`.
    HashPower r"^\d+(\.\d+)? *(%|[kMG]?H/s)$"
    /// A name: letters, digits, `-` and `_`.
    Name r"^[A-Za-z][A-Za-z0-9_-]{0,63}$"
    /// Nodes: a name, `role:miner`, `group:east`, `region:europe`, `one`, `3`, `minority`, `half`, `majority`, `30%`,
    /// `hashpower:>50%`, `busiest`, `rest`, `all`, or one `of` the other: `half of role:miner`.
    Nodes r"^\S(.*\S)?$"
}

/// A whole number, which is a number of nodes.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub(super) enum Selector {
    Nodes(Nodes),
    Count(#[schemars(range(min = 1))] u32),
    Sets(#[schemars(length(min = 1))] Vec<Selector>),
}
