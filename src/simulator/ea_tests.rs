use super::*;
use crate::{
    domain::{
        account::Platform,
        command::{tag, tagged_comment},
        trade::retcode,
    },
    protocol::message::{outcome_kind, proof},
    simulator::{bars::BarSet, broker::AccountSettings, paper::PaperBroker},
};

const MS: u64 = 1_000;
const SECOND: u64 = 1_000_000;
const DEADLINE: u64 = 10 * SECOND;
const POINT: f64 = 0.000_01;

fn id(n: u128) -> CommandId {
    CommandId::from_bytes(n.to_be_bytes())
}

fn at(us: u64) -> Moment {
    Moment { mono_us: us, wall_us: 5_000 * SECOND + us }
}

fn account() -> Account {
    Account::new(1001, "Demo-Server").unwrap()
}

fn instance(n: u8) -> EaInstance {
    EaInstance([n; 16])
}

/// An EA, the broker it is logged in to, and what it sends.
struct Terminal {
    ea: Ea,
    broker: PaperBroker,
    linked: bool,
}

impl Terminal {
    fn start() -> Self {
        let broker = PaperBroker::in_memory(AccountSettings::default(), BarSet::embedded().unwrap(), None, 1.0);
        Self { ea: Ea::new(instance(1), account(), Journal::default()), broker, linked: true }
    }

    /// `OnDeinit` and `OnInit`: another instance over the same journal.
    fn restart(mut self) -> Self {
        self.ea.start_anew(instance(2), false);
        self
    }

    fn now(&self) -> i64 {
        self.broker.replay().view().now()
    }

    fn trade(&self, n: u128) -> Trade {
        let tag = tag(Platform::Mt5, u64::try_from(n).unwrap()).unwrap();
        let request = TradeRequest {
            action: action::DEAL,
            symbol: "EURUSD".into(),
            volume: 0.1,
            magic: tag,
            comment: tagged_comment(tag, "bot"),
            ..TradeRequest::default()
        };
        let request = Row(request);
        Trade {
            command: id(n),
            instance: instance(1),
            deadline_us: DEADLINE,
            tag,
            request,
            seen_price: 0.0,
            max_slippage_points: 0,
        }
    }

    fn take(&mut self, trade: Trade, us: u64) -> FromTerminal {
        let broker_time = self.now();
        self.ea.take(trade, at(us), broker_time)
    }

    fn next(&mut self, now: Moment, here: &Account) -> Option<Next> {
        let ea = &mut self.ea;
        self.broker.with(|broker, view| ea.next(now, here, broker, view))
    }

    /// The last checks and, if they pass, the one `OrderSend`.
    fn execute(&mut self, us: u64) -> Option<Outcome> {
        Some(match self.next(at(us), &account())? {
            Next::Refused(outcome) => outcome,
            Next::Send { command, request } => {
                let result = self.broker.order_send(&request);
                self.ea.finish(command, request.action, result)
            }
        })
    }

    fn query(&mut self, trade: &Trade, dispatched: i64) -> Answer {
        let query = Query {
            command: trade.command,
            instance: trade.instance,
            tag: trade.tag,
            request: trade.request.clone(),
            dispatched_broker_time: dispatched,
            asked_at: 0,
        };
        let (ea, linked) = (&mut self.ea, self.linked);
        self.broker.with(|broker, view| ea.query(&query, broker, Sight { linked, until_ms: view.now_ms() }))
    }
}

fn refusal(outcome: &Outcome) -> &str {
    assert_eq!(outcome.kind, outcome_kind::REFUSED);
    &outcome.reason
}

