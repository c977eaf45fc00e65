//! Signature check: all that one input owes, as bytes that can be checked anywhere and remembered.

use std::sync::LazyLock;

use bitcoin::secp256k1::ecdsa::Signature;
use bitcoin::secp256k1::{Message, PublicKey, Secp256k1, VerifyOnly};

/// The signatures of one input to check: digests, signatures, and the keys they may stand under, in one encoding.
/// Equal bytes have equal answers, whichever transaction they come from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignatureCheck {
    /// How many signatures, how many keys; for each signature 32 bytes of digest and 64 of r and s; for each key a
    /// length and the key.
    bytes: Vec<u8>,
}

impl SignatureCheck {
    /// That every one of `signed` (a digest, and a signature over it) stands under one of `keys`, in their order.
    /// At most 255 of each.
    pub fn new(signed: &[([u8; 32], Signature)], keys: &[&[u8]]) -> Self {
        let mut bytes = Vec::with_capacity(2 + signed.len() * SIGNED + keys.len() * 66);
        bytes.extend([signed.len() as u8, keys.len() as u8]);
        for (digest, signature) in signed {
            let mut signature = *signature;
            // libsecp takes the lower of the two possible S only; both are valid, and policy asks for the lower apart.
            signature.normalize_s();
            bytes.extend_from_slice(digest);
            bytes.extend_from_slice(&signature.serialize_compact());
        }
        for key in keys {
            bytes.push(key.len() as u8);
            bytes.extend_from_slice(key);
        }
        Self { bytes }
    }

    /// Whether the signatures hold. A key that is none fits no signature.
    pub fn holds(&self) -> bool {
        let [signatures, _, rest @ ..] = self.bytes.as_slice() else { return false };
        let Some((signed, mut keys)) = rest.split_at_checked(usize::from(*signatures) * SIGNED) else { return false };
        // Signatures and keys have one order, so the first key that fits is always the right one to take.
        signed.chunks_exact(SIGNED).all(|one| {
            while let Some(key) = next_key(&mut keys) {
                if fits(one, key) {
                    return true;
                }
            }
            false
        })
    }

    /// How many signature operations it may take at most: one for each key.
    pub fn operations(&self) -> u32 {
        self.bytes.get(1).copied().map_or(0, u32::from)
    }

    /// What a memo remembers it by.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Bytes of a digest and a signature.
const SIGNED: usize = 32 + 64;

/// Never randomised: verifying has no secrets to protect.
static CONTEXT: LazyLock<Secp256k1<VerifyOnly>> = LazyLock::new(Secp256k1::verification_only);

fn next_key<'a>(keys: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = keys.split_first()?;
    let (key, rest) = rest.split_at_checked(usize::from(*length))?;
    *keys = rest;
    Some(key)
}

fn fits(signed: &[u8], key: &[u8]) -> bool {
    let (digest, signature) = signed.split_at(32);
    let (Ok(key), Ok(signature)) = (PublicKey::from_slice(key), Signature::from_compact(signature)) else {
        return false;
    };
    let Ok(message) = Message::from_digest_slice(digest) else { return false };
    CONTEXT.verify_ecdsa(&message, &signature, &key).is_ok()
}
