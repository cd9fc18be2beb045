//! What can be followed, and whether somebody may.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    api::{
        ApiState,
        auth::{self, Caller},
        error::{ApiError, ApiResult},
        resolve::{self, Purpose},
    },
    domain::{
        account::Account,
        api_key::{Permission, Reach},
        event::{Event, Subject},
        market::Timeframe,
    },
    market::feed,
};

/// A topic by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::api) enum Topic {
    Quotes,
    Bars,
    Depth,
    Positions,
    Orders,
    Deals,
    Account,
    Terminals,
    Commands,
    Indicators,
    Incidents,
    KillSwitches,
    Tokens,
    Keys,
    Audit,
}

/// Name, what a key must be allowed to, and what events it has.
const TOPICS: [(Topic, &str, Option<Permission>, Option<Subject>); 15] = [
    (Topic::Quotes, "quotes", Some(Permission::ReadQuotes), None),
    (Topic::Bars, "bars", Some(Permission::ReadBars), None),
    (Topic::Depth, "depth", Some(Permission::ReadQuotes), None),
    (Topic::Positions, "positions", Some(Permission::ReadPositions), Some(Subject::Positions)),
    (Topic::Orders, "orders", Some(Permission::ReadPositions), Some(Subject::Orders)),
    (Topic::Deals, "deals", Some(Permission::ReadHistory), Some(Subject::Deals)),
    (Topic::Account, "account", Some(Permission::ReadAccount), None),
    (Topic::Terminals, "terminals", Some(Permission::ReadAccount), None),
    // Each command is for whoever holds the permission that made it.
    (Topic::Commands, "commands", None, Some(Subject::Commands)),
    (Topic::Indicators, "indicators", Some(Permission::ReadIndicators), Some(Subject::Indicators)),
    (Topic::Incidents, "incidents", Some(Permission::ReadAccount), Some(Subject::Incidents)),
    (Topic::KillSwitches, "kill_switches", Some(Permission::ReadAccount), Some(Subject::KillSwitches)),
    (Topic::Tokens, "tokens", Some(Permission::Admin), Some(Subject::Tokens)),
    (Topic::Keys, "keys", Some(Permission::Admin), Some(Subject::Keys)),
    // Of the whole hub, so for whoever runs it.
    (Topic::Audit, "audit", Some(Permission::Admin), None),
];

impl Topic {
    fn row(self) -> &'static (Self, &'static str, Option<Permission>, Option<Subject>) {
        // In the order of the enum.
        &TOPICS[self as usize]
    }

    pub(super) fn name(self) -> &'static str {
        self.row().1
    }

    pub(super) fn subject(self) -> Option<Subject> {
        self.row().3
    }

    fn of(subject: Subject) -> &'static str {
        TOPICS.iter().find(|(.., of)| *of == Some(subject)).map_or("", |(_, name, ..)| name)
    }

    /// Whether a caller may follow it at all.
    ///
    /// # Errors
    /// 403, as the REST calls for the same.
    fn admits(self, caller: &Caller) -> ApiResult<()> {
        match self.row().2.filter(|needed| !caller.key.may(*needed)) {
            Some(needed) => Err(auth::forbidden(needed)),
            None if self == Self::Audit && !caller.operates() => Err(auth::operators_only()),
            None => Ok(()),
        }
    }

    /// Whether it is about one account, which is then always named.
    fn is_of_an_account(self) -> bool {
        matches!(self, Self::Quotes | Self::Bars | Self::Depth | Self::Positions | Self::Orders | Self::Account)
    }

    fn is_of_a_symbol(self) -> bool {
        matches!(self, Self::Quotes | Self::Bars | Self::Depth)
    }
}

/// The topic to which an event belongs.
pub(super) fn topic_of(event: &Event) -> &'static str {
    Topic::of(event.subject)
}

/// What a client asks for.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Item {
    pub(in crate::api) topic: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::api) terminal: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::api) symbol: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::api) timeframe: Option<String>,
}

/// What is followed: the same for all who mean the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::api) struct Want {
    pub(super) topic: Topic,
    /// Of events: only this account's.
    pub(super) account: Option<Account>,
    pub(super) symbol: Option<String>,
    pub(super) timeframe: Option<Timeframe>,
}

impl Want {
    #[cfg(test)]
    pub(super) fn positions(account: Account) -> Self {
        Self { topic: Topic::Positions, account: Some(account), symbol: None, timeframe: None }
    }

