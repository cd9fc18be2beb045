//! How an order may be filled. The commonest real failure is a filling mode that the broker does not take (retcode 10030): `auto` picks
//! one that it does.

use serde::Deserialize;

use super::{ApiState, error::ApiResult, market_data::spec, relay::Relay, state::Modes};
use crate::domain::trade::{FILLING_BOC, FILLING_FOK, FILLING_IOC, FILLING_RETURN, TradeRequest, action};

/// The `filling` of a trading call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
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
        Filling::Auto => auto(modes(state, relay, &request.symbol).await?),
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

/// For an order at the market (MQL5 reference, "Order Properties", table of filling by execution).
const fn auto(modes: Modes) -> u8 {
    /// `SYMBOL_FILLING_FOK` and `SYMBOL_FILLING_IOC`: a bit mask, unlike the order's enum.
    const FOK: u8 = 1;
    const IOC: u8 = 2;
    /// `SYMBOL_TRADE_EXECUTION_REQUEST` and `_INSTANT`: the whole volume or nothing, whatever the bits say.
    const INSTANT: u8 = 1;
    if modes.execution <= INSTANT || modes.filling & FOK != 0 {
        FILLING_FOK
    } else if modes.filling & IOC != 0 {
        FILLING_IOC
    } else {
        FILLING_RETURN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_takes_what_execution_and_bits_allow() {
        // SYMBOL_TRADE_EXECUTION_*: 0 request, 1 instant, 2 market, 3 exchange. SYMBOL_FILLING_*: 1 fok, 2 ioc, 4 boc.
        for (execution, filling, expected) in [
            (0, 2, FILLING_FOK),
            (1, 0, FILLING_FOK),
            (2, 1, FILLING_FOK),
            (2, 2, FILLING_IOC),
            (2, 3, FILLING_FOK),
            (2, 6, FILLING_IOC),
            (3, 0, FILLING_RETURN),
            (3, 4, FILLING_RETURN),
            (3, 2, FILLING_IOC),
        ] {
            assert_eq!(auto(Modes { filling, execution }), expected, "execution {execution}, bits {filling}");
        }
    }
}
