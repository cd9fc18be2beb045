//! Random messages, and damaged ones, at the real Expert Advisor: it answers what means something, and nothing ends its process.
//! The numbers are the same in every run.

use std::collections::{BTreeMap, BTreeSet};

use mtbridge::{
    domain::{
        account::Platform,
        ids::{CommandId, EaInstance},
        trade::TradeRequest,
    },
    protocol::{
        FromHub, FromTerminal,
        codec::Row,
        message::{
            Acknowledge, CalcMargin, CalcProfit, CheckOrder, GetAccount, GetBars, GetDeals, GetDepth, GetHistoryOrders,
            GetOrders, GetPositions, GetQuotes, GetSession, GetSymbol, GetSymbols, GetTicks, Latch, Query, SelectSymbol,
        },
    },
};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use crate::harness::ea_hub::{BINARY, BOTH, Ea, EaHub, Link, Said, command, frame, request, tag};

/// A number that programs get wrong.
fn number(rng: &mut StdRng) -> u64 {
    let edges = [0, 1, 2, 127, 128, 255, 256, 65_535, 65_536, i64::MAX as u64, i64::MIN as u64, u64::MAX, u64::from(u32::MAX)];
    if rng.random_bool(0.5) { *edges.choose(rng).unwrap() } else { rng.random::<u64>() >> rng.random_range(0..64) }
}

fn signed(rng: &mut StdRng) -> i64 {
    // Half of them near the broker's own time, where there is something to find.
    if rng.random_bool(0.5) { 1_710_000_000 + rng.random_range(-1_000_000..1_000_000) } else { number(rng) as i64 }
}

