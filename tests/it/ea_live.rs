//! Live data of the Expert Advisor, against a hub that the test plays: what is pushed, when it is not, and what never waits for it.

use std::{collections::BTreeMap, time::Duration};

use mtbridge::{
    domain::account::Platform,
    protocol::{
        FromTerminal,
        codec::{self, Row},
        message::{
            BarsBody, GetAccount, GetBars, GetQuotes, LiveQuote, LiveSeries, Quote, Series, Subscribe, bars_mode, feature,
            reply_status,
        },
    },
    simulator::SimulatorConfig,
};

use crate::harness::{
    ea_hub::{BINARY, BOTH, Ea, EaHub, Link, Said, command, frame, request, tag},
    eventually,
};

const NAMES: [&str; 3] = ["EURUSD", "SYN.USDEUR", "SYN.GOLD"];
const M1: u16 = 1;
/// MetaTrader 4 has no bars of two minutes.
const M2: u16 = 2;

fn series(symbol: &str, timeframe: u16) -> Row<Series> {
    Row(Series { symbol: symbol.into(), timeframe })
}

/// Everything that there is, as quotes and as minutes.
fn everything() -> Subscribe {
    Subscribe { quotes: NAMES.map(str::to_owned).to_vec(), bars: NAMES.map(|name| series(name, M1)).to_vec() }
}

/// A market that moves only when it is told to.
fn still(config: &mut SimulatorConfig) {
    config.speed = 0.01;
}

/// What was pushed last of each symbol and series.
#[derive(Debug, Default)]
struct Told {
    quotes: BTreeMap<String, LiveQuote>,
    bars: BTreeMap<(String, u16), LiveSeries>,
}

impl Told {
    /// Takes a push; false if it is something else.
    fn take(&mut self, message: &FromTerminal) -> bool {
        match message {
            FromTerminal::PushQuotes(push) => {
                self.quotes.extend(push.quotes.iter().map(|row| (row.0.symbol.clone(), row.0.clone())));
            }
            FromTerminal::PushBars(push) => {
                let rows = push.bars.iter().map(|row| ((row.0.symbol.clone(), row.0.timeframe), row.0.clone()));
                self.bars.extend(rows);
            }
            _ => return false,
        }
        true
    }
}

async fn next(link: &mut Link) -> FromTerminal {
    match link.next().await {
        Said::Message(message) => message,
        other => panic!("no message but {other:?}"),
    }
}

/// Reads until so many symbols and series were told of.
async fn told(link: &mut Link, quotes: usize, bars: usize) -> Told {
    let mut told = Told::default();
    while told.quotes.len() < quotes || told.bars.len() < bars {
        let message = next(link).await;
        told.take(&message);
    }
    told
}

/// Reads up to the reply to this call: how many pushes there were, and the body.
async fn reply(link: &mut Link, call: u64) -> (usize, Vec<u8>) {
    let mut pushes = 0;
    loop {
        match next(link).await {
            FromTerminal::Reply(reply) if reply.call == call => return (pushes, reply.body),
            FromTerminal::PushQuotes(_) | FromTerminal::PushBars(_) => pushes += 1,
            _ => {}
        }
    }
}

#[tokio::test]
async fn what_is_wanted_is_pushed_at_once_as_a_read_would_give_it_and_what_is_not_there_is_said() {
    for platform in BOTH {
        let hub = EaHub::start().await;
        let ea = Ea::start_with(platform, &hub, |config, _| still(config));
        let mut link = hub.session().await;
        assert_eq!(link.hello.features & feature::SUBSCRIBE, feature::SUBSCRIBE);
        let bars = vec![series("EURUSD", M1), series("EURUSD", M2), series("NOPE", M1), series("EURUSD", 7)];
        link.say(Subscribe { quotes: vec!["EURUSD".into(), "NOPE".into()], bars }).await;
        let told = told(&mut link, 2, 4).await;
        let status = |symbol: &str, timeframe: u16| told.bars[&(symbol.to_owned(), timeframe)].status;
        assert_eq!((told.quotes["NOPE"].status, status("NOPE", M1)), (reply_status::NOT_FOUND, reply_status::NOT_FOUND));
        assert_eq!(status("EURUSD", 7), reply_status::ERROR, "there is no such timeframe anywhere");
        let of_two = if platform == Platform::Mt4 { reply_status::UNSUPPORTED } else { reply_status::OK };
        assert_eq!(status("EURUSD", M2), of_two);

        link.say(GetQuotes { call: 1, symbols: vec!["EURUSD".into()] }).await;
        let (_, body) = reply(&mut link, 1).await;
        let quotes: Vec<Quote> = codec::rows(&body, 10).unwrap();
        assert_eq!(quotes[0].tick, told.quotes["EURUSD"].tick, "{platform:?}");
        let (symbol, mode) = ("EURUSD".to_owned(), bars_mode::POSITION);
        link.say(GetBars { call: 2, symbol, timeframe: M1, mode, from: 0, to: 0, count: 2 }).await;
        let (_, body) = reply(&mut link, 2).await;
        let body: BarsBody = codec::record(&body).unwrap();
        assert_eq!(body.rates, told.bars[&("EURUSD".to_owned(), M1)].rates, "{platform:?}");
        ea.is_well();
    }
}

