//! What the real Expert Advisors take for evidence at the broker: an absence is one only where nothing may still be on its way.

use std::{path::PathBuf, time::Duration};

use mqlc::{build, preprocess::Dialect};
use mtbridge::{
    domain::{
        account::Platform,
        ids::EaInstance,
        trade::{FILLING_IOC, FILLING_RETURN, TradeRequest, TradeResult, action, retcode},
    },
    protocol::{
        FromTerminal,
        codec::Row,
        message::{Acknowledge, Answer, Outcome, Query, Trade, answer_kind, outcome_kind, proof},
    },
    simulator::{
        PaperBroker, Switches,
        rules::{Rules, execution},
    },
};

use crate::harness::{
    ea,
    ea_hub::{BINARY, BOTH, Ea, EaHub, Link, Said, command, frame, request, tag},
    eventually,
};

/// What another instance's command with this request and the hub's tag number 1 has left at the broker.
async fn asked(link: &mut Link, platform: Platform, request: &TradeRequest) -> Answer {
    let dispatched_broker_time = link.hello.broker_time;
    let query = Query {
        command: command(),
        instance: EaInstance([9; 16]),
        tag: tag(platform, 1),
        request: Row(request.clone()),
        dispatched_broker_time,
        asked_at: 1,
    };
    link.say(query).await;
    match link.answer().await {
        FromTerminal::Answer(answer) => answer,
        other => panic!("no Answer but {other:?}"),
    }
}

/// The proof bits.
async fn proof_of(link: &mut Link, platform: Platform, request: &TradeRequest) -> u8 {
    let answer = asked(link, platform, request).await;
    assert_eq!(answer.kind, answer_kind::NO_EVIDENCE, "{answer:?}");
    answer.proof
}

#[track_caller]
fn done(broker: &PaperBroker, request: &TradeRequest) -> TradeResult {
    let result = broker.order_send(request);
    assert!([retcode::DONE, retcode::DONE_PARTIAL].contains(&result.retcode), "{request:?}: {result:?}");
    result
}

/// Another program opens and closes: the history then has something that is younger than every dispatch so far.
fn something_ends(broker: &PaperBroker) {
    let other = |kind, position| TradeRequest { magic: 999, kind, position, comment: "other".into(), ..request(0) };
    let opened = done(broker, &other(0, 0)).order;
    broker.advance(Duration::from_secs(5)).unwrap();
    done(broker, &other(1, opened));
}

/// The program as users have it.
fn shipped(platform: Platform) -> PathBuf {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let dialect = if platform == Platform::Mt4 { Dialect::Mql4 } else { Dialect::Mql5 };
    let main = build::main_file(root, dialect);
    build::program(root, &main, dialect, ea::variant(), "MtBridgeShipped").unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test]
async fn as_it_is_shipped_it_proves_no_absence_before_a_minute_of_link() {
    for platform in BOTH {
        let hub = EaHub::start().await;
        let ea = Ea::start_with(platform, &hub, |_, expert| {
            expert.program = shipped(platform);
            // It counts lines only in the program that the other tests run.
            expert.counts_lines = false;
        });
        let mut link = hub.session().await;
        something_ends(&ea.broker());
        let pending =
            done(&ea.broker(), &TradeRequest { action: action::PENDING, kind: 2, price: 0.5, ..request(tag(platform, 7)) });
        let remove = TradeRequest { action: action::REMOVE, order: pending.order, ..TradeRequest::default() };
        for asked in [request(tag(platform, 1)), remove] {
            assert_eq!(proof_of(&mut link, platform, &asked).await, proof::CONNECTED, "{platform:?}");
        }
    }
}

#[tokio::test]
async fn absence_is_proved_only_by_a_terminal_that_is_linked_and_has_looked_twice() {
    for platform in BOTH {
        let hub = EaHub::start().await;
        let ea = Ea::start(platform, &hub);
        let mut link = hub.session().await;
        something_ends(&ea.broker());
        let asked = request(tag(platform, 1));
        ea.set_switches(Switches { broker_link: false, ..Switches::default() });
        assert_eq!(proof_of(&mut link, platform, &asked).await, 0);
        ea.set_switches(Switches::default());
        let first = proof_of(&mut link, platform, &asked).await;
        assert!([proof::CONNECTED, proof::ALL].contains(&first), "{first}");
        while proof_of(&mut link, platform, &asked).await != proof::ALL {}
    }
}

#[tokio::test]
async fn a_history_of_metatrader_4_that_shows_nothing_younger_than_the_dispatch_may_end_before_it() {
    let hub = EaHub::start().await;
    let ea = Ea::start(Platform::Mt4, &hub);
    // Away from the deposit.
    ea.broker().advance(Duration::from_secs(5)).unwrap();
    let mut link = hub.session().await;
    let asked = request(tag(Platform::Mt4, 1));
    let seen = proof::CONNECTED | proof::SYNCHRONISED;
    while proof_of(&mut link, Platform::Mt4, &asked).await != seen {}
    assert_eq!(proof_of(&mut link, Platform::Mt4, &asked).await, seen);
    something_ends(&ea.broker());
    assert_eq!(proof_of(&mut link, Platform::Mt4, &asked).await, proof::ALL);
}

