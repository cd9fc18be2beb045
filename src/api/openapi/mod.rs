//! The OpenAPI document: what the handlers say of themselves, completed by what the route table and the error catalogue know.
//!
//! A handler's annotation says what is its own: summary, query, body, answers. What follows from a rule is added here, so that no handler
//! can say it wrong: who may call (the route table), parameters of the path, headers, and errors. Errors are named in an annotation by one
//! response `4XX` whose description is a list of words: codes of the catalogue, and groups of them (`errors`).

mod errors;
mod examples;
mod parts;
pub(super) mod schemas;
pub(super) mod shapes;

use std::sync::OnceLock;

use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use utoipa::OpenApi;

use super::{auth::Needs, routes};

/// What the handlers say.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "mtbridge",
        description = "The hub that MetaTrader 4 and 5 terminals stay connected to. Bots call it here; terminals connect by WebSocket.\n\n\
            A path under `/api` needs an API key, `Authorization: Bearer sk_live_…`, or the cookie of a login, unless it says otherwise. `{terminal}` is an account number, `number@server`, \
            a token's id, or `-` for the only one.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    paths(
        super::root::index,
        super::root::healthz,
        super::root::readyz,
        super::catalogue::list_errors,
        super::catalogue::get_error,
        super::page::asset,
        super::metrics::metrics,
        super::terminal_socket::connect,
        super::terminals::list_terminals,
        super::terminals::get_terminal,
        super::link::latency,
        super::account::account,
        super::equity::equity,
        super::account::account_info,
        super::market_data::list_symbols,
        super::market_data::get_symbol,
        super::market_data::quotes,
        super::depth::depth,
        super::watchlist::show,
        super::watchlist::hide,
        super::bars::bars,
        super::ticks::ticks,
        super::positions::list_positions,
        super::positions::get_position,
        super::orders::list_orders,
        super::orders::get_order,
        super::history::list_deals,
        super::history::list_history_orders,
        super::audit::trades,
        super::placing::check,
        super::calc::margin,
        super::calc::profit,
        super::placing::place,
        super::modifying::modify_order,
        super::modifying::cancel_order,
        super::modifying::modify_position,
        super::close_all::close_all,
        super::closing::close,
        super::trade::raw,
        super::commands_list::list_commands,
        super::makers::list_makers,
        super::commands::get_command,
        super::commands::cancel,
        super::commands::adjudicate,
        super::safety::list_switches,
        super::safety::set_switch,
        super::safety::list_deadmen,
        super::safety::arm_deadman,
        super::safety::list_incidents,
        super::external::bars,
        super::external::bars_of,
        super::external::symbols,
        super::indicator_list::list_indicators,
        super::indicators::submit,
        super::indicators::get_indicator,
        super::indicators::remove,
        super::tokens::list_tokens,
        super::tokens::create,
        super::tokens::get_token,
        super::tokens::rename,
        super::tokens::revoke,
        super::tokens::disconnect,
        super::tokens::rotate,
        super::link::token_link,
        super::backup::backup,
        super::plans::list_plans,
        super::keys::list_keys,
        super::keys::create,
        super::keys::get_key,
        super::keys::change,
        super::keys::revoke,
        super::keys::rotate,
        super::login::setup_needed,
        super::login::set_up,
        super::login::log_in,
        super::login::who,
        super::login::log_out,
        super::login::confirm,
        super::login::change_password,
        super::login::list_logins,
        super::login::end_login,
        super::users::list_users,
        super::users::create,
        super::users::change,
        super::users::delete,
        super::users::reset,
        super::tenants::list_tenants,
        super::tenants::change,
        super::audit_log::audit,
        super::audit_log::verify,
        super::credentials::revoke,
        super::stream::connect,
        super::sse::events,
        super::tickets::create,
        super::tradingview::receive,
        super::hooks::list_hooks,
        super::hooks::create,
        super::hooks::get_hook,
        super::hooks::change,
        super::hooks::remove,
        super::hooks::rotate,
        super::hooks::received,
        super::webhooks::list_webhooks,
        super::webhooks::create,
        super::webhooks::get_webhook,
        super::webhooks::change,
        super::webhooks::remove,
        super::webhooks::rotate,
        super::webhooks::test,
        super::webhooks::deliveries,
        super::webhooks::replay,
        document,
        super::docs::reference,
    ),
    components(schemas(schemas::Problem, super::guards::Guards)),
    tags(
        (name = "Terminals", description = "Who is connected, and how."),
        (name = "Symbols and prices", description = "What a terminal knows of its symbols."),
        (name = "Bars and ticks", description = "Prices of the past, as JSON, columns, CSV, NDJSON or packed records."),
        (name = "Positions and orders", description = "What is open."),
        (name = "History", description = "What was."),
        (name = "Trading", description = "A trade is executed at most once, and its true outcome is always found. Every call needs an `Idempotency-Key`."),
        (name = "Commands", description = "What became of a trade."),
        (name = "Controls", description = "Kill switch, dead-man timer, incidents."),
        (name = "External API", description = "For clients of InnovaTrading's published API: change the address and the key, and they run."),
        (name = "Tokens", description = "What a terminal connects with."),
        (name = "Keys", description = "What a bot calls with."),
        (name = "People", description = "Users, and their logins from a browser."),
        (name = "Audit", description = "Who changed what, and who was not let."),
        (name = "Streams", description = "What happens, told as it comes."),
        (name = "Hooks", description = "Alerts of TradingView come in and become commands."),
        (name = "Webhooks", description = "Events go out to an address, signed."),
        (name = "Errors", description = "Every error code, what it means and what to do."),
        (name = "Operation", description = "Whether it works, and how."),
    ),
)]
struct Annotations;

