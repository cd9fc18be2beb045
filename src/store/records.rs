//! Which record lives under which key, and how it is written.
//!
//! Keys are a letter and binary identifiers; values are MessagePack maps, so that a later version may add fields with defaults.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

mod audit;

pub use audit::{AuditOutcome, AuditRecord};

use super::{Batch, Entry, SealScope, Store, StoreError};
use crate::domain::{
    UnixMillis,
    account::Account,
    command::{CommandRecord, tag_sequence as tag_sequence_of},
    ids::{AlertId, CommandId, HookId, IncidentId, KeyId, LoginId, OwnerId, TokenId, UserId, WebhookId},
    indicator::IndicatorSlot,
    safety::{Deadman, Incident, IncidentKind, KillScope, KillSwitch},
};

/// Every token.
pub const TOKENS: &[u8] = b"t";
/// Every API key.
pub const KEYS: &[u8] = b"k";
/// A list of commands for every account that has one: what [`account_commands`] starts with.
pub const COMMAND_LISTS: &[u8] = b"a";
/// A marker for every command that has no final state yet.
pub const OPEN_COMMANDS: &[u8] = b"o";
/// Every incident, oldest first.
pub const INCIDENTS: &[u8] = b"n";
/// Every kill switch that was ever used, as it stands.
pub const KILL_SWITCHES: &[u8] = b"w";
/// Every dead-man timer that was ever armed, as it stands.
pub const DEADMEN: &[u8] = b"e";

/// What is known of each account's trade history as a whole, of every owner.
pub const HISTORY_ACCOUNTS: &[u8] = b"f";
/// Every indicator that has not expired, those that were deleted too.
pub const INDICATORS: &[u8] = b"x";

/// What is known of the use of every API key.
pub const KEY_USAGE: &[u8] = b"C";
/// Every user, those who were deleted too.
pub const USERS: &[u8] = b"U";
/// Every tenant of whom something is set.
pub const TENANTS: &[u8] = b"T";
/// Every login that has not ended.
pub const LOGINS: &[u8] = b"S";
/// The one-time code of a hub without users.
pub const FIRST_SETUP: &[u8] = b"F";

/// Key of a user.
#[must_use]
pub fn user(id: UserId) -> Vec<u8> {
    join(USERS, &[&id.to_bytes()])
}

/// Key of what is set on a tenant.
#[must_use]
pub fn tenant(id: OwnerId) -> Vec<u8> {
    join(TENANTS, &[&id.to_bytes()])
}

/// Key of a login.
#[must_use]
pub fn login(id: LoginId) -> Vec<u8> {
    join(LOGINS, &[&id.to_bytes()])
}

/// Every hook.
pub const HOOKS: &[u8] = b"Hh";

/// Key of a hook.
#[must_use]
pub fn hook(id: HookId) -> Vec<u8> {
    join(HOOKS, &[&id.to_bytes()])
}

/// Key of an alert that came to a hook, which is sealed with a key of the hook's own.
#[must_use]
pub fn alert(hook: HookId, id: AlertId) -> Vec<u8> {
    join(&alerts(hook), &[&id.to_bytes()])
}

/// What the keys of all alerts of a hook start with, oldest first.
#[must_use]
pub fn alerts(hook: HookId) -> Vec<u8> {
    join(b"Ha", &[&hook.to_bytes()])
}

/// The seal of a hook's alerts: it goes with the hook.
#[must_use]
pub fn hook_scope(id: HookId) -> SealScope {
    SealScope::new("hook", 0, &id.to_string())
}

/// Every webhook.
pub const WEBHOOKS: &[u8] = b"Hw";

/// Key of a webhook, which is sealed with a key of its own: it holds what its messages are signed with.
#[must_use]
pub fn webhook(id: WebhookId) -> Vec<u8> {
    join(WEBHOOKS, &[&id.to_bytes()])
}

/// The seal of a webhook: it goes with the webhook.
#[must_use]
pub fn webhook_scope(id: WebhookId) -> SealScope {
    SealScope::new("webhook", 0, &id.to_string())
}

