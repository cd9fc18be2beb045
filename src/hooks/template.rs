//! Alerts that have a shape of their own: the same text as in TradingView, with its placeholders, says which part means what.

use serde_json::Value;

use super::{
    Refusal,
    alert::{field, scalar},
};

/// What TradingView's placeholders mean here.
const MEANINGS: [(&str, &str); 8] = [
    ("ticker", "symbol"),
    ("exchange", "exchange"),
    ("strategy.order.action", "action"),
    ("strategy.order.contracts", "volume"),
    ("strategy.order.id", "order_id"),
    ("strategy.order.price", "seen_price"),
    ("strategy.market_position", "market_position"),
    ("close", "seen_price"),
];
/// Placeholders of TradingView that mean nothing here.
const IGNORED: [&str; 11] = [
    "open",
    "high",
    "low",
    "volume",
    "interval",
    "syminfo.currency",
    "syminfo.basecurrency",
    "strategy.position_size",
    "strategy.market_position_size",
    "strategy.prev_market_position",
    "strategy.prev_market_position_size",
];

/// A template that was read and makes sense.
#[derive(Debug, Clone, PartialEq)]
pub struct Template(Shape);

#[derive(Debug, Clone, PartialEq)]
enum Shape {
    Text(Vec<Piece>),
    Json(Vec<(Vec<String>, Vec<Piece>)>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    /// None is read over.
    Place(Option<&'static str>),
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let shape = if text.starts_with('{') && !text.starts_with("{{") {
            let value: Value = serde_json::from_str(text).map_err(|error| format!("begins like JSON and is none: {error}"))?;
            let mut leaves = Vec::new();
            walk(&value, &mut Vec::new(), &mut leaves)?;
            Shape::Json(leaves)
        } else {
            Shape::Text(pieces(text)?)
        };
        let places = match &shape {
            Shape::Text(pieces) => pieces.iter().collect::<Vec<_>>(),
            Shape::Json(leaves) => leaves.iter().flat_map(|(_, pieces)| pieces).collect(),
        };
        if !places.contains(&&Piece::Place(Some("action"))) {
            return Err("must hold {{strategy.order.action}} or {{action}}, or no alert says what to do".to_owned());
        }
        Ok(Self(shape))
    }

    /// The fields of an alert of this shape.
    ///
    /// # Errors
    /// It has another one.
    pub(super) fn read(&self, text: &str) -> Result<Vec<(&'static str, String)>, Refusal> {
        let mut found = Vec::new();
        match &self.0 {
            Shape::Text(pieces) => {
                fit(pieces, text, &mut found).ok_or_else(|| Refusal::invalid("it does not fit the hook's template"))?
            }
            Shape::Json(leaves) => {
                let value: Value = serde_json::from_str(text)
                    .map_err(|error| Refusal::invalid(format!("the hook's template is JSON, and the alert is none: {error}")))?;
                for (path, pieces) in leaves {
                    let name = path.join("/");
                    let leaf = path.iter().try_fold(&value, |value, step| value.get(step));
                    let leaf =
                        leaf.ok_or_else(|| Refusal::invalid(format!("it lacks `{name}`, which the hook's template has")))?;
                    let other = || Refusal::invalid(format!("`{name}` does not fit the hook's template"));
                    fit(pieces, &scalar(&name, leaf)?, &mut found).ok_or_else(other)?;
                }
            }
        }
        Ok(found)
    }
}

fn walk(value: &Value, path: &mut Vec<String>, leaves: &mut Vec<(Vec<String>, Vec<Piece>)>) -> Result<(), String> {
    match value {
        Value::Object(members) => members.iter().try_for_each(|(name, value)| {
            path.push(name.clone());
            let walked = walk(value, path, leaves);
            path.pop();
            walked
        }),
        Value::Array(_) => Err(format!("has a list at `{}`, which is not supported", path.join("/"))),
        leaf => {
            let text = scalar(&path.join("/"), leaf).map_err(|refusal| refusal.detail)?;
            leaves.push((path.clone(), pieces(&text)?));
            Ok(())
        }
    }
}

fn pieces(mut text: &str) -> Result<Vec<Piece>, String> {
    let mut found = Vec::new();
    while let Some((before, rest)) = text.split_once("{{") {
        let (name, after) = rest.split_once("}}").ok_or("has a `{{` without its `}}`")?;
        if !before.is_empty() {
            found.push(Piece::Literal(squeezed(before)));
        } else if matches!(found.last(), Some(Piece::Place(_))) {
            return Err(format!(
                "has nothing between `{{{{{name}}}}}` and the placeholder before it, so nobody can tell them apart"
            ));
        }
        found.push(Piece::Place(meaning(name.trim())?));
        text = after;
    }
    if !text.is_empty() {
        found.push(Piece::Literal(squeezed(text)));
    }
    Ok(found)
}

fn meaning(name: &str) -> Result<Option<&'static str>, String> {
    if let Some((_, field)) = MEANINGS.iter().find(|(known, _)| *known == name) {
        return Ok(Some(field));
    }
    if IGNORED.contains(&name) || name.starts_with("plot") {
        return Ok(None);
    }
    field(name)
        .map(Some)
        .ok_or_else(|| format!("has the placeholder `{{{{{name}}}}}`, which is neither TradingView's nor a field of an alert"))
}

