//! HTTP: the only module that knows status codes. Every route stands in one table, with what it asks of its caller.

mod account;
mod arrow;
mod audit;
mod audit_log;
pub mod auth;
mod backup;
mod bars;
mod browser;
mod calc;
pub mod catalogue;
mod close_all;
mod closing;
mod commands;
mod commands_list;
mod credentials;
mod cursor;
mod denied;
mod depth;
mod docs;
mod equity;
pub mod error;
mod etag;
mod external;
mod external_source;
mod extract;
mod filling;
mod guards;
mod history;
mod hook_act;
mod hooks;
mod indicator_body;
mod indicator_list;
mod indicators;
mod json;
mod keys;
mod link;
mod login;
mod makers;
mod market_data;
mod metrics;
mod modifying;
pub mod openapi;
mod orders;
mod page;
mod placing;
mod plans;
mod positions;
mod quota;
mod relay;
mod resolve;
mod root;
mod safety;
mod spreadsheet;
mod sse;
mod state;
mod stream;
mod table;
mod tenants;
mod terminal_socket;
mod terminals;
mod tickets;
mod ticks;
mod tokens;
mod trade;
mod tradingview;
mod users;
mod watchlist;
mod webhooks;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    handler::Handler,
    http::{HeaderValue, Method, StatusCode},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
    routing::{MethodFilter, MethodRouter, on},
};

use tokio::time::Instant;
use tower_http::{
    CompressionLevel,
    compression::{CompressionLayer, predicate::SizeAbove},
};
use tracing::{Instrument as _, field::Empty, info_span};

use crate::{
    access::{Access, plans::Purse},
    config::MetricsAccess,
    domain::api_key::Permission,
    telemetry::{
        metrics::{Metrics, time},
        origin::{self, Origin},
    },
};
use auth::{Asks, Needs};
pub use auth::{Budget, Connection};
use error::ApiError;
pub use error::{refuse_busy, refuse_forwarded};
pub use state::{ApiState, Fillings, Parts, Sources};
pub use stream::{Streams, watch_terminals};
pub use tradingview::resume_alerts;

/// Answers of fewer bytes are not compressed.
const COMPRESSED_FROM: u16 = 1_024;

/// One route.
pub struct Route {
    /// GET, POST, …
    pub method: Method,
    /// The path, parameters in braces.
    pub path: &'static str,
    /// What it asks of its caller.
    pub needs: Needs,
    /// Whether a person must have given their password within the last minutes. Some handlers ask for it by what is in the body.
    pub confirmed: bool,
    purse: Purse,
    handler: MethodRouter<ApiState>,
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {:?}", self.method, self.path, self.needs)
    }
}

impl Route {
    /// Its answers are compressed while they are sent, for callers that take that. For long lists alone: what is short is only made longer, and
    /// a stream of events must not wait in a compressor.
    fn compressed(mut self) -> Self {
        // What costs least: of bars the lists are more than four times smaller already.
        let layer = CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(SizeAbove::new(COMPRESSED_FROM));
        self.handler = self.handler.layer(layer);
        self
    }

    /// Of a person it asks for the password again: it makes or widens access, or takes what is recorded. Never what closes or stops.
    const fn confirmed(mut self) -> Self {
        self.confirmed = true;
        self
    }

    /// Its requests draw on that.
    const fn draws_on(mut self, purse: Purse) -> Self {
        self.purse = purse;
        self
    }
}

/// Every route of the hub. Nothing is served that does not stand here.
#[must_use]
pub fn routes() -> Vec<Route> {
    let all =
        [of_strangers(), of_reads(), of_trades(), of_streams(), of_the_external_api(), of_operation(), of_users(), of_hooks()];
    all.into_iter().flatten().collect()
}

fn of_strangers() -> Vec<Route> {
    let (get, post) = (Method::GET, Method::POST);
    vec![
        // What anybody may ask.
        route(&get, "/", Needs::Nothing, root::index),
        route(&get, "/healthz", Needs::Nothing, root::healthz),
        route(&get, "/readyz", Needs::Nothing, root::readyz),
        route(&get, "/errors", Needs::Nothing, catalogue::list_errors),
        route(&get, "/errors/{code}", Needs::Nothing, catalogue::get_error),
        route(&get, "/openapi.json", Needs::Nothing, openapi::document),
        route(&get, "/docs", Needs::Nothing, docs::reference),
        route(&get, "/docs/{file}", Needs::Nothing, page::asset),
        // Unless http.metrics says otherwise.
        route(&get, metrics::PATH, Needs::Operator, metrics::metrics),
        // Whoever shows a secret may end it.
        route(&post, "/api/v1/credentials/revoke", Needs::Nothing, credentials::revoke),
        // Terminals: judged by their token, inside.
        route(&get, crate::protocol::PATH, Needs::Nothing, terminal_socket::connect),
    ]
}

