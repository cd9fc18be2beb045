//! Parameters, bodies, headers and schemas: what follows from a rule and need not be said by each handler.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::api::{Route, auth::Needs};

/// What each parameter of a path means, with an example.
const IN_PATHS: &[(&str, &str, &str)] = &[
    ("terminal", "An account number, `number@server`, a token's id, or `-` for the only one.", "1001"),
    ("symbol", "The broker's own name, with suffix.", "EURUSD"),
    ("ticket", "The ticket.", "2"),
    ("timeframe", "Minutes: 1 5 15 30 60 240 1440 10080.", "60"),
    ("code", "A code of an error.", "terminal_offline"),
    ("file", "The file's name.", "page.css"),
    ("hook", "The hook's id.", ""),
    ("secret", "The hook's secret.", ""),
    ("id", "Its id.", ""),
];

/// Schemas of answers whose members need not all be there: schema, then members that may be missing.
const MAY_LACK: &[(&str, &str)] = &[
    (
        "Terminal",
        "platform build ea_version company currency leverage trade_mode trade_mode_name margin_mode margin_mode_name capabilities \
         symbols session utc_offset_s utc_source presence",
    ),
    ("Problem", "errors"),
    ("Readiness", "terminals"),
    ("Token", "token"),
    ("Key", "key"),
    ("KeyUsage", "hours"),
    ("Indicators", "without_points"),
    ("IndicatorHead", "points lines version metadata"),
    ("User", "setup_code"),
    ("Hook", "url path"),
    ("Webhook", "secret"),
    ("AuditCheck", "head first last exports audit_records audit_from audit_to file offset detail"),
    ("RevokedCredential", "kind id prefix revoked_at"),
    ("AlertReceipt", "commands plan duplicate"),
    ("KillSwitch", "id reason by at"),
    ("Deadman", "timeout_s action armed_at fired_at remaining_ms"),
    ("CommandRequest", "type_name"),
];

/// Bodies beside whose members those of `Guards` may stand.
const GUARDED: &[&str] =
    &["NewOrder", "OrderChange", "CancelOrder", "PositionChange", "ClosePosition", "CloseAll", "LongRawTrade"];

/// Takes the words of an annotation's response `4XX`.
pub(super) fn words(operation: &mut Value) -> Vec<String> {
    let taken = operation["responses"].as_object_mut().and_then(|responses| responses.remove("4XX"));
    let text = taken.as_ref().and_then(|taken| taken["description"].as_str()).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

/// Parameters of the path from the path itself; of the query without null, which no query can say; headers of what trades.
pub(super) fn parameters(operation: &mut Value, path: &str, words: &[&str]) {
    let mut all = Vec::new();
    for name in path.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
        let known = IN_PATHS.iter().find(|(known, ..)| *known == name);
        let (_, description, example) = known.copied().unwrap_or((name, "", ""));
        let mut parameter = json!({
            "name": name, "in": "path", "required": true, "description": description, "schema": {"type": "string", "minLength": 1},
        });
        if name == "timeframe" {
            parameter["schema"] = json!({"type": "string", "enum": ["1", "5", "15", "30", "60", "240", "1440", "10080"]});
        }
        if !example.is_empty() {
            parameter["example"] = json!(example);
        }
        all.push(parameter);
    }
    for parameter in taken(operation, "parameters") {
        let mut parameter = parameter;
        without_null(&mut parameter["schema"]);
        match parameter["name"].as_str() {
            Some("from" | "to") => parameter["schema"] = moment(),
            Some("before_time") => parameter["schema"] = moment()["anyOf"][1].clone(),
            _ => {}
        }
        if !all.iter().any(|known| known["name"] == parameter["name"]) {
            all.push(parameter);
        }
    }
    let headers: &[&str] = if words.contains(&"trade") {
        &["IdempotencyKey", "Prefer"]
    } else if words.contains(&"waits") {
        &["Prefer"]
    } else {
        &[]
    };
    all.extend(headers.iter().map(|name| json!({"$ref": format!("#/components/parameters/{name}")})));
    if !all.is_empty() {
        operation["parameters"] = Value::Array(all);
    }
}

/// A time in a query: RFC 3339, or a number within the calendar; below 10^11 it is seconds, above milliseconds.
fn moment() -> Value {
    json!({"anyOf": [
        {"type": "string", "format": "date-time"},
        {"type": "integer", "minimum": -377_705_023_201_000_i64, "maximum": 253_402_207_200_000_i64},
    ]})
}

