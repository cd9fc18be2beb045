//! The fence after a restore: what was restored may be older than what terminals and brokers know, so trading stays shut until a person
//! has compared the accounts.

use std::{fs, io, path::Path};

use crate::{
    access::Access,
    domain::safety::{KillLevel, KillScope},
    store::StoreError,
    trading::{KillError, Trading},
};

/// Latches the whole hub, and lets nothing act that the backup had armed, if a restore has left its mark in the data folder; the mark goes when the latch is durable.
pub(super) async fn fence(trading: &Trading, access: &Access, data_dir: &Path) -> Result<(), StoreError> {
    let mark = data_dir.join("restored");
    let refused = |action, source: io::Error| StoreError::Io { action, path: mark.clone(), source: source.into() };
    let text = match fs::read_to_string(&mark) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(refused("read", error)),
    };
    // A mark that cannot be read is still a mark.
    let told: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let made = told["backup_at"].as_str().map_or_else(|| told["backup_at"].to_string(), str::to_owned);
    let reason = format!("restored from a backup of {made}: compare every account with its terminal, then lift");
    trading.quiet_after_restore(&reason).await?;
    // One that was ended after the backup was made would be good again.
    access.end_all_logins().await?;
    match trading.set_kill(KillScope::Hub, KillLevel::Block, &reason, "hub", false).await {
        // It stands higher already.
        Ok(_) | Err(KillError::MayNotLower(_)) => {}
        Err(KillError::Store(error)) => return Err(error),
    }
    fs::remove_file(&mark).map_err(|error| refused("remove", error))
}
