//! An encoding of records: what stands under which key in the record tree. Every value ends in four bytes of checksum
//! over key and value, so that a flipped bit is noticed whatever the tree below thinks of it.

use bitcoin::block::Header;
use bitcoin::consensus::encode::Error;
use bitcoin::consensus::{Decodable, Encodable, ReadExt, WriteExt};
use bitcoin::hashes::Hash;
use bitcoin::{Amount, BlockHash, OutPoint, ScriptBuf, Txid, VarInt, Work};
use sha2::{Digest as _, Sha256};

use super::{HeaderRecord, Mark, Undo};
use crate::chain::{Coin, Digest, Fingerprint, Tip};
use crate::ledger::coins::Standing;

/// The standing's key.
pub(super) const STANDING: &[u8] = b"s";
/// What the keys of headers, coins and undo start with.
pub(super) const HEADERS: &[u8] = b"h";
pub(super) const COINS: &[u8] = b"c";
pub(super) const UNDO: &[u8] = b"u";

const CHECKSUM_BYTES: usize = 4;

/// The key of a header.
pub(super) fn header_key(hash: &BlockHash) -> Vec<u8> {
    [HEADERS, hash.as_byte_array()].concat()
}

/// The key of an undo record.
pub(super) fn undo_key(hash: &BlockHash) -> Vec<u8> {
    [UNDO, hash.as_byte_array()].concat()
}

/// The key of a coin; keys are ordered as outpoints are.
pub(super) fn coin_key(outpoint: &OutPoint) -> Vec<u8> {
    [COINS, outpoint.txid.as_byte_array(), &outpoint.vout.to_be_bytes()].concat()
}

/// The outpoint of a coin's key.
pub(super) fn outpoint(key: &[u8]) -> Option<OutPoint> {
    let rest = key.strip_prefix(COINS)?;
    let (txid, vout) = rest.split_at_checked(32)?;
    let txid = Txid::from_byte_array(txid.try_into().ok()?);
    Some(OutPoint { txid, vout: u32::from_be_bytes(vout.try_into().ok()?) })
}

/// Something that is kept under a key.
pub(super) trait Record: Sized {
    fn put(&self, to: &mut Vec<u8>) -> Result<(), bitcoin::io::Error>;
    fn take(from: &mut &[u8]) -> Result<Self, Error>;
}

/// The bytes of a record, with its checksum.
pub(super) fn encode(key: &[u8], record: &impl Record) -> Vec<u8> {
    let mut bytes = Vec::new();
    record.put(&mut bytes).expect("a vector takes every byte");
    let checksum = checksum(key, &bytes);
    bytes.extend_from_slice(&checksum);
    bytes
}

/// The record of these bytes, unless anything is wrong with them.
pub(super) fn decode<R: Record>(key: &[u8], bytes: &[u8]) -> Option<R> {
    let (mut content, stated) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM_BYTES)?)?;
    if checksum(key, content) != stated {
        return None;
    }
    let record = R::take(&mut content).ok()?;
    content.is_empty().then_some(record)
}

fn checksum(key: &[u8], content: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let hash = Sha256::new_with_prefix(key).chain_update(content).finalize();
    [hash[0], hash[1], hash[2], hash[3]]
}

impl Record for HeaderRecord {
    fn put(&self, to: &mut Vec<u8>) -> Result<(), bitcoin::io::Error> {
        self.header.consensus_encode(to)?;
        to.emit_u32(self.height)?;
        to.emit_u8(match self.mark {
            Mark::Open => 0,
            Mark::Valid => 1,
            Mark::Invalid => 2,
        })
    }

    fn take(from: &mut &[u8]) -> Result<Self, Error> {
        let header = Header::consensus_decode(from)?;
        let height = from.read_u32()?;
        let mark = match from.read_u8()? {
            0 => Mark::Open,
            1 => Mark::Valid,
            2 => Mark::Invalid,
            _ => return Err(Error::ParseFailed("no such mark")),
        };
        Ok(Self { header, height, mark })
    }
}

impl Record for Coin {
    fn put(&self, to: &mut Vec<u8>) -> Result<(), bitcoin::io::Error> {
        to.emit_u32(self.height)?;
        to.emit_bool(self.coinbase)?;
        to.emit_u64(self.value.to_sat())?;
        self.script.consensus_encode(to).map(drop)
    }

    fn take(from: &mut &[u8]) -> Result<Self, Error> {
        Ok(Self {
            height: from.read_u32()?,
            coinbase: from.read_bool()?,
            value: Amount::from_sat(from.read_u64()?),
            script: ScriptBuf::consensus_decode(from)?,
        })
    }
}

impl Record for Undo {
    fn put(&self, to: &mut Vec<u8>) -> Result<(), bitcoin::io::Error> {
        VarInt::from(self.0.len()).consensus_encode(to)?;
        self.0.iter().try_for_each(|coin| coin.put(to))
    }

    fn take(from: &mut &[u8]) -> Result<Self, Error> {
        let count = VarInt::consensus_decode(from)?.0;
        (0..count).map(|_| Coin::take(from)).collect::<Result<_, _>>().map(Undo)
    }
}

impl Record for Standing {
    fn put(&self, to: &mut Vec<u8>) -> Result<(), bitcoin::io::Error> {
        self.tip.hash.consensus_encode(to)?;
        to.emit_u32(self.tip.height)?;
        to.emit_slice(&self.tip.work.to_be_bytes())?;
        to.emit_u32(self.tip.time)?;
        to.emit_slice(&self.digest.to_bytes())?;
        to.emit_u64(self.coins)?;
        for amount in [self.unspent, self.unclaimed, self.unspendable] {
            to.emit_u64(amount.to_sat())?;
        }
        to.emit_slice(&self.rules.0)
    }

    fn take(from: &mut &[u8]) -> Result<Self, Error> {
        Ok(Self {
            tip: Tip {
                hash: BlockHash::consensus_decode(from)?,
                height: from.read_u32()?,
                work: Work::from_be_bytes(array(from)?),
                time: from.read_u32()?,
            },
            digest: Digest::from_bytes(array(from)?),
            coins: from.read_u64()?,
            unspent: Amount::from_sat(from.read_u64()?),
            unclaimed: Amount::from_sat(from.read_u64()?),
            unspendable: Amount::from_sat(from.read_u64()?),
            rules: Fingerprint(array(from)?),
        })
    }
}

fn array(from: &mut &[u8]) -> Result<[u8; 32], Error> {
    let mut bytes = [0; 32];
    from.read_slice(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written_and_no_bit_of_it_may_change() {
        let coin = Coin { height: 3, coinbase: true, value: Amount::from_sat(5), script: ScriptBuf::from(vec![9; 22]) };
        let undo = Undo(vec![coin.clone(), coin]);
        let bytes = encode(b"u1", &undo);
        assert_eq!(decode::<Undo>(b"u1", &bytes), Some(undo));
        assert_eq!(decode::<Undo>(b"u2", &bytes), None, "under another key");
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode::<Undo>(b"u1", &flipped), None, "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert_eq!(decode::<Undo>(b"u1", &bytes[..length]), None, "{length} bytes");
        }
    }
}
