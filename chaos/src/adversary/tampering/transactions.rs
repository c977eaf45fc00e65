//! Alterations of loose transactions, one a line of the table: a payment that nobody else has seen with one thing wrong,
//! or one that others hold, altered so that it competes with what they hold.

use bitcoin::{Amount, OutPoint, Sequence, Transaction, TxIn, Txid, absolute, hashes::Hash};

use super::Material;
use super::blocks::alter_witness;

/// One alteration; nothing where there is no such payment now.
type Alter = fn(&Material) -> Option<Transaction>;

pub(super) const TABLE: &[Alter] = &[
    |m| own(m, |tx| Some(tx.input.clear())),
    |m| own(m, |tx| Some(tx.output.clear())),
    |m| own(m, |tx| Some(tx.output[0].value = Amount::MAX_MONEY + Amount::ONE_SAT)),
    |m| own(m, |tx| Some(tx.output.iter_mut().for_each(|output| output.value = Amount::MAX_MONEY))),
    |m| own(m, |tx| Some(tx.input.push(tx.input[0].clone()))),
    |m| own(m, |tx| Some(tx.input.push(TxIn::default()))),
    |m| {
        let mut loose = m.tip.txdata[0].clone();
        loose.output[0].value -= Amount::ONE_SAT;
        Some(loose)
    },
    |m| {
        own(m, |tx| {
            tx.lock_time = absolute::LockTime::from_consensus(499_999_999);
            Some(tx.input[0].sequence = Sequence::ZERO)
        })
    },
    |m| {
        let txid = m.tip.txdata.get(1)?.compute_txid();
        own(m, |tx| Some(tx.input[0].previous_output = OutPoint { txid, vout: 77 }))
    },
    |m| {
        let txid = m.tip.txdata[0].compute_txid();
        own(m, |tx| Some(tx.input[0].previous_output = OutPoint { txid, vout: 0 }))
    },
    |m| own(m, |tx| Some(tx.output[1].value = Amount::from_int_btc(1_000_000))),
    |m| own(m, |tx| Some(tx.input[0].witness.clear())),
    |m| own(m, |tx| alter_witness(&mut tx.input[0].witness, 1, |key| key[5] ^= 1)),
    |m| own(m, |tx| alter_witness(&mut tx.input[0].witness, 0, |it| *it.last_mut().unwrap_or(&mut 0) ^= 0x40)),
    |m| own(m, |tx| alter_witness(&mut tx.input[0].witness, 0, |it| it[12] ^= 1)),
    |m| own(m, |tx| Some(tx.output[0].value += Amount::ONE_SAT)),
    // -- what pools refuse and blocks may hold
    |m| own(m, |tx| Some(tx.output[0].script_pubkey = vec![0x6a; 60_000].into())),
    |m| own(m, |tx| alter_witness(&mut tx.input[0].witness, 0, |it| it[0] ^= 1)),
    |m| own(m, |tx| alter_witness(&mut tx.input[0].witness, 0, make_high)),
    |m| own(m, |tx| alter_witness(&mut tx.input[0].witness, 0, |it| *it.last_mut().unwrap_or(&mut 0) = 0x10)),
    |m| own(m, |tx| Some(tx.output[0].script_pubkey = vec![0x51].into())),
    |m| own(m, |tx| Some(tx.output[0].value = Amount::ONE_SAT)),
    |m| {
        let holds = *m.values.get(&m.own.as_ref()?.input[0].previous_output)?;
        own(m, |tx| Some(tx.output[1].value = holds - tx.output[0].value))
    },
    |m| {
        own(m, |tx| {
            let unknown = |number: u8| OutPoint { txid: Txid::from_byte_array([number; 32]), vout: 0 };
            Some(tx.input = (0..30).map(|n| TxIn { previous_output: unknown(n), ..tx.input[0].clone() }).collect())
        })
    },
    // -- what competes with a payment that they hold
    |m| pooled(m, |tx| tx.output[1].value += Amount::ONE_SAT),
    |m| pooled(m, |tx| tx.output[1].value -= Amount::ONE_SAT),
    |m| pooled(m, |tx| tx.output[1].value -= Amount::from_sat(5_000)),
    |m| {
        let txid = m.pooled.as_ref()?.compute_txid();
        pooled(m, |tx| {
            tx.input.push(TxIn { previous_output: OutPoint { txid, vout: 1 }, ..tx.input[0].clone() });
            tx.output.truncate(1);
        })
    },
];

fn own(material: &Material, alter: impl FnOnce(&mut Transaction) -> Option<()>) -> Option<Transaction> {
    let mut altered = (**material.own.as_ref()?).clone();
    (altered.output.len() > 1).then_some(())?;
    alter(&mut altered)?;
    Some(altered)
}

fn pooled(material: &Material, alter: impl FnOnce(&mut Transaction)) -> Option<Transaction> {
    let mut altered = (**material.pooled.as_ref()?).clone();
    // One that is in the block at the tip competes with nobody.
    let waits = altered.input.iter().all(|input| material.values.contains_key(&input.previous_output));
    (waits && altered.output.len() > 1).then(|| alter(&mut altered))?;
    Some(altered)
}

/// Gives a signature the other of its two S: it holds, and is not the one that wallets write.
fn make_high(signature: &mut Vec<u8>) {
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xba, 0xae,
        0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
    ];
    let Some((kind, der)) = signature.split_last() else { return };
    let Ok(read) = bitcoin::secp256k1::ecdsa::Signature::from_der(der) else { return };
    let mut compact = read.serialize_compact();
    let mut borrow = 0;
    for place in (0..32).rev() {
        let difference = i32::from(ORDER[place]) - i32::from(compact[32 + place]) - borrow;
        borrow = i32::from(difference < 0);
        compact[32 + place] = difference.rem_euclid(256) as u8;
    }
    let Ok(high) = bitcoin::secp256k1::ecdsa::Signature::from_compact(&compact) else { return };
    *signature = [&high.serialize_der()[..], &[*kind]].concat();
}
