//! The errors of each operation, from the catalogue.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use crate::api::{
    Route,
    auth::Needs,
    catalogue::{self, ErrorCode},
};

/// Codes that go together. `code/status` where it is not the code's usual status.
const GROUPS: &[(&str, &str)] = &[
    ("body", "malformed_request body_timeout too_large validation_error"),
    ("terminal", "terminal_not_found ambiguous_terminal"),
    ("relay", "terminal_offline terminal_busy terminal_error terminal_timeout terminal_loading"),
    ("keyed", "unauthorized forbidden rate_limit_exceeded too_many_failures"),
    ("store", "store_unavailable conflict"),
    (
        "trade",
        "idempotency_key_required terminal_offline broker_link_down trading_disabled market_closed kill_switch limit_unknown \
         would_open key_expired tags_exhausted terminal_error/409 terminal_timeout/409 terminal_loading/409 limit_exceeded \
         duplicate_order expired/422 idempotency_key_reused broker_rejected ea_refused not_executed cancelled terminal_busy \
         store_unavailable unsupported",
    ),
    (
        "alert",
        "hook_not_found body_timeout too_large address_not_allowed symbol_not_allowed forbidden invalid_alert stale_alert validation_error \
         hooks_busy rate_limit_exceeded ambiguous_position position_not_found order_not_found symbol_not_found terminal_not_found \
         ambiguous_terminal terminal_offline broker_link_down trading_disabled market_closed kill_switch limit_unknown would_open \
         key_expired tags_exhausted terminal_error/409 terminal_timeout/409 terminal_loading/409 limit_exceeded duplicate_order expired/422 \
         idempotency_key_reused broker_rejected ea_refused not_executed cancelled terminal_busy store_unavailable unsupported conflict",
    ),
    ("waits", "broker_rejected ea_refused not_executed cancelled expired/422"),
    ("external", "terminal_not_found ambiguous_terminal validation_error rate_limit_exceeded no_data"),
    // What an operation takes, and not what it answers.
    ("bodiless", ""),
];

/// Whether a word names a group, or a code with a status that it has.
pub(super) fn is_known(word: &str) -> bool {
    let (code, status) = word.split_once('/').map_or((word, None), |(code, status)| (code, status.parse().ok()));
    let is_code = |entry: &catalogue::ErrorCode| status.is_none_or(|status| entry.statuses.contains(&status));
    GROUPS.iter().any(|(group, _)| *group == word) || catalogue::entry(code).is_some_and(is_code)
}

/// Replaces the words of an annotation by a response for each status.
pub(super) fn tell(operation: &mut Value, route: &Route, words: &[&str]) {
    let (path, needs) = (route.path, route.needs);
    let mut named: Vec<&str> = words.to_vec();
    if operation.get("requestBody").is_some() {
        named.push("body");
    }
    if path.contains("{terminal}") {
        named.push("terminal");
    }
    if path.contains('{') {
        named.push("malformed_request");
    }
    let query =
        operation.get("parameters").and_then(Value::as_array).into_iter().flatten().any(|parameter| parameter["in"] == "query");
    if query {
        named.push("validation_error");
    }
    named.extend(
        match needs {
            Needs::Nothing => "",
            Needs::AnyKey | Needs::Permission(_) | Needs::Stream => "keyed",
            Needs::Login => "keyed login_required",
            Needs::Owner | Needs::Operator => "keyed operator_required",
        }
        .split_whitespace(),
    );
    if !matches!(needs, Needs::Nothing | Needs::Stream) {
        named.push("cross_site");
        if !route.method.is_safe() && operation.get("requestBody").is_some() {
            named.push("json_required");
        }
    }
    named.extend(["internal", "too_many_connections", "secret_in_url"]);

    let mut codes: BTreeMap<u16, BTreeSet<&'static str>> = BTreeMap::new();
    for word in named {
        let members = GROUPS.iter().find(|(group, _)| *group == word).map_or(word, |(_, members)| members);
        for member in members.split_whitespace() {
            let (code, status) = member.split_once('/').map_or((member, None), |(code, status)| (code, status.parse().ok()));
            let Some(entry) = catalogue::entry(code) else { continue };
            codes.entry(status.unwrap_or(entry.statuses[0])).or_default().insert(entry.code);
        }
    }
    for (status, codes) in codes {
        if let Some(responses) = operation["responses"].as_object_mut() {
            // Whether it is ready is said in a body of its own.
            responses.entry(status.to_string()).or_insert_with(|| response(status, &codes));
        }
    }
}

fn response(status: u16, codes: &BTreeSet<&'static str>) -> Value {
    let said: Vec<_> = codes.iter().map(|code| format!("`{code}`")).collect();
    let examples: Map<_, _> = codes
        .iter()
        .filter_map(|code| catalogue::entry(code))
        .map(|entry| (entry.code.to_owned(), json!({"$ref": format!("#/components/examples/{}", name_of(entry, status))})))
        .collect();
    let mut told = json!({
        "description": said.join(", "),
        "x-codes": codes,
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": examples}},
    });
    if matches!(status, 429 | 503) {
        told["headers"] = json!({"Retry-After": {"$ref": "#/components/headers/RetryAfter"}});
    }
    told
}

/// What the example of a code with a status is called.
fn name_of(entry: &ErrorCode, status: u16) -> String {
    if entry.statuses[0] == status { entry.code.to_owned() } else { format!("{}_{status}", entry.code) }
}

/// A problem body for every code and status of the catalogue.
pub(super) fn examples() -> Value {
    let mut examples = Map::new();
    for entry in catalogue::CODES {
        for status in entry.statuses {
            let title = StatusCode::from_u16(*status).ok().and_then(|status| status.canonical_reason());
            let value = json!({
                "type": catalogue::address(entry.code), "title": title, "status": status, "detail": entry.meaning,
                "code": entry.code, "error": entry.code, "message": entry.meaning, "request_id": "req_1b338946a48f70b74543",
            });
            let example = json!({"summary": entry.meaning, "description": entry.remedy, "value": value});
            examples.insert(name_of(entry, *status), example);
        }
    }
    Value::Object(examples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_a_group_is_a_code() {
        for member in GROUPS.iter().flat_map(|(_, members)| members.split_whitespace()) {
            assert!(is_known(member), "{member}");
        }
    }
}