/// Key of how far a webhook has come.
#[must_use]
pub fn webhook_progress(id: WebhookId) -> Vec<u8> {
    join(b"Hp", &[&id.to_bytes()])
}

/// Key of an event that a webhook has not taken yet. It names the event and nothing that is in it.
#[must_use]
pub fn delivery(id: WebhookId, seq: u64) -> Vec<u8> {
    join(&deliveries(id), &[&seq.to_be_bytes()])
}

/// What the keys of all deliveries of a webhook start with, in the order of events.
#[must_use]
pub fn deliveries(id: WebhookId) -> Vec<u8> {
    join(b"D", &[&id.to_bytes()])
}

/// Key of a token.
#[must_use]
pub fn token(id: TokenId) -> Vec<u8> {
    join(TOKENS, &[&id.to_bytes()])
}

/// Key of the account that a token is locked to, sealed with a key of the token's own: when the account is deleted, nothing names it.
#[must_use]
pub fn token_lock(id: TokenId) -> Vec<u8> {
    join(b"l", &[&id.to_bytes()])
}

/// Key of an API key.
#[must_use]
pub fn api_key(id: KeyId) -> Vec<u8> {
    join(KEYS, &[&id.to_bytes()])
}

/// Key of what is known of an API key's use.
#[must_use]
pub fn key_usage(id: KeyId) -> Vec<u8> {
    join(KEY_USAGE, &[&id.to_bytes()])
}

/// Key of a command's record, which is sealed with its account's key.
#[must_use]
pub fn command(id: CommandId) -> Vec<u8> {
    join(b"c", &[&id.to_bytes()])
}

/// Key of the marker of an open command.
#[must_use]
pub fn open_command(id: CommandId) -> Vec<u8> {
    join(OPEN_COMMANDS, &[&id.to_bytes()])
}

/// Key of the entry by which an account's commands are listed.
#[must_use]
pub fn account_command(owner: OwnerId, account: &Account, id: CommandId) -> Vec<u8> {
    join(&account_commands(owner, account), &[&id.to_bytes()])
}

/// What the keys of all entries of an account's commands start with.
#[must_use]
pub fn account_commands(owner: OwnerId, account: &Account) -> Vec<u8> {
    join(COMMAND_LISTS, &[scope(owner, account).digest()])
}

/// The command that a key under [`account_commands`] or [`OPEN_COMMANDS`] names.
#[must_use]
pub fn command_of(key: &[u8]) -> Option<CommandId> {
    key.last_chunk::<16>().map(|bytes| CommandId::from_bytes(*bytes))
}

/// Key of a parent's record, which is sealed with its account's key.
#[must_use]
pub fn parent(id: CommandId) -> Vec<u8> {
    join(b"p", &[&id.to_bytes()])
}

/// Key of the entry by which an account's parents are found when the account is deleted.
#[must_use]
pub fn account_parent(owner: OwnerId, account: &Account, id: CommandId) -> Vec<u8> {
    join(&account_parents(owner, account), &[&id.to_bytes()])
}

/// What the keys of all entries of an account's parents start with.
#[must_use]
pub fn account_parents(owner: OwnerId, account: &Account) -> Vec<u8> {
    join(b"q", &[scope(owner, account).digest()])
}

/// Key of the entry by which a command is found by the caller's own reference.
#[must_use]
pub fn client_order(owner: OwnerId, account: &Account, client_order_id: &str, id: CommandId) -> Vec<u8> {
    join(&client_orders(owner, account, Some(client_order_id)), &[&id.to_bytes()])
}

/// What the keys of those entries start with, of one reference or of all of an account.
#[must_use]
pub fn client_orders(owner: OwnerId, account: &Account, client_order_id: Option<&str>) -> Vec<u8> {
    let scope = scope(owner, account);
    // Under the account's digest, so that it hides what is a name of the caller's making as well as it hides the account.
    let digest = client_order_id.map(|reference| crate::crypto::sha256(&[scope.digest(), reference.as_bytes()]));
    let reference: &[u8] = digest.as_ref().map_or(&[], |digest| digest);
    join(b"r", &[scope.digest(), reference])
}

