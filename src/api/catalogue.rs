//! Every error code of the hub in one table: what it means, and what to do. A problem body's `type` names a row of it, and
//! `GET /errors/{code}` answers that row.

use std::fmt::Write as _;

use axum::{
    Json,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{
    error::{ApiError, ApiResult},
    extract::Path,
    page::page,
};

/// One error code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorCode {
    /// Stable: programs compare it.
    pub code: &'static str,
    /// Every HTTP status that it comes with, the usual one first.
    pub statuses: &'static [u16],
    /// What happened.
    pub meaning: &'static str,
    /// What its reader can do.
    pub remedy: &'static str,
}

const fn row(code: &'static str, statuses: &'static [u16], meaning: &'static str, remedy: &'static str) -> ErrorCode {
    ErrorCode { code, statuses, meaning, remedy }
}

/// The row of a code.
#[must_use]
pub fn entry(code: &str) -> Option<&'static ErrorCode> {
    CODES.iter().find(|entry| entry.code == code)
}

/// The `type` of a problem: an address of the hub itself, relative to it, since the hub does not know under which name it is reached.
#[must_use]
pub fn address(code: &str) -> String {
    format!("/errors/{code}")
}

/// Every code, by status and name.
pub const CODES: &[ErrorCode] = &[
    row(
        "malformed_request",
        &[400],
        "The request cannot be read: its body is no JSON object, a path cannot be decoded, or a WebSocket handshake does not offer the subprotocol.",
        "Look at `detail`; send a JSON object in UTF-8.",
    ),
    row(
        "idempotency_key_required",
        &[400],
        "A call that can trade came without the header Idempotency-Key. Nothing was sent.",
        "Make a new unique value for each new order, keep it, and send the same one when you ask again.",
    ),
    row(
        "secret_in_url",
        &[400],
        "A token or key stands in the address, where proxies and logs keep it: it must be considered leaked. Nothing was done.",
        "POST it to /api/v1/credentials/revoke, make another, and send that as `Authorization: Bearer`.",
    ),
    row(
        "unauthorized",
        &[401],
        "There is no `Authorization: Bearer`, or the key is unknown, revoked or expired. For terminals the same about their token.",
        "Check that the secret was copied whole; if it was, ask for a new one.",
    ),
    row(
        "login_failed",
        &[401],
        "The login is unknown, the password is wrong, or the user is disabled.",
        "Try again; who has forgotten the password asks for a reset.",
    ),
    row(
        "code_refused",
        &[401],
        "The set-up code is unknown, was used or has expired; that of a hub without users also needs `login`.",
        "Ask whoever runs the hub for a new one: `mtbridge user reset`.",
    ),
    row(
        "forbidden",
        &[403],
        "The key, or the role of the user, lacks the permission that `permission` names; or the key is for `allowed_symbols` only, or not for this `address`; or a terminal sent the header Origin, which only browsers send.",
        "Use a key with that permission. What a key may do is chosen when it is made.",
    ),
    row(
        "address_not_allowed",
        &[403],
        "The hook takes alerts from other addresses only. Nothing was sent.",
        "Change the `ips` of the hook, or send from one of them.",
    ),
    row(
        "symbol_not_allowed",
        &[403],
        "The key that a hook acts under does not reach the symbol. Nothing was sent.",
        "Give the hook a key that does, or map the symbol.",
    ),
    row(
        "plan_above_ceiling",
        &[403],
        "The plan of the key would be above `ceiling`, the largest that keys of this tenant have.",
        "Choose `ceiling` or a smaller plan; whoever runs the hub can raise it: `mtbridge tenant plan`.",
    ),
    row(
        "operator_required",
        &[403],
        "Only whoever runs this hub may do this.",
        "Ask them; or use an admin key of the hub itself.",
    ),
    row(
        "login_required",
        &[403],
        "This is for a user who is logged in with their password, not for an API key.",
        "Log in: POST /api/v1/session.",
    ),
    row(
        "confirmation_required",
        &[403],
        "This needs the password again, given in the last 5 minutes.",
        "POST /api/v1/session/confirm, then ask again.",
    ),
    row("password_wrong", &[403], "The password of a user who is logged in, given again, is not theirs.", "Try again."),
    row(
        "cross_site",
        &[403],
        "By a cookie, and from a page of another origin or from nowhere.",
        "Call from a page of the hub; a program uses an API key.",
    ),
    row("origin_refused", &[403], "Pages of this origin may not open streams.", "Add it to `stream.origins`."),
    row(
        "ticket_required",
        &[403],
        "A page, or a user who is logged in, opens a stream with a ticket.",
        "POST /api/v1/tickets makes one.",
    ),
    row(
        "not_found",
        &[404],
        "There is no such address, token, key, command or indicator, as far as this key may know. Under /api/external also: no terminal has the symbol.",
        "Check the address and the id; list what there is.",
    ),
    row(
        "terminal_not_found",
        &[404],
        "No valid token of yours is locked to such an account.",
        "GET /api/v1/terminals lists those that there are. Name an account number, number@server, a token id, or - for the only one.",
    ),
    row(
        "symbol_not_found",
        &[404],
        "The terminal has no such symbol.",
        "Names are the broker's own, with suffix: GET …/symbols lists them.",
    ),
    row("position_not_found", &[404], "There is no such open position.", "It was closed: look in …/history/deals."),
    row(
        "order_not_found",
        &[404],
        "No pending order has this ticket.",
        "It was filled, cancelled or has expired: look in …/history/orders.",
    ),
    row(
        "hook_not_found",
        &[404],
        "No hook has this address; a wrong secret looks the same.",
        "Copy its address whole, or rotate it for a new one.",
    ),
    row("not_subscribed", &[404], "In a stream: what is to be ended is not followed.", "Nothing is to be done."),
    row("method_not_allowed", &[405], "The address does not take this method.", "The header Allow names those that it takes."),
    row(
        "body_timeout",
        &[408],
        "The body did not come in the time that the hub waits for it (`http.body_timeout`). Nothing was done.",
        "Send it again, at once and whole.",
    ),
    row(
        "ambiguous_terminal",
        &[409],
        "More than one terminal matches; `candidates` lists them. Nothing was sent.",
        "Name one of them by its id.",
    ),
    row(
        "ambiguous_indicator",
        &[409],
        "More than one bot has an indicator of this id, symbol and timeframe; `candidates` lists who. A key never meets it: it reads its own.",
        "Name one of them in `by`, or take the list with `with=points`.",
    ),
    row(
        "terminal_offline",
        &[409],
        "The terminal is known, and not connected, or silent for 10 s. Nothing was sent.",
        "See that MetaTrader runs and its Expert Advisor is attached; then ask again.",
    ),
    row(
        "broker_link_down",
        &[409],
        "The terminal has lost its broker. Nothing was sent.",
        "Ask again when `broker_link` of the terminal's presence is true.",
    ),
    row(
        "trading_disabled",
        &[409],
        "Trading is switched off by the terminal's button, the Expert Advisor's setting or the broker. Nothing was sent.",
        "`detail` says what to click.",
    ),
    row(
        "market_closed",
        &[409],
        "The symbol is not traded at this hour. Nothing was sent.",
        "Ask again when its session has begun.",
    ),
    row(
        "kill_switch",
        &[409],
        "A kill switch is on: `scope`, `level_name` and `reason` say which. Nothing was sent. For a disconnect with `delete`: the account's own.",
        "Closing and cancelling go through. A person lifts it by POST /api/v1/kill-switch with the permission admin.",
    ),
    row(
        "limit_unknown",
        &[409],
        "A limit is set, and what it is held against is not known now; `limit` names it. Nothing was sent.",
        "Ask again in a moment.",
    ),
    row(
        "not_unknown",
        &[409],
        "Only a command whose outcome is unknown can be decided by a person; `state` says how this one stands. Nothing was changed.",
        "Read the command: it has an outcome.",
    ),
    row(
        "tags_exhausted",
        &[409],
        "Every tag that a MetaTrader 4 magic has room for was used on this account. Nothing was sent.",
        "Trade the account through a MetaTrader 5 terminal, or give a `magic` of your own.",
    ),
    row(
        "key_expired",
        &[409],
        "The Idempotency-Key was used before, and what it made is no longer kept. Nothing was sent.",
        "Look in the history whether the order was done; for a new order use a new key.",
    ),
    row(
        "commands_open",
        &[409],
        "Disconnect: `commands` of the account have no outcome yet.",
        "Wait for their outcomes, or settle them, then disconnect.",
    ),
    row("conflict", &[409], "Somebody else changed it at the same time.", "Read it again, then decide."),
    row("revoked", &[409], "The token or key is revoked, which is final.", "Make a new one."),
    row(
        "expired",
        &[409, 422],
        "The token or key has expired (409); or the time of a trading call was over before anything was sent (422).",
        "Make a new token or key. A trade: decide anew at the present price, with a new Idempotency-Key.",
    ),
    row(
        "not_locked",
        &[409],
        "The token is pending, so there is no account to disconnect.",
        "Nothing is to be done: the first account that connects locks it.",
    ),
    row(
        "account_mismatch",
        &[409],
        "The token is locked to another account.",
        "Use that account's token, or disconnect this one first.",
    ),
    row(
        "last_admin_key",
        &[409],
        "This is the last valid admin key: without it nobody could make another.",
        "Make or rotate another first.",
    ),
    row("login_taken", &[409], "Another user has this login.", "Choose another."),
    row("role_fixed", &[409], "A viewer stays a viewer, and who owns something becomes none.", "Make another user."),
    row("last_owner", &[409], "The first owner of the hub stays its owner.", "Nothing is to be done."),
    row("oneself", &[409], "Nobody disables or deletes themselves.", "Have somebody else do it."),
    row(
        "owner_disabled",
        &[409, 503],
        "The user that it belongs to is disabled; 503 for a terminal, which comes back later.",
        "Enable them first.",
    ),
    row(
        "ambiguous_position",
        &[409],
        "An alert closes a part, and there are several positions of the symbol. Nothing was sent.",
        "Name a `magic` that only one of them has, or close all.",
    ),
    row("too_many_webhooks", &[409], "The hub has as many webhooks as it takes.", "Delete one."),
    row(
        "too_many",
        &[409],
        "A tenant has as many of this as one may have; `most` says how many.",
        "Delete, revoke or lift what is not needed any more.",
    ),
    row(
        "too_many_indicators",
        &[409],
        "The key has 200 indicators, its tenant 1,000, or the hub 5,000.",
        "Delete some, or wait until they expire after 24 hours.",
    ),
    row(
        "would_open",
        &[409],
        "On a netting account: a call that closes might turn the position round, which is smaller by now or is being closed. Nothing was sent.",
        "Look at the position again.",
    ),
    row(
        "events_gone",
        &[410],
        "Events that are to be sent again are not kept any more; `from` is the first that is.",
        "Ask for those from there on; GET /api/v1/audit/trades has what lies before.",
    ),
    row(
        "too_large",
        &[413],
        "The body is above the largest that the hub takes (`http.max_body_bytes`). The connection ends.",
        "Send less.",
    ),
    row("json_required", &[415], "A body by a cookie is not `application/json`.", "Say Content-Type: application/json."),
    row(
        "validation_error",
        &[422],
        "A field or parameter is wrong. `errors` points to each; in an indicator `point_index` or `line_index` says where. Nothing was sent.",
        "Mend what `errors` names. Unknown fields are refused, because whoever writes them expects an effect.",
    ),
    row(
        "invalid_alert",
        &[422],
        "The alert cannot be understood. Nothing was sent.",
        "`detail` says what is wrong: mend the alert, or the template of the hook.",
    ),
    row(
        "stale_alert",
        &[422],
        "`timenow` of the alert is too far from the clock of the hub. Nothing was sent.",
        "See that the clock of the hub is right; `max_age_s` of the hook says how old an alert may be.",
    ),
    row(
        "unsupported",
        &[422],
        "This terminal cannot do that at all: its `capabilities` say what it can. Nothing was sent.",
        "Do without, or use another terminal.",
    ),
    row(
        "idempotency_key_reused",
        &[422],
        "The Idempotency-Key stands for another request. Nothing was sent.",
        "Use a new key for each new order.",
    ),
    row(
        "limit_exceeded",
        &[422],
        "`limit` of `layer` allows `value`, and this would make it `asked`. Nothing was sent.",
        "Ask for less, or have the limit changed.",
    ),
    row(
        "duplicate_order",
        &[422],
        "The same order was taken a moment ago as `command`. Nothing was sent.",
        "If it is meant, say `allow_duplicate`, with a new Idempotency-Key.",
    ),
    row(
        "broker_rejected",
        &[422],
        "The broker said no; `retcode` and `retcode_name` say why.",
        "Change what the broker minds, and send it as a new order.",
    ),
    row(
        "ea_refused",
        &[422],
        "The Expert Advisor did not send it: too late, over one of its limits, or the price had moved too far; `reason` says which.",
        "Decide anew at the present price, with a new Idempotency-Key.",
    ),
    row(
        "not_executed",
        &[422],
        "It is proved that it was not executed, and never will be.",
        "Decide anew, with a new Idempotency-Key.",
    ),
    row("cancelled", &[422], "Its caller took it back before it was sent.", "Nothing is to be done."),
    row(
        "upgrade_required",
        &[426],
        "/ws/terminal and /api/v1/stream speak WebSocket only.",
        "Send a WebSocket handshake (RFC 6455); /api/v1/events tells the same without one.",
    ),
    row(
        "too_many_failures",
        &[429],
        "Too many secrets from this address were not accepted. Valid ones are not held up.",
        "Check the secret; ask again after `retry_after` seconds.",
    ),
    row(
        "too_many_logins",
        &[429],
        "Too many failed logins of this account from this address.",
        "Wait `retry_after` seconds; the right password does not help before.",
    ),
    row("too_many_streams", &[429], "The key has as many streams open as it may; `limit`.", "Close one, or follow more in one."),
    row(
        "too_many_tickets",
        &[429],
        "Too many tickets were made and not used: `of` says whether by the key, by its tenant, or on the whole hub; `limit` how many may be.",
        "Use them, or wait `retry_after` seconds: then one of them ends.",
    ),
    row("too_many_subscriptions", &[429], "The stream follows as many things as it may.", "End some, or open another stream."),
    row(
        "too_many_downloads",
        &[429],
        "The hub's memory for bars, ticks and indicators is taken.",
        "Ask again after `retry_after` seconds.",
    ),
    row(
        "rate_limit_exceeded",
        &[429],
        "The plan of the key lets in no more now: `limit` of `plan`. Under /api/external also: too much waits for the terminal, or is being downloaded.",
        "Ask again after `retry_after` seconds.",
    ),
    row(
        "terminal_busy",
        &[429],
        "Too much waits for this terminal. Nothing was sent.",
        "Ask again after `retry_after` seconds; an order with the same Idempotency-Key.",
    ),
    row(
        "internal",
        &[500],
        "The hub failed.",
        "Its log says why under `request_id`. A trade: ask again with the same Idempotency-Key, which never makes a second order.",
    ),
    row("not_supported", &[501], "This hub's store cannot do that.", "Use a hub with a data folder."),
    row(
        "terminal_error",
        &[502, 409],
        "MetaTrader failed at a read (`mt_error`), or its answer cannot be read. 409 where a trading call had to know it first (nothing was sent), and where MetaTrader says no to a change of its Market Watch.",
        "Ask again; if it stays, look into the terminal's log and update its Expert Advisor.",
    ),
    row(
        "no_data",
        &[503],
        "Under /api/external: no terminal and no cache has this now.",
        "Ask again after `Retry-After` seconds; see that a terminal is connected.",
    ),
    row("store_busy", &[503], "A backup or an export is under way.", "Ask again after `Retry-After` seconds."),
    row("login_busy", &[503], "Too many passwords are being computed.", "Try again in a moment."),
    row("hooks_busy", &[503], "Too many alerts are in work, or the hub is slow to record.", "Sending it again is safe."),
    row(
        "too_many_connections",
        &[503],
        "One address has too many requests open through a proxy. Nothing was read.",
        "Close some, and ask again after `Retry-After` seconds.",
    ),
    row(
        "store_unavailable",
        &[503],
        "The disk is full or the store is degraded: nothing can be recorded, so this call sent nothing; one before it under the same key may have.",
        "Tell the operator; GET /readyz says which.",
    ),
    row(
        "terminal_timeout",
        &[504, 409],
        "A read was not answered in `http.read_timeout`. 409 in a trading call: nothing was sent.",
        "Asking again is safe.",
    ),
    row(
        "terminal_loading",
        &[504, 409],
        "The terminal is still loading this. 409 in a trading call: nothing was sent.",
        "Ask again in a moment.",
    ),
];

