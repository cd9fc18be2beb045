//! What happened, as streams and webhooks tell it: each change of something that matters, once, in the order in which it became durable.

use serde_json::Value;

use super::{
    UnixMillis,
    account::Account,
    api_key::Permission,
    ids::{KeyId, OwnerId},
};

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A change of a command's state.
    Commands,
    /// A deal.
    Deals,
    /// A state that an order was seen in.
    Orders,
    /// A change of a position's stops.
    Positions,
    /// An indicator was submitted or deleted, or has expired.
    Indicators,
    /// Something that a person must look at.
    Incidents,
    /// A change of a kill switch.
    KillSwitches,
    /// A change of a connection token.
    Tokens,
    /// A change of an API key.
    Keys,
}

/// Where an event stands: the number of its batch in the store's history, and its place in the batch.
///
/// As one number, so that places are ordered as events are.
#[must_use]
pub const fn place(batch: u64, index: u16) -> u64 {
    (batch << 16) | index as u64
}

/// The place after everything of a batch.
#[must_use]
pub const fn end_of(batch: u64) -> u64 {
    place(batch, u16::MAX)
}

/// The batch of a place.
#[must_use]
pub const fn batch_of(place: u64) -> u64 {
    place >> 16
}

/// One thing that happened. It follows from the store's history alone, so it is the same whenever it is told, but for what people call whoever
/// asked for a command: that is the name of now.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its place among all events, see [`place`]. Grows; numbers between two events mean nothing.
    pub seq: u64,
    /// Whose it is.
    pub owner: OwnerId,
    /// On which account, if on one.
    pub account: Option<Account>,
    /// What it is about.
    pub subject: Subject,
    /// `command.executed`, `deal`, `token.locked`, …: the list is in `docs/streams.md`.
    pub kind: &'static str,
    /// When, by the hub's clock.
    pub at: UnixMillis,
    /// The symbol, if it is about one.
    pub symbol: Option<String>,
    /// What a key must be allowed to see it, besides owning it.
    pub permission: Permission,
    /// The only bot that it concerns, if it concerns one: see [`super::api_key::ApiKey::line`].
    pub line: Option<KeyId>,
    /// It is about a demo account, or about no account: a key for simulated terminals may see it.
    pub demo: bool,
    /// Every owner may see it: a kill switch of the whole hub.
    pub everyone: bool,
    /// The record as REST shows it to bots.
    pub data: Value,
    /// What people are told as `by.name` in it, see [`super::maker::Maker::login`].
    pub login: Option<String>,
}
