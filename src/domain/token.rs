//! Connection tokens: what an Expert Advisor presents, and the state that people see.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    UnixMillis,
    account::Account,
    ids::{OwnerId, TokenId},
};

/// A token lives a year.
pub const TOKEN_LIFE_MS: i64 = 365 * 86_400_000;
/// From so long before its end a token carries a warning.
pub const EXPIRY_WARNING_MS: i64 = 30 * 86_400_000;

/// A connection token as it is stored. The secret itself is nowhere: only its keyed digest.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Token {
    /// Its identifier; appears in URLs and logs.
    pub id: TokenId,
    /// Whose it is.
    pub owner: OwnerId,
    /// What a person calls it; may be empty.
    pub name: String,
    /// The first characters of the secret, enough to recognise it by.
    pub prefix: String,
    /// HMAC-SHA-256 of the secret under the hub's pepper.
    #[serde(with = "serde_bytes")]
    pub digest: Vec<u8>,
    /// When it was minted.
    pub created_at: UnixMillis,
    /// From then on it is refused.
    pub expires_at: UnixMillis,
    /// The account it is locked to, from its first use on.
    pub lock: Option<Lock>,
    /// Set once, never unset.
    pub revoked_at: Option<UnixMillis>,
    /// The token that took over by rotation.
    pub successor: Option<TokenId>,
    /// When a terminal last said something, as of its last disconnect or the last minute.
    pub last_seen_at: Option<UnixMillis>,
    /// Why the last session ended, in words.
    pub last_disconnect: Option<String>,
}

/// What a token was locked to at first use.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Lock {
    /// The account.
    pub account: Account,
    /// `ACCOUNT_TRADE_MODE` said by the terminal at that moment: 0 demo, 1 contest, 2 real.
    pub trade_mode: u8,
    /// When.
    pub locked_at: UnixMillis,
}

/// What people see of a token. Derived, never stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TokenState {
    /// No terminal has used it, or it was disconnected again.
    Pending,
    /// Locked, and its terminal is connected now.
    Connected,
    /// Locked, and its terminal is not connected.
    Offline,
    /// Deleted; final.
    Revoked,
    /// Past its year; final.
    Expired,
}

impl TokenState {
    /// Its name, as in REST.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Connected => "connected",
            Self::Offline => "offline",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }
}

impl Token {
    /// The state at `now`, given whether a live session holds the token.
    #[must_use]
    pub fn state(&self, now: UnixMillis, live: bool) -> TokenState {
        if self.revoked_at.is_some() {
            TokenState::Revoked
        } else if now >= self.expires_at {
            TokenState::Expired
        } else if self.lock.is_none() {
            TokenState::Pending
        } else if live {
            TokenState::Connected
        } else {
            TokenState::Offline
        }
    }

    /// Milliseconds left, once they are so few that people should be warned.
    #[must_use]
    pub fn expiry_warning(&self, now: UnixMillis) -> Option<i64> {
        let left = self.expires_at.since(now);
        (self.revoked_at.is_none() && left > 0 && left <= EXPIRY_WARNING_MS).then_some(left)
    }
}

#[cfg(test)]
pub(crate) fn sample() -> Token {
    Token {
        id: TokenId::new(ulid::Ulid::from_parts(1, 1)),
        owner: OwnerId::SELF,
        name: String::new(),
        prefix: "mtb_abcd".into(),
        digest: vec![0; 32],
        created_at: UnixMillis(0),
        expires_at: UnixMillis(TOKEN_LIFE_MS),
        lock: None,
        revoked_at: None,
        successor: None,
        last_seen_at: None,
        last_disconnect: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locked() -> Token {
        let account = Account::new(1001, "Demo-Server").unwrap();
        Token { lock: Some(Lock { account, trade_mode: 0, locked_at: UnixMillis(1) }), ..sample() }
    }

    #[test]
    fn a_token_is_pending_until_it_is_locked_and_then_follows_its_session() {
        assert_eq!(sample().state(UnixMillis(5), false), TokenState::Pending);
        assert_eq!(locked().state(UnixMillis(5), true), TokenState::Connected);
        assert_eq!(locked().state(UnixMillis(5), false), TokenState::Offline);
    }

    #[test]
    fn revoked_is_final_even_after_expiry_and_with_a_session() {
        let token = Token { revoked_at: Some(UnixMillis(3)), ..locked() };
        assert_eq!(token.state(UnixMillis(TOKEN_LIFE_MS + 1), true), TokenState::Revoked);
    }

    #[test]
    fn a_token_warns_in_its_last_thirty_days_and_expires_after_a_year() {
        let token = locked();
        let day = 86_400_000;
        assert_eq!(token.expiry_warning(UnixMillis(TOKEN_LIFE_MS - 31 * day)), None);
        assert_eq!(token.expiry_warning(UnixMillis(TOKEN_LIFE_MS - 30 * day)), Some(30 * day));
        assert_eq!(token.expiry_warning(UnixMillis(TOKEN_LIFE_MS)), None);
        assert_eq!(token.state(UnixMillis(TOKEN_LIFE_MS), true), TokenState::Expired);
    }
}
