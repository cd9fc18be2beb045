//! Rough weather for the real Expert Advisor: hubs that restart, do not read, or ask for too much; charts and accounts that change under
//! it; a second one over its files.

use std::time::Duration;

use futures_util::future::join_all;
use mtbridge::{
    domain::account::Platform,
    protocol::{
        FromTerminal,
        message::{GetAccount, GetBars, Latch, outcome_kind, reply_status},
    },
    simulator::{SimulatorConfig, bars::BarSet},
};
use reqwest::Method;

use crate::harness::{
    TestHub, buy,
    ea_hub::{BINARY, BOTH, Ea, EaHub, LOGIN, Said, command, frame, request, tag},
    eventually, orders,
    proof::one_story,
    soon,
};

async fn trades_go_on(platform: Platform) {
    let mut hub = TestHub::start_with(|config| {
        config.trading.market_ttl = Duration::from_millis(500);
        config.trading.grace = Duration::from_millis(100);
        config.trading.requery = Duration::from_millis(100);
        config.trading.longest_send = Duration::from_millis(300);
        config.trading.settle = Duration::from_millis(300);
    })
    .await;
    let token = hub.mint_token().await;
    let ea = Ea::at(platform, &hub.url(), &token, |_, _| {});
    ea.is_connected().await;
    let api = hub.admin();
    let streams = (0..4).map(|stream| {
        let api = api.clone();
        async move {
            let mut records = Vec::new();
            for order in 0..8 {
                let api = api.with_idempotency(&format!("{stream} {order}")).waiting(5);
                let settled = eventually("the order is final", async || {
                    let answer = api
                        .send(Method::POST, &orders(LOGIN), Some(buy().to_string()))
                        .await
                        .map_err(|error| error.to_string())?;
                    if answer.json["final"] == true { Ok(answer.json) } else { Err(answer.json.to_string()) }
                });
                records.push(settled.await);
            }
            records
        }
    });
    let restarts = async {
        for round in 0..10 {
            hub.restart().await;
            // Now and then it is let back in first.
            if round % 3 == 0 {
                ea.is_connected().await;
            }
        }
    };
    let (records, ()) = tokio::join!(join_all(streams), restarts);
    let records: Vec<_> = records.into_iter().flatten().collect();
    let counted = one_story(&records, &ea.broker());
    assert!(counted.done > 0, "{counted:?}");
    ea.is_well();
}

#[tokio::test]
async fn a_hub_that_restarts_ten_times_in_a_row_loses_no_trade_and_makes_none_twice() {
    join_all(BOTH.map(trades_go_on)).await;
}

/// More than the kernel's buffers and the EA's own hold.
fn all_bars(call: u64) -> GetBars {
    GetBars { call, symbol: "EURUSD".into(), timeframe: 1, mode: 0, from: 0, to: 0, count: u32::MAX }
}

#[tokio::test]
async fn a_hub_that_does_not_read_for_a_while_gets_everything_when_it_does() {
    for platform in BOTH {
        let hub = EaHub::start().await;
        let ea = Ea::start(platform, &hub);
        let mut link = hub.session().await;
        for call in 0..40 {
            link.say(all_bars(call)).await;
        }
        link.say(Latch { level: 1, reason: "nobody reads".into() }).await;
        // It goes on: the panel says what came behind the reads.
        soon("the panel says it", ea.tells(|told| told.iter().any(|field| field.contains("nobody reads")))).await;
        let mut bodies = Vec::new();
        for call in 0..40 {
            let reply = link.reply(call).await;
            assert_eq!(reply.status, reply_status::OK, "{}", reply.text);
            bodies.push(reply.body.len());
        }
        assert!(bodies.iter().sum::<usize>() > 4 << 20, "{bodies:?}");
        assert!(bodies.iter().all(|size| size.abs_diff(bodies[0]) <= 120), "all the same, but for a bar that opened: {bodies:?}");
        ea.is_well();
    }
}

