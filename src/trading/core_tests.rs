//! The core's rules one by one, then what holds for every sequence of events.

use proptest::prelude::*;

use super::*;
use crate::{
    domain::{
        account::Account,
        api_key::Permission,
        ids::{CommandId, KeyId, OwnerId, TokenId},
        safety::Verdict as Decided,
        stage::EARLIER_MAX,
        trade::{TradeRequest, action, retcode},
    },
    protocol::codec::Row,
};

const E: EaInstance = EaInstance([1; 16]);
const OTHER: EaInstance = EaInstance([2; 16]);
const DEADLINE: UnixMillis = UnixMillis(3_000);

pub(in crate::trading) fn dispatched() -> Command {
    let ulid = ulid::Ulid::from_parts(1, 1);
    Command::new(CommandRecord {
        id: CommandId::new(ulid),
        owner: OwnerId::SELF,
        key: KeyId::new(ulid),
        permission: Permission::TradeWrite,
        account: Account::new(1001, "Demo-Server").unwrap(),
        token: TokenId::new(ulid),
        trade_mode: 0,
        instance: E,
        request: TradeRequest { action: action::DEAL, symbol: "EURUSD".into(), volume: 0.1, ..TradeRequest::default() },
        tag: 1,
        client_order_id: None,
        seen_price: None,
        max_slippage_points: None,
        parent: None,
        ttl_ms: 3_000,
        state: CommandState::Dispatched,
        created_at: UnixMillis(0),
        updated_at: UnixMillis(0),
        dispatched_broker_time: 0,
        deadline_at: DEADLINE,
        result: None,
        reason: None,
        adjudication: None,
        hook: None,
        earlier: Vec::new(),
    })
}

fn after(events: &[(i64, Event)]) -> (Command, Vec<Send>) {
    events.iter().fold((dispatched(), Vec::new()), |(command, mut sends), (now, event)| {
        let step = step(&command, event, UnixMillis(*now), &Timing::default());
        sends.extend(step.sends);
        (step.command, sends)
    })
}

#[test]
fn a_command_that_was_lost_and_found_tells_each_state_with_its_time_and_its_reason() {
    let found = (9_000, outcome(retcode::DONE));
    let (command, _) = after(&[(40, Event::Accepted { from: E, lease_ms: 1 }), (4_000, Event::SessionLost), found]);
    let told: Vec<_> = command.record.stages().into_iter().map(|stage| (stage.state, stage.at.0, stage.reason)).collect();
    let lost = Some("the connection ended before the outcome was known".to_owned());
    assert_eq!(
        told,
        [
            (CommandState::Dispatched, 0, None),
            (CommandState::Accepted, 40, None),
            (CommandState::Unknown, 4_000, lost),
            (CommandState::Executed, 9_000, None),
        ]
    );
}

fn not_written() -> Event {
    kept_back(KeptBack::Hub)
}

fn kept_back(by: KeptBack) -> Event {
    Event::NotWritten { by, why: "the connection ended".into() }
}

fn outcome(retcode: u32) -> Event {
    let result = TradeResult { retcode, deal: 7, order: 8, ..TradeResult::default() };
    Event::Outcome { kind: outcome_kind::BROKER, reason: String::new(), result }
}

fn answer(from: EaInstance, kind: u8, proof: u8, asked_at: i64) -> Event {
    let command = dispatched().record.id;
    Event::Answer {
        from,
        answer: Answer { command, kind, outcome_kind: 0, reason: String::new(), result: Row::default(), proof, asked_at },
    }
}

#[test]
fn a_trade_that_times_out_is_unknown_not_failed() {
    let (command, sends) = after(&[(4_000, Event::Tick { reachable: true })]);
    assert_eq!(command.record.state, CommandState::Unknown);
    assert_eq!(sends, [Send::Query]);
}

#[test]
fn nothing_is_given_up_before_deadline_and_grace() {
    let (command, sends) = after(&[(3_999, Event::Tick { reachable: true })]);
    assert_eq!((command.record.state, sends), (CommandState::Dispatched, vec![]));
}

#[test]
fn inside_the_send_lease_silence_is_not_unknown() {
    let accepted = (100, Event::Accepted { from: E, lease_ms: 60_000 });
    let (command, _) = after(&[accepted.clone(), (50_000, Event::Tick { reachable: true })]);
    assert_eq!(command.record.state, CommandState::Accepted);
    let (command, _) = after(&[accepted, (61_100, Event::Tick { reachable: true })]);
    assert_eq!(command.record.state, CommandState::Unknown);
}

