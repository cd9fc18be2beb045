//! API keys: what a bot presents, and what it may do with it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    UnixMillis,
    account::Account,
    ids::{KeyId, OwnerId},
    limits::Limits,
    scope::Scope,
};

/// One thing that a key may do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Permission {
    /// Fetch bars.
    ReadBars,
    /// Submit indicators.
    WriteIndicators,
    /// Read submitted indicators.
    ReadIndicators,
    /// Delete indicators.
    DeleteIndicators,
    /// Terminals and account figures.
    ReadAccount,
    /// Symbol lists and specifications.
    ReadSymbols,
    /// Quotes and ticks.
    ReadQuotes,
    /// Open positions and pending orders.
    ReadPositions,
    /// Closed orders and deals.
    ReadHistory,
    /// Close, cancel, close all, kill.
    TradeReduce,
    /// Every other trade; implies [`Self::TradeReduce`], so that nobody can open what they cannot close.
    TradeWrite,
    /// Tokens, keys and everything else.
    Admin,
}

/// Wire name of each permission, in the order people should read them.
const NAMES: [(Permission, &str); 12] = [
    (Permission::ReadBars, "read:bars"),
    (Permission::WriteIndicators, "write:indicators"),
    (Permission::ReadIndicators, "read:indicators"),
    (Permission::DeleteIndicators, "delete:indicators"),
    (Permission::ReadAccount, "read:account"),
    (Permission::ReadSymbols, "read:symbols"),
    (Permission::ReadQuotes, "read:quotes"),
    (Permission::ReadPositions, "read:positions"),
    (Permission::ReadHistory, "read:history"),
    (Permission::TradeReduce, "trade:reduce"),
    (Permission::TradeWrite, "trade:write"),
    (Permission::Admin, "admin"),
];

/// What a new key may do unless its maker says otherwise.
pub const DEFAULT_PERMISSIONS: [Permission; 4] =
    [Permission::ReadBars, Permission::WriteIndicators, Permission::ReadIndicators, Permission::DeleteIndicators];

/// Its names, because it is written as one of them.
impl utoipa::PartialSchema for Permission {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .description(Some("What a key may do. `admin` implies all, `trade:write` implies `trade:reduce`."))
            .enum_values(Some(NAMES.map(|(_, name)| name)))
            .into()
    }
}

impl utoipa::ToSchema for Permission {}

impl Permission {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        NAMES.iter().map(|(permission, _)| *permission)
    }

    /// `read:bars`, …
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(permission, _)| *permission == self).map_or("", |(_, name)| name)
    }

    /// Whether holding `self` is enough where `needed` is asked for.
    #[must_use]
    pub fn implies(self, needed: Self) -> bool {
        self == needed || self == Self::Admin || (self == Self::TradeWrite && needed == Self::TradeReduce)
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Permission {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        NAMES.iter().find(|(_, name)| *name == text).map(|(permission, _)| *permission).ok_or_else(|| {
            let names: Vec<_> = NAMES.iter().map(|(_, name)| *name).collect();
            format!("`{text}` is no permission: use {}", names.join(", "))
        })
    }
}

impl TryFrom<String> for Permission {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Permission> for String {
    fn from(permission: Permission) -> Self {
        permission.name().to_owned()
    }
}

/// Which terminals a key reaches: told by its prefix, so that a bot under test cannot touch real money.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    /// `sk_live_`: every terminal of its owner.
    Live,
    /// `sk_test_`: only those whose Hello said demo.
    Test,
}

/// How much a key may ask for, the smallest first. What each grants is in `access::plans`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Plan {
    /// 100 requests an hour, 5 at once.
    Free,
    /// 1,000 requests an hour, 20 at once.
    Pro,
    /// What the settings say, `[plans.enterprise]`.
    Enterprise,
    /// As much as the hub can do: whoever hosts it needs no plan.
    #[default]
    Unlimited,
}

impl Plan {
    /// Every plan, the smallest first.
    pub const ALL: [Self; 4] = [Self::Free, Self::Pro, Self::Enterprise, Self::Unlimited];

