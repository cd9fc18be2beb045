//! Plans.

use utoipa::ToSchema;

use crate::domain::api_key::Plan;

/// Every plan, the smallest first.
#[derive(ToSchema)]
pub(in crate::api) struct Plans {
    data: Vec<PlanRow>,
    /// The largest that keys of the caller's tenant have.
    ceiling: Plan,
    /// In so many seconds a plan's requests come back.
    window_s: u64,
    beside: PlanReserves,
    /// Always null: there are no pages.
    next_cursor: Option<String>,
    #[schema(format = DateTime)]
    as_of: String,
}

/// A plan on this hub.
#[derive(ToSchema)]
pub(super) struct PlanRow {
    plan: Plan,
    /// Null: no limit.
    requests_per_hour: Option<u32>,
    /// Requests that may be under way at once; null: no limit.
    concurrent: Option<u32>,
    /// Whether keys of the caller's tenant may have it.
    available: bool,
    /// Valid keys of the caller's tenant for which it is in force.
    keys: u64,
}

/// What a key has beside every plan that limits.
#[derive(ToSchema)]
pub(super) struct PlanReserves {
    /// For calls that close or cancel.
    reduce: PlanGrant,
    /// For dead-man timers.
    deadman: PlanGrant,
}

/// How much may be asked for.
#[derive(ToSchema)]
pub(super) struct PlanGrant {
    requests_per_hour: u32,
    concurrent: u32,
}
