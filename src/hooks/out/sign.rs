//! How a message is signed: Standard Webhooks 1.0.0 (standardwebhooks.com), `v1`, HMAC-SHA-256 over id, time and body.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    crypto::{self, CryptoError, KeyedDigest},
    domain::{UnixMillis, webhook::Signing},
};

/// Draws a new secret.
///
/// # Errors
/// [`CryptoError::Random`].
pub(super) fn generate() -> Result<Vec<u8>, CryptoError> {
    crypto::random::<32>().map(|bytes| bytes.to_vec())
}

/// A secret as its owner is shown it, once.
#[must_use]
pub fn shown(key: &[u8]) -> String {
    format!("whsec_{}", STANDARD.encode(key))
}

/// The header `webhook-signature`: one signature for each secret that is good now.
#[must_use]
pub(super) fn signatures(secrets: &[Signing], now: UnixMillis, id: &str, seconds: i64, body: &str) -> String {
    let signed = format!("{id}.{seconds}.{body}");
    let good = secrets.iter().filter(|secret| secret.until.is_none_or(|until| now < until));
    let all: Vec<_> =
        good.map(|secret| format!("v1,{}", STANDARD.encode(KeyedDigest::new(&secret.key).of(signed.as_bytes())))).collect();
    all.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_the_one_that_the_standard_names_as_its_example() {
        // github.com/standard-webhooks/standard-webhooks, the test vector of its libraries.
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let secrets = [Signing { key, until: None }];
        let signed =
            signatures(&secrets, UnixMillis(0), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn two_secrets_sign_while_one_takes_over_from_the_other() {
        let secret = |byte, until: Option<i64>| Signing { key: vec![byte; 32], until: until.map(UnixMillis) };
        let at = |now| signatures(&[secret(1, None), secret(2, Some(1_000))], UnixMillis(now), "msg_1", 1, "{}");
        assert_eq!(at(999).split(' ').count(), 2);
        assert_eq!(at(1_000), at(999).split(' ').next().unwrap());
    }
}
