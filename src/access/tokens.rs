//! The life of a connection token.

use std::{sync::Arc, time::Duration};

use super::{
    Access, AccessError,
    secret::{self, Secret},
};
use crate::{
    domain::{
        UnixMillis,
        account::Account,
        ids::{OwnerId, TokenId},
        token::{Lock, TOKEN_LIFE_MS, Token},
    },
    protocol::CloseReason,
    store::{Batch, records},
};

/// What becomes of an account's records when its token is disconnected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[schema(as = KeepOrDelete)]
#[serde(rename_all = "lowercase")]
pub enum History {
    /// They stay in the audit.
    Keep,
    /// They are destroyed for good; a tombstone stays.
    Delete,
}

impl Access {
    /// Makes a token. The secret is in the answer and nowhere else.
    ///
    /// # Errors
    /// [`AccessError::Store`], [`AccessError::Crypto`].
    pub async fn mint_token(&self, name: &str, owner: OwnerId, actor: &str) -> Result<(Arc<Token>, Secret), AccessError> {
        self.insert_token(name, owner, None, actor).await
    }

    async fn insert_token(
        &self,
        name: &str,
        owner: OwnerId,
        lock: Option<Lock>,
        actor: &str,
    ) -> Result<(Arc<Token>, Secret), AccessError> {
        let secret = Secret::generate(secret::TOKEN)?;
        let now = self.inner.clock.wall();
        let token = Token {
            id: TokenId::new(self.inner.ids.next()?),
            owner,
            name: name.to_owned(),
            prefix: secret.shown_prefix(),
            digest: self.digest(secret.reveal()).to_vec(),
            created_at: now,
            expires_at: now.plus_ms(TOKEN_LIFE_MS),
            lock,
            revoked_at: None,
            successor: None,
            last_seen_at: None,
            last_disconnect: None,
        };
        let batch = self.audited(Batch::admission(), actor, "token.create", &token.id.to_string(), name)?;
        Ok((self.inner.tokens.insert(self.inner.store.as_ref(), token, batch).await?, secret))
    }

    /// The token behind a presented secret, if it is still good. Judged before the upgrade to a WebSocket.
    ///
    /// # Errors
    /// [`AccessError::Unknown`], [`AccessError::Revoked`], [`AccessError::Expired`], [`AccessError::OwnerDisabled`].
    pub fn present_token(&self, text: &str) -> Result<Arc<Token>, AccessError> {
        let secret = Secret::parse(text, &[secret::TOKEN]).ok_or(AccessError::Unknown)?;
        let token = self.inner.tokens.by_digest(&self.digest(secret.reveal())).ok_or(AccessError::Unknown)?;
        self.still_good(&token).map(|()| token)
    }

    fn still_good(&self, token: &Token) -> Result<(), AccessError> {
        if token.revoked_at.is_some() {
            Err(AccessError::Revoked)
        } else if self.inner.clock.wall() >= token.expires_at {
            Err(AccessError::Expired)
        } else {
            self.tenant_goes_on(token.owner)
        }
    }

    /// Locks the token to the account at its first use, or checks that it is the same one. Durable before it returns.
    ///
    /// # Errors
    /// [`AccessError::AccountMismatch`] for every account but the locked one; revoked, expired; the store's.
    pub async fn admit(&self, id: TokenId, account: &Account, trade_mode: u8) -> Result<Arc<Token>, AccessError> {
        self.change_token(id, |token| {
            self.still_good(token)?;
            match &token.lock {
                Some(lock) if lock.account == *account && lock.trade_mode == trade_mode => Ok(None),
                // A broker may turn a demo account into a real one; what test keys reach follows.
                Some(lock) if lock.account == *account => {
                    let lock = Lock { trade_mode, ..lock.clone() };
                    Ok(Some((Token { lock: Some(lock), ..token.clone() }, Batch::outcome())))
                }
                Some(_) => Err(AccessError::AccountMismatch),
                None => {
                    let now = self.inner.clock.wall();
                    let lock = Lock { account: account.clone(), trade_mode, locked_at: now };
                    let locked = Token { lock: Some(lock), last_seen_at: Some(now), ..token.clone() };
                    let batch = self.audited(Batch::outcome(), "hub", "token.lock", &id.to_string(), "")?;
                    Ok(Some((locked, batch)))
                }
            }
        })
        .await
    }

    /// Whether a session of this token on this account may go on. The second half of *check, enter, check again*.
    ///
    /// # Errors
    /// The reason to close with.
    pub fn recheck(&self, id: TokenId, account: &Account) -> Result<(), CloseReason> {
        let token = self.token(id).ok_or(CloseReason::TokenRevoked)?;
        match self.still_good(&token) {
            Err(AccessError::Expired) => return Err(CloseReason::TokenExpired),
            Err(AccessError::OwnerDisabled) => return Err(CloseReason::OwnerDisabled),
            Err(_) => return Err(CloseReason::TokenRevoked),
            Ok(()) => {}
        }
        if token.lock.as_ref().is_some_and(|lock| lock.account == *account) { Ok(()) } else { Err(CloseReason::Disconnected) }
    }

