//! Who may do what: connection tokens (mint, admit, lock, revoke, rotate) and API keys (mint, authorize, revoke, rotate); and how much
//! of it: `plans`, `usage`.
//!
//! All tokens and keys are in memory as well, so that admission and every request decide without the disk; the store's
//! compare-and-set decides between two who change the same one.

mod ledger;
pub mod secret;
pub mod tokens;

mod keys;
pub mod plans;
pub mod usage;

use std::sync::Arc;

use crate::{
    clock::{Clock, Ids},
    crypto::{CryptoError, KeyedDigest},
    domain::{api_key::ApiKey, ids::OwnerId, token::Token},
    store::{Batch, Store, StoreError, records},
};
pub use keys::NewKey;
use ledger::Ledger;
pub use tokens::History;

/// Why somebody is refused, or a change was not made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AccessError {
    /// No such secret, or one with a typing error. Deliberately one answer for both.
    #[error("unknown secret")]
    Unknown,
    /// No token or key with this id.
    #[error("there is no such token or key")]
    NotFound,
    /// It was revoked.
    #[error("it was revoked")]
    Revoked,
    /// Its time is over.
    #[error("it has expired")]
    Expired,
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

/// Tokens and keys. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Access {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn Store>,
    /// Key of the digests of secrets; whoever has the data folder without it cannot test guesses.
    pepper: KeyedDigest,
    clock: Clock,
    ids: Arc<Ids>,
    tokens: Ledger<Token>,
    keys: Ledger<ApiKey>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").field("tokens", &self.tokens.len()).field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

impl Access {
    /// Reads all tokens and keys.
    ///
    /// # Errors
    /// [`AccessError::Store`].
    pub async fn open(store: Arc<dyn Store>, pepper: [u8; 32], clock: Clock, ids: Arc<Ids>) -> Result<Self, AccessError> {
        let tokens = Ledger::load(store.as_ref(), records::TOKENS).await?;
        let keys = Ledger::load(store.as_ref(), records::KEYS).await?;
        let pepper = KeyedDigest::new(&pepper);
        Ok(Self { inner: Arc::new(Inner { store, pepper, clock, ids, tokens, keys }) })
    }

    /// The one owner there is until users come.
    #[must_use]
    pub const fn owner() -> OwnerId {
        OwnerId::SELF
    }

    fn digest(&self, secret: &str) -> [u8; 32] {
        self.inner.pepper.of(secret.as_bytes())
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
    fn audited(&self, batch: Batch, actor: &str, action: &str, target: &str, detail: &str) -> Result<Batch, AccessError> {
        let record = records::AuditRecord {
            at: self.inner.clock.wall(),
            actor: actor.to_owned(),
            action: action.to_owned(),
            target: target.to_owned(),
            detail: detail.to_owned(),
        };
        Ok(batch.put(records::audit(self.inner.ids.next()?), records::encode(&record)))
    }
}

#[cfg(test)]
#[path = "access_tests.rs"]
mod tests;
