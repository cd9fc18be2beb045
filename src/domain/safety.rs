//! The words of the trading controls: kill switch, dead-man timer, incidents, adjudication.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{
    UnixMillis,
    account::Account,
    ids::{CommandId, IncidentId, KeyId, KillId, OwnerId},
};

/// How far a kill switch goes. Each level includes the ones before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum KillLevel {
    /// Trading is open.
    #[default]
    Off,
    /// 1: nothing that can open or enlarge a position begins.
    Block,
    /// 2: and pending orders are deleted.
    Cancel,
    /// 3: and positions are closed.
    Flatten,
}

impl KillLevel {
    /// All of them, lowest first.
    pub const ALL: [Self; 4] = [Self::Off, Self::Block, Self::Cancel, Self::Flatten];

    /// `off`, `block`, `cancel`, `flatten`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Block => "block",
            Self::Cancel => "cancel",
            Self::Flatten => "flatten",
        }
    }

    /// 0 to 3.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }
}

impl FromStr for KillLevel {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|level| level.name() == text);
        found.ok_or_else(|| format!("`{text}` is no level: use off, block, cancel or flatten"))
    }
}

impl TryFrom<String> for KillLevel {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<KillLevel> for String {
    fn from(level: KillLevel) -> Self {
        level.name().to_owned()
    }
}

/// What a kill switch stops.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum KillScope {
    /// Every account of every owner.
    Hub,
    /// Every account of one owner.
    Owner(OwnerId),
    /// What is asked for under one API key and those that came of it by rotation; named by the first of them. It only ever blocks: whose an open position is cannot be told from outside.
    Key(KeyId),
    /// One account.
    Account(OwnerId, Account),
}

impl KillScope {
    /// Whether it concerns this account, whoever asks.
    #[must_use]
    pub fn covers(&self, owner: OwnerId, account: &Account) -> bool {
        match self {
            Self::Hub => true,
            Self::Owner(theirs) => *theirs == owner,
            Self::Key(_) => false,
            Self::Account(theirs, one) => *theirs == owner && one == account,
        }
    }
}

impl fmt::Display for KillScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hub => f.write_str("hub"),
            Self::Owner(_) => f.write_str("owner"),
            Self::Key(key) => key.fmt(f),
            Self::Account(_, account) => account.fmt(f),
        }
    }
}

/// A kill switch as it stands. A lifted one stays as a record with level `off`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KillSwitch {
    /// New at every change: the commands that carry it out derive their keys from it.
    pub id: KillId,
    /// What it stops.
    pub scope: KillScope,
    /// How far it goes.
    pub level: KillLevel,
    /// Why, in the words of whoever changed it.
    pub reason: String,
    /// The key that changed it, or `hub`.
    pub by: String,
    /// When.
    pub at: UnixMillis,
}

/// A dead-man timer: unless its key calls again in time, the kill switch of its scope goes to its level.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Deadman {
    /// The line of the key that armed it ([`super::api_key::ApiKey::line`]); each has its own for each scope.
    pub key: KeyId,
    /// What it stops: an account, or every account of the owner.
    pub scope: KillScope,
    /// How long the key may be silent, milliseconds.
    pub timeout_ms: u32,
    /// To which level the kill switch goes then.
    pub action: KillLevel,
    /// When it was last armed, by the wall clock.
    pub armed_at: UnixMillis,
    /// When it fired; off from then on, until it is armed anew.
    pub fired_at: Option<UnixMillis>,
}

/// What kind of thing happened that a person must look at.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentKind {
    /// A fact contradicts a recorded final outcome. Latches the account.
    Contradiction,
    /// What is recorded as done cannot be found at the broker. Latches the account.
    MissingTicket,
    /// Something at the broker bears a tag of the hub that no command of the hub has.
    UnknownTag,
    /// An outcome has been unknown for too long.
    Unresolved,
}

impl IncidentKind {
    /// The wire name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Contradiction => "contradiction",
            Self::MissingTicket => "missing_ticket",
            Self::UnknownTag => "unknown_tag",
            Self::Unresolved => "unresolved",
        }
    }

    /// Whether the account must not open anything until a person has looked: the hub's record and the broker's disagree.
    #[must_use]
    pub const fn latches(self) -> bool {
        matches!(self, Self::Contradiction | Self::MissingTicket)
    }
}

/// A contradiction or an unresolved outcome that a person must look at.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Incident {
    /// Its identity; time-ordered.
    pub id: IncidentId,
    /// When.
    pub at: UnixMillis,
    /// Whose account.
    pub owner: OwnerId,
    /// The account.
    pub account: Account,
    /// What kind.
    pub kind: IncidentKind,
    /// The command that it is about, if it is about one.
    pub command: Option<CommandId>,
    /// What happened, in words.
    pub text: String,
}

/// What a person may say that an unknown command has come to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Done as asked.
    Executed,
    /// Done in part.
    Partial,
    /// A pending order stands.
    Placed,
    /// Nothing was done.
    NotExecuted,
}

impl Verdict {
    /// Whether it says that the market was touched.
    #[must_use]
    pub const fn is_done(self) -> bool {
        !matches!(self, Self::NotExecuted)
    }
}

/// A person's decision about a command.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Adjudication {
    /// What it has come to.
    pub outcome: Verdict,
    /// The key that said so.
    pub by: String,
    /// When.
    pub at: UnixMillis,
    /// On what grounds.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_covers_its_own_accounts_and_no_other() {
        let (mine, other) = (Account::new(1, "Demo").unwrap(), Account::new(1, "Live").unwrap());
        let scope = KillScope::Account(OwnerId::SELF, mine.clone());
        assert!(scope.covers(OwnerId::SELF, &mine) && !scope.covers(OwnerId::SELF, &other), "the server is part of the account");
        assert!(KillScope::Hub.covers(OwnerId::SELF, &other) && KillScope::Owner(OwnerId::SELF).covers(OwnerId::SELF, &other));
        assert!(!KillScope::Key(KeyId::from_bytes([1; 16])).covers(OwnerId::SELF, &mine), "a key's switch stops the key only");
    }

    #[test]
    fn levels_read_back_from_their_names_and_are_ordered() {
        for level in KillLevel::ALL {
            assert_eq!(level.name().parse(), Ok(level));
        }
        assert!(KillLevel::ALL.is_sorted() && KillLevel::Flatten.number() == 3);
        assert!("stop".parse::<KillLevel>().unwrap_err().contains("flatten"));
    }
}
