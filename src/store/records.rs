//! Which record lives under which key, and how it is written.
//!
//! Keys are a letter and binary identifiers; values are MessagePack maps, so that a later version may add fields with defaults.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Batch, Entry, SealScope, StoreError};
use crate::domain::{
    UnixMillis,
    account::Account,
    command::{CommandRecord, tag_sequence as tag_sequence_of},
    ids::{CommandId, KeyId, OwnerId, TokenId},
};

/// Every token.
pub const TOKENS: &[u8] = b"t";
/// Every API key.
pub const KEYS: &[u8] = b"k";
/// A marker for every command that has no final state yet.
pub const OPEN_COMMANDS: &[u8] = b"o";

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
    join(b"a", &[scope(owner, account).digest()])
}

/// The command that a key under [`account_commands`] or [`OPEN_COMMANDS`] names.
#[must_use]
pub fn command_of(key: &[u8]) -> Option<CommandId> {
    key.last_chunk::<16>().map(|bytes| CommandId::from_bytes(*bytes))
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

/// Key of an audit record.
#[must_use]
pub fn audit(id: ulid::Ulid) -> Vec<u8> {
    join(b"u", &[&id.to_bytes()])
}

/// Key of an incident.
#[must_use]
pub fn incident(command: CommandId, kind: &str) -> Vec<u8> {
    join(b"n", &[&command.to_bytes(), kind.as_bytes()])
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
    join(b"y", &[&owner.to_bytes()])
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

/// Who changed what. The journal chains it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// When.
    pub at: UnixMillis,
    /// The key that did it, or `hub`.
    pub actor: String,
    /// `token.create`, `token.lock`, …
    pub action: String,
    /// What it was done to.
    pub target: String,
    /// In words; never a secret.
    pub detail: String,
}

/// A contradiction or an unresolved outcome that a person must look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncidentRecord {
    /// When.
    pub at: UnixMillis,
    /// The command.
    pub command: CommandId,
    /// What happened, in words.
    pub text: String,
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
