//! What the control call answers.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{
    domain::{
        names,
        trade::{Deal, TradeResult},
    },
    simulator::{
        fleet::Slot,
        ledger::{Executed, Origin},
        paper::PaperBroker,
    },
};

/// A call that cannot be answered: its HTTP status and why.
#[derive(Debug)]
pub(super) struct Failed(u16, String);

impl Failed {
    pub(super) fn not_found(why: &str) -> Self {
        Self(404, why.to_owned())
    }

    pub(super) fn bad_request(why: &str) -> Self {
        Self(400, why.to_owned())
    }

    pub(super) fn forbidden(why: &str) -> Self {
        Self(403, why.to_owned())
    }

    pub(super) fn internal(why: &str) -> Self {
        Self(500, why.to_owned())
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let mut response = Json(json!({"error": self.1})).into_response();
        if let Ok(status) = self.0.try_into() {
            *response.status_mut() = status;
        }
        response
    }
}

/// One terminal: how it is, what goes wrong, what its market and its account look like.
pub(super) fn terminal(login: u64, slot: &Slot) -> Value {
    let terminal = slot.terminal();
    let broker = terminal.broker();
    let settings = broker.settings();
    let view = broker.replay().view();
    let faults: Vec<String> = terminal.faults().iter().map(ToString::to_string).collect();
    json!({
        "login": login,
        "server": settings.server,
        "platform": settings.platform.name(),
        "netting": settings.netting,
        "connected": *terminal.connected().borrow(),
        "refused": terminal.outcome().and_then(Result::err).map(|refused| refused.reason),
        "faults": faults,
        "switches": terminal.switches(),
        "rules": settings.rules,
        "market": {
            "symbols": broker.symbols(),
            "is_open": view.is_open(),
            "broker_time": view.now(),
            "utc_offset_s": view.utc_offset(),
            "speed": broker.replay().speed(),
        },
        "account": broker.account(),
    })
}

/// What the broker did and has: every request that reached it, and every deal with the reason for which it was made.
pub(super) fn ledger(broker: &PaperBroker) -> Value {
    let requests: Vec<Value> = broker.requests().iter().map(executed).collect();
    let deals: Vec<Value> = broker.origins().iter().map(|(deal, origin)| traced(deal, *origin)).collect();
    json!({
        "requests": requests,
        "deals": deals,
        "positions": broker.positions(),
        "orders": broker.orders(),
        "history_orders": broker.history_orders(),
    })
}

fn executed(one: &Executed) -> Value {
    json!({
        "at_ms": one.at_ms,
        "done": one.is_done(),
        "request": one.request,
        "result": result(&one.result),
        "deals": one.deals,
    })
}

/// The result with its retcode's name.
pub(super) fn result(result: &TradeResult) -> Value {
    let mut told = json!(result);
    told["retcode_name"] = json!(names::retcode(result.retcode));
    told
}

fn traced(deal: &Deal, origin: Origin) -> Value {
    let mut told = json!(deal);
    told["origin"] = match origin {
        Origin::Request(request_id) => json!({"request_id": request_id}),
        own => json!(own),
    };
    told
}
