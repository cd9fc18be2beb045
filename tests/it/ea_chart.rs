//! What the Expert Advisor shows on charts and what its owner's inputs forbid.

use mtbridge::{
    domain::{account::Platform, trade::TradeRequest},
    protocol::{
        FromTerminal,
        message::{GetAccount, Latch, Outcome, outcome_kind},
    },
};

use crate::harness::{
    ea_hub::{BINARY, BOTH, Ea, EaHub, Link, command, frame, request, tag},
    eventually, soon,
};

/// A text as MessagePack.
fn text(text: &str) -> Vec<u8> {
    [&[0xd9, text.len() as u8][..], text.as_bytes()].concat()
}

fn real(value: f64) -> Vec<u8> {
    [&[0xcb][..], &value.to_be_bytes()].concat()
}

fn int(value: i64) -> Vec<u8> {
    [&[0xd3][..], &value.to_be_bytes()].concat()
}

/// A drawing: `[6, count, id, symbol, timeframe, name, expires_at, flags, points, lines]`.
fn draw(id: &str, symbol: &str, expires_at: i64, flags: u8, points: &[Vec<u8>], lines: &[Vec<u8>]) -> Vec<u8> {
    let list = |rows: &[Vec<u8>]| [&[0xdc, 0, rows.len() as u8][..], &rows.concat()].concat();
    let fields = [text(id), text(symbol), int(60), text("a bot's"), int(expires_at), vec![flags], list(points), list(lines)];
    frame(BINARY, &[&[0x9a, 6, 1][..], &fields.concat()].concat())
}

fn point(low: bool, price: f64, label: &str, rgb: i64, shape: u8, size: u8) -> Vec<u8> {
    [vec![0x97], int(1_710_000_000), vec![u8::from(low)], real(price), text(label), int(rgb), vec![shape], vec![size]].concat()
}

fn line(price: f64, label: &str, rgb: i64, style: u8, width: u8) -> Vec<u8> {
    [vec![0x95], real(price), text(label), int(rgb), vec![style], vec![width]].concat()
}

/// What was told of drawings: what happened, the object's name, and with what.
fn drawn(ea: &Ea) -> Vec<(String, String, String, String)> {
    let told = ea.told().into_iter().filter(|told| told[0] == "object" && !told[3].contains(".panel."));
    told.map(|told| (told[1].clone(), told[3].clone(), told[4].clone(), told[5].clone())).collect()
}

/// Waits until everything that was sent is dealt with, and for what was told of it.
async fn done(link: &mut Link, call: u64) {
    link.say(GetAccount { call }).await;
    link.reply(call).await;
}

/// Waits until so many objects stand.
async fn stand(ea: &Ea, count: usize) {
    eventually(&format!("{count} objects stand"), async || {
        let standing = standing(ea);
        if standing == count { Ok(()) } else { Err(format!("{standing}: {:?}", drawn(ea))) }
    })
    .await;
}

/// How many objects stand after all that was told.
fn standing(ea: &Ea) -> usize {
    let mut names = std::collections::BTreeSet::new();
    for (what, name, ..) in drawn(ea) {
        match what.as_str() {
            "create" => drop(names.insert(name)),
            "delete" => drop(names.remove(&name)),
            _ => {}
        }
    }
    names.len()
}

