//! A model of everything a trade passes on its way (hub, network, two Expert Advisors, broker, crashes), explored exhaustively.
//!
//! The hub in it is the real one: every change of a command is made by [`mtbridge::trading::core::step`]. The rest is the design in
//! `docs/guarantees.md` at its most hostile: messages are late, doubled, overtaken or lost; the hub dies between a record and the
//! send that follows it, and comes back with another wall clock; a terminal dies anywhere, loses its file, or goes on unseen while
//! another one has taken its place; the broker executes after the terminal has given up. Then the design is broken on purpose, one
//! rule at a time, and the same checker must notice each time.
//!
//! Not in here: several commands at once (they share nothing but the sequence of tags), partial fills and pending orders (verdicts
//! like any other), a broker that drops the tag, loss of the hub's disk, the kill level that an EA keeps.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod graph;
mod rules;
mod world;

use stateright::{Checker, HasDiscoveries, Model};

use self::{graph::Graph, world::Action};

const ONCE: &str = "it is executed once at most";
const TRUE: &str = "a final record is true";
const STANDS: &str = "a final outcome never changes";
const ANSWERED: &str = "an EA that repeats itself about what is final is told to stop";
const STOPPED: &str = "nothing is sent after the call that set the kill switch has returned";
const TOLD: &str = "what contradicts a person's decision is told";
const ENDS: &str = "from everywhere an outcome can be reached";

/// One rule broken, each a mistake that somebody could make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutant {
    HubSendsBeforeTheRecordIsDurable,
    HubTellsBeforeTheRecordIsDurable,
    HubForgetsTheIdempotencyKey,
    HubResendsToANewInstance,
    HubExpiresADispatchedCommand,
    HubBelievesNotSeenFromAnotherInstance,
    HubWaitsForNothingBeforeItBelievesAbsence,
    HubDatesAbsenceByItsArrival,
    HubTrustsItsOldDeadlineAfterARestart,
    HubOverwritesAFinalRecord,
    HubAcknowledgesNoAmbiguousOutcome,
    HubNeverAsks,
    HubAsksTheKillSwitchOnlyBeforeTheRecord,
    HubBelievesThePersonForGood,
    HubTakesBackWhatIsBeingWritten,
    PersonOverwritesAnOutcome,
    EaIgnoresTheInstance,
    EaRefusesWhatIsBoundToAnother,
    EaLeavesNoTombstone,
    EaForgetsAtTheAcknowledgement,
    EaRemembersOnlyAfterOrderSend,
    EaRepeatsOrderSend,
    EaChecksTheDeadlineTooEarly,
    EaReadsAnAmbiguousRetcodeAsARefusal,
    EaProvesAbsenceFromHalfAHistory,
}

/// The rules, and how much bad luck there is.
#[derive(Clone, Copy, Debug)]
struct Design {
    mutant: Option<Mutant>,
    /// How often a live connection may break.
    cuts: u8,
    /// How often the hub may die.
    restarts: u8,
    /// Whether the kill switch may be set.
    kills: bool,
    /// How often a person may decide what is unknown.
    decisions: u8,
}

impl Design {
    const fn sound(cuts: u8, restarts: u8) -> Self {
        Self { mutant: None, cuts, restarts, kills: false, decisions: 0 }
    }

    /// The shortest way to break one of these rules, and how many states were looked at for it.
    fn breaks(self, rules: &[&'static str]) -> (usize, Option<Vec<Action>>) {
        let any = HasDiscoveries::AnyOf(rules.iter().copied().collect());
        let checker = self.checker().finish_when(any).spawn_bfs().join();
        let mut found = checker.discoveries();
        let way = rules.iter().find_map(|rule| found.remove(rule)).map(|path| path.into_actions());
        (checker.unique_state_count(), way)
    }
}

fn assert_sound(design: Design, least: usize) {
    let (states, unsafe_way) = design.breaks(&[ONCE, TRUE, STANDS, ANSWERED, STOPPED, TOLD]);
    assert!(unsafe_way.is_none(), "{unsafe_way:#?}");
    let stuck_way = Graph::of(&design).stuck();
    assert!(stuck_way.is_none(), "{ENDS}: {stuck_way:#?}");
    assert!(states > least, "only {states} states: the model has lost most of what can happen");
    println!("{states} states of {design:?}: no violation, none stuck");
}

#[test]
fn the_design_has_no_violation() {
    std::thread::scope(|both| {
        both.spawn(|| assert_sound(Design::sound(1, 0), 100_000));
        both.spawn(|| assert_sound(Design::sound(0, 1), 100_000));
    });
}

#[test]
fn the_design_has_no_violation_when_people_stop_it_and_decide() {
    assert_sound(Design { kills: true, decisions: 1, ..Design::sound(0, 0) }, 20_000);
}

/// A million states: only in the optimised build of `make prove`.
#[cfg(not(debug_assertions))]
#[test]
fn the_design_has_no_violation_when_cuts_and_restarts_come_together() {
    assert_sound(Design::sound(1, 1), 100_000);
    assert_sound(Design { kills: true, decisions: 1, ..Design::sound(1, 0) }, 100_000);
}

#[test]
fn every_planted_error_is_caught() {
    use Mutant::*;
    for (mutant, restarts, rule) in [
        (HubSendsBeforeTheRecordIsDurable, 1, ONCE),
        (HubTellsBeforeTheRecordIsDurable, 1, STANDS),
        (HubForgetsTheIdempotencyKey, 1, ONCE),
        (HubResendsToANewInstance, 0, TRUE),
        (HubExpiresADispatchedCommand, 0, TRUE),
        (HubBelievesNotSeenFromAnotherInstance, 0, TRUE),
        (HubWaitsForNothingBeforeItBelievesAbsence, 0, TRUE),
        (HubDatesAbsenceByItsArrival, 0, TRUE),
        (HubTrustsItsOldDeadlineAfterARestart, 1, TRUE),
        (HubOverwritesAFinalRecord, 0, STANDS),
        (HubAcknowledgesNoAmbiguousOutcome, 0, ANSWERED),
        (HubNeverAsks, 0, ENDS),
        (HubAsksTheKillSwitchOnlyBeforeTheRecord, 0, STOPPED),
        (HubBelievesThePersonForGood, 0, TOLD),
        (HubTakesBackWhatIsBeingWritten, 0, TRUE),
        (PersonOverwritesAnOutcome, 0, STANDS),
        (EaIgnoresTheInstance, 0, ONCE),
        (EaRefusesWhatIsBoundToAnother, 0, TRUE),
        (EaLeavesNoTombstone, 0, TRUE),
        (EaForgetsAtTheAcknowledgement, 0, TRUE),
        (EaRemembersOnlyAfterOrderSend, 0, TRUE),
        (EaRepeatsOrderSend, 0, ONCE),
        (EaChecksTheDeadlineTooEarly, 0, TRUE),
        (EaReadsAnAmbiguousRetcodeAsARefusal, 0, TRUE),
        (EaProvesAbsenceFromHalfAHistory, 0, TRUE),
    ] {
        let people = matches!(rule, STOPPED | TOLD) || mutant == PersonOverwritesAnOutcome;
        let broken = Design { mutant: Some(mutant), kills: people, decisions: u8::from(people), ..Design::sound(0, restarts) };
        let way = if rule == ENDS { Graph::of(&broken).stuck() } else { broken.breaks(&[rule]).1 };
        let way = way.unwrap_or_else(|| panic!("{mutant:?} was not noticed"));
        println!("{mutant:?}: not {rule:?} after {} steps", way.len());
    }
}
