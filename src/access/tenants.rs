//! Tenants: who there are, and the plan that none of one's keys goes above.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use super::{Access, AccessError};
use crate::{
    domain::{
        api_key::{ApiKey, Plan},
        ids::OwnerId,
        tenant::Tenant,
        user::{Role, User},
    },
    store::{Batch, records},
};

/// A tenant, and how much there is of theirs.
#[derive(Debug, Clone, PartialEq)]
pub struct TenantView {
    /// Whose things they are.
    pub id: OwnerId,
    /// Who owns them; nobody on a hub's own as long as it has no user.
    pub founder: Option<Arc<User>>,
    /// The largest plan that its keys have.
    pub plan: Plan,
    /// Users, viewers too.
    pub users: usize,
    /// API keys that are good.
    pub keys: usize,
    /// Connection tokens that are good.
    pub tokens: usize,
}

impl Access {
    /// The largest plan that a key of this tenant has; no limit unless one was set.
    #[must_use]
    pub fn ceiling(&self, tenant: OwnerId) -> Plan {
        self.inner.tenants.get(&records::tenant(tenant)).map_or(Plan::Unlimited, |tenant| tenant.plan)
    }

    /// The plan in force for a key: its own, or its tenant's where that is smaller. A person has none.
    #[must_use]
    pub fn plan_of(&self, key: &ApiKey) -> Plan {
        if key.is_a_persons() { key.plan } else { key.plan.min(self.ceiling(key.owner)) }
    }

    /// Sets the largest plan of a tenant's keys, in force for the next request under each of them. What is written on the keys stays.
    ///
    /// # Errors
    /// [`AccessError::NotFound`] and the store's.
    pub async fn set_ceiling(&self, id: OwnerId, plan: Plan, actor: &str) -> Result<(), AccessError> {
        let _turn = self.inner.user_turn.lock().await;
        if !self.tenant_ids().contains(&id) {
            return Err(AccessError::NotFound);
        }
        let before = self.ceiling(id);
        if before == plan {
            return Ok(());
        }
        let detail = format!("plan {} (was {})", plan.name(), before.name());
        let batch = self.audited(Batch::outcome(), actor, "tenant.plan", &id.to_string(), &detail)?;
        let (key, tenant, store) = (records::tenant(id), Tenant { id, plan }, self.inner.store.as_ref());
        if self.inner.tenants.get(&key).is_none() {
            self.inner.tenants.insert(store, tenant, batch).await?;
        } else {
            self.inner.tenants.update(store, &key, |_| Ok(Some((tenant.clone(), batch.clone())))).await?;
        }
        Ok(())
    }

    /// The tenants after this one, at most so many, in the order of their ids: the hub's own first, then as they were made.
    #[must_use]
    pub fn tenants(&self, after: Option<OwnerId>, most: usize) -> Vec<TenantView> {
        let ids = self.tenant_ids().into_iter().filter(|id| after.is_none_or(|after| *id > after));
        self.viewed(&ids.take(most).collect::<Vec<_>>())
    }

    /// One tenant; one whose user was deleted is not there any more.
    #[must_use]
    pub fn tenant(&self, id: OwnerId) -> Option<TenantView> {
        if self.tenant_ids().contains(&id) { self.viewed(&[id]).pop() } else { None }
    }

    fn tenant_ids(&self) -> BTreeSet<OwnerId> {
        // A viewer has nothing of their own.
        let users = self.users().into_iter().filter(|user| user.role != Role::Viewer);
        std::iter::once(OwnerId::SELF).chain(users.map(|user| user.tenant)).collect()
    }

    fn viewed(&self, ids: &[OwnerId]) -> Vec<TenantView> {
        let (users, keys, tokens) = (self.users(), self.inner.keys.all(), self.inner.tokens.all());
        let now = self.inner.clock.wall();
        let members = counted(users.iter().map(|user| user.tenant));
        let keys = counted(keys.iter().filter(|key| key.is_valid(now)).map(|key| key.owner));
        let good = tokens.iter().filter(|token| token.revoked_at.is_none() && now < token.expires_at);
        let tokens = counted(good.map(|token| token.owner));
        let owns = |user: &&Arc<User>| user.role != Role::Viewer;
        let founders: HashMap<_, _> = users.iter().filter(owns).map(|user| (user.tenant, user)).collect();
        let of = |counts: &HashMap<OwnerId, usize>, id| counts.get(&id).copied().unwrap_or(0);
        let view = |id: &OwnerId| TenantView {
            id: *id,
            founder: founders.get(id).map(|user| Arc::clone(user)),
            plan: self.ceiling(*id),
            users: of(&members, *id),
            keys: of(&keys, *id),
            tokens: of(&tokens, *id),
        };
        ids.iter().map(view).collect()
    }
}

fn counted(owners: impl Iterator<Item = OwnerId>) -> HashMap<OwnerId, usize> {
    owners.fold(HashMap::new(), |mut counts, owner| {
        *counts.entry(owner).or_default() += 1;
        counts
    })
}

#[cfg(test)]
#[path = "tenants_tests.rs"]
mod tests;
