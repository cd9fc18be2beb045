//! Reading requests: bodies, query strings and headers, with errors that say what would be right.

use axum::{
    body::to_bytes,
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    ApiState,
    error::{ApiError, ApiResult},
    json::parse_time,
};
use crate::domain::UnixMillis;

/// A query string read into `T`, whose unknown keys are refused by name.
#[derive(Debug)]
pub(super) struct Params<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> ApiResult<Self> {
        axum::extract::Query::try_from_uri(&parts.uri).map(|query| Self(query.0)).map_err(|rejection| {
            let detail = std::error::Error::source(&rejection).map_or_else(|| rejection.to_string(), ToString::to_string);
            ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "validation_error", format!("query string: {detail}"))
        })
    }
}

/// Parameters of the path.
#[derive(Debug)]
pub(super) struct Path<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> ApiResult<Self> {
        let path = axum::extract::Path::from_request_parts(parts, state).await;
        path.map(|path| Self(path.0)).map_err(|rejection| ApiError::malformed(format!("path: {}", rejection.body_text())))
    }
}

/// A JSON body, as it came; of so many bytes at least, whatever `http.max_body_bytes` says.
#[derive(Debug)]
pub(super) struct JsonBody<const AT_LEAST: usize = 0> {
    /// The parsed body; an empty one is `{}`.
    pub(super) value: Value,
}

impl<const AT_LEAST: usize> FromRequest<ApiState> for JsonBody<AT_LEAST> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &ApiState) -> ApiResult<Self> {
        let limit = state.http.max_body_bytes.max(AT_LEAST);
        let read = tokio::time::timeout(state.http.body_timeout, to_bytes(request.into_body(), limit)).await;
        let bytes = match read {
            Err(_) => return Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", "the body did not come in time")),
            Ok(Err(_)) => {
                let detail = format!("the body is above {limit} bytes, or the connection broke");
                // What still comes of it is thrown away, and the connection with it.
                return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
                    .with_header(header::CONNECTION, HeaderValue::from_static("close")));
            }
            Ok(Ok(bytes)) => bytes,
        };
        if bytes.is_empty() {
            return Ok(Self { value: Value::Object(serde_json::Map::new()) });
        }
        let value =
            serde_json::from_slice(&bytes).map_err(|error| ApiError::malformed(format!("the body is not JSON: {error}")))?;
        Ok(Self { value })
    }
}

impl JsonBody {
    /// The body as `T`.
    ///
    /// # Errors
    /// 422 naming the field.
    pub(super) fn read<T: DeserializeOwned>(&self) -> ApiResult<T> {
        if !self.value.is_object() {
            return Err(ApiError::malformed("the body must be a JSON object"));
        }
        serde_path_to_error::deserialize(&self.value).map_err(|error| match error.path().to_string().as_str() {
            "." => ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "validation_error", error.inner().to_string()),
            field => ApiError::field(field, format!("is wrong: {}", error.inner())),
        })
    }

    /// SHA-256 of what is asked for and of the body with its keys in order: what an Idempotency-Key stands for.
    #[must_use]
    pub(super) fn fingerprint(&self, what: &str) -> [u8; 32] {
        // serde_json keeps keys sorted, so equal bodies give equal bytes in whatever order they were written.
        let canonical = self.value.to_string();
        crate::crypto::sha256(&[what.as_bytes(), b"\0", canonical.as_bytes()])
    }
}

/// The Idempotency-Key of a trading call: 1 to 255 printable characters, bare or as a quoted string (draft-ietf-httpapi-idempotency-key-header).
///
/// # Errors
/// 400 `idempotency_key_required`, 422 for one that cannot be used.
pub(super) fn idempotency_key(headers: &HeaderMap) -> ApiResult<String> {
    let Some(value) = headers.get("idempotency-key") else {
        return Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            "idempotency_key_required",
            "calls that can trade need the header Idempotency-Key: a new unique value for each new order, the same one to ask again; nothing was sent",
        ));
    };
    let text = value.to_str().unwrap_or_default().trim();
    let bare = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    if bare.is_empty() || bare.len() > 255 || bare.chars().any(|c| !c.is_ascii_graphic() && c != ' ') {
        return Err(ApiError::field("Idempotency-Key", "must be 1 to 255 printable ASCII characters"));
    }
    Ok(bare.to_owned())
}

/// How long the caller wants to wait for an outcome (RFC 7240): `wait=N` up to 60 s, 10 s by default, none with `respond-async`.
#[must_use]
pub(super) fn preferred_wait(headers: &HeaderMap) -> std::time::Duration {
    let values = headers.get_all("prefer");
    let mut wait = 10;
    for preference in values.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')) {
        let preference = preference.trim();
        if preference.eq_ignore_ascii_case("respond-async") {
            return std::time::Duration::ZERO;
        }
        if let Some(seconds) = preference.strip_prefix("wait=").and_then(|seconds| seconds.parse::<u64>().ok()) {
            wait = seconds.min(60);
        }
    }
    std::time::Duration::from_secs(wait)
}

/// A whole number, or one written as text: JSON numbers lose digits above 2^53, and a magic has 64 bits.
///
/// # Errors
/// The value's own.
pub(super) fn number_or_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u64),
        Text(String),
    }
    match Option::<Either>::deserialize(deserializer)? {
        None => Ok(None),
        Some(Either::Number(number)) => Ok(Some(number)),
        Some(Either::Text(text)) => text.parse().map(Some).map_err(|_| serde::de::Error::custom("must be a whole number")),
    }
}

/// A time in a body: RFC 3339, epoch seconds or epoch milliseconds, UTC; as text or as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment(pub(super) UnixMillis);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = match Value::deserialize(deserializer)? {
            Value::String(text) => parse_time(&text),
            Value::Number(number) => parse_time(&number.to_string()),
            _ => None,
        };
        read.map(Self).ok_or_else(|| serde::de::Error::custom("must be RFC 3339, epoch seconds or epoch milliseconds"))
    }
}

/// A member that may be left out (none), null (some none), or a value: for calls that keep what is left out and clear what is null.
///
/// # Errors
/// The value's own.
pub(super) fn nullable<'de, T: Deserialize<'de>, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    }

    #[test]
    fn keys_are_taken_bare_and_quoted() {
        for value in ["abc-1", "\"abc-1\""] {
            assert_eq!(idempotency_key(&headers("idempotency-key", value)).unwrap(), "abc-1");
        }
        for value in ["", "\"\"", &"x".repeat(256)] {
            assert!(idempotency_key(&headers("idempotency-key", value)).is_err(), "{value}");
        }
        assert!(idempotency_key(&HeaderMap::new()).is_err());
    }

    #[test]
    fn prefer_sets_the_wait() {
        assert_eq!(preferred_wait(&HeaderMap::new()).as_secs(), 10);
        assert_eq!(preferred_wait(&headers("prefer", "wait=3")).as_secs(), 3);
        assert_eq!(preferred_wait(&headers("prefer", "wait=600")).as_secs(), 60);
        assert_eq!(preferred_wait(&headers("prefer", "foo, respond-async")).as_secs(), 0);
    }

    #[test]
    fn the_order_of_keys_does_not_change_a_fingerprint_and_a_value_does() {
        let of = |text: &str| JsonBody { value: serde_json::from_str(text).unwrap() }.fingerprint("POST x");
        assert_eq!(of(r#"{"a":1,"b":{"c":2,"d":3}}"#), of(r#"{ "b":{"d":3,"c":2}, "a":1 }"#));
        assert_ne!(of(r#"{"a":1}"#), of(r#"{"a":2}"#));
    }
}
