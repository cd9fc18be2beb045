//! Sending a trade: one Idempotency-Key, one order, whatever becomes of the connection; and saying plainly what is known of it.

use std::time::Duration;

use anyhow::Context;
use clap::Args;
use reqwest::Method;
use serde_json::Value;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::{
    StopSignal,
    command_view::{self, Record},
    exit::{self, Failure},
    output::{self, Output},
    remote::{Answer, Hub},
};

/// The hub holds one answer back for at most so long; after that it is asked in turns.
const PREFER_MAX_S: u64 = 10;
/// Added to what the hub was asked to wait, before a connection counts as lost.
const SLACK: Duration = Duration::from_secs(20);
/// Between two questions about a command.
const POLL: Duration = Duration::from_millis(500);
/// Before the first repetition; each further one waits twice as long.
const RETRY: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(8);

/// How a trade is sent and waited for.
#[derive(Debug, Clone, Args)]
pub(super) struct Sending {
    /// Stands for this one order: the same key again never trades twice [default: a new one, printed on standard error]
    #[arg(long, value_name = "KEY", value_parser = idempotency_key, help_heading = "Sending")]
    idempotency_key: Option<String>,
    /// How long to wait for the outcome, seconds; 0 only sends
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(..=3600), help_heading = "Sending")]
    wait: u64,
    /// When the connection is lost or the hub cannot take it now, send again under the same key until --wait is over
    #[arg(long, help_heading = "Sending")]
    retry: bool,
    /// Do not ask before a trade on an account with real money
    #[arg(short, long, help_heading = "Sending")]
    yes: bool,
}

fn idempotency_key(text: &str) -> Result<String, String> {
    let fine = (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if fine { Ok(text.to_owned()) } else { Err("must be 1 to 255 printable ASCII characters".to_owned()) }
}

/// One trading call.
#[derive(Debug)]
pub(super) struct Trade<'a> {
    pub(super) method: Method,
    /// Below `/api/v1`.
    pub(super) path: Vec<&'a str>,
    pub(super) body: Value,
    /// In words, for the question before it.
    pub(super) what: String,
    /// Which terminal, as the user wrote it.
    pub(super) terminal: &'a str,
}

/// What one attempt came to.
enum Attempt {
    /// The hub made, or had made, this command.
    Recorded(Record),
    /// The hub, or the network before it, says that this attempt sent nothing.
    Refused(Failure),
    /// It may have arrived.
    Unsure(String),
}

impl Sending {
    /// Sends it, waits for its outcome, prints it. The exit code is the outcome's.
    pub(super) async fn run(&self, hub: &Hub, out: Output, trade: Trade<'_>) -> anyhow::Result<u8> {
        let key = match &self.idempotency_key {
            Some(key) => key.clone(),
            None => new_key()?,
        };
        if !self.yes && output::somebody_is_there() {
            ask_about_real_money(hub, &trade).await?;
        }
        if self.idempotency_key.is_none() {
            out.note(&format!("idempotency key: {key}"));
        }
        let until = Instant::now() + Duration::from_secs(self.wait);
        let (mut stop, mut last) = (StopSignal::listen()?, None);
        let done = tokio::select! {
            done = self.follow(hub, &trade, &key, until, &mut last) => done,
            () = stop.asked() => Err(Failure::new(exit::UNKNOWN, "stopped waiting")),
        };
        match done {
            Ok(record) if record.is_final() => {
                // The outcome counts, and not who reads it.
                let _ = command_view::show(out, &record);
                Ok(record.exit_code())
            }
            Ok(record) => {
                let _ = command_view::show(out, &record);
                Err(Failure::new(exit::UNKNOWN, unknown("the outcome is not known yet", Some(&record), &key)).into())
            }
            Err(failure) if failure.code == exit::UNKNOWN => {
                Err(Failure { message: unknown(&failure.message, last.as_ref(), &key), ..failure }.into())
            }
            Err(failure) => Err(failure.into()),
        }
    }