#[tokio::test]
async fn points_and_lines_of_bots_are_drawn_replaced_and_taken_off_again() {
    for platform in BOTH {
        let hub = EaHub::start().await;
        let ea = Ea::start(platform, &hub);
        let mut link = hub.session().await;
        let points = [
            point(false, 1.1, "top", 0xff_00_00, 2, 3),
            point(true, 1.05, "", 0x00_ff_00, 1, 9),
            point(true, 1.06, "", 1, 3, 0),
            point(true, 1.07, "", 1, 0, 1),
            // No prices: nothing is drawn.
            point(true, f64::NAN, "x", 1, 0, 1),
            point(true, -1.0, "x", 1, 0, 1),
        ];
        let lines = [
            line(1.2, "resistance", 0x12_34_56, 0, 2),
            line(1.0, "", 1, 1, 5),
            line(0.9, "", 1, 2, 5),
            line(f64::INFINITY, "", 1, 0, 1),
        ];
        link.write(&draw("ind_1", "EURUSD", 0, 1, &points, &lines)).await;
        done(&mut link, 1).await;
        // Four signs, one with words; three lines.
        stand(&ea, 8).await;
        let told = drawn(&ea);
        let has = |what: &str, with: &str| told.iter().any(|(is, _, _, value)| is == what && value.contains(with));
        assert!(has("create", "1710000000 1.1") && has("create", " 1.2"), "{told:?}");
        // MetaTrader's colours are 0xBBGGRR.
        assert!(has("integer", &0x00_00_ff.to_string()) && has("integer", &0x56_34_12.to_string()), "{told:?}");
        assert!(has("text", "resistance") && has("text", "top"), "{told:?}");
        // More of it, in a second part; then all of it anew, smaller.
        link.write(&draw("ind_1", "EURUSD", 0, 0, &points[..2], &[])).await;
        done(&mut link, 2).await;
        stand(&ea, 11).await;
        link.write(&draw("ind_1", "EURUSD", 0, 1, &[], &lines[..1])).await;
        done(&mut link, 3).await;
        stand(&ea, 1).await;
        // Another one beside it; of a symbol without a chart there is nothing to see.
        link.write(&draw("ind_2", "EURUSD", 0, 1, &points[..1], &[])).await;
        link.write(&draw("ind_3", "XAUUSD", 0, 1, &points, &lines)).await;
        done(&mut link, 4).await;
        stand(&ea, 3).await;
        link.write(&draw("ind_1", "EURUSD", 0, 1, &[], &[])).await;
        done(&mut link, 5).await;
        stand(&ea, 2).await;
        // What has expired is taken off within a second.
        link.write(&draw("ind_2", "EURUSD", 1, 1, &points[..1], &[])).await;
        done(&mut link, 6).await;
        let gone = |told: &[String]| told[0] == "object" && told[1] == "delete" && told[3].contains(".2");
        soon("it expires", ea.tells(gone)).await;
        link.write(&draw("ind_4", "EURUSD", 0, 1, &points, &lines)).await;
        done(&mut link, 7).await;
        // Everything goes with the EA.
        ea.chart_changes();
        link.end().await;
        hub.session().await;
        stand(&ea, 0).await;
        ea.is_well();
    }
}

#[tokio::test]
async fn too_many_drawings_and_broken_ones_harm_nothing() {
    for platform in BOTH {
        let hub = EaHub::start().await;
        let ea = Ea::start(platform, &hub);
        let mut link = hub.session().await;
        // A chart holds 256 drawings and 5,000 objects.
        let many: Vec<_> = (0..250).map(|at| line(1.0 + f64::from(at) / 1_000.0, "", 1, 0, 1)).collect();
        for id in 0..20 {
            link.write(&draw(&format!("big {id}"), "EURUSD", 0, 1, &[], &many)).await;
        }
        link.write(&draw("too much", "EURUSD", 0, 1, &[], &[line(666.0, "", 1, 0, 1)])).await;
        link.write(&draw("big 7", "EURUSD", 0, 1, &[], &[line(777.0, "", 1, 0, 1)])).await;
        let created =
            |price: &'static str| move |told: &[String]| told[0] == "object" && told[1] == "create" && told[5].contains(price);
        soon("where one was taken off another is drawn", ea.tells(created("777"))).await;
        assert!(!ea.told().iter().any(|told| created("666")(told)), "the chart was full");
        for id in 0..300 {
            link.write(&draw(&format!("small {id}"), "EURUSD", 0, 3, &[], &[])).await;
        }
        // Points that are no lists, lists that are too short: the message is dropped, or a part of it.
        let bad =
            frame(BINARY, &[&[0x9a, 6, 1][..], &[text("x"), text("EURUSD")].concat(), &[1, 0xa0, 0, 1, 0xc0, 0xc3]].concat());
        link.write(&bad).await;
        done(&mut link, 2).await;
        ea.is_well();
    }
}

#[tokio::test]
async fn nothing_is_drawn_where_the_owner_does_not_want_it() {
    for platform in BOTH {
        let hub = EaHub::start().await;
        let ea = Ea::start_with(platform, &hub, |_, expert| {
            expert
                .inputs
                .extend([("DrawIndicators", "false"), ("ShowPanel", "false")].map(|(name, value)| (name.into(), value.into())));
        });
        let mut link = hub.session().await;
        link.write(&draw("ind_1", "EURUSD", 0, 1, &[], &[line(1.2, "", 1, 0, 1)])).await;
        done(&mut link, 1).await;
        assert!(ea.told().iter().all(|told| told[0] != "object" || told[1] != "create"), "{:?}", ea.told());
    }
}

