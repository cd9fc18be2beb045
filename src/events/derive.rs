//! From a committed batch to what happened. Pure, but for what must be known from before: which account a digest stands for.

use std::collections::HashMap;

use serde_json::{Value, json};
use tracing::error;

use super::view;
use crate::{
    domain::{
        UnixMillis,
        account::{Account, TRADE_MODE_DEMO},
        api_key::{ApiKey, Permission, Reach},
        command::{CommandRecord, CommandState},
        event::{Event, Subject, place},
        history::{Fact, HistoryAccount, HistoryRecord},
        ids::{KeyId, OwnerId, TokenId, WebhookId},
        indicator::Indicator,
        maker::Maker,
        safety::{Incident, IncidentKind, KillLevel, KillScope, KillSwitch},
        token::{Lock, Token},
        webhook::Webhook,
    },
    store::{
        Committed, Entry, Written,
        records::{self, AuditRecord},
    },
};

/// Accounts by what stands for them in the keys of their rows.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    by_digest: HashMap<[u8; 32], (OwnerId, HistoryAccount)>,
}

impl Accounts {
    /// Takes in a record of an account, if this is one.
    pub(super) fn learn(&mut self, key: &[u8], value: &[u8]) {
        let Some((owner, digest)) = key.strip_prefix(records::HISTORY_ACCOUNTS).and_then(|rest| rest.split_first_chunk::<16>())
        else {
            return;
        };
        if let (Ok(digest), Some(about)) = (digest.try_into(), read::<HistoryAccount>(key, value)) {
            self.by_digest.insert(digest, (OwnerId::from_bytes(*owner), about));
        }
    }

    fn is_demo(&self, owner: OwnerId, account: &Account) -> bool {
        let about = self.by_digest.get(records::scope(owner, account).digest());
        about.is_some_and(|(_, about)| about.trade_mode == TRADE_MODE_DEMO)
    }
}

/// What a batch does not say by itself.
pub(super) struct Known<'a> {
    pub(super) accounts: &'a Accounts,
    pub(super) owner_of: &'a dyn Fn(KeyId) -> Option<OwnerId>,
    /// The one thing in an event that may be told otherwise another time: what people call whoever made a command.
    pub(super) maker: &'a dyn Fn(&CommandRecord) -> Maker,
    /// The same of whoever drew an indicator.
    pub(super) maker_of_line: &'a dyn Fn(KeyId, OwnerId) -> Maker,
}

/// What happened in a batch, in its order.
pub(super) fn events(batch: &Committed, Known { accounts, owner_of, maker, maker_of_line }: &Known<'_>) -> Vec<Event> {
    let mut found = Vec::new();
    for (index, (key, written)) in batch.writes.iter().enumerate() {
        let Written::Put(value) = written else { continue };
        let seq = place(batch.seq, u16::try_from(index).unwrap_or(u16::MAX - 1));
        let event = match key.first() {
            Some(b'c') => read(key, value).map(|record| of_command(&record, maker(&record))),
            Some(b'h') => of_history(key, value, accounts),
            Some(b'n') => read(key, value).map(|incident| of_incident(&incident, accounts)),
            Some(b'w') => read(key, value).map(|switch| of_switch(&switch, accounts, owner_of)),
            Some(b'x') => read(key, value)
                .map(|indicator: Indicator| of_indicator(&indicator, maker_of_line(indicator.slot.line, indicator.owner))),
            Some(b'u') => read(key, value).and_then(|audit| of_audit(&audit, batch)),
            _ => None,
        };
        found.extend(event.map(|event| Event { seq, ..event }));
    }
    found
}

fn read<T: serde::de::DeserializeOwned>(key: &[u8], value: &[u8]) -> Option<T> {
    let entry = Entry { version: 0, value: value.to_vec() };
    records::decode(key, &entry).inspect_err(|error| error!(%error, "a record does not read; nobody is told of it")).ok()
}

