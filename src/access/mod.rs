//! Who may do what: connection tokens (mint, admit, lock, revoke, rotate), API keys (mint, authorize, revoke, rotate), users and their
//! logins; and how much of it: `plans`, `usage`, and for each tenant a ceiling (`tenants`).
//!
//! All of them are in memory as well, so that admission and every request decide without the disk; the store's
//! compare-and-set decides between two who change the same one.

mod attempts;
pub mod denials;
mod guard;
mod keys;
mod ledger;
mod login;
pub mod logins;
mod makers;
mod passwords;
pub mod plans;
pub mod secret;
pub mod tenants;
pub mod throttle;
pub mod tokens;
pub mod usage;
pub mod users;

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    clock::{Clock, Ids},
    config,
    crypto::{CryptoError, KeyedDigest},
    domain::{api_key::ApiKey, tenant::Tenant, token::Token, user::User},
    store::{Batch, Store, StoreError, records},
};
use attempts::Attempts;
pub use guard::Guard;
pub use keys::NewKey;
use ledger::Ledger;
pub use login::{LoginError, Newcomer, Password};
use logins::{LiveLogin, Logins};
use makers::HookLookup;
use passwords::Hasher;
pub use passwords::WeakPassword;
pub use tokens::History;

/// Why somebody is refused, or a change was not made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AccessError {
    /// No such secret, or one with a typing error. Deliberately one answer for both.
    #[error("unknown secret")]
    Unknown,
    /// No token or key with this id.
    #[error("there is no such thing")]
    NotFound,
    /// It was revoked.
    #[error("it was revoked")]
    Revoked,
    /// Its time is over.
    #[error("it has expired")]
    Expired,
    /// The user that it belongs to is disabled or deleted.
    #[error("the user that it belongs to is disabled")]
    OwnerDisabled,
    /// The preset key exists and is no admin.
    #[error("the key is no admin")]
    NotAdmin,
    /// The token is locked to another account.
    #[error("the token is locked to another account")]
    AccountMismatch,
    /// The token is locked to no account.
    #[error("the token is locked to no account")]
    NotLocked,
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system gave no randomness.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

/// What a secret is the secret of.
#[derive(Debug, Clone)]
pub enum Found {
    /// A connection token.
    Token(Arc<Token>),
    /// An API key.
    Key(Arc<ApiKey>),
    /// A login.
    Login(Arc<LiveLogin>),
    /// A one-time code, with which this user sets a password.
    Code(Arc<User>),
}

/// Tokens, keys, users and logins. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Access {
    inner: Arc<Inner>,
    guard: Guard,
}

struct Inner {
    store: Arc<dyn Store>,
    /// Key of the digests of secrets; whoever has the data folder without it cannot test guesses.
    pepper: KeyedDigest,
    clock: Clock,
    ids: Arc<Ids>,
    tokens: Ledger<Token>,
    keys: Ledger<ApiKey>,
    users: Ledger<User>,
    tenants: Ledger<Tenant>,
    logins: Logins,
    hooks: HookLookup,
    attempts: Attempts,
    hasher: Hasher,
    settings: config::Sessions,
    /// Held while a user, or what is set on a tenant, is made or changed: one after the other.
    user_turn: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").field("tokens", &self.tokens.len()).field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

impl Access {
    /// Reads everything, with the default settings for logins.
    ///
    /// # Errors
    /// As [`Self::open_with`].
    pub async fn open(store: Arc<dyn Store>, pepper: [u8; 32], clock: Clock, ids: Arc<Ids>) -> Result<Self, AccessError> {
        Self::open_with(store, pepper, clock, ids, config::Sessions::default()).await
    }

    /// The same behind this guard; for the one who opens it.
    #[must_use]
    pub fn guarded(self, guard: Guard) -> Self {
        Self { guard, ..self }
    }

    /// What stands against those who are not let in.
    #[must_use]
    pub const fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Reads all tokens, keys, users and logins.
    ///
    /// # Errors
    /// [`AccessError::Store`], [`AccessError::Crypto`].
    pub async fn open_with(
        store: Arc<dyn Store>,
        pepper: [u8; 32],
        clock: Clock,
        ids: Arc<Ids>,
        settings: config::Sessions,
    ) -> Result<Self, AccessError> {
        let (rights, changes) = (watch::Sender::new(0), watch::Sender::new(0));
        let tokens = Ledger::load(store.as_ref(), records::TOKENS, changes).await?;
        let keys = Ledger::load(store.as_ref(), records::KEYS, rights.clone()).await?;
        let users = Ledger::load(store.as_ref(), records::USERS, rights.clone()).await?;
        let tenants = Ledger::load(store.as_ref(), records::TENANTS, rights.clone()).await?;
        let logins = Logins::load(store.as_ref(), rights).await?;
        let (pepper, hasher) = (KeyedDigest::new(&pepper), Hasher::new()?);
        let (attempts, user_turn) = (Attempts::default(), tokio::sync::Mutex::default());
        let inner = Inner {
            store,
            pepper,
            clock,
            ids,
            tokens,
            keys,
            users,
            tenants,
            logins,
            hooks: HookLookup::default(),
            attempts,
            hasher,
            settings,
            user_turn,
        };
        let guard = Guard::new(&config::Throttle::default(), clock);
        Ok(Self { inner: Arc::new(inner), guard })
    }

    /// The keyed digest under which a secret is kept.
    pub(crate) fn digest(&self, secret: &str) -> [u8; 32] {
        self.inner.pepper.of(secret.as_bytes())
    }

    /// Writes denials into the audit until `stop`, those of strangers each `every`.
    pub async fn write_denials(self, every: Duration, stop: CancellationToken) {
        let denials = self.guard.denials.clone();
        denials.run(Arc::clone(&self.inner.store), Arc::clone(&self.inner.ids), every, stop).await;
    }

    /// What a secret is the secret of, whether it is still good or not: for whoever wants to end it. Hooks and the first code of a hub
    /// without users are not among it: [`Self::end_first_code`]. Text without the right checksum is not
    /// looked up.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<Found> {
        let digest = self.digest(secret::Secret::parse(text, &secret::PREFIXES)?.reveal());
        match *secret::PREFIXES.iter().find(|prefix| text.starts_with(**prefix))? {
            secret::TOKEN => self.inner.tokens.by_digest(&digest).map(Found::Token),
            secret::KEY_LIVE | secret::KEY_TEST => self.inner.keys.by_digest(&digest).map(Found::Key),
            secret::SESSION => self.inner.logins.get(&digest).map(Found::Login),
            secret::SETUP => self.inner.users.by_digest(&digest).filter(|user| user.deleted_at.is_none()).map(Found::Code),
            _ => None,
        }
    }

    /// Records that somebody takes a copy of everything, secrets included.
    ///
    /// # Errors
    /// [`AccessError::Store`].
    pub async fn note_backup(&self, actor: &str) -> Result<(), AccessError> {
        let batch = self.audited(Batch::outcome(), actor, "backup.take", "hub", "")?;
        self.inner.store.commit(batch).await?;
        Ok(())
    }

    /// Adds the audit record of a change to the batch that makes it.
    pub(crate) fn audited(
        &self,
        batch: Batch,
        actor: &str,
        action: &str,
        target: &str,
        detail: &str,
    ) -> Result<Batch, AccessError> {
        let record = records::AuditRecord::done(self.inner.clock.wall(), actor, action, target, detail);
        Ok(batch.put(records::audit(self.inner.ids.next()?), records::encode(&record)))
    }
}

#[cfg(test)]
#[path = "access_tests.rs"]
mod tests;