    /// Finds out what is meant, and whether the caller may.
    ///
    /// # Errors
    /// What a REST call for the same would be refused with.
    pub(in crate::api) fn resolve(state: &ApiState, caller: &Caller, item: &Item) -> ApiResult<Self> {
        let found = TOPICS.iter().find(|(_, name, ..)| *name == item.topic);
        let Some((topic, ..)) = found else {
            let names: Vec<_> = TOPICS.iter().map(|(_, name, ..)| *name).collect();
            return Err(ApiError::field("topic", format!("must be one of {}", names.join(", "))));
        };
        topic.admits(caller)?;
        if *topic == Topic::Audit && item.terminal.is_some() {
            return Err(ApiError::field("terminal", "does not belong to this topic"));
        }
        let terminal = item.terminal.as_deref().or(topic.is_of_an_account().then_some("-"));
        let account = terminal.map(|text| resolve::terminal(state, caller, text, Purpose::Read)).transpose()?;
        let symbol = item.symbol.as_deref().map(str::trim).filter(|symbol| !symbol.is_empty());
        match symbol {
            None if topic.is_of_a_symbol() => return Err(ApiError::field("symbol", "is required for this topic")),
            Some(_) if !topic.is_of_a_symbol() => return Err(ApiError::field("symbol", "does not belong to this topic")),
            Some(symbol) => caller.symbol(symbol)?,
            None => {}
        }
        let timeframe = match (&item.timeframe, topic) {
            (Some(text), Topic::Bars) => {
                Some(text.parse().map_err(|_| ApiError::field("timeframe", "must be M1 … MN1, as for bars"))?)
            }
            (None, Topic::Bars) => return Err(ApiError::field("timeframe", "is required for this topic")),
            (Some(_), _) => return Err(ApiError::field("timeframe", "does not belong to this topic")),
            (None, _) => None,
        };
        let account = account.map(|target| target.account);
        Ok(Self { topic: *topic, account, symbol: symbol.map(str::to_owned), timeframe })
    }

    /// Looks again whether the caller may: rights may have been taken since.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub(super) fn permitted(&self, state: &ApiState, caller: &Caller) -> ApiResult<()> {
        self.topic.admits(caller)?;
        if let Some(symbol) = &self.symbol {
            caller.symbol(symbol)?;
        }
        match &self.account {
            Some(account) if !sees_account(state, caller, account) => {
                Err(ApiError::not_found("the terminal is not there for this key any more"))
            }
            _ => Ok(()),
        }
    }

    /// Whether an event is one of these.
    pub(super) fn takes(&self, event: &Event) -> bool {
        let account = self.account.is_none() || self.account == event.account;
        self.topic.subject() == Some(event.subject) && account
    }

    /// What is followed of the account's terminal, if it is that.
    pub(super) fn live(&self) -> Option<(&Account, feed::Topic)> {
        let account = self.account.as_ref()?;
        let symbol = || self.symbol.clone();
        let topic = match self.topic {
            Topic::Quotes => feed::Topic::Quote(symbol()?),
            Topic::Bars => feed::Topic::Bars(symbol()?, self.timeframe?),
            Topic::Depth => feed::Topic::Depth(symbol()?),
            Topic::Positions => feed::Topic::Positions,
            Topic::Orders => feed::Topic::Orders,
            Topic::Account => feed::Topic::Account,
            _ => return None,
        };
        Some((account, topic))
    }

    /// As it is told.
    pub(super) fn json(&self) -> Value {
        let mut told = json!({"topic": self.topic.name()});
        if let Some(account) = &self.account {
            told["account"] = json!(account);
        }
        if let Some(symbol) = &self.symbol {
            told["symbol"] = json!(symbol);
        }
        if let Some(timeframe) = self.timeframe {
            told["timeframe"] = json!(timeframe.name());
        }
        told
    }
}

fn sees_account(state: &ApiState, caller: &Caller, account: &Account) -> bool {
    let tokens = state.access.tokens_of_login(account.login);
    tokens.iter().any(|token| {
        token.revoked_at.is_none() && caller.sees(token) && token.lock.as_ref().is_some_and(|lock| lock.account == *account)
    })
}

/// Whether an event exists for this caller, by the rights of this moment. The one place where that is decided.
pub(super) fn sees(caller: &Caller, event: &Event) -> bool {
    let key = &caller.key;
    let of_theirs = event.everyone || event.owner == key.owner;
    let of_another_line = match event.subject {
        Subject::KillSwitches => key.may(Permission::Admin),
        // Bots have each their own; people see those of all the bots that are theirs.
        Subject::Indicators => caller.person.is_some(),
        _ => false,
    };
    let line = of_another_line || event.line.is_none_or(|line| line == key.line());
    let reached = key.reach == Reach::Live || event.demo;
    let account = event.account.as_ref().is_none_or(|account| key.allows_account(account));
    let symbol = event.symbol.as_ref().is_none_or(|symbol| key.allows_symbol(symbol));
    of_theirs && line && reached && account && symbol && key.may(event.permission)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_topics_and_every_event_has_one() {
        for (at, (topic, ..)) in TOPICS.iter().enumerate() {
            assert_eq!(*topic as usize, at, "{topic:?}");
        }
        for subject in [
            Subject::Commands,
            Subject::Deals,
            Subject::Orders,
            Subject::Positions,
            Subject::Indicators,
            Subject::Incidents,
            Subject::KillSwitches,
            Subject::Tokens,
            Subject::Keys,
        ] {
            assert!(!Topic::of(subject).is_empty(), "{subject:?}");
        }
    }
}
