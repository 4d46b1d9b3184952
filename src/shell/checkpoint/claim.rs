//! What a checkpoint says, as a line of text, and its signature. Pure.

use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::{Value, json};

use super::key::Signer;
use crate::shell::journal::hex;

/// What a checkpoint says of the journal before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Identifier of the data folder.
    pub store: String,
    /// Epoch of the checkpoint.
    pub epoch: u64,
    /// Last record before the checkpoint.
    pub seq: u64,
    /// Its chain hash, hex.
    pub head: String,
    /// Records up to there, from the first that was kept when the service started.
    pub records: u64,
}

/// A claim with its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// What is said.
    pub claim: Claim,
    /// Public key, hex (32 bytes).
    pub key: String,
    /// Signature of [`Claim::text`], hex (64 bytes).
    pub signature: String,
}

/// Why a checkpoint is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// Key or signature are no hexadecimal numbers of their length.
    #[error("key or signature are no numbers")]
    Malformed,
    /// The signature is not of this text with this key.
    #[error("its signature does not fit")]
    Signature,
}

impl Claim {
    /// The text that is signed: one line of ASCII, so that any program can check it.
    pub fn text(&self) -> String {
        let Self { store, epoch, seq, head, records } = self;
        format!("qindan checkpoint 1 {store} {epoch} {seq} {head} {records}")
    }

    /// Signs it.
    pub fn sign(self, signer: &Signer) -> Signed {
        let signature = hex(&signer.sign(self.text().as_bytes()));
        Signed { claim: self, key: signer.public().to_owned(), signature }
    }
}

impl Signed {
    /// The detail of a checkpoint record.
    pub fn detail(&self) -> Value {
        let Claim { store, epoch, seq, head, records } = &self.claim;
        json!({
            "store": store, "epoch": epoch, "seq": seq, "head": head, "records": records,
            "key": self.key, "signature": self.signature,
        })
    }

    /// From the detail of a checkpoint record; `None` when something is missing.
    pub fn of(detail: &Value) -> Option<Self> {
        let text = |key: &str| detail.get(key)?.as_str().map(str::to_owned);
        let number = |key: &str| detail.get(key)?.as_u64();
        Some(Self {
            claim: Claim {
                store: text("store")?,
                epoch: number("epoch")?,
                seq: number("seq")?,
                head: text("head")?,
                records: number("records")?,
            },
            key: text("key")?,
            signature: text("signature")?,
        })
    }

    /// Whether the signature is of this claim with this key; whose key it is, the caller asks.
    ///
    /// # Errors
    /// When it is not.
    pub fn check(&self) -> Result<(), Wrong> {
        let (key, signature) = (unhex(&self.key), unhex(&self.signature));
        let (key, signature) = key.zip(signature).ok_or(Wrong::Malformed)?;
        UnparsedPublicKey::new(&ED25519, key)
            .verify(self.claim.text().as_bytes(), &signature)
            .map_err(|_| Wrong::Signature)
    }
}

/// The bytes of hexadecimal digits, two each.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_ed25519_of_rfc_8032() {
        // RFC 8032, 7.1, TEST 1: the empty message.
        let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        let signature = "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";
        let signer = Signer::from_seed(&unhex(seed).unwrap()).unwrap();
        assert_eq!(signer.public(), public);
        assert_eq!(hex(&signer.sign(b"")), signature);
    }

    #[test]
    fn whatever_is_changed_the_signature_does_not_fit() {
        let claim = Claim { store: "ab".into(), epoch: 1, seq: 41, head: "c0".repeat(32), records: 41 };
        assert_eq!(claim.text(), format!("qindan checkpoint 1 ab 1 41 {} 41", "c0".repeat(32)));
        let signed = claim.sign(&Signer::from_seed(&[7; 32]).unwrap());
        assert_eq!(signed.check(), Ok(()));
        assert_eq!(Signed::of(&signed.detail()).as_ref(), Some(&signed));
        let with = |change: fn(&mut Signed)| {
            let mut signed = signed.clone();
            change(&mut signed);
            signed.check()
        };
        assert_eq!(with(|signed| signed.claim.seq += 1), Err(Wrong::Signature));
        assert_eq!(with(|signed| signed.claim.records += 1), Err(Wrong::Signature));
        assert_eq!(with(|signed| signed.claim.epoch += 1), Err(Wrong::Signature));
        assert_eq!(with(|signed| signed.claim.store.push('c')), Err(Wrong::Signature));
        assert_eq!(with(|signed| signed.claim.head = "c1".repeat(32)), Err(Wrong::Signature));
        assert_eq!(with(|signed| signed.signature = "00".repeat(64)), Err(Wrong::Signature));
        assert_eq!(with(|signed| signed.key.push('0')), Err(Wrong::Malformed));
        let other = Signer::from_seed(&[8; 32]).unwrap();
        let forged = signed.claim.clone().sign(&other);
        assert_eq!(Signed { key: signed.key.clone(), ..forged }.check(), Err(Wrong::Signature));
    }
}
