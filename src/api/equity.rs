//! The equity of the past, as the hub kept it.

use axum::{Json, extract::State};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::{
    ApiState, audit,
    auth::Caller,
    cursor::Cursor,
    error::{ApiError, ApiResult},
    extract::{Params, Path},
    json::{list, rfc3339, rfc3339_or_null},
    resolve::{self, Purpose},
};
use crate::{
    domain::UnixMillis,
    equity::{EquityBar, EquityRange, Resolution},
};

/// Rows of an answer that names no number, and the most.
const LIMIT_DEFAULT: usize = 1_000;
const LIMIT_MAX: usize = 10_000;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct EquityQuery {
    /// From the bar on that this is in; the first that is kept if left out: RFC 3339, epoch seconds or epoch milliseconds, UTC.
    from: Option<String>,
    /// Bars that begin before then.
    to: Option<String>,
    /// Length of a bar: `5m` if left out, `1h`, or `1d`, a day of UTC.
    #[param(inline, value_type = Option<super::openapi::schemas::EquityResolution>)]
    resolution: Option<String>,
    /// Rows, 1,000 if left out; above 10,000 it is 10,000.
    #[param(minimum = 0, example = 2)]
    limit: Option<usize>,
    /// `next_cursor` of a page; keep the other parameters.
    cursor: Option<String>,
}

/// `GET …/equity?from=&to=&resolution=&limit=&cursor=`, oldest first.
#[utoipa::path(
    get,
    path = "/api/v1/terminals/{terminal}/equity",
    operation_id = "listEquity",
    tag = "History",
    summary = "An account's equity in the past",
    description = "What the hub heard of it, from its own store: also while the terminal is away. A stretch in which nothing was known has no bar.",
    params(EquityQuery),
    responses(
        (status = 200, description = "The bars, oldest first.", body = super::openapi::schemas::EquityAnswer),
        (status = "4XX", description = "terminal store"),
    )
)]
pub(super) async fn equity(
    State(state): State<ApiState>,
    caller: Caller,
    Path(terminal): Path<String>,
    Params(query): Params<EquityQuery>,
) -> ApiResult<Json<Value>> {
    let target = resolve::terminal(&state, &caller, &terminal, Purpose::Read)?;
    let resolution = match query.resolution.as_deref() {
        None => Resolution::FiveMinutes,
        Some(text) => Resolution::ALL
            .into_iter()
            .find(|resolution| resolution.name() == text)
            .ok_or_else(|| ApiError::field("resolution", "must be 5m, 1h or 1d"))?,
    };
    let account = target.account.to_string();
    let question = ["equity", account.as_str(), resolution.name()];
    let from = match &query.cursor {
        Some(text) => Some(UnixMillis(Cursor::read(text, &question)?.at)),
        None => audit::time("from", query.from.as_deref())?,
    };
    let to = audit::time("to", query.to.as_deref())?;
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX);
    let found = state.equity.bars(target.token.owner, &target.account, EquityRange { from, to, resolution, limit }).await?;
    let next = found.next.map(|time| Cursor { at: time.0, skip: 0 }.write(&question));
    let mut answer = list(found.bars.iter().map(row).collect(), next, state.clock.wall());
    answer["terminal"] = json!(target.token.id);
    answer["resolution"] = json!(resolution.name());
    answer["since"] = rfc3339_or_null(found.since);
    Ok(Json(answer))
}

fn row(bar: &EquityBar) -> Value {
    let EquityBar { time, low, high, equity, balance } = *bar;
    json!({"time": rfc3339(time), "time_msc": time.0, "low": low, "high": high, "equity": equity, "balance": balance})
}
