//! Asking a terminal something for a caller: what every relayed read begins with, and what its answers mean.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    ApiState,
    auth::Caller,
    error::{ApiError, ApiResult},
    json::list,
    resolve::{self, Purpose},
};
use crate::{
    clock::Clock,
    domain::{UnixMillis, ids::TokenId},
    hub::SessionHandle,
    market::broker_time::BrokerClock,
    protocol::{
        FromHub, codec,
        message::{Reply, reply_status},
    },
};

/// A live terminal that a caller may ask.
#[derive(Debug)]
pub(super) struct Relay {
    pub(super) token: TokenId,
    pub(super) session: SessionHandle,
    /// On whose behalf it is asked.
    pub(super) caller: Caller,
    /// The clock of its trade server.
    pub(super) clock: BrokerClock,
    /// The time of day, for `as_of`.
    pub(super) now: UnixMillis,
    timeout: Duration,
    /// What is asked here must be known before a trade, whose time ends then.
    trade_ends: Option<(Clock, UnixMillis)>,
}

impl Relay {
    /// Finds the terminal that a path means.
    ///
    /// # Errors
    /// Those of [`resolve::terminal`], and 409 `terminal_offline`.
    pub(super) fn open(state: &ApiState, caller: &Caller, terminal: &str) -> ApiResult<Self> {
        let target = resolve::terminal(state, caller, terminal, Purpose::Read)?;
        Ok(Self::of(state, caller, target.live()?))
    }

    /// A terminal that was found before.
    pub(super) fn of(state: &ApiState, caller: &Caller, session: &SessionHandle) -> Self {
        Self {
            token: session.token(),
            session: session.clone(),
            caller: caller.clone(),
            clock: resolve::broker_clock(state, session),
            now: state.clock.wall(),
            timeout: state.http.read_timeout,
            trade_ends: None,
        }
    }

    /// To learn what must be known before a trade whose time ends at `deadline`, by the steady clock. Nothing is waited for longer than that,
    /// and no failure looks like one of the hub, which a caller's library would try again: nothing was sent.
    pub(super) fn before_a_trade(state: &ApiState, caller: &Caller, session: &SessionHandle, deadline: UnixMillis) -> Self {
        Self { trade_ends: Some((state.clock, deadline)), ..Self::of(state, caller, session) }
    }

    /// How long an answer is waited for.
    fn patience(&self) -> Duration {
        let left = self.trade_ends.map(|(clock, deadline)| clock.until(deadline));
        left.map_or(self.timeout, |left| left.min(self.timeout))
    }

    /// A failure as the caller is told it.
    fn told(&self, error: ApiError) -> ApiError {
        match self.trade_ends {
            Some((clock, deadline)) if clock.until(deadline).is_zero() => crate::trading::ExecuteError::Expired.into(),
            Some(_) => error.before_a_trade(),
            None => error,
        }
    }

    /// Whether the caller may read and trade a symbol.
    pub(super) fn allows(&self, symbol: &str) -> bool {
        self.caller.key.allows_symbol(symbol)
    }

    /// Asks; an answer that is none is the error that it tells.
    ///
    /// # Errors
    /// 404, 409, 422 `unsupported`, 429, 502, 504.
    pub(super) async fn ask(&self, build: impl FnOnce(u64) -> FromHub) -> ApiResult<Reply> {
        self.ask_unless_loading(build).await?.ok_or_else(|| {
            self.told(ApiError::new(
                axum::http::StatusCode::GATEWAY_TIMEOUT,
                "terminal_loading",
                "the terminal is still loading this; ask again in a moment",
            ))
        })
    }

    /// The same; none while the terminal is still loading.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub(super) async fn ask_unless_loading(&self, build: impl FnOnce(u64) -> FromHub) -> ApiResult<Option<Reply>> {
        let reply = self.session.call(self.patience(), build).await.map_err(|error| self.told(error.into()))?;
        match reply.status {
            reply_status::OK => Ok(Some(reply)),
            reply_status::LOADING => Ok(None),
            reply_status::NOT_FOUND => Err(ApiError::unknown_symbol()),
            reply_status::UNSUPPORTED => Err(ApiError::unsupported(&reply.text)),
            _ => Err(self.told(ApiError::terminal_error(reply.code, &reply.text))),
        }
    }

    /// Asks for one record.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub(super) async fn record<T: DeserializeOwned>(&self, build: impl FnOnce(u64) -> FromHub) -> ApiResult<T> {
        codec::record(&self.ask(build).await?.body).map_err(|error| self.told(error.into()))
    }

    /// Asks for rows, `max` at most.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub(super) async fn rows<T: DeserializeOwned>(&self, max: usize, build: impl FnOnce(u64) -> FromHub) -> ApiResult<Vec<T>> {
        codec::rows(&self.ask(build).await?.body, max).map_err(|error| self.told(error.into()))
    }

    /// A list answer that is whole.
    pub(super) fn list(&self, rows: impl Iterator<Item = Value>) -> Value {
        list(rows.collect(), None, self.now)
    }
}