/// What most events begin as.
fn event(subject: Subject, kind: &'static str, owner: OwnerId, at: UnixMillis, permission: Permission, data: Value) -> Event {
    Event {
        seq: 0,
        owner,
        account: None,
        subject,
        kind,
        at,
        symbol: None,
        permission,
        line: None,
        demo: true,
        everyone: false,
        data,
        login: None,
    }
}

fn of_command(record: &CommandRecord, maker: Maker) -> Event {
    let kind = match record.state {
        CommandState::Received => "command.received",
        CommandState::Dispatched => "command.dispatched",
        CommandState::Accepted => "command.accepted",
        CommandState::Unknown => "command.unknown",
        CommandState::Executed => "command.executed",
        CommandState::Partial => "command.partial",
        CommandState::Placed => "command.placed",
        CommandState::BrokerRejected => "command.broker_rejected",
        CommandState::EaRefused => "command.ea_refused",
        CommandState::NotExecuted => "command.not_executed",
        CommandState::Cancelled => "command.cancelled",
        CommandState::Expired => "command.expired",
        CommandState::Adjudicated => "command.adjudicated",
    };
    let symbol = Some(record.request.symbol.clone()).filter(|symbol| !symbol.is_empty());
    let login = maker.login.clone();
    let data = view::command_json(record, &maker.without_login());
    Event {
        account: Some(record.account.clone()),
        symbol,
        demo: record.trade_mode == TRADE_MODE_DEMO,
        login,
        ..event(Subject::Commands, kind, record.owner, record.updated_at, record.permission, data)
    }
}

fn of_history(key: &[u8], value: &[u8], accounts: &Accounts) -> Option<Event> {
    let digest: [u8; 32] = *key.get(1..)?.first_chunk()?;
    let Some((owner, about)) = accounts.by_digest.get(&digest) else {
        error!("a row of a trade history belongs to no known account; nobody is told of it");
        return None;
    };
    let record: HistoryRecord = read(key, value)?;
    let (subject, kind, permission) = match record.fact {
        Fact::Deal(_) => (Subject::Deals, "deal", Permission::ReadHistory),
        Fact::Order(_) => (Subject::Orders, "order", Permission::ReadPositions),
        Fact::Position(_) => (Subject::Positions, "position", Permission::ReadPositions),
    };
    let symbol = Some(record.fact.symbol().to_owned()).filter(|symbol| !symbol.is_empty());
    let data = Value::Object(view::history_json(&about.account, &record));
    Some(Event {
        account: Some(about.account.clone()),
        symbol,
        demo: about.trade_mode == TRADE_MODE_DEMO,
        ..event(subject, kind, *owner, record.updated_at, permission, data)
    })
}

fn of_incident(incident: &Incident, accounts: &Accounts) -> Event {
    let kind = match incident.kind {
        IncidentKind::Contradiction => "incident.contradiction",
        IncidentKind::MissingTicket => "incident.missing_ticket",
        IncidentKind::UnknownTag => "incident.unknown_tag",
        IncidentKind::Unresolved => "incident.unresolved",
    };
    let data = view::incident_json(incident);
    Event {
        account: Some(incident.account.clone()),
        demo: accounts.is_demo(incident.owner, &incident.account),
        ..event(Subject::Incidents, kind, incident.owner, incident.at, Permission::ReadAccount, data)
    }
}

fn of_switch(switch: &KillSwitch, accounts: &Accounts, owner_of: &dyn Fn(KeyId) -> Option<OwnerId>) -> Event {
    let kind = if switch.level == KillLevel::Off { "kill_switch.lifted" } else { "kill_switch.set" };
    let begun = |owner| event(Subject::KillSwitches, kind, owner, switch.at, Permission::ReadAccount, view::switch_json(switch));
    match &switch.scope {
        KillScope::Hub => {
            let mut event = Event { everyone: true, ..begun(OwnerId::SELF) };
            // One frame goes to every tenant, and whose key or user it was is the operator's business.
            event.data["by"] = "hub".into();
            event
        }
        KillScope::Owner(owner) => begun(*owner),
        KillScope::Key(key) => Event { line: Some(*key), ..begun(owner_of(*key).unwrap_or(OwnerId::SELF)) },
        KillScope::Account(owner, account) => {
            Event { account: Some(account.clone()), demo: accounts.is_demo(*owner, account), ..begun(*owner) }
        }
    }
}