/// Spaces and line ends count as one space.
fn squeezed(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_whitespace() {
            true if out.ends_with(' ') => {}
            true => out.push(' '),
            false => out.push(c),
        }
    }
    out
}

/// Takes a text apart; none when it does not fit. A place ends where the literal after it first comes.
fn fit(pieces: &[Piece], text: &str, found: &mut Vec<(&'static str, String)>) -> Option<()> {
    let text = squeezed(text);
    let mut rest = text.as_str();
    let mut pieces = pieces.iter().peekable();
    while let Some(piece) = pieces.next() {
        match piece {
            Piece::Literal(literal) => rest = rest.strip_prefix(literal.as_str())?,
            Piece::Place(place) => {
                let end = match pieces.peek() {
                    Some(Piece::Literal(literal)) => rest.find(literal.as_str())?,
                    _ => rest.len(),
                };
                found.extend(place.map(|place| (place, rest[..end].to_owned())));
                rest = &rest[end..];
            }
        }
    }
    rest.trim().is_empty().then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hooks::alert::Fields;

    #[test]
    fn tradingviews_own_text_for_strategies_is_read_by_a_template() {
        let text = "{{strategy.order.action}} @ {{strategy.order.contracts}} filled on {{ticker}}.\nNew strategy position is {{strategy.position_size}}";
        let template = Template::parse(text).unwrap();
        let alert = "buy @ 0.5 filled on EURUSD. New strategy position is 0.5";
        let fields = Fields::read(alert, Some(&template)).unwrap();
        assert_eq!(
            (fields.get("action"), fields.get("volume"), fields.get("symbol")),
            (Some("buy"), Some("0.5"), Some("EURUSD"))
        );
        assert!(Fields::read("buy 0.5 EURUSD", Some(&template)).is_err());
    }

    #[test]
    fn members_under_names_of_their_own_are_read_by_a_template() {
        let template =
            Template::parse(r#"{"bot": "a1", "data": {"side": "{{strategy.order.action}}", "qty": "{{strategy.order.contracts}}"}, "stop": "{{sl}}", "sym": "{{exchange}}:{{ticker}}"}"#)
                .unwrap();
        let alert = r#"{"bot": "a1", "data": {"side": "sell", "qty": 2}, "stop": 1.1, "sym": "OANDA:EURUSD"}"#;
        let fields = Fields::read(alert, Some(&template)).unwrap();
        let got = ["action", "volume", "sl", "exchange", "symbol"].map(|field| fields.get(field).unwrap().to_owned());
        assert_eq!(got, ["sell", "2", "1.1", "OANDA", "EURUSD"]);
        let refused = |alert: &str| Fields::read(alert, Some(&template)).unwrap_err().detail;
        assert!(refused(&alert.replace("a1", "a2")).contains("`bot` does not fit"));
        assert!(refused(&alert.replace(r#""stop": 1.1, "#, "")).contains("lacks `stop`"));
        assert!(refused("sell").contains("the alert is none"));
    }

    #[test]
    fn a_template_that_no_alert_can_be_read_by_is_refused() {
        for (text, why) in [
            ("{{ticker}}", "must hold"),
            ("{{strategy.order.action}}{{ticker}}", "nothing between"),
            ("{{strategy.order.action", "without its"),
            ("{{strategy.order.action}} {{tickr}}", "{{tickr}}"),
            (r#"{"a": ["{{action}}"]}"#, "a list"),
        ] {
            assert!(Template::parse(text).unwrap_err().contains(why), "{text}");
        }
    }
}
