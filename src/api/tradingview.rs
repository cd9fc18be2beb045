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
    denied,
    error::{ApiError, ApiResult},
    extract::Path,
    hook_act::{self, Carried, Carrier},
};
use crate::{
    access::{
        AccessError,
        plans::{Permit, Purse},
    },
    domain::{
        api_key::ApiKey,
        hook::{Act, Hook, Outcome, Received, State as Stands},
        ids::{AlertId, CommandId},
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
#[utoipa::path(
    post,
    path = "/hooks/tradingview/{hook}/{secret}",
    operation_id = "receiveAlert",
    tag = "Hooks",
    summary = "Where TradingView sends alerts",
    description = "A body as docs/tradingview.md has it, or as the template of the hook. The same alert twice trades once.",
    request_body(content((Value = "application/json"), (String = "text/plain"))),
    responses(
        (status = 200, description = "Nothing was to be sent: a dry run, or an alert that was here before.", body = super::openapi::schemas::AlertReceipt),
        (status = 202, description = "It is written down, and commands were or are being made.", body = super::openapi::schemas::AlertReceipt),
        (status = "4XX", description = "alert"),
    )
)]
pub(super) async fn receive(
    State(state): State<ApiState>,
    connection: Option<Extension<Arc<Connection>>>,
    Path((hook, secret)): Path<(String, String)>,
    request: Request,
) -> ApiResult<Response> {
    let arrived = Arrived { steady: state.clock.steady(), wall: state.clock.wall() };
    let from = connection.as_ref().map(|Extension(connection)| connection.client);
    // One of a deleted tenant is no hook any more.
    let goes_on = |hook: &Arc<Hook>| !matches!(state.access.tenant_goes_on(hook.owner), Err(AccessError::Revoked));
    let Some(hook) = state.hooks.present(&hook, &secret).filter(goes_on) else {
        count(&state.hub.metrics().auth_failures, "reason", "hook_unknown");
        // Another secret looks like no hook.
        let detail = "there is no hook at this address; copy its URL whole";
        let refusal = ApiError::new(StatusCode::NOT_FOUND, "hook_not_found", detail).denied_as("hook_unknown");
        return Err(denied::failed(&state, "hook", from, refusal));
    };
    if !state.hooks.takes_one(hook.id) {
        return Err(unavailable("too many alerts come to this hook; nothing was recorded, and sending it again is safe"));
    }
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
                carried(&self.state, &self.hook, *received, (Some(plan), turn), self.arrived).await
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

/// Carries out an alert that is on the disk, in its turn, and writes down what came of it. Without a plan it is one of before a start: what
/// was written down for it is carried out, and nothing else.
async fn carried(
    state: &ApiState,
    hook: &Hook,
    mut received: Received,
    (plan, mut turn): (Option<Plan>, Turn),
    arrived: Arrived,
) -> ApiResult<Response> {
    turn.wait().await;
    fail::fail_point!("alert_entered", |_| std::process::abort());
    if let Some(plan) = &plan {
        received.outcome.plan = plan.shown().to_string();
    }
    let mut error = None;
    if hook.dry_run && plan.is_some() {
        received.outcome.state = Stands::DryRun;
    } else {
        let done = carry_out(state, hook, &mut received, (plan.as_ref(), &mut turn.open), arrived).await;
        turn.open.extend(done.commands.iter().filter_map(|id| id.parse::<CommandId>().ok()));
        let outcome = &mut received.outcome;
        outcome.commands = done.commands;
        if let Some(error) = &done.error {
            (outcome.code, outcome.detail) = (error.code().to_owned(), error.detail().to_owned());
        }
        outcome.state = if done.unknown {
            // The next start looks again.
            Stands::Pending
        } else if done.sent || done.error.is_none() {
            Stands::Sent
        } else {
            Stands::Refused
        };
        error = done.error.filter(|_| received.outcome.state == Stands::Refused);
    }
    if let Err(error) = state.hooks.settle(&received).await {
        // What it did is in the commands' own records.
        error!(alert = %received.id, %error, "what came of an alert could not be written down");
    }
    drop(turn);
    match error {
        Some(error) => Err(error.with("alert", received.id.to_string()).with("commands", received.outcome.commands.clone())),
        None => {
            let status = if received.outcome.state == Stands::DryRun { StatusCode::OK } else { StatusCode::ACCEPTED };
            Ok((status, Json(told(&received))).into_response())
        }
    }
}

async fn carry_out(
    state: &ApiState,
    hook: &Hook,
    received: &mut Received,
    (plan, open): (Option<&Plan>, &mut Vec<CommandId>),
    arrived: Arrived,
) -> Carried {
    let name = match received.identity.filter(|identity| identity.for_good) {
        Some(identity) => crate::crypto::hex(&identity.digest),
        None => received.id.to_string(),
    };
    let name = format!("hook-{name}");
    match make(state, (hook, &name), received, (plan, open), arrived).await {
        Ok(carried) => carried,
        Err(error) => match &received.calls {
            Some(calls) => hook_act::made_before(state, calls, &name, error).await,
            None => Carried::nothing(error),
        },
    }
}

/// Makes the calls of an alert, once it is on the disk which they are.
async fn make(
    state: &ApiState,
    (hook, name): (&Hook, &str),
    received: &mut Received,
    (plan, open): (Option<&Plan>, &mut Vec<CommandId>),
    arrived: Arrived,
) -> ApiResult<Carried> {
    let interrupted = || {
        let detail = "the hub stopped before anything was sent for this alert; nothing was sent";
        ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "expired", detail)
    };
    if plan.is_none() && (hook.dry_run || received.calls.is_none()) {
        return Err(interrupted());
    }
    let key = acting_key(state, hook).ok_or_else(|| {
        let detail = "the API key that this hook acts under was revoked or has expired: give the hook another; nothing was sent";
        ApiError::new(StatusCode::FORBIDDEN, "forbidden", detail)
    })?;
    let acts = received.calls.as_ref().map(|calls| calls.acts.iter().all(Act::reduces));
    let reduces = plan.map_or(acts.unwrap_or_default(), |plan| plan.act.reduces());
    let permit = Arc::new(entered(state, &key, reduces, &received.from)?);
    let caller = Caller { key, person: None, hook: Some(hook.id), client: None, permit, arrived };
    let carrier = Carrier { state, caller: &caller, hook, key: name.to_owned() };
    if let Some(plan) = plan {
        carrier.earlier(plan, open).await;
        received.calls = Some(carrier.calls(plan).await?);
        state.hooks.decide(received).await?;
        fail::fail_point!("alert_decided", |_| std::process::abort());
    }
    let calls = received.calls.as_ref().ok_or_else(interrupted)?;
    Ok(carrier.make(calls).await)
}