#[test]
fn only_the_bound_instance_can_accept_or_deny() {
    let (command, _) = after(&[(1, Event::Accepted { from: OTHER, lease_ms: 1 })]);
    assert_eq!(command.record.state, CommandState::Dispatched);
    let denial = answer(OTHER, answer_kind::NOT_SEEN, 0, 0);
    let (command, _) = after(&[(1, Event::SessionLost), (900_000, denial)]);
    assert_eq!(command.record.state, CommandState::Unknown);
}

#[test]
fn a_tombstone_of_the_bound_instance_is_exact_and_at_once() {
    let (command, _) = after(&[(1, Event::SessionLost), (2, answer(E, answer_kind::NOT_SEEN, 0, 0))]);
    assert_eq!(command.record.state, CommandState::NotExecuted);
}

#[test]
fn another_instance_proves_absence_only_after_everything_in_flight_has_landed() {
    let none = |proof, asked| answer(OTHER, answer_kind::NO_EVIDENCE, proof, asked);
    let settled = DEADLINE.0 + 60_000 + 180_000;
    let state = |at, bits| after(&[(1, Event::SessionLost), (at, none(bits, at))]).0.record.state;
    assert_eq!(state(settled - 1, proof::ALL), CommandState::Unknown);
    assert_eq!(state(settled, proof::CONNECTED | proof::SYNCHRONISED), CommandState::Unknown);
    assert_eq!(state(settled, proof::ALL), CommandState::NotExecuted);
}

#[test]
fn absence_counts_from_the_question_and_not_from_the_arrival_of_its_answer() {
    let settled = DEADLINE.0 + 60_000 + 180_000;
    let none = |asked| answer(OTHER, answer_kind::NO_EVIDENCE, proof::ALL, asked);
    let state = |asked| after(&[(1, Event::SessionLost), (settled + 10, none(asked))]).0.record.state;
    assert_eq!(state(settled - 1), CommandState::Unknown, "it looked too early and was long on its way");
    assert_eq!(state(settled + 11), CommandState::Unknown, "never asked");
    assert_eq!(state(settled), CommandState::NotExecuted);
}

#[test]
fn after_a_restart_the_wait_for_absence_starts_again_whatever_the_clock_says() {
    for restart in [-500_000, 1_000, 500_000] {
        let settled = restart + 3_000 + 240_000;
        let none = |asked| answer(OTHER, answer_kind::NO_EVIDENCE, proof::ALL, asked);
        let state = |at| after(&[(restart, Event::HubRestarted), (at, none(at))]).0.record.state;
        assert_eq!(state(settled - 1), CommandState::Unknown, "restart at {restart}");
        assert_eq!(state(settled), CommandState::NotExecuted, "restart at {restart}");
    }
}

#[test]
fn an_ambiguous_outcome_of_what_is_final_is_acknowledged_or_it_would_be_repeated_for_ever() {
    let denied = (2, answer(E, answer_kind::NOT_SEEN, 0, 0));
    let (command, sends) = after(&[(1, Event::SessionLost), denied, (3, outcome(retcode::TIMEOUT))]);
    assert_eq!(command.record.state, CommandState::NotExecuted);
    assert_eq!(sends, [Send::Acknowledge, Send::Acknowledge]);
}

#[test]
fn an_ambiguous_retcode_is_unknown_and_is_not_acknowledged() {
    let (command, sends) = after(&[(1, outcome(retcode::TIMEOUT))]);
    assert_eq!(command.record.state, CommandState::Unknown);
    assert_eq!(sends, []);
    let (command, sends) = after(&[(1, outcome(retcode::TIMEOUT)), (2, outcome(retcode::DONE))]);
    assert_eq!(command.record.state, CommandState::Executed);
    assert_eq!(sends, [Send::Acknowledge]);
}

#[test]
fn a_repeated_outcome_is_acknowledged_and_changes_nothing() {
    let once = after(&[(1, outcome(retcode::DONE))]).0;
    let again = step(&once, &outcome(retcode::DONE), UnixMillis(2), &Timing::default());
    assert_eq!((again.command, again.record, again.sends), (once, false, vec![Send::Acknowledge]));
}

