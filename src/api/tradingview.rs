//! `POST /hooks/tradingview/{hook}/{secret}`: an alert becomes a command.
//!
//! TradingView gives up after three seconds and cannot send headers, so the secret stands in the path, and the answer comes as soon as
//! the command is on the disk, or when time is up: the alert itself is on the disk before that, and is carried out all the same.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::{
    Extension, Json,
    body::to_bytes,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tracing::{Span, error, field};

use super::{
    ApiState,
    auth::{Arrived, Caller, Connection},
    error::{ApiError, ApiResult},
    extract::Path,
    hook_act::Carrier,
};
use crate::{
    access::plans::Purse,
    domain::{
        api_key::ApiKey,
        hook::{Hook, Outcome, Received, State as Stands},
        ids::AlertId,
    },
    hooks::{
        Refusal,
        alert::Fields,
        plan::Plan,
        received::{Entered, Turn},
        template::Template,
    },
    telemetry::metrics::count,
};

/// TradingView waits three seconds; the way there and back is in them.
const ANSWER: Duration = Duration::from_millis(2_500);
/// Largest alert, bytes.
const ALERT_MAX: usize = 8_192;

/// The alert comes in.
pub(super) async fn receive(
    State(state): State<ApiState>,
    connection: Option<Extension<Arc<Connection>>>,
    Path((hook, secret)): Path<(String, String)>,
    request: Request,
) -> ApiResult<Response> {
    let arrived = Arrived { steady: state.clock.steady(), wall: state.clock.wall() };
    let Some(hook) = state.hooks.present(&hook, &secret) else {
        count(&state.hub.metrics().auth_failures, "reason", "hook_unknown");
        // Another secret looks like no hook.
        return Err(ApiError::new(
            StatusCode::NOT_FOUND,
            "hook_not_found",
            "there is no hook at this address; copy its URL whole",
        ));
    };
    let from = connection.as_ref().map(|Extension(connection)| connection.client);
    if let Some(Extension(connection)) = &connection {
        connection.authenticated();
    }
    Span::current().record("key", field::display(hook.key));
    let from_words = from.map_or_else(|| "unknown".to_owned(), |from| from.to_string());
    let read = tokio::time::timeout(ANSWER, to_bytes(request.into_body(), ALERT_MAX)).await;
    let bytes =
        read.map_err(|_| ApiError::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", "the alert did not come in time"))?.map_err(
            |_| ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", format!("an alert has at most {ALERT_MAX} bytes")),
        )?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    // Through a proxy an IPv4 address may be written as an IPv6 one.
    if !hook.ips.is_empty() && !from.is_some_and(|from| hook.ips.iter().any(|net| net.contains(&from.to_canonical()))) {
        let detail = format!("this hook does not take alerts from {from_words}; its ips say from where; nothing was sent");
        let refused = refused("address_not_allowed", &detail, String::new());
        state.hooks.note(&hook, &from_words, &text, refused).await?;
        return Err(ApiError::new(StatusCode::FORBIDDEN, "address_not_allowed", detail));
    }
    let entered = Arc::new(OnceLock::new());
    let taking = Taking { state: state.clone(), hook, from: from_words, text, arrived, entered: Arc::clone(&entered) };
    // A task of its own: it goes on when the time for an answer is up.
    let task = state.tasks.spawn(taking.take());
    match tokio::time::timeout(ANSWER, task).await {
        Ok(answer) => answer.map_err(|error| ApiError::internal(&error))?,
        Err(_) => match entered.get() {
            Some(alert) => Ok((StatusCode::ACCEPTED, Json(json!({"alert": alert, "state": "pending"}))).into_response()),
            None => Err(unavailable(
                "the hub is slow to record; whether this alert is on its disk is not known, and sending it again is safe",
            )),
        },
    }
}

fn unavailable(detail: &str) -> ApiError {
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "hooks_busy", detail)
        .with_header(axum::http::header::RETRY_AFTER, axum::http::HeaderValue::from_static("5"))
}

fn refused(code: &str, detail: &str, plan: String) -> Outcome {
    Outcome { state: Stands::Refused, code: code.to_owned(), detail: detail.to_owned(), plan, ..Outcome::default() }
}

/// An alert that is being taken.
struct Taking {
    state: ApiState,
    hook: Arc<Hook>,
    from: String,
    text: String,
    arrived: Arrived,
    /// Set as soon as it is on the disk.
    entered: Arc<OnceLock<AlertId>>,
}

impl Taking {
    async fn take(self) -> ApiResult<Response> {
        let understood = understand(&self.hook, &self.text)
            .and_then(|understood| understood.0.fresh(self.arrived.wall, self.hook.defaults.max_age_s).map(|()| understood));
        let (fields, plan) = match understood {
            Ok(understood) => understood,
            Err(Refusal { code, detail }) => {
                let received =
                    self.state.hooks.note(&self.hook, &self.from, &self.text, refused(code, &detail, String::new())).await?;
                return Err(invalid(code, detail).with("alert", received.id.to_string()));
            }
        };
        let identity = fields.identity(self.hook.id, &self.text);
        match self.state.hooks.enter(&self.hook, &self.from, &self.text, identity).await? {
            Entered::New(received, turn) => {
                // Nobody else sets it.
                let _ = self.entered.set(received.id);
                carried(&self.state, &self.hook, *received, (plan, turn), self.arrived).await
            }
            Entered::Repeats(first) => {
                let mut body = told(&first);
                body["duplicate"] = json!(true);
                Ok((StatusCode::OK, Json(body)).into_response())
            }
            Entered::Crowded => {
                Err(unavailable("too many alerts are being carried out; nothing was recorded, and sending it again is safe"))
            }
        }
    }
}

