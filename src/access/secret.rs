//! The form of tokens and keys: prefix, 43 base-62 characters (256 random bits), 6 of CRC-32 over all before.
//!
//! The checksum tells a typing error or a leaked secret without a look-up; it is no security.

use std::fmt;

use zeroize::Zeroizing;

use crate::crypto::{self, CryptoError};

/// Prefix of a connection token.
pub const TOKEN: &str = "mtb_";
/// Prefix of an API key that reaches every terminal.
pub const KEY_LIVE: &str = "sk_live_";
/// Prefix of an API key that reaches demo terminals only.
pub const KEY_TEST: &str = "sk_test_";
/// Prefix of the secret in a hook's address.
pub const HOOK: &str = "hks_";

/// Prefix of the secret of a login, which a browser keeps in a cookie.
pub const SESSION: &str = "ses_";
/// Prefix of a one-time set-up code.
pub const SETUP: &str = "set_";
/// All of them.
pub const PREFIXES: [&str; 5] = [TOKEN, KEY_LIVE, KEY_TEST, SESSION, SETUP];
/// Characters after the prefix, digits and letters all of them.
pub const AFTER_PREFIX: usize = RANDOM + CHECK;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const RANDOM: usize = 43;
const CHECK: usize = 6;
/// How many characters after the prefix are shown in lists.
const SHOWN: usize = 4;

/// A secret in clear. It exists while it is minted or presented; its `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// Draws a new one.
    ///
    /// # Errors
    /// [`CryptoError::Random`].
    pub fn generate(prefix: &str) -> Result<Self, CryptoError> {
        let mut text = Zeroizing::new(String::with_capacity(prefix.len() + RANDOM + CHECK));
        text.push_str(prefix);
        while text.len() < prefix.len() + RANDOM {
            for byte in crypto::random::<64>()? {
                // 248 = 4 x 62: bytes above are thrown away, so that no character is likelier than another.
                if byte < 248 && text.len() < prefix.len() + RANDOM {
                    text.push(char::from(ALPHABET[usize::from(byte) % 62]));
                }
            }
        }
        let check = checksum(&text);
        text.push_str(&check);
        Ok(Self(text))
    }

    /// Takes what somebody presents, if it has the form and the checksum of a secret with one of these prefixes.
    #[must_use]
    pub fn parse(text: &str, prefixes: &[&str]) -> Option<Self> {
        let prefix = prefixes.iter().find(|prefix| text.starts_with(**prefix))?;
        let well_formed =
            text.len() == prefix.len() + RANDOM + CHECK && text[prefix.len()..].bytes().all(|b| ALPHABET.contains(&b));
        if !well_formed {
            return None;
        }
        let (body, check) = text.split_at(prefix.len() + RANDOM);
        (checksum(body) == check).then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// The secret itself: for the reply that mints it and for digests, nothing else.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Enough to recognise it by.
    #[must_use]
    pub fn shown_prefix(&self) -> String {
        let prefix = self.0.len() - RANDOM - CHECK;
        self.0[..prefix + SHOWN].to_owned()
    }
}

fn checksum(text: &str) -> String {
    let mut rest = crc32fast::hash(text.as_bytes());
    let mut digits = [b'0'; CHECK];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[usize::try_from(rest % 62).unwrap_or(0)];
        rest /= 62;
    }
    digits.iter().map(|digit| char::from(*digit)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_secret_has_its_form_and_reads_back() {
        let secret = Secret::generate(TOKEN).unwrap();
        assert_eq!(secret.reveal().len(), 4 + 43 + 6);
        assert_eq!(Secret::parse(secret.reveal(), &[TOKEN]), Some(secret.clone()));
        assert_eq!(Secret::parse(secret.reveal(), &[KEY_LIVE, KEY_TEST]), None);
        assert_eq!(secret.shown_prefix().len(), 8);
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }

    #[test]
    fn two_secrets_differ() {
        assert_ne!(Secret::generate(TOKEN).unwrap(), Secret::generate(TOKEN).unwrap());
    }

    proptest! {
        #[test]
        fn any_one_changed_character_is_caught(at in 8_usize..57, by in 1_usize..62) {
            let secret = Secret::generate(KEY_LIVE).unwrap();
            let mut bytes = secret.reveal().as_bytes().to_vec();
            let was = ALPHABET.iter().position(|b| *b == bytes[at]).unwrap();
            bytes[at] = ALPHABET[(was + by) % 62];
            prop_assert_eq!(Secret::parse(std::str::from_utf8(&bytes).unwrap(), &[KEY_LIVE]), None);
        }

        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,80}") {
            let _ = Secret::parse(&text, &[TOKEN, KEY_LIVE]);
            let _ = Secret::parse(&format!("mtb_{text}"), &[TOKEN]);
        }
    }
}
