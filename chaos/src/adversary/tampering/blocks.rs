//! Alterations of blocks, one a line of the table: the block at the tip with one thing wrong, as another block of its
//! height, or what is said of headers. Repaired ones commit to what they hold and carry their work, so that they are
//! refused for what they are.

use bitcoin::bip152::{HeaderAndShortIds, PrefilledTransaction};
use bitcoin::block::Header;
use bitcoin::consensus::serialize;
use bitcoin::{Amount, Block, CompactTarget, OutPoint, ScriptBuf, Sequence, TxOut, Txid, Witness, absolute};
use schism_node::chain::assemble::{self, assemble, repair_merkle_root};
use schism_node::chain::header::grind;
use schism_node::wire::Topic;

use super::Material;
use super::courier::Parcel;

/// One alteration; nothing where the block at the tip does not have what it takes.
type Alter = fn(&Material) -> Option<Parcel>;

pub(super) const TABLE: &[Alter] = &[
    // -- the header
    |m| header(m, |h| h.bits = CompactTarget::from_consensus(0x2080_ffff)),
    |m| header(m, |h| h.bits = CompactTarget::from_consensus(0x2000_0000)),
    |m| header(m, |h| h.bits = CompactTarget::from_consensus(0xff00_ffff)),
    |m| header(m, |h| h.bits = CompactTarget::from_consensus(0x207f_ffff)),
    |m| {
        let mut block = (*m.tip).clone();
        while grind(&mut block.header, 1).is_some() {
            block.header.nonce = block.header.nonce.wrapping_add(1);
        }
        Some(Parcel::Block(block))
    },
    |m| worked(m, |block| block.header.bits = CompactTarget::from_consensus(0x2000_7fff)),
    |m| worked(m, |block| block.header.time = 1),
    |m| worked(m, |block| block.header.time += 10_000),
    |m| {
        let mut child = m.refused.clone()?;
        child.header.prev_blockhash = child.block_hash();
        m.work(child)
    },
    |m| {
        // In other words than the first time: gossip carries nothing twice.
        let again = HeaderAndShortIds { nonce: 1, ..compact(m.refused.as_ref()?) };
        Some(Parcel::Bytes(Topic::Blocks, serialize(&again)))
    },
    |m| Some(Parcel::Asked(vec![m.tip.header, m.below.front()?.header], None)),
    // -- the body of a block whose header is in order, for whoever asks for it
    |m| body(m, |_| Some(()), |block| block.txdata.clear()),
    |m| body(m, |_| Some(()), |block| block.txdata[1].output[0].value += Amount::ONE_SAT),
    |m| {
        // A list whose end is repeated has the root of the list without the repetition.
        let three = |block: &mut Block| (block.txdata.len() >= 3).then(|| block.txdata.truncate(3));
        body(m, three, |block| block.txdata.push(block.txdata[2].clone()))
    },
    |m| body(m, |block| Some(block.txdata[0].output.retain(|output| !is_commitment(output))), |_| ()),
    |m| body(m, |block| Some(block.txdata[0].input[0].witness = Witness::from_slice(&[[0; 31]])), |_| ()),
    |m| body(m, |block| Some(block.txdata[1].input[0].witness = Witness::from_slice(&[[1]])), |_| ()),
    // -- the block
    |m| deep(m, |block| Some(block.txdata[0].output[0].script_pubkey = vec![0x6a; 100_001].into())),
    |m| deep_without_coinbase(m),
    |m| deep(m, |block| Some(block.txdata.push(assemble::coinbase(9, &[], ScriptBuf::new(), Amount::ZERO)))),
    |m| deep(m, |block| Some(block.txdata[0].input[0].script_sig = vec![4].into())),
    |m| deep(m, |block| Some(block.txdata[0].output[0].value += Amount::ONE_BTC)),
    |m| deep(m, |block| Some(block.txdata.push(block.txdata.get(1)?.clone()))),
    |m| {
        let reward = m.means.rules.genesis.txdata[0].clone();
        deep(m, |block| Some(block.txdata = vec![reward]))
    },
    |m| deep(m, |block| Some(block.txdata[0].output[0].script_pubkey = vec![0xac; 2_001].into())),
    |m| {
        deep(m, |block| {
            let outpoint = block.txdata.get(1)?.input[0].previous_output;
            Some(block.txdata.get_mut(2)?.input[0].previous_output = outpoint)
        })
    },
    |m| {
        deep(m, |block| {
            let txid = block.txdata.get(2)?.compute_txid();
            Some(block.txdata[1].input[0].previous_output = OutPoint { txid, vout: 0 })
        })
    },
    // -- a transaction of it
    |m| deep(m, |block| Some(block.txdata.get_mut(1)?.input.clear())),
    |m| deep(m, |block| Some(block.txdata.get_mut(1)?.output.clear())),
    |m| deep(m, |block| Some(block.txdata.get_mut(1)?.output[0].value = Amount::MAX_MONEY + Amount::ONE_SAT)),
    |m| deep(m, |block| Some(block.txdata.get_mut(1)?.output.iter_mut().for_each(|o| o.value = Amount::MAX_MONEY))),
    |m| {
        deep(m, |block| {
            let again = block.txdata.get(1)?.input[0].clone();
            Some(block.txdata[1].input.push(again))
        })
    },
    |m| deep(m, |block| Some(block.txdata.get_mut(1)?.input.push(Default::default()))),
    |m| {
        deep(m, |block| {
            let payment = block.txdata.get_mut(1)?;
            payment.lock_time = absolute::LockTime::from_consensus(499_999_999);
            Some(payment.input[0].sequence = Sequence::ZERO)
        })
    },
    |m| deep(m, |block| Some(block.txdata.get_mut(1)?.input[0].previous_output.vout = 77_777)),
    |m| {
        let txid = coinbase_of(m.below.back()?);
        deep(m, |block| Some(block.txdata.get_mut(1)?.input[0].previous_output = OutPoint { txid, vout: 0 }))
    },
    |m| deep(m, |block| Some(block.txdata.get_mut(1)?.output[0].value = Amount::from_int_btc(1_000_000))),
    |m| {
        deep(m, |block| {
            // Whatever anybody may spend is no template of this chain.
            block.txdata.get_mut(1)?.output[0].script_pubkey = vec![0x51].into();
            let txid = block.txdata[1].compute_txid();
            let spender = block.txdata.get_mut(2)?;
            spender.output.iter_mut().for_each(|output| output.value = Amount::ZERO);
            Some(spender.input[0].previous_output = OutPoint { txid, vout: 0 })
        })
    },
    |m| deep(m, |block| Some(block.txdata.get_mut(1)?.input[0].witness.clear())),
    |m| deep_witness(m, 1, |key| key[5] ^= 1),
    |m| deep_witness(m, 0, |signature| *signature.last_mut().unwrap_or(&mut 0) ^= 0x40),
    |m| deep_witness(m, 0, |signature| signature[20] ^= 1),
    |m| deep(m, |block| Some(block.txdata.get_mut(1)?.output[1].value -= Amount::ONE_SAT)),
    // -- its announcement
    |m| {
        let mut block = (*m.tip).clone();
        block.header.nonce = block.header.nonce.wrapping_add(1);
        grind(&mut block.header, u64::from(u32::MAX))?;
        let mut announced = compact(&block);
        announced.prefilled_txs.clear();
        announced.short_ids = (0..5_000_u32).map(short_id).collect();
        Some(Parcel::Bytes(Topic::Blocks, serialize(&announced)))
    },
];

