//! Why a trade is refused before anything is recorded.

use crate::{
    crypto::CryptoError,
    domain::{
        ids::CommandId,
        limits::{Exceeded, Limit},
    },
    hub::CallError,
    store::StoreError,
};

/// Why a trade was refused. With every one of these nothing was sent and the key is not used up.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ExecuteError {
    /// The session is gone, or silent for too long.
    #[error("the terminal is not connected")]
    Offline,
    /// The terminal has lost its broker.
    #[error("the terminal has no connection to its broker")]
    BrokerLinkDown,
    /// Trading is switched off somewhere; the text says where.
    #[error("{0}")]
    TradingDisabled(&'static str),
    /// The market of the symbol is closed.
    #[error("the market of {0} is closed")]
    MarketClosed(String),
    /// A kill switch is on, and this can open something.
    #[error("the kill switch of {scope} stands at {level}: {reason}")]
    KillSwitch {
        /// Whose switch it is: `hub`, `owner`, an account, a key, or `terminal` for the EA's own.
        scope: String,
        /// How far it goes.
        level: &'static str,
        /// Why it was set.
        reason: String,
    },
    /// A limit would be passed.
    #[error("{} of the {} is {}, and this would make it {}", .0.limit.name(), .0.layer.name(), .0.value, .0.asked)]
    LimitExceeded(Exceeded),
    /// A limit is set, and what it limits is not known now.
    #[error("{} cannot be judged now: {}", .0.name(), .1)]
    LimitUnknown(Limit, &'static str),
    /// The same order was taken a moment ago.
    #[error("the same order was taken a moment ago as {0}")]
    Duplicate(CommandId),
    /// It was to close, and it cannot be told that it does no more than that.
    #[error("the position is smaller than that by now, or another close of it is under way, or the terminal does not tell")]
    WouldOpen,
    /// Its time passed while it was judged.
    #[error("its time was over before it was sent")]
    Expired,
    /// Its mailbox is full.
    #[error("too many messages wait for this terminal")]
    Busy,
    /// The key was used for another request.
    #[error("this Idempotency-Key was used for another request")]
    KeyReused,
    /// The key was used, and what it made is no longer kept.
    #[error("this Idempotency-Key was used before and its record is no longer kept")]
    KeyExpired,
    /// Every tag that this platform's magic has room for was used on this account.
    #[error("every tag of this account was used")]
    TagsExhausted,
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system gave no randomness.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

impl From<CallError> for ExecuteError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Busy => Self::Busy,
            CallError::Gone | CallError::TimedOut => Self::Offline,
        }
    }
}
