//! A command as people see it: what was asked, what became of it, and which exit code that is.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    exit::{self, Failure},
    output::{Output, unreadable, write_out},
    remote::Hub,
    table::{self, Column},
};

/// A list of commands.
pub(super) const COLUMNS: &[Column] = &[
    Column::text("COMMAND", &["/id"]),
    Column::state("STATE", &["/state"]),
    Column::time("CREATED (UTC)", &["/created_at"]),
    Column::text("ACCOUNT", &["/account"]),
    Column::text("ACTION", &["/request/action_name"]),
    Column::text("TYPE", &["/request/type_name"]),
    Column::text("SYMBOL", &["/request/symbol"]),
    Column::number("VOLUME", &["/request/volume"]),
    Column::text("RETCODE", &["/result/retcode_name"]),
    Column::number("PRICE", &["/result/price"]),
];

/// One command.
const FIELDS: &[Column] = &[
    Column::text("command", &["/id"]),
    Column::state("state", &["/state"]),
    Column::text("account", &["/account"]),
    Column::text("action", &["/request/action_name"]),
    Column::text("type", &["/request/type_name"]),
    Column::text("symbol", &["/request/symbol"]),
    Column::number("volume", &["/request/volume"]),
    Column::text("retcode", &["/result/retcode_name"]),
    Column::number("order", &["/result/order"]),
    Column::number("deal", &["/result/deal"]),
    Column::number("done volume", &["/result/volume"]),
    Column::number("done price", &["/result/price"]),
    Column::text("broker says", &["/result/comment"]),
    Column::text("reason", &["/reason"]),
    Column::text("adjudicated as", &["/adjudication/outcome"]),
    Column::text("decided by", &["/adjudication/by"]),
    Column::text("because", &["/adjudication/reason"]),
    Column::text("client id", &["/client_order_id"]),
    Column::text("asked for by", &["/by/name", "/by/id"]),
    Column::time("created (UTC)", &["/created_at"]),
    Column::time("updated (UTC)", &["/updated_at"]),
];

/// What a command went through.
const STATES: &[Column] =
    &[Column::moment("AT (UTC)", &["/at"]), Column::state("STATE", &["/state"]), Column::text("BECAUSE", &["/reason"])];

/// What a call for many positions left out.
const NOT_SENT: &[Column] = &[Column::number("NOT SENT FOR POSITION", &["/position"]), Column::text("BECAUSE", &["/reason"])];

/// A command, or the parent of several, as the hub wrote it.
#[derive(Debug, Clone)]
pub(super) struct Record {
    text: String,
    value: Value,
}

impl Record {
    /// None if it is no command.
    pub(super) fn read(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        (value["id"].is_string() && value["state"].is_string()).then(|| Self { text: text.trim_end().to_owned(), value })
    }

    pub(super) fn id(&self) -> &str {
        self.value["id"].as_str().unwrap_or_default()
    }

    pub(super) fn state(&self) -> &str {
        self.value["state"].as_str().unwrap_or_default()
    }

    fn children(&self) -> Option<&Vec<Value>> {
        self.value["commands"].as_array()
    }

    /// Positions for which no command was made, with the reason.
    fn not_sent(&self) -> &[Value] {
        self.value["not_sent"].as_array().map_or(&[], Vec::as_slice)
    }

    /// Whether nothing can follow.
    pub(super) fn is_final(&self) -> bool {
        let said = self.value["final"].as_bool();
        said.unwrap_or_else(|| self.children().is_some_and(|children| children.iter().all(|child| child["final"] == true)))
    }

    /// The exit code that says what became of it; of several commands the least certain one.
    pub(super) fn exit_code(&self) -> u8 {
        if !self.is_final() {
            return exit::UNKNOWN;
        }
        match self.children() {
            Some(children) => {
                let mut codes: BTreeSet<_> = children.iter().map(code_of).collect();
                if !self.not_sent().is_empty() {
                    codes.insert(exit::NOT_EXECUTED);
                }
                codes.last().copied().unwrap_or(0)
            }
            None => code_of(&self.value),
        }
    }

