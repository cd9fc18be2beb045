//! A running hub, as the command line reaches it: over REST, with an API key that never stands among the arguments.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, bail};
use clap::Args;
use reqwest::{Method, Url};
use serde_json::Value;

use super::{
    exit::{self, Failure},
    output::Output,
};

/// A read waits for its answer so long; the hub itself gives a terminal less.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// The variable that holds the key itself.
const KEY_VARIABLE: &str = "MTBRIDGE_API_KEY";
/// The variable that names a file with the key.
const KEY_FILE_VARIABLE: &str = "MTBRIDGE_API_KEY_FILE";

/// Which hub, who asks, and how the answer is to look. The same for every command that asks a running hub.
#[derive(Debug, Clone, Args)]
pub(super) struct Remote {
    /// The hub's address
    #[arg(
        long,
        env = "MTBRIDGE_URL",
        default_value = "http://127.0.0.1:8787",
        global = true,
        value_name = "URL",
        help_heading = "Hub"
    )]
    url: Url,
    /// File with the API key, - for standard input; else the key is in MTBRIDGE_API_KEY, or in the file that MTBRIDGE_API_KEY_FILE names
    #[arg(long, global = true, value_name = "FILE", help_heading = "Hub")]
    key_file: Option<PathBuf>,
    /// For https: trust only the certificates in this PEM file, not the system's
    #[arg(long, global = true, value_name = "FILE", help_heading = "Hub")]
    ca: Option<PathBuf>,
    /// Print what the hub says, one JSON object a line
    #[arg(long, global = true, help_heading = "Output")]
    json: bool,
    /// Print only the first column of a list, only the id or secret of a thing made; no notes, no progress
    #[arg(short, long, global = true, help_heading = "Output")]
    quiet: bool,
}

impl Remote {
    /// The hub to ask, and where its answers go.
    pub(super) fn open(&self) -> anyhow::Result<(Hub, Output)> {
        let out = Output::new(self.json, self.quiet);
        let key = self.key()?;
        if !matches!(self.url.scheme(), "http" | "https") || self.url.cannot_be_a_base() {
            bail!(Failure::new(exit::USAGE, format!("--url {}: must begin with http:// or https://", self.url)));
        }
        if self.url.scheme() == "http" && !is_loopback(&self.url) {
            out.note(&format!("warning: the API key goes to {} unencrypted; use https", self.url.host_str().unwrap_or("?")));
        }
        let client = super::http_client(self.ca.as_deref())?;
        Ok((Hub::new(client, self.url.clone(), key, self.json), out))
    }

    fn key(&self) -> anyhow::Result<String> {
        let missing =
            || Failure::new(exit::REFUSED, format!("no API key: set {KEY_VARIABLE}, {KEY_FILE_VARIABLE} or --key-file"));
        let from_file = |path: &PathBuf| -> anyhow::Result<String> {
            let text =
                if path.as_os_str() == "-" { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(path) };
            text.with_context(|| format!("cannot read the API key from {}", path.display()))
        };
        let text = match &self.key_file {
            Some(path) => from_file(path)?,
            None => match std::env::var(KEY_VARIABLE) {
                Ok(key) if !key.trim().is_empty() => key,
                _ => from_file(&std::env::var_os(KEY_FILE_VARIABLE).map(PathBuf::from).ok_or_else(missing)?)?,
            },
        };
        let key = text.trim();
        // Anything else cannot stand in a header; the text itself may be a secret of another kind, so it is not shown.
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            bail!(Failure::new(exit::REFUSED, "what should be the API key is none"));
        }
        Ok(key.to_owned())
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Parameters of a query string.
pub(super) type Query = Vec<(&'static str, String)>;

/// A running hub.
#[derive(Debug, Clone)]
pub(super) struct Hub {
    client: reqwest::Client,
    base: Url,
    key: String,
    json: bool,
}

/// What the hub answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Where the next page begins, for bodies that have no room for it.
    pub(super) next_cursor: Option<String>,
    /// The hub says that parts of what was asked for are missing.
    pub(super) incomplete: bool,
    /// Seconds after which asking again makes sense.
    pub(super) retry_after: Option<u64>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    pub(super) fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }
}