#[test]
fn a_trade_is_accepted_then_executed_then_told() {
    let mut terminal = Terminal::start();
    let trade = terminal.trade(1);
    assert_eq!(terminal.take(trade.clone(), 0), Accepted { command: id(1), lease_ms: LEASE_MS }.into());
    assert_eq!(terminal.broker.requests(), [], "accepted is before executed");
    let outcome = terminal.execute(1).unwrap();
    assert_eq!((outcome.kind, outcome.result.0.retcode), (outcome_kind::BROKER, retcode::DONE));
    assert_eq!(terminal.broker.executed()[0].request, trade.request.0, "what the hub sent is what the broker got");
    assert_eq!(terminal.execute(2), None);
}

#[test]
fn a_command_that_comes_twice_is_executed_once_and_answered_from_memory() {
    let mut terminal = Terminal::start();
    let trade = terminal.trade(1);
    terminal.take(trade.clone(), 0);
    assert!(matches!(terminal.take(trade.clone(), 1), FromTerminal::Accepted(_)), "before OrderSend");
    let outcome = terminal.execute(2).unwrap();
    assert_eq!(terminal.take(trade, 3), outcome.into(), "after it");
    assert_eq!(terminal.execute(4), None);
    assert_eq!(terminal.broker.requests().len(), 1);
}

#[test]
fn a_query_for_a_command_that_never_came_puts_a_stone_that_keeps_it_from_ever_happening() {
    let mut terminal = Terminal::start();
    let trade = terminal.trade(1);
    let now = terminal.now();
    assert_eq!(terminal.query(&trade, now).kind, answer_kind::NOT_SEEN);
    let FromTerminal::Outcome(outcome) = terminal.take(trade.clone(), 1) else { panic!("not refused") };
    assert!(refusal(&outcome).contains("before it came"));
    assert_eq!(terminal.execute(2), None);
    assert_eq!(terminal.query(&trade, now).kind, answer_kind::NOT_SEEN, "and the answer stays what it was");
    assert_eq!(terminal.broker.requests(), []);
}

#[test]
fn the_deadline_counts_immediately_before_the_order_is_sent() {
    let mut terminal = Terminal::start();
    for (n, us, late) in [(1, DEADLINE, false), (2, DEADLINE + 1, true)] {
        let trade = terminal.trade(n);
        assert!(matches!(terminal.take(trade, 0), FromTerminal::Accepted(_)), "in time when it came");
        let outcome = terminal.execute(us).unwrap();
        assert_eq!(outcome.kind == outcome_kind::REFUSED, late);
    }
    assert_eq!(terminal.broker.requests().len(), 1);
    assert_eq!(terminal.ea.due(at(DEADLINE + 2))[1].reason, "late by 1 ms");
}

#[test]
fn a_command_of_another_instance_is_not_executed_and_nothing_is_claimed_about_it() {
    let mut terminal = Terminal::start().restart();
    let trade = terminal.trade(1);
    let answer = terminal.take(trade.clone(), 0);
    assert!(matches!(answer, FromTerminal::Log(_)), "{answer:?}: a refusal would be read as `certainly not executed`");
    assert_eq!(terminal.execute(1), None);
    assert_eq!(terminal.broker.requests(), []);
}

#[test]
fn a_suspended_machine_refuses_everything_that_was_queued() {
    let mut terminal = Terminal::start();
    for n in 1..=2 {
        let trade = terminal.trade(n);
        terminal.take(trade, 0);
    }
    let woken = Moment { mono_us: 10 * MS, wall_us: at(0).wall_us + 3 * SECOND };
    let mut reasons = Vec::new();
    while let Some(next) = terminal.next(woken, &account()) {
        let Next::Refused(outcome) = next else { panic!("sent after a suspension") };
        reasons.push(refusal(&outcome).to_owned());
    }
    assert!(reasons.len() == 2 && reasons[0].contains("suspended"), "{reasons:?}");
}

#[test]
fn a_clock_that_was_set_right_by_a_second_is_no_suspension() {
    let mut terminal = Terminal::start();
    let trade = terminal.trade(1);
    terminal.take(trade, 0);
    let set_back = Moment { mono_us: 10 * MS, wall_us: at(0).wall_us - SECOND };
    assert!(matches!(terminal.next(set_back, &account()), Some(Next::Send { .. })));
}