/// A list of an object, which then lacks it.
fn taken(object: &mut Value, name: &str) -> Vec<Value> {
    match object.as_object_mut().and_then(|object| object.remove(name)) {
        Some(Value::Array(list)) => list,
        _ => Vec::new(),
    }
}

/// `["string", "null"]` is `"string"`, and one of null and something is something.
fn without_null(schema: &mut Value) {
    if let Some(kinds) = schema.get("type").and_then(Value::as_array) {
        let left: Vec<_> = kinds.iter().filter(|kind| *kind != "null").cloned().collect();
        if let [one] = left.as_slice() {
            schema["type"] = one.clone();
        }
    }
    if let Some(kinds) = schema.get("oneOf").and_then(Value::as_array)
        && let Some(one) = kinds.iter().find(|kind| kind.get("type").is_none_or(|kind| kind != "null"))
        && kinds.len() == 2
    {
        *schema = one.clone();
    }
}

/// A body that may be left out.
pub(super) fn body(operation: &mut Value, words: &[&str]) {
    if words.contains(&"bodiless") {
        operation["requestBody"]["required"] = json!(false);
    }
}

/// Headers of answers.
pub(super) fn headers(operation: &mut Value, route: &Route, words: &[&str]) {
    let path = route.path;
    let pages = path.contains("/bars") || path.contains("/ticks");
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    for (status, response) in responses {
        let mut tell =
            |header: &str, name: &str| response["headers"][header] = json!({"$ref": format!("#/components/headers/{name}")});
        tell("X-Request-Id", "XRequestId");
        // An answer to nobody that is known counts for nobody.
        if route.needs != Needs::Nothing && status != "401" {
            tell("RateLimit-Policy", "RateLimitPolicy");
            tell("RateLimit", "RateLimit");
            tell("X-RateLimit-Limit", "XRateLimitLimit");
            tell("X-RateLimit-Remaining", "XRateLimitRemaining");
            tell("X-RateLimit-Reset", "XRateLimitReset");
        }
        if matches!((path, status.as_str()), ("/api/v1/session", "201" | "204")) {
            tell("Set-Cookie", "SetCookie");
        }
        let done = matches!(status.as_str(), "200" | "202");
        if words.contains(&"trade") && (done || status == "422") {
            tell("Location", "Location");
            tell("Idempotency-Replayed", "IdempotencyReplayed");
        }
        if words.contains(&"waits") && done {
            tell("Location", "Location");
        }
        if pages && status == "200" {
            tell("X-Data-Source", "XDataSource");
            tell("Age", "Age");
            if !path.starts_with("/api/external") {
                tell("X-Complete", "XComplete");
                tell("X-Next-Cursor", "XNextCursor");
                tell("Link", "Link");
                tell("Retry-After", "RetryAfter");
            }
        }
    }
}

/// Shared parameters and headers; bodies with their guards; answers whose members are all there.
pub(super) fn schemas(document: &mut Value) {
    let header = |description: &str, kind: &str| json!({"description": description, "schema": {"type": kind}});
    let components = &mut document["components"];
    components["examples"] = super::errors::examples();
    components["headers"] = json!({
        "XRequestId": header("Under which the hub's log knows the request.", "string"),
        "RateLimitPolicy": header("The plan, how many requests it has, and for how many seconds: `\"pro\";q=1000;w=3600`. Not for the plan unlimited.", "string"),
        "RateLimit": header("How many are left, and in how many seconds there is one more: `\"pro\";r=999;t=4`.", "string"),
        "XRateLimitLimit": header("Requests of an hour.", "integer"),
        "XRateLimitRemaining": header("How many are left.", "integer"),
        "XRateLimitReset": header("The second of the epoch at which all are back.", "integer"),
        "SetCookie": header("The cookie of the login; out of reach for pages.", "string"),
        "RetryAfter": header("Seconds after which asking again may help.", "integer"),
        "Location": header("Where the command is: /api/v1/commands/{id}.", "string"),
        "IdempotencyReplayed": header("`true` when the key was used before: this is what it made then, as it stands now.", "string"),
        "XDataSource": header("`terminal` or `cache`.", "string"),
        "Age": header("Seconds since a terminal said it, when it comes from the cache.", "integer"),
        "XComplete": header("Whether all that was asked for is there, up to the next page.", "boolean"),
        "XNextCursor": header("`next_cursor`, for formats that have no room for it.", "string"),
        "Link": header("The next page, rel=\"next\".", "string"),
    });
    components["parameters"] = json!({
        "IdempotencyKey": {
            "name": "Idempotency-Key", "in": "header", "required": true, "example": "my-bot-2024-03-12-0001",
            "description": "A new unique value for each new order, the same one to ask again: then the answer is the same command as it \
                stands, and nothing is sent twice.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"},
        },
        "Prefer": {
            "name": "Prefer", "in": "header", "required": false, "example": "wait=10",
            "description": "`wait=N`: seconds to wait for an outcome, 10 if left out, at most 60. `respond-async`: none. What is not understood is ignored (RFC 7240).",
            "schema": {"type": "string"},
        },
    });
    let mut asked = BTreeSet::new();
    for operation in document["paths"].as_object().into_iter().flatten().flat_map(|(_, path)| path.as_object()).flatten() {
        reach(operation.1.get("requestBody").unwrap_or(&Value::Null), &document["components"]["schemas"], &mut asked);
    }
    bounded(document);
    let Some(schemas) = document["components"]["schemas"].as_object_mut() else { return };
    once(schemas);
    guard(schemas);
    schemas.values_mut().for_each(without_default_null);
    for (name, schema) in schemas.iter_mut().filter(|(name, _)| !asked.contains(*name)) {
        let lacks = MAY_LACK.iter().find(|(known, _)| known == name).map_or("", |(_, members)| members);
        let Some(members) = schema.get_mut("properties").and_then(Value::as_object_mut) else { continue };
        // What an answer says is never left out.
        members.values_mut().filter_map(Value::as_object_mut).for_each(|member| drop(member.remove("default")));
        let may_lack: BTreeSet<_> = lacks.split_whitespace().collect();
        // Of a row of the history only what every row has is sure.
        let head = ["kind", "source", "seen_at", "updated_at", "at", "origin", "command", "transaction"];
        let sure =
            |member: &&String| !may_lack.contains(member.as_str()) && (name != "HistoryRow" || head.contains(&member.as_str()));
        let required: Vec<_> = members.keys().filter(sure).cloned().collect();
        schema["required"] = json!(required);
    }
}