/// Key of what an Idempotency-Key was used for: a digest, kept for good.
#[must_use]
pub fn idempotency(owner: OwnerId, account: &Account, key: &str) -> Vec<u8> {
    let server = account.server.as_bytes();
    let parts: [&[u8]; 5] = [&owner.to_bytes(), &account.login.to_be_bytes(), server, b"\0", key.as_bytes()];
    join(b"i", &[&crate::crypto::sha256(&parts)])
}

/// Key of the last tag sequence of an account. Over all owners, and neither deleted nor restored backwards with the account's data.
#[must_use]
pub fn tag_sequence(account: &Account) -> Vec<u8> {
    let parts: [&[u8]; 2] = [&account.login.to_be_bytes(), account.server.as_bytes()];
    join(b"s", &[&crate::crypto::sha256(&parts)])
}

/// Every audit record, oldest first.
pub const AUDIT: &[u8] = b"u";

/// Key of an audit record.
#[must_use]
pub fn audit(id: ulid::Ulid) -> Vec<u8> {
    join(AUDIT, &[&id.to_bytes()])
}

/// The id of the audit record under a key that starts with [`AUDIT`].
#[must_use]
pub fn audit_of(key: &[u8]) -> Option<ulid::Ulid> {
    key.strip_prefix(AUDIT).and_then(|id| id.try_into().ok()).map(ulid::Ulid::from_bytes)
}

/// Key of an incident, which is sealed with its account's key.
#[must_use]
pub fn incident(id: IncidentId) -> Vec<u8> {
    join(INCIDENTS, &[&id.to_bytes()])
}

/// The incident that a key under [`INCIDENTS`] names.
#[must_use]
pub fn incident_of(key: &[u8]) -> Option<IncidentId> {
    key.last_chunk::<16>().map(|bytes| IncidentId::from_bytes(*bytes))
}

/// Key by which an incident is kept once for what it is about, however often that is seen. A digest.
#[must_use]
pub fn incident_subject(owner: OwnerId, account: &Account, kind: IncidentKind, subject: &str) -> Vec<u8> {
    let scope = scope(owner, account);
    let parts: [&[u8]; 4] = [scope.digest(), kind.name().as_bytes(), b"\0", subject.as_bytes()];
    join(b"j", &[&crate::crypto::sha256(&parts)])
}

/// Key of a kill switch.
#[must_use]
pub fn kill_switch(scope: &KillScope) -> Vec<u8> {
    join(KILL_SWITCHES, &[&kill_scope(scope)])
}

/// Key of a dead-man timer.
#[must_use]
pub fn deadman(key: KeyId, scope: &KillScope) -> Vec<u8> {
    join(DEADMEN, &[&key.to_bytes(), &kill_scope(scope)])
}

/// Key of an indicator: its line of keys, then a digest of the rest, which may be long.
#[must_use]
pub fn indicator(slot: &IndicatorSlot) -> Vec<u8> {
    let timeframe = slot.timeframe.number().to_be_bytes();
    let parts: [&[u8]; 4] = [slot.id.as_bytes(), b"\0", &timeframe, slot.symbol.as_bytes()];
    join(INDICATORS, &[&slot.line.to_bytes(), &crate::crypto::sha256(&parts)])
}

/// A scope as part of a key: no account can be read off it.
fn kill_scope(of: &KillScope) -> Vec<u8> {
    match of {
        KillScope::Hub => b"h".to_vec(),
        KillScope::Owner(owner) => join(b"o", &[&owner.to_bytes()]),
        KillScope::Key(key) => join(b"k", &[&key.to_bytes()]),
        KillScope::Account(owner, account) => join(b"a", &[scope(*owner, account).digest()]),
    }
}

/// Key of the equity with which an account's day began.
#[must_use]
pub fn day_equity(owner: OwnerId, account: &Account) -> Vec<u8> {
    join(b"y", &[scope(owner, account).digest()])
}

