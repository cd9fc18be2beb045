//! What can be followed, and how it stands.

use crate::{
    domain::{
        UnixMillis,
        account::AccountInfo,
        market::{Bar, BookLevel, Tick, Timeframe},
        trade::{Order, Position},
    },
    market::broker_time::BrokerClock,
};

/// What can be followed of an account. Symbols are the broker's names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// A symbol's newest tick.
    Quote(String),
    /// A symbol's bars of a timeframe: the forming one, and the one that was closed last.
    Bars(String, Timeframe),
    /// A symbol's depth of market.
    Depth(String),
    /// The open positions.
    Positions,
    /// The pending orders that stand.
    Orders,
    /// The figures of the account.
    Account,
}

/// No broker's symbol is longer, bytes; so what is wanted of a terminal always fits into one message.
const SYMBOL_MAX: usize = 64;

impl Topic {
    /// Whether a terminal can be asked for it: no symbol has such a name otherwise.
    pub(super) fn is_askable(&self) -> bool {
        match self {
            Self::Quote(symbol) | Self::Bars(symbol, _) | Self::Depth(symbol) => (1..=SYMBOL_MAX).contains(&symbol.len()),
            Self::Positions | Self::Orders | Self::Account => true,
        }
    }
}

/// How a topic stands: its newest value, and what keeps a newer one away.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// When the hub heard `value`, whether it had changed or not; without a value, when `trouble` began.
    pub at: UnixMillis,
    /// None until the first one.
    pub value: Option<Value>,
    /// Turns the broker times inside of `value` into UTC.
    pub clock: BrokerClock,
    /// Why `value` is missing or may be old. None while it is kept up to date.
    pub trouble: Option<Trouble>,
}

impl State {
    /// Whether the other one says nothing new: all but the time at which it was heard is the same.
    pub(super) fn says_the_same(&self, other: &Self) -> bool {
        self.value == other.value && self.clock == other.clock && self.trouble == other.trouble
    }
}

/// A value, with the broker's times.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Of [`Topic::Quote`].
    Quote(Tick),
    /// Of [`Topic::Bars`].
    Bars(LiveBars),
    /// Of [`Topic::Depth`]: sells from high to low, then buys.
    Depth(Vec<BookLevel>),
    /// Of [`Topic::Positions`].
    Positions(Vec<Position>),
    /// Of [`Topic::Orders`].
    Orders(Vec<Order>),
    /// Of [`Topic::Account`].
    Account(Box<AccountInfo>),
}

/// The two newest bars: because only the newest value is kept, the closed one comes with each forming one, so that a reader that
/// takes a moment still gets it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LiveBars {
    /// The bar that was closed last; none where there is only one.
    pub closed: Option<Bar>,
    /// The bar that is forming.
    pub forming: Bar,
}

/// Why a topic has no value, or an old one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// No terminal of the account is connected, or it has not spoken of this since it came back.
    #[error("no terminal of this account is connected")]
    Offline,
    /// The terminal has no such symbol; or, from one that cannot tell the two apart, it never had a price of it.
    #[error("the terminal has no such symbol, or no price of it")]
    UnknownSymbol,
    /// The platform has no such thing.
    #[error("this platform cannot do that: {0}")]
    Unsupported(String),
    /// The terminal is still fetching it from the broker.
    #[error("the terminal is still loading this")]
    Loading,
    /// So many others are followed at this terminal that it is not asked.
    #[error("as much is followed at this terminal as it can bear")]
    TooMany,
    /// The terminal did not answer in time, or said what cannot be.
    #[error("the terminal does not tell: {0}")]
    Silent(String),
}
