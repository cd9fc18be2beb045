//! CSV that a spreadsheet may open: no cell is taken for a formula (OWASP ASVS 5.0, 1.2.10).

use axum::{
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value};

use super::error::{ApiError, ApiResult};

/// A text as a cell: a quote in front of what would be a formula.
fn cell(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\0']) { format!("'{text}") } else { text.to_owned() }
}

/// Rows under these columns; what a row does not have is empty. The next page's cursor is in the header `X-Next-Cursor`.
pub(super) fn answer(
    columns: &[&str],
    rows: impl Iterator<Item = Map<String, Value>>,
    next: Option<String>,
) -> ApiResult<Response> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let internal = |error: &dyn std::fmt::Display| ApiError::internal(error);
    writer.write_record(columns).map_err(|error| internal(&error))?;
    for row in rows {
        let cells = columns.iter().map(|column| match row.get(*column) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => cell(text),
            Some(other) => other.to_string(),
        });
        writer.write_record(cells).map_err(|error| internal(&error))?;
    }
    let text = writer.into_inner().map_err(|error| internal(&error))?;
    let mut response = ([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], text).into_response();
    if let Some(next) = next.and_then(|next| HeaderValue::from_str(&next).ok()) {
        response.headers_mut().insert(HeaderName::from_static("x-next-cursor"), next);
    }
    Ok(response)
}

/// Whether CSV is asked for: by `format`, else by `Accept`.
pub(super) fn is_asked_for(format: Option<&str>, headers: &axum::http::HeaderMap) -> ApiResult<bool> {
    match format {
        Some("csv") => Ok(true),
        Some("json") => Ok(false),
        Some(_) => Err(ApiError::field("format", "must be json or csv")),
        None => {
            let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("");
            Ok(accept.contains("text/csv"))
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_a_spreadsheet_would_run_is_a_text() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\0=1"] {
            assert_eq!(super::cell(text), format!("'{text}"));
        }
        assert_eq!(super::cell("desk 3"), "desk 3");
    }
}