#[tokio::test]
async fn a_hub_that_never_reads_is_given_up_and_the_next_one_finds_the_ea_well() {
    let runs = BOTH.map(|platform| async move {
        let hub = EaHub::start().await;
        let ea = Ea::start(platform, &hub);
        let mut link = hub.session().await;
        for call in 0..60 {
            link.say(all_bars(call)).await;
        }
        let mut next = hub.session().await;
        next.say(GetAccount { call: 1 }).await;
        assert!(!next.reply(1).await.body.is_empty());
        ea.is_well();
        drop(link);
    });
    join_all(runs).await;
}

#[tokio::test]
async fn five_hundred_reads_in_one_write_are_each_answered_once() {
    for platform in BOTH {
        let hub = EaHub::start().await;
        let ea = Ea::start(platform, &hub);
        let mut link = hub.session().await;
        let bytes: Vec<u8> = (1..=500).flat_map(|call| frame(BINARY, &link.encode(GetAccount { call }))).collect();
        link.write(&bytes).await;
        let mut seen = std::collections::BTreeSet::new();
        while seen.len() < 500 {
            let FromTerminal::Reply(reply) = link.answer().await else { continue };
            assert!(seen.insert(reply.call), "{} twice", reply.call);
            assert!(reply.status == reply_status::OK || reply.text.contains("too many"), "{reply:?}");
        }
        ea.is_well();
    }
}

#[tokio::test]
async fn a_reason_without_end_makes_no_message_above_the_hubs_limit() {
    for platform in BOTH {
        let hub = EaHub::start().await;
        let ea = Ea::start(platform, &hub);
        let mut link = hub.session().await;
        // The hub ends a session with 4506, for good, over 64 KiB in anything but a Reply.
        link.say(Latch { level: 1, reason: "\u{fc}".repeat(100_000) }).await;
        loop {
            let Said::Message(FromTerminal::Status(status)) = link.next().await else { panic!("only Status is due") };
            if status.latch == 1 {
                assert!(!status.latch_reason.is_empty() && status.latch_reason.len() < 60_000, "{}", status.latch_reason.len());
                break;
            }
        }
        let trade = link.trade(command(), request(tag(platform, 1)));
        link.say(trade).await;
        let FromTerminal::Outcome(outcome) = loop_to_outcome(&mut link).await else { unreachable!() };
        assert_eq!(outcome.kind, outcome_kind::REFUSED);
        assert!(outcome.reason.len() < 60_000, "{}", outcome.reason.len());
        // It is as short after a restart.
        ea.crash(false);
        let link = hub.session().await;
        drop(link);
        ea.is_well();
    }
}

async fn loop_to_outcome(link: &mut crate::harness::ea_hub::Link) -> FromTerminal {
    loop {
        if let found @ FromTerminal::Outcome(_) = link.answer().await {
            return found;
        }
    }
}

#[tokio::test]
async fn another_account_at_the_terminal_ends_the_session_and_begins_one_of_its_own() {
    for platform in BOTH {
        let hub = EaHub::start().await;
        let ea = Ea::start(platform, &hub);
        let mut link = hub.session().await;
        let (instance, trade) = (link.instance(), link.trade(command(), request(tag(platform, 1))));
        link.say(trade.clone()).await;
        loop_to_outcome(&mut link).await;
        ea.log_in(Some(2002));
        assert!(matches!(link.end().await, Said::Closed(1000 | 1001)), "it leaves");
        let mut other = hub.session().await;
        assert_eq!((other.hello.login, other.hello.unfinished.len()), (2002, 0), "a journal of its own");
        assert_ne!(other.instance(), instance);
        // What was meant for the first is not executed for the second.
        other.say(trade.clone()).await;
        other.say(GetAccount { call: 1 }).await;
        assert!(!other.reply(1).await.body.is_empty());
        assert_eq!(ea.broker().requests().len(), 1);
        ea.log_in(None);
        assert!(matches!(other.end().await, Said::Closed(1000 | 1001)));
        let back = hub.session().await;
        assert_eq!(
            (back.hello.login, back.hello.unfinished.as_slice()),
            (LOGIN, &[trade.command][..]),
            "what was open is still known"
        );
        ea.is_well();
    }
}

