//! People who log in: who they are, whose things they reach, and as what.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{
    UnixMillis,
    api_key::{ApiKey, Permission, Plan, Reach},
    ids::{OwnerId, UserId},
    limits::Limits,
    scope::Scope,
};

/// What a user is to the things that they reach.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Role {
    /// Does everything with what is theirs and lets viewers look at it; in the hub's own tenant also runs the hub.
    Owner,
    /// Does everything with what is theirs.
    Member,
    /// Looks at what is another user's, and changes nothing.
    Viewer,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Owner, Self::Member, Self::Viewer];

    /// `owner`, `member`, `viewer`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Member => "member",
            Self::Viewer => "viewer",
        }
    }

    /// What it may do with its tenant's things. Who may [`Permission::Admin`] may everything there; what concerns the whole hub is asked
    /// for apart.
    #[must_use]
    pub fn permissions(self) -> Vec<Permission> {
        match self {
            Self::Owner | Self::Member => vec![Permission::Admin],
            Self::Viewer => vec![
                Permission::ReadBars,
                Permission::ReadIndicators,
                Permission::ReadAccount,
                Permission::ReadSymbols,
                Permission::ReadQuotes,
                Permission::ReadPositions,
                Permission::ReadHistory,
            ],
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|role| role.name() == text);
        found.ok_or_else(|| format!("`{text}` is no role: use owner, member or viewer"))
    }
}

impl TryFrom<String> for Role {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Role> for String {
    fn from(role: Role) -> Self {
        role.name().to_owned()
    }
}

/// A password as it is kept: Argon2id over its keyed digest, with what it was made with.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordHash {
    /// Memory, KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// 16 random bytes.
    #[serde(with = "serde_bytes")]
    pub salt: Vec<u8>,
    /// 32 bytes.
    #[serde(with = "serde_bytes")]
    pub hash: Vec<u8>,
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// A one-time set-up code as it is kept: whoever has it sets a password.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SetupCode {
    /// HMAC-SHA-256 of the code under the hub's pepper.
    #[serde(with = "serde_bytes")]
    pub digest: Vec<u8>,
    /// From then on it is refused.
    pub expires_at: UnixMillis,
}

/// Somebody who can log in.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct User {
    /// Its identifier; appears in URLs and audit records.
    pub id: UserId,
    /// Whose things they reach.
    pub tenant: OwnerId,
    /// As what.
    pub role: Role,
    /// What they log in with: lower case, unlike all others.
    pub login: String,
    /// What people call them; may be empty.
    pub name: String,
    /// None until they have set one.
    pub password: Option<PasswordHash>,
    /// With which they may set one.
    pub setup: Option<SetupCode>,
    /// When they were made.
    pub created_at: UnixMillis,
    /// When the password was set last.
    pub password_set_at: Option<UnixMillis>,
    /// Since when they cannot log in and what is theirs stands still.
    pub disabled_at: Option<UnixMillis>,
    /// Set once, never unset: then the record only keeps their id from being used again.
    pub deleted_at: Option<UnixMillis>,
}

impl User {
    /// Whether they may log in, and what is theirs may go on.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.disabled_at.is_none() && self.deleted_at.is_none()
    }

    /// Whether they run the hub.
    #[must_use]
    pub fn operates(&self) -> bool {
        self.tenant == OwnerId::SELF && self.role == Role::Owner
    }

    /// Under what a logged-in user acts: everything that stands for a bot (idempotency, kill switch, timers, who made a command) stands for
    /// a person in the same way. No secret opens it.
    #[must_use]
    pub fn principal(&self) -> ApiKey {
        ApiKey {
            id: self.id.line(),
            owner: self.tenant,
            name: self.login.clone(),
            prefix: String::new(),
            digest: Vec::new(),
            reach: Reach::Live,
            permissions: self.role.permissions(),
            created_at: self.created_at,
            expires_at: None,
            revoked_at: self.deleted_at.or(self.disabled_at),
            successor: None,
            first: None,
            limits: Limits::default(),
            plan: Plan::default(),
            scope: Scope::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_viewer_holds_nothing_that_changes_something() {
        for held in Role::Viewer.permissions() {
            assert!(held.name().starts_with("read:"), "{held}");
        }
    }

    #[test]
    fn every_role_reads_back_from_its_name() {
        for role in Role::ALL {
            assert_eq!(role.name().parse(), Ok(role));
        }
        assert!("admin".parse::<Role>().unwrap_err().contains("member"));
    }
}
