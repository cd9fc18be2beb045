//! Who can do what: the core's driver, the Expert Advisor, the broker, the network and bad luck.

use std::collections::BTreeSet;

use mtbridge::{
    domain::{UnixMillis, command::CommandState, trade::retcode},
    trading::core::{Event, KeptBack, Send, Step, Timing, step},
};
use stateright::{Model, Property};

use super::{Design, Mutant, world::*};

/// All that can keep a command back.
const KEPT_BACK: [KeptBack; 3] = [KeptBack::Hub, KeptBack::Caller, KeptBack::Clock];

impl Design {
    fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    fn timing(&self) -> Timing {
        // Between two queries the clock of this model stands still, so the wait between them is none.
        let timing = Timing { requery_ms: 0, alert_ms: i64::MAX, ..Timing::default() };
        if self.is(Mutant::HubWaitsForNothingBeforeItBelievesAbsence) {
            return Timing { longest_send_ms: 0, settle_ms: 0, ..timing };
        }
        timing
    }

    /// One step of the real core, made durable and carried out as the driver does it.
    fn hub(&self, world: &mut World, life: usize, event: &Event, from: Option<u8>) {
        let now = TIMES[usize::from(world.time)];
        let connected = world.connected;
        let life = &mut world.lives[life];
        let Some(before) = life.volatile else { return };
        let was_final = before.state.is_final();
        let mut before = before;
        let ambiguous = matches!(event, Event::Outcome { result, .. } if result.retcode == retcode::TIMEOUT);
        if was_final && self.is(Mutant::HubOverwritesAFinalRecord) && matches!(event, Event::Outcome { .. }) {
            before.state = CommandState::Unknown;
        }
        if self.is(Mutant::PersonOverwritesAnOutcome) && matches!(event, Event::Adjudicated { .. }) {
            before.state = CommandState::Unknown;
        }
        let Step { command, record, sends } = step(&before.command(), event, UnixMillis(now), &self.timing());
        let mut after = Record::of(&command, before.bound);
        if matches!(event, Event::HubRestarted) && self.is(Mutant::HubTrustsItsOldDeadlineAfterARestart) {
            after.deadline = before.deadline.max(now);
        }
        if matches!(event, Event::Tick { .. })
            && self.is(Mutant::HubExpiresADispatchedCommand)
            && !was_final
            && now > before.deadline
        {
            after.state = CommandState::Expired;
        }
        life.volatile = Some(after);
        if after.state.is_final() {
            life.told_otherwise |= life.told.is_some_and(|told| told != after.state);
            life.told = Some(after.state);
            let silent = !sends.contains(&Send::Acknowledge) || (ambiguous && self.is(Mutant::HubAcknowledgesNoAmbiguousOutcome));
            life.repeats_for_ever |= silent && matches!(event, Event::Outcome { .. });
        }
        if (record || after.state.is_final()) && !self.is(Mutant::HubTellsBeforeTheRecordIsDurable) {
            life.durable = life.volatile;
        }
        let told = sends.iter().any(|send| matches!(send, Send::Incident(_))) && !self.is(Mutant::HubBelievesThePersonForGood);
        let says = match event {
            Event::Outcome { kind, result, .. } => Fact::of(*kind, result.retcode).and_then(Fact::done),
            _ => None,
        };
        life.contradicted_silently |=
            was_final && before.decided.zip(says).is_some_and(|(decided, says)| decided != says) && !told;
        for send in sends {
            match send {
                Send::Query if self.is(Mutant::HubNeverAsks) => {}
                Send::Query => {
                    let bound = connected[usize::from(after.bound)];
                    for to in (0..2).filter(|to| connected[usize::from(*to)] && (!bound || *to == after.bound)) {
                        // A newer question takes the place of an older one: its answer is worth at least as much.
                        life.network.retain(|message| !matches!(message, Message::Query { to: old, .. } if *old == to));
                        life.network.insert(Message::Query { to, asked: world.time });
                    }
                }
                // Only what an EA drops because of it matters here.
                Send::Acknowledge => {
                    if let Some(to) = from.filter(|_| self.is(Mutant::EaForgetsAtTheAcknowledgement)) {
                        life.network.insert(Message::Acknowledge { to });
                    }
                }
                Send::Incident(_) | Send::Alert(_) => {}
            }
        }
    }