fn json_of(entry: &ErrorCode) -> Value {
    json!({
        "type": address(entry.code),
        "code": entry.code,
        "statuses": entry.statuses,
        "meaning": entry.meaning,
        "remedy": entry.remedy,
    })
}

/// People get a page, programs get JSON.
fn wants_html(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).is_some_and(|accept| accept.contains("text/html"))
}

fn answer(headers: &HeaderMap, title: &str, entries: &[ErrorCode], value: Value) -> Response {
    let mut response = if wants_html(headers) { page(title, &html(entries)) } else { Json(value).into_response() };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    response
}

/// The texts of the table are the program's own and need no escape; backquotes mark what is code.
fn html(entries: &[ErrorCode]) -> String {
    let mut out = String::from("<p><a href=\"/errors\">All error codes</a> · <a href=\"/docs\">API reference</a></p>\n<dl>\n");
    for entry in entries {
        let statuses: Vec<_> = entry.statuses.iter().map(ToString::to_string).collect();
        let _ = writeln!(
            out,
            "<dt><a href=\"{}\"><code>{}</code></a> <span>{}</span></dt>\n<dd><p>{}</p><p><b>What to do.</b> {}</p></dd>",
            address(entry.code),
            entry.code,
            statuses.join(", "),
            with_code(entry.meaning),
            with_code(entry.remedy),
        );
    }
    out + "</dl>\n"
}