/// A block announced with everything in it, so that nobody has to ask for more.
pub(in crate::adversary) fn compact(block: &Block) -> HeaderAndShortIds {
    let prefilled = block.txdata.iter().map(|tx| PrefilledTransaction { idx: 0, tx: tx.clone() });
    HeaderAndShortIds { header: block.header, nonce: 0, short_ids: Vec::new(), prefilled_txs: prefilled.collect() }
}

fn short_id(number: u32) -> bitcoin::bip152::ShortId {
    let mut bytes = [0; 6];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    bitcoin::bip152::ShortId::from(bytes)
}

impl Material {
    /// Gives a block its work, where that is not against the control.
    fn work(&self, mut block: Block) -> Option<Parcel> {
        if self.repair {
            grind(&mut block.header, u64::from(u32::MAX))?;
        }
        Some(Parcel::Block(block))
    }
}

/// A header that needs no work to be refused.
fn header(material: &Material, alter: impl FnOnce(&mut Header)) -> Option<Parcel> {
    let mut block = (*material.tip).clone();
    alter(&mut block.header);
    Some(Parcel::Block(block))
}

/// A header that is refused for what it says, not for its work.
fn worked(material: &Material, alter: impl FnOnce(&mut Block)) -> Option<Parcel> {
    let mut block = (*material.tip).clone();
    alter(&mut block);
    material.work(block)
}