fn of_reads() -> Vec<Route> {
    use Permission::{ReadAccount, ReadBars, ReadHistory, ReadPositions, ReadQuotes, ReadSymbols};
    let (may, get, post, put, delete) = (Needs::Permission, Method::GET, Method::POST, Method::PUT, Method::DELETE);
    vec![
        route(&get, "/api/v1/terminals", may(ReadAccount), terminals::list_terminals),
        route(&get, "/api/v1/terminals/{terminal}", may(ReadAccount), terminals::get_terminal),
        route(&get, "/api/v1/terminals/{terminal}/latency", may(ReadAccount), link::latency),
        route(&get, "/api/v1/terminals/{terminal}/account", may(ReadAccount), account::account),
        route(&get, "/api/v1/terminals/{terminal}/equity", may(ReadAccount), equity::equity).compressed(),
        route(&get, "/api/v1/account/info", may(ReadAccount), account::account_info),
        route(&get, "/api/v1/terminals/{terminal}/symbols", may(ReadSymbols), market_data::list_symbols),
        route(&get, "/api/v1/terminals/{terminal}/symbols/{symbol}", may(ReadSymbols), market_data::get_symbol),
        route(&get, "/api/v1/terminals/{terminal}/quotes", may(ReadQuotes), market_data::quotes),
        route(&get, "/api/v1/terminals/{terminal}/bars/{symbol}", may(ReadBars), bars::bars).compressed(),
        route(&get, "/api/v1/terminals/{terminal}/ticks/{symbol}", may(ReadQuotes), ticks::ticks).compressed(),
        route(&get, "/api/v1/terminals/{terminal}/positions", may(ReadPositions), positions::list_positions),
        route(&get, "/api/v1/terminals/{terminal}/positions/{ticket}", may(ReadPositions), positions::get_position),
        route(&get, "/api/v1/terminals/{terminal}/orders", may(ReadPositions), orders::list_orders),
        route(&get, "/api/v1/terminals/{terminal}/orders/{ticket}", may(ReadPositions), orders::get_order),
        route(&get, "/api/v1/terminals/{terminal}/history/deals", may(ReadHistory), history::list_deals),
        route(&get, "/api/v1/terminals/{terminal}/history/orders", may(ReadHistory), history::list_history_orders),
        route(&get, "/api/v1/terminals/{terminal}/depth/{symbol}", may(ReadQuotes), depth::depth),
        route(&put, "/api/v1/terminals/{terminal}/watchlist/{symbol}", may(ReadSymbols), watchlist::show),
        route(&delete, "/api/v1/terminals/{terminal}/watchlist/{symbol}", may(ReadSymbols), watchlist::hide),
        route(&post, "/api/v1/terminals/{terminal}/orders/check", may(ReadAccount), placing::check),
        route(&post, "/api/v1/terminals/{terminal}/calc/margin", may(ReadAccount), calc::margin),
        route(&post, "/api/v1/terminals/{terminal}/calc/profit", may(ReadAccount), calc::profit),
        route(&get, "/api/v1/audit/trades", may(ReadHistory), audit::trades),
    ]
}