#[tokio::test]
async fn a_lost_mark_of_a_callers_own_magic_is_no_absence() {
    for platform in BOTH {
        for kind in [0, 2] {
            let hub = EaHub::start().await;
            let ea = Ea::start(platform, &hub);
            let mut link = hub.session().await;
            something_ends(&ea.broker());
            let own = TradeRequest { magic: 7, kind, ..request(tag(platform, 1)) };
            let own = if kind == 2 { TradeRequest { action: action::PENDING, price: 0.5, ..own } } else { own };
            while proof_of(&mut link, platform, &own).await != proof::ALL {}
            // The mark of another command, another program, and the other side are not it.
            for other in [
                TradeRequest { comment: "#9 bot".into(), ..own.clone() },
                TradeRequest { magic: 8, comment: "x".into(), ..own.clone() },
                TradeRequest { kind: kind + 1, price: own.price * 4.0, comment: "x".into(), ..own.clone() },
            ] {
                done(&ea.broker(), &other);
                assert_eq!(proof_of(&mut link, platform, &own).await, proof::ALL, "{platform:?} {other:?}");
            }
            done(&ea.broker(), &TradeRequest { comment: String::new(), ..own.clone() });
            assert_eq!(proof_of(&mut link, platform, &own).await, 0, "{platform:?} {kind}");
        }
    }
}

#[tokio::test]
async fn an_order_that_bears_the_mark_without_deals_is_no_absence() {
    let hub = EaHub::start().await;
    let ea = Ea::start(Platform::Mt5, &hub);
    let mut link = hub.session().await;
    let asked = request(tag(Platform::Mt5, 1));
    while proof_of(&mut link, Platform::Mt5, &asked).await != proof::ALL {}
    let stands = done(&ea.broker(), &TradeRequest { action: action::PENDING, kind: 2, price: 0.5, ..asked.clone() });
    assert_eq!(proof_of(&mut link, Platform::Mt5, &asked).await, 0, "it stands");
    done(&ea.broker(), &TradeRequest { action: action::REMOVE, order: stands.order, ..TradeRequest::default() });
    assert_eq!(proof_of(&mut link, Platform::Mt5, &asked).await, 0, "it is in the history");
}

#[tokio::test]
async fn a_part_is_one_only_when_its_order_has_ended() {
    for (filling, expected) in [(FILLING_RETURN, 0), (FILLING_IOC, retcode::DONE_PARTIAL)] {
        let hub = EaHub::start().await;
        let ea = Ea::start(Platform::Mt5, &hub);
        ea.broker().set_rules(Rules { liquidity: 0.01, execution: execution::EXCHANGE, ..Rules::default() });
        let mut link = hub.session().await;
        let asked_for = TradeRequest { volume: 50.0, type_filling: filling, ..request(tag(Platform::Mt5, 1)) };
        done(&ea.broker(), &asked_for);
        let answer = asked(&mut link, Platform::Mt5, &asked_for).await;
        assert_eq!((answer.result.0.retcode, answer.proof), (expected, 0), "{answer:?}");
    }
}

#[tokio::test]
async fn a_closing_by_each_other_is_absent_only_while_both_positions_are_untouched() {
    let platform = Platform::Mt5;
    let hub = EaHub::start().await;
    let ea = Ea::start(platform, &hub);
    let mut link = hub.session().await;
    let [buy, sell] =
        [0, 1].map(|kind| done(&ea.broker(), &TradeRequest { kind, volume: 0.2, ..request(tag(platform, 7)) }).order);
    let by = TradeRequest {
        action: action::CLOSE_BY,
        position: buy,
        position_by: sell,
        symbol: String::new(),
        ..request(tag(platform, 1))
    };
    while proof_of(&mut link, platform, &by).await != proof::ALL {}
    done(&ea.broker(), &TradeRequest { kind: 0, position: sell, ..request(tag(platform, 8)) });
    assert_eq!(proof_of(&mut link, platform, &by).await, proof::CONNECTED | proof::SYNCHRONISED);
}

/// Says it, and gives its outcome.
async fn outcome(link: &mut Link, trade: Trade) -> Outcome {
    let command = trade.command;
    link.say(trade).await;
    loop {
        if let FromTerminal::Outcome(outcome) = link.answer().await
            && outcome.command == command
        {
            return outcome;
        }
    }
}

#[tokio::test]
async fn no_result_is_no_changes_only_of_a_change_on_metatrader_4() {
    let hub = EaHub::start().await;
    let ea = Ea::start(Platform::Mt4, &hub);
    let mut link = hub.session().await;
    ea.set_faults(vec!["reject:10025".parse().unwrap()]);
    let trade = link.trade(command(), request(tag(Platform::Mt4, 1)));
    assert_eq!(outcome(&mut link, trade).await.result.0.retcode, retcode::ERROR);
}

