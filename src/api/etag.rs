//! `ETag` and 304 for lists of records that do not change any more, as RFC 9110 (8.8.3, 13.1.2) has them.
//!
//! The tag is a digest of the records, so it needs no memory, holds over restarts, and changes when a broker rewrites its history. It is
//! weak: compressed or not, from the cache or from the terminal, the records are the same and the bytes are not.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::Value;

use super::table::{Cell, Format, Table};
use crate::crypto;

/// Records after which others get their turn: some milliseconds.
const TURN: usize = 4_096;

/// The tag of an answer in this format. `beside` is what it says beside its records and does not change by itself.
pub(super) async fn of<T: Table>(table: &T, format: Format, beside: &Value) -> String {
    let begun = [format.name().as_bytes(), b"\0", beside.to_string().as_bytes(), b"\0"].concat();
    let mut digest = crypto::sha256(&[&begun]);
    let mut bytes = Vec::new();
    for from in (0..table.len()).step_by(TURN) {
        bytes.clear();
        for at in from..table.len().min(from + TURN) {
            for cell in table.cells(at) {
                bytes.extend_from_slice(&match cell {
                    Cell::Time(at) => at.0.to_le_bytes(),
                    Cell::Int(number) => number.to_le_bytes(),
                    Cell::Unsigned(number) => number.to_le_bytes(),
                    Cell::Float(number) => number.to_bits().to_le_bytes(),
                    Cell::Bool(yes) => u64::from(yes).to_le_bytes(),
                });
            }
        }
        digest = crypto::sha256(&[&digest, &bytes]);
        tokio::task::yield_now().await;
    }
    format!("W/\"{}\"", crypto::hex(&digest[..16]))
}

/// Whether the caller has it already.
pub(super) fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let opaque = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
    let listed = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    listed.flat_map(|list| list.split(',')).map(str::trim).any(|one| one == "*" || opaque(one) == opaque(tag))
}

/// 304, without the records.
pub(super) fn unchanged() -> Response {
    StatusCode::NOT_MODIFIED.into_response()
}

/// What an answer with a tag says to caches: a caller's own may keep it, and asks before it uses it again.
pub(super) fn tell(tag: &str, response: &mut Response) {
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(header::ETAG, tag);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_known_weak_or_strong_anywhere_in_the_list() {
        let known = |list: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in list {
                headers.append(header::IF_NONE_MATCH, HeaderValue::from_str(value).unwrap());
            }
            is_known(&headers, "W/\"a1\"")
        };
        for list in [&["W/\"a1\""][..], &["\"a1\""], &["*"], &["\"x, y\",W/\"a1\""], &["\"x\"", "\"y\", \"a1\""]] {
            assert!(known(list), "{list:?}");
        }
        for list in [&[][..], &["a1"], &["W/\"a\""], &["\"a1 \""], &["w/\"a1\""]] {
            assert!(!known(list), "{list:?}");
        }
    }
}