/// Lets an alert in under the key as a bot's request would be: from the key's addresses, counted, and what closes or cancels never waits for
/// an hour to pass.
fn entered(state: &ApiState, key: &ApiKey, reduces: bool, from: &str) -> ApiResult<Permit> {
    let client = from.parse().ok();
    super::auth::admit_from(state, key, client)?;
    state.usage.asked(key.id, client);
    let purse = if reduces { Purse::Reserve } else { Purse::Plan };
    let (permit, _) = state.usage.enter(key, purse).map_err(|refused| {
        state.usage.refused(key.id, true);
        super::quota::too_many(&refused)
    })?;
    Ok(permit)
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
    let mut told = json!({
        "alert": received.id,
        "state": received.outcome.state,
        "commands": received.outcome.commands,
        "plan": plan,
    });
    if !received.outcome.code.is_empty() {
        told["code"] = json!(received.outcome.code);
        told["message"] = json!(received.outcome.detail);
    }
    told
}

/// Takes up what a hub that stopped had answered for and not carried out to its end. The calls that were written down are made under the
/// same keys, so commands that were made are found, also when their terminal is away; where none were nothing was sent, and that is
/// written down.
pub async fn resume_alerts(state: ApiState) {
    for hook in state.hooks.all() {
        let pending = state.hooks.pending(hook.id).await.unwrap_or_else(|error| {
            error!(hook = %hook.id, %error, "alerts that were pending cannot be read");
            Vec::new()
        });
        for received in pending {
            let late = state.clock.wall().since(received.at);
            let arrived = Arrived { steady: state.clock.steady().plus_ms(-late), wall: received.at };
            let Some(turn) = state.hooks.turn_again(&hook).await else { continue };
            // What comes of it is written down; nobody waits for the answer.
            let _ = carried(&state, &hook, received, (None, turn), arrived).await;
        }
    }
}
