//! `GET /docs`: the API reference.

use axum::response::Response;

use super::page::guarded;

/// Only files of the hub, and calls to the hub itself. The viewer draws its icons from `data:`.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `GET /docs`
#[utoipa::path(
    get,
    path = "/docs",
    operation_id = "docs",
    tag = "Operation",
    summary = "The API reference, as a page",
    description = "All of it comes from the hub itself.",
    responses((status = 200, description = "The page.", body = String, content_type = "text/html"))
)]
pub(super) async fn reference() -> Response {
    let text = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
                content=\"width=device-width, initial-scale=1\">\n<title>API reference - mtbridge</title>\n\
                <link rel=\"stylesheet\" href=\"/docs/swagger-ui.css\">\n<link rel=\"stylesheet\" href=\"/docs/reference.css\">\n\
                </head>\n<body>\n<p class=\"top\"><a href=\"/openapi.json\">openapi.json</a> · <a href=\"/errors\">Error codes</a></p>\n\
                <div id=\"reference\">The reference needs JavaScript; <a href=\"/openapi.json\">openapi.json</a> does not.</div>\n\
                <script src=\"/docs/swagger-ui-bundle.js\"></script>\n<script src=\"/docs/reference.js\"></script>\n</body>\n</html>\n";
    guarded(text.to_owned(), POLICY)
}