/// Trades, and what stands above them.
fn of_trades() -> Vec<Route> {
    use Permission::{Admin, ReadAccount, TradeReduce, TradeWrite};
    let (may, get, post, patch, delete) = (Needs::Permission, Method::GET, Method::POST, Method::PATCH, Method::DELETE);
    vec![
        route(&post, "/api/v1/terminals/{terminal}/orders", may(TradeWrite), placing::place),
        route(&patch, "/api/v1/terminals/{terminal}/orders/{ticket}", may(TradeWrite), modifying::modify_order),
        route(&delete, "/api/v1/terminals/{terminal}/orders/{ticket}", may(TradeReduce), modifying::cancel_order),
        route(&patch, "/api/v1/terminals/{terminal}/positions/{ticket}", may(TradeWrite), modifying::modify_position),
        route(&post, "/api/v1/terminals/{terminal}/positions/close-all", may(TradeReduce), close_all::close_all),
        route(&post, "/api/v1/terminals/{terminal}/positions/{ticket}/close", may(TradeReduce), closing::close),
        route(&post, "/api/v1/terminals/{terminal}/trade", may(TradeWrite), trade::raw),
        route(&get, "/api/v1/commands", Needs::AnyKey, commands_list::list_commands),
        route(&get, "/api/v1/commands/makers", Needs::AnyKey, makers::list_makers),
        route(&get, "/api/v1/commands/{id}", Needs::AnyKey, commands::get_command),
        route(&post, "/api/v1/commands/{id}/cancel", may(TradeReduce), commands::cancel),
        route(&post, "/api/v1/commands/{id}/adjudicate", may(Admin), commands::adjudicate).confirmed(),
        // Controls.
        route(&get, "/api/v1/kill-switch", may(ReadAccount), safety::list_switches),
        route(&post, "/api/v1/kill-switch", may(TradeReduce), safety::set_switch).draws_on(Purse::Nothing),
        route(&get, "/api/v1/deadman", may(ReadAccount), safety::list_deadmen),
        route(&post, "/api/v1/deadman", may(TradeReduce), safety::arm_deadman).draws_on(Purse::Timers),
        route(&get, "/api/v1/incidents", may(ReadAccount), safety::list_incidents),
    ]
}

/// Each topic is judged inside, and again with everything that is told.
fn of_streams() -> Vec<Route> {
    let (get, post) = (Method::GET, Method::POST);
    vec![
        route(&get, "/api/v1/stream", Needs::Stream, stream::connect),
        route(&get, "/api/v1/events", Needs::Stream, sse::events),
        route(&post, "/api/v1/tickets", Needs::AnyKey, tickets::create),
    ]
}

/// For clients of InnovaTrading's published API.
fn of_the_external_api() -> Vec<Route> {
    use Permission::{DeleteIndicators, ReadBars, ReadIndicators, WriteIndicators};
    let (may, get, post, delete) = (Needs::Permission, Method::GET, Method::POST, Method::DELETE);
    vec![
        route(&get, "/api/external/bars", may(ReadBars), external::bars).compressed(),
        route(&get, "/api/external/bars/{symbol}/{timeframe}", may(ReadBars), external::bars_of).compressed(),
        route(&get, "/api/external/symbols", may(ReadBars), external::symbols),
        route(&get, "/api/external/indicators", may(ReadIndicators), indicator_list::list_indicators).compressed(),
        route(&post, "/api/external/indicators/{id}", may(WriteIndicators), indicators::submit),
        route(&get, "/api/external/indicators/{id}", may(ReadIndicators), indicators::get_indicator),
        route(&delete, "/api/external/indicators/{id}", may(DeleteIndicators), indicators::remove),
    ]
}

/// Tokens, keys, and what only operators need.
fn of_operation() -> Vec<Route> {
    let (may, admin) = (Needs::Permission, Permission::Admin);
    let (get, post, patch, delete) = (Method::GET, Method::POST, Method::PATCH, Method::DELETE);
    vec![
        route(&get, "/api/v1/tokens", may(admin), tokens::list_tokens),
        route(&post, "/api/v1/tokens", may(admin), tokens::create).confirmed(),
        route(&get, "/api/v1/tokens/{id}", may(admin), tokens::get_token),
        route(&patch, "/api/v1/tokens/{id}", may(admin), tokens::rename),
        route(&delete, "/api/v1/tokens/{id}", may(admin), tokens::revoke),
        route(&get, "/api/v1/tokens/{id}/link", may(admin), link::token_link),
        route(&post, "/api/v1/tokens/{id}/disconnect", may(admin), tokens::disconnect),
        route(&post, "/api/v1/tokens/{id}/rotate", may(admin), tokens::rotate).confirmed(),
        route(&get, "/api/v1/backup", Needs::Operator, backup::backup).confirmed(),
        route(&get, "/api/v1/audit", Needs::Operator, audit_log::audit),
        route(&post, "/api/v1/audit/verify", Needs::Operator, audit_log::verify),
        route(&get, "/api/v1/plans", Needs::AnyKey, plans::list_plans),
        route(&get, "/api/v1/keys", may(admin), keys::list_keys),
        route(&post, "/api/v1/keys", may(admin), keys::create).confirmed(),
        route(&get, "/api/v1/keys/{id}", may(admin), keys::get_key),
        route(&patch, "/api/v1/keys/{id}", may(admin), keys::change),
        route(&delete, "/api/v1/keys/{id}", may(admin), keys::revoke),
        route(&post, "/api/v1/keys/{id}/rotate", may(admin), keys::rotate).confirmed(),
    ]
}