    /// One token.
    #[must_use]
    pub fn token(&self, id: TokenId) -> Option<Arc<Token>> {
        self.inner.tokens.get(&records::token(id))
    }

    /// All tokens of all owners, oldest first.
    #[must_use]
    pub fn tokens(&self) -> Vec<Arc<Token>> {
        let mut tokens = self.inner.tokens.all();
        tokens.sort_by_key(|token| token.id);
        tokens
    }

    /// The tokens of all owners that are locked to an account number, on whatever server, oldest first.
    #[must_use]
    pub fn tokens_of_login(&self, login: u64) -> Vec<Arc<Token>> {
        self.inner.tokens.by_login(login)
    }

    /// Changes the name.
    ///
    /// # Errors
    /// [`AccessError::NotFound`] and the store's.
    pub async fn rename_token(&self, id: TokenId, name: &str, actor: &str) -> Result<Arc<Token>, AccessError> {
        self.change_token(id, |token| {
            let batch = self.audited(Batch::admission(), actor, "token.rename", &id.to_string(), name)?;
            Ok(Some((Token { name: name.to_owned(), ..token.clone() }, batch)))
        })
        .await
    }

    /// Revokes for good. When it returns, nothing is admitted under the token any more. Revoking twice is no error.
    ///
    /// # Errors
    /// [`AccessError::NotFound`] and the store's.
    pub async fn revoke_token(&self, id: TokenId, actor: &str) -> Result<Arc<Token>, AccessError> {
        self.change_token(id, |token| {
            if token.revoked_at.is_some() {
                return Ok(None);
            }
            let batch = self.audited(Batch::outcome(), actor, "token.revoke", &id.to_string(), "")?;
            Ok(Some((Token { revoked_at: Some(self.inner.clock.wall()), ..token.clone() }, batch)))
        })
        .await
    }

    /// Frees the lock, so that the token is pending again. With [`History::Delete`] everything recorded of the account is
    /// made unreadable for good in the same step. `detail` says in the audit what became of that, in words.
    ///
    /// # Errors
    /// [`AccessError::NotLocked`], [`AccessError::Revoked`], [`AccessError::Expired`], the store's.
    pub async fn unlock_token(
        &self,
        id: TokenId,
        history: History,
        detail: &str,
        actor: &str,
    ) -> Result<Arc<Token>, AccessError> {
        self.change_token(id, |token| {
            self.still_good(token)?;
            let lock = token.lock.as_ref().ok_or(AccessError::NotLocked)?;
            let mut batch = self.audited(Batch::outcome(), actor, "token.disconnect", &id.to_string(), detail)?;
            if history == History::Delete {
                batch = batch.shred(&records::scope(token.owner, &lock.account)).shred(&records::token_scope(id));
            }
            Ok(Some((Token { lock: None, last_seen_at: None, last_disconnect: None, ..token.clone() }, batch)))
        })
        .await
    }

    /// Makes a successor with the same name and lock; the old token is accepted for `overlap` more.
    ///
    /// # Errors
    /// [`AccessError::Revoked`], [`AccessError::Expired`], [`AccessError::NotFound`], the store's.
    pub async fn rotate_token(&self, id: TokenId, overlap: Duration, actor: &str) -> Result<(Arc<Token>, Secret), AccessError> {
        let old = self.token(id).ok_or(AccessError::NotFound)?;
        self.still_good(&old)?;
        let (successor, secret) = self.insert_token(&old.name, old.owner, old.lock.clone(), actor).await?;
        self.change_token(id, |token| {
            self.still_good(token)?;
            let end = self.inner.clock.wall().plus_ms(i64::try_from(overlap.as_millis()).unwrap_or(i64::MAX));
            let detail = format!("successor {}", successor.id);
            let batch = self.audited(Batch::outcome(), actor, "token.rotate", &id.to_string(), &detail)?;
            let expires_at = token.expires_at.min(end);
            Ok(Some((Token { successor: Some(successor.id), expires_at, ..token.clone() }, batch)))
        })
        .await?;
        Ok((successor, secret))
    }

    /// Notes how a session ended. Best effort: presence itself is in memory.
    ///
    /// # Errors
    /// The store's.
    pub async fn note_disconnect(&self, id: TokenId, account: &Account, at: UnixMillis, why: &str) -> Result<(), AccessError> {
        self.change_token(id, |token| {
            let same_lock = token.lock.as_ref().is_some_and(|lock| lock.account == *account);
            Ok(same_lock.then(|| {
                let seen = Token { last_seen_at: Some(at), last_disconnect: Some(why.to_owned()), ..token.clone() };
                (seen, Batch::admission())
            }))
        })
        .await
        .map(drop)
    }

    async fn change_token(
        &self,
        id: TokenId,
        change: impl FnMut(&Token) -> Result<Option<(Token, Batch)>, AccessError>,
    ) -> Result<Arc<Token>, AccessError> {
        self.inner.tokens.update(self.inner.store.as_ref(), &records::token(id), change).await
    }
}