fn of_indicator(indicator: &Indicator, maker: Maker) -> Event {
    let kind = match indicator {
        one if one.has_expired() => "indicator.expired",
        one if one.deleted => "indicator.deleted",
        _ => "indicator.submitted",
    };
    let at = indicator.ended_at.unwrap_or(indicator.created_at);
    let login = maker.login.clone();
    let data = view::indicator_json(indicator, &maker.without_login());
    Event {
        symbol: Some(indicator.slot.symbol.clone()),
        line: Some(indicator.slot.line),
        login,
        ..event(Subject::Indicators, kind, indicator.owner, at, Permission::ReadIndicators, data)
    }
}

/// Tokens and keys are written for many reasons; the audit record beside the write says whether it was a change that people made.
fn of_audit(audit: &AuditRecord, batch: &Committed) -> Option<Event> {
    let (of, change) = audit.action.split_once('.')?;
    match of {
        "token" => of_token(audit, change, audit.target.parse().ok()?, batch),
        "key" => of_key(audit, change, audit.target.parse().ok()?, batch),
        "webhook" if change == "disable" => of_webhook(audit, audit.target.parse().ok()?, batch),
        _ => None,
    }
}

/// A person must look at it: events are kept, and nobody hears of them.
fn of_webhook(audit: &AuditRecord, id: WebhookId, batch: &Committed) -> Option<Event> {
    let webhook: Webhook = written(batch, &records::webhook(id))?;
    let data = json!({"id": id, "name": webhook.name, "reason": audit.detail, "by": audit.actor});
    Some(event(Subject::Incidents, "webhook.disabled", webhook.owner, audit.at, Permission::Admin, data))
}

fn of_token(audit: &AuditRecord, change: &str, id: TokenId, batch: &Committed) -> Option<Event> {
    let kind = match change {
        "create" => "token.created",
        "lock" => "token.locked",
        "disconnect" => "token.disconnected",
        "revoke" => "token.revoked",
        "rotate" => "token.rotated",
        _ => "token.changed",
    };
    let token: Token = written(batch, &records::token(id))?;
    let lock: Option<Lock> = written(batch, &records::token_lock(id));
    let account = lock.as_ref().map(|lock| lock.account.clone());
    let data = json!({
        "id": id, "name": token.name, "prefix": token.prefix, "account": account, "by": audit.actor,
        "created_at": view::rfc3339(token.created_at), "expires_at": view::rfc3339(token.expires_at),
        "revoked_at": token.revoked_at.map(view::rfc3339), "successor": token.successor,
    });
    Some(Event {
        account,
        demo: lock.is_some_and(|lock| lock.trade_mode == TRADE_MODE_DEMO),
        ..event(Subject::Tokens, kind, token.owner, audit.at, Permission::Admin, data)
    })
}

fn of_key(audit: &AuditRecord, change: &str, id: KeyId, batch: &Committed) -> Option<Event> {
    let kind = match change {
        "create" => "key.created",
        "revoke" => "key.revoked",
        "rotate" => "key.rotated",
        _ => "key.changed",
    };
    let key: ApiKey = written(batch, &records::api_key(id))?;
    let data = json!({
        "id": id, "name": key.name, "prefix": key.prefix, "permissions": key.permissions, "by": audit.actor,
        "created_at": view::rfc3339(key.created_at), "expires_at": key.expires_at.map(view::rfc3339),
        "revoked_at": key.revoked_at.map(view::rfc3339), "successor": key.successor,
    });
    let demo = key.reach == Reach::Test;
    Some(Event { demo, ..event(Subject::Keys, kind, key.owner, audit.at, Permission::Admin, data) })
}

/// What the batch made of this key.
fn written<T: serde::de::DeserializeOwned>(batch: &Committed, key: &[u8]) -> Option<T> {
    batch.writes.iter().rev().find_map(|(written, to)| match to {
        Written::Put(value) if written == key => read(key, value),
        _ => None,
    })
}