/// A header after the tip that commits to what `before` leaves, and a body that `after` has altered once more.
fn body(
    material: &Material,
    before: impl FnOnce(&mut Block) -> Option<()>,
    after: impl FnOnce(&mut Block),
) -> Option<Parcel> {
    let mut block = (*material.tip).clone();
    (block.txdata.len() > 1 && material.repair).then_some(())?;
    before(&mut block)?;
    (block.header.prev_blockhash, block.header.time) = (material.tip.block_hash(), material.tip.header.time + 1);
    repair_merkle_root(&mut block);
    grind(&mut block.header, u64::from(u32::MAX))?;
    after(&mut block);
    Some(Parcel::Asked(vec![block.header], Some(block)))
}

/// A block that commits to all that is in it.
fn deep(material: &Material, alter: impl FnOnce(&mut Block) -> Option<()>) -> Option<Parcel> {
    let mut block = (*material.tip).clone();
    alter(&mut block)?;
    if !material.repair {
        return Some(Parcel::Block(block));
    }
    let mut transactions = block.txdata;
    let mut reward = transactions.remove(0);
    reward.input[0].witness.clear();
    reward.output.retain(|output| !is_commitment(output));
    let Header { prev_blockhash, time, bits, .. } = block.header;
    material.work(assemble(prev_blockhash, time, bits, reward, transactions))
}

/// A block that begins with a payment.
fn deep_without_coinbase(material: &Material) -> Option<Parcel> {
    let mut block = (*material.tip).clone();
    (block.txdata.len() > 1).then(|| block.txdata.remove(0))?;
    // Without a coinbase nothing can commit to witnesses.
    block.txdata.iter_mut().flat_map(|tx| &mut tx.input).for_each(|input| input.witness.clear());
    if material.repair {
        repair_merkle_root(&mut block);
    }
    material.work(block)
}

/// A block in which one item of a payment's witness is altered.
fn deep_witness(material: &Material, item: usize, alter: impl FnOnce(&mut Vec<u8>)) -> Option<Parcel> {
    deep(material, |block| alter_witness(&mut block.txdata.get_mut(1)?.input[0].witness, item, alter))
}

/// Alters one item of a witness.
pub(super) fn alter_witness(witness: &mut Witness, item: usize, alter: impl FnOnce(&mut Vec<u8>)) -> Option<()> {
    let mut items: Vec<Vec<u8>> = witness.to_vec();
    alter(items.get_mut(item)?);
    *witness = Witness::from_slice(&items);
    Some(())
}

fn is_commitment(output: &TxOut) -> bool {
    output.script_pubkey.as_bytes().starts_with(&schism_node::chain::block::WITNESS_COMMITMENT_PREFIX)
}

fn coinbase_of(block: &Block) -> Txid {
    block.txdata[0].compute_txid()
}