impl Hub {
    pub(super) const fn new(client: reqwest::Client, base: Url, key: String, json: bool) -> Self {
        Self { client, base, key, json }
    }

    /// The address of `/api/v1/` and these segments, which may hold any character.
    fn at(&self, path: &[&str], query: &Query) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["api", "v1"]).extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// One request, one answer, whatever it says. The error says whether the hub can have heard anything.
    pub(super) async fn send(
        &self,
        (method, path): (Method, &[&str]),
        query: &Query,
        body: Option<&Value>,
        headers: &[(&str, &str)],
        timeout: Duration,
    ) -> Result<Answer, reqwest::Error> {
        let mut request = self.client.request(method, self.at(path, query)).bearer_auth(&self.key).timeout(timeout);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await?;
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (next_cursor, retry_after) = (header("x-next-cursor"), header("retry-after").and_then(|text| text.parse().ok()));
        let incomplete = header("x-complete").is_some_and(|complete| complete == "false");
        let status = response.status().as_u16();
        Ok(Answer { status, next_cursor, incomplete, retry_after, body: response.bytes().await?.to_vec() })
    }

    /// A long body that the caller reads piece by piece; only its beginning is waited for here.
    pub(super) async fn stream(&self, path: &[&str]) -> Result<reqwest::Response, Failure> {
        let asking = self.client.get(self.at(path, &Query::new())).bearer_auth(&self.key).send();
        let slow = |_| Failure::new(exit::ERROR, format!("the hub at {} did not answer in time", self.base));
        let response = tokio::time::timeout(READ_TIMEOUT, asking).await.map_err(slow)?;
        let lost = |error: reqwest::Error| Failure::new(exit::ERROR, self.lost(&error));
        let response = response.map_err(lost)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let body = response.bytes().await.map_err(lost)?.to_vec();
        Err(self.failure(&Answer { status, next_cursor: None, incomplete: false, retry_after: None, body }))
    }

    /// A call that is no trade, whose answer is a success.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &[&str],
        query: &Query,
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        let sent = self.send((method, path), query, body, &[], READ_TIMEOUT).await;
        let answer = sent.map_err(|error| Failure::new(exit::ERROR, self.lost(&error)))?;
        if (200..300).contains(&answer.status) { Ok(answer) } else { Err(self.failure(&answer)) }
    }

    pub(super) async fn get(&self, path: &[&str], query: &Query) -> Result<Answer, Failure> {
        self.call(Method::GET, path, query, None).await
    }

    /// Why there is no answer, in words.
    pub(super) fn lost(&self, error: &reqwest::Error) -> String {
        let cause = std::iter::successors(std::error::Error::source(error), |error| error.source()).last();
        let cause = cause.map_or_else(|| error.to_string(), ToString::to_string);
        if error.is_connect() {
            format!("no hub at {}: {cause}", self.base)
        } else if error.is_timeout() {
            format!("the hub at {} did not answer in time", self.base)
        } else {
            format!("the connection to {} was lost: {cause}", self.base)
        }
    }

    /// An answer that is no success, in words and as an exit code.
    pub(super) fn failure(&self, answer: &Answer) -> Failure {
        let problem: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        let text = |field: &str| problem[field].as_str().unwrap_or_default();
        let Some(code) = problem["code"].as_str() else {
            let kind = match answer.status {
                401 | 403 => exit::REFUSED,
                404 => exit::NOT_FOUND,
                _ => exit::ERROR,
            };
            return Failure::new(kind, format!("{} answers {}, and not as a hub does; check --url", self.base, answer.status));
        };
        let mut message = format!("{code}: {}", text("detail"));
        for wrong in problem["errors"].as_array().into_iter().flatten().skip(1) {
            let field = wrong["pointer"].as_str().unwrap_or_default().trim_start_matches('/');
            message += &format!("; {field} {}", wrong["detail"].as_str().unwrap_or_default());
        }
        for one in problem["candidates"].as_array().into_iter().flatten() {
            let account = &one["account"];
            message += &format!(
                "\n  {} {}@{}",
                one["id"].as_str().unwrap_or_default(),
                account["login"],
                account["server"].as_str().unwrap_or_default()
            );
        }
        if answer.status >= 500 {
            message += &format!(" ({})", text("request_id"));
        }
        Failure { code: exit_code(answer.status, code), message, body: self.json.then(|| answer.text().into_owned()) }
    }
}