#[tokio::test]
async fn only_what_changes_is_pushed_again_and_nothing_when_nothing_is_wanted_any_more() {
    for platform in BOTH {
        let hub = EaHub::start().await;
        let ea = Ea::start_with(platform, &hub, |config, _| still(config));
        let mut link = hub.session().await;
        link.say(everything()).await;
        let before = told(&mut link, 3, 3).await;
        ea.broker().advance(Duration::from_secs(120)).unwrap();
        let mut after = Told::default();
        while after.quotes.len() < 3 || after.bars.len() < 3 {
            let message = next(&mut link).await;
            after.take(&message);
        }
        for name in NAMES {
            assert_ne!(after.quotes[name].tick, before.quotes[name].tick, "{platform:?} {name}");
            let key = (name.to_owned(), M1);
            assert_ne!(after.bars[&key].rates, before.bars[&key].rates, "{platform:?} {name}");
        }
        link.say(Subscribe::default()).await;
        link.say(GetAccount { call: 1 }).await;
        reply(&mut link, 1).await;
        ea.broker().advance(Duration::from_secs(120)).unwrap();
        // The first answer may have been made in the turn before the market moved; the second was not.
        for call in 2..4 {
            link.say(GetAccount { call }).await;
            assert_eq!(reply(&mut link, call).await.0, 0, "{platform:?}");
        }
        ea.is_well();
    }
}

/// On MetaTrader 4, whose `OrderSend` waits, a trade's outcome is told in the turn in which it was accepted.
#[tokio::test]
async fn no_push_comes_between_a_trade_that_was_accepted_and_its_outcome() {
    let hub = EaHub::start().await;
    let ea = Ea::start_with(Platform::Mt4, &hub, |config, _| config.speed = 600.0);
    let mut link = hub.session().await;
    link.say(everything()).await;
    told(&mut link, 3, 3).await;
    for n in 1..=20 {
        let trade = link.trade(command(), request(tag(Platform::Mt4, n)));
        let bytes = [link.encode(GetAccount { call: n }), link.encode(trade.clone())];
        link.write(&bytes.map(|bytes| frame(BINARY, &bytes)).concat()).await;
        let mut accepted = false;
        loop {
            match next(&mut link).await {
                FromTerminal::Accepted(of) => accepted = of.command == trade.command,
                FromTerminal::Outcome(of) if of.command == trade.command => break,
                FromTerminal::PushQuotes(_) | FromTerminal::PushBars(_) => assert!(!accepted, "trade {n} waited for a push"),
                _ => {}
            }
        }
        assert!(accepted, "trade {n}");
    }
    ea.is_well();
}

#[tokio::test]
async fn while_the_hub_does_not_read_trades_are_executed_and_of_quotes_only_the_newest_is_kept() {
    /// Turns in which the connection fills up, and turns in which the market moves and nothing can be written.
    const FILLING: u64 = 20;
    const STUCK: u64 = 15;
    for platform in BOTH {
        let hub = EaHub::start().await;
        let ea = Ea::start_with(platform, &hub, |config, _| still(config));
        let mut link = hub.session().await;
        link.say(everything()).await;
        told(&mut link, 3, 3).await;
        // Twenty megabytes, of which nothing is read.
        for call in 1..=60 {
            let (symbol, mode) = ("EURUSD".to_owned(), bars_mode::POSITION);
            link.say(GetBars { call, symbol, timeframe: M1, mode, from: 0, to: 0, count: 100_000 }).await;
        }
        for n in 1..=FILLING + STUCK {
            if n > FILLING {
                ea.broker().advance(Duration::from_secs(5)).unwrap();
            }
            let trade = link.trade(command(), request(tag(platform, n)));
            link.say(trade).await;
            eventually("the trade is executed", async || {
                let done = ea.broker().executed().len() as u64;
                if done >= n { Ok(()) } else { Err(format!("{done} of {n}")) }
            })
            .await;
        }
        let newest = ea.broker().replay().view().tick().unwrap();
        // As the hub reads, the newest goes out, once there is room for it.
        let (mut told, mut pushes, mut replied) = (Told::default(), 0, false);
        let is_newest = |told: &Told| told.quotes.get("EURUSD").is_some_and(|quote| quote.tick.0.time_msc / 1_000 >= newest.time);
        while !replied || !is_newest(&told) {
            let message = next(&mut link).await;
            pushes += usize::from(told.take(&message));
            replied |= matches!(&message, FromTerminal::Reply(reply) if reply.call == 60);
        }
        assert!(pushes < STUCK as usize, "{platform:?}: {pushes} pushes had piled up");
        ea.is_well();
    }
}