    /// Until the command is final or the time is over; what is known so far is left in `last`.
    async fn follow(
        &self,
        hub: &Hub,
        trade: &Trade<'_>,
        key: &str,
        until: Instant,
        last: &mut Option<Record>,
    ) -> Result<Record, Failure> {
        let mut pause = RETRY;
        // Once an attempt may have arrived, only a record of the hub can say what became of the order.
        let mut may_have_arrived = false;
        let mut record = loop {
            let (failure, may_help) = match self.attempt(hub, trade, key, until).await {
                Attempt::Recorded(record) => break record,
                Attempt::Refused(failure) => {
                    let may_help = may_pass(&failure);
                    let message = format!("an earlier attempt may have arrived, and now: {}", failure.message);
                    (if may_have_arrived { Failure::new(exit::UNKNOWN, message) } else { failure }, may_help)
                }
                Attempt::Unsure(why) => {
                    may_have_arrived = true;
                    (Failure::new(exit::UNKNOWN, format!("{why}; the order may have arrived")), true)
                }
            };
            if !self.retry || !may_help || Instant::now() + pause >= until {
                return Err(failure);
            }
            sleep(pause).await;
            pause = (pause * 2).min(RETRY_MAX);
        };
        *last = Some(record.clone());
        while !record.is_final() && Instant::now() < until {
            sleep_until(until.min(Instant::now() + POLL)).await;
            // A hub that cannot be asked just now changes nothing about the trade.
            if let Ok(Ok(newer)) = timeout_at(until, record.again(hub)).await {
                record = newer;
                *last = Some(record.clone());
            }
        }
        Ok(record)
    }

    async fn attempt(&self, hub: &Hub, trade: &Trade<'_>, key: &str, until: Instant) -> Attempt {
        let wait = until.saturating_duration_since(Instant::now()).as_secs().min(PREFER_MAX_S);
        let prefer = if wait == 0 { "respond-async".to_owned() } else { format!("wait={wait}") };
        let headers = [("idempotency-key", key), ("prefer", prefer.as_str())];
        let timeout = Duration::from_secs(wait) + SLACK;
        let call = (trade.method.clone(), trade.path.as_slice());
        match hub.send(call, &Vec::new(), Some(&trade.body), &headers, timeout).await {
            Ok(answer) => judge(hub, &answer),
            Err(error) if error.is_connect() || error.is_builder() => {
                Attempt::Refused(Failure::new(exit::ERROR, format!("{}; nothing was sent", hub.lost(&error))))
            }
            Err(error) => Attempt::Unsure(hub.lost(&error)),
        }
    }
}

/// Reads an answer to a trade. Certain is only what the hub itself says, in its own form.
fn judge(hub: &Hub, answer: &Answer) -> Attempt {
    if let Some(record) = Record::read(&answer.text()) {
        return Attempt::Recorded(record);
    }
    let problem: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
    let from_hub = problem["code"].is_string() && problem["request_id"].is_string();
    // Whoever redirects has not taken it.
    if (300..400).contains(&answer.status) {
        return Attempt::Refused(hub.failure(answer));
    }
    // A hub that failed inside may have done so after it sent.
    let certain = from_hub && ((400..500).contains(&answer.status) || hub.failure(answer).code == exit::NOT_NOW);
    if certain { Attempt::Refused(hub.failure(answer)) } else { Attempt::Unsure(hub.failure(answer).message) }
}

/// Whether asking again can help: nothing is wrong with the order, only with the moment.
fn may_pass(failure: &Failure) -> bool {
    matches!(failure.code, exit::NOT_NOW | exit::ERROR)
}

async fn ask_about_real_money(hub: &Hub, trade: &Trade<'_>) -> anyhow::Result<()> {
    // A key that may not read it, or a terminal that is not there: then nobody knows, and the question is asked.
    let terminal: Value = match hub.get(&["terminals", trade.terminal], &Vec::new()).await {
        Ok(answer) => serde_json::from_slice(&answer.body).unwrap_or(Value::Null),
        Err(failure) if matches!(failure.code, exit::REFUSED) => Value::Null,
        Err(failure) => return Err(failure.into()),
    };
    if let Some(question) = question(&terminal, trade) {
        output::confirm(&question, false)?;
    }
    Ok(())
}

/// None for demo and contest accounts.
fn question(terminal: &Value, trade: &Trade<'_>) -> Option<String> {
    let account = &terminal["account"];
    let name = account["login"]
        .as_u64()
        .map_or_else(|| trade.terminal.to_owned(), |login| format!("{login}@{}", account["server"].as_str().unwrap_or_default()));
    match terminal["trade_mode_name"].as_str() {
        Some("demo" | "contest") => None,
        Some("real") => Some(format!("REAL MONEY on {name}: {}. Send it?", trade.what)),
        _ => Some(format!("{name} may be an account with real money: {}. Send it?", trade.what)),
    }
}