#[test]
fn a_deal_that_contradicts_not_executed_is_an_incident_and_overwrites_nothing() {
    let (command, sends) =
        after(&[(1, Event::SessionLost), (2, answer(E, answer_kind::NOT_SEEN, 0, 0)), (3, outcome(retcode::DONE))]);
    assert_eq!(command.record.state, CommandState::NotExecuted);
    assert!(matches!(sends[..], [.., Send::Incident(_), Send::Acknowledge]), "the incident first: {sends:?}");
}

#[test]
fn what_was_not_written_was_not_executed() {
    assert_eq!(after(&[(1, not_written())]).0.record.state, CommandState::NotExecuted);
    assert_eq!(after(&[(1, Event::SessionLost), (1, not_written())]).0.record.state, CommandState::NotExecuted);
    let accepted = Event::Accepted { from: E, lease_ms: 1 };
    assert_eq!(after(&[(1, accepted), (2, not_written())]).0.record.state, CommandState::Accepted);
}

#[test]
fn what_kept_it_back_is_told_by_the_state() {
    for (by, state) in [
        (KeptBack::Caller, CommandState::Cancelled),
        (KeptBack::Clock, CommandState::Expired),
        (KeptBack::Hub, CommandState::NotExecuted),
    ] {
        assert_eq!(after(&[(1, kept_back(by))]).0.record.state, state);
        assert_eq!(after(&[(1, Event::SessionLost), (2, kept_back(by))]).0.record.state, state);
        assert_eq!(after(&[(1, outcome(retcode::DONE)), (2, kept_back(by))]).0.record.state, CommandState::Executed);
    }
}

fn decided(outcome: Decided, order: u64) -> Event {
    let decision = Adjudication { outcome, by: "key".into(), at: UnixMillis(9), reason: "seen in the terminal by A.".into() };
    Event::Adjudicated { decision, result: outcome.is_done().then(|| TradeResult { order, ..TradeResult::default() }) }
}

#[test]
fn a_person_decides_only_what_is_unknown() {
    let decide = decided(Decided::NotExecuted, 0);
    assert_eq!(after(&[(1, decide.clone())]).0.record.state, CommandState::Dispatched);
    let (command, _) = after(&[(1, Event::SessionLost), (2, decide.clone())]);
    assert_eq!((command.record.state, command.record.is_done()), (CommandState::Adjudicated, false));
    let (command, _) = after(&[(1, Event::SessionLost), (2, decided(Decided::Executed, 8)), (3, decide)]);
    assert!(command.record.is_done(), "the first decision stands");
    let (command, _) = after(&[(1, outcome(retcode::DONE)), (2, decided(Decided::NotExecuted, 0))]);
    assert_eq!(
        (command.record.state, command.record.adjudication),
        (CommandState::Executed, None),
        "an outcome is not overwritten"
    );
}

#[test]
fn what_an_ea_tells_after_a_decision_is_acknowledged_and_a_contradiction_raised() {
    let unsettled = (1, Event::SessionLost);
    let told = |decision, event| after(&[unsettled.clone(), (2, decision), (3, event)]);
    let incidents = |sends: &[Send]| sends.iter().filter(|send| matches!(send, Send::Incident(_))).count();
    let (command, sends) = told(decided(Decided::NotExecuted, 0), outcome(retcode::DONE));
    assert_eq!((incidents(&sends), sends.contains(&Send::Acknowledge)), (1, true), "it was executed after all");
    assert_eq!((command.record.state, command.record.is_done()), (CommandState::Adjudicated, false), "and the record stands");
    let (_, sends) = told(decided(Decided::Executed, 8), outcome(retcode::DONE));
    assert_eq!((incidents(&sends), sends.contains(&Send::Acknowledge)), (0, true), "the person was right");
    let (_, sends) = told(decided(Decided::Executed, 9), outcome(retcode::DONE));
    assert_eq!(incidents(&sends), 1, "another order than the person saw");
    let (_, sends) = told(decided(Decided::Executed, 0), answer(E, answer_kind::NOT_SEEN, 0, 0));
    assert_eq!(incidents(&sends), 1, "the only instance that could never saw it");
    let (_, sends) = told(decided(Decided::NotExecuted, 0), answer(E, answer_kind::NOT_SEEN, 0, 0));
    assert_eq!((incidents(&sends), sends.contains(&Send::Acknowledge)), (0, true));
}

