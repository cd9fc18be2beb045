//! What an alert says: JSON or `buy EURUSD 0.1 sl=1.08`, numbers as numbers or as text, whatever the content type.
//!
//! TradingView's placeholders arrive filled in. What nobody knows is refused by name: a stop loss that is not understood must not be lost.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::{Refusal, template::Template};
use crate::{
    crypto,
    domain::{UnixMillis, hook::Identity, ids::HookId},
};

/// The fields of an alert, each with the other names under which it is taken.
const FIELDS: [(&str, &[&str]); 22] = [
    ("action", &[]),
    ("symbol", &["ticker"]),
    ("exchange", &[]),
    ("volume", &["contracts", "quantity", "qty", "lots"]),
    ("type", &[]),
    ("price", &[]),
    ("sl", &["stop_loss", "stoploss"]),
    ("tp", &["take_profit", "takeprofit"]),
    ("deviation", &[]),
    ("ticket", &[]),
    ("side", &[]),
    ("order_id", &[]),
    ("id", &[]),
    ("time", &[]),
    ("timenow", &[]),
    ("comment", &[]),
    ("magic", &[]),
    ("market_position", &[]),
    ("seen_price", &["close"]),
    ("max_slippage_points", &[]),
    ("ttl_ms", &[]),
    ("note", &[]),
];

/// The field that a name means.
pub(super) fn field(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    FIELDS.iter().find(|(field, others)| *field == name || others.contains(&name.as_str())).map(|(field, _)| *field)
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// An order to buy.
    Buy,
    /// An order to sell.
    Sell,
    /// Closes a position, or those of a symbol.
    Close,
    /// Closes every position.
    CloseAll,
    /// Moves stop loss and take profit.
    Modify,
    /// Cancels a pending order, or those of a symbol.
    Cancel,
}

impl Action {
    fn parse(text: &str) -> Result<Self, Refusal> {
        Ok(match text.to_ascii_lowercase().as_str() {
            "buy" => Self::Buy,
            "sell" => Self::Sell,
            "close" => Self::Close,
            "close-all" | "close_all" | "closeall" => Self::CloseAll,
            "modify" => Self::Modify,
            "cancel" => Self::Cancel,
            _ => {
                let detail = format!("`{}` is no action: use buy, sell, close, close-all, modify or cancel", shown(text));
                return Err(Refusal::invalid(detail));
            }
        })
    }
}

/// What an alert says, by field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(BTreeMap<&'static str, String>);

impl Fields {
    /// Reads an alert, by the hook's template if it has one.
    ///
    /// # Errors
    /// [`Refusal`] in plain words.
    pub fn read(text: &str, template: Option<&Template>) -> Result<Self, Refusal> {
        let text = text.trim();
        let mut fields = Self::default();
        if let Some(template) = template {
            for (field, value) in template.read(text)? {
                fields.set(field, &value)?;
            }
        } else if text.starts_with('{') {
            let value: Value = serde_json::from_str(text)
                .map_err(|error| Refusal::invalid(format!("it begins like JSON and is none: {error}")))?;
            for (name, value) in value.as_object().into_iter().flatten() {
                fields.set(known(name)?, &scalar(name, value)?)?;
            }
        } else {
            fields.read_words(text)?;
        }
        Ok(fields)
    }