    fn posts(&self, world: &mut World) {
        let bound = u8::from(!world.connected[0]);
        let state = CommandState::Dispatched;
        let record = Record { state, bound, deadline: DEADLINE, retcode: None, lease_until: None, decided: None };
        let unseen = Memory { seen: false, work: Work::Nothing };
        world.lives.push(Life {
            key_known: true,
            durable: (!self.is(Mutant::HubSendsBeforeTheRecordIsDurable)).then_some(record),
            volatile: Some(record),
            dispatch: Dispatch::Waiting,
            ea: [unseen; 2],
            result_file: None,
            in_flight: 0,
            executions: 0,
            network: BTreeSet::new(),
            told: None,
            told_otherwise: false,
            repeats_for_ever: false,
            sent_after_kill: false,
            contradicted_silently: false,
        });
    }

    fn hears(&self, world: &mut World, life: usize, message: Message) {
        let from = message.terminal();
        let bound = world.lives[life].volatile.map_or(from, |record| record.bound);
        let event = match message {
            Message::Accepted { from } => Event::Accepted { from: INSTANCES[usize::from(from)], lease_ms: 60_000 },
            Message::Outcome { fact, .. } => {
                let (kind, result) = fact.on_the_wire();
                Event::Outcome { kind, reason: String::new(), result }
            }
            Message::Answer { from, says } => {
                let believed = self.is(Mutant::HubBelievesNotSeenFromAnotherInstance) && says == Says::NotSeen;
                let from = INSTANCES[usize::from(if believed { bound } else { from })];
                let arrives = self.is(Mutant::HubDatesAbsenceByItsArrival).then_some(world.time);
                Event::Answer { from, answer: says.on_the_wire(arrives) }
            }
            Message::Trade { .. } | Message::Query { .. } | Message::Acknowledge { .. } => return,
        };
        self.hub(world, life, &event, Some(from));
    }

    /// The hub's memory, its queues and every connection are gone; what was journaled is taken up again.
    fn hub_restarts(&self, world: &mut World, clock_jumps: i64) {
        world.restarts_left -= 1;
        world.connected = [false; 2];
        for index in 0..world.lives.len() {
            let life = &mut world.lives[index];
            // A terminal may have read a Trade already. A question and its answer die with their connection.
            life.network.retain(|message| matches!(message, Message::Trade { .. }));
            life.dispatch = Dispatch::Over;
            life.key_known = life.durable.is_some() && !self.is(Mutant::HubForgetsTheIdempotencyKey);
            life.volatile = life.durable.map(|record| match record.state.is_final() {
                true => record,
                false => Record { deadline: record.deadline - clock_jumps, ..record.as_journaled() },
            });
            self.hub(world, index, &Event::HubRestarted, None);
        }
    }

    fn reads(&self, world: &mut World, life: usize, who: u8, message: Message, how: Reading) {
        let life = &mut world.lives[life];
        life.taken_up(message);
        let memory = &mut life.ea[usize::from(who)];
        match message {
            Message::Trade { bound } if bound != who && !self.is(Mutant::EaIgnoresTheInstance) => {
                // Silently: "refused" from here would speak for the one who may still execute it.
                if self.is(Mutant::EaRefusesWhatIsBoundToAnother) {
                    life.network.insert(Message::Outcome { from: who, fact: Fact::Refused });
                }
            }
            Message::Trade { .. } if memory.seen => {}
            Message::Trade { .. } if how == Reading::Refusing => {
                memory.seen = true;
                life.ends(who, Fact::Refused);
            }
            Message::Trade { .. } => {
                *memory = Memory { seen: !self.is(Mutant::EaRemembersOnlyAfterOrderSend), work: Work::AboutToSend };
                life.network.insert(Message::Accepted { from: who });
            }
            Message::Query { asked, .. } => {
                let bound = life.volatile.map_or(0, |record| record.bound) == who;
                let work = memory.work;
                let never = bound && (!memory.seen || work == Work::Nothing);
                if never {
                    memory.seen = memory.seen || !self.is(Mutant::EaLeavesNoTombstone);
                }
                let known = match work {
                    Work::Ended(fact) if bound => Some(fact),
                    _ if bound => None,
                    _ => life.result_file.filter(|_| how == Reading::WithTheFile),
                };
                let synchronised = how != Reading::WithHalfAHistory;
                let whole_history = synchronised || self.is(Mutant::EaProvesAbsenceFromHalfAHistory);
                let says = match known {
                    _ if never || (!bound && self.is(Mutant::HubBelievesNotSeenFromAnotherInstance)) => Says::NotSeen,
                    _ if bound && matches!(work, Work::AboutToSend | Work::InOrderSend(_)) => Says::InProgress,
                    Some(fact) if fact != Fact::Ambiguous => Says::Outcome(fact),
                    _ if life.executions > 0 && synchronised => Says::Evidence,
                    _ => Says::NoEvidence { whole_history, asked },
                };
                // The newest only: an older one that still counts could as well have come before this one was written.
                life.network.retain(|message| !matches!(message, Message::Answer { from, .. } if *from == who));
                life.network.insert(Message::Answer { from: who, says });
            }
            Message::Acknowledge { .. } => memory.seen = false,
            Message::Accepted { .. } | Message::Outcome { .. } | Message::Answer { .. } => {}
        }
    }