/// What becomes of this request.
async fn outcome(link: &mut Link, request: TradeRequest) -> Outcome {
    let trade = link.trade(command(), request);
    link.say(trade.clone()).await;
    loop {
        if let FromTerminal::Outcome(outcome) = link.answer().await
            && outcome.command == trade.command
        {
            return outcome;
        }
    }
}

async fn refuses(link: &mut Link, request: TradeRequest, words: &str) {
    let refused = outcome(link, request).await;
    assert!(refused.kind == outcome_kind::REFUSED && refused.reason.contains(words), "{refused:?}");
}

fn with_inputs(platform: Platform, hub: &EaHub, inputs: &[(&str, &str)]) -> Ea {
    Ea::start_with(platform, hub, |_, expert| {
        expert.inputs.extend(inputs.iter().map(|(name, value)| ((*name).into(), (*value).into())));
    })
}

#[tokio::test]
async fn the_owners_inputs_limit_what_is_opened_and_never_what_is_closed() {
    for platform in BOTH {
        let hub = EaHub::start().await;
        let ea = with_inputs(platform, &hub, &[("AllowedSymbols", " GBPUSD , EURUSD,"), ("MaxVolume", "0.1")]);
        let mut link = hub.session().await;
        let of = |n: u64, symbol: &str, volume: f64| TradeRequest { symbol: symbol.into(), volume, ..request(tag(platform, n)) };
        refuses(&mut link, of(1, "XAUUSD", 0.1), "XAUUSD is not among the terminal's AllowedSymbols").await;
        refuses(&mut link, of(2, "EURUSD", 0.11), "above the terminal's MaxVolume").await;
        refuses(&mut link, of(3, "EURUSD", f64::NAN), "above the terminal's MaxVolume").await;
        assert_eq!(outcome(&mut link, of(4, "EURUSD", 0.1)).await.result.0.retcode, 10_009);
        // A pending order opens too.
        let pending = TradeRequest { action: 5, kind: 2, price: 1.0, ..of(5, "EURUSD", 0.5) };
        refuses(&mut link, pending, "MaxVolume").await;
        assert_eq!(ea.broker().requests().len(), 1);

        let hub = EaHub::start().await;
        let broker = ea.broker();
        let ea = Ea::start_with(platform, &hub, |config, expert| {
            config.broker = Some(broker);
            expert.inputs.push(("BlockOpenings".into(), "true".into()));
        });
        let mut link = hub.session().await;
        refuses(&mut link, of(6, "EURUSD", 0.01), "the terminal's owner blocks openings").await;
        // Neither does level 0 of the hub lift what the owner says.
        link.say(Latch { level: 0, reason: String::new() }).await;
        refuses(&mut link, of(7, "EURUSD", 0.01), "the terminal's owner blocks openings").await;
        let ticket = ea.broker().positions()[0].ticket;
        // More than there is would turn it round.
        let closing = TradeRequest { kind: 1, position: ticket, ..of(8, "EURUSD", 0.1) };
        assert_eq!(outcome(&mut link, closing).await.result.0.retcode, 10_009);
        assert!(ea.broker().positions().is_empty());
    }
}

#[tokio::test]
async fn the_panel_says_how_things_stand() {
    for platform in BOTH {
        let hub = EaHub::start().await;
        let ea = Ea::start(platform, &hub);
        let mut link = hub.session().await;
        let says =
            |words: &'static str| move |told: &[String]| told[0] == "object" && told[1] == "text" && told[5].contains(words);
        for words in ["State: connected", "Account: 1001@Demo-Server", "Hub: 127.0.0.1:"] {
            soon(words, ea.tells(says(words))).await;
        }
        link.say(Latch { level: 3, reason: "the owner said stop".into() }).await;
        soon("the kill switch is on the chart", ea.tells(says("Kill switch: the owner said stop"))).await;
        ea.set_switches(mtbridge::simulator::Switches { terminal_trade_allowed: false, ..ea.switches() });
        soon("the button is on the chart", ea.tells(says("Algo trading is off"))).await;
        drop(link);
        soon("the broken connection is on the chart", ea.tells(says("State: waiting to connect again"))).await;
        ea.is_well();
    }
}