    /// `buy EURUSD 0.1 sl=1.08 tp=1.09`: action, symbol and volume by their place, the rest by name.
    fn read_words(&mut self, text: &str) -> Result<(), Refusal> {
        let words = text.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';')).filter(|word| !word.is_empty());
        let mut places = ["action", "symbol", "volume"].into_iter();
        for word in words {
            match word.split_once('=') {
                Some((name, value)) => self.set(known(name)?, value)?,
                // "close all" is one action.
                None if word.eq_ignore_ascii_case("all") && self.get("action") == Some("close") => {
                    self.0.insert("action", "close-all".to_owned());
                }
                None => {
                    let place = places.next().ok_or_else(|| {
                        Refusal::invalid(format!(
                            "`{}` has no meaning there: after action, symbol and volume come name=value pairs",
                            shown(word)
                        ))
                    })?;
                    self.set(place, word)?;
                }
            }
        }
        Ok(())
    }

    fn set(&mut self, field: &'static str, value: &str) -> Result<(), Refusal> {
        let value = value.trim();
        if value.contains("{{") {
            return Err(Refusal::invalid(format!(
                "{field} is `{}`, which TradingView did not fill in: placeholders of a strategy exist in alerts of a strategy only",
                shown(value)
            )));
        }
        // What has no value arrives so.
        if value.is_empty() || value == "null" {
            return Ok(());
        }
        match self.0.insert(field, value.to_owned()) {
            Some(other) if other != value => Err(Refusal::invalid(format!("{field} is given twice, and differs"))),
            _ => Ok(()),
        }
    }

    /// The text of a field.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&str> {
        self.0.get(field).map(String::as_str)
    }

    /// The action.
    ///
    /// # Errors
    /// There is none, or nobody knows it.
    pub fn action(&self) -> Result<Action, Refusal> {
        let missing = || Refusal::invalid("there is no action: say buy, sell, close, close-all, modify or cancel");
        Action::parse(self.get("action").ok_or_else(missing)?)
    }

    /// A number, exactly as it was written.
    ///
    /// # Errors
    /// It is none.
    pub fn number(&self, field: &str) -> Result<Option<f64>, Refusal> {
        let parsed = self.get(field).map(|text| {
            let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
            number.ok_or_else(|| Refusal::invalid(format!("{field} is `{}`, which is no number from zero up", shown(text))))
        });
        parsed.transpose()
    }

    /// A whole number.
    ///
    /// # Errors
    /// It is none.
    pub fn whole(&self, field: &str) -> Result<Option<u64>, Refusal> {
        let parsed = self.get(field).map(|text| {
            text.parse().map_err(|_| Refusal::invalid(format!("{field} is `{}`, which is no whole number", shown(text))))
        });
        parsed.transpose()
    }

    /// Refuses an alert whose `timenow` is too far from the hub's clock.
    ///
    /// # Errors
    /// `stale_alert`, or the time cannot be read.
    pub fn fresh(&self, now: UnixMillis, max_age_s: u32) -> Result<(), Refusal> {
        let Some(text) = self.get("timenow") else { return Ok(()) };
        let at = moment(text).ok_or_else(|| {
            Refusal::invalid(format!("timenow is `{}`, which is no time: use {{{{timenow}}}} as it is", shown(text)))
        })?;
        let age = now.since(at);
        if age.abs() <= i64::from(max_age_s) * 1_000 {
            return Ok(());
        }
        let (seconds, way) = (age.abs() / 1_000, if age > 0 { "old" } else { "ahead of this hub's clock" });
        Err(Refusal {
            code: "stale_alert",
            detail: format!("the alert is {seconds} s {way}, and {max_age_s} s are allowed; nothing was sent"),
        })
    }

    /// By which a repetition of this alert is known: its `id`; else the strategy's order with its time; else its text, within the
    /// window only unless it bears a time.
    #[must_use]
    pub fn identity(&self, hook: HookId, text: &str) -> Identity {
        let hook = hook.to_bytes();
        if let Some(id) = self.get("id") {
            return Identity { digest: crypto::sha256(&[&hook, b"id\0", id.as_bytes()]), for_good: true };
        }
        let times = self.get("time").or(self.get("timenow")).is_some();
        if times && self.get("order_id").is_some() {
            let told = ["order_id", "time", "timenow", "action", "symbol", "volume", "market_position"];
            let of = told.map(|field| self.get(field).unwrap_or_default()).join("\0");
            return Identity { digest: crypto::sha256(&[&hook, b"order\0", of.as_bytes()]), for_good: true };
        }
        Identity { digest: crypto::sha256(&[&hook, b"text\0", text.trim().as_bytes()]), for_good: times }
    }
}

fn known(name: &str) -> Result<&'static str, Refusal> {
    field(name).ok_or_else(|| {
        let near = FIELDS
            .iter()
            .map(|(field, _)| *field)
            .max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)));
        let near = near.filter(|near| strsim::jaro_winkler(near, name) > 0.8);
        let hint = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        Refusal::invalid(format!("`{}` is no field of an alert{hint} (`note` may say anything)", shown(name)))
    })
}

/// The text of a JSON value that has one.
pub(super) fn scalar(name: &str, value: &Value) -> Result<String, Refusal> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Null => Ok(String::new()),
        _ => Err(Refusal::invalid(format!("`{}` must be a text or a number", shown(name)))),
    }
}

/// RFC 3339, as TradingView writes `{{timenow}}`, or epoch seconds or milliseconds.
fn moment(text: &str) -> Option<UnixMillis> {
    if let Ok(number) = text.parse::<i64>() {
        let ms = if number.unsigned_abs() >= 100_000_000_000 { number } else { number.checked_mul(1_000)? };
        return Some(UnixMillis(ms));
    }
    text.parse::<Timestamp>().ok().map(|at| UnixMillis(at.as_millisecond()))
}

