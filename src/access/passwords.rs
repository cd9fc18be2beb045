//! Passwords: which are taken, and how they are kept and compared.
//!
//! Argon2id over the keyed digest of the password, so that a copy of the records without `secret.key` gives nothing to guess at. Two at
//! once at most, on threads that may block: each takes 19 MiB and tens of milliseconds, and a crowd of logins must not take the hub's.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeroize::Zeroizing;

use crate::{
    crypto::{self, CryptoError},
    domain::user::PasswordHash,
};

/// OWASP's floor for Argon2id: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
/// Characters of a password.
const SHORTEST: usize = 12;
const LONGEST: usize = 256;
/// Computations at once, those that may wait for one, and how long.
const AT_ONCE: usize = 2;
const WAITING: usize = 64;
const WAIT: Duration = Duration::from_secs(10);

/// Words that the most common passwords are made of, and those that anybody would try here. A list of our own making.
const WORDS: [&str; 64] = [
    "password",
    "passwort",
    "passw0rd",
    "p@ssword",
    "p@ssw0rd",
    "letmein",
    "welcome",
    "willkommen",
    "changeme",
    "default",
    "secret",
    "admin",
    "administrator",
    "root",
    "user",
    "login",
    "guest",
    "test",
    "demo",
    "hello",
    "iloveyou",
    "love",
    "dragon",
    "monkey",
    "football",
    "baseball",
    "princess",
    "sunshine",
    "shadow",
    "master",
    "superman",
    "batman",
    "trustno1",
    "freedom",
    "whatever",
    "qwerty",
    "qwertz",
    "azerty",
    "asdf",
    "zxcv",
    "yxcv",
    "qazwsx",
    "spring",
    "summer",
    "autumn",
    "winter",
    "january",
    "october",
    "november",
    "december",
    "monday",
    "friday",
    "mtbridge",
    "bridge",
    "metatrader",
    "metaquotes",
    "trading",
    "trader",
    "trade",
    "forex",
    "broker",
    "money",
    "bitcoin",
    "million",
];
/// Rows of keys and of letters that people run along.
const RUNS: [&str; 6] = ["abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop", "qwertzuiop", "asdfghjkl", "zxcvbnm"];
/// So many letters must remain when words, runs, digits and signs are taken away.
const OWN_LETTERS: usize = 4;

/// Why a password is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Fewer than 12 characters.
    #[error("must have at least 12 characters; 15 and more are better, any characters are allowed")]
    Short,
    /// More than 256 characters.
    #[error("must have at most 256 characters")]
    Long,
    /// Made of what is tried first.
    #[error(
        "is among the most common ones: common words, keyboard runs, repetitions and digits are not enough; add words of your own"
    )]
    Common,
    /// The user's own name with a little around it.
    #[error("is little more than the login name")]
    Login,
}

/// Whether a password may be set by the user with this login name.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check(password: &str, login: &str) -> Result<(), WeakPassword> {
    let length = password.chars().count();
    if length < SHORTEST {
        return Err(WeakPassword::Short);
    }
    if length > LONGEST {
        return Err(WeakPassword::Long);
    }
    let mut rest = password.to_lowercase();
    let whose = login.split('@').next().unwrap_or(login);
    if whose.len() >= 3 && rest.contains(whose) {
        rest = rest.replace(whose, " ");
        if own_letters(&rest) < OWN_LETTERS {
            return Err(WeakPassword::Login);
        }
    }
    if own_letters(&rest) < OWN_LETTERS { Err(WeakPassword::Common) } else { Ok(()) }
}

/// Different letters that are left when everything common is taken away. Letters of every script count.
fn own_letters(password: &str) -> usize {
    let mut rest = password.to_owned();
    for word in WORDS {
        rest = rest.replace(word, " ");
    }
    for run in RUNS {
        for row in [run.to_owned(), run.chars().rev().collect()] {
            for length in (4..=row.len()).rev() {
                for at in 0..=row.len() - length {
                    rest = rest.replace(&row[at..at + length], " ");
                }
            }
        }
    }
    let letters: std::collections::HashSet<char> = rest.chars().filter(|c| c.is_alphabetic()).collect();
    letters.len()
}

/// There is no room for one more computation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Crowded;

/// Who computes.
#[derive(Debug)]
pub(super) struct Hasher {
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// Compared with where there is no password, so that a login takes the same time whether its user exists.
    nobody: PasswordHash,
}

impl Hasher {
    pub(super) fn new() -> Result<Self, CryptoError> {
        let nobody = PasswordHash {
            memory_kib: MEMORY_KIB,
            passes: PASSES,
            salt: crypto::random::<16>()?.to_vec(),
            hash: crypto::random::<32>()?.to_vec(),
        };
        Ok(Self { places: Arc::new(Semaphore::new(AT_ONCE)), waiting: AtomicUsize::new(0), nobody })
    }

