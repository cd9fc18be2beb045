//! Messages as bytes: JSON, MessagePack, or a server-sent event with the JSON in it.

use bytes::Bytes;
use serde_json::{Value, json};

use super::topic::{Want, topic_of};
use crate::{
    api::{account, depth, json as shapes, orders, positions},
    domain::market::Bar,
    events::{Told, view},
    market::{
        broker_time::BrokerClock,
        feed::{self, State, Trouble},
    },
    telemetry::metrics::{Metrics, count},
};

/// How a reader wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api) enum Encoding {
    Json,
    MessagePack,
    Sse,
}

impl Encoding {
    /// How many there are.
    const ALL: usize = 3;

    /// The place of its frame among those that readers share.
    pub(super) const fn index(self) -> usize {
        self as usize
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::MessagePack => "msgpack",
            Self::Sse => "sse",
        }
    }

    /// Writes a message. `id` is what a client of server-sent events comes back with.
    pub(super) fn write(self, message: &Value, id: Option<&str>, metrics: &Metrics) -> Bytes {
        count(&metrics.stream_frames_written, "encoding", self.name());
        match self {
            Self::Json => message.to_string().into(),
            // Into memory, JSON values only: it cannot fail.
            Self::MessagePack => rmp_serde::to_vec_named(message).unwrap_or_default().into(),
            Self::Sse => {
                let id = id.map_or_else(String::new, |id| format!("id: {id}\n"));
                let kind = message["type"].as_str().unwrap_or("message");
                format!("{id}event: {kind}\ndata: {message}\n\n").into()
            }
        }
    }
}

/// A cursor as clients keep it: the place, and the mark by which another history is recognised.
pub(super) fn cursor(place: u64, mark: u32) -> String {
    format!("{place:016x}{mark:08x}")
}

/// Place and mark of a cursor.
pub(in crate::api) fn read_cursor(text: &str) -> Option<(u64, u32)> {
    if text.len() != 24 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    Some((u64::from_str_radix(&text[..16], 16).ok()?, u32::from_str_radix(&text[16..], 16).ok()?))
}

/// An event, written once for all readers of an encoding; for people apart from bots where it names a login.
pub(super) fn event(told: &Told, encoding: Encoding, to_person: bool, metrics: &Metrics) -> Bytes {
    let login = told.login.as_ref().filter(|_| to_person);
    let apart = if login.is_some() { Encoding::ALL } else { 0 };
    told.frame(apart + encoding.index(), || {
        let cursor = cursor(told.seq, told.mark);
        let mut message = json!({
            "type": "event",
            "topic": topic_of(told),
            "kind": told.kind,
            "cursor": cursor,
            "at": view::rfc3339(told.at),
            "account": told.account,
            "symbol": told.symbol,
            "data": told.data,
        });
        if let Some(login) = login {
            message["data"]["by"]["name"] = json!(login);
        }
        encoding.write(&message, Some(&cursor), metrics)
    })
}

/// A state as a message. `shows` leaves rows of other symbols out.
pub(super) fn state(want: &Want, seq: u64, state: &State, shows: &dyn Fn(&str) -> bool) -> Value {
    let mut message = want.json();
    let trouble = state.trouble.as_ref().map(|trouble| json!({"code": trouble_code(trouble), "message": trouble.to_string()}));
    message["type"] = json!("state");
    message["seq"] = json!(seq);
    message["at"] = json!(view::rfc3339(state.at));
    message["trouble"] = json!(trouble);
    message["data"] = state.value.as_ref().map_or(Value::Null, |value| data(value, state.clock, shows));
    message
}

const fn trouble_code(trouble: &Trouble) -> &'static str {
    match trouble {
        Trouble::Offline => "offline",
        Trouble::UnknownSymbol => "unknown_symbol",
        Trouble::Unsupported(_) => "unsupported",
        Trouble::Loading => "loading",
        Trouble::TooMany => "too_many",
        Trouble::Silent(_) => "silent",
    }
}

fn data(value: &feed::Value, clock: BrokerClock, shows: &dyn Fn(&str) -> bool) -> Value {
    match value {
        feed::Value::Quote(tick) => {
            let mut object = shapes::named(tick, &[]);
            shapes::with_utc(&mut object, "time", clock);
            Value::Object(object)
        }
        feed::Value::Bars(bars) => {
            json!({"closed": bars.closed.map(|one| bar(&one, clock, true)), "forming": bar(&bars.forming, clock, false)})
        }
        feed::Value::Depth(levels) => levels.iter().map(depth::level_json).collect(),
        feed::Value::Positions(rows) => {
            rows.iter().filter(|row| shows(&row.symbol)).map(|row| positions::position_json(row, clock)).collect()
        }
        feed::Value::Orders(rows) => {
            rows.iter().filter(|row| shows(&row.symbol)).map(|row| orders::order_json(row, clock)).collect()
        }
        feed::Value::Account(info) => account::account_json(info),
    }
}

fn bar(bar: &Bar, clock: BrokerClock, complete: bool) -> Value {
    let mut object = shapes::named(bar, &[]);
    shapes::with_utc(&mut object, "time", clock);
    object.insert("complete".to_owned(), json!(complete));
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_encodings_and_the_server_sent_event_say_the_same() {
        let metrics = Metrics::new();
        let message =
            json!({"type": "event", "topic": "deals", "data": {"ticket": 7, "price": 1.5, "comment": "a\nb", "x": null}});
        let json: Value = serde_json::from_slice(&Encoding::Json.write(&message, None, &metrics)).unwrap();
        let packed: Value = rmp_serde::from_slice(&Encoding::MessagePack.write(&message, None, &metrics)).unwrap();
        let sse = Encoding::Sse.write(&message, Some("abc"), &metrics);
        let lines: Vec<_> = std::str::from_utf8(&sse).unwrap().lines().collect();
        assert_eq!((&json, &packed), (&message, &message));
        assert_eq!((lines[0], lines[1]), ("id: abc", "event: event"));
        assert_eq!(serde_json::from_str::<Value>(lines[2].strip_prefix("data: ").unwrap()).unwrap(), message);
    }

    #[test]
    fn a_cursor_reads_back_and_nothing_else_does() {
        let text = cursor(0x12_3456, 0xdead_beef);
        assert_eq!(read_cursor(&text), Some((0x12_3456, 0xdead_beef)));
        for wrong in ["", "7", &text[1..], &format!("{text}0"), &text.replace('d', "g"), &format!("+{}", &text[1..])] {
            assert_eq!(read_cursor(wrong), None, "{wrong}");
        }
    }
}
