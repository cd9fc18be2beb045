//! A day in the life of the Expert Advisors under the address and undefined-behaviour sanitizers.

use mqlc::build::Variant;
use mtbridge::{
    domain::account::Platform,
    protocol::{
        FromTerminal,
        message::{Acknowledge, GetBars, GetSymbols, Latch, Query, outcome_kind},
    },
};

use crate::harness::{
    ea::program,
    ea_hub::{BINARY, CLOSE, Ea, EaHub, Link, close, command, frame, head, request, tag},
};

/// The outcome of a new market order.
async fn traded(link: &mut Link, platform: Platform, n: u64) -> u8 {
    let trade = link.trade(command(), request(tag(platform, n)));
    link.say(trade.clone()).await;
    loop {
        if let FromTerminal::Outcome(outcome) = link.answer().await
            && outcome.command == trade.command
        {
            link.say(Acknowledge { command: outcome.command }).await;
            return outcome.kind;
        }
    }
}

async fn reads(link: &mut Link) {
    for (call, timeframe) in (1..).zip([1, 5, 60, 16385, 16408]) {
        link.say(GetBars { call, symbol: "EURUSD".into(), timeframe, mode: 0, from: 0, to: 0, count: 5_000 }).await;
        link.reply(call).await;
    }
    link.say(GetSymbols { call: 9, group: "*USD*,!X*".into(), offset: 0, limit: 100 }).await;
    assert!(!link.reply(9).await.body.is_empty());
}

async fn a_day(platform: Platform) {
    let hub = EaHub::start().await;
    let built = program(platform, Variant::Sanitize);
    let ea = Ea::start_with(platform, &hub, |_, expert| (expert.program, expert.counts_lines) = (built, false));
    let mut link = hub.session().await;
    for n in 1..6 {
        assert_eq!(traded(&mut link, platform, n).await, outcome_kind::BROKER);
    }
    reads(&mut link).await;
    link.say(Latch { level: 1, reason: "enough".into() }).await;
    assert_eq!(traded(&mut link, platform, 6).await, outcome_kind::REFUSED);
    link.say(Latch { level: 0, reason: String::new() }).await;
    // What must not be said: each ends a connection, and the next one stands.
    let bad = [
        frame(BINARY, &[0xdd, 0xff, 0xff, 0xff, 0xff]),
        frame(BINARY, &[0x93, 5, 1, 0xdb, 0x7f, 0xff, 0xff, 0xff]),
        head(BINARY, u64::MAX),
        frame(CLOSE, &[0x0f]),
        close(4000, b"soon"),
    ];
    for bytes in bad {
        link.write(&bytes).await;
        link.close_code().await;
        link = hub.session().await;
    }
    // An unknown command of another instance: journal, then broker.
    let trade = link.trade(command(), request(tag(platform, 3)));
    let (instance, request) = (mtbridge::domain::ids::EaInstance([1; 16]), trade.request);
    link.say(Query { command: trade.command, instance, tag: trade.tag, request, dispatched_broker_time: 0, asked_at: 1 }).await;
    assert!(matches!(link.answer().await, FromTerminal::Answer(_)));
    ea.chart_changes();
    link.end().await;
    link = hub.session().await;
    assert_eq!(traded(&mut link, platform, 7).await, outcome_kind::BROKER);
    ea.crash(false);
    link = hub.session().await;
    assert_eq!(traded(&mut link, platform, 8).await, outcome_kind::BROKER);
    ea.is_well();
    let Ea { terminal, folder, .. } = ea;
    // Removed from its chart: destructors run, and leaks are looked for.
    terminal.stop().await;
    let log = std::fs::read_to_string(folder.path().join("files.log")).unwrap();
    assert!(log.contains("\ndeinit\t1\n"), "it was removed: {log}");
    for word in ["Sanitizer", "runtime error", "undeleted"] {
        assert!(!log.contains(word), "{log}");
    }
}

#[tokio::test]
async fn a_day_of_a_metatrader_5_shows_nothing_to_the_sanitizers() {
    a_day(Platform::Mt5).await;
}

#[tokio::test]
async fn a_day_of_a_metatrader_4_shows_nothing_to_the_sanitizers() {
    a_day(Platform::Mt4).await;
}
