//! Every HTTP status and error body of the hub: the only place that maps causes to them.
//!
//! Bodies are `application/problem+json` (RFC 9457) with a stable `code`, and `error` and `message` beside it, where
//! clients of older bridges look.
//! The internal cause goes to the log once, never to the caller.

use axum::{
    Json,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};
use tracing::error;

use crate::{
    access::AccessError,
    domain::trade::FieldError,
    hooks::HookError,
    hub::CallError,
    market::{bars::BarsError, memory::Crowded, ticks::TicksError},
    protocol::DecodeError,
    store::StoreError,
    trading::{ExecuteError, KillError},
};

/// An error as the caller sees it.
#[derive(Debug, Clone)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    detail: String,
    more: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// What the audit calls it, where that is not its code.
    denial: Option<&'static str>,
}

/// Shorthand for handlers.
pub type ApiResult<T> = Result<T, ApiError>;

/// A tenant has so many of a thing already; it must not use up what is there for all.
///
/// # Errors
/// 409 `too_many`.
pub(super) fn most(there: usize, most: usize, what: &str) -> ApiResult<()> {
    if there < most {
        return Ok(());
    }
    let detail = format!("you have {there} {what}, and {most} are the most: end some first");
    Err(ApiError::new(StatusCode::CONFLICT, "too_many", detail).with("most", most))
}

impl ApiError {
    /// An error with a stable code and a sentence that says what to do.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), more: Map::new(), headers: Vec::new(), denial: None }
    }

    /// Its code.
    pub(super) const fn code(&self) -> &'static str {
        self.code
    }

    /// Its status.
    pub(super) const fn status(&self) -> StatusCode {
        self.status
    }

    /// Its sentence.
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    /// Why somebody was denied, when it says so itself.
    pub(super) const fn denial(&self) -> Option<&'static str> {
        self.denial
    }

    /// The permission or limit that it names.
    pub(super) fn lacks(&self) -> &str {
        ["permission", "limit"].iter().find_map(|field| self.more.get(*field)?.as_str()).unwrap_or_default()
    }

    /// A denial for the audit, with this reason, whatever its status says.
    #[must_use]
    pub const fn denied_as(mut self, reason: &'static str) -> Self {
        self.denial = Some(reason);
        self
    }

    /// The fields of its case.
    pub(super) fn fields_of_case(&self) -> Map<String, Value> {
        self.more.clone()
    }

    /// A field of its body.
    pub(super) fn field_value(&self, name: &str) -> Option<&Value> {
        self.more.get(name)
    }

    /// Adds a field to the body.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.more.insert(field.to_owned(), value.into());
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// 401 in the words that clients of older bridges look for.
    #[must_use]
    pub fn unauthorized(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
            .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// 404 of one kind of thing.
    #[must_use]
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// 400: the request itself cannot be read.
    #[must_use]
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed_request", detail)
    }

    /// 422 with one wrong field.
    #[must_use]
    pub fn field(field: &str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "validation_error", format!("{field} {detail}"))
            .with("errors", json!([{"pointer": format!("/{field}"), "detail": detail}]))
    }

    /// 422 with every wrong field.
    #[must_use]
    pub fn fields(errors: &[FieldError]) -> Self {
        let list: Vec<_> = errors.iter().map(|e| json!({"pointer": format!("/{}", e.field), "detail": e.detail})).collect();
        let first = errors.first().map_or_else(String::new, |e| format!("{} {}", e.field, e.detail));
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "validation_error", first).with("errors", list)
    }

    /// 500 whose cause only the log sees.
    #[must_use]
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        error!(%cause, "internal error");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the hub failed; its log says why under this request_id")
    }

    /// The body and headers, with the id under which the log knows the request.
    pub(super) fn render(&self, request_id: &str) -> Response {
        let mut body = self.more.clone();
        let title = self.status.canonical_reason().unwrap_or("Error");
        for (field, value) in [
            ("type", json!(super::catalogue::address(self.code))),
            ("title", json!(title)),
            ("status", json!(self.status.as_u16())),
            ("detail", json!(self.detail)),
            ("code", json!(self.code)),
            ("error", json!(self.code)),
            ("message", json!(self.detail)),
            ("request_id", json!(request_id)),
        ] {
            body.insert(field.to_owned(), value);
        }
        let mut response = (self.status, Json(Value::Object(body))).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        for (name, value) in &self.headers {
            headers.append(name, value.clone());
        }
        response
    }
}

/// 503 for one address that has too many requests open through a proxy; told before the router, so without an id.
#[must_use]
pub fn refuse_busy() -> Response {
    let detail = "too many requests of this address are open; nothing was read, try again in a moment";
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_connections", detail)
        .with_header(header::RETRY_AFTER, HeaderValue::from_static("5"))
        .render("none")
}

/// 400 for a trusted proxy that does not say who its client is.
#[must_use]
pub fn refuse_forwarded() -> Response {
    ApiError::malformed("X-Forwarded-For must hold IP addresses; set it in the proxy").render("none")
}

