//! What an alert wants done, in the words of the API: nothing in here knows a terminal.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    Refusal,
    alert::{Action, Fields},
};
use crate::domain::hook::Hook;

/// What is asked of the hub.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What is to be done.
    pub act: Act,
    /// The body of the call.
    pub body: Value,
}

/// A call of the API, and what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// `POST …/orders`
    Order,
    /// `POST …/positions/{ticket}/close`
    Close(Which),
    /// `POST …/positions/close-all`
    CloseAll,
    /// `PATCH …/positions/{ticket}`
    Modify(Which),
    /// `DELETE …/orders/{ticket}`
    Cancel(Which),
}

/// Which position or order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// The one with this ticket.
    Ticket(u64),
    /// Those of this symbol.
    Symbol(String),
}

impl Plan {
    /// What an alert wants of a hook.
    ///
    /// # Errors
    /// [`Refusal`] in plain words.
    pub fn of(fields: &Fields, hook: &Hook) -> Result<Self, Refusal> {
        let action = fields.action()?;
        let symbol = symbol(fields, &hook.symbol_map);
        let needed = || Refusal::invalid("there is no symbol: put {{ticker}} into the alert");
        let which = || match fields.whole("ticket")? {
            Some(ticket) => Ok(Which::Ticket(ticket)),
            None => symbol.clone().map(Which::Symbol).ok_or_else(|| Refusal::invalid("there is neither symbol nor ticket")),
        };
        let flat = fields.get("market_position").is_some_and(|position| position.eq_ignore_ascii_case("flat"));
        match action {
            // The strategy has left the market: an order the other way would open a position on a hedging account.
            Action::Buy | Action::Sell if flat => {
                Ok(Self { act: Act::CloseAll, body: close_all(fields, hook, Some(symbol.ok_or_else(needed)?))? })
            }
            Action::Buy | Action::Sell => {
                Ok(Self { act: Act::Order, body: order(fields, hook, action, symbol.ok_or_else(needed)?)? })
            }
            Action::CloseAll => Ok(Self { act: Act::CloseAll, body: close_all(fields, hook, symbol)? }),
            Action::Close => match (which()?, fields.number("volume")?) {
                (Which::Symbol(symbol), None) => Ok(Self { act: Act::CloseAll, body: close_all(fields, hook, Some(symbol))? }),
                (which, volume) => {
                    let mut body = shared(fields, hook)?;
                    body.extend(volume.map(|volume| ("volume".to_owned(), json!(volume))));
                    Ok(Self { act: Act::Close(which), body: Value::Object(body) })
                }
            },
            Action::Modify => {
                let mut body = ttl(fields, hook)?;
                for stop in ["sl", "tp"] {
                    // Zero takes it away, as in MetaTrader.
                    let level = fields.number(stop)?.map(|level| if level == 0.0 { Value::Null } else { json!(level) });
                    body.extend(level.map(|level| (stop.to_owned(), level)));
                }
                if !body.contains_key("sl") && !body.contains_key("tp") {
                    return Err(Refusal::invalid("there is nothing to modify: give sl or tp; 0 takes it away"));
                }
                Ok(Self { act: Act::Modify(which()?), body: Value::Object(body) })
            }
            Action::Cancel => Ok(Self { act: Act::Cancel(which()?), body: Value::Object(ttl(fields, hook)?) }),
        }
    }

    /// The plan as people read it.
    #[must_use]
    pub fn shown(&self) -> Value {
        let (call, which) = match &self.act {
            Act::Order => ("orders", None),
            Act::Close(which) => ("positions/{ticket}/close", Some(which)),
            Act::CloseAll => ("positions/close-all", None),
            Act::Modify(which) => ("positions/{ticket}, PATCH", Some(which)),
            Act::Cancel(which) => ("orders/{ticket}, DELETE", Some(which)),
        };
        let mut shown = json!({"call": call, "body": self.body});
        match which {
            Some(Which::Ticket(ticket)) => shown["ticket"] = json!(ticket),
            Some(Which::Symbol(symbol)) => shown["symbol"] = json!(symbol),
            None => {}
        }
        shown
    }
}

/// The broker's name of the alert's symbol: by the whole name, by the name without the exchange, or the latter as it is.
fn symbol(fields: &Fields, map: &BTreeMap<String, String>) -> Option<String> {
    let told = fields.get("symbol")?;
    let (exchange, ticker) =
        told.split_once(':').map_or((fields.get("exchange"), told), |(exchange, ticker)| (Some(exchange), ticker));
    let whole = exchange.and_then(|exchange| map.get(&format!("{exchange}:{ticker}")));
    Some(whole.or_else(|| map.get(ticker)).cloned().unwrap_or_else(|| ticker.to_owned()))
}