/// What stands between backquotes as code.
fn with_code(text: &str) -> String {
    let piece = |(at, piece): (usize, &str)| if at % 2 == 1 { format!("<code>{piece}</code>") } else { piece.to_owned() };
    text.split('`').enumerate().map(piece).collect()
}

/// `GET /errors`
#[utoipa::path(
    get,
    path = "/errors",
    operation_id = "listErrors",
    tag = "Errors",
    summary = "Every error code",
    description = "A page for browsers, else JSON.",
    responses(
        (status = 200, description = "The catalogue.", content((super::openapi::schemas::ErrorCatalogue = "application/json"), (String = "text/html"))),
    )
)]
pub(super) async fn list_errors(headers: HeaderMap) -> Response {
    let data: Vec<_> = CODES.iter().map(json_of).collect();
    answer(&headers, "Errors", CODES, json!({"data": data}))
}

/// `GET /errors/{code}`: where the `type` of a problem leads.
#[utoipa::path(
    get,
    path = "/errors/{code}",
    operation_id = "getError",
    tag = "Errors",
    summary = "What an error code means, and what to do",
    description = "Where the `type` of every problem leads.",
    responses(
        (status = 200, description = "The code.", content((super::openapi::schemas::ErrorCode = "application/json"), (String = "text/html"))),
        (status = "4XX", description = "not_found"),
    )
)]
pub(super) async fn get_error(headers: HeaderMap, Path(code): Path<String>) -> ApiResult<Response> {
    let entry = entry(&code).ok_or_else(|| ApiError::not_found("there is no such error code; GET /errors lists them"))?;
    Ok(answer(&headers, entry.code, std::slice::from_ref(entry), json_of(entry)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_stands_once_with_statuses_of_errors_and_plain_words() {
        for (at, entry) in CODES.iter().enumerate() {
            assert!(!CODES[..at].iter().any(|other| other.code == entry.code), "{} stands twice", entry.code);
            assert!(!entry.statuses.is_empty() && entry.statuses.iter().all(|status| (400..600).contains(status)));
            for text in [entry.meaning, entry.remedy] {
                assert!(text.ends_with('.') && text.matches('`').count() % 2 == 0 && !text.contains(['<', '>', '&']), "{text}");
            }
        }
    }
}
