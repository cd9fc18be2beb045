//! The only module that knows ring: digests, keyed digests, random bytes, sealing.

use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest, hmac,
    rand::{SecureRandom, SystemRandom},
};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The system gave no randomness, or a sealed record does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    /// The system's random source failed.
    #[error("the system's random source failed")]
    Random,
    /// Wrong key, or the bytes were changed.
    #[error("a sealed record does not open: wrong key or damaged bytes")]
    Sealed,
}

/// SHA-256.
#[must_use]
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    parts.iter().for_each(|part| context.update(part));
    to_32(context.finish().as_ref())
}

/// SHA-256 of what comes in pieces.
pub(crate) struct Sha256(digest::Context);

impl Sha256 {
    pub(crate) fn new() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn finish(self) -> [u8; 32] {
        to_32(self.0.finish().as_ref())
    }
}

impl std::fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sha256(..)")
    }
}

/// HMAC-SHA-256 under one key, prepared once.
pub struct KeyedDigest(hmac::Key);

impl KeyedDigest {
    /// Prepares the key.
    #[must_use]
    pub fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The digest of a message.
    #[must_use]
    pub fn of(&self, message: &[u8]) -> [u8; 32] {
        to_32(hmac::sign(&self.0, message).as_ref())
    }
}

impl std::fmt::Debug for KeyedDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyedDigest(..)")
    }
}

/// Compares without telling by its time where the difference is.
#[must_use]
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

/// Random bytes from the system.
///
/// # Errors
/// [`CryptoError::Random`].
pub fn random<const N: usize>() -> Result<[u8; N], CryptoError> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| CryptoError::Random)?;
    Ok(bytes)
}

/// ring as rustls uses it.
#[must_use]
pub fn tls_provider() -> std::sync::Arc<rustls::crypto::CryptoProvider> {
    rustls::crypto::ring::default_provider().into()
}

/// Lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A key of AES-256-GCM, wiped when dropped. ring's expanded key lives only during one call.
pub(crate) struct AeadKey(Zeroizing<[u8; 32]>);

impl AeadKey {
    /// A new random key.
    pub(crate) fn generate() -> Result<Self, CryptoError> {
        random().map(|bytes| Self(Zeroizing::new(bytes)))
    }

    pub(crate) fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(Zeroizing::new(*bytes))
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn cipher(&self) -> Result<LessSafeKey, CryptoError> {
        UnboundKey::new(&AES_256_GCM, self.0.as_ref()).map(LessSafeKey::new).map_err(|_| CryptoError::Sealed)
    }

    /// Appends `nonce ‖ ciphertext ‖ tag` of `plain` to `out`. The nonce is 96 random bits.
    pub(crate) fn seal_onto(&self, out: &mut Vec<u8>, aad: &[u8], plain: &[u8]) -> Result<(), CryptoError> {
        let nonce: [u8; NONCE_LEN] = random()?;
        let mut buffer = plain.to_vec();
        let sealed = self.cipher()?.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut buffer);
        sealed.map_err(|_| CryptoError::Sealed)?;
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&buffer);
        Ok(())
    }

    /// The plaintext of `nonce ‖ ciphertext ‖ tag`, if nobody changed it or its `aad`.
    pub(crate) fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(CryptoError::Sealed)?;
        let mut buffer = ciphertext.to_vec();
        let plain = self
            .cipher()?
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(aad), &mut buffer)
            .map_err(|_| CryptoError::Sealed)?
            .len();
        buffer.truncate(plain);
        Ok(buffer)
    }
}

impl std::fmt::Debug for AeadKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AeadKey(..)")
    }
}

fn to_32(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(bytes);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha256_and_hmac_give_the_published_values() {
        // FIPS 180-2, appendix B.1; RFC 4231, test case 2.
        assert_eq!(hex(&sha256(&[b"a", b"bc"])), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(
            hex(&KeyedDigest::new(b"Jefe").of(b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn a_sealed_record_opens_only_with_its_key_and_its_context() {
        let key = AeadKey::from_bytes(&[1; 32]);
        let mut sealed = Vec::new();
        key.seal_onto(&mut sealed, b"here", b"balance 10000").unwrap();
        assert_eq!(key.open(b"here", &sealed).unwrap(), b"balance 10000");
        assert_eq!(AeadKey::from_bytes(&[2; 32]).open(b"here", &sealed), Err(CryptoError::Sealed));
        assert_eq!(key.open(b"there", &sealed), Err(CryptoError::Sealed));
        assert_eq!(key.open(b"here", &sealed[..11]), Err(CryptoError::Sealed));
    }
}
