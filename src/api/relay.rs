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
    /// The clock of its trade server.
    pub(super) clock: BrokerClock,
    /// The time of day, for `as_of`.
    pub(super) now: UnixMillis,
    timeout: Duration,
}

impl Relay {
    /// Finds the terminal that a path means.
    ///
    /// # Errors
    /// Those of [`resolve::terminal`], and 409 `terminal_offline`.
    pub(super) fn open(state: &ApiState, caller: &Caller, terminal: &str) -> ApiResult<Self> {
        let target = resolve::terminal(state, caller, terminal, Purpose::Read)?;
        Ok(Self::of(state, target.live()?))
    }

    /// A terminal that was found before.
    pub(super) fn of(state: &ApiState, session: &SessionHandle) -> Self {
        Self {
            token: session.token(),
            session: session.clone(),
            clock: resolve::broker_clock(state, session),
            now: state.clock.wall(),
            timeout: state.http.read_timeout,
        }
    }

    /// Asks; an answer that is none is the error that it tells.
    ///
    /// # Errors
    /// 404, 409, 422 `unsupported`, 429, 502, 504.
    pub(super) async fn ask(&self, build: impl FnOnce(u64) -> FromHub) -> ApiResult<Reply> {
        self.ask_unless_loading(build).await?.ok_or_else(|| {
            ApiError::new(
                axum::http::StatusCode::GATEWAY_TIMEOUT,
                "terminal_loading",
                "the terminal is still loading this; ask again in a moment",
            )
        })
    }

    /// The same; none while the terminal is still loading.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub(super) async fn ask_unless_loading(&self, build: impl FnOnce(u64) -> FromHub) -> ApiResult<Option<Reply>> {
        let reply = self.session.call(self.timeout, build).await?;
        match reply.status {
            reply_status::OK => Ok(Some(reply)),
            reply_status::LOADING => Ok(None),
            reply_status::NOT_FOUND => Err(ApiError::unknown_symbol()),
            reply_status::UNSUPPORTED => Err(ApiError::unsupported(&reply.text)),
            _ => Err(ApiError::terminal_error(reply.code, &reply.text)),
        }
    }

    /// Asks for one record.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub(super) async fn record<T: DeserializeOwned>(&self, build: impl FnOnce(u64) -> FromHub) -> ApiResult<T> {
        Ok(codec::record(&self.ask(build).await?.body)?)
    }

    /// Asks for rows, `max` at most.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub(super) async fn rows<T: DeserializeOwned>(&self, max: usize, build: impl FnOnce(u64) -> FromHub) -> ApiResult<Vec<T>> {
        Ok(codec::rows(&self.ask(build).await?.body, max)?)
    }

    /// A list answer that is whole.
    pub(super) fn list(&self, rows: impl Iterator<Item = Value>) -> Value {
        list(rows.collect(), None, self.now)
    }
}
