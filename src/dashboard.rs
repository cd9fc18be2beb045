//! The embedded page: files, and nothing else. It is a plain client of the public API (`dashboard/` is its source).

use axum::{
    Router,
    body::Body,
    extract::Path,
    http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header},
    routing::get,
};
use rust_embed::{EmbeddedFile, RustEmbed};

/// What `dashboard/dist` held when the hub was built; see `build.rs`.
#[derive(RustEmbed)]
#[folder = "$DASHBOARD_EMBED_DIR"]
struct Files;

/// Addresses within the page. All of them are answered with the one document, which then shows what belongs there.
const PAGES: [&str; 9] = [
    "/connections",
    "/terminal",
    "/terminal/{*rest}",
    "/keys",
    "/audit",
    "/audit/{*rest}",
    "/settings",
    "/settings/{*rest}",
    "/about",
];

/// Nothing but the hub's own files runs or is shown; no script is inline, and no text becomes markup.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; \
                   form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// The routes of the page. `/` is the API's, which sends browsers to `/connections`.
pub fn router() -> Router {
    let pages = PAGES.iter().fold(Router::new(), |router, path| router.route(path, get(document)));
    pages
        .route(
            "/assets/{*path}",
            get(|Path(path): Path<String>, headers: HeaderMap| async move { file(&format!("assets/{path}"), &headers) }),
        )
        .route("/theme.js", get(|headers: HeaderMap| async move { file("theme.js", &headers) }))
        .route("/favicon.svg", get(|headers: HeaderMap| async move { file("favicon.svg", &headers) }))
        .route("/third-party.md", get(|headers: HeaderMap| async move { file("third-party.md", &headers) }))
}

async fn document(headers: HeaderMap) -> Response<Body> {
    file("index.html", &headers)
}

fn file(path: &str, asked: &HeaderMap) -> Response<Body> {
    let packed = takes_gzip(asked).then(|| Files::get(&format!("{path}.gz"))).flatten();
    let gzipped = packed.is_some();
    let Some(found) = packed.or_else(|| Files::get(path)) else {
        return answer(StatusCode::NOT_FOUND, Body::from("there is no such file"));
    };
    let tag = format!("\"{}\"", crate::crypto::hex(&found.metadata.sha256_hash()[..16]));
    let same = asked.get_all(header::IF_NONE_MATCH).iter().any(|value| value.to_str().is_ok_and(|value| value.contains(&tag)));
    let mut response = if same { answer(StatusCode::NOT_MODIFIED, Body::empty()) } else { answer(StatusCode::OK, body(found)) };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type(path)));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if gzipped {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    // The names of assets carry a hash of what is in them; a document names its assets, so it is asked for again each time.
    let lasts = if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(lasts));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

/// Whether the page was built with files that are gzipped already, and the browser takes them (RFC 9110 section 12.5.3).
fn takes_gzip(asked: &HeaderMap) -> bool {
    let named =
        asked.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let mut codings =
        named.map(|coding| coding.split_once(';').map_or((coding.trim(), ""), |(name, weight)| (name.trim(), weight.trim())));
    codings.any(|(name, weight)| name.eq_ignore_ascii_case("gzip") && !matches!(weight, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
}

fn body(found: EmbeddedFile) -> Body {
    match found.data {
        std::borrow::Cow::Borrowed(bytes) => Body::from(bytes),
        std::borrow::Cow::Owned(bytes) => Body::from(bytes),
    }
}

fn answer(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers: [(HeaderName, &'static str); 5] = [
        (header::CONTENT_SECURITY_POLICY, CSP),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json" | "map") => "application/json",
        Some("md") => "text/markdown; charset=utf-8",
        _ => "application/octet-stream",
    }
}
