//! Which answers are denials, and what the audit hears of them; the throttle's 429; and secrets where they must not be.

use std::net::IpAddr;

use axum::http::{HeaderValue, StatusCode, Uri, header};

use super::{ApiState, error::ApiError};
use crate::{
    access::{Found, denials::Denial, secret},
    telemetry::{
        metrics::count,
        origin::{self, Origin},
    },
};

/// Refusals of trades by limits and switches: no permission was missing, and still somebody was held back. They leave no command.
const HELD_BACK: [&str; 3] = ["limit_exceeded", "limit_unknown", "kill_switch"];

/// Tells the audit, if this is a denial.
pub(super) fn note(access: &crate::access::Access, error: &ApiError, origin: &Origin, target: &str) {
    let denial_status =
        matches!(error.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS);
    let reason = match error.denial() {
        Some(reason) => reason,
        None if denial_status || HELD_BACK.contains(&error.code()) => error.code(),
        None => return,
    };
    access.guard().denials.note(Denial {
        reason,
        lacks: error.lacks(),
        actor: origin.actor(),
        address: origin.address,
        target,
        request: &origin.request,
    });
}

/// Tells the audit whose secret it was that is over: revoked, or expired.
pub(super) fn name(state: &ApiState, secret: &str) {
    if let (Some(origin), Some(found)) = (origin::current(), state.access.find(secret)) {
        origin.is_of(match found {
            Found::Token(token) => token.id.to_string(),
            Found::Key(key) => key.id.to_string(),
        });
    }
}

/// Counts a secret that was not accepted; the answer is `refusal`, or a 429 when too many failed from there. Valid secrets never come here.
pub(super) fn failed(state: &ApiState, what: &'static str, address: Option<IpAddr>, refusal: ApiError) -> ApiError {
    let Some(wait) = address.and_then(|address| state.access.guard().throttle.failed(address)) else { return refusal };
    count(&state.hub.metrics().throttled, "what", what);
    let seconds = u64::try_from(wait.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX);
    let detail = format!("{}; too many attempts from this address have failed, so wait {seconds} s", refusal.detail());
    let error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_failures", detail).with("retry_after", seconds);
    match HeaderValue::from_str(&seconds.to_string()) {
        Ok(value) => error.with_header(header::RETRY_AFTER, value),
        Err(_) => error,
    }
}

/// 400 when a secret of ours stands in the query: proxies, histories and logs have it by now.
pub(super) fn leaked(uri: &Uri) -> Option<ApiError> {
    let query = uri.query()?;
    secret::PREFIXES.iter().any(|prefix| holds_secret(query, prefix)).then(|| {
        ApiError::new(
            StatusCode::BAD_REQUEST,
            "secret_in_url",
            "a secret stands in this address, where proxies and logs keep it: consider it leaked, revoke it with POST \
             /api/v1/credentials/revoke {\"secret\": \"…\"}, and send the next one as Authorization: Bearer",
        )
        .denied_as("secret_in_url")
    })
}

fn holds_secret(text: &str, prefix: &str) -> bool {
    text.match_indices(prefix).any(|(at, _)| {
        let rest = &text.as_bytes()[at + prefix.len()..];
        rest.len() >= secret::AFTER_PREFIX && rest[..secret::AFTER_PREFIX].iter().all(u8::is_ascii_alphanumeric)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::secret::Secret;

    fn is_leaked(address: &str) -> bool {
        leaked(&address.parse().unwrap()).is_some()
    }

    #[test]
    fn a_secret_is_found_under_whatever_name_and_what_only_begins_like_one_is_not() {
        for prefix in secret::PREFIXES {
            let text = Secret::generate(prefix).unwrap();
            assert!(is_leaked(&format!("/api/v1/keys?api_key={}", text.reveal())));
            assert!(is_leaked(&format!("/?a=1&x={}&b=2", text.reveal())));
            assert!(!is_leaked(&format!("/x?api_key={}", &text.reveal()[..text.reveal().len() - 1])));
            assert!(!is_leaked(&format!("/{}", text.reveal())), "a path is looked up as what it names");
        }
        assert!(!is_leaked("/api/v1/terminals?symbols=mtb_EURUSD,sk_live_x"));
    }
}
