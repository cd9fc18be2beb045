//! The Expert Advisor and the wire: every golden frame, every body, and a trade's whole life, against a hub that the test plays.

use std::path::Path;

use mtbridge::{
    domain::{
        account::{AccountInfo, Platform},
        ids::EaInstance,
        market::{BookLevel, SymbolSpec},
        trade::{Deal, Order, OrderCheck, Position, TradeRequest},
    },
    protocol::{
        FromHub, FromTerminal,
        codec::{self, Messages, Row},
        message::{
            Acknowledge, Amount, BarsBody, Latch, Query, Quote, Reply, TicksBody, Trade, TradeSessions, answer_kind,
            outcome_kind, reply_status,
        },
    },
    simulator::SimulatedTerminal,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::harness::{
    ea_hub::{BINARY, BOTH, Ea, EaHub, Link, Said, command, frame, request, tag, welcome},
    eventually, simulator_config,
};

/// The golden frames of the hub: name of the message, its call if it is a read, its bytes.
fn goldens() -> Vec<(String, Option<u64>, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|end| end != "json") {
            continue;
        }
        let value: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        if value["direction"] != "hub to terminal" {
            continue;
        }
        let hex = value["hex"].as_str().unwrap();
        let bytes = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
        let name = value["message"].as_str().unwrap_or("unknown").to_owned();
        found.push((name, value["fields"]["call"].as_u64(), bytes));
    }
    found.sort();
    assert!(found.len() >= 21, "{}", found.len());
    found
}

/// The body is a record of this kind, and the hub would write it byte for byte the same.
fn one<T: DeserializeOwned + Serialize>(body: &[u8]) {
    assert_eq!(codec::write_record(&codec::record::<T>(body).unwrap()), body);
}

fn many<T: DeserializeOwned + Serialize>(body: &[u8]) -> usize {
    let rows = codec::rows::<T>(body, 10_000).unwrap();
    assert_eq!(codec::write_rows(&rows), body);
    rows.len()
}

fn is_written_as_the_hub_would(name: &str, reply: &Reply) {
    if reply.status != reply_status::OK {
        return;
    }
    let body = reply.body.as_slice();
    match name {
        "GetAccount" => one::<AccountInfo>(body),
        "GetSymbol" => one::<SymbolSpec>(body),
        "GetBars" => one::<BarsBody>(body),
        "GetTicks" => one::<TicksBody>(body),
        "GetSession" => one::<TradeSessions>(body),
        "CheckOrder" => one::<OrderCheck>(body),
        "CalcMargin" | "CalcProfit" => one::<Amount>(body),
        "SelectSymbol" => assert!(body.is_empty()),
        "GetSymbols" => assert!(many::<SymbolSpec>(body) > 0),
        "GetQuotes" => assert!(many::<Quote>(body) > 0),
        "GetPositions" => drop(many::<Position>(body)),
        "GetDeals" => drop(many::<Deal>(body)),
        "GetOrders" | "GetHistoryOrders" => drop(many::<Order>(body)),
        "GetDepth" => drop(many::<BookLevel>(body)),
        other => panic!("what is the body of {other}?"),
    }
}

#[tokio::test]
async fn every_golden_frame_of_the_hub_gets_the_answer_that_the_simulator_gives() {
    for platform in BOTH {
        let (hub, reference) = (EaHub::start().await, EaHub::start().await);
        let ea = Ea::start(platform, &hub);
        let mut link = hub.session().await;
        // Of the same account.
        let token = crate::harness::Token { id: String::new(), secret: "mtb_test".into() };
        let mut config = simulator_config(&reference.url(), &token, 1001);
        (config.platform, config.broker) = (platform, Some(ea.broker()));
        let _simulator = SimulatedTerminal::start(config).unwrap();
        let mut same = reference.session().await;
        let mut seen = 0;
        for (name, call, bytes) in goldens() {
            link.write(&frame(BINARY, &bytes)).await;
            let Some(call) = call else { continue };
            same.write(&frame(BINARY, &bytes)).await;
            // A book comes a while after it was asked for.
            let (mut found, expected) = (link.reply(call).await, same.reply(call).await);
            while found.status == reply_status::LOADING {
                link.write(&frame(BINARY, &bytes)).await;
                found = link.reply(call).await;
            }
            let expected_status = if expected.status == reply_status::LOADING { reply_status::OK } else { expected.status };
            assert_eq!(
                found.status, expected_status,
                "{platform:?} {name}: `{}`, the simulator says `{}`",
                found.text, expected.text
            );
            is_written_as_the_hub_would(&name, &found);
            if matches!(name.as_str(), "GetBars" | "GetDeals" | "GetOrders" | "GetHistoryOrders" | "GetPositions" | "GetTicks") {
                assert_eq!(found.body, expected.body, "{platform:?} {name}");
            }
            seen += 1;
        }
        assert_eq!(seen, 16, "every read");
        // Neither the trade, which is of another instance, nor anything else did harm.
        assert!(ea.broker().requests().is_empty());
        ea.is_well();
    }
}