    fn calls_order_send(&self, world: &mut World, life: usize, who: u8, broker: Option<Fact>) {
        let late = world.time >= SEND_OVER && !self.is(Mutant::EaChecksTheDeadlineTooEarly);
        let life = &mut world.lives[life];
        if late {
            life.ends(who, Fact::Refused);
            return;
        }
        life.executions += u8::from(broker == Some(Fact::Done));
        life.in_flight += u8::from(broker.is_none());
        life.ea[usize::from(who)].work = Work::InOrderSend(broker);
    }

    fn order_send_returns(&self, world: &mut World, life: usize, who: u8, fact: Fact) {
        let life = &mut world.lives[life];
        life.ea[usize::from(who)].seen = true;
        match fact {
            Fact::Ambiguous if self.is(Mutant::EaRepeatsOrderSend) => life.ea[usize::from(who)].work = Work::AboutToSend,
            Fact::Ambiguous if self.is(Mutant::EaReadsAnAmbiguousRetcodeAsARefusal) => life.ends(who, Fact::Rejected),
            fact => life.ends(who, fact),
        }
    }

    fn connects(&self, world: &mut World, who: u8, file: bool) {
        world.connected[usize::from(who)] = true;
        for index in 0..world.lives.len() {
            let life = &mut world.lives[index];
            // Whatever it knows it says again: E from its memory, E' from the file.
            let known = match life.ea[usize::from(who)].work {
                Work::Ended(fact) => Some(fact),
                _ => life.result_file.filter(|_| file),
            };
            life.network.extend(known.map(|fact| Message::Outcome { from: who, fact }));
            let Some(record) = life.volatile.filter(|record| record.state == CommandState::Unknown) else { continue };
            if self.is(Mutant::HubResendsToANewInstance) && record.bound != who {
                life.volatile = Some(Record { bound: who, state: CommandState::Dispatched, ..record });
                life.durable = life.volatile;
                life.dispatch = Dispatch::Waiting;
            } else {
                self.hub(world, index, &Event::SessionEntered, None);
            }
        }
    }

    fn is_cut(&self, world: &mut World, who: u8, losing_all: bool) {
        if world.terminals[usize::from(who)] == Terminal::Running {
            world.cuts_left -= 1;
        }
        world.connected[usize::from(who)] = false;
        for index in 0..world.lives.len() {
            let life = &mut world.lives[index];
            life.network.retain(|message| !losing_all || message.terminal() != who);
            if life.volatile.is_some_and(|record| record.bound == who) {
                if life.dispatch == Dispatch::Waiting {
                    life.dispatch = Dispatch::KeptBack(KeptBack::Hub);
                }
                self.hub(world, index, &Event::SessionLost, None);
            }
        }
    }

