//! The figures of an account.

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::{
    ApiState,
    auth::Caller,
    error::ApiResult,
    extract::Path,
    json::{Names, named},
    relay::Relay,
    resolve,
};
use crate::{
    domain::{account::AccountInfo, names},
    protocol::message::GetAccount,
};

const NAMES: [Names; 3] = [
    ("trade_mode", names::account_trade_mode),
    ("margin_mode", names::account_margin_mode),
    ("margin_so_mode", names::account_stopout_mode),
];

/// `GET …/account`
pub(super) async fn account(
    State(state): State<ApiState>,
    caller: Caller,
    Path(terminal): Path<String>,
) -> ApiResult<Json<Value>> {
    account_of(&Relay::open(&state, &caller, &terminal)?).await
}

/// `GET /api/v1/account/info`: the same of the key's default terminal, of the only one, or of the one with the oldest token.
pub(super) async fn account_info(State(state): State<ApiState>, caller: Caller) -> ApiResult<Json<Value>> {
    let target = resolve::default_terminal(&state, &caller)?;
    account_of(&Relay::of(&state, &caller, target.live()?)).await
}

async fn account_of(relay: &Relay) -> ApiResult<Json<Value>> {
    let info: AccountInfo = relay.record(|call| GetAccount { call }.into()).await?;
    let mut object = account_json(&info);
    object["terminal"] = json!(relay.token);
    Ok(Json(object))
}

/// The figures of an account.
pub(super) fn account_json(info: &AccountInfo) -> Value {
    Value::Object(named(info, &NAMES))
}
