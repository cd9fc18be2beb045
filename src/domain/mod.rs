//! The words of the field. Plain data, checked constructors, serde derives.
//!
//! Nothing in here knows a clock, a socket, a file or HTTP. Field names and enum values are MetaTrader's own
//! (MQL5 reference; MetaQuotes' Python package, `_asdict()` order), so one vocabulary serves the wire, REST and storage.

pub mod account;
pub mod api_key;
pub mod command;
pub mod event;
pub mod grant;
pub mod group;
pub mod history;
pub mod hook;
pub mod ids;
pub mod indicator;
pub mod limits;
pub mod login;
pub mod maker;
pub mod market;
pub mod names;
pub mod safety;
pub mod scope;
pub mod stage;
pub mod tenant;
pub mod token;
pub mod trade;
pub mod user;
pub mod webhook;

/// Milliseconds since 1970-01-01T00:00:00Z, always UTC. Broker wall-clock times never travel in this type.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct UnixMillis(pub i64);

impl UnixMillis {
    /// This instant moved by `ms` milliseconds; saturates at the ends of the range.
    #[must_use]
    pub fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// `self - earlier` in milliseconds; negative when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}