    fn actions_of_life(&self, world: &World, index: usize, actions: &mut Vec<Action>) {
        let life = &world.lives[index];
        let overwrites = self.is(Mutant::PersonOverwritesAnOutcome);
        let open = life.volatile.filter(|record| !record.state.is_final() || overwrites);
        if let Some(record) = open {
            actions.push(Action::HubLooksAtTheClock(index));
            if record.state != CommandState::Unknown {
                actions.push(Action::ClientCancels(index));
            }
            let decidable = record.state == CommandState::Unknown || self.is(Mutant::PersonOverwritesAnOutcome);
            if world.decisions_left > 0 && decidable {
                actions.extend([false, true].map(|done| Action::PersonDecides { life: index, done }));
            }
        }
        if let Some(record) = life.volatile {
            match life.dispatch {
                Dispatch::Waiting if world.connected[usize::from(record.bound)] && world.time < SEND_OVER => {
                    let stopped = world.killed && !self.is(Mutant::HubAsksTheKillSwitchOnlyBeforeTheRecord);
                    actions.extend((!stopped).then_some(Action::HubSends(index)));
                    actions.extend(KEPT_BACK.map(|by| Action::HubTakesBack(index, by)));
                }
                Dispatch::Waiting => actions.extend(KEPT_BACK.map(|by| Action::HubTakesBack(index, by))),
                Dispatch::KeptBack(_) => {
                    // Whoever wants it back and does not see that it is being written.
                    let both = self.is(Mutant::HubTakesBackWhatIsBeingWritten) && world.connected[usize::from(record.bound)];
                    actions.extend(both.then_some(Action::HubSends(index)));
                    actions.push(Action::HubRecordsThatItWasKeptBack(index));
                }
                Dispatch::Over => {}
            }
            if life.durable != life.volatile && self.commits_late() {
                actions.push(Action::HubCommits(index));
            }
        }
        for message in life.network.iter().copied() {
            let (life, who) = (index, message.terminal());
            let read = |who, how| Action::EaReads { life, who, message, how };
            let running = |who: u8| world.terminals[usize::from(who)] == Terminal::Running;
            match message {
                // No connection keeps a byte as long as that.
                Message::Trade { .. } if world.time > SETTLED => {}
                Message::Trade { .. } => {
                    for who in (0..2).filter(|who| running(*who)) {
                        actions.extend([Reading::Refusing, Reading::Plainly].map(|how| read(who, how)));
                    }
                }
                Message::Query { .. } | Message::Acknowledge { .. } if running(who) => {
                    let state = &world.lives[index];
                    actions.push(read(who, Reading::Plainly));
                    actions.extend((state.executions > 0).then_some(read(who, Reading::WithHalfAHistory)));
                    actions.extend((state.result_file.is_some() && who == 1).then_some(read(who, Reading::WithTheFile)));
                }
                Message::Query { .. } | Message::Acknowledge { .. } => {}
                Message::Accepted { .. } | Message::Outcome { .. } | Message::Answer { .. } => {
                    actions.push(Action::HubHears(index, message));
                }
            }
        }
        for who in (0..2).filter(|who| world.terminals[usize::from(*who)] == Terminal::Running) {
            let returns = |fact| Action::OrderSendReturns { life: index, who, fact };
            match life.ea[usize::from(who)].work {
                Work::AboutToSend => {
                    let brokers = [Some(Fact::Done), Some(Fact::Rejected), None];
                    actions.extend(brokers.map(|broker| Action::EaCallsOrderSend { life: index, who, broker }));
                }
                Work::InOrderSend(broker) => {
                    actions.push(returns(Fact::Ambiguous));
                    let late = broker.is_none() && life.executions > 0;
                    actions.extend(broker.or(late.then_some(Fact::Done)).map(returns));
                }
                Work::Nothing | Work::Ended(_) => {}
            }
        }
        if life.in_flight > 0 {
            actions.extend([Action::BrokerExecutesLate(index), Action::BrokerDrops(index)]);
        }
    }

    fn commits_late(&self) -> bool {
        self.is(Mutant::HubSendsBeforeTheRecordIsDurable) || self.is(Mutant::HubTellsBeforeTheRecordIsDurable)
    }
}

