//! What every trading call may say beside what it wants done: how long it may wait, at what price it was decided, whose it is.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    ApiState,
    auth::Arrived,
    error::{ApiError, ApiResult},
    extract::{JsonBody, Moment},
};
use crate::domain::{
    UnixMillis,
    trade::{FieldError, action},
};

/// Longest life a caller may give a command.
pub(super) const TTL_MAX_MS: u64 = 60_000;
/// The members of [`Guards`].
const MEMBERS: [&str; 6] = ["client_order_id", "ttl_ms", "not_after", "seen_price", "max_slippage_points", "allow_duplicate"];

/// The fields that every trading call shares.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Guards {
    /// The caller's own reference.
    #[schema(min_length = 1, max_length = 36)]
    pub(super) client_order_id: Option<String>,
    /// How long it may take from the call's arrival to `OrderSend`, milliseconds. 3,000 at the market, else 10,000.
    #[schema(minimum = 1, maximum = 60000)]
    ttl_ms: Option<u64>,
    /// The same as a moment, within the next 60 seconds; not beside `ttl_ms`.
    #[schema(value_type = Option<Moment>)]
    not_after: Option<Moment>,
    /// The price that the caller saw.
    #[schema(exclusive_minimum = 0.0)]
    pub(super) seen_price: Option<f64>,
    /// How far the price may have moved from it.
    pub(super) max_slippage_points: Option<u32>,
    /// The same order as a moment ago is meant.
    pub(super) allow_duplicate: bool,
}

impl Guards {
    /// Splits a body into what it wants done and its guards. (serde's `flatten` would no longer refuse unknown fields.)
    ///
    /// # Errors
    /// 400 and 422 naming the field.
    pub(super) fn split<T: DeserializeOwned>(body: &JsonBody) -> ApiResult<(T, Self)> {
        let mut rest = body.value.clone();
        let mut guards = Map::new();
        if let Some(members) = rest.as_object_mut() {
            guards.extend(MEMBERS.iter().filter_map(|name| members.remove_entry(*name)));
        }
        Ok((JsonBody { value: rest }.read()?, JsonBody { value: Value::Object(guards) }.read()?))
    }

    /// What is wrong with them, for a request of this action.
    pub(super) fn problems(&self, action: u8) -> Vec<FieldError> {
        let mut found = Vec::new();
        let mut wrong = |field, detail: &str| found.push(FieldError { field, detail: detail.to_owned() });
        if self.seen_price.is_some_and(|price| !price.is_finite() || price <= 0.0) {
            wrong("seen_price", "must be a price above zero");
        }
        if self.max_slippage_points.is_some() && self.seen_price.is_none() {
            wrong("seen_price", "is required with max_slippage_points");
        }
        // Whoever asks for a guard must get it.
        if self.seen_price.is_some() && action != action::DEAL {
            wrong("seen_price", "guards orders at the market only; leave it out here");
        }
        if self.client_order_id.as_ref().is_some_and(|id| id.is_empty() || id.len() > 36 || id.chars().any(char::is_control)) {
            wrong("client_order_id", "must be 1 to 36 printable characters");
        }
        found
    }

    /// The last moment for `OrderSend`, by the hub's steady clock: the call's time runs from its arrival, whatever the hub does meanwhile.
    ///
    /// # Errors
    /// 422 naming the field.
    pub(super) fn deadline(&self, state: &ApiState, arrived: Arrived, action: u8) -> ApiResult<UnixMillis> {
        let default = if action == action::DEAL { state.market_ttl } else { state.pending_ttl };
        let ms = match (self.ttl_ms, self.not_after) {
            (Some(_), Some(_)) => return Err(ApiError::field("not_after", "cannot stand beside ttl_ms")),
            (Some(ms), None) if ms > TTL_MAX_MS || ms == 0 => return Err(ApiError::field("ttl_ms", "must be 1 to 60000")),
            (Some(ms), None) => ms,
            (None, Some(Moment(at))) => u64::try_from(at.since(arrived.wall))
                .ok()
                .filter(|left| (1..=TTL_MAX_MS).contains(left))
                .ok_or_else(|| ApiError::field("not_after", "must be within the next 60 seconds; nothing was sent"))?,
            (None, None) => u64::try_from(default.as_millis()).unwrap_or(TTL_MAX_MS),
        };
        Ok(arrived.steady.plus_ms(i64::try_from(ms).unwrap_or(i64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wanted {
        volume: f64,
    }

    #[test]
    fn every_guard_is_taken_out_of_the_body_and_nothing_else() {
        let value = json!({"volume": 1.0, "client_order_id": "a", "ttl_ms": 5, "not_after": 1_709_294_400, "seen_price": 1.1,
            "max_slippage_points": 3, "allow_duplicate": true});
        let (wanted, guards) = Guards::split::<Wanted>(&JsonBody { value }).unwrap();
        assert_eq!((wanted.volume, guards.ttl_ms, guards.seen_price), (1.0, Some(5), Some(1.1)));
        assert_eq!((guards.client_order_id.as_deref(), guards.max_slippage_points), (Some("a"), Some(3)));
        assert!(guards.allow_duplicate && guards.not_after.is_some());
        assert!(Guards::split::<Wanted>(&JsonBody { value: json!({"volume": 1.0, "ttl": 5}) }).is_err());
        assert!(Guards::split::<Wanted>(&JsonBody { value: json!({"volume": 1.0, "ttl_ms": "soon"}) }).is_err());
    }

    #[test]
    fn a_price_guard_that_would_not_guard_is_refused() {
        let guards = Guards { seen_price: Some(1.1), ..Guards::default() };
        assert_eq!(guards.problems(action::DEAL), []);
        for other in [action::PENDING, action::SLTP, action::MODIFY, action::REMOVE, action::CLOSE_BY] {
            assert_eq!(guards.problems(other)[0].field, "seen_price", "{other}");
        }
    }
}
