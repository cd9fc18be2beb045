//! Trading hours: an order for a market that is closed.

use mtbridge::protocol::{
    codec::Row,
    message::{TradeSession, TradeSessions},
};
use serde_json::json;

use crate::harness::{TestHub, controls::Shown};

#[tokio::test]
async fn an_order_for_a_closed_market_is_refused_before_it_is_sent() {
    let hub = TestHub::start().await;
    let mut terminal = hub.fake(1001).await;
    // The broker's time is Saturday, 2024-03-09 16:00; it trades from Monday to Friday.
    let week = |days: std::ops::RangeInclusive<u8>| {
        let session = |day| Row(TradeSession { day, from_s: 0, to_s: 86_400 });
        TradeSessions { sessions: days.map(session).collect(), last_tick_msc: 0 }
    };
    terminal.hours = Some(week(1..=5));
    let api = hub.admin().once().with("prefer", "respond-async");
    let shown = Shown::default();
    let refused = shown.while_nothing_is_sent(&mut terminal, async { api.buy(1001).await }).await.refused(409, "market_closed");
    assert!(refused["message"].as_str().unwrap().contains("nothing was sent"), "{refused}");
    // Deleting goes through: some brokers take it.
    let remove = json!({"action": 8, "order": 70});
    let (answer, trade) = tokio::join!(api.post("/api/v1/terminals/1001/trade", remove), shown.trade(&mut terminal));
    answer.expect(202);
    assert_eq!(trade.request.0.order, 70);
}