/// What is known of a trade whose outcome is not, and what to do.
fn unknown(why: &str, record: Option<&Record>, key: &str) -> String {
    let mut text = why.to_owned();
    if let Some(record) = record {
        text += &format!("\n{} is `{}`: {}", record.id(), record.state(), record.meaning());
        text += &format!("\nask what became of it:  mtbridge command {} --wait 60", record.id());
    }
    text + &format!(
        "\nsend it again, safely:  {}\nThe same key never trades twice. Do not send the order under another one before the outcome is known.",
        again(key)
    )
}

/// This command line, with the key in it.
fn again(key: &str) -> String {
    let mut words: Vec<_> =
        std::env::args().enumerate().map(|(at, word)| if at == 0 { "mtbridge".into() } else { quoted(&word) }).collect();
    if !words.iter().any(|word| word.starts_with("--idempotency-key")) {
        words.extend(["--idempotency-key".to_owned(), quoted(key)]);
    }
    words.join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.,:/@=+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

fn new_key() -> anyhow::Result<String> {
    let bytes = crate::crypto::random::<16>().context("no randomness for an Idempotency-Key")?;
    Ok(format!("cli-{}", crate::crypto::hex(&bytes)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hub() -> Hub {
        Hub::new(super::super::http_client(None).unwrap(), "http://127.0.0.1:1".parse().unwrap(), "sk_live_x".into(), false)
    }

    fn verdict(status: u16, body: &Value) -> (&'static str, u8) {
        let answer =
            Answer { status, next_cursor: None, incomplete: false, retry_after: None, body: body.to_string().into_bytes() };
        match judge(&hub(), &answer) {
            Attempt::Recorded(record) => ("recorded", record.exit_code()),
            Attempt::Refused(failure) => ("refused", failure.code),
            Attempt::Unsure(_) => ("unsure", exit::UNKNOWN),
        }
    }

    #[test]
    fn only_what_the_hub_itself_says_is_certain() {
        let problem = |code: &str| json!({"code": code, "detail": "x", "request_id": "req_1"});
        let cases = [
            (200, json!({"id": "cmd_1", "state": "executed", "final": true}), ("recorded", 0)),
            (202, json!({"id": "cmd_1", "state": "unknown", "final": false}), ("recorded", exit::UNKNOWN)),
            (
                422,
                json!({"id": "cmd_1", "state": "broker_rejected", "final": true, "code": "broker_rejected"}),
                ("recorded", exit::NOT_EXECUTED),
            ),
            (409, problem("terminal_offline"), ("refused", exit::NOT_NOW)),
            (403, problem("forbidden"), ("refused", exit::REFUSED)),
            (503, problem("store_unavailable"), ("refused", exit::NOT_NOW)),
            (504, problem("terminal_timeout"), ("refused", exit::NOT_NOW)),
            (308, json!("moved"), ("refused", exit::ERROR)),
            (500, problem("internal"), ("unsure", exit::UNKNOWN)),
            (502, json!("<html>bad gateway"), ("unsure", exit::UNKNOWN)),
            (504, json!({"code": "terminal_timeout"}), ("unsure", exit::UNKNOWN)),
            (404, json!("not a hub"), ("unsure", exit::UNKNOWN)),
            (200, json!({"hello": "world"}), ("unsure", exit::UNKNOWN)),
        ];
        for (status, body, expected) in cases {
            assert_eq!(verdict(status, &body), expected, "{status} {body}");
        }
    }

    #[test]
    fn real_money_and_what_may_be_real_money_is_asked_about_and_play_money_is_not() {
        let trade = Trade { method: Method::POST, path: vec![], body: json!({}), what: "buy 1 EURUSD".into(), terminal: "7" };
        let of = |mode: &str| question(&json!({"trade_mode_name": mode, "account": {"login": 7, "server": "Live"}}), &trade);
        assert_eq!((of("demo"), of("contest")), (None, None));
        assert_eq!(of("real").unwrap(), "REAL MONEY on 7@Live: buy 1 EURUSD. Send it?");
        assert!(question(&Value::Null, &trade).unwrap().starts_with("7 may be"));
    }

    #[test]
    fn a_word_of_the_command_line_is_quoted_so_that_a_shell_reads_it_back() {
        for (word, quoted_word) in
            [("EURUSD", "EURUSD"), ("a b", "'a b'"), ("it's", r"'it'\''s'"), ("", "''"), ("$HOME", "'$HOME'")]
        {
            assert_eq!(quoted(word), quoted_word);
        }
    }
}