#[test]
fn another_login_and_a_final_close_keep_the_order_from_being_sent() {
    let mut terminal = Terminal::start();
    let trade = terminal.trade(1);
    terminal.take(trade, 0);
    let other = Account::new(2002, "Demo-Server").unwrap();
    let Some(Next::Refused(outcome)) = terminal.next(at(1), &other) else { panic!() };
    assert!(refusal(&outcome).contains("2002@Demo-Server"));
    let trade = terminal.trade(2);
    terminal.take(trade, 2);
    terminal.ea.close_for_good();
    assert!(refusal(&terminal.execute(3).unwrap()).contains("for good"));
    let trade = terminal.trade(3);
    assert!(matches!(terminal.take(trade, 4), FromTerminal::Outcome(o) if o.kind == outcome_kind::REFUSED));
}

#[test]
fn the_price_guard_compares_with_the_price_now() {
    let mut terminal = Terminal::start();
    let ask = terminal.broker.replay().view().tick().unwrap().ask;
    for (n, seen_price, refused) in
        [(1, ask - 3.0 * POINT, false), (2, ask + 4.0 * POINT, true), (3, ask - 4.0 * POINT, true), (4, f64::NAN, true)]
    {
        let trade = Trade { seen_price, max_slippage_points: 3, ..terminal.trade(n) };
        terminal.take(trade, 0);
        assert_eq!(terminal.execute(1).unwrap().kind == outcome_kind::REFUSED, refused, "{seen_price}");
    }
}

#[test]
fn an_outcome_is_sent_again_until_it_is_acknowledged() {
    let mut terminal = Terminal::start();
    let trade = terminal.trade(1);
    terminal.take(trade.clone(), 0);
    let outcome = terminal.execute(0).unwrap();
    assert_eq!(terminal.ea.due(at(0)), std::slice::from_ref(&outcome));
    assert_eq!(terminal.ea.due(at(RESEND_US - 1)), []);
    assert_eq!(terminal.ea.due(at(RESEND_US)), std::slice::from_ref(&outcome));
    terminal.ea.reconnected();
    assert_eq!(terminal.ea.due(at(RESEND_US + 1)), std::slice::from_ref(&outcome), "a new connection is told at once");
    terminal.ea.acknowledge(id(1));
    assert!(!terminal.ea.waits() && terminal.ea.due(at(90 * SECOND)).is_empty());
    let now = terminal.now();
    assert_eq!(terminal.query(&trade, now).kind, answer_kind::OUTCOME, "a query is answered all the same");
    assert_eq!(terminal.ea.journal().unfinished(), []);
}

#[test]
fn an_acknowledged_command_is_dropped_ten_minutes_after_its_deadline_and_then_forgotten_not_unseen() {
    let mut terminal = Terminal::start();
    let trades = [terminal.trade(1), terminal.trade(2)];
    for trade in &trades {
        terminal.take(trade.clone(), 0);
        terminal.execute(0);
    }
    terminal.ea.acknowledge(id(2));
    let now = terminal.now();
    terminal.ea.forget(at(DEADLINE + KEEP_US - 1));
    assert_eq!(terminal.query(&trades[1], now).kind, answer_kind::OUTCOME);
    terminal.ea.forget(at(DEADLINE + KEEP_US));
    assert_eq!(terminal.query(&trades[1], now).kind, answer_kind::EVIDENCE, "the broker decides");
    assert_eq!(terminal.query(&trades[0], now).kind, answer_kind::OUTCOME, "never acknowledged, so still remembered");
    assert!(
        matches!(terminal.take(trades[1].clone(), DEADLINE + KEEP_US), FromTerminal::Answer(a) if a.kind == answer_kind::FORGOTTEN)
    );
    assert_eq!(terminal.execute(DEADLINE), None);
    assert_eq!(terminal.broker.requests().len(), 2);
}

