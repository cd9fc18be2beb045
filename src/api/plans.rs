//! Plans: what each grants, and which of them the caller's tenant may choose.

use axum::{Json, extract::State, http::StatusCode};
use serde_json::{Value, json};

use super::{
    ApiState,
    auth::Caller,
    error::{ApiError, ApiResult},
    json::list,
};
use crate::{
    access::plans::WINDOW_S,
    domain::{
        api_key::Plan,
        grant::{RESERVE, TIMERS},
    },
};

/// `GET /api/v1/plans`: every plan, the smallest first.
#[utoipa::path(
    get,
    path = "/api/v1/plans",
    operation_id = "listPlans",
    tag = "Keys",
    summary = "Plans",
    description = "The smallest first: what each grants on this hub, whether the caller's tenant may choose it, and how many of its keys it is in force for.",
    responses(
        (status = 200, description = "The plans.", body = super::openapi::schemas::Plans),
        (status = "4XX", description = ""),
    )
)]
pub(super) async fn list_plans(State(state): State<ApiState>, caller: Caller) -> Json<Value> {
    let (now, ceiling) = (state.clock.wall(), state.access.ceiling(caller.tenant()));
    let keys = state.access.keys();
    let theirs = keys.iter().filter(|key| key.owner == caller.tenant() && key.is_valid(now));
    let in_force: Vec<_> = theirs.map(|key| state.access.plan_of(key)).collect();
    let row = |plan: Plan| {
        let grant = state.usage.plans().grant(plan);
        json!({
            "plan": plan,
            "requests_per_hour": grant.map(|grant| grant.requests_per_hour),
            "concurrent": grant.map(|grant| grant.concurrent),
            "available": plan <= ceiling,
            "keys": in_force.iter().filter(|of| **of == plan).count(),
        })
    };
    let mut answer = list(Plan::ALL.into_iter().map(row).collect(), None, now);
    answer["ceiling"] = json!(ceiling);
    answer["window_s"] = json!(WINDOW_S);
    answer["beside"] = json!({"reduce": RESERVE, "deadman": TIMERS});
    Json(answer)
}

/// Whether a key of the caller's tenant may be given this plan.
///
/// # Errors
/// 403 `plan_above_ceiling` that names the ceiling.
pub(super) fn below_ceiling(state: &ApiState, caller: &Caller, plan: Plan) -> ApiResult<()> {
    let ceiling = state.access.ceiling(caller.tenant());
    if plan <= ceiling {
        return Ok(());
    }
    let detail = format!("keys of this tenant have the plan `{}` at most: whoever runs this hub can change that", ceiling.name());
    let error = ApiError::new(StatusCode::FORBIDDEN, "plan_above_ceiling", detail);
    Err(error.with("field", "plan").with("ceiling", ceiling.name()))
}
