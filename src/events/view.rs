//! How what happened looks in JSON, in REST and in every stream alike: enums as number and name, times as RFC 3339 UTC.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::domain::{
    UnixMillis,
    account::Account,
    command::CommandRecord,
    history::{Fact, HistoryRecord, Origin, Source},
    indicator::Indicator,
    maker::Maker,
    names,
    safety::{Incident, KillSwitch},
    stage::Stage,
    trade::{TradeRequest, action},
};

/// RFC 3339 in UTC with milliseconds.
#[must_use]
pub fn rfc3339(at: UnixMillis) -> String {
    Timestamp::from_millisecond(at.0).map_or_else(|_| at.0.to_string(), |at| format!("{at:.3}"))
}

/// A name for each number of a field.
pub type Names = (&'static str, fn(u8) -> Option<&'static str>);

/// A record as a JSON object, with `<field>_name` beside each enum.
pub fn named(record: &impl Serialize, names: &[Names]) -> Map<String, Value> {
    let Ok(Value::Object(mut object)) = serde_json::to_value(record) else { return Map::new() };
    for (field, name) in names {
        let number = object.get(*field).and_then(Value::as_u64).and_then(|number| u8::try_from(number).ok());
        object.insert(format!("{field}_name"), number.and_then(name).map_or(Value::Null, Into::into));
    }
    object
}

pub(crate) const DEAL_NAMES: [Names; 3] =
    [("type", names::deal_type), ("entry", names::deal_entry), ("reason", names::deal_reason)];
pub(crate) const ORDER_NAMES: [Names; 5] = [
    ("type", names::order_type),
    ("type_time", names::order_time),
    ("type_filling", names::order_filling),
    ("state", names::order_state),
    ("reason", names::order_reason),
];
pub(crate) const POSITION_NAMES: [Names; 2] = [("type", names::position_type), ("reason", names::position_reason)];
pub(crate) const REQUEST_NAMES: [Names; 4] = [
    ("action", names::trade_action),
    ("type", names::order_type),
    ("type_filling", names::order_filling),
    ("type_time", names::order_time),
];

/// A command as every trading call and every list shows it, made by `maker`.
#[must_use]
pub fn command_json(record: &CommandRecord, maker: &Maker) -> Value {
    let result = record.result.as_ref().map(|result| {
        let mut object = named(result, &[]);
        object.insert("retcode_name".to_owned(), json!(names::retcode(result.retcode)));
        object
    });
    json!({
        "id": record.id,
        "state": record.state,
        "final": record.state.is_final(),
        "created_at": rfc3339(record.created_at),
        "updated_at": rfc3339(record.updated_at),
        "deadline_at": rfc3339(record.deadline_at),
        "account": record.account,
        "terminal": record.token,
        "key": record.key,
        "by": maker_json(maker),
        "instance": record.instance,
        "tag": record.tag,
        "client_order_id": record.client_order_id,
        "parent": record.parent,
        "request": request_json(&record.request),
        "result": result,
        "reason": record.reason,
        "states": record.stages().into_iter().map(stage_json).collect::<Vec<_>>(),
        "adjudication": record.adjudication.as_ref().map(|decision| json!({
            "outcome": decision.outcome, "by": decision.by, "at": rfc3339(decision.at), "reason": decision.reason,
        })),
    })
}

/// Who made a command, or drew an indicator; by the login, where one is known and there is no name.
#[must_use]
pub fn maker_json(maker: &Maker) -> Value {
    json!({"kind": maker.id.kind(), "id": maker.id.to_string(), "name": maker.name.as_ref().or(maker.login.as_ref())})
}

fn stage_json(stage: Stage) -> Value {
    json!({"state": stage.state, "at": rfc3339(stage.at), "reason": stage.reason})
}

/// A request with a name beside each of its enums.
#[must_use]
pub fn request_json(request: &TradeRequest) -> Value {
    let mut object = named(request, &REQUEST_NAMES);
    // The name of a type that the action does not use would only mislead.
    if !matches!(request.action, action::DEAL | action::PENDING) {
        object.remove("type_name");
    }
    Value::Object(object)
}

