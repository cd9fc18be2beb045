//! Long lists of records in the format that the caller wants, written piece by piece while they are sent.

use std::{convert::Infallible, ops::Range, sync::Arc};

use axum::{
    BoxError,
    body::{Body, Bytes},
    http::{HeaderMap, HeaderName, HeaderValue, Uri, header},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use serde_json::{Map, Value};

use super::{
    arrow,
    error::{ApiError, ApiResult},
    json::rfc3339,
};
use crate::domain::UnixMillis;

/// What is said in headers, because not every format has room for it.
#[derive(Debug)]
pub(super) struct Page {
    /// Where the next page begins.
    pub(super) next_cursor: Option<String>,
    /// Whether everything that was asked for is there, up to the next page.
    pub(super) complete: bool,
    /// Whether asking again in a moment may give more.
    pub(super) again: bool,
}

impl Page {
    /// `X-Next-Cursor`, `Link`, `X-Complete`, `Retry-After`, and what the format was chosen by.
    pub(super) fn tell(&self, uri: &Uri, response: &mut Response) {
        let headers = response.headers_mut();
        headers.insert(header::VARY, HeaderValue::from_static("accept, accept-encoding"));
        headers.insert("x-complete", HeaderValue::from_static(if self.complete { "true" } else { "false" }));
        if self.again {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        }
        let Some(cursor) = &self.next_cursor else { return };
        let kept = uri.query().unwrap_or("").split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
        let query: String = kept.flat_map(|pair| [pair, "&"]).collect();
        let link = format!("<{}?{query}cursor={cursor}>; rel=\"next\"", uri.path());
        for (name, value) in [(HeaderName::from_static("x-next-cursor"), cursor.as_str()), (header::LINK, link.as_str())] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
    }
}

/// Records rendered at once: some 64 KiB of JSON.
const PIECE: usize = 256;

/// How records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// One object with `data`, a list of rows.
    Json,
    /// One object with `columns`, a list for each column.
    Columns,
    /// A line of names, then a line a record.
    Csv,
    /// A row a line.
    Ndjson,
    /// 60 bytes a record, as MetaTrader has it in memory.
    Packed,
    /// A stream of Apache Arrow.
    Arrow,
}

impl Format {
    /// By `format`, else by `Accept`.
    ///
    /// # Errors
    /// 422.
    pub(super) fn of(query: Option<&str>, headers: &HeaderMap) -> ApiResult<Self> {
        let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("");
        Ok(match query {
            Some("json") => Self::Json,
            Some("columns") => Self::Columns,
            Some("csv") => Self::Csv,
            Some("ndjson") => Self::Ndjson,
            Some("packed") => Self::Packed,
            Some("arrow") => Self::Arrow,
            Some(_) => return Err(ApiError::field("format", "must be json, columns, csv, ndjson, packed or arrow")),
            None if accept.contains("text/csv") => Self::Csv,
            None if accept.contains("application/x-ndjson") => Self::Ndjson,
            None if accept.contains("application/octet-stream") => Self::Packed,
            None if accept.contains(Self::Arrow.content_type()) => Self::Arrow,
            None => Self::Json,
        })
    }

    /// As `format` has it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Columns => "columns",
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
            Self::Packed => "packed",
            Self::Arrow => "arrow",
        }
    }

    const fn content_type(self) -> &'static str {
        match self {
            Self::Json | Self::Columns => "application/json",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Ndjson => "application/x-ndjson",
            Self::Packed => "application/octet-stream",
            Self::Arrow => "application/vnd.apache.arrow.stream",
        }
    }
}

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Time,
    Int,
    Unsigned,
    Float,
    Bool,
}

/// A value of a record.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cell {
    /// RFC 3339.
    Time(UnixMillis),
    Int(i64),
    Unsigned(u64),
    Float(f64),
    Bool(bool),
}

impl Cell {
    fn write(self, quote: &str, out: &mut String) {
        match self {
            Self::Time(at) => {
                out.push_str(quote);
                out.push_str(&rfc3339(at));
                out.push_str(quote);
            }
            Self::Int(number) => out.push_str(&number.to_string()),
            Self::Unsigned(number) => out.push_str(&number.to_string()),
            // As serde_json writes it: the shortest text that reads back to the same bits.
            Self::Float(number) => out.push_str(&Value::from(number).to_string()),
            Self::Bool(yes) => out.push_str(if yes { "true" } else { "false" }),
        }
    }
}

