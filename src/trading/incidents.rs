//! Incidents: what a person must look at. Each is recorded once; those that show that record and broker disagree stop the account in
//! the same write.

use tracing::{error, info};

use super::Trading;
use crate::{
    domain::{
        account::Account,
        command::CommandRecord,
        ids::{CommandId, IncidentId, OwnerId},
        safety::{Incident, IncidentKind, KillLevel, KillScope},
    },
    store::{Batch, StoreError, records},
    telemetry::metrics::count,
};

/// Something that was noticed.
#[derive(Debug, Clone)]
pub struct NewIncident {
    /// Whose account.
    pub owner: OwnerId,
    /// The account.
    pub account: Account,
    /// What kind; [`IncidentKind::latches`] says which of them stop the account.
    pub kind: IncidentKind,
    /// The command that it is about, if it is about one.
    pub command: Option<CommandId>,
    /// What exactly it is about, for instance `deal 77`: noticed again, it is still the same incident. The command's id does where there is
    /// nothing finer.
    pub subject: String,
    /// What happened, in words.
    pub text: String,
}

/// Pages of incidents that one look from the newest goes through.
const LOOKS_BACK: usize = 50;

impl Trading {
    /// Records an incident, once for each (account, kind, subject), and latches the account's kill switch at `block` when its kind asks
    /// for that. Both are durable when it returns; `false` means that it was known already, and nothing changed.
    ///
    /// # Errors
    /// The store's: nothing was recorded, and whoever noticed it must notice it again.
    pub async fn raise_incident(&self, new: NewIncident) -> Result<bool, StoreError> {
        let subject = records::incident_subject(new.owner, &new.account, new.kind, &new.subject);
        if self.inner.store.get(&subject).await?.is_some() {
            return Ok(false);
        }
        let id = IncidentId::new(self.inner.ids.next().map_err(|error| StoreError::Degraded { reason: error.to_string() })?);
        let NewIncident { owner, account, kind, command, text, .. } = new;
        let incident = Incident { id, at: self.inner.clock.wall(), owner, account: account.clone(), kind, command, text };
        let batch = Batch::outcome().expect_absent(subject.clone()).put(subject.clone(), id.to_bytes().to_vec());
        let batch = records::put_incident(batch, &incident);
        let committed = if kind.latches() {
            let reason = format!("incident {id} ({}): compare the account with its records, then lift", kind.name());
            self.raise_kill_with(batch, KillScope::Account(owner, account.clone()), KillLevel::Block, &reason, "hub").await
        } else {
            self.inner.store.commit(batch).await.map(drop)
        };
        match committed {
            Ok(()) => {
                count(&self.inner.hub.metrics().incidents, "kind", kind.name());
                error!(%account, incident = %id, kind = kind.name(), text = incident.text, "incident");
                Ok(true)
            }
            Err(StoreError::Conflict { key }) if key == subject => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Incidents, newest last, after `after`, and where the next page begins.
    ///
    /// # Errors
    /// The store's.
    pub async fn incidents(
        &self,
        after: Option<IncidentId>,
        limit: usize,
        keep: impl Fn(&Incident) -> bool,
    ) -> Result<(Vec<Incident>, Option<IncidentId>), StoreError> {
        let mut found: Vec<Incident> = Vec::new();
        let mut after = after.map(records::incident);
        loop {
            let page = self.inner.store.scan(records::INCIDENTS, after.as_deref(), limit.max(1)).await?;
            for (key, entry) in &page {
                let incident: Incident = records::decode(key, entry)?;
                if keep(&incident) {
                    found.push(incident);
                }
                if found.len() == limit {
                    return Ok((found, records::incident_of(key)));
                }
            }
            match page.last() {
                Some((key, _)) if page.len() == limit.max(1) => after = Some(key.clone()),
                _ => return Ok((found, None)),
            }
        }
    }

    /// The newest incidents that are wanted, oldest first, of those that one call looks through.
    ///
    /// # Errors
    /// The store's.
    pub async fn newest_incidents(&self, limit: usize, keep: impl Fn(&Incident) -> bool) -> Result<Vec<Incident>, StoreError> {
        let mut found = std::collections::VecDeque::new();
        let mut before: Option<Vec<u8>> = None;
        for _ in 0..LOOKS_BACK {
            let page = self.inner.store.scan_back(records::INCIDENTS, before.as_deref(), limit.max(1)).await?;
            for (key, entry) in &page {
                let incident: Incident = records::decode(key, entry)?;
                if found.len() < limit && keep(&incident) {
                    found.push_front(incident);
                }
            }
            match page.into_iter().next_back() {
                Some((key, _)) if found.len() < limit => before = Some(key),
                _ => break,
            }
        }
        Ok(found.into())
    }

    /// About one command. Whether it is on the disk; if not, the log has it, and its cause comes again.
    pub(super) async fn incident(&self, record: &CommandRecord, kind: IncidentKind, text: String) -> bool {
        let new = NewIncident {
            owner: record.owner,
            account: record.account.clone(),
            kind,
            command: Some(record.id),
            subject: record.id.to_string(),
            text,
        };
        let told = new.text.clone();
        let raised = self.raise_incident(new).await;
        match &raised {
            Ok(true) => {}
            Ok(false) => info!(command = %record.id, kind = kind.name(), told, "an incident that is known"),
            Err(error) => error!(command = %record.id, kind = kind.name(), told, %error, "an incident could not be recorded"),
        }
        raised.is_ok()
    }
}