/// Key of the newest command id at the time when an account's commands were deleted: none up to it will ever be read again.
#[must_use]
pub fn forgotten_commands(owner: OwnerId, account: &Account) -> Vec<u8> {
    join(b"z", &[scope(owner, account).digest()])
}

/// Key of the command that a tag of an account was given to.
#[must_use]
pub fn tagged_command(owner: OwnerId, account: &Account, sequence: u64) -> Vec<u8> {
    join(&tagged_commands(owner, account), &[&sequence.to_be_bytes()])
}

/// What the keys of all [`tagged_command`]s of an account start with.
#[must_use]
pub fn tagged_commands(owner: OwnerId, account: &Account) -> Vec<u8> {
    join(b"g", &[scope(owner, account).digest()])
}

/// Key of what is known of an account's trade history as a whole.
#[must_use]
pub fn history_account(owner: OwnerId, account: &Account) -> Vec<u8> {
    join(&history_accounts(owner), &[scope(owner, account).digest()])
}

/// What the keys of all [`history_account`]s of an owner start with.
#[must_use]
pub fn history_accounts(owner: OwnerId) -> Vec<u8> {
    join(HISTORY_ACCOUNTS, &[&owner.to_bytes()])
}

/// Key of a row of the trade history: by broker time in milliseconds, then by identity. It names neither ticket nor symbol.
#[must_use]
pub fn history_row(owner: OwnerId, account: &Account, broker_msc: u64, identity: &[u8; 16]) -> Vec<u8> {
    join(&history_rows(owner, account), &[&broker_msc.to_be_bytes(), identity])
}

/// What the keys of all rows of an account's trade history start with.
#[must_use]
pub fn history_rows(owner: OwnerId, account: &Account) -> Vec<u8> {
    join(b"h", &[scope(owner, account).digest()])
}

/// Every hour of every account's equity, those of one account together.
pub const EQUITY: &[u8] = b"E";

/// Key of an hour of an account's equity, counted from 1970, UTC.
#[must_use]
pub fn equity_hour(owner: OwnerId, account: &Account, hour: u64) -> Vec<u8> {
    join(&equity_hours(owner, account), &[&hour.to_be_bytes()])
}

/// What the keys of all hours of an account's equity start with.
#[must_use]
pub fn equity_hours(owner: OwnerId, account: &Account) -> Vec<u8> {
    join(EQUITY, &[scope(owner, account).digest()])
}

/// What a key under [`EQUITY`] has in common with those of its account.
#[must_use]
pub fn equity_account_of(key: &[u8]) -> &[u8] {
    key.split_last_chunk::<8>().map_or(key, |(account, _)| account)
}

/// The hour that a key under [`EQUITY`] is of.
#[must_use]
pub fn equity_hour_of(key: &[u8]) -> u64 {
    key.last_chunk::<8>().map_or(0, |hour| u64::from_be_bytes(*hour))
}

/// The seal of a token's lock. Not the account's, so that deleting an account through one token does not unlock another.
#[must_use]
pub fn token_scope(id: TokenId) -> SealScope {
    SealScope::new("token", 0, &id.to_string())
}

/// The seal of everything that belongs to one owner's account.
#[must_use]
pub fn scope(owner: OwnerId, account: &Account) -> SealScope {
    SealScope::new(&owner.to_string(), account.login, &account.server)
}

fn join(prefix: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut key = prefix.to_vec();
    parts.iter().for_each(|part| key.extend_from_slice(part));
    key
}

/// The highest time-ordered identifier that any record has: of commands, parents, audit records, tokens, API keys, incidents. (An account that was deleted
/// takes its commands along, and its deletion is an audit record above them.)
///
/// # Errors
/// The store's.
pub async fn highest_id(store: &dyn Store) -> Result<Option<ulid::Ulid>, StoreError> {
    let mut highest = None;
    for prefix in [b"c".as_slice(), b"p", b"u", TOKENS, KEYS, INCIDENTS] {
        let last = store.last_key(prefix).await?;
        let id = last.and_then(|key| key.strip_prefix(prefix).and_then(|id| id.try_into().ok()).map(ulid::Ulid::from_bytes));
        highest = highest.max(id);
    }
    Ok(highest)
}