impl IntoResponse for ApiError {
    /// The body is written by the middleware that knows the request's id.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Full { .. } | StoreError::Degraded { .. } | StoreError::Closed | StoreError::Io { .. } => {
                error!(%error, "the store refuses");
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "store_unavailable",
                    "the hub cannot record anything now, so nothing was sent by this call; try again later",
                )
                .with_header(header::RETRY_AFTER, HeaderValue::from_static("5"))
            }
            StoreError::Busy => Self::new(StatusCode::SERVICE_UNAVAILABLE, "store_busy", error.to_string())
                .with_header(header::RETRY_AFTER, HeaderValue::from_static("60")),
            StoreError::Unsupported => Self::new(StatusCode::NOT_IMPLEMENTED, "not_supported", error.to_string()),
            StoreError::Conflict { .. } => Self::new(StatusCode::CONFLICT, "conflict", "somebody else changed it; read it again"),
            StoreError::TooLarge { .. } => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", error.to_string()),
            StoreError::Locked { .. } | StoreError::NewerFormat { .. } | StoreError::Damaged { .. } => Self::internal(&error),
        }
    }
}

impl From<AccessError> for ApiError {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::NotFound => Self::not_found("there is nothing with this id"),
            AccessError::Revoked => Self::new(StatusCode::CONFLICT, "revoked", "it was revoked, which is final; make a new one"),
            AccessError::Expired => Self::new(StatusCode::CONFLICT, "expired", "it has expired, which is final; make a new one"),
            AccessError::NotLocked => {
                Self::new(StatusCode::CONFLICT, "not_locked", "the token is pending: there is no account to disconnect")
            }
            AccessError::AccountMismatch => {
                Self::new(StatusCode::CONFLICT, "account_mismatch", "the token is locked to another account")
            }
            AccessError::Unknown | AccessError::NotAdmin => Self::unauthorized("Invalid API key"),
            AccessError::OwnerDisabled => {
                Self::new(StatusCode::CONFLICT, "owner_disabled", "the user that it belongs to is disabled; enable them first")
            }
            AccessError::Store(error) => error.into(),
            AccessError::Crypto(error) => Self::internal(&error),
        }
    }
}

impl From<CallError> for ApiError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Busy => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "terminal_busy",
                "too many messages wait for this terminal; nothing was sent, try again in a moment",
            )
            .with("retry_after", 1)
            .with_header(header::RETRY_AFTER, HeaderValue::from_static("1")),
            CallError::Gone => Self::terminal_offline(),
            CallError::TimedOut => Self::new(
                StatusCode::GATEWAY_TIMEOUT,
                "terminal_timeout",
                "the terminal did not answer in time; it is a read, so asking again is safe",
            ),
        }
    }
}

impl ApiError {
    /// 409: known, and not connected.
    #[must_use]
    pub fn terminal_offline() -> Self {
        Self::new(StatusCode::CONFLICT, "terminal_offline", "the terminal is not connected; nothing was sent")
    }
}

impl ApiError {
    /// The same where a question had to be answered before a trade: certainly nothing was sent, so it is a refusal of that trade and not a
    /// failure on the way, which proxies and libraries retry.
    #[must_use]
    pub(super) fn before_a_trade(mut self) -> Self {
        if self.status.is_server_error() {
            self.status = StatusCode::CONFLICT;
            self.detail += "; nothing was sent";
        }
        self
    }
}

impl ApiError {
    /// 409 where MetaTrader says no to a change, with its number.
    #[must_use]
    pub(super) fn refused_by_the_terminal(mut self) -> Self {
        if self.more.contains_key("mt_error") {
            self.status = StatusCode::CONFLICT;
        }
        self
    }
}

impl From<DecodeError> for ApiError {
    fn from(error: DecodeError) -> Self {
        Self::unreadable(&error)
    }
}

impl From<BarsError> for ApiError {
    fn from(error: BarsError) -> Self {
        match error {
            BarsError::Call(error) => error.into(),
            BarsError::Offline => Self::terminal_offline(),
            BarsError::Crowded => Self::crowded(),
            BarsError::UnknownSymbol => Self::unknown_symbol(),
            BarsError::Unsupported(text) => Self::unsupported(&text),
            BarsError::Terminal { code, text } => Self::terminal_error(code, &text),
            BarsError::Bad(error) => Self::unreadable(&error),
            BarsError::Undecodable(error) => Self::unreadable(&*error),
        }
    }
}

impl From<TicksError> for ApiError {
    fn from(error: TicksError) -> Self {
        match error {
            TicksError::Call(error) => error.into(),
            TicksError::Crowded => Self::crowded(),
            TicksError::UnknownSymbol => Self::unknown_symbol(),
            TicksError::Unsupported(text) => Self::unsupported(&text),
            TicksError::Terminal { code, text } => Self::terminal_error(code, &text),
            TicksError::Bad(_) | TicksError::Flood => Self::unreadable(&error),
            TicksError::Undecodable(error) => Self::unreadable(&*error),
        }
    }
}

