//! Who asked for a command, for people.

use std::fmt;

use super::ids::{HookId, KeyId, UserId};

/// Who asked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MakerId {
    /// A bot, by the first key of its line: see [`super::api_key::ApiKey::line`].
    Key(KeyId),
    /// A person who was logged in.
    User(UserId),
    /// A hook, whatever key it acted under.
    Hook(HookId),
    /// The hub itself, which carried out a kill switch.
    Hub,
}

impl MakerId {
    /// `key`, `user`, `hook` or `hub`.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Key(_) => "key",
            Self::User(_) => "user",
            Self::Hook(_) => "hook",
            Self::Hub => "hub",
        }
    }
}

impl fmt::Display for MakerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(id) => id.fmt(f),
            Self::User(id) => id.fmt(f),
            Self::Hook(id) => id.fmt(f),
            Self::Hub => f.write_str(self.kind()),
        }
    }
}

/// Who asked, or submitted an indicator, with a name for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Maker {
    /// Who.
    pub id: MakerId,
    /// What people call them now; none if they are called nothing, or nobody knows any more.
    pub name: Option<String>,
    /// Of a user without a name the login, which may be an e-mail address: only people who are logged in are told.
    pub login: Option<String>,
}

impl Maker {
    /// As bots, and whoever else is no person of the tenant's, are told.
    #[must_use]
    pub fn without_login(self) -> Self {
        Self { login: None, ..self }
    }
}