/// The whole document.
#[must_use]
pub fn openapi() -> Value {
    let Ok(mut document) = serde_json::to_value(Annotations::openapi()) else { return Value::Null };
    document["components"]["securitySchemes"] = json!({
        "apiKey": {"type": "http", "scheme": "bearer", "description": "An API key: `sk_live_…`, or `sk_test_…`, which sees demo accounts only."},
        "session": {"type": "apiKey", "in": "cookie", "name": "mtbridge", "description": "The cookie of a login, which `POST /api/v1/session` sets; \
            `__Host-mtbridge` under TLS. A change by it needs the header `Origin` or `Sec-Fetch-Site`, which browsers send."},
        "ticket": {"type": "apiKey", "in": "query", "name": "ticket", "description": "What `POST /api/v1/tickets` gives: good for one stream, for 30 seconds."},
        "connectionToken": {"type": "http", "scheme": "bearer", "description": "A connection token, `mtb_…`: for terminals only."},
    });
    for route in routes() {
        let method = route.method.as_str().to_lowercase();
        let Some(operation) = document["paths"].get_mut(route.path).and_then(|path| path.get_mut(method)) else { continue };
        who_may(operation, route.path, route.needs);
        let words = parts::words(operation);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        parts::parameters(operation, route.path, &words);
        parts::body(operation, &words);
        errors::tell(operation, &route, &words);
        parts::headers(operation, &route, &words);
        examples::show(operation);
    }
    parts::schemas(&mut document);
    document
}

/// Whether an annotation may name errors by this word: a code of the catalogue, with a status it has, or a group of them.
#[must_use]
pub fn is_known(word: &str) -> bool {
    errors::is_known(word)
}

/// Security, and the permission in words.
fn who_may(operation: &mut Value, path: &str, needs: Needs) {
    let (key, session) = (json!({"apiKey": []}), json!({"session": []}));
    let (security, needed) = match needs {
        Needs::Nothing if path == crate::protocol::PATH => (json!([{"connectionToken": []}]), String::new()),
        Needs::Nothing => (json!([]), String::new()),
        Needs::AnyKey => (json!([key, session]), "Any valid key.".to_owned()),
        Needs::Login => (json!([session]), "A user who is logged in; no key will do.".to_owned()),
        Needs::Stream => (json!([key, {"ticket": []}]), "Any valid key, or a ticket.".to_owned()),
        Needs::Owner => {
            let about = "Whoever runs the hub, or an owner who is logged in, about the users of their own tenant.";
            (json!([key, session]), about.to_owned())
        }
        Needs::Operator => (json!([key, session]), "Whoever runs the hub: an admin key of its own, or its owner.".to_owned()),
        Needs::Permission(permission) => {
            operation["x-permission"] = json!(permission.name());
            (json!([key, session]), format!("Needs the permission `{permission}`."))
        }
    };
    operation["security"] = security;
    let said = operation.get("description").and_then(Value::as_str).unwrap_or_default();
    let whole: Vec<_> = [said, &needed].into_iter().filter(|text| !text.is_empty()).collect();
    operation["description"] = json!(whole.join("\n\n"));
}

/// `GET /openapi.json`
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "openapi",
    tag = "Operation",
    summary = "This document",
    description = "OpenAPI 3.1.",
    responses((status = 200, description = "The document.", body = Value))
)]
pub(super) async fn document() -> Response {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| openapi().to_string()).as_str();
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("max-age=300")),
        // Any page may read what is public and the same for everybody.
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    ];
    (headers, text).into_response()
}
