//! The only module that knows ring: digests, keyed digests, random bytes, sealing.

use ring::{
    aead, digest, hmac,
    rand::{SecureRandom, SystemRandom},
};
use subtle::ConstantTimeEq;

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

/// HMAC-SHA-256.
#[must_use]
pub fn keyed_digest(key: &[u8], message: &[u8]) -> [u8; 32] {
    to_32(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref())
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

/// Seals with AES-256-GCM: 12 bytes of random nonce, ciphertext, 16 bytes of tag.
///
/// # Errors
/// [`CryptoError::Random`].
pub fn seal(key: &[u8; 32], context: &[u8], plain: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let nonce: [u8; 12] = random()?;
    let mut body = plain.to_vec();
    let tag = sealing_key(key)?
        .seal_in_place_separate_tag(aead::Nonce::assume_unique_for_key(nonce), aead::Aad::from(context), &mut body)
        .map_err(|_| CryptoError::Sealed)?;
    let mut sealed = Vec::with_capacity(12 + body.len() + 16);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(&body);
    sealed.extend_from_slice(tag.as_ref());
    Ok(sealed)
}

/// Opens what [`seal`] made with the same key and context.
///
/// # Errors
/// [`CryptoError::Sealed`].
pub fn open(key: &[u8; 32], context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let (nonce, body) = sealed.split_first_chunk::<12>().ok_or(CryptoError::Sealed)?;
    let mut body = body.to_vec();
    let plain = sealing_key(key)?
        .open_in_place(aead::Nonce::assume_unique_for_key(*nonce), aead::Aad::from(context), &mut body)
        .map_err(|_| CryptoError::Sealed)?
        .len();
    body.truncate(plain);
    Ok(body)
}

fn sealing_key(key: &[u8; 32]) -> Result<aead::LessSafeKey, CryptoError> {
    aead::UnboundKey::new(&aead::AES_256_GCM, key).map(aead::LessSafeKey::new).map_err(|_| CryptoError::Sealed)
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
        let hex = |bytes: [u8; 32]| bytes.iter().fold(String::new(), |text, b| text + &format!("{b:02x}"));
        // FIPS 180-2, appendix B.1; RFC 4231, test case 2.
        assert_eq!(hex(sha256(&[b"a", b"bc"])), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(
            hex(keyed_digest(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn a_sealed_record_opens_only_with_its_key_and_its_context() {
        let sealed = seal(&[1; 32], b"here", b"balance 10000").unwrap();
        assert_eq!(open(&[1; 32], b"here", &sealed).unwrap(), b"balance 10000");
        assert_eq!(open(&[2; 32], b"here", &sealed), Err(CryptoError::Sealed));
        assert_eq!(open(&[1; 32], b"there", &sealed), Err(CryptoError::Sealed));
        assert_eq!(open(&[1; 32], b"here", &sealed[..11]), Err(CryptoError::Sealed));
    }
}