/// The exit code for an error of the hub.
fn exit_code(status: u16, code: &str) -> u8 {
    match code {
        "terminal_offline"
        | "broker_link_down"
        | "trading_disabled"
        | "market_closed"
        | "terminal_busy"
        | "terminal_timeout"
        | "terminal_loading"
        | "limit_unknown"
        | "store_unavailable"
        | "rate_limit_exceeded" => exit::NOT_NOW,
        // As with 401, and the address has shown too many like it.
        "too_many_failures" => exit::REFUSED,
        "validation_error" | "malformed_request" | "ambiguous_terminal" => exit::USAGE,
        "broker_rejected"
        | "ea_refused"
        | "not_executed"
        | "cancelled"
        | "kill_switch"
        | "limit_exceeded"
        | "duplicate_order"
        | "would_open"
        | "idempotency_key_reused"
        | "tags_exhausted"
        | "unsupported" => exit::NOT_EXECUTED,
        // Of a trade: its time was over. Of a token or a key it is 409.
        "expired" if status == 422 => exit::NOT_EXECUTED,
        // What the key stood for may have been executed long ago.
        "key_expired" => exit::UNKNOWN,
        _ => match status {
            401 | 403 => exit::REFUSED,
            404 => exit::NOT_FOUND,
            _ => exit::ERROR,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub(base: &str) -> Hub {
        Hub::new(super::super::http_client(None).unwrap(), base.parse().unwrap(), "sk_live_x".into(), false)
    }

    #[test]
    fn names_with_any_character_stay_one_segment_of_the_path() {
        let url = hub("http://h:1")
            .at(&["terminals", "1@A b/c", "bars", "US500#?"], &vec![("from", "2024-03-01T00:00:00+02:00".into())]);
        assert_eq!(
            url.as_str(),
            "http://h:1/api/v1/terminals/1@A%20b%2Fc/bars/US500%23%3F?from=2024-03-01T00%3A00%3A00%2B02%3A00"
        );
        assert_eq!(hub("http://h/mt/").at(&["tokens"], &vec![]).as_str(), "http://h/mt/api/v1/tokens", "a path in front stays");
    }

    #[test]
    fn an_error_of_the_hub_has_the_exit_code_that_says_what_it_means() {
        let code = |status, body: &str| {
            hub("http://h")
                .failure(&Answer {
                    status,
                    next_cursor: None,
                    incomplete: false,
                    retry_after: None,
                    body: body.as_bytes().to_vec(),
                })
                .code
        };
        let cases = [
            (401, "unauthorized", exit::REFUSED),
            (403, "forbidden", exit::REFUSED),
            (404, "terminal_not_found", exit::NOT_FOUND),
            (409, "terminal_offline", exit::NOT_NOW),
            (429, "terminal_busy", exit::NOT_NOW),
            (503, "store_unavailable", exit::NOT_NOW),
            (409, "kill_switch", exit::NOT_EXECUTED),
            (422, "limit_exceeded", exit::NOT_EXECUTED),
            (422, "validation_error", exit::USAGE),
            (409, "ambiguous_terminal", exit::USAGE),
            (409, "key_expired", exit::UNKNOWN),
            (409, "expired", exit::ERROR),
            (422, "expired", exit::NOT_EXECUTED),
            (500, "internal", exit::ERROR),
        ];
        for (status, word, expected) in cases {
            assert_eq!(code(status, &format!(r#"{{"code":"{word}","detail":"x"}}"#)), expected, "{word}");
        }
        assert_eq!(code(502, "<html>"), exit::ERROR);
        assert_eq!(code(404, ""), exit::NOT_FOUND);
    }

    #[test]
    fn only_addresses_of_this_machine_are_loopback() {
        for (url, loopback) in [
            ("http://127.0.0.1:1", true),
            ("http://[::1]", true),
            ("http://localhost", true),
            ("http://10.0.0.1", false),
            ("http://localhost.example.com", false),
        ] {
            assert_eq!(is_loopback(&url.parse().unwrap()), loopback, "{url}");
        }
    }
}