/// Records that can be written, in the order in which they are to be.
pub(super) trait Table: Send + Sync + 'static {
    /// The columns.
    const COLUMNS: &'static [(&'static str, Kind)];

    /// Whether its times are UTC, and not the broker's wall clock.
    fn is_utc(&self) -> bool;

    /// How many records there are.
    fn len(&self) -> usize;

    /// A record's values, one for each column.
    fn cells(&self, at: usize) -> Vec<Cell>;

    /// A record's 60 bytes.
    fn pack(&self, at: usize, out: &mut Vec<u8>);
}

/// The answer. `about` stands beside the records where the format has room for it.
pub(super) fn respond<T: Table>(table: &Arc<T>, format: Format, about: &Map<String, Value>) -> Response {
    let body = match format {
        Format::Json => {
            let rows = pieces(table, |table, range, out| rows(table, range, ",", out));
            written(table, once(head(about, "\"data\":[")).chain(rows).chain(once("]}".to_owned())))
        }
        Format::Columns => {
            let all = Arc::clone(table);
            let columns = (0..T::COLUMNS.len()).flat_map(move |column| {
                let open = if column == 0 { "" } else { "]," };
                let open = format!("{open}\"{}\":[", T::COLUMNS[column].0);
                once(open).chain(pieces(&all, move |table, range, out| one_column(table, range, column, out)))
            });
            written(table, once(head(about, "\"columns\":{")).chain(columns).chain(once("]}}".to_owned())))
        }
        Format::Csv => {
            let names: Vec<_> = T::COLUMNS.iter().map(|(name, _)| *name).collect();
            written(table, once(names.join(",") + "\n").chain(pieces(table, csv_rows)))
        }
        Format::Ndjson => written(
            table,
            pieces(table, |table, range, out| {
                let end = range.end;
                let first = range.start == 0;
                rows(table, range, "\n", out);
                // A line's end stands behind it, not before the next one.
                if !first {
                    out.remove(0);
                }
                out.push_str(if end > 0 { "\n" } else { "" });
            }),
        ),
        Format::Packed => written(table, packed(table)),
        Format::Arrow => sent(table.len(), arrow::pieces(table, about).map(|piece| piece.map(Bytes::from))),
    };
    ([(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()))], body).into_response()
}

fn written<T: Table, P: Into<Bytes>>(table: &Arc<T>, pieces: impl Iterator<Item = P> + Send + 'static) -> Body {
    sent(table.len(), pieces.map(|piece| Ok::<Bytes, Infallible>(piece.into())))
}

fn once<T>(piece: T) -> std::iter::Once<T> {
    std::iter::once(piece)
}

/// Few records in one piece, whose length is told. Of many the connection takes a piece when it has room for it: only then is the next one
/// written.
fn sent<E: Into<BoxError> + Send + 'static>(
    records: usize,
    mut pieces: impl Iterator<Item = Result<Bytes, E>> + Send + 'static,
) -> Body {
    if records > PIECE {
        return Body::from_stream(stream::iter(pieces));
    }
    let whole = pieces.try_fold(Vec::new(), |mut whole, piece| {
        whole.extend_from_slice(&piece?);
        Ok(whole)
    });
    whole.map_or_else(|error: E| Body::from_stream(stream::iter([Err::<Bytes, E>(error)])), Body::from)
}

fn pieces<T: Table, W: Fn(&T, Range<usize>, &mut String) + Send + 'static>(
    table: &Arc<T>,
    write: W,
) -> impl Iterator<Item = String> + Send + use<T, W> + 'static {
    let table = Arc::clone(table);
    (0..table.len()).step_by(PIECE).map(move |at| {
        let mut out = String::new();
        write(&table, at..table.len().min(at + PIECE), &mut out);
        out
    })
}

fn packed<T: Table>(table: &Arc<T>) -> impl Iterator<Item = Vec<u8>> + Send + use<T> + 'static {
    let table = Arc::clone(table);
    (0..table.len()).step_by(PIECE).map(move |at| {
        let mut out = Vec::with_capacity(PIECE * 60);
        (at..table.len().min(at + PIECE)).for_each(|at| table.pack(at, &mut out));
        out
    })
}

