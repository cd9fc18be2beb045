//! What must hold after any run, whatever broke in it: the hub's records, the broker's requests and the broker's deals are one story.

use std::collections::HashMap;

use mtbridge::{
    domain::{
        account::Platform,
        command::{comment_sequence, tag_sequence},
    },
    simulator::{Executed, PaperBroker, ledger::Origin},
};
use serde_json::Value;

/// What was counted while it was proved.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    pub commands: usize,
    pub done: usize,
    pub requests: usize,
    pub deals: usize,
    /// What a person had to settle, because the terminal lost its memory and its journal file and MetaTrader keeps no trace of it: changes of
    /// stops and orders and, in MetaTrader 4, who closed a position.
    pub for_people: usize,
    /// Deals that the broker made by itself: stops, margin, the deposit.
    pub by_broker: usize,
}

impl std::ops::AddAssign for Counted {
    fn add_assign(&mut self, other: Self) {
        self.commands += other.commands;
        self.done += other.done;
        self.requests += other.requests;
        self.deals += other.deals;
        self.for_people += other.for_people;
        self.by_broker += other.by_broker;
    }
}

/// Whether a command's outcome may stay unknown until a person decides: one that leaves no deal that bears its tag.
pub fn is_for_people(command: &Value, platform: Platform) -> bool {
    let request = &command["request"];
    let traced = request["action"] == 1 && (platform == Platform::Mt5 || request["position"] == 0);
    command["state"] == "unknown" && !traced
}

/// What a person sees who looks at the broker's side: whether it was carried out.
pub fn was_carried_out(command: &Value, broker: &PaperBroker) -> bool {
    let tag = tag_sequence(command["tag"].as_u64().unwrap());
    let bears = |request: &&Executed| tag_of(request.request.magic, &request.request.comment) == tag;
    broker.executed().iter().any(|request| bears(&request))
}

/// The tag of the hub that a request or deal bears.
fn tag_of(magic: u64, comment: &str) -> Option<u64> {
    tag_sequence(magic).or_else(|| comment_sequence(comment))
}

/// Every command of the account has one outcome; its tag is in at most one request at the broker; executed commands and executed
/// requests match one for one; every deal traces to such a request, or to a reason of the broker's own. Nobody else traded.
pub fn one_story(commands: &[Value], broker: &PaperBroker) -> Counted {
    let (requests, deals) = (broker.requests(), broker.origins());
    let mut at_broker: HashMap<u64, &Executed> = HashMap::new();
    for request in &requests {
        let tag = tag_of(request.request.magic, &request.request.comment);
        let tag = tag.unwrap_or_else(|| panic!("a request without a tag reached the broker: {request:?}"));
        assert!(at_broker.insert(tag, request).is_none(), "tag {tag} reached the broker twice: {request:?}");
    }
    let mut counted = Counted { commands: commands.len(), requests: requests.len(), deals: deals.len(), ..Counted::default() };
    let mut known = HashMap::new();
    for command in commands {
        let tag = tag_sequence(command["tag"].as_u64().unwrap()).unwrap();
        assert!(known.insert(tag, command).is_none(), "two commands have the tag {tag}: {command}");
        counted.for_people += usize::from(command["state"] == "adjudicated");
        let done = match command["state"].as_str().unwrap() {
            "executed" | "partial" | "placed" => true,
            "adjudicated" => command["adjudication"]["outcome"] == "executed",
            "not_executed" | "ea_refused" | "broker_rejected" | "expired" | "cancelled" => false,
            other => panic!("`{other}` is no outcome: {command}"),
        };
        counted.done += usize::from(done);
        let carried_out = at_broker.get(&tag).is_some_and(|request| request.is_done());
        let beside =
            || commands.iter().filter(|other| other["request"]["position"] == command["request"]["position"]).collect::<Vec<_>>();
        assert_eq!(
            done,
            carried_out,
            "record and broker disagree: {command}, {:?}; beside it {:?}",
            at_broker.get(&tag),
            beside()
        );
    }
    for (tag, request) in &at_broker {
        assert!(known.contains_key(tag), "no command explains this request: {request:?}");
    }
    for (deal, origin) in &deals {
        let by = match origin {
            Origin::Request(id) => requests.iter().find(|request| request.result.request_id == *id),
            Origin::Deposit | Origin::StopLoss | Origin::TakeProfit | Origin::StopOut => {
                counted.by_broker += 1;
                continue;
            }
            Origin::Untraced => None,
        };
        let by = by.unwrap_or_else(|| panic!("nothing explains this deal: {deal:?}"));
        assert!(by.is_done(), "a deal of a request that was refused: {deal:?} {by:?}");
    }
    counted
}
