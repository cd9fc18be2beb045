//! The only place that knows ring: hashes, random bytes and AES-256-GCM.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

/// Why nothing could be sealed or opened. ring tells no more on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CryptoFailed;

/// SHA-256 of the parts one after the other.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Fills `out` from the operating system's generator.
pub(crate) fn random(out: &mut [u8]) -> Result<(), CryptoFailed> {
    SystemRandom::new().fill(out).map_err(|_| CryptoFailed)
}

/// A key of AES-256-GCM, wiped when dropped. ring's expanded key lives only during one call.
pub(crate) struct AeadKey(Zeroizing<[u8; 32]>);

impl AeadKey {
    /// A new random key.
    pub(crate) fn generate() -> Result<Self, CryptoFailed> {
        let mut bytes = Zeroizing::new([0; 32]);
        random(bytes.as_mut())?;
        Ok(Self(bytes))
    }

    pub(crate) fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(Zeroizing::new(*bytes))
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn cipher(&self) -> Result<LessSafeKey, CryptoFailed> {
        UnboundKey::new(&AES_256_GCM, self.0.as_ref()).map(LessSafeKey::new).map_err(|_| CryptoFailed)
    }

    /// Appends `nonce ‖ ciphertext ‖ tag` of `plain` to `out`. The nonce is 96 random bits.
    pub(crate) fn seal_onto(&self, out: &mut Vec<u8>, aad: &[u8], plain: &[u8]) -> Result<(), CryptoFailed> {
        let mut nonce = [0; NONCE_LEN];
        random(&mut nonce)?;
        let mut buffer = plain.to_vec();
        let sealed = self.cipher()?.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut buffer);
        sealed.map_err(|_| CryptoFailed)?;
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&buffer);
        Ok(())
    }

    /// The plaintext of `nonce ‖ ciphertext ‖ tag`, if nobody changed it or its `aad`.
    pub(crate) fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CryptoFailed> {
        let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(CryptoFailed)?;
        let mut buffer = ciphertext.to_vec();
        let plain = self
            .cipher()?
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(aad), &mut buffer)
            .map_err(|_| CryptoFailed)?
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn sealed_bytes_open_only_with_the_same_key_and_aad_and_unchanged() {
        let key = AeadKey::generate().unwrap();
        let mut sealed = Vec::new();
        key.seal_onto(&mut sealed, b"aad", b"plain").unwrap();
        assert_eq!(key.open(b"aad", &sealed).unwrap(), b"plain");
        assert_eq!(key.open(b"other", &sealed), Err(CryptoFailed));
        assert_eq!(AeadKey::generate().unwrap().open(b"aad", &sealed), Err(CryptoFailed));
        sealed[14] ^= 1;
        assert_eq!(key.open(b"aad", &sealed), Err(CryptoFailed));
        assert_eq!(key.open(b"aad", b"short"), Err(CryptoFailed));
    }
}
