//! What a reader of events begins with: how it stands now. At least as new as the cursor that it comes with, so what follows may be in
//! it already, and nothing is missing.

use serde_json::Value;

use super::topic::{Topic, Want, sees};
use crate::{
    api::{ApiState, auth::Caller, commands::command_json, error::ApiResult, indicator_list, keys, resolve, safety, tokens},
    domain::{
        account::TRADE_MODE_DEMO,
        api_key::Reach,
        history::FactKind,
        safety::{Incident, KillScope},
    },
    events::view,
    history::Filter,
};

/// Deals of the last day on which something happened, and so many of an account at most; the rest is in the history.
const DEALS_MS: i64 = 86_400_000;
const DEALS_MAX: usize = 500;
/// The newest incidents.
const INCIDENTS_MAX: usize = 100;

/// The rows, or none where the state that is followed beside the events says it all.
pub(super) async fn rows(state: &ApiState, caller: &Caller, want: &Want) -> ApiResult<Option<Vec<Value>>> {
    Ok(Some(match want.topic {
        Topic::Commands => commands(state, caller, want).await?,
        Topic::Deals => deals(state, caller, want).await?,
        Topic::Incidents => incidents(state, caller, want).await?,
        Topic::KillSwitches => switches(state, caller, want),
        Topic::Indicators => indicator_list::rows(state, caller),
        Topic::Tokens => tokens::rows(state, caller),
        Topic::Keys => keys::rows(state, caller),
        _ => return Ok(None),
    }))
}

/// Those that are open.
async fn commands(state: &ApiState, caller: &Caller, want: &Want) -> ApiResult<Vec<Value>> {
    let mut open = state.trading.unfinished_commands().await?;
    let key = &caller.key;
    open.retain(|record| {
        record.owner == key.owner
            && key.may(record.permission)
            && (key.reach == Reach::Live || record.trade_mode == TRADE_MODE_DEMO)
            && key.allows_account(&record.account)
            && key.allows_symbol(&record.request.symbol)
            && want.account.as_ref().is_none_or(|account| *account == record.account)
    });
    Ok(open.iter().map(|record| command_json(state, caller, record)).collect())
}

async fn deals(state: &ApiState, caller: &Caller, want: &Want) -> ApiResult<Vec<Value>> {
    let mut accounts: Vec<_> = resolve::visible(state, caller).into_iter().map(|target| target.account).collect();
    accounts.retain(|account| want.account.as_ref().is_none_or(|wanted| wanted == account));
    accounts.sort();
    accounts.dedup();
    let mut rows = Vec::new();
    for account in &accounts {
        let last = state.history.newest(caller.key.owner, account).await?;
        let from = last.map(|last| last.plus_ms(-DEALS_MS));
        let filter = Filter { from, kind: Some(FactKind::Deal), ..Filter::default() };
        let (mut after, mut newest) = (None, Vec::new());
        loop {
            let (rows, next) = state.history.rows(caller.key.owner, account, &filter, after, DEALS_MAX).await?;
            newest.extend(rows.into_iter().filter(|row| caller.key.allows_symbol(row.fact.symbol())));
            newest.drain(..newest.len().saturating_sub(DEALS_MAX));
            after = next;
            if after.is_none() {
                break;
            }
        }
        rows.extend(newest.iter().map(|row| Value::Object(view::history_json(account, row))));
    }
    Ok(rows)
}

async fn incidents(state: &ApiState, caller: &Caller, want: &Want) -> ApiResult<Vec<Value>> {
    let accounts: Vec<_> = resolve::visible(state, caller).into_iter().map(|target| target.account).collect();
    let live = caller.key.reach == Reach::Live;
    let wanted = |incident: &Incident| {
        let account = &incident.account;
        incident.owner == caller.key.owner
            && caller.key.allows_account(account)
            && (live || accounts.contains(account))
            && want.account.as_ref().is_none_or(|wanted| wanted == account)
    };
    let newest = state.trading.newest_incidents(INCIDENTS_MAX, wanted).await?;
    Ok(newest.iter().map(view::incident_json).collect())
}

fn switches(state: &ApiState, caller: &Caller, want: &Want) -> Vec<Value> {
    let named = |scope: &KillScope| match scope {
        KillScope::Account(_, account) => want.account.as_ref().is_none_or(|wanted| wanted == account),
        _ => true,
    };
    let switches = state.trading.kill_switches();
    let shown = switches.iter().filter(|switch| named(&switch.scope) && safety::sees_scope(state, caller, &switch.scope));
    shown.map(|switch| safety::switch_json(caller, switch)).collect()
}

/// Whether an event is for this reader.
pub(super) fn is_for(
    caller: &Caller,
    wants: &std::collections::BTreeMap<Want, u64>,
    event: &crate::domain::event::Event,
) -> bool {
    sees(caller, event) && wants.iter().any(|(want, from)| event.seq > *from && want.takes(event))
}