    /// What its state means for whoever waits.
    pub(super) fn meaning(&self) -> &'static str {
        match self.state() {
            "received" => "some of its commands were not begun; the same call under the same key begins them",
            "dispatched" => "it is on its way to the terminal, which has not answered yet",
            "accepted" => "the terminal took it, and may be executing it",
            "unknown" => "it was sent and may have been executed; the hub is finding out",
            _ => "some of it has no outcome yet",
        }
    }

    /// The same command as it stands now.
    pub(super) async fn again(&self, hub: &Hub) -> Result<Self, Failure> {
        let answer = hub.get(&["commands", self.id()], &Vec::new()).await?;
        Self::read(&answer.text()).ok_or_else(unreadable)
    }
}

fn code_of(command: &Value) -> u8 {
    if command["final"] == false {
        return exit::UNKNOWN;
    }
    match command["state"].as_str() {
        Some("executed" | "partial" | "placed") => 0,
        Some("adjudicated") if command["adjudication"]["outcome"] != "not_executed" => 0,
        Some("received" | "dispatched" | "accepted" | "unknown") | None => exit::UNKNOWN,
        Some(_) => exit::NOT_EXECUTED,
    }
}

/// Prints it.
pub(super) fn show(out: Output, record: &Record) -> anyhow::Result<()> {
    if out.is_json() {
        return out.line(&record.text);
    }
    if out.is_quiet() {
        return out.line(record.id());
    }
    match record.children() {
        Some(children) => {
            out.line(&format!("{}  {}, {} commands", record.id(), record.state(), children.len()))?;
            if !children.is_empty() {
                out.rows(children, COLUMNS)?;
            }
            if record.not_sent().is_empty() { Ok(()) } else { out.rows(record.not_sent(), NOT_SENT) }
        }
        None => {
            write_out(table::fields(&record.value, FIELDS, out.is_coloured()).as_bytes())?;
            match record.value["states"].as_array() {
                Some(states) if !states.is_empty() => {
                    out.line("")?;
                    out.rows(states, STATES)
                }
                _ => Ok(()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn code(value: &Value) -> u8 {
        Record::read(&value.to_string()).unwrap().exit_code()
    }

    #[test]
    fn each_state_has_the_exit_code_that_says_whether_the_market_was_touched() {
        let of = |state: &str, last: bool| code(&json!({"id": "cmd_1", "state": state, "final": last}));
        for state in ["executed", "partial", "placed"] {
            assert_eq!(of(state, true), 0, "{state}");
        }
        for state in ["broker_rejected", "ea_refused", "not_executed", "expired", "cancelled"] {
            assert_eq!(of(state, true), exit::NOT_EXECUTED, "{state}");
        }
        for state in ["received", "dispatched", "accepted", "unknown"] {
            assert_eq!(of(state, false), exit::UNKNOWN, "{state}");
        }
        let judged = |outcome: &str| {
            code(&json!({"id": "cmd_1", "state": "adjudicated", "final": true, "adjudication": {"outcome": outcome}}))
        };
        assert_eq!((judged("executed"), judged("not_executed")), (0, exit::NOT_EXECUTED));
    }

    #[test]
    fn a_parent_is_as_certain_as_its_least_certain_command() {
        let of = |states: &[(&str, bool)]| {
            let commands: Vec<_> =
                states.iter().map(|(state, last)| json!({"id": "cmd_2", "state": state, "final": last})).collect();
            code(&json!({"id": "cmd_1", "state": "whatever", "commands": commands}))
        };
        assert_eq!(of(&[]), 0);
        assert_eq!(of(&[("executed", true), ("executed", true)]), 0);
        assert_eq!(of(&[("executed", true), ("broker_rejected", true)]), exit::NOT_EXECUTED);
        assert_eq!(of(&[("broker_rejected", true), ("unknown", false)]), exit::UNKNOWN);
        let left = json!({"id": "cmd_1", "state": "executed", "final": true, "commands": [], "not_sent": [{"position": 7}]});
        assert_eq!(code(&left), exit::NOT_EXECUTED);
    }
}