/// What an Idempotency-Key was used for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdempotencyRecord {
    /// The command that it made.
    pub command: CommandId,
    /// SHA-256 of method, route and canonical body.
    #[serde(with = "serde_bytes")]
    pub fingerprint: Vec<u8>,
    /// When.
    pub at: UnixMillis,
}

/// The equity with which a broker's day began.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DayEquity {
    /// Days since 1970-01-01 on the broker's clock.
    pub day: i64,
    /// Account currency.
    pub equity: f64,
}

/// Writes a record.
pub fn encode(record: &impl Serialize) -> Vec<u8> {
    // Into memory, types of ours only: it cannot fail; an empty value would be refused by `decode` as damage.
    rmp_serde::to_vec_named(record).unwrap_or_default()
}

/// Reads a record.
///
/// # Errors
/// [`StoreError::Damaged`] when the bytes are no such record.
pub fn decode<T: DeserializeOwned>(key: &[u8], entry: &Entry) -> Result<T, StoreError> {
    rmp_serde::from_slice(&entry.value).map_err(|error| StoreError::Damaged {
        path: std::path::PathBuf::from(format!("record {:?}", String::from_utf8_lossy(key))),
        offset: 0,
        detail: error.to_string(),
    })
}

/// Adds an incident to a batch, sealed with its account's key.
#[must_use]
pub fn put_incident(batch: Batch, record: &Incident) -> Batch {
    batch.put_sealed(&scope(record.owner, &record.account), incident(record.id), encode(record))
}

/// Adds a kill switch to a batch; one that names an account is sealed with that account's key.
#[must_use]
pub fn put_kill_switch(batch: Batch, record: &KillSwitch) -> Batch {
    put_scoped(batch, &record.scope, kill_switch(&record.scope), encode(record))
}

/// Adds a dead-man timer to a batch; one that names an account is sealed with that account's key.
#[must_use]
pub fn put_deadman(batch: Batch, record: &Deadman) -> Batch {
    put_scoped(batch, &record.scope, deadman(record.key, &record.scope), encode(record))
}

fn put_scoped(batch: Batch, of: &KillScope, key: Vec<u8>, value: Vec<u8>) -> Batch {
    match of {
        KillScope::Account(owner, account) => batch.put_sealed(&scope(*owner, account), key, value),
        KillScope::Hub | KillScope::Owner(_) | KillScope::Key(_) => batch.put(key, value),
    }
}

/// Adds the change of a command's record to a batch, with its marker and its place in the account's list.
#[must_use]
pub fn put_command(batch: Batch, record: &CommandRecord) -> Batch {
    let batch = batch.put_sealed(&scope(record.owner, &record.account), command(record.id), encode(record));
    if record.state.is_final() {
        return batch.delete(open_command(record.id));
    }
    let sequence = tag_sequence_of(record.tag).unwrap_or(0);
    let tagged = tagged_command(record.owner, &record.account, sequence);
    batch.put(open_command(record.id), b"".to_vec()).put(tagged, record.id.to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;

    #[tokio::test]
    async fn identifiers_go_on_above_every_time_ordered_record() {
        let id = |ms| ulid::Ulid::from_parts(ms, 0);
        for (at, key) in (1_u64..).zip([
            command as fn(CommandId) -> Vec<u8>,
            parent,
            |id| audit(ulid::Ulid::from_bytes(id.to_bytes())),
            |id| token(TokenId::from_bytes(id.to_bytes())),
            |id| api_key(KeyId::from_bytes(id.to_bytes())),
            |id| incident(IncidentId::from_bytes(id.to_bytes())),
        ]) {
            let store = MemoryStore::default();
            let newest = id(100 * at);
            for one in [id(at), newest] {
                store.commit(Batch::outcome().put(key(CommandId::new(one)), b"x".to_vec())).await.unwrap();
            }
            assert_eq!(highest_id(&store).await.unwrap(), Some(newest), "{:?}", key(CommandId::new(newest)));
        }
        assert_eq!(highest_id(&MemoryStore::default()).await.unwrap(), None);
    }
}