#[tokio::test]
async fn an_ea_on_another_chart_or_with_other_inputs_is_another_instance_over_the_same_journal() {
    for platform in BOTH {
        let hub = EaHub::start().await;
        let ea = Ea::start(platform, &hub);
        let mut link = hub.session().await;
        let trade = link.trade(command(), request(tag(platform, 1)));
        link.say(trade.clone()).await;
        loop_to_outcome(&mut link).await;
        // REASON_CHARTCHANGE, REASON_PARAMETERS, REASON_RECOMPILE.
        for reason in ["3", "5", "2"] {
            let instance = link.instance();
            ea.push(&["deinit", reason]);
            assert!(matches!(link.end().await, Said::Closed(1001)), "it says goodbye");
            link = hub.session().await;
            assert_ne!(link.instance(), instance);
            assert_eq!(link.hello.unfinished, [trade.command]);
        }
        assert_eq!(ea.broker().requests().len(), 1);
        ea.is_well();
    }
}

#[tokio::test]
async fn a_second_ea_over_the_same_files_says_so_and_waits_until_the_first_is_gone() {
    for platform in BOTH {
        let (hub, other) = (EaHub::start().await, EaHub::start().await);
        let first = Ea::start(platform, &hub);
        let link = hub.session().await;
        let files = first.folder.path().join("files");
        let second = Ea::start_with(platform, &other, |_, expert| expert.files = files);
        soon("the second says it", second.tells(|told| told.iter().any(|field| field.contains("already runs on another chart"))))
            .await;
        let Ea { terminal, folder, .. } = first;
        terminal.stop().await;
        drop(link);
        let link = other.session().await;
        assert_eq!(link.hello.login, LOGIN);
        second.is_well();
        drop(folder);
    }
}

#[tokio::test]
async fn a_disk_without_room_refuses_trades_until_there_is_some() {
    for platform in BOTH {
        let hub = EaHub::start().await;
        let ea = Ea::start(platform, &hub);
        let mut link = hub.session().await;
        let mut try_one = async |n: u64, is_refused: bool| {
            let trade = link.trade(command(), request(tag(platform, n)));
            link.say(trade).await;
            let FromTerminal::Outcome(outcome) = loop_to_outcome(&mut link).await else { unreachable!() };
            link.say(mtbridge::protocol::message::Acknowledge { command: outcome.command }).await;
            if (outcome.kind == outcome_kind::REFUSED) == is_refused { Ok(outcome) } else { Err(format!("{outcome:?}")) }
        };
        assert!(try_one(1, false).await.is_ok());
        ea.push(&["disk", "0"]);
        // Until the event has come to the program it still trades.
        let mut n = 2;
        let refused = eventually("it refuses", async || {
            n += 1;
            try_one(n, true).await
        })
        .await;
        assert!(refused.reason.contains("journal file cannot be written"), "{refused:?}");
        ea.push(&["disk", "-1"]);
        eventually("it trades again", async || {
            n += 1;
            try_one(n, false).await
        })
        .await;
        ea.is_well();
    }
}

#[tokio::test]
async fn a_metatrader_4_that_starts_in_a_closed_market_knows_the_brokers_clock_from_before() {
    let hub = EaHub::start().await;
    let minutes_before_the_end = |config: &mut SimulatorConfig| {
        config.start = Some(BarSet::embedded().unwrap().m1().last().unwrap().time - 1_800);
        config.speed = 60.0;
    };
    let ea = Ea::start_with(Platform::Mt4, &hub, |config, _| minutes_before_the_end(config));
    let mut link = hub.session().await;
    let offset = ea.broker().replay().view().utc_offset();
    // Each Status is a heartbeat, so ticks have come between them.
    let mut seen = 0;
    while seen < 3 {
        let Said::Message(FromTerminal::Status(status)) = link.next().await else { continue };
        seen += u32::from(status.utc_offset_s == offset);
    }
    ea.broker().advance(Duration::from_secs(4 * 3_600)).unwrap();
    assert!(!ea.broker().replay().view().is_open());
    ea.push(&["deinit", "5"]);
    let link = hub.session().await;
    assert_eq!(link.hello.utc_offset_s, offset, "not the age of the last tick");
    ea.is_well();
}