impl From<Crowded> for ApiError {
    fn from(Crowded: Crowded) -> Self {
        Self::crowded()
    }
}

impl ApiError {
    /// 429: the hub's memory for downloads is taken.
    fn crowded() -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_downloads",
            "too much is being downloaded at once; try again in a moment",
        )
        .with("retry_after", 2)
        .with_header(header::RETRY_AFTER, HeaderValue::from_static("2"))
    }

    /// 502: what the terminal answered makes no sense.
    fn unreadable(error: &dyn std::fmt::Display) -> Self {
        error!(%error, "a terminal's answer cannot be used");
        Self::new(StatusCode::BAD_GATEWAY, "terminal_error", "the terminal's answer cannot be read; update its Expert Advisor")
    }
}

impl ApiError {
    /// 404: no such symbol there.
    #[must_use]
    pub fn unknown_symbol() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "symbol_not_found",
            "the terminal has no such symbol; names are the broker's own, with suffix",
        )
    }

    /// 422: this terminal cannot do that at all.
    #[must_use]
    pub fn unsupported(why: &str) -> Self {
        let why = if why.is_empty() { "this terminal cannot do that" } else { why };
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "unsupported", why)
    }

    /// 502: MetaTrader says that it failed.
    #[must_use]
    pub fn terminal_error(code: i32, text: &str) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, "terminal_error", format!("the terminal failed: {text}")).with("mt_error", code)
    }
}

impl From<HookError> for ApiError {
    fn from(error: HookError) -> Self {
        match error {
            HookError::NotFound => Self::not_found("there is no hook with this id"),
            HookError::Access(error) => error.into(),
        }
    }
}

impl From<KillError> for ApiError {
    fn from(error: KillError) -> Self {
        match error {
            KillError::MayNotLower(standing) => Self::new(
                StatusCode::FORBIDDEN,
                "forbidden",
                format!("it stands at {} ({}): lowering it needs the permission admin", standing.level.name(), standing.reason),
            )
            .with("permission", "admin"),
            KillError::Store(error) => error.into(),
        }
    }
}

impl From<ExecuteError> for ApiError {
    fn from(error: ExecuteError) -> Self {
        let conflict = |code, detail: &str| Self::new(StatusCode::CONFLICT, code, format!("{detail}; nothing was sent"));
        match error {
            ExecuteError::Offline => Self::terminal_offline(),
            ExecuteError::BrokerLinkDown => conflict("broker_link_down", "the terminal has no connection to its broker"),
            ExecuteError::TradingDisabled(why) => conflict("trading_disabled", why),
            ExecuteError::MarketClosed(symbol) => conflict("market_closed", &format!("the market of {symbol} is closed")),
            ExecuteError::KillSwitch { scope, level, reason } => {
                let why = format!("the kill switch of {scope} stands at {level} ({reason}); closing and deleting go through");
                conflict("kill_switch", &why).with("scope", scope).with("level_name", level).with("reason", reason)
            }
            ExecuteError::LimitUnknown(limit, why) => {
                conflict("limit_unknown", &format!("the limit {} cannot be judged now: {why}", limit.name()))
                    .with("limit", limit.name())
            }
            ExecuteError::LimitExceeded(exceeded) => {
                let (limit, layer) = (exceeded.limit.name(), exceeded.layer.name());
                let detail = format!(
                    "{limit} of the {layer} is {}, and this would make it {}; nothing was sent",
                    exceeded.value, exceeded.asked
                );
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "limit_exceeded", detail)
                    .with("limit", limit)
                    .with("layer", layer)
                    .with("value", exceeded.value)
                    .with("asked", exceeded.asked)
            }
            ExecuteError::WouldOpen => {
                Self::new(StatusCode::CONFLICT, "would_open", format!("{error}: look at the position again; nothing was sent"))
            }
            ExecuteError::Duplicate(command) => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "duplicate_order",
                "the same order was taken a moment ago; say allow_duplicate if it is meant; nothing was sent",
            )
            .with("command", command.to_string()),
            ExecuteError::Expired => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "expired", format!("{error}; nothing was sent")),
            ExecuteError::Busy => CallError::Busy.into(),
            ExecuteError::KeyReused => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency_key_reused",
                "this Idempotency-Key was used for another request; nothing was sent. Use a new key for each new order",
            ),
            ExecuteError::KeyExpired => {
                conflict("key_expired", "this Idempotency-Key was used before and its record is no longer kept")
            }
            ExecuteError::TagsExhausted => {
                conflict("tags_exhausted", "every tag of this account was used; trade it through a MetaTrader 5 terminal")
            }
            ExecuteError::Store(error) => error.into(),
            ExecuteError::Crypto(error) => Self::internal(&error),
        }
    }
}