fn real(rng: &mut StdRng) -> f64 {
    let edges = [0.0, -0.0, 0.01, 0.1, 1.09, -1.0, 1e308, f64::MIN_POSITIVE, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    if rng.random_bool(0.7) { *edges.choose(rng).unwrap() } else { f64::from_bits(rng.random()) }
}

fn text(rng: &mut StdRng) -> String {
    let texts = [
        "EURUSD",
        "EURUSD",
        "EURUSD",
        "",
        "eurusd",
        "XAUUSD",
        "*",
        "!,,*",
        "%s%n%d",
        "a\tb\nc\\",
        "\u{1f600}\u{fc}",
        "\0",
        "#1 x",
    ];
    match rng.random_range(0..10) {
        0 => "x".repeat(rng.random_range(0..5_000)),
        1 => (0..rng.random_range(0..40)).map(|_| rng.random::<char>()).collect(),
        _ => (*texts.choose(rng).unwrap()).to_owned(),
    }
}

fn some_request(rng: &mut StdRng) -> TradeRequest {
    TradeRequest {
        action: *[0, 1, 1, 1, 5, 5, 6, 7, 8, 10, 255].choose(rng).unwrap(),
        magic: number(rng),
        order: number(rng),
        symbol: text(rng),
        volume: real(rng),
        price: real(rng),
        stoplimit: real(rng),
        sl: real(rng),
        tp: real(rng),
        deviation: number(rng),
        kind: rng.random_range(0..10),
        type_filling: rng.random_range(0..5),
        type_time: rng.random_range(0..5),
        expiration: signed(rng),
        comment: text(rng),
        position: number(rng),
        position_by: number(rng),
    }
}

/// A read of this number.
fn read(rng: &mut StdRng, call: u64) -> FromHub {
    let (symbol, offset, limit) = (text(rng), number(rng) as u32, number(rng) as u32);
    let (from, to, position, ticket) = (signed(rng), signed(rng), number(rng), number(rng));
    let (kind, volume, price) = (rng.random(), real(rng), real(rng));
    match rng.random_range(0..16) {
        0 => GetAccount { call }.into(),
        1 => GetSymbols { call, group: symbol, offset, limit }.into(),
        2 => GetSymbol { call, symbol }.into(),
        3 => GetQuotes { call, symbols: (0..rng.random_range(0..20)).map(|_| text(rng)).collect() }.into(),
        4 => {
            let timeframe = *[1, 5, 60, 240, 16385, 16408, 49153, 0, 65_535].choose(rng).unwrap();
            GetBars { call, symbol, timeframe, mode: rng.random_range(0..5), from, to, count: limit }.into()
        }
        5 => GetPositions { call, symbol, ticket }.into(),
        6 => GetDeals { call, from, to, position, ticket, offset, limit }.into(),
        7 => GetTicks { call, symbol, mode: rng.random_range(0..4), from, to, count: limit, flags: rng.random() }.into(),
        8 => GetOrders { call, symbol, ticket }.into(),
        9 => GetHistoryOrders { call, from, to, position, ticket, offset, limit }.into(),
        10 => GetDepth { call, symbol }.into(),
        11 => SelectSymbol { call, symbol, on: rng.random() }.into(),
        12 => CheckOrder { call, request: Row(some_request(rng)) }.into(),
        13 => CalcMargin { call, kind, symbol, volume, price }.into(),
        14 => CalcProfit { call, kind, symbol, volume, price_open: price, price_close: real(rng) }.into(),
        _ => GetSession { call, symbol }.into(),
    }
}

/// A message that is no read; trades are noted.
fn other(rng: &mut StdRng, link: &Link, trades: &mut BTreeSet<CommandId>) -> FromHub {
    let id = command();
    match rng.random_range(0..6) {
        0 => Acknowledge { command: id }.into(),
        // Level 0 now and then, so that something can be opened.
        1 => Latch { level: *[0, 0, 0, 1, 3, 255].choose(rng).unwrap(), reason: text(rng) }.into(),
        2 => {
            let instance = if rng.random() { link.instance() } else { EaInstance(rng.random()) };
            let (tag, dispatched_broker_time, asked_at) = (number(rng), signed(rng), signed(rng));
            Query { command: id, instance, tag, request: Row(some_request(rng)), dispatched_broker_time, asked_at }.into()
        }
        _ => {
            let mut trade = link.trade(id, some_request(rng));
            (trade.seen_price, trade.max_slippage_points) = (real(rng), number(rng) as u32);
            trade.deadline_us = if rng.random_bool(0.8) { trade.deadline_us } else { number(rng) };
            trades.insert(id);
            trade.into()
        }
    }
}

/// Anything that MessagePack can say.
fn tree(rng: &mut StdRng, depth: u32, out: &mut Vec<u8>) {
    let bytes = |rng: &mut StdRng, count: usize, out: &mut Vec<u8>| out.extend((0..count).map(|_| rng.random::<u8>()));
    match rng.random_range(0..if depth == 0 { 14 } else { 18 }) {
        0 => out.push(0xc0),
        1 => out.push(0xc2 + rng.random_range(0..2)),
        2 => out.push(rng.random_range(0..0x80)),
        3 => out.push(rng.random_range(0xe0..=0xff)),
        4 => {
            let width = rng.random_range(0..4);
            out.push(0xcc + width);
            bytes(rng, 1 << width, out);
        }
        5 => {
            let width = rng.random_range(0..4);
            out.push(0xd0 + width);
            bytes(rng, 1 << width, out);
        }
        6 => {
            out.push(0xca);
            bytes(rng, 4, out);
        }
        7 => {
            out.push(0xcb);
            bytes(rng, 8, out);
        }
        8 | 9 => {
            let length = rng.random_range(0..32);
            out.push(0xa0 + length);
            bytes(rng, length.into(), out);
        }
        10 => {
            let length = rng.random_range(0..255);
            out.extend([0xd9, length]);
            bytes(rng, length.into(), out);
        }
        11 => {
            let length = rng.random_range(0..1_000_u16);
            out.push(0xc5);
            out.extend(length.to_be_bytes());
            bytes(rng, length.into(), out);
        }
        12 => {
            let power = rng.random_range(0..5);
            out.extend([0xd4 + power, 1]);
            bytes(rng, 1 << power, out);
        }
        13 => {
            let length = rng.random_range(0..255);
            out.extend([0xc7, length, 1]);
            bytes(rng, length.into(), out);
        }
        14 | 15 => {
            let count = rng.random_range(0..8);
            out.push(0x90 + count);
            (0..count).for_each(|_| tree(rng, depth - 1, out));
        }
        16 => {
            let count = rng.random_range(0..5);
            out.extend([0xdc, 0, count]);
            (0..count).for_each(|_| tree(rng, depth - 1, out));
        }
        _ => {
            let count = rng.random_range(0..5);
            out.push(0x80 + count);
            (0..2 * count).for_each(|_| tree(rng, depth - 1, out));
        }
    }
}

/// A message of a tag that no version knows yet.
fn of_tomorrow(rng: &mut StdRng) -> Vec<u8> {
    let fields = rng.random_range(0..10);
    let mut out = vec![0x92 + fields, 0xcc, rng.random_range(40..=255), 3];
    (0..fields).for_each(|_| tree(rng, 6, &mut out));
    out
}

#[tokio::test]
async fn random_messages_are_answered_each_once() {
    for platform in BOTH {
        let mut rng = StdRng::seed_from_u64(1);
        let hub = EaHub::start().await;
        let ea = Ea::start(platform, &hub);
        let mut link = hub.session().await;
        let (mut trades, mut ended) = (BTreeSet::new(), BTreeSet::new());
        for batch in 0..40 {
            let marker = 1_000_000 + batch;
            let mut wanted = BTreeSet::new();
            let mut bytes = Vec::new();
            for at in 0..10 {
                let call = batch * 100 + at;
                let message = match rng.random_range(0..10) {
                    0 => of_tomorrow(&mut rng),
                    1..4 => {
                        let message = other(&mut rng, &link, &mut trades);
                        link.encode(message)
                    }
                    _ => {
                        wanted.insert(call);
                        let message = read(&mut rng, call);
                        link.encode(message)
                    }
                };
                bytes.extend(frame(BINARY, &message));
            }
            bytes.extend(frame(BINARY, &link.encode(GetAccount { call: marker })));
            link.write(&bytes).await;
            let mut parts: BTreeMap<u64, u16> = BTreeMap::new();
            while !parts.contains_key(&marker) {
                match link.answer().await {
                    FromTerminal::Reply(reply) => {
                        let part = parts.entry(reply.call).or_default();
                        assert_eq!(reply.part, *part, "{platform:?} call {}: parts in order, each once", reply.call);
                        *part += 1;
                        if *part == reply.parts {
                            assert!(
                                reply.call == marker || wanted.remove(&reply.call),
                                "{platform:?}: nobody asked for {}",
                                reply.call
                            );
                        }
                    }
                    FromTerminal::Outcome(outcome) => drop(ended.insert(outcome.command)),
                    _ => {}
                }
            }
            assert!(wanted.is_empty(), "{platform:?} batch {batch}: no answer to {wanted:?}");
        }
        while !trades.is_subset(&ended) {
            if let FromTerminal::Outcome(outcome) = link.answer().await {
                ended.insert(outcome.command);
            }
        }
        assert!(ended.is_subset(&trades) && trades.len() > 50, "{} of {}", ended.len(), trades.len());
        ea.is_well();
    }
}

/// A valid message of any kind, encoded.
fn valid(rng: &mut StdRng, link: &mut Link, platform: Platform) -> Vec<u8> {
    match rng.random_range(0..4) {
        0 => {
            let trade = link.trade(command(), request(tag(platform, rng.random_range(1..100))));
            link.encode(trade)
        }
        1 => of_tomorrow(rng),
        2 => {
            let message = other(rng, link, &mut BTreeSet::new());
            link.encode(message)
        }
        _ => {
            let message = read(rng, 5);
            link.encode(message)
        }
    }
}

fn damaged(rng: &mut StdRng, mut bytes: Vec<u8>) -> Vec<u8> {
    for _ in 0..rng.random_range(1..4) {
        let at = rng.random_range(0..bytes.len().max(1));
        match rng.random_range(0..6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << rng.random_range(0..8),
            1 if at < bytes.len() => bytes[at] = rng.random(),
            2 => bytes.truncate(at),
            3 => bytes.insert(at.min(bytes.len()), rng.random()),
            // Where lengths are: long ones that nothing follows.
            4 if at < bytes.len() => bytes[at] = *[0xdc, 0xdd, 0xdb, 0xc6, 0xdf, 0xc9, 0xc1].choose(rng).unwrap(),
            _ => bytes.extend_from_within(..bytes.len().min(at)),
        }
    }
    bytes
}

#[tokio::test]
async fn damaged_messages_end_a_connection_at_most_and_never_the_program() {
    for platform in BOTH {
        let mut rng = StdRng::seed_from_u64(2);
        let hub = EaHub::start().await;
        let ea = Ea::start(platform, &hub);
        let mut link = hub.session().await;
        let instance = link.instance();
        let (mut connections, mut passed) = (1, 0);
        for marker in 1_000..1_300 {
            let bytes = valid(&mut rng, &mut link, platform);
            let bytes = damaged(&mut rng, bytes);
            link.write(&frame(BINARY, &bytes)).await;
            link.say(GetAccount { call: marker }).await;
            let over = loop {
                match link.next().await {
                    Said::Message(FromTerminal::Reply(reply)) if reply.call == marker => break false,
                    Said::Message(_) => {}
                    Said::Closed(code) => {
                        assert_eq!(code, 1002, "{bytes:02x?}");
                        break true;
                    }
                    Said::Gone => break true,
                }
            };
            ea.is_well();
            if over {
                link = hub.session().await;
                assert_eq!(link.instance(), instance, "it was never started anew");
                connections += 1;
            } else {
                passed += 1;
            }
        }
        assert!(
            connections > 50 && passed > 20,
            "{connections} connections, {passed} messages passed: the damage is of all kinds"
        );
    }
}