#[tokio::test]
async fn what_stands_in_the_file_is_never_executed_again() {
    for platform in BOTH {
        let hub = EaHub::start().await;
        let ea = Ea::start(platform, &hub);
        let mut link = hub.session().await;
        let first = link.trade(command(), request(tag(platform, 1)));
        let executed = outcome(&mut link, first.clone()).await;
        assert_eq!(executed.kind, outcome_kind::BROKER);
        // INTENT is flushed, and then the process dies.
        let cut = link.trade(command(), request(tag(platform, 2)));
        ea.kill_at("FileFlushed", 1);
        link.say(cut.clone()).await;
        let mut link = hub.session().await;
        let bound = |trade: &Trade, link: &Link| Trade {
            instance: link.instance(),
            deadline_us: link.clock + 60_000_000,
            ..trade.clone()
        };
        let again = bound(&first, &link);
        assert_eq!(outcome(&mut link, again).await.result, executed.result);
        let again = bound(&cut, &link);
        link.say(again).await;
        loop {
            match link.next().await {
                Said::Message(FromTerminal::Log(log)) if log.text.contains("not executed again") => break,
                Said::Message(FromTerminal::Accepted(accepted)) => panic!("{accepted:?}"),
                Said::Message(_) => {}
                end => panic!("{end:?}"),
            }
        }
        assert_eq!(ea.broker().requests().len(), 1, "{platform:?}");
    }
}

#[tokio::test]
async fn what_no_hub_lets_through_is_refused() {
    for platform in BOTH {
        let hub = EaHub::start().await;
        let ea = Ea::start(platform, &hub);
        let mut link = hub.session().await;
        for wrong in [
            TradeRequest { symbol: "X".repeat(65), ..request(tag(platform, 1)) },
            TradeRequest { comment: "x".repeat(32), ..request(tag(platform, 1)) },
        ] {
            let trade = link.trade(command(), wrong);
            let refused = outcome(&mut link, trade).await;
            assert_eq!((refused.kind, refused.reason.contains("longer than")), (outcome_kind::REFUSED, true), "{refused:?}");
        }
        assert!(ea.broker().requests().is_empty());
    }
}

#[tokio::test]
async fn a_torn_journal_is_kept_as_it_was_and_read_as_far_as_it_goes() {
    for platform in BOTH {
        let hub = EaHub::start().await;
        let first = Ea::start(platform, &hub);
        let mut link = hub.session().await;
        let trade = link.trade(command(), request(tag(platform, 1)));
        outcome(&mut link, trade.clone()).await;
        let Ea { terminal, folder, .. } = first;
        terminal.stop().await;
        drop(link);
        let journal = |ending: &str| {
            let all = std::fs::read_dir(folder.path().join("files/MtBridge")).unwrap();
            all.map(|entry| entry.unwrap().path()).find(|path| path.to_string_lossy().ends_with(ending))
        };
        let path = journal(".journal").expect("a journal");
        let mut torn = std::fs::read(&path).unwrap();
        torn.extend_from_slice(&[40, 0, 0, 0, 1, 2, 3, 4, 5]);
        std::fs::write(&path, &torn).unwrap();
        let files = folder.path().join("files");
        let _second = Ea::start_with(platform, &hub, |_, expert| expert.files = files);
        let link = hub.session().await;
        assert_eq!(link.hello.unfinished, [trade.command], "{platform:?}");
        eventually("it is kept", async || {
            journal(".bad").filter(|bad| std::fs::read(bad).unwrap() == torn).map(drop).ok_or_else(|| "no such file".into())
        })
        .await;
    }
}

#[tokio::test]
async fn two_closings_that_come_together_do_not_turn_a_netting_position_round_past_the_owners_limit() {
    let hub = EaHub::start().await;
    let ea = Ea::start_with(Platform::Mt5, &hub, |config, expert| {
        config.account.netting = true;
        expert.inputs.push(("MaxVolume".into(), "0.1".into()));
    });
    let mut link = hub.session().await;
    done(&ea.broker(), &TradeRequest { volume: 0.2, ..request(tag(Platform::Mt5, 9)) });
    let trades = [1, 2].map(|n| {
        let sells = TradeRequest { kind: 1, volume: 0.2, ..request(tag(Platform::Mt5, n)) };
        link.trade(command(), sells)
    });
    let frames: Vec<u8> = trades.iter().flat_map(|trade| frame(BINARY, &link.encode(trade.clone()))).collect();
    link.write(&frames).await;
    let mut kinds = Vec::new();
    while kinds.len() < 2 {
        if let FromTerminal::Outcome(outcome) = link.answer().await {
            link.say(Acknowledge { command: outcome.command }).await;
            let known = trades.iter().position(|trade| trade.command == outcome.command).unwrap();
            if !kinds.iter().any(|(trade, _)| *trade == known) {
                kinds.push((known, outcome.kind));
            }
        }
    }
    assert_eq!(kinds, [(0, outcome_kind::BROKER), (1, outcome_kind::REFUSED)]);
    assert!(ea.broker().positions().is_empty());
}