/// Users and their logins.
fn of_users() -> Vec<Route> {
    let (get, post, put, patch, delete) = (Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE);
    vec![
        route(&get, "/api/v1/setup", Needs::Nothing, login::setup_needed),
        route(&post, "/api/v1/setup", Needs::Nothing, login::set_up),
        route(&post, "/api/v1/session", Needs::Nothing, login::log_in),
        route(&get, "/api/v1/session", Needs::AnyKey, login::who),
        route(&delete, "/api/v1/session", Needs::Login, login::log_out),
        route(&post, "/api/v1/session/confirm", Needs::Login, login::confirm),
        route(&put, "/api/v1/session/password", Needs::Login, login::change_password),
        route(&get, "/api/v1/sessions", Needs::Login, login::list_logins),
        route(&delete, "/api/v1/sessions/{id}", Needs::Login, login::end_login),
        route(&get, "/api/v1/users", Needs::Owner, users::list_users),
        route(&post, "/api/v1/users", Needs::Owner, users::create).confirmed(),
        route(&patch, "/api/v1/users/{id}", Needs::Owner, users::change),
        route(&delete, "/api/v1/users/{id}", Needs::Owner, users::delete).confirmed(),
        route(&post, "/api/v1/users/{id}/reset", Needs::Owner, users::reset).confirmed(),
        route(&get, "/api/v1/tenants", Needs::Operator, tenants::list_tenants),
        route(&patch, "/api/v1/tenants/{id}", Needs::Operator, tenants::change).confirmed(),
    ]
}

/// Hooks and webhooks.
fn of_hooks() -> Vec<Route> {
    let may = Needs::Permission;
    let admin = Permission::Admin;
    let (get, post, patch, delete) = (Method::GET, Method::POST, Method::PATCH, Method::DELETE);
    vec![
        // Hooks: judged by their secret, inside.
        route(&post, "/hooks/tradingview/{hook}/{secret}", Needs::Nothing, tradingview::receive),
        route(&get, "/api/v1/hooks", may(admin), hooks::list_hooks),
        route(&post, "/api/v1/hooks", may(admin), hooks::create).confirmed(),
        route(&get, "/api/v1/hooks/{id}", may(admin), hooks::get_hook),
        route(&patch, "/api/v1/hooks/{id}", may(admin), hooks::change).confirmed(),
        route(&delete, "/api/v1/hooks/{id}", may(admin), hooks::remove),
        route(&post, "/api/v1/hooks/{id}/rotate", may(admin), hooks::rotate).confirmed(),
        route(&get, "/api/v1/hooks/{id}/received", may(admin), hooks::received),
        route(&get, "/api/v1/webhooks", may(admin), webhooks::list_webhooks),
        route(&post, "/api/v1/webhooks", may(admin), webhooks::create).confirmed(),
        route(&get, "/api/v1/webhooks/{id}", may(admin), webhooks::get_webhook),
        route(&patch, "/api/v1/webhooks/{id}", may(admin), webhooks::change).confirmed(),
        route(&delete, "/api/v1/webhooks/{id}", may(admin), webhooks::remove),
        route(&post, "/api/v1/webhooks/{id}/rotate", may(admin), webhooks::rotate).confirmed(),
        route(&post, "/api/v1/webhooks/{id}/test", may(admin), webhooks::test),
        route(&get, "/api/v1/webhooks/{id}/deliveries", may(admin), webhooks::deliveries),
        route(&post, "/api/v1/webhooks/{id}/replay", may(admin), webhooks::replay),
    ]
}

fn route<H, T>(method: &Method, path: &'static str, needs: Needs, handler: H) -> Route
where
    H: Handler<T, ApiState>,
    T: 'static,
{
    // A method that axum has no filter for cannot come from the table above.
    let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::GET);
    // What closes or cancels must never wait for an hour to pass.
    let purse = if needs == Needs::Permission(Permission::TradeReduce) { Purse::Reserve } else { Purse::Plan };
    Route { method: method.clone(), path, needs, confirmed: false, purse, handler: on(filter, handler) }
}