#[test]
fn the_next_instance_answers_from_the_journal() {
    let mut first = Terminal::start();
    let (trade, late) = (first.trade(1), first.trade(2));
    first.take(trade.clone(), 0);
    let done = first.execute(1).unwrap();
    first.take(late.clone(), 0);
    first.execute(DEADLINE + 1);
    let mut second = first.restart();
    assert_eq!(second.ea.journal().unfinished(), [id(2), id(1)]);
    assert_eq!(second.ea.journal().highest_tag(), late.tag);
    let answer = second.query(&trade, 0);
    assert_eq!((answer.kind, answer.outcome_kind, answer.result), (answer_kind::OUTCOME, outcome_kind::BROKER, done.result));
    let answer = second.query(&late, 0);
    assert_eq!((answer.kind, answer.outcome_kind), (answer_kind::OUTCOME, outcome_kind::REFUSED));
}

#[test]
fn after_a_crash_inside_order_send_the_next_instance_finds_the_deal_by_its_tag() {
    let mut first = Terminal::start();
    let (trade, dispatched) = (first.trade(1), first.now());
    first.take(trade.clone(), 0);
    let Some(Next::Send { request, .. }) = first.next(at(1), &account()) else { panic!() };
    let result = first.broker.order_send(&request);
    let mut second = first.restart();
    let answer = second.query(&trade, dispatched);
    assert_eq!(answer.kind, answer_kind::EVIDENCE);
    let found = answer.result.0;
    assert_eq!(
        (found.retcode, found.deal, found.order, found.volume, found.price),
        (10_009, result.deal, result.order, 0.1, result.price)
    );
}

#[test]
fn after_a_crash_before_order_send_there_is_no_evidence_and_the_proof_is_whole() {
    let mut first = Terminal::start();
    let (trade, dispatched) = (first.trade(1), first.now());
    first.take(trade.clone(), 0);
    let mut second = first.restart();
    let answer = second.query(&trade, dispatched);
    assert_eq!((answer.kind, answer.proof), (answer_kind::NO_EVIDENCE, proof::ALL), "the INTENT line proves nothing");
    second.linked = false;
    assert_eq!(second.query(&trade, dispatched).proof, 0, "a terminal without its broker proves nothing");
}

#[test]
fn a_look_alike_is_no_evidence() {
    let first = Terminal::start();
    let trade = first.trade(1);
    let dispatched = first.now();
    let sent = &trade.request.0;
    for other in [
        TradeRequest { volume: 0.2, ..sent.clone() },
        TradeRequest { kind: 1, ..sent.clone() },
        TradeRequest { magic: 7, ..sent.clone() },
        TradeRequest {
            magic: tag(Platform::Mt5, 2).unwrap(),
            comment: tagged_comment(tag(Platform::Mt5, 2).unwrap(), "bot"),
            ..sent.clone()
        },
    ] {
        assert_eq!(first.broker.order_send(&other).retcode, retcode::DONE);
    }
    let mut second = first.restart();
    let answer = second.query(&trade, dispatched);
    assert_eq!(
        (answer.kind, answer.proof),
        (answer_kind::NO_EVIDENCE, 0),
        "its tag is there, so its absence is not proved either"
    );
    assert_eq!(second.broker.order_send(sent).retcode, retcode::DONE);
    assert_eq!(second.query(&trade, dispatched + 3 * 3_600).kind, answer_kind::NO_EVIDENCE, "older than the dispatch");
    assert_eq!(second.query(&trade, dispatched).kind, answer_kind::EVIDENCE);
}