    /// `free`, `pro`, `enterprise`, `unlimited`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Pro => "pro",
            Self::Enterprise => "enterprise",
            Self::Unlimited => "unlimited",
        }
    }
}

impl FromStr for Plan {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|plan| plan.name() == text);
        found.ok_or_else(|| format!("`{text}` is no plan: use {}", Self::ALL.map(Self::name).join(", ")))
    }
}

/// An API key as it is stored. The secret itself is nowhere: only its keyed digest.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ApiKey {
    /// Its identifier; appears in URLs, logs and command records.
    pub id: KeyId,
    /// Whose it is.
    pub owner: OwnerId,
    /// What a person calls it; may be empty.
    pub name: String,
    /// The first characters of the secret, enough to recognise it by.
    pub prefix: String,
    /// HMAC-SHA-256 of the secret under the hub's pepper.
    #[serde(with = "serde_bytes")]
    pub digest: Vec<u8>,
    /// Which terminals it reaches.
    pub reach: Reach,
    /// What it may do.
    pub permissions: Vec<Permission>,
    /// When it was minted.
    pub created_at: UnixMillis,
    /// From then on it is refused; none means never.
    pub expires_at: Option<UnixMillis>,
    /// Set once, never unset.
    pub revoked_at: Option<UnixMillis>,
    /// The key that took over by rotation.
    pub successor: Option<KeyId>,
    /// The first key of its line; none for that one itself. See [`Self::line`].
    #[serde(default)]
    pub first: Option<KeyId>,
    /// What may be traded under it.
    #[serde(default)]
    pub limits: Limits,
    /// How much it may ask for.
    #[serde(default)]
    pub plan: Plan,
    /// What it reaches, and from where.
    #[serde(default)]
    pub scope: Scope,
}

impl ApiKey {
    /// Whether the key may do what `needed` asks for.
    #[must_use]
    pub fn may(&self, needed: Permission) -> bool {
        self.permissions.iter().any(|held| held.implies(needed))
    }

    /// Whether anything of this symbol may be read or traded under it.
    #[must_use]
    pub fn allows_symbol(&self, symbol: &str) -> bool {
        self.scope.allows_symbol(symbol)
    }

    /// Whether this account exists for it at all.
    #[must_use]
    pub fn allows_account(&self, account: &Account) -> bool {
        self.scope.allows_account(account)
    }

    /// Whose it is among bots: the id of the first key of which it is a successor, or its own. Whatever stands for a bot and not for a
    /// secret (its kill switch, its dead-man timers, what is counted of it) stands for the line, so that a rotation leaves nothing behind
    /// and two keys that overlap are one bot.
    #[must_use]
    pub fn line(&self) -> KeyId {
        self.first.unwrap_or(self.id)
    }

    /// Whether it is what a person acts under, and no key that somebody made: no secret opens it.
    #[must_use]
    pub const fn is_a_persons(&self) -> bool {
        self.digest.is_empty()
    }

    /// Whether it is accepted at all at `now`.
    #[must_use]
    pub fn is_valid(&self, now: UnixMillis) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_admin_and_trade_write_imply_something() {
        for held in Permission::all() {
            for needed in Permission::all() {
                let expected = held == needed
                    || held == Permission::Admin
                    || (held, needed) == (Permission::TradeWrite, Permission::TradeReduce);
                assert_eq!(held.implies(needed), expected, "{held} {needed}");
            }
        }
    }

    #[test]
    fn every_permission_reads_back_from_its_name() {
        for permission in Permission::all() {
            assert_eq!(permission.name().parse(), Ok(permission));
        }
        assert!("read:everything".parse::<Permission>().unwrap_err().contains("read:bars"));
    }

    #[test]
    fn every_plan_reads_back_from_its_name_and_the_default_has_no_limit() {
        for plan in Plan::ALL {
            assert_eq!(plan.name().parse(), Ok(plan));
            assert_eq!(serde_json::to_value(plan).unwrap(), plan.name());
        }
        assert_eq!(Plan::default(), Plan::Unlimited);
        assert!(Plan::ALL.is_sorted() && Plan::Free < Plan::Pro && Plan::Enterprise < Plan::Unlimited);
    }
}
