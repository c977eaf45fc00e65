//! Consensus bytes as hex. (The `bitcoin` crate's own way panics where bytes are missing.)

use bitcoin::consensus::encode::{Decodable, Encodable, deserialize_hex, serialize_hex};
use serde::{Deserialize, Deserializer, Serializer, de::Error};

/// Writes it.
///
/// # Errors
/// The serialiser's own.
pub fn serialize<T: Encodable, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&serialize_hex(value))
}

/// Reads it.
///
/// # Errors
/// Where it is not all of it, and nothing else.
pub fn deserialize<'de, T: Decodable, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserialize_hex(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}
