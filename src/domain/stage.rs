//! The states that a command went through, each with its time.
//!
//! What stands now is in the record's own fields; [`CommandRecord::earlier`] has what came before. So a new command carries nothing for it,
//! and a change takes its past along in the very write that makes it.

use serde::{Deserialize, Serialize};

use super::{
    UnixMillis,
    command::{CommandRecord, CommandState},
};

/// Of a longer past the middle is left out: a terminal that answers something else again and again must not make the record grow.
pub const EARLIER_MAX: usize = 16;

/// A state that a command entered. At rest it is an array: three fields of every change need no names.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(from = "(CommandState, UnixMillis, Option<String>)", into = "(CommandState, UnixMillis, Option<String>)")]
pub struct Stage {
    /// Which.
    pub state: CommandState,
    /// When, by the hub's clock.
    pub at: UnixMillis,
    /// Why, in words, if there is a reason.
    pub reason: Option<String>,
}

impl From<(CommandState, UnixMillis, Option<String>)> for Stage {
    fn from((state, at, reason): (CommandState, UnixMillis, Option<String>)) -> Self {
        Self { state, at, reason }
    }
}

impl From<Stage> for (CommandState, UnixMillis, Option<String>) {
    fn from(stage: Stage) -> Self {
        (stage.state, stage.at, stage.reason)
    }
}

impl CommandRecord {
    /// The states that it went through, the one in which it stands last. Of a record of a version that kept no past: that it was dispatched
    /// when it was made, and how it stands.
    #[must_use]
    pub fn stages(&self) -> Vec<Stage> {
        let mut all = self.earlier.clone();
        if all.is_empty() && self.state != CommandState::Dispatched {
            all.push(Stage { state: CommandState::Dispatched, at: self.created_at, reason: None });
        }
        all.push(Stage { state: self.state, at: self.updated_at, reason: self.reason.clone() });
        all
    }

    /// Enters a state; the one that it leaves becomes part of its past.
    pub fn enter(&mut self, state: CommandState, reason: Option<String>, at: UnixMillis) {
        self.earlier = self.stages();
        if self.earlier.len() > EARLIER_MAX {
            self.earlier.remove(EARLIER_MAX / 2);
        }
        (self.state, self.reason, self.updated_at) = (state, reason, at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{
            account::Account,
            api_key::Permission,
            ids::{CommandId, EaInstance, KeyId, OwnerId, TokenId},
            trade::{TradeRequest, TradeResult},
        },
        store::{Entry, records},
    };

    fn dispatched() -> CommandRecord {
        let ulid = ulid::Ulid::from_parts(1, 1);
        let at = UnixMillis(1_790_000_000_000);
        CommandRecord {
            id: CommandId::new(ulid),
            owner: OwnerId::SELF,
            key: KeyId::new(ulid),
            permission: Permission::TradeWrite,
            account: Account::new(1001, "Demo-Server").unwrap(),
            token: TokenId::new(ulid),
            trade_mode: 0,
            instance: EaInstance([1; 16]),
            request: TradeRequest { symbol: "EURUSD".into(), volume: 0.1, ..TradeRequest::default() },
            tag: 1,
            client_order_id: None,
            seen_price: None,
            max_slippage_points: None,
            parent: None,
            ttl_ms: 3_000,
            state: CommandState::Dispatched,
            created_at: at,
            updated_at: at,
            dispatched_broker_time: 0,
            deadline_at: at,
            result: None,
            reason: None,
            adjudication: None,
            hook: None,
            earlier: Vec::new(),
        }
    }

    fn told(record: &CommandRecord) -> Vec<(&'static str, i64, Option<&str>)> {
        let since = |at: UnixMillis| at.since(record.created_at);
        // Through the disk, as every reader gets it.
        let entry = Entry { version: 1, value: records::encode(record) };
        let read: CommandRecord = records::decode(b"c", &entry).unwrap();
        assert_eq!(&read, record);
        let reason = |stage: &Stage| {
            [record.reason.as_deref(), Some("why")].into_iter().flatten().find(|w| stage.reason.as_deref() == Some(w))
        };
        read.stages().iter().map(|stage| (stage.state.name(), since(stage.at), reason(stage))).collect()
    }

    fn enter(record: &mut CommandRecord, state: CommandState, reason: Option<&str>, after: i64) {
        record.enter(state, reason.map(str::to_owned), record.created_at.plus_ms(after));
    }

    #[test]
    fn every_state_is_kept_with_its_time_and_its_reason() {
        let mut record = dispatched();
        assert_eq!(told(&record), [("dispatched", 0, None)]);
        enter(&mut record, CommandState::Accepted, None, 5);
        enter(&mut record, CommandState::Unknown, Some("why"), 20);
        enter(&mut record, CommandState::Executed, None, 900);
        let all = [("dispatched", 0, None), ("accepted", 5, None), ("unknown", 20, Some("why")), ("executed", 900, None)];
        assert_eq!(told(&record), all);
    }

    #[test]
    fn a_record_of_a_version_that_kept_no_past_tells_what_is_known_and_goes_on_from_there() {
        // What such a version wrote is what this one writes of a command without a past.
        let mut record = dispatched();
        (record.state, record.reason, record.updated_at) =
            (CommandState::Unknown, Some("why".to_owned()), record.created_at.plus_ms(4_000));
        let bytes = records::encode(&record);
        for field in ["earlier", "hook"] {
            assert!(!bytes.windows(field.len()).any(|found| found == field.as_bytes()), "{field}");
        }
        assert_eq!(told(&record), [("dispatched", 0, None), ("unknown", 4_000, Some("why"))]);
        enter(&mut record, CommandState::NotExecuted, None, 9_000);
        assert_eq!(told(&record), [("dispatched", 0, None), ("unknown", 4_000, Some("why")), ("not_executed", 9_000, None)]);
    }

    #[test]
    fn a_terminal_that_never_settles_does_not_make_the_record_grow() {
        let mut record = dispatched();
        enter(&mut record, CommandState::Accepted, None, 1);
        for turn in 2..100 {
            enter(&mut record, CommandState::Unknown, Some("why"), turn);
        }
        enter(&mut record, CommandState::Executed, None, 100);
        let all = told(&record);
        assert_eq!(all.len(), EARLIER_MAX + 1);
        assert_eq!(all[..3], [("dispatched", 0, None), ("accepted", 1, None), ("unknown", 2, Some("why"))], "how it began");
        assert_eq!(all[EARLIER_MAX - 1..], [("unknown", 99, Some("why")), ("executed", 100, None)], "and how it ended");
        assert!(all.is_sorted_by_key(|(_, at, _)| *at));
    }

    #[test]
    fn the_past_costs_a_new_command_nothing_and_one_that_went_well_fifty_bytes() {
        let new = dispatched();
        let mut done = new.clone();
        done.result =
            Some(TradeResult { retcode: 10_009, deal: 7, order: 8, volume: 0.1, price: 1.09, ..TradeResult::default() });
        enter(&mut done, CommandState::Accepted, None, 5);
        enter(&mut done, CommandState::Executed, None, 60);
        let without = CommandRecord { earlier: Vec::new(), ..done.clone() };
        let bytes = |record: &CommandRecord| records::encode(record).len();
        println!("new {} done {} of it past {}", bytes(&new), bytes(&done), bytes(&done) - bytes(&without));
        assert!(bytes(&done) - bytes(&without) <= 60, "{} and {}", bytes(&done), bytes(&without));
    }
}
