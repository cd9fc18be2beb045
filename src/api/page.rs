//! Pages for people, and what they are made of: all of it is in the program, and nothing of it runs that is written into a page.

use axum::{
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};

use super::{
    error::{ApiError, ApiResult},
    extract::Path,
};

const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

/// A file of the pages.
struct Asset {
    name: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
    /// Compressed as it is kept: every browser takes gzip.
    gzip: bool,
}

const ASSETS: &[Asset] = &[
    Asset { name: "page.css", kind: CSS, bytes: include_bytes!("assets/page.css"), gzip: false },
    Asset { name: "reference.css", kind: CSS, bytes: include_bytes!("assets/reference.css"), gzip: false },
    Asset { name: "reference.js", kind: JS, bytes: include_bytes!("assets/reference.js"), gzip: false },
    // Swagger UI 5.35.0 as it was published, compressed; see assets/README.md.
    Asset { name: "swagger-ui.css", kind: CSS, bytes: include_bytes!("assets/swagger-ui.css.gz"), gzip: true },
    Asset { name: "swagger-ui-bundle.js", kind: JS, bytes: include_bytes!("assets/swagger-ui-bundle.js.gz"), gzip: true },
];

/// What a page may load: only files of the hub itself, and nothing that stands in the page.
const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A page of the hub with this title and content, which is HTML already.
pub(super) fn page(title: &str, content: &str) -> Response {
    let text = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, \
         initial-scale=1\">\n<title>{title} - mtbridge</title>\n<link rel=\"stylesheet\" href=\"/docs/page.css\">\n</head>\n<body>\n\
         <main>\n<h1>{title}</h1>\n{content}</main>\n</body>\n</html>\n"
    );
    guarded(text, POLICY)
}

/// HTML under a policy.
pub(super) fn guarded(text: String, policy: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy)),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    ];
    (headers, text).into_response()
}

/// `GET /docs/{file}`
#[utoipa::path(
    get,
    path = "/docs/{file}",
    operation_id = "docsFile",
    tag = "Operation",
    summary = "A file of the documentation",
    description = "",
    responses(
        (status = 200, description = "The file.", content((String = "text/css"), (String = "text/javascript"))),
        (status = "4XX", description = "not_found"),
    )
)]
pub(super) async fn asset(Path(file): Path<String>) -> ApiResult<Response> {
    let asset = ASSETS.iter().find(|asset| asset.name == file);
    let asset = asset.ok_or_else(|| ApiError::not_found("the documentation has no such file"))?;
    let mut response =
        ([(header::CONTENT_TYPE, asset.kind), (header::CACHE_CONTROL, "max-age=3600")], asset.bytes).into_response();
    if asset.gzip {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}
