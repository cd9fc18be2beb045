//! Tenants, for whoever runs the hub: who there are, how much there is of theirs, and the largest plan of their keys.

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::{
    ApiState,
    auth::Caller,
    error::{ApiError, ApiResult},
    extract::{JsonBody, Params, Path},
    json::list,
    users,
};
use crate::{
    access::tenants::TenantView,
    domain::{api_key::Plan, ids::OwnerId},
};

/// Rows of a page at most.
const ROWS_MAX: usize = 1_000;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct TenantsQuery {
    /// Rows, 100 if left out; at most 1,000.
    #[param(minimum = 0)]
    limit: Option<usize>,
    /// `next_cursor` of a page.
    cursor: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = TenantChange)]
#[serde(deny_unknown_fields)]
struct ChangeBody {
    /// The largest plan of its keys.
    plan: Plan,
}

/// `GET /api/v1/tenants?limit=&cursor=`: the hub's own first, then as they were made.
#[utoipa::path(
    get,
    path = "/api/v1/tenants",
    operation_id = "listTenants",
    tag = "People",
    summary = "Tenants",
    description = "The hub's own first, then as they were made: who owns it, the largest plan of its keys, and how many users, keys and tokens it has.",
    params(TenantsQuery),
    responses(
        (status = 200, description = "The tenants.", body = super::openapi::schemas::List<super::openapi::schemas::Tenant>),
        (status = "4XX", description = ""),
    )
)]
pub(super) async fn list_tenants(
    State(state): State<ApiState>,
    _caller: Caller,
    Params(query): Params<TenantsQuery>,
) -> ApiResult<Json<Value>> {
    let limit = query.limit.unwrap_or(100).clamp(1, ROWS_MAX);
    let wrong = |_| ApiError::field("cursor", "must be a next_cursor of an earlier answer");
    let after: Option<OwnerId> = query.cursor.map(|text| text.parse().map_err(wrong)).transpose()?;
    // One more than asked for says whether there are more.
    let mut tenants = state.access.tenants(after, limit + 1);
    let more = tenants.len() > limit;
    tenants.truncate(limit);
    let next = tenants.last().filter(|_| more).map(|tenant| tenant.id.to_string());
    Ok(Json(list(tenants.iter().map(row).collect(), next, state.clock.wall())))
}

/// `PATCH /api/v1/tenants/{id} {plan}`: the largest plan of its keys, in force for their next requests when it answers.
#[utoipa::path(
    patch,
    path = "/api/v1/tenants/{id}",
    operation_id = "changeTenant",
    tag = "People",
    summary = "Set the largest plan of a tenant's keys",
    description = "In force for their next requests. What is written on the keys stays: when the ceiling is raised, they have it again.",
    request_body = ChangeBody,
    responses(
        (status = 200, description = "The tenant.", body = super::openapi::schemas::Tenant),
        (status = "4XX", description = "not_found confirmation_required operator_required store"),
    )
)]
pub(super) async fn change(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    body: JsonBody,
) -> ApiResult<Json<Value>> {
    let unknown = || ApiError::not_found("there is no tenant with this id");
    let id: OwnerId = id.parse().map_err(|_| unknown())?;
    let tenant = state.access.tenant(id).ok_or_else(unknown)?;
    let ChangeBody { plan } = body.read()?;
    // As where it makes keys: a key hands out nothing wider than itself.
    if plan > caller.key.plan && plan > tenant.plan {
        let detail = "the calling key has a plan of its own, and hands out nothing wider: set the same or less";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", detail).with("field", "plan"));
    }
    state.access.set_ceiling(id, plan, &caller.actor()).await?;
    Ok(Json(row(&state.access.tenant(id).ok_or_else(unknown)?)))
}

fn row(tenant: &TenantView) -> Value {
    json!({
        "id": tenant.id,
        "own": tenant.id == OwnerId::SELF,
        "owner": tenant.founder.as_ref().map(|user| users::row(user)),
        "plan": tenant.plan,
        "users": tenant.users,
        "keys": tenant.keys,
        "tokens": tenant.tokens,
    })
}
