//! What a key's plan has to say to each request under it: in or out, headers on every answer, and a place that is given back when all of
//! the answer is gone.

use std::{
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    body::{Body, HttpBody},
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use bytes::Bytes;

use super::{
    ApiState,
    error::{ApiError, ApiResult},
};
use crate::{
    access::plans::{Permit, Purse, Reached, Refused, Standing, WINDOW_S},
    domain::{UnixMillis, api_key::ApiKey, ids::KeyId},
    telemetry::metrics::count,
};

/// A request under a key, from its head to the last byte of its answer.
#[derive(Debug)]
pub(super) struct Visit {
    key: KeyId,
    permit: Arc<Permit>,
    standing: Option<Standing>,
}

/// Counts a request, and takes it in if the key's plan allows.
///
/// # Errors
/// 429 with everything that every answer has.
pub(super) fn enter(state: &ApiState, key: &ApiKey, purse: Purse, client: Option<IpAddr>) -> ApiResult<Visit> {
    state.usage.asked(key.id, client);
    match state.usage.enter(key, purse) {
        Ok((permit, standing)) => Ok(Visit { key: key.id, permit: Arc::new(permit), standing }),
        Err(refused) => {
            state.usage.refused(key.id, true);
            let reached = if refused.reached == Reached::Rate { "rate" } else { "concurrent" };
            count(&state.hub.metrics().plan_refused, "limit", reached);
            let told = headers(&refused.standing, state.clock.wall());
            Err(told.into_iter().fold(too_many(&refused), |error, (name, value)| error.with_header(name, value)))
        }
    }
}

/// In the words of the published API, in which its clients look.
pub(super) fn too_many(refused: &Refused) -> ApiError {
    let limit = match refused.reached {
        Reached::Rate => "requests_per_hour",
        Reached::Concurrent => "concurrent",
    };
    let detail = "Too many requests. Please wait before retrying.";
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded", detail)
        .with("retry_after", refused.retry_after_s)
        .with("limit", limit)
        .with("plan", refused.standing.plan.name())
        .with_header(header::RETRY_AFTER, HeaderValue::from(refused.retry_after_s))
}

/// `RateLimit-Policy` and `RateLimit` of draft-ietf-httpapi-ratelimit-headers-10, where `t` counts to the next request that comes back; and
/// the three headers that libraries have long known, where `X-RateLimit-Reset` is the second of the epoch at which all are back.
fn headers(standing: &Standing, now: UnixMillis) -> Vec<(HeaderName, HeaderValue)> {
    let Standing { grant, remaining, more_in_s, all_in_s, .. } = *standing;
    let name = match standing.purse {
        Purse::Plan => standing.plan.name(),
        Purse::Reserve => "reduce",
        Purse::Timers => "deadman",
        // It has no standing to tell.
        Purse::Nothing => "none",
    };
    let reset = now.0.div_euclid(1_000) + i64::try_from(all_in_s).unwrap_or(i64::MAX);
    let told = [
        ("ratelimit-policy", format!("\"{name}\";q={};w={WINDOW_S}", grant.requests_per_hour)),
        ("ratelimit", format!("\"{name}\";r={remaining};t={more_in_s}")),
        ("x-ratelimit-limit", grant.requests_per_hour.to_string()),
        ("x-ratelimit-remaining", remaining.to_string()),
        ("x-ratelimit-reset", reset.to_string()),
    ];
    let header =
        |(name, value): (&'static str, String)| Some((HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?));
    told.into_iter().filter_map(header).collect()
}

impl Visit {
    /// Its place among the requests under way, for whoever goes on after the answer.
    pub(super) fn permit(&self) -> Arc<Permit> {
        Arc::clone(&self.permit)
    }

    /// The answer as it goes out.
    pub(super) fn leave(self, state: &ApiState, mut response: Response) -> Response {
        if matches!(response.status(), StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS) {
            state.usage.refused(self.key, response.status() == StatusCode::TOO_MANY_REQUESTS);
        }
        if let Some(standing) = &self.standing {
            response.headers_mut().extend(headers(standing, state.clock.wall()));
        }
        let permit = self.permit;
        response.map(|inner| Body::new(Held { inner, _permit: permit }))
    }
}

/// A body with the place of its request: whoever reads slowly holds it as long.
struct Held {
    inner: Body,
    _permit: Arc<Permit>,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.inner).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        access::plans::Plans,
        clock::{Clock, Ids},
        domain::{api_key::Plan, grant::Grant},
        store::memory::MemoryStore,
    };

    #[tokio::test]
    async fn a_place_is_held_until_the_last_of_the_body_is_gone() {
        let store = Arc::new(MemoryStore::default());
        let access = crate::access::Access::open(store, [7; 32], Clock::start(), Arc::new(Ids::default())).await.unwrap();
        let new = crate::access::NewKey { plan: Plan::Free, ..crate::access::NewKey::admin("bot") };
        let (key, _) = access.mint_key(new, crate::domain::ids::OwnerId::SELF, "test").await.unwrap();
        let plans = Plans::new(Grant::default(), Clock::start());
        let (permit, _) = plans.enter(key.id, key.plan, Purse::Plan).unwrap();
        let body = Held { inner: Body::from("four"), _permit: Arc::new(permit) };
        assert_eq!(body.size_hint().exact(), Some(4), "its length is told as before");
        let mut body = Body::new(body);
        let running = || plans.look(key.id, key.plan).running;
        assert_eq!(running(), 1);
        let first = http_body_util::BodyExt::frame(&mut body).await.unwrap().unwrap();
        assert_eq!((first.into_data().unwrap().len(), running()), (4, 1));
        drop(body);
        assert_eq!(running(), 0);
    }
}