/// A row of an account: when and how it was seen, who caused it, and then MetaTrader's own fields.
#[must_use]
pub fn history_json(account: &Account, record: &HistoryRecord) -> Map<String, Value> {
    let mut row = Map::new();
    let mut put = |field: &str, value: Value| drop(row.insert(field.to_owned(), value));
    let broker_msc = record.fact.broker_msc();
    let offset_ms = broker_msc - record.time.0;
    let (mut fields, times): (_, &[&str]) = match &record.fact {
        Fact::Deal(deal) => (named(deal, &DEAL_NAMES), &["time"]),
        Fact::Order(order) => (named(order, &ORDER_NAMES), &["time_setup", "time_done", "time_expiration"]),
        Fact::Position(position) => (named(position, &POSITION_NAMES), &["time", "time_update"]),
    };
    put("account", json!(account));
    put("kind", json!(record.fact.kind().name()));
    put("source", json!(if record.source == Source::Pushed { "pushed" } else { "found" }));
    put("seen_at", json!(rfc3339(record.seen_at)));
    put("updated_at", json!(rfc3339(record.updated_at)));
    put("at", json!(rfc3339(record.time)));
    let (origin, command) = match record.origin {
        Origin::Command(id) => ("command", json!(id)),
        Origin::Broker => ("broker", Value::Null),
        Origin::UnknownTag => ("unknown_tag", Value::Null),
        Origin::Foreign => ("foreign", Value::Null),
        Origin::Untold => ("untold", Value::Null),
    };
    put("origin", json!(origin));
    put("command", command);
    put("transaction", json!(record.transaction));
    for field in times {
        with_offset(&mut fields, field, offset_ms);
    }
    row.extend(fields);
    row
}

/// Broker times become UTC, with the broker's own beside it, by the offset that was known when the row was written: the terminal may be long gone.
fn with_offset(fields: &mut Map<String, Value>, field: &str, offset_ms: i64) {
    let seconds = fields.get(field).and_then(Value::as_i64).unwrap_or(0);
    let msc_field = format!("{field}_msc");
    let fraction = fields.get(&msc_field).and_then(Value::as_i64).unwrap_or(0).rem_euclid(1_000);
    let utc = (seconds > 0).then(|| UnixMillis(seconds * 1_000 + fraction - offset_ms));
    fields.insert(field.to_owned(), utc.map_or(Value::Null, |utc| json!(rfc3339(utc))));
    fields.insert(msc_field, utc.map_or(Value::Null, |utc| json!(utc.0)));
    let broker = if seconds > 0 { json!(seconds) } else { Value::Null };
    fields.insert(field.replacen("time", "broker_time", 1), broker);
}

/// A kill switch as every list shows it.
#[must_use]
pub fn switch_json(switch: &KillSwitch) -> Value {
    json!({
        "id": switch.id,
        "scope": switch.scope.to_string(),
        "level": switch.level.number(),
        "level_name": switch.level.name(),
        "reason": switch.reason,
        "by": switch.by,
        "at": rfc3339(switch.at),
    })
}

/// An incident as every list shows it.
#[must_use]
pub fn incident_json(incident: &Incident) -> Value {
    json!({
        "id": incident.id,
        "at": rfc3339(incident.at),
        "account": incident.account,
        "kind": incident.kind,
        "latches": incident.kind.latches(),
        "command": incident.command,
        "text": incident.text,
    })
}

/// An indicator with all there is to see of it, drawn by `maker`.
#[must_use]
pub fn indicator_json(indicator: &Indicator, maker: &Maker) -> Value {
    let Indicator { slot, drawing, created_at, expires_at, .. } = indicator;
    json!({
        "by": maker_json(maker),
        "indicator_id": slot.id,
        "indicator_name": drawing.name,
        "symbol": slot.symbol,
        "timeframe": slot.timeframe.minutes(),
        "version": drawing.version,
        "points": drawing.points,
        "lines": drawing.lines,
        "metadata": serde_json::from_str::<Value>(&drawing.metadata).unwrap_or_else(|_| json!({})),
        "created_at": rfc3339(*created_at),
        "expires_at": rfc3339(*expires_at),
    })
}
