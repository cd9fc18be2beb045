//! A copy of everything, for operators.

use axum::{
    body::Body,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use futures_util::stream;

use super::{ApiState, auth::Caller, error::ApiResult};

/// `GET /api/v1/backup`: a tar, compressed with zstd, that is made while it is read. A body that ends early is no backup: what is whole
/// ends with `manifest.json`.
#[utoipa::path(
    get,
    path = "/api/v1/backup",
    operation_id = "backup",
    tag = "Operation",
    summary = "A copy of everything",
    description = "A tar under zstd, made while it is read; secrets are in it. A body that ends early is no backup.",
    responses(
        (status = 200, description = "The copy.", body = String, content_type = "application/zstd"),
        (status = "4XX", description = "store store_busy not_supported"),
    )
)]
pub(super) async fn backup(State(state): State<ApiState>, caller: Caller) -> ApiResult<Response> {
    // Before the copy, so that the copy has it too.
    state.access.note_backup(&caller.actor()).await?;
    let backup = state.store.backup().await?;
    let pieces = stream::unfold(backup.chunks, async |mut chunks| chunks.recv().await.map(|piece| (piece, chunks)));
    let headers = [
        (header::CONTENT_TYPE, "application/zstd"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"mtbridge-backup.tar.zst\""),
    ];
    Ok((headers, Body::from_stream(pieces)).into_response())
}