/// The beginning of what somebody wrote, for an error.
fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Fields {
        Fields::read(text, None).unwrap()
    }

    fn refused(text: &str) -> String {
        Fields::read(text, None).and_then(|fields| fields.action()).unwrap_err().detail
    }

    #[test]
    fn text_and_json_say_the_same() {
        let words = read("buy OANDA:EURUSD 0.1 sl=1.08, tp=1.09");
        let json = read(r#"{"action": "buy", "ticker": "OANDA:EURUSD", "contracts": "0.1", "sl": 1.08, "take_profit": "1.09"}"#);
        assert_eq!(words, json);
        assert_eq!(words.action(), Ok(Action::Buy));
        assert_eq!(words.number("sl"), Ok(Some(1.08)));
    }

    #[test]
    fn close_all_is_one_action_however_it_is_written() {
        for text in ["close all", "close-all", "CloseAll", r#"{"action":"close_all"}"#] {
            assert_eq!(read(text).action(), Ok(Action::CloseAll), "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        assert!(refused("buy EURUSD 0.1 stop=1.08").contains("`stop` is no field"));
        assert!(refused(r#"{"action":"buy","stoplos":1.08}"#).contains("`stoplos` is no field"));
        assert!(refused("hold EURUSD").contains("`hold` is no action"));
        assert!(refused("").contains("there is no action"));
        assert!(refused("{action: buy}").contains("begins like JSON"));
        assert!(refused("{{strategy.order.action}} EURUSD").contains("begins like JSON"));
        assert!(refused("action={{strategy.order.action}}").contains("did not fill in"));
        assert!(refused("buy EURUSD 0.1 0.2").contains("has no meaning there"));
        assert!(refused("buy EURUSD 0.1 volume=0.2").contains("given twice"));
    }

    #[test]
    fn a_number_that_is_none_is_refused() {
        for text in ["NaN", "inf", "-1", "1,5", "0x1"] {
            let fields = Fields(BTreeMap::from([("sl", text.to_owned())]));
            assert!(fields.number("sl").is_err(), "{text}");
        }
    }

    #[test]
    fn a_stale_alert_is_refused_and_one_without_a_time_is_not() {
        let now = UnixMillis(1_700_000_000_000);
        let at = |text: &str| read(&format!("buy EURUSD timenow={text}")).fresh(now, 60).map_err(|refusal| refusal.code);
        assert_eq!(at("2023-11-14T22:13:20Z"), Ok(()));
        assert_eq!(at("2023-11-14T22:12:20Z"), Ok(()));
        assert_eq!(at("2023-11-14T22:12:19Z"), Err("stale_alert"));
        assert_eq!(at("2023-11-14T22:14:21Z"), Err("stale_alert"));
        assert_eq!(at("soon"), Err("invalid_alert"));
        assert_eq!(read("buy EURUSD").fresh(now, 60), Ok(()));
    }

    #[test]
    fn two_alerts_are_the_same_by_their_id_by_order_and_time_or_by_their_text() {
        let hook = HookId::new(ulid::Ulid::from_parts(1, 1));
        let of = |text: &str| read(text).identity(hook, text);
        assert_eq!(of("buy EURUSD id=7"), of("sell GBPUSD 2 id=7"), "its sender says so");
        assert_eq!(of("buy EURUSD order_id=L time=5 close=1.1"), of("buy EURUSD order_id=L time=5 close=1.2"));
        assert_ne!(of("buy EURUSD order_id=L time=5"), of("buy EURUSD order_id=L time=6"));
        assert_ne!(of("buy EURUSD order_id=L time=5"), of("sell EURUSD order_id=L time=5"));
        assert!(of("buy EURUSD time=5").for_good && !of("buy EURUSD order_id=L").for_good);
        assert_eq!(of("buy EURUSD"), of(" buy EURUSD\n"));
        let other = HookId::new(ulid::Ulid::from_parts(1, 2));
        assert_ne!(of("buy EURUSD id=7"), read("buy EURUSD id=7").identity(other, ""), "of another hook");
    }

    proptest! {
        #[test]
        fn whatever_comes_never_panics(text in "\\PC{0,200}") {
            let _ = Fields::read(&text, None).map(|fields| (fields.action(), fields.number("volume"), fields.whole("ticket")));
        }
    }
}
