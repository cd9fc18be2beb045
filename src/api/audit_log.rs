//! Who changed what and who was not let: the audit records, and the check of the history that chains them.

use axum::{
    Json,
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use ulid::Ulid;

use super::{
    ApiState,
    auth::Caller,
    error::{ApiError, ApiResult},
    extract::{JsonBody, Params},
    json::{list, parse_time, rfc3339, rfc3339_or_null},
    spreadsheet,
};
use crate::{
    domain::UnixMillis,
    store::{
        Entry, History, StoreError,
        records::{self, AuditOutcome, AuditRecord},
    },
};

/// Rows of one answer.
const ROWS_MAX: usize = 1_000;
/// Records looked at for one answer: a filter that lets few through gives short pages instead of a long wait.
const LOOKED_AT_MAX: usize = 10_000;
const PAGE: usize = 1_000;
const COLUMNS: [&str; 13] =
    ["id", "seq", "at", "since", "count", "actor", "from", "request_id", "action", "target", "outcome", "detail", "recorded_at"];

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditQuery {
    from: Option<String>,
    to: Option<String>,
    actor: Option<String>,
    action: Option<String>,
    target: Option<String>,
    outcome: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
    format: Option<String>,
}

/// `GET /api/v1/audit?from=&to=&actor=&action=&target=&outcome=&limit=&cursor=&format=`, newest first.
pub(super) async fn audit(
    State(state): State<ApiState>,
    _caller: Caller,
    headers: HeaderMap,
    Params(query): Params<AuditQuery>,
) -> ApiResult<Response> {
    let as_csv = spreadsheet::is_asked_for(query.format.as_deref(), &headers)?;
    let wanted = Wanted::read(&query)?;
    let limit = query.limit.unwrap_or(100).clamp(1, ROWS_MAX);
    let cursor = query.cursor.as_deref().map(read_cursor).transpose()?;
    // A record's id is as old as its writing, so both ends are found without reading what is outside.
    let end = wanted.to.map(|to| Ulid::from_parts(u64::try_from(to.0).unwrap_or(0), 0));
    let before = [cursor, end].into_iter().flatten().min();
    let (rows, next) = page(&state, &wanted, before, limit).await?;
    let next = next.map(|id| id.to_string());
    if as_csv {
        return spreadsheet::answer(&COLUMNS, rows.into_iter(), next);
    }
    Ok(Json(list(rows.into_iter().map(Value::Object).collect(), next, state.clock.wall())).into_response())
}

/// Rows before a record, newest first, and where the next page begins.
async fn page(
    state: &ApiState,
    wanted: &Wanted,
    before: Option<Ulid>,
    limit: usize,
) -> Result<(Vec<Map<String, Value>>, Option<Ulid>), StoreError> {
    let (mut rows, mut looked_at) = (Vec::new(), 0);
    let mut before = before.map(records::audit);
    loop {
        let page = state.store.scan_back(records::AUDIT, before.as_deref(), PAGE).await?;
        for (key, entry) in &page {
            let Some(id) = records::audit_of(key) else { continue };
            if wanted.from.is_some_and(|from| recorded_at(id) < from) {
                return Ok((rows, None));
            }
            let record = records::decode(key, entry)?;
            looked_at += 1;
            if wanted.is(&record) {
                rows.push(row(id, entry, &record));
            }
            if rows.len() == limit || looked_at == LOOKED_AT_MAX {
                return Ok((rows, Some(id)));
            }
        }
        match page.last() {
            Some((key, _)) if page.len() == PAGE => before = Some(key.clone()),
            _ => return Ok((rows, None)),
        }
    }
}

fn recorded_at(id: Ulid) -> UnixMillis {
    UnixMillis(i64::try_from(id.timestamp_ms()).unwrap_or(i64::MAX))
}

fn read_cursor(text: &str) -> ApiResult<Ulid> {
    Ulid::from_string(text).map_err(|_| ApiError::field("cursor", "must be a next_cursor of an earlier answer"))
}

/// Which records are asked for.
#[derive(Debug)]
struct Wanted {
    from: Option<UnixMillis>,
    to: Option<UnixMillis>,
    actor: Option<String>,
    action: Option<String>,
    target: Option<String>,
    outcome: Option<AuditOutcome>,
}

impl Wanted {
    fn read(query: &AuditQuery) -> ApiResult<Self> {
        let time = |field: &str, text: &Option<String>| -> ApiResult<Option<UnixMillis>> {
            let Some(text) = text else { return Ok(None) };
            let at = parse_time(text);
            at.map(Some).ok_or_else(|| ApiError::field(field, "must be RFC 3339, epoch seconds or epoch milliseconds"))
        };
        let outcome = match query.outcome.as_deref() {
            None => None,
            Some("done") => Some(AuditOutcome::Done),
            Some("denied") => Some(AuditOutcome::Denied),
            Some(_) => return Err(ApiError::field("outcome", "must be done or denied")),
        };
        Ok(Self {
            from: time("from", &query.from)?,
            to: time("to", &query.to)?,
            actor: query.actor.clone(),
            action: query.action.clone(),
            target: query.target.clone(),
            outcome,
        })
    }

    fn is(&self, record: &AuditRecord) -> bool {
        let same = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        // `token` is every `token.…`.
        let action = self
            .action
            .as_deref()
            .is_none_or(|wanted| record.action.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')));
        action
            && same(&self.actor, &record.actor)
            && same(&self.target, &record.target)
            && self.outcome.is_none_or(|outcome| outcome == record.outcome)
    }
}

fn row(id: Ulid, entry: &Entry, record: &AuditRecord) -> Map<String, Value> {
    let mut row = Map::new();
    for (field, value) in [
        ("id", json!(id.to_string())),
        // The journal's number of the write that it came with: what `audit verify` speaks of.
        ("seq", json!(entry.version)),
        ("at", json!(rfc3339(record.at))),
        ("since", rfc3339_or_null(record.since)),
        ("count", json!(record.count)),
        ("actor", json!(record.actor)),
        ("from", json!(record.from)),
        ("request_id", json!(record.request)),
        ("action", json!(record.action)),
        ("target", json!(record.target)),
        ("outcome", json!(record.outcome.name())),
        ("detail", json!(record.detail)),
        ("recorded_at", json!(rfc3339(recorded_at(id)))),
    ] {
        row.insert(field.to_owned(), value);
    }
    row
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct VerifyBody {
    /// `SEQ:HASH`, as an earlier check has told it.
    expect: Option<String>,
}

/// `POST /api/v1/audit/verify {expect?}` → 200 with `whole`, and what was read or what is wrong.
pub(super) async fn verify(State(state): State<ApiState>, _caller: Caller, body: JsonBody) -> ApiResult<Json<Value>> {
    let body: VerifyBody = body.read()?;
    let wrong = || ApiError::field("expect", "must be the head of an earlier check: a number, a colon, 64 hexadecimal digits");
    let expected = body.expect.as_deref().map(|text| History::read_head(text).ok_or_else(wrong)).transpose()?;
    match state.store.verify(expected).await {
        Ok(history) => Ok(Json(json!({
            "whole": true,
            "head": history.head(),
            "first": history.first,
            "last": history.last,
            "exports": history.exports,
            "audit_records": history.audit_records,
            "audit_from": rfc3339_or_null(history.from),
            "audit_to": rfc3339_or_null(history.to),
        }))),
        Err(StoreError::Damaged { path, offset, detail }) => {
            // The file alone: where the data folder is, is the operator's affair.
            let file = path.file_name().map(|name| name.to_string_lossy().into_owned());
            tracing::error!(path = %path.display(), offset, detail, "the history is not whole");
            Ok(Json(json!({"whole": false, "file": file, "offset": offset, "detail": detail})))
        }
        Err(error) => Err(error.into()),
    }
}
