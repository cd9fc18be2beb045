//! How an order may be filled. The commonest real failure is a filling mode that the broker does not take (retcode 10030): `auto` picks
//! one that it does.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ApiState, error::ApiResult, market_data::spec, relay::Relay, state::Modes};
use crate::domain::trade::{FILLING_BOC, FILLING_FOK, FILLING_IOC, FILLING_RETURN, TradeRequest, action, offered_filling};

/// The `filling` of a trading call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Filling {
    #[default]
    Auto,
    Fok,
    Ioc,
    Return,
    Boc,
}

/// `ORDER_FILLING_*` for a request; `auto` asks the terminal for the symbol, once.
pub(super) async fn filling(state: &ApiState, relay: &Relay, wanted: Filling, request: &TradeRequest) -> ApiResult<u8> {
    Ok(match wanted {
        Filling::Fok => FILLING_FOK,
        Filling::Ioc => FILLING_IOC,
        Filling::Return => FILLING_RETURN,
        Filling::Boc => FILLING_BOC,
        // What is not filled at once stays in the book: a pending order is taken so whatever the symbol says.
        Filling::Auto if request.action == action::PENDING => FILLING_RETURN,
        Filling::Auto => {
            let modes = modes(state, relay, &request.symbol).await?;
            offered_filling(modes.execution, modes.filling)
        }
    })
}

async fn modes(state: &ApiState, relay: &Relay, symbol: &str) -> ApiResult<Modes> {
    if let Some(modes) = state.fillings.get(&relay.session, symbol) {
        return Ok(modes);
    }
    let spec = spec(relay, symbol).await?;
    let modes = Modes { filling: spec.filling_mode, execution: spec.trade_exemode };
    state.fillings.put(&relay.session, symbol, modes);
    Ok(modes)
}