fn invalid(code: &'static str, detail: String) -> ApiError {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
}

fn understand(hook: &Hook, text: &str) -> Result<(Fields, Plan), Refusal> {
    let template = hook.template.as_deref().map(Template::parse).transpose();
    let template =
        template.map_err(|detail| Refusal { code: "invalid_alert", detail: format!("the hook's template {detail}") })?;
    let fields = Fields::read(text, template.as_ref())?;
    let plan = Plan::of(&fields, hook)?;
    Ok((fields, plan))
}

/// Carries out an alert that is on the disk, in its turn, and writes down what came of it.
async fn carried(
    state: &ApiState,
    hook: &Hook,
    mut received: Received,
    (plan, mut turn): (Plan, Turn),
    arrived: Arrived,
) -> ApiResult<Response> {
    turn.wait().await;
    fail::fail_point!("alert_entered", |_| std::process::abort());
    let shown = plan.shown().to_string();
    let mut error = None;
    received.outcome = if hook.dry_run {
        Outcome { state: Stands::DryRun, plan: shown, ..Outcome::default() }
    } else {
        let done = carry_out(state, hook, &received, &plan, arrived).await;
        let outcome = match &done.error {
            None => Outcome { state: Stands::Sent, plan: shown, ..Outcome::default() },
            Some(error) => refused(error.code(), error.detail(), shown),
        };
        error = done.error;
        Outcome { commands: done.commands, ..outcome }
    };
    if let Err(error) = state.hooks.settle(&received).await {
        // What it did is in the commands' own records.
        error!(alert = %received.id, %error, "what came of an alert could not be written down");
    }
    drop(turn);
    match error {
        Some(error) => Err(error.with("alert", received.id.to_string()).with("commands", received.outcome.commands.clone())),
        None => {
            let status = if hook.dry_run { StatusCode::OK } else { StatusCode::ACCEPTED };
            Ok((status, Json(told(&received))).into_response())
        }
    }
}

async fn carry_out(
    state: &ApiState,
    hook: &Hook,
    received: &Received,
    plan: &Plan,
    arrived: Arrived,
) -> super::hook_act::Carried {
    let Some(key) = acting_key(state, hook) else {
        let detail = "the API key that this hook acts under was revoked or has expired: give the hook another; nothing was sent";
        let error = ApiError::new(StatusCode::FORBIDDEN, "forbidden", detail);
        return super::hook_act::Carried { error: Some(error), ..Default::default() };
    };
    let name = match received.identity.filter(|identity| identity.for_good) {
        Some(identity) => crate::crypto::hex(&identity.digest),
        None => received.id.to_string(),
    };
    let permit = match state.usage.plans().enter(&key, Purse::Plan) {
        Ok((permit, _)) => Arc::new(permit),
        Err(refused) => return super::hook_act::Carried { error: Some(super::quota::too_many(&refused)), ..Default::default() },
    };
    let caller = Caller { key, person: None, client: None, permit, arrived };
    Carrier { state, caller: &caller, hook, key: format!("hook-{name}") }.carry_out(plan).await
}

/// The hook's key, or the one that took over from it.
fn acting_key(state: &ApiState, hook: &Hook) -> Option<Arc<ApiKey>> {
    let now = state.clock.wall();
    let mut key = state.access.key(hook.key)?;
    while let Some(next) = key.successor.and_then(|next| state.access.key(next)) {
        key = next;
    }
    Some(key).filter(|key| key.is_valid(now) && key.owner == hook.owner && state.access.tenant_goes_on(key.owner).is_ok())
}

/// What became of an alert, for whoever sent it.
fn told(received: &Received) -> Value {
    let plan: Value = serde_json::from_str(&received.outcome.plan).unwrap_or(Value::Null);
    json!({
        "alert": received.id,
        "state": received.outcome.state,
        "commands": received.outcome.commands,
        "plan": plan,
    })
}

/// Takes up what a hub that stopped had answered for and not carried out to its end. Commands that were made are found under their keys;
/// of the rest the time is over, and that is written down.
pub async fn resume_alerts(state: ApiState) {
    for hook in state.hooks.all() {
        let pending = state.hooks.pending(hook.id).await.unwrap_or_else(|error| {
            error!(hook = %hook.id, %error, "alerts that were pending cannot be read");
            Vec::new()
        });
        for received in pending {
            let late = state.clock.wall().since(received.at);
            let arrived = Arrived { steady: state.clock.steady().plus_ms(-late), wall: received.at };
            let (Ok((_, plan)), Some(turn)) = (understand(&hook, &received.text), state.hooks.turn_again()) else { continue };
            // What comes of it is written down; nobody waits for the answer.
            let _ = carried(&state, &hook, received, (plan, turn), arrived).await;
        }
    }
}