#[test]
fn a_users_own_magic_is_found_by_the_mark_in_the_comment() {
    let mut first = Terminal::start();
    let mut trade = first.trade(1);
    trade.request.0.magic = 234_000;
    let dispatched = first.now();
    first.take(trade.clone(), 0);
    first.execute(1);
    let mut second = Terminal { ea: Ea::new(instance(2), account(), Journal::default()), broker: first.broker, linked: true };
    assert_eq!(second.query(&trade, dispatched).kind, answer_kind::EVIDENCE);
    trade.tag = tag(Platform::Mt5, 9).unwrap();
    assert_eq!(second.query(&trade, dispatched).kind, answer_kind::NO_EVIDENCE);
}

#[test]
fn absence_of_a_change_that_leaves_no_trace_is_never_proved() {
    let mut second = Terminal::start().restart();
    let mut trade = second.trade(1);
    trade.request.0 = TradeRequest { action: action::SLTP, position: 5, sl: 1.0, ..TradeRequest::default() };
    let answer = second.query(&trade, 0);
    assert_eq!((answer.kind, answer.proof & proof::COVERS_DISPATCH), (answer_kind::NO_EVIDENCE, 0));
}

#[test]
fn an_ambiguous_retcode_is_settled_by_the_brokers_history() {
    let mut terminal = Terminal::start();
    let (trade, dispatched) = (terminal.trade(1), terminal.now());
    terminal.take(trade.clone(), 0);
    let Some(Next::Send { command, request }) = terminal.next(at(1), &account()) else { panic!() };
    terminal.ea.finish(command, request.action, TradeResult { retcode: retcode::TIMEOUT, ..TradeResult::default() });
    assert_eq!(terminal.query(&trade, dispatched).kind, answer_kind::NO_EVIDENCE);
    assert_eq!(terminal.ea.journal().ended(command), None, "what proves nothing is not recorded as a result");
    let _ = terminal.broker.order_send(&request);
    assert_eq!(terminal.query(&trade, dispatched).kind, answer_kind::EVIDENCE);
}

#[test]
fn a_latched_ea_opens_nothing_and_closes_everything() {
    let mut terminal = Terminal::start();
    assert_eq!(terminal.take(terminal.trade(1), 0), Accepted { command: id(1), lease_ms: LEASE_MS }.into());
    let opened = terminal.execute(1).unwrap().result.0;
    let tick = terminal.broker.replay().view().tick().unwrap();
    terminal.ea.set_latch(Latch { level: 1, reason: "daily loss".into() });
    let mut terminal = terminal.restart();
    let instance_two = |terminal: &Terminal, n: u128| Trade { instance: instance(2), ..terminal.trade(n) };
    terminal.take(instance_two(&terminal, 2), 2);
    let outcome = terminal.execute(3).unwrap();
    assert_eq!(refusal(&outcome), "the kill switch blocks openings: daily loss", "the journal keeps it over a restart");
    let mut refused = |n: u128, change: &dyn Fn(&mut TradeRequest)| {
        let mut trade = instance_two(&terminal, n);
        change(&mut trade.request.0);
        terminal.take(trade, 2);
        terminal.execute(3).unwrap().kind == outcome_kind::REFUSED
    };
    assert!(refused(3, &|request| (request.action, request.kind, request.price) = (action::PENDING, 2, tick.bid - 0.01)));
    assert!(refused(4, &|request| request.position = opened.order), "the same side does not close");
    assert!(refused(5, &|request| (request.position, request.kind) = (999, 1)), "nor does a position that is not there");
    let reduce = |request: &mut TradeRequest| (request.position, request.kind, request.volume) = (opened.order, 1, 0.04);
    assert!(!refused(6, &reduce), "closing is never blocked");
    let stops = |request: &mut TradeRequest| {
        (request.action, request.position, request.sl) = (action::SLTP, opened.order, tick.bid - 0.01);
    };
    assert!(!refused(7, &stops));
    terminal.ea.set_latch(Latch::default());
    terminal.take(instance_two(&terminal, 8), 2);
    assert_eq!(terminal.execute(3).unwrap().kind, outcome_kind::BROKER, "and lifted it is gone");
}