#[test]
fn an_unknown_outcome_is_asked_for_again_and_alerted_once() {
    let tick = Event::Tick { reachable: true };
    let (_, sends) = after(&[(1, Event::SessionLost), (2, tick.clone()), (1_000, tick.clone()), (2_002, tick.clone())]);
    assert_eq!(sends, [Send::Query, Send::Query]);
    let (_, sends) = after(&[(1, Event::SessionLost), (900_000, tick.clone()), (900_001, tick)]);
    assert_eq!(sends.iter().filter(|s| matches!(s, Send::Alert(_))).count(), 1);
}

fn any_event() -> impl Strategy<Value = Event> {
    let instance = prop_oneof![Just(E), Just(OTHER)];
    let code = prop_oneof![Just(retcode::DONE), Just(retcode::DONE_PARTIAL), Just(retcode::NO_MONEY), Just(retcode::TIMEOUT)];
    prop_oneof![
        prop_oneof![Just(KeptBack::Hub), Just(KeptBack::Caller), Just(KeptBack::Clock)].prop_map(kept_back),
        (instance.clone(), 0_u32..100_000).prop_map(|(from, lease_ms)| Event::Accepted { from, lease_ms }),
        code.prop_map(outcome),
        Just(Event::Outcome { kind: outcome_kind::REFUSED, reason: "late".into(), result: TradeResult::default() }),
        (instance, 0_u8..7, 0_u8..8, 0_i64..1_000_000).prop_map(|(from, kind, proof, asked)| answer(from, kind, proof, asked)),
        Just(Event::SessionLost),
        Just(Event::HubRestarted),
        Just(Event::SessionEntered),
        Just(Event::CancelRequested),
        any::<bool>().prop_map(|reachable| Event::Tick { reachable }),
        Just(decided(Decided::NotExecuted, 0)),
        Just(decided(Decided::Executed, 8)),
    ]
}

proptest! {
    #[test]
    fn a_final_state_absorbs_and_every_change_is_recorded(events in proptest::collection::vec((0_i64..100_000, any_event()), 0..40)) {
        let mut command = dispatched();
        let mut now = 0;
        for (wait, event) in events {
            now += wait;
            let next = step(&command, &event, UnixMillis(now), &Timing::default());
            let was = &command.record;
            if was.state.is_final() {
                prop_assert_eq!(&next.command.record, was);
            }
            // A restart moves a deadline without a record of its own: it is done again at each restart. ACCEPTED is not recorded.
            let comparable = CommandRecord { deadline_at: was.deadline_at, ..next.command.record.clone() };
            let changed = &comparable != was && comparable.state != CommandState::Accepted;
            prop_assert_eq!(next.record, changed, "{:?}", event);
            let (now_known, known) = (next.command.record.stages(), was.stages());
            if next.command.record.state == was.state {
                prop_assert!(now_known.len() >= known.len());
            } else if known.len() <= EARLIER_MAX {
                prop_assert_eq!(&now_known[..known.len()], &known[..], "what was told is told for good");
                prop_assert_eq!(now_known.len(), known.len() + 1);
            }
            prop_assert_eq!(now_known.last().map(|last| (last.state, last.at)), Some((next.command.record.state, next.command.record.updated_at)));
            if next.sends.contains(&Send::Acknowledge) {
                prop_assert!(next.command.record.state.is_final(), "acknowledged before it was final");
            }
            command = next.command;
        }
    }

    #[test]
    fn not_executed_is_never_said_while_the_instance_could_still_execute(events in proptest::collection::vec((0_i64..100_000, any_event()), 0..40)) {
        let mut command = dispatched();
        let mut now = 0;
        for (wait, event) in events {
            now += wait;
            let before = command.record.state;
            let deadline = command.record.deadline_at;
            command = step(&command, &event, UnixMillis(now), &Timing::default()).command;
            let never = |state| matches!(state, CommandState::NotExecuted | CommandState::Cancelled | CommandState::Expired);
            if never(command.record.state) && !never(before) {
                let exact = match &event {
                    Event::NotWritten { .. } => matches!(before, CommandState::Dispatched | CommandState::Unknown),
                    Event::Answer { from, answer } if answer.kind == answer_kind::NOT_SEEN => *from == E,
                    Event::Answer { answer, .. } => {
                        answer.kind == answer_kind::NO_EVIDENCE && answer.proof & proof::ALL == proof::ALL && (deadline.0 + 240_000..=now).contains(&answer.asked_at)
                    }
                    _ => false,
                };
                prop_assert!(exact, "{:?}", event);
            }
        }
    }
}