/// Numbers without a sign end somewhere, which only their format says.
fn bounded(part: &mut Value) {
    match part {
        Value::Object(members) => {
            let most = match members.get("format").and_then(Value::as_str) {
                Some("uint8") => u64::from(u8::MAX),
                Some("uint16") => u64::from(u16::MAX),
                Some("uint32") => u64::from(u32::MAX),
                Some("uint64") => u64::MAX,
                _ => 0,
            };
            if most > 0 {
                members.entry("maximum").or_insert(json!(most));
            }
            members.values_mut().for_each(bounded);
        }
        Value::Array(members) => members.iter_mut().for_each(bounded),
        _ => {}
    }
}

/// Lists repeat the schema of their rows; each stands once, under its own name.
fn once(schemas: &mut Map<String, Value>) {
    let lists: Vec<_> =
        schemas.keys().filter(|name| name.starts_with("List_") || name.starts_with("HistoryList_")).cloned().collect();
    for list in lists {
        let Some((_, row)) = list.split_once('_') else { continue };
        let Some(rows) = schemas.get_mut(&list).and_then(|list| list.pointer_mut("/properties/data/items")) else { continue };
        if rows.get("$ref").is_none() {
            let schema = std::mem::replace(rows, json!({"$ref": format!("#/components/schemas/{row}")}));
            schemas.entry(row.to_owned()).or_insert(schema);
        }
    }
}

/// Left out is what it says; that it would be null need not be said.
fn without_default_null(schema: &mut Value) {
    for member in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        if let Some(member) = member.1.as_object_mut().filter(|member| member.get("default").is_some_and(Value::is_null)) {
            member.remove("default");
        }
    }
}

/// Every schema that is referred to from here.
fn reach(part: &Value, schemas: &Value, found: &mut BTreeSet<String>) {
    match part {
        Value::Object(members) => {
            let name = members.get("$ref").and_then(Value::as_str).and_then(|to| to.rsplit('/').next());
            if let Some(name) = name
                && found.insert(name.to_owned())
            {
                reach(&schemas[name], schemas, found);
            }
            members.values().for_each(|member| reach(member, schemas, found));
        }
        Value::Array(members) => members.iter().for_each(|member| reach(member, schemas, found)),
        _ => {}
    }
}

/// The members of `Guards` beside those of each body that takes them.
fn guard(schemas: &mut Map<String, Value>) {
    let Some(guards) = schemas.remove("Guards") else { return };
    for name in GUARDED {
        let Some(schema) = schemas.get_mut(*name) else { continue };
        if schema.get("properties").is_none() {
            schema["properties"] = json!({});
        }
        for (member, about) in guards["properties"].as_object().into_iter().flatten() {
            schema["properties"][member] = about.clone();
        }
    }
}