/// The service of all routes.
pub fn router(state: ApiState) -> Router {
    let mut router = Router::new();
    let front = Front::new(&state);
    for route in routes() {
        let needs = match (route.path, state.http.metrics) {
            (metrics::PATH, MetricsAccess::Off) => continue,
            (metrics::PATH, MetricsAccess::Open) => Needs::Nothing,
            _ => route.needs,
        };
        let asks = Asks { needs, confirmed: route.confirmed, purse: route.purse };
        let layer = from_fn_with_state((state.clone(), asks), auth::authorize);
        router = router.route(route.path, route.handler.layer(layer));
    }
    router
        .fallback(async || ApiError::not_found("there is nothing at this address; GET / lists what there is"))
        .method_not_allowed_fallback(async || {
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this address does not take this method")
        })
        .layer(from_fn_with_state(front, identify))
        .with_state(state)
}

/// What every request passes: its id, its span and its count.
#[derive(Debug, Clone)]
struct Front {
    inner: Arc<FrontInner>,
}

#[derive(Debug)]
struct FrontInner {
    /// Ids are random for each run of the hub, then counted, so that no request pays for randomness.
    run: String,
    count: AtomicU64,
    metrics: Metrics,
    access: Access,
    /// The table's own words for paths, because a label lives as long as the program.
    paths: HashMap<&'static str, &'static str>,
}

impl Front {
    fn new(state: &ApiState) -> Self {
        let run = crate::crypto::random::<5>().map_or_else(|_| "0".to_owned(), |bytes| crate::crypto::hex(&bytes));
        let paths = routes().into_iter().map(|route| (route.path, route.path)).collect();
        let metrics = state.hub.metrics().clone();
        let access = state.access.clone();
        Self { inner: Arc::new(FrontInner { run, count: AtomicU64::default(), metrics, access, paths }) }
    }

    fn next_id(&self) -> String {
        format!("req_{}{:08x}", self.inner.run, self.inner.count.fetch_add(1, Ordering::Relaxed))
    }

    /// What was asked, in words that only the program chooses.
    fn route(&self, request: &Request) -> (&'static str, &'static str) {
        let path = request.extensions().get::<MatchedPath>().and_then(|path| self.inner.paths.get(path.as_str()));
        let methods = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
        let names = ["GET", "POST", "PUT", "PATCH", "DELETE"];
        let method = methods.iter().position(|method| method == request.method()).map_or("other", |at| names[at]);
        (method, path.copied().unwrap_or("none"))
    }

    fn count(&self, (method, route): (&'static str, &'static str), status: StatusCode, took: Duration) {
        let class = ["1xx", "2xx", "3xx", "4xx", "5xx"].get(usize::from(status.as_u16() / 100).saturating_sub(1));
        let labels = [("method", method), ("route", route), ("status", class.copied().unwrap_or("other"))];
        self.inner.metrics.http_requests.get_or_create(&labels).inc();
        time(&self.inner.metrics.http_seconds, "route", route, took);
    }
}

/// A path as the log may have it: whatever stands behind `hooks` may be a secret, also where it is mistyped.
fn without_secret(path: &str) -> String {
    let at = path.to_ascii_lowercase().find("/hooks").filter(|_| !path.starts_with("/api/"));
    at.map_or_else(|| path.to_owned(), |at| format!("{}/hooks/…", &path[..at]))
}

/// Gives every request an id under which the log knows it, and errors their body.
async fn identify(State(front): State<Front>, request: Request, next: Next) -> Response {
    let (id, begun, route) = (front.next_id(), Instant::now(), front.route(&request));
    let (method, path) = (request.method().clone(), without_secret(request.uri().path()));
    let span = info_span!("request", request_id = id, key = Empty);
    let address = request.extensions().get::<Arc<Connection>>().map(|connection| connection.client);
    let origin = Arc::new(Origin::new(address, id.clone()));
    let mut response = match denied::leaked(request.uri()) {
        Some(error) => error.into_response(),
        None => origin::within(Some(Arc::clone(&origin)), next.run(request).instrument(span.clone())).await,
    };
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        denied::note(&front.inner.access, &error, &origin, &format!("{} {}", route.0, route.1));
        // Headers that were set on the way out (Allow, Idempotency-Replayed) stay.
        let set = std::mem::take(response.headers_mut());
        response = error.render(&id);
        let kept = set.into_iter().filter_map(|(name, value)| name.map(|name| (name, value)));
        response.headers_mut().extend(kept.filter(|(name, _)| name != "content-length"));
    }
    front.count(route, response.status(), begun.elapsed());
    tracing::debug!(parent: &span, %method, path, status = response.status().as_u16(), "answered");
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert("x-request-id", id);
    }
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    headers.entry("cache-control").or_insert(HeaderValue::from_static("no-store"));
    response
}
