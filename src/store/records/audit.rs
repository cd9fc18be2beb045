//! Who did what, and who was not let: the records that the journal chains.

use serde::{Deserialize, Serialize};

use crate::{domain::UnixMillis, telemetry::origin};

/// What became of what was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuditOutcome {
    /// It was done. Records of versions that knew nothing else say so.
    #[default]
    Done,
    /// It was refused.
    Denied,
}

impl AuditOutcome {
    /// Its word in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Denied => "denied",
        }
    }
}

/// Who changed what, or was refused. It names no account and holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// When; of several counted together, the last.
    pub at: UnixMillis,
    /// The key or user that did it, `hub`, or nobody that is known.
    pub actor: String,
    /// `token.create`, `token.lock`, …
    pub action: String,
    /// What it was done to.
    pub target: String,
    /// In words; never a secret.
    pub detail: String,
    /// What became of it.
    #[serde(default)]
    pub outcome: AuditOutcome,
    /// The address that it came from; of IPv6 and several counted together, its /64.
    #[serde(default)]
    pub from: Option<String>,
    /// The id of the request.
    #[serde(default)]
    pub request: Option<String>,
    /// How many there were of the same.
    #[serde(default = "one")]
    pub count: u64,
    /// The first of several.
    #[serde(default)]
    pub since: Option<UnixMillis>,
}

const fn one() -> u64 {
    1
}

impl AuditRecord {
    /// Something was done, by the call that this task works for, if it works for one.
    #[must_use]
    pub fn done(at: UnixMillis, actor: &str, action: &str, target: &str, detail: &str) -> Self {
        let origin = origin::current();
        Self {
            at,
            actor: actor.to_owned(),
            action: action.to_owned(),
            target: target.to_owned(),
            detail: detail.to_owned(),
            outcome: AuditOutcome::Done,
            from: origin.as_ref().and_then(|origin| origin.address).map(|address| address.to_string()),
            request: origin.map(|origin| origin.request.clone()),
            count: 1,
            since: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        store::{Entry, records},
        telemetry::origin::Origin,
    };

    #[test]
    fn a_record_of_an_earlier_version_reads_as_done_once() {
        #[derive(Serialize)]
        struct Earlier {
            at: UnixMillis,
            actor: &'static str,
            action: &'static str,
            target: &'static str,
            detail: &'static str,
        }
        let earlier = Earlier { at: UnixMillis(7), actor: "hub", action: "token.lock", target: "tok_1", detail: "" };
        let entry = Entry { version: 1, value: records::encode(&earlier) };
        let read: AuditRecord = records::decode(b"u", &entry).unwrap();
        assert_eq!(read, AuditRecord::done(UnixMillis(7), "hub", "token.lock", "tok_1", ""));
    }

    #[tokio::test]
    async fn a_record_says_where_its_call_came_from_in_a_task_of_its_own_too() {
        let origin = Arc::new(Origin::new(Some([10, 0, 0, 7].into()), "req_1".to_owned()));
        let record = origin::within(Some(origin), async {
            let making = origin::carried(async { AuditRecord::done(UnixMillis(1), "key_1", "key.create", "key_2", "") });
            tokio::task::JoinSet::from_iter([making]).join_next().await.unwrap().unwrap()
        })
        .await;
        assert_eq!((record.from.as_deref(), record.request.as_deref()), (Some("10.0.0.7"), Some("req_1")));
    }
}