/// The object up to its list, which comes last.
fn head(about: &Map<String, Value>, list: &str) -> String {
    let mut text = Value::Object(about.clone()).to_string();
    text.pop();
    if !about.is_empty() {
        text.push(',');
    }
    text + list
}

fn rows<T: Table>(table: &T, range: Range<usize>, between: &str, out: &mut String) {
    for at in range {
        if at > 0 {
            out.push_str(between);
        }
        for (column, ((name, _), cell)) in T::COLUMNS.iter().zip(table.cells(at)).enumerate() {
            out.push_str(if column == 0 { "{\"" } else { ",\"" });
            out.push_str(name);
            out.push_str("\":");
            cell.write("\"", out);
        }
        out.push('}');
    }
}

fn one_column<T: Table>(table: &T, range: Range<usize>, column: usize, out: &mut String) {
    for at in range {
        if at > 0 {
            out.push(',');
        }
        if let Some(cell) = table.cells(at).get(column) {
            cell.write("\"", out);
        }
    }
}

fn csv_rows<T: Table>(table: &T, range: Range<usize>, out: &mut String) {
    for at in range {
        for (column, cell) in table.cells(at).into_iter().enumerate() {
            out.push_str(if column == 0 { "" } else { "," });
            cell.write("", out);
        }
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    struct Numbers(usize);

    impl Table for Numbers {
        const COLUMNS: &'static [(&'static str, Kind)] =
            &[("time", Kind::Time), ("n", Kind::Int), ("x", Kind::Float), ("odd", Kind::Bool), ("u", Kind::Unsigned)];

        fn is_utc(&self) -> bool {
            true
        }

        fn len(&self) -> usize {
            self.0
        }

        fn cells(&self, at: usize) -> Vec<Cell> {
            let n = i64::try_from(at).unwrap();
            let unsigned = Cell::Unsigned(u64::try_from(at).unwrap());
            vec![
                Cell::Time(UnixMillis(n * 1_000)),
                Cell::Int(n),
                Cell::Float(at as f64 / 10.0),
                Cell::Bool(at % 2 == 1),
                unsigned,
            ]
        }

        fn pack(&self, at: usize, out: &mut Vec<u8>) {
            out.extend([u8::try_from(at % 256).unwrap(); 60]);
        }
    }

    async fn sent_as(count: usize, format: Format) -> Vec<u8> {
        let about = json!({"a": 1}).as_object().unwrap().clone();
        let response = respond(&Arc::new(Numbers(count)), format, &about);
        axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec()
    }

    #[tokio::test]
    async fn every_format_says_the_same_of_none_one_and_many_pieces() {
        for count in [0, 1, PIECE, PIECE + 1, 3 * PIECE - 1] {
            let row = |at: usize| json!({"time": rfc3339(UnixMillis(at as i64 * 1_000)), "n": at, "x": at as f64 / 10.0, "odd": at % 2 == 1, "u": at});
            let rows: Vec<Value> = (0..count).map(row).collect();
            let json: Value = serde_json::from_slice(&sent_as(count, Format::Json).await).unwrap();
            assert_eq!(json, json!({"a": 1, "data": rows}));
            let columns: Value = serde_json::from_slice(&sent_as(count, Format::Columns).await).unwrap();
            for (name, _) in Numbers::COLUMNS {
                let column: Vec<_> = rows.iter().map(|row| row[name].clone()).collect();
                assert_eq!(columns["columns"][name], json!(column), "{name}");
            }
            let lines = String::from_utf8(sent_as(count, Format::Ndjson).await).unwrap();
            assert!(lines.is_empty() || lines.ends_with('\n'));
            assert_eq!(lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>(), rows);
            let csv = sent_as(count, Format::Csv).await;
            let mut reader = csv::Reader::from_reader(csv.as_slice());
            assert_eq!(
                reader.headers().unwrap().iter().collect::<Vec<_>>(),
                Numbers::COLUMNS.iter().map(|(name, _)| *name).collect::<Vec<_>>()
            );
            let read: Vec<_> = reader.records().map(Result::unwrap).collect();
            assert_eq!(read.len(), count);
            assert!(
                read.iter().zip(&rows).all(|(line, row)| line[0] == row["time"] && line[2].parse().ok() == row["x"].as_f64())
            );
            assert_eq!(sent_as(count, Format::Packed).await.len(), count * 60);
        }
    }
}
