//! One try to deliver one message.

use std::{net::IpAddr, time::Duration};

use reqwest::{Client, Url, header};

use super::{
    address::{Guard, REFUSED},
    sign::signatures,
};
use crate::{
    config,
    domain::{UnixMillis, webhook::Webhook},
    tls::TlsError,
};

/// Why a try failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What was answered, if anything was.
    pub status: Option<u16>,
    /// In words; never the address, which may hold a secret.
    pub words: String,
}

/// Sends messages. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    client: Client,
    guard: Guard,
    allow_http: bool,
    timeout: Duration,
}

impl Sender {
    /// Over TLS as the rest of the program, and only to addresses that the settings allow.
    pub(super) fn new(settings: &config::Webhooks) -> Result<Self, TlsError> {
        let guard = Guard::new(&settings.allow_private);
        let client = crate::tls::http_client(None)?
            .dns_resolver(guard.clone())
            .user_agent(concat!("mtbridge/", env!("CARGO_PKG_VERSION")));
        let client = client.build().map_err(|error| TlsError::SetUp(error.to_string()))?;
        Ok(Self { client, guard, allow_http: settings.allow_http, timeout: settings.timeout })
    }

    /// What can be said against an address before it is tried; a name is looked up each time anew.
    pub(super) fn check(&self, url: &str) -> Result<Url, &'static str> {
        let url = Url::parse(url).map_err(|_| "must be an address, https://…")?;
        match url.scheme() {
            "https" => {}
            "http" if self.allow_http => {}
            _ => return Err("must begin with https:// (webhooks.allow_http lets http:// through)"),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must not hold a user or a password");
        }
        let host = url.host_str().ok_or("must have a host")?;
        // An address is not looked up, so nobody else looks at it.
        match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) if !self.guard.lets(address) => Err(REFUSED),
            _ => Ok(url),
        }
    }

    /// Tries once. Only 2xx is success; redirects are not followed.
    pub(super) async fn send(&self, webhook: &Webhook, id: &str, now: UnixMillis, body: String) -> Result<u16, Failure> {
        let failed = |status, words: String| Failure { status, words };
        let url = self.check(&webhook.url).map_err(|words| failed(None, words.to_owned()))?;
        let seconds = now.0.div_euclid(1_000);
        let request = self
            .client
            .post(url)
            .timeout(self.timeout)
            .header(header::CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", signatures(&webhook.secrets, now, id, seconds, &body))
            .body(body);
        let response = request.send().await.map_err(|error| failed(None, told(&error.without_url())))?;
        let status = response.status();
        if status.is_success() {
            return Ok(status.as_u16());
        }
        Err(failed(Some(status.as_u16()), format!("it answered {status}")))
    }
}

/// An error with its innermost cause.
fn told(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it did not answer in time".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
