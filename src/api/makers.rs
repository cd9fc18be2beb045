//! Who made the commands that a caller sees: what a page offers to choose from.

use axum::{Json, extract::State};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::{
    ApiState,
    audit::time,
    auth::Caller,
    commands::visible,
    commands_list::{accounts, read_cursor, the_only_one},
    error::ApiResult,
    extract::Params,
    json::{list, rfc3339},
};
use crate::{
    domain::{UnixMillis, command::CommandRecord, maker::Maker},
    events::view::maker_json,
    store::merged::Direction,
    trading::Listing,
};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct MakersQuery {
    /// As in paths; `-`, the only one, if left out; `*` for all that the caller sees.
    #[serde(default = "the_only_one")]
    #[param(value_type = Option<String>)]
    terminal: String,
    /// When their commands were made, included: RFC 3339, epoch seconds or epoch milliseconds, UTC.
    from: Option<String>,
    /// Before then.
    to: Option<String>,
    /// `next_cursor` of a page; keep the other parameters.
    cursor: Option<String>,
}

/// One of them.
struct Found {
    maker: Maker,
    commands: u64,
    last: UnixMillis,
}

/// `GET /api/v1/commands/makers?terminal=&from=&to=&cursor=`: told from the commands themselves, so that nobody is named whose commands
/// the caller does not see.
#[utoipa::path(
    get,
    path = "/api/v1/commands/makers",
    operation_id = "listCommandMakers",
    tag = "Commands",
    summary = "Who made the commands",
    description = "Of those that `GET /api/v1/commands` lists, who made the newest last first. One call looks through 5,000 commands; the next page goes on with older ones and may name the same again.",
    params(MakersQuery),
    responses(
        (status = 200, description = "Who made them.", body = super::openapi::schemas::List<super::openapi::schemas::CommandMakerRow>),
        (status = "4XX", description = "terminal store"),
    )
)]
pub(super) async fn list_makers(
    State(state): State<ApiState>,
    caller: Caller,
    Params(query): Params<MakersQuery>,
) -> ApiResult<Json<Value>> {
    let after = query.cursor.as_deref().map(read_cursor).transpose()?;
    let (from, to) = (time("from", query.from.as_deref())?, time("to", query.to.as_deref())?);
    let accounts = accounts(&state, &caller, &query.terminal).await?;
    let direction = Direction::Descending;
    let listing = Listing { owner: caller.tenant(), accounts: &accounts, client_order_id: None, direction, from, to, after };
    let mut found: Vec<Found> = Vec::new();
    // Counted as they are read, and none is kept: so one call looks through as many as any may.
    let count = |record: &CommandRecord| {
        if visible(&caller, record) {
            let id = state.access.maker_id(record);
            match found.iter_mut().find(|found| found.maker.id == id) {
                Some(known) => known.commands += 1,
                None => {
                    let maker = caller.hears(state.access.maker(record));
                    found.push(Found { maker, commands: 1, last: record.created_at });
                }
            }
        }
        false
    };
    let (_, next) = state.trading.list(&listing, usize::MAX, count).await?;
    let rows = found.iter().map(|Found { maker, commands, last }| {
        let mut row = maker_json(maker);
        row["commands"] = json!(commands);
        row["last_at"] = json!(rfc3339(*last));
        row
    });
    Ok(Json(list(rows.collect(), next.map(|id| id.to_string()), state.clock.wall())))
}