    /// A place to compute in.
    pub(super) async fn place(&self) -> Result<OwnedSemaphorePermit, Crowded> {
        struct Waits<'a>(&'a AtomicUsize);
        impl Drop for Waits<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waits = Waits(&self.waiting);
        if before >= WAITING {
            return Err(Crowded);
        }
        match tokio::time::timeout(WAIT, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(Crowded),
        }
    }

    /// Keeps a password, given as its keyed digest.
    pub(super) async fn keep(&self, place: OwnedSemaphorePermit, digest: [u8; 32]) -> Result<PasswordHash, CryptoError> {
        let salt = crypto::random::<16>()?.to_vec();
        let made = PasswordHash { memory_kib: MEMORY_KIB, passes: PASSES, salt, hash: Vec::new() };
        let hash = compute(place, made.clone(), digest).await.ok_or(CryptoError::Random)?;
        Ok(PasswordHash { hash: hash.to_vec(), ..made })
    }

    /// Whether it is the one that is kept. Without one the answer is no, after the same time.
    pub(super) async fn is(&self, place: OwnedSemaphorePermit, kept: Option<&PasswordHash>, digest: [u8; 32]) -> bool {
        let with = kept.unwrap_or(&self.nobody).clone();
        let computed = compute(place, with.clone(), digest).await;
        kept.is_some() && computed.is_some_and(|computed| crypto::equal(computed.as_slice(), &with.hash))
    }
}

/// On a thread of its own, which holds the place to the end, whoever has given up waiting.
async fn compute(place: OwnedSemaphorePermit, with: PasswordHash, digest: [u8; 32]) -> Option<Zeroizing<[u8; 32]>> {
    let digest = Zeroizing::new(digest);
    let computing = tokio::task::spawn_blocking(move || {
        let _place = place;
        let params = Params::new(with.memory_kib, with.passes, 1, Some(32)).ok()?;
        let mut hash = Zeroizing::new([0; 32]);
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon.hash_password_into(digest.as_slice(), &with.salt, hash.as_mut_slice()).ok()?;
        Some(hash)
    });
    computing.await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_everybody_tries_first_is_not_taken() {
        for password in [
            "password1234",
            "Passw0rd2026!",
            "qwertyuiop12345",
            "123456789012",
            "aaaaaaaaaaaa",
            "abcabcabcabc",
            "MetaTrader2026!",
            "mtbridge-mtbridge",
            "letmeinletmein",
            "0987654321qwerty",
            "Summer2026!!!",
            "trading trading",
            "abcdefghijklm",
        ] {
            assert_eq!(check(password, "anna"), Err(WeakPassword::Common), "{password}");
        }
        assert_eq!(check("annamaria2026!", "annamaria@example.com"), Err(WeakPassword::Login));
        assert_eq!(check("short-horse", "anna"), Err(WeakPassword::Short));
        assert_eq!(check(&"xyzw".repeat(65), "anna"), Err(WeakPassword::Long));
    }

    #[test]
    fn any_characters_make_a_password_that_is_taken() {
        for password in ["correct horse battery", "Übergrößenträger", "пароль-от-кассы", "v8K!x2Lm-q0zT", "anna likes tall trees"]
        {
            assert_eq!(check(password, "anna"), Ok(()), "{password}");
        }
    }

    #[tokio::test]
    async fn a_kept_password_is_known_again_and_another_or_none_is_not() {
        let hasher = Hasher::new().unwrap();
        let kept = hasher.keep(hasher.place().await.unwrap(), [1; 32]).await.unwrap();
        assert_eq!((kept.memory_kib, kept.passes, kept.salt.len(), kept.hash.len()), (19_456, 2, 16, 32));
        assert!(hasher.is(hasher.place().await.unwrap(), Some(&kept), [1; 32]).await);
        assert!(!hasher.is(hasher.place().await.unwrap(), Some(&kept), [2; 32]).await);
        assert!(!hasher.is(hasher.place().await.unwrap(), None, [1; 32]).await);
    }

    #[tokio::test(start_paused = true)]
    async fn two_compute_at_once_and_who_waits_too_long_is_told() {
        let hasher = Hasher::new().unwrap();
        let (one, _two) = (hasher.place().await.unwrap(), hasher.place().await.unwrap());
        assert_eq!(hasher.place().await.err(), Some(Crowded));
        drop(one);
        assert!(hasher.place().await.is_ok());
        assert_eq!(hasher.waiting.load(Ordering::Relaxed), 0);
    }
}
