//! What keeps other pages from using a browser's login: the cookie and its attributes, where a call comes from, and that its body is JSON.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
};

use super::error::{ApiError, ApiResult};
use crate::access::secret::Secret;

/// Name of the cookie under TLS: the prefix binds it to this host, to `/` and to TLS, by the browser itself (RFC 6265bis).
const SECURE: &str = "__Host-mtbridge";
/// And without TLS, where a browser refuses that prefix.
const PLAIN: &str = "mtbridge";

/// How much a call must show of where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strictness {
    /// It acts by a cookie: a change must say that it comes from this origin.
    Cookie,
    /// It brings its own secret, as a login does: only what says that it comes from elsewhere is refused.
    Secret,
}

const fn name(secure: bool) -> &'static str {
    if secure { SECURE } else { PLAIN }
}

/// The secret in the cookie of a login.
pub(super) fn cookie(headers: &HeaderMap, secure: bool) -> Option<&str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(found, _)| *found == name(secure)).map(|(_, value)| value)
}

/// What sets the cookie, for so many seconds.
pub(super) fn set_cookie(secret: &Secret, secure: bool, seconds: i64) -> HeaderValue {
    written(secret.reveal(), secure, seconds)
}

/// What takes the cookie away.
pub(super) fn no_cookie(secure: bool) -> HeaderValue {
    written("", secure, 0)
}

fn written(value: &str, secure: bool, seconds: i64) -> HeaderValue {
    let tail = if secure { "; Secure" } else { "" };
    let text = format!("{}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{tail}", name(secure));
    let mut header = HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""));
    header.set_sensitive(true);
    header
}

/// Refuses what a page of another origin makes a browser send.
///
/// # Errors
/// 403 `cross_site`; 415 `json_required`.
pub(super) fn check(request: &Request, secure: bool, strictness: Strictness) -> ApiResult<()> {
    let (headers, changes) = (request.headers(), !request.method().is_safe());
    let cross = |why: &str| Err(ApiError::new(StatusCode::FORBIDDEN, "cross_site", why));
    let site = headers.get("sec-fetch-site").map(|site| site.to_str().unwrap_or_default());
    match site {
        None | Some("same-origin") => {}
        // Typed into the address bar, or a bookmark: reads and downloads, never a change.
        Some("none") if !changes => {}
        Some(_) => return cross("this call comes from a page of another origin"),
    }
    let origin = headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or_default());
    if let Some(origin) = origin
        && !is_ours(origin, request, secure)
    {
        return cross("Origin is not this hub's own");
    }
    if changes && strictness == Strictness::Cookie && site.is_none() && origin.is_none() {
        return cross("a change by a cookie needs Origin or Sec-Fetch-Site, which browsers send; a program uses an API key");
    }
    if changes && has_body(headers) && !is_json(headers) {
        return Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "json_required",
            "the body must be JSON, sent as Content-Type: application/json",
        ));
    }
    Ok(())
}

/// An origin is this hub's own when it names the host that was asked, and TLS where there is TLS. A proxy in front must pass `Host` on.
fn is_ours(origin: &str, request: &Request, secure: bool) -> bool {
    let Ok(origin) = origin.parse::<Uri>() else { return false };
    let asked = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let scheme = origin.scheme_str();
    let scheme_fits = scheme == Some("https") || (scheme == Some("http") && !secure);
    let same = |asked: &str| origin.authority().is_some_and(|origin| origin.as_str().eq_ignore_ascii_case(asked));
    scheme_fits && asked.or(request.uri().authority().map(|asked| asked.as_str())).is_some_and(same)
}

fn has_body(headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    headers.contains_key(header::TRANSFER_ENCODING) || length.is_some_and(|length| length != "0")
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn request(method: &str, headers: &[(&str, &str)]) -> Request {
        let mut request = Request::builder().method(method).uri("/api/v1/session").header("host", "hub.example:8787");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).unwrap()
    }

    fn judged(method: &str, headers: &[(&str, &str)], strictness: Strictness) -> Option<&'static str> {
        check(&request(method, headers), false, strictness).err().map(|error| error.code())
    }

    #[test]
    fn a_change_by_a_cookie_must_come_from_here() {
        use Strictness::Cookie;
        let ours = ("origin", "http://hub.example:8787");
        assert_eq!(judged("POST", &[], Cookie), Some("cross_site"), "says nothing");
        assert_eq!(judged("POST", &[ours], Cookie), None);
        assert_eq!(judged("POST", &[("sec-fetch-site", "same-origin")], Cookie), None);
        assert_eq!(judged("POST", &[ours, ("sec-fetch-site", "same-site")], Cookie), Some("cross_site"));
        assert_eq!(judged("POST", &[("sec-fetch-site", "none")], Cookie), Some("cross_site"));
        for origin in ["null", "http://hub.example", "http://evil.example:8787", "http://hub.example:8787.evil.example", "*"] {
            assert_eq!(
                judged("POST", &[("origin", origin), ("sec-fetch-site", "same-origin")], Cookie),
                Some("cross_site"),
                "{origin}"
            );
        }
    }

    #[test]
    fn a_read_by_a_cookie_is_refused_only_from_elsewhere() {
        use Strictness::Cookie;
        assert_eq!(judged("GET", &[], Cookie), None);
        assert_eq!(judged("GET", &[("sec-fetch-site", "none")], Cookie), None);
        assert_eq!(judged("GET", &[("sec-fetch-site", "cross-site")], Cookie), Some("cross_site"));
    }

    #[test]
    fn a_login_from_a_program_passes_and_from_another_page_does_not() {
        assert_eq!(judged("POST", &[], Strictness::Secret), None);
        assert_eq!(judged("POST", &[("origin", "https://evil.example")], Strictness::Secret), Some("cross_site"));
    }

    #[test]
    fn a_body_that_a_form_could_send_is_refused() {
        for kind in ["text/plain", "application/x-www-form-urlencoded", ""] {
            let headers = [("origin", "http://hub.example:8787"), ("content-length", "2"), ("content-type", kind)];
            assert_eq!(judged("POST", &headers, Strictness::Cookie), Some("json_required"), "{kind}");
        }
        let json =
            [("origin", "http://hub.example:8787"), ("content-length", "2"), ("content-type", "application/json; charset=utf-8")];
        assert_eq!(judged("POST", &json, Strictness::Cookie), None);
    }

    #[test]
    fn under_tls_only_the_bound_cookie_counts() {
        let secret = Secret::generate("ses_").unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("cookie", format!("a=b; mtbridge=plain; __Host-mtbridge={}", secret.reveal()).parse().unwrap());
        assert_eq!(cookie(&headers, true), Some(secret.reveal()));
        assert_eq!(cookie(&headers, false), Some("plain"));
        let set = set_cookie(&secret, true, 60);
        let set = set.to_str().unwrap();
        assert!(
            set.starts_with("__Host-mtbridge=ses_") && set.ends_with("; Path=/; Max-Age=60; HttpOnly; SameSite=Strict; Secure"),
            "{set}"
        );
        assert!(!set_cookie(&secret, false, 60).to_str().unwrap().contains("Secure"));
        assert_eq!(no_cookie(false), "mtbridge=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict");
    }
}
