use super::*;
use crate::domain::{
    UnixMillis,
    hook::Defaults,
    ids::{HookId, KeyId, OwnerId},
};

fn hook() -> Hook {
    Hook {
        id: HookId::new(ulid::Ulid::from_parts(1, 1)),
        owner: OwnerId::SELF,
        name: String::new(),
        terminal: None,
        key: KeyId::HUB,
        own_key: true,
        digest: Vec::new(),
        prefix: String::new(),
        previous: None,
        template: None,
        symbol_map: BTreeMap::from([
            ("OANDA:EURUSD".to_owned(), "EURUSD.r".to_owned()),
            ("GBPUSD".to_owned(), "GBPUSD.x".to_owned()),
        ]),
        dry_run: false,
        ips: Vec::new(),
        defaults: Defaults::default(),
        created_at: UnixMillis(0),
    }
}

fn plan(text: &str) -> Plan {
    Plan::of(&Fields::read(text, None).unwrap(), &hook()).unwrap()
}

fn refused(text: &str) -> String {
    Plan::of(&Fields::read(text, None).unwrap(), &hook()).unwrap_err().detail
}

#[test]
fn an_order_has_what_the_alert_says_and_the_brokers_name_of_its_symbol() {
    let wanted = plan("buy OANDA:EURUSD 0.1 sl=1.08 tp=1.09 order_id=Long");
    let body = json!({"symbol": "EURUSD.r", "side": "buy", "type": "market", "volume": 0.1, "sl": 1.08, "tp": 1.09, "client_order_id": "Long"});
    assert_eq!(wanted, Plan { act: Act::Order, body });
    for (told, broker) in
        [("OANDA:EURUSD", "EURUSD.r"), ("FX:EURUSD", "EURUSD"), ("EURUSD", "EURUSD"), ("FX:GBPUSD", "GBPUSD.x"), ("US30", "US30")]
    {
        assert_eq!(plan(&format!("sell {told} 1")).body["symbol"], broker, "{told}");
    }
    assert_eq!(plan("sell EURUSD 1 exchange=OANDA").body["symbol"], "EURUSD.r");
}

#[test]
fn what_a_hook_says_holds_where_the_alert_says_nothing() {
    let mut hook = hook();
    hook.defaults = Defaults {
        volume: Some(0.2),
        deviation: Some(5),
        filling: Some("ioc".to_owned()),
        magic: Some(7),
        comment: Some("tv".to_owned()),
        ttl_ms: Some(2_000),
        max_slippage_points: Some(30),
        ..Defaults::default()
    };
    let of = |text: &str| Plan::of(&Fields::read(text, None).unwrap(), &hook).unwrap().body;
    let body = of("buy EURUSD close=1.1");
    let expected = json!({"symbol": "EURUSD", "side": "buy", "type": "market", "volume": 0.2, "deviation": 5, "filling": "ioc", "magic": 7,
        "comment": "tv", "ttl_ms": 2_000, "seen_price": 1.1, "max_slippage_points": 30});
    assert_eq!(body, expected);
    let body = of("buy EURUSD 0.3 magic=8 deviation=6 comment=mine ttl_ms=1 close=1.1 max_slippage_points=2");
    let told = ["volume", "magic", "deviation", "comment", "ttl_ms", "max_slippage_points"].map(|field| body[field].clone());
    assert_eq!(json!(told), json!([0.3, 8, 6, "mine", 1, 2]));
    // Pending orders know neither deviation nor a price guard.
    let body = of("buy EURUSD 0.3 type=limit price=1.05");
    assert!(body.get("deviation").is_none() && body.get("seen_price").is_none(), "{body}");
    assert_eq!(of("close-all")["magic"], 7, "only what the hook's orders have opened");
}

#[test]
fn a_strategy_that_has_left_the_market_closes_instead_of_opening_the_other_way() {
    let wanted = plan("sell EURUSD 0.1 market_position=flat");
    assert_eq!(wanted, Plan { act: Act::CloseAll, body: json!({"symbol": "EURUSD"}) });
    assert_eq!(plan("sell EURUSD 0.1 market_position=short").act, Act::Order);
}

#[test]
fn closing_modifying_and_cancelling_take_a_ticket_or_a_symbol() {
    let symbol = || Which::Symbol("EURUSD".to_owned());
    assert_eq!(plan("close EURUSD"), Plan { act: Act::CloseAll, body: json!({"symbol": "EURUSD"}) });
    assert_eq!(plan("close EURUSD side=long").body, json!({"symbol": "EURUSD", "side": "buy"}));
    assert_eq!(plan("close EURUSD 0.1"), Plan { act: Act::Close(symbol()), body: json!({"volume": 0.1}) });
    assert_eq!(plan("close ticket=5"), Plan { act: Act::Close(Which::Ticket(5)), body: json!({}) });
    assert_eq!(plan("close all"), Plan { act: Act::CloseAll, body: json!({}) });
    assert_eq!(plan("modify EURUSD sl=1.1 tp=0"), Plan { act: Act::Modify(symbol()), body: json!({"sl": 1.1, "tp": null}) });
    assert_eq!(plan("cancel EURUSD"), Plan { act: Act::Cancel(symbol()), body: json!({}) });
    assert_eq!(plan("cancel ticket=9").act, Act::Cancel(Which::Ticket(9)));
}

#[test]
fn an_alert_that_lacks_something_is_refused_with_what_to_do() {
    assert!(refused("buy").contains("put {{ticker}}"));
    assert!(refused("buy EURUSD").contains("defaults.volume"));
    assert!(refused("close").contains("neither symbol nor ticket"));
    assert!(refused("modify EURUSD").contains("give sl or tp"));
    assert!(refused("buy EURUSD 1 type=iceberg").contains("market, limit or stop"));
    assert!(refused("buy EURUSD 1 max_slippage_points=5").contains("{{close}}"));
    assert!(refused("close EURUSD side=both").contains("buy or sell"));
}