impl Model for Design {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            time: 0,
            terminals: [Terminal::Running, Terminal::NotStarted],
            connected: [true, false],
            cuts_left: self.cuts,
            restarts_left: self.restarts,
            killed: false,
            decisions_left: self.decisions,
            lives: Vec::new(),
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        let key_known = world.lives.iter().any(|life| life.key_known);
        if !key_known && !world.killed && world.time < SEND_OVER && world.connected != [false; 2] {
            actions.push(Action::ClientPosts);
        }
        if world.lives.is_empty() {
            return;
        }
        (0..world.lives.len()).for_each(|index| self.actions_of_life(world, index, actions));
        // Before anything waits to be sent it changes nothing that is looked at here.
        if self.kills && !world.killed && world.lives.iter().any(|life| life.dispatch == Dispatch::Waiting) {
            actions.push(Action::HubIsKilled);
        }
        if world.restarts_left > 0 && world.time <= SETTLED {
            actions.extend(JUMPS.map(|clock_jumps| Action::HubRestarts { clock_jumps }));
        }
        if world.lives.iter().all(Life::is_at_rest) {
            return;
        }
        for who in 0..2 {
            let running = world.terminals[usize::from(who)] == Terminal::Running;
            if world.connected[usize::from(who)] {
                if world.cuts_left > 0 || !running {
                    actions.extend([false, true].map(|losing_all| Action::Cut { who, losing_all }));
                }
            } else if running {
                let writes = who == 1 && world.lives.iter().any(|life| life.result_file.is_some());
                actions.push(Action::Connects { who, file: false });
                actions.extend(writes.then_some(Action::Connects { who, file: true }));
            }
        }
        if world.terminals[0] == Terminal::Running {
            actions.push(Action::FirstTerminalDies);
        }
        if world.terminals[1] == Terminal::NotStarted {
            actions.push(Action::OtherTerminalStarts);
        }
        let sending = |life: &Life, who: usize| {
            world.terminals[who] == Terminal::Running && matches!(life.ea[who].work, Work::InOrderSend(_))
        };
        let may_pass = match world.time + 1 {
            SEND_OVER => !world.lives.iter().any(|life| sending(life, 0) || sending(life, 1)),
            SETTLED => world.lives.iter().all(|life| life.in_flight == 0),
            next => usize::from(next) < TIMES.len() && world.restarts_left < self.restarts,
        };
        if may_pass {
            actions.push(Action::TimePasses);
        }
    }

    fn next_state(&self, last: &World, action: Action) -> Option<World> {
        let mut world = last.clone();
        match action {
            Action::ClientPosts => self.posts(&mut world),
            Action::HubCommits(life) => world.lives[life].durable = world.lives[life].volatile.map(Record::as_journaled),
            Action::HubSends(life) => {
                let killed = world.killed;
                let life = &mut world.lives[life];
                life.sent_after_kill |= killed;
                life.dispatch = if life.dispatch == Dispatch::Waiting { Dispatch::Over } else { life.dispatch };
                life.network.extend(life.volatile.map(|record| Message::Trade { bound: record.bound }));
            }
            Action::HubTakesBack(life, by) => world.lives[life].dispatch = Dispatch::KeptBack(by),
            Action::HubRecordsThatItWasKeptBack(life) => {
                if let Dispatch::KeptBack(by) = std::mem::replace(&mut world.lives[life].dispatch, Dispatch::Over) {
                    self.hub(&mut world, life, &Event::NotWritten { by, why: String::new() }, None);
                }
            }
            Action::HubLooksAtTheClock(life) => {
                let reachable = world.connected != [false; 2];
                self.hub(&mut world, life, &Event::Tick { reachable }, None);
            }
            Action::ClientCancels(life) => self.hub(&mut world, life, &Event::CancelRequested, None),
            Action::HubIsKilled => world.killed = true,
            Action::PersonDecides { life, done } => {
                world.decisions_left -= 1;
                let result = done.then(|| Fact::Done.on_the_wire().1);
                self.hub(&mut world, life, &Event::Adjudicated { decision: decision(done), result }, None);
            }
            Action::HubHears(life, message) => {
                world.lives[life].taken_up(message);
                self.hears(&mut world, life, message);
            }
            Action::HubRestarts { clock_jumps } => self.hub_restarts(&mut world, clock_jumps),
            Action::EaReads { life, who, message, how } => {
                self.reads(&mut world, life, who, message, how);
            }
            Action::EaCallsOrderSend { life, who, broker } => self.calls_order_send(&mut world, life, who, broker),
            Action::OrderSendReturns { life, who, fact } => self.order_send_returns(&mut world, life, who, fact),
            Action::BrokerExecutesLate(life) => {
                world.lives[life].in_flight -= 1;
                world.lives[life].executions += 1;
            }
            Action::BrokerDrops(life) => world.lives[life].in_flight -= 1,
            Action::Cut { who, losing_all } => self.is_cut(&mut world, who, losing_all),
            Action::Connects { who, file } => self.connects(&mut world, who, file),
            Action::FirstTerminalDies => world.terminals[0] = Terminal::Dead,
            Action::OtherTerminalStarts => world.terminals[1] = Terminal::Running,
            Action::TimePasses => world.time += 1,
        }
        (world != *last).then_some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(super::ONCE, |_, world: &World| {
                world.lives.iter().map(|life| u32::from(life.executions)).sum::<u32>() <= 1
            }),
            Property::always(super::TRUE, |_, world: &World| {
                // A person may be wrong; then it must be told.
                let judged = |life: &Life| life.final_state().filter(|state| *state != CommandState::Adjudicated);
                world.lives.iter().all(|life| judged(life).is_none_or(|state| state.is_done() == (life.executions > 0)))
            }),
            Property::always(super::STANDS, |_, world: &World| world.lives.iter().all(|life| !life.told_otherwise)),
            Property::always(super::ANSWERED, |_, world: &World| world.lives.iter().all(|life| !life.repeats_for_ever)),
            Property::always(super::STOPPED, |_, world: &World| world.lives.iter().all(|life| !life.sent_after_kill)),
            Property::always(super::TOLD, |_, world: &World| world.lives.iter().all(|life| !life.contradicted_silently)),
        ]
    }
}