fn order(fields: &Fields, hook: &Hook, action: Action, symbol: String) -> Result<Value, Refusal> {
    let volume = fields.number("volume")?.or(hook.defaults.volume);
    let volume =
        volume.ok_or_else(|| Refusal::invalid("there is no volume: put it into the alert, or set the hook's defaults.volume"))?;
    let kind = fields.get("type").unwrap_or("market").to_ascii_lowercase();
    if !matches!(kind.as_str(), "market" | "limit" | "stop") {
        return Err(Refusal::invalid("type must be market, limit or stop"));
    }
    let market = kind == "market";
    let mut body = if market { shared(fields, hook)? } else { filled(ttl(fields, hook)?, hook) };
    if !market {
        body.insert("comment".to_owned(), json!(fields.get("comment").or(hook.defaults.comment.as_deref()).unwrap_or_default()));
    }
    body.insert("symbol".to_owned(), json!(symbol));
    body.insert("side".to_owned(), json!(if action == Action::Buy { "buy" } else { "sell" }));
    body.insert("type".to_owned(), json!(kind));
    body.insert("volume".to_owned(), json!(volume));
    for field in ["price", "sl", "tp"] {
        body.extend(fields.number(field)?.map(|number| (field.to_owned(), json!(number))));
    }
    body.extend(magic(fields, hook)?);
    let slippage = fields.whole("max_slippage_points")?.or(hook.defaults.max_slippage_points.map(u64::from));
    if let Some(points) = slippage.filter(|_| market) {
        let price = fields.number("seen_price")?;
        let price =
            price.ok_or_else(|| Refusal::invalid("max_slippage_points needs seen_price: put {{close}} into the alert"))?;
        body.insert("seen_price".to_owned(), json!(price));
        body.insert("max_slippage_points".to_owned(), json!(points));
    }
    // So that what a strategy's order became is found under its name.
    let reference = fields.get("order_id").filter(|id| id.len() <= 36 && !id.chars().any(char::is_control));
    body.extend(reference.map(|id| ("client_order_id".to_owned(), json!(id))));
    Ok(Value::Object(body))
}

fn close_all(fields: &Fields, hook: &Hook, symbol: Option<String>) -> Result<Value, Refusal> {
    let mut body = shared(fields, hook)?;
    body.extend(symbol.map(|symbol| ("symbol".to_owned(), json!(symbol))));
    if let Some(side) = fields.get("side") {
        let side = match side.to_ascii_lowercase().as_str() {
            "buy" | "long" => "buy",
            "sell" | "short" => "sell",
            _ => return Err(Refusal::invalid("side must be buy or sell: which positions are closed")),
        };
        body.insert("side".to_owned(), json!(side));
    }
    body.extend(magic(fields, hook)?);
    Ok(Value::Object(body))
}

/// What orders at the market and closing have in common.
fn shared(fields: &Fields, hook: &Hook) -> Result<Map<String, Value>, Refusal> {
    let mut body = filled(ttl(fields, hook)?, hook);
    let deviation = fields.whole("deviation")?.or(hook.defaults.deviation);
    body.extend(deviation.map(|points| ("deviation".to_owned(), json!(points))));
    let comment = fields.get("comment").or(hook.defaults.comment.as_deref());
    body.extend(comment.map(|comment| ("comment".to_owned(), json!(comment))));
    Ok(body)
}

fn filled(mut body: Map<String, Value>, hook: &Hook) -> Map<String, Value> {
    body.extend(hook.defaults.filling.as_ref().map(|filling| ("filling".to_owned(), json!(filling))));
    body
}

fn ttl(fields: &Fields, hook: &Hook) -> Result<Map<String, Value>, Refusal> {
    let ms = fields.whole("ttl_ms")?.or(hook.defaults.ttl_ms);
    Ok(ms.map(|ms| ("ttl_ms".to_owned(), json!(ms))).into_iter().collect())
}

fn magic(fields: &Fields, hook: &Hook) -> Result<Option<(String, Value)>, Refusal> {
    let magic = fields.whole("magic")?.or(hook.defaults.magic);
    Ok(magic.map(|magic| ("magic".to_owned(), json!(magic))))
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