/// What the golden Query, Trade, Latch and Welcome are answered with.
#[tokio::test]
async fn the_golden_frames_that_are_no_reads_are_understood() {
    for platform in BOTH {
        let hub = EaHub::start().await;
        let _ea = Ea::start(platform, &hub);
        let mut link = hub.link().await;
        link.take_hello().await;
        let golden = |name: &str| frame(BINARY, &goldens().into_iter().find(|(is, ..)| is == name).unwrap().2);
        link.write(&golden("Welcome")).await;
        link.write(&golden("Latch")).await;
        loop {
            let Said::Message(FromTerminal::Status(status)) = link.next().await else { panic!("only Status is due") };
            if status.latch == 1 {
                assert_eq!(status.latch_reason, "daily loss");
                break;
            }
        }
        link.write(&golden("Trade")).await;
        loop {
            match link.next().await {
                Said::Message(FromTerminal::Status(_)) => {}
                Said::Message(FromTerminal::Log(log)) => {
                    assert!(log.text.contains("cmd_01HRS5WEX0F8Q3T6ZB2M4N7PAC is bound to EA instance"), "{}", log.text);
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
        link.write(&golden("Acknowledge")).await;
        link.write(&golden("Query")).await;
        let FromTerminal::Answer(answer) = link.answer().await else { panic!("no Answer") };
        assert_eq!(
            (answer.command.to_string().as_str(), answer.kind),
            ("cmd_01HRS5WEX0F8Q3T6ZB2M4N7PAC", answer_kind::NO_EVIDENCE)
        );
        assert!(answer.asked_at > 0, "it comes back");
    }
}

/// The Outcome of this command, whatever else is said before.
async fn outcome(link: &mut Link, of: mtbridge::domain::ids::CommandId) -> mtbridge::protocol::message::Outcome {
    loop {
        if let FromTerminal::Outcome(outcome) = link.answer().await
            && outcome.command == of
        {
            return outcome;
        }
    }
}

#[tokio::test]
async fn a_trade_that_comes_again_and_again_is_executed_once_and_its_outcome_repeated_until_it_is_acknowledged() {
    for platform in BOTH {
        let hub = EaHub::start().await;
        let ea = Ea::start(platform, &hub);
        let mut link = hub.session().await;
        let trade = link.trade(command(), request(tag(platform, 1)));
        let mut bytes = Vec::new();
        for _ in 0..3 {
            bytes.extend(frame(BINARY, &link.encode(trade.clone())));
        }
        link.write(&bytes).await;
        let FromTerminal::Accepted(accepted) = link.answer().await else { panic!("first of all it is accepted") };
        assert_eq!((accepted.command, accepted.lease_ms > 0), (trade.command, true));
        let first = outcome(&mut link, trade.command).await;
        assert_eq!((first.kind, first.result.0.retcode), (outcome_kind::BROKER, 10_009), "{first:?}");
        // A second later, by itself, and over the next connection at once.
        assert_eq!(outcome(&mut link, trade.command).await, first);
        drop(link);
        let mut link = hub.session().await;
        assert_eq!(link.hello.unfinished, [trade.command]);
        assert_eq!(link.hello.highest_tag, tag(platform, 1));
        assert_eq!(outcome(&mut link, trade.command).await, first);
        link.say(Acknowledge { command: trade.command }).await;
        // It is remembered all the same.
        link.say(trade.clone()).await;
        assert_eq!(outcome(&mut link, trade.command).await, first);
        drop(link);
        assert_eq!(hub.session().await.hello.unfinished, []);
        assert_eq!(ea.broker().requests().len(), 1);
        assert_eq!(ea.broker().requests()[0].request.magic, tag(platform, 1));
    }
}

#[tokio::test]
async fn what_must_not_be_executed_any_more_is_refused_with_its_reason() {
    for platform in BOTH {
        let hub = EaHub::start().await;
        let ea = Ea::start(platform, &hub);
        let mut link = hub.session().await;
        let mut late = link.trade(command(), request(tag(platform, 1)));
        late.deadline_us = link.clock.saturating_sub(1_000_000);
        let mut moved = link.trade(command(), request(tag(platform, 2)));
        (moved.seen_price, moved.max_slippage_points) = (2.0, 5);
        let mut no_number = link.trade(command(), request(tag(platform, 3)));
        (no_number.seen_price, no_number.max_slippage_points) = (f64::NAN, u32::MAX);
        for (trade, words) in [(late, "late by"), (moved, "the price moved"), (no_number, "")] {
            link.say(trade.clone()).await;
            let refused = outcome(&mut link, trade.command).await;
            assert_eq!(refused.kind, outcome_kind::REFUSED, "{refused:?}");
            assert!(refused.reason.contains(words) && !refused.reason.is_empty(), "{refused:?}");
        }
        // Under the latch nothing is opened, and what is open can be closed.
        link.say(link.trade(command(), request(tag(platform, 4)))).await;
        eventually("the position is open", async || if ea.broker().positions().len() == 1 { Ok(()) } else { Err(String::new()) })
            .await;
        link.say(Latch { level: 1, reason: "that is enough".into() }).await;
        let opening = link.trade(command(), request(tag(platform, 5)));
        link.say(opening.clone()).await;
        let refused = outcome(&mut link, opening.command).await;
        assert!(refused.kind == outcome_kind::REFUSED && refused.reason.contains("that is enough"), "{refused:?}");
        let mut closing = request(tag(platform, 6));
        (closing.kind, closing.position) = (1, ea.broker().positions()[0].ticket);
        let closing = link.trade(command(), closing);
        link.say(closing.clone()).await;
        let closed = outcome(&mut link, closing.command).await;
        assert_eq!((closed.kind, closed.result.0.retcode), (outcome_kind::BROKER, 10_009), "{closed:?}");
        assert_eq!((ea.broker().positions().len(), ea.broker().requests().len()), (0, 2));
    }
}

#[tokio::test]
async fn a_query_about_what_was_never_seen_lays_a_tombstone_that_outlives_the_connection() {
    for platform in BOTH {
        let hub = EaHub::start().await;
        let ea = Ea::start(platform, &hub);
        let mut link = hub.session().await;
        let trade = link.trade(command(), request(tag(platform, 1)));
        link.say(query(&trade)).await;
        let FromTerminal::Answer(answer) = link.answer().await else { panic!("no Answer") };
        assert_eq!(answer.kind, answer_kind::NOT_SEEN);
        drop(link);
        let mut link = hub.session().await;
        link.say(trade.clone()).await;
        let refused = outcome(&mut link, trade.command).await;
        assert_eq!(refused.kind, outcome_kind::REFUSED);
        assert!(ea.broker().requests().is_empty());
    }
}

fn query(trade: &Trade) -> Query {
    Query {
        command: trade.command,
        instance: trade.instance,
        tag: trade.tag,
        request: trade.request.clone(),
        dispatched_broker_time: 0,
        asked_at: 77,
    }
}

#[tokio::test]
async fn an_instance_that_comes_after_kill_9_knows_the_ends_of_its_predecessor_and_asks_the_broker_for_the_rest() {
    for platform in BOTH {
        let hub = EaHub::start().await;
        let ea = Ea::start(platform, &hub);
        let mut link = hub.session().await;
        let (done, refused, never) = (
            link.trade(command(), request(tag(platform, 1))),
            link.trade(command(), request(tag(platform, 2))),
            link.trade(command(), request(tag(platform, 3))),
        );
        link.say(done.clone()).await;
        let executed = outcome(&mut link, done.command).await;
        let late = Trade { deadline_us: 1, ..refused.clone() };
        link.say(late).await;
        let said = outcome(&mut link, refused.command).await;
        let before = link.instance();
        ea.crash(false);
        let mut link = hub.session().await;
        assert_ne!(link.instance(), before);
        assert_eq!(link.hello.unfinished, [refused.command, done.command], "newest first");
        for (trade, expected) in [(&done, &executed), (&refused, &said)] {
            link.say(query(trade)).await;
            let FromTerminal::Answer(answer) = link.answer().await else { panic!("no Answer") };
            assert_eq!((answer.kind, answer.outcome_kind), (answer_kind::OUTCOME, expected.kind));
            assert_eq!((&answer.reason, &answer.result), (&expected.reason, &expected.result));
        }
        link.say(query(&never)).await;
        let FromTerminal::Answer(answer) = link.answer().await else { panic!("no Answer") };
        assert_eq!((answer.kind, answer.asked_at), (answer_kind::NO_EVIDENCE, 77));
        // Its files lost, only the broker is left to ask.
        ea.crash(true);
        let mut link = hub.session().await;
        assert_eq!((link.hello.unfinished.len(), link.hello.highest_tag), (0, tag(platform, 1)));
        link.say(query(&done)).await;
        let FromTerminal::Answer(answer) = link.answer().await else { panic!("no Answer") };
        assert_eq!(answer.kind, answer_kind::EVIDENCE, "{answer:?}");
        assert_eq!((answer.result.0.retcode, answer.result.0.deal), (10_009, executed.result.0.deal));
    }
}

/// The same message with something more at its end.
fn longer(mut bytes: Vec<u8>, more: &[u8]) -> Vec<u8> {
    assert!((0x90..0x9f).contains(&bytes[0]), "a short array");
    bytes[0] += 1;
    bytes.extend_from_slice(more);
    bytes
}

/// The same without its last element, of so many bytes.
fn shorter(mut bytes: Vec<u8>, size: usize) -> Vec<u8> {
    bytes[0] -= 1;
    bytes.truncate(bytes.len() - size);
    bytes
}

#[tokio::test]
async fn an_older_and_a_newer_hub_are_understood() {
    for platform in BOTH {
        let hub = EaHub::start().await;
        let ea = Ea::start(platform, &hub);
        let mut link = hub.link().await;
        link.take_hello().await;
        // Without the symbols and the expiry, which are the last.
        let FromHub::Welcome(mut first) = welcome() else { unreachable!() };
        first.token_expires_at = 0;
        let bytes = shorter(shorter(FromHub::Welcome(first).encode(0), 1), 1);
        link.write(&frame(BINARY, &bytes)).await;
        let Said::Message(FromTerminal::Status(_)) = link.next().await else { panic!("no Status") };
        // Without the price guard; then with it and more.
        let old = link.trade(command(), request(tag(platform, 1)));
        let bytes = shorter(shorter(link.encode(old.clone()), 1), 9);
        link.write(&frame(BINARY, &bytes)).await;
        assert_eq!(outcome(&mut link, old.command).await.kind, outcome_kind::BROKER);
        let new = link.trade(command(), request(tag(platform, 2)));
        // A map that holds a list, an extension, and a nil.
        let bytes = longer(longer(longer(link.encode(new.clone()), &[0x81, 0xa1, b'k', 0x92, 1, 0xc2]), &[0xd4, 5, 0]), &[0xc0]);
        link.write(&frame(BINARY, &bytes)).await;
        assert_eq!(outcome(&mut link, new.command).await.kind, outcome_kind::BROKER);
        // A request of more fields than this version knows is the last element but two.
        let wide = link.trade(command(), request(tag(platform, 3)));
        let (bytes, short) = (link.encode(wide.clone()), codec::write_record(&wide.request.0));
        let at = bytes.windows(short.len()).position(|window| window == short).unwrap();
        let mut record = short.clone();
        assert_eq!(record[..3], [0xdc, 0, 17]);
        record[2] = 19;
        record.extend([0xcb, 0, 0, 0, 0, 0, 0, 0, 0, 0xa1, b'x']);
        let bytes = [&bytes[..at], &record, &bytes[at + short.len()..]].concat();
        link.write(&frame(BINARY, &bytes)).await;
        assert_eq!(outcome(&mut link, wide.command).await.kind, outcome_kind::BROKER);
        assert_eq!(ea.broker().requests().len(), 3);
        // Without the fields that may not be missing it is no message.
        let bytes = shorter(link.encode(Acknowledge { command: command() }), 18);
        link.write(&frame(BINARY, &bytes)).await;
        assert_eq!(link.close_code().await, 1002);
        hub.session().await;
    }
}

#[tokio::test]
async fn a_trade_for_another_instance_is_told_and_neither_executed_nor_ended() {
    for platform in BOTH {
        let hub = EaHub::start().await;
        let ea = Ea::start(platform, &hub);
        let mut link = hub.session().await;
        let mut trade = link.trade(command(), request(tag(platform, 1)));
        trade.instance = EaInstance([9; 16]);
        trade.request = Row(request(tag(platform, 1)));
        link.say(trade).await;
        link.say(mtbridge::protocol::message::GetAccount { call: 1 }).await;
        // The reply is the next answer: no Accepted, no Outcome.
        let FromTerminal::Reply(reply) = link.answer().await else { panic!("something was said about it") };
        assert_eq!((reply.call, ea.broker().requests().len()), (1, 0));
    }
}

#[tokio::test]
async fn hello_says_who_and_what_it_is() {
    for platform in BOTH {
        let hub = EaHub::start().await;
        let ea = Ea::start(platform, &hub);
        let link = hub.session().await;
        let (hello, account) = (&link.hello, ea.broker().account());
        assert_eq!((hello.protocol, hello.platform), (1, if platform == Platform::Mt4 { 4 } else { 5 }));
        assert_eq!((hello.login, &hello.server, &hello.currency), (account.login, &account.server, &account.currency));
        assert_eq!((&hello.company, hello.leverage), (&account.company, account.leverage));
        assert_eq!((hello.trade_mode, hello.margin_mode), (account.trade_mode, account.margin_mode));
        let mut names = ea.broker().symbols();
        names.sort_unstable();
        assert_eq!(hello.symbols as usize, names.len());
        let digest = names
            .iter()
            .flat_map(|name| name.bytes().chain([0]))
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        assert_eq!(hello.symbols_digest, digest, "{names:?}");
        assert_eq!((hello.highest_tag, hello.unfinished.len()), (0, 0));
        assert!(!hello.ea_version.is_empty() && hello.build > 0 && hello.broker_time > 1_700_000_000);
        assert_eq!(hello.utc_offset_s % 900, 0, "{}", hello.utc_offset_s);
    }
}

/// The outcome of a trade that the broker carries out.
async fn carried_out(link: &mut Link, request: TradeRequest) -> Trade {
    let trade = link.trade(command(), request);
    link.say(trade.clone()).await;
    let found = outcome(link, trade.command).await;
    assert!(found.kind == outcome_kind::BROKER && matches!(found.result.0.retcode, 10_008 | 10_009), "{trade:?} {found:?}");
    link.say(Acknowledge { command: trade.command }).await;
    trade
}

#[tokio::test]
async fn trades_of_every_kind_are_carried_out_once_and_leave_what_evidence_there_can_be() {
    for platform in BOTH {
        let hub = EaHub::start().await;
        let ea = Ea::start(platform, &hub);
        let mut link = hub.session().await;
        let broker = ea.broker();
        let mut n = 0;
        let mut of = |action: u8, kind: u8, volume: f64| {
            n += 1;
            TradeRequest { action, kind, volume, ..request(tag(platform, n)) }
        };
        let opened = carried_out(&mut link, of(1, 0, 0.1)).await;
        let ticket = broker.positions()[0].ticket;
        let stops = TradeRequest { position: ticket, sl: 1.0, tp: 1.2, ..of(6, 0, 0.0) };
        let stops = carried_out(&mut link, stops).await;
        assert_eq!((broker.positions()[0].sl, broker.positions()[0].tp), (1.0, 1.2));
        let part = TradeRequest { position: ticket, ..of(1, 1, 0.04) };
        let part = carried_out(&mut link, part).await;
        assert!((broker.positions()[0].volume - 0.06).abs() < 1e-9, "{:?}", broker.positions());
        carried_out(&mut link, of(1, 1, 0.05)).await;
        // On MetaTrader 4 what is left of a position has another ticket.
        let (first, second) = (broker.positions()[0].ticket, broker.positions()[1].ticket);
        let by = TradeRequest { position: second, position_by: first, ..of(10, 0, 0.0) };
        let by = carried_out(&mut link, by).await;
        assert_eq!(broker.positions().len(), 1);
        let mut pending = Vec::new();
        for (kind, price) in [(2, 1.0), (3, 1.2), (4, 1.2), (5, 1.0)] {
            let place = TradeRequest { price, ..of(5, kind, 0.1) };
            pending.push(carried_out(&mut link, place).await);
        }
        let order = broker.orders()[0].ticket;
        let moved = TradeRequest { order, price: 0.99, sl: 0.9, tp: 1.3, ..of(7, 2, 0.1) };
        carried_out(&mut link, moved).await;
        assert!((broker.orders()[0].price_open - 0.99).abs() < 1e-9);
        let deleted = TradeRequest { order, ..of(8, 0, 0.0) };
        carried_out(&mut link, deleted).await;
        assert_eq!((broker.orders().len(), broker.requests().len()), (3, 11));
        assert!(broker.requests().iter().all(mtbridge::simulator::Executed::is_done));

        // Without memory and files, the broker's history is what is left.
        ea.crash(true);
        let mut link = hub.session().await;
        let four = platform == Platform::Mt4;
        let found = |here: bool| if here { answer_kind::EVIDENCE } else { answer_kind::NO_EVIDENCE };
        // MetaTrader 4 keeps no mark of a closing, and neither platform one of a change of stops.
        let expected = [(&opened, true), (&part, !four), (&by, !four), (&stops, false), (&pending[0], true), (&pending[3], true)];
        for (trade, here) in expected {
            link.say(query(trade)).await;
            let FromTerminal::Answer(answer) = link.answer().await else { panic!("no Answer") };
            assert_eq!(answer.kind, found(here), "{platform:?} {trade:?} {answer:?}");
        }
        ea.is_well();
    }
}

#[tokio::test]
async fn what_the_broker_refuses_is_an_outcome_of_the_broker() {
    for platform in BOTH {
        let hub = EaHub::start().await;
        let ea = Ea::start(platform, &hub);
        let mut link = hub.session().await;
        let mut n = 0;
        let mut of = |change: fn(&mut TradeRequest)| {
            n += 1;
            let mut request = request(tag(platform, n));
            change(&mut request);
            request
        };
        let bad = [
            of(|one| one.volume = 0.0),
            of(|one| one.volume = 1e9),
            of(|one| one.symbol = "NOSUCH".into()),
            of(|one| one.sl = 5.0),
            of(|one| one.position = 4_711),
            of(|one| (one.action, one.position, one.sl) = (6, 4_711, 1.0)),
            of(|one| (one.action, one.order, one.price) = (7, 4_711, 1.0)),
            of(|one| (one.action, one.order) = (8, 4_711)),
            of(|one| (one.action, one.position, one.position_by) = (10, 4_711, 4_712)),
            of(|one| (one.action, one.kind, one.price) = (5, 2, 9.0)),
            of(|one| (one.action, one.kind, one.price, one.type_time, one.expiration) = (5, 2, 1.0, 2, 1)),
            of(|one| one.action = 77),
        ];
        for request in bad {
            let trade = link.trade(command(), request);
            link.say(trade.clone()).await;
            let found = outcome(&mut link, trade.command).await;
            let is_refused = found.kind == outcome_kind::REFUSED && !found.reason.is_empty();
            let retcode = found.result.0.retcode;
            assert!(is_refused || (retcode >= 10_004 && !matches!(retcode, 10_008..=10_010)), "{:?} {found:?}", trade.request);
            link.say(Acknowledge { command: trade.command }).await;
        }
        assert!(ea.broker().positions().is_empty() && ea.broker().orders().is_empty());
        ea.is_well();
    }
}
