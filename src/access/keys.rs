//! The life of an API key.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use super::{
    Access, AccessError,
    secret::{self, Secret},
};
use crate::{
    domain::{
        UnixMillis,
        api_key::{ApiKey, Permission, Plan, Reach},
        command::CommandRecord,
        ids::{KeyId, OwnerId},
        limits::Limits,
        scope::Scope,
    },
    store::{Batch, records},
};

/// What a new key is to be.
#[derive(Debug, Clone, PartialEq)]
pub struct NewKey {
    /// What a person calls it.
    pub name: String,
    /// What it may do.
    pub permissions: Vec<Permission>,
    /// Which terminals it reaches.
    pub reach: Reach,
    /// From then on it is refused.
    pub expires_at: Option<UnixMillis>,
    /// What may be traded under it.
    pub limits: Limits,
    /// How much it may ask for.
    pub plan: Plan,
    /// What it reaches, and from where.
    pub scope: Scope,
}

impl NewKey {
    /// One with all that `key` has.
    #[must_use]
    pub fn like(key: &ApiKey) -> Self {
        Self {
            name: key.name.clone(),
            permissions: key.permissions.clone(),
            reach: key.reach,
            expires_at: key.expires_at,
            limits: key.limits.clone(),
            plan: key.plan,
            scope: key.scope.clone(),
        }
    }

    /// A key that may do everything.
    #[must_use]
    pub fn admin(name: &str) -> Self {
        let permissions = vec![Permission::Admin];
        Self {
            name: name.to_owned(),
            permissions,
            reach: Reach::Live,
            expires_at: None,
            limits: Limits::default(),
            plan: Plan::default(),
            scope: Scope::default(),
        }
    }
}

impl Access {
    /// Makes a key. The secret is in the answer and nowhere else.
    ///
    /// # Errors
    /// The store's, or no randomness.
    pub async fn mint_key(&self, new: NewKey, owner: OwnerId, actor: &str) -> Result<(Arc<ApiKey>, Secret), AccessError> {
        let secret = Secret::generate(prefix_of(new.reach))?;
        Ok((self.insert_key(new, owner, &secret, actor).await?, secret))
    }

    async fn insert_key(&self, new: NewKey, owner: OwnerId, secret: &Secret, actor: &str) -> Result<Arc<ApiKey>, AccessError> {
        let key = self.new_key(new, owner, secret)?;
        let batch = self.creating(Batch::admission(), &key, actor)?;
        self.inner.keys.insert(self.inner.store.as_ref(), key, batch).await
    }

    fn creating(&self, batch: Batch, key: &ApiKey, actor: &str) -> Result<Batch, AccessError> {
        let names: Vec<_> = key.permissions.iter().map(|permission| permission.name()).collect();
        self.audited(batch, actor, "key.create", &key.id.to_string(), &names.join(" "))
    }

    fn new_key(&self, new: NewKey, owner: OwnerId, secret: &Secret) -> Result<ApiKey, AccessError> {
        Ok(ApiKey {
            id: KeyId::new(self.inner.ids.next()?),
            owner,
            name: new.name,
            prefix: secret.shown_prefix(),
            digest: self.digest(secret.reveal()).to_vec(),
            reach: new.reach,
            permissions: new.permissions,
            created_at: self.inner.clock.wall(),
            expires_at: new.expires_at,
            revoked_at: None,
            successor: None,
            first: None,
            limits: new.limits,
            plan: new.plan,
            scope: new.scope,
        })
    }

    /// Makes sure that somebody can administer: takes the preset key, or makes one when there is none yet.
    ///
    /// Returns the secret of a key that was made, to be shown once.
    ///
    /// # Errors
    /// [`AccessError::Unknown`] when the preset is no live key; [`AccessError::Revoked`] when it was revoked earlier.
    pub async fn ensure_admin(&self, preset: Option<&str>) -> Result<Option<Secret>, AccessError> {
        if let Some(preset) = preset {
            let secret = Secret::parse(preset.trim(), &[secret::KEY_LIVE]).ok_or(AccessError::Unknown)?;
            return match self.inner.keys.by_digest(&self.digest(secret.reveal())) {
                Some(key) if !key.is_valid(self.inner.clock.wall()) => Err(AccessError::Revoked),
                Some(key) if !key.may(Permission::Admin) || key.owner != OwnerId::SELF => Err(AccessError::NotAdmin),
                Some(_) => Ok(None),
                None => self.insert_key(NewKey::admin("preset admin"), OwnerId::SELF, &secret, "hub").await.map(|_| None),
            };
        }
        let now = self.inner.clock.wall();
        if self.inner.keys.all().iter().any(|key| key.owner == OwnerId::SELF && key.is_valid(now) && key.may(Permission::Admin)) {
            return Ok(None);
        }
        self.mint_key(NewKey::admin("first admin"), OwnerId::SELF, "hub").await.map(|(_, secret)| Some(secret))
    }

    /// The key behind a presented secret, if it is still good.
    ///
    /// # Errors
    /// [`AccessError::Unknown`], [`AccessError::Revoked`], [`AccessError::Expired`], [`AccessError::OwnerDisabled`].
    pub fn present_key(&self, text: &str) -> Result<Arc<ApiKey>, AccessError> {
        let secret = Secret::parse(text, &[secret::KEY_LIVE, secret::KEY_TEST]).ok_or(AccessError::Unknown)?;
        let key = self.inner.keys.by_digest(&self.digest(secret.reveal())).ok_or(AccessError::Unknown)?;
        match (key.revoked_at, key.is_valid(self.inner.clock.wall())) {
            (Some(_), _) => Err(AccessError::Revoked),
            (None, false) => Err(AccessError::Expired),
            (None, true) => self.tenant_goes_on(key.owner).map(|()| key),
        }
    }

    /// Whether a key is still good and may do this: asked again at the last moment, because a call may take its time.
    #[must_use]
    pub fn key_may(&self, id: KeyId, needed: Permission) -> bool {
        let good =
            |key: &ApiKey| key.is_valid(self.inner.clock.wall()) && self.tenant_goes_on(key.owner).is_ok() && key.may(needed);
        self.key(id).is_some_and(|key| good(&key))
    }

    /// Whether a key is still good for a command: for what it needs, its account and its symbol.
    #[must_use]
    pub fn key_may_send(&self, record: &CommandRecord) -> bool {
        let symbol = &record.request.symbol;
        self.key_may(record.key, record.permission)
            && self
                .key(record.key)
                .is_some_and(|key| key.allows_account(&record.account) && (symbol.is_empty() || key.allows_symbol(symbol)))
    }

    /// A key by its id, or under what a user acts whose line this is.
    #[must_use]
    pub fn key(&self, id: KeyId) -> Option<Arc<ApiKey>> {
        self.minted_key(id).or_else(|| self.principal(id))
    }

    /// A key that somebody made.
    #[must_use]
    pub fn minted_key(&self, id: KeyId) -> Option<Arc<ApiKey>> {
        self.inner.keys.get(&records::api_key(id))
    }

    /// Told after each change of any key: whoever acts under one for long (a stream) then asks for it again, because it may have been
    /// revoked or allow less.
    #[must_use]
    pub fn keys_changed(&self) -> watch::Receiver<u64> {
        self.inner.keys.changes()
    }

    /// The line of a key: see [`ApiKey::line`]. One that is not kept, like the hub's own, is its own line.
    #[must_use]
    pub fn line_of(&self, id: KeyId) -> KeyId {
        self.key(id).map_or(id, |key| key.line())
    }

    /// All keys of all owners that somebody made, oldest first.
    #[must_use]
    pub fn keys(&self) -> Vec<Arc<ApiKey>> {
        let mut keys = self.inner.keys.all();
        keys.sort_by_key(|key| key.id);
        keys
    }

    /// Makes a key what it should be, in everything but its reach: from the next request on. The audit says which members changed; not to
    /// what, because an account's number would outlive the account there.
    ///
    /// # Errors
    /// [`AccessError::NotFound`] and the store's.
    pub async fn change_key(&self, id: KeyId, to: NewKey, actor: &str) -> Result<Arc<ApiKey>, AccessError> {
        self.update_key(id, |key| {
            let NewKey { name, permissions, reach: _, expires_at, limits, plan, scope } = to.clone();
            let changed = ApiKey { name, permissions, expires_at, limits, plan, scope, ..key.clone() };
            if changed == *key {
                return Ok(None);
            }
            let batch = self.audited(Batch::outcome(), actor, "key.change", &id.to_string(), &difference(key, &changed))?;
            Ok(Some((changed, batch)))
        })
        .await
    }

    /// Revokes for good: the next request under it is refused. Revoking twice is no error.
    ///
    /// # Errors
    /// [`AccessError::NotFound`] and the store's.
    pub async fn revoke_key(&self, id: KeyId, actor: &str) -> Result<Arc<ApiKey>, AccessError> {
        self.update_key(id, |key| {
            if key.revoked_at.is_some() {
                return Ok(None);
            }
            let batch = self.audited(Batch::outcome(), actor, "key.revoke", &id.to_string(), "")?;
            Ok(Some((ApiKey { revoked_at: Some(self.inner.clock.wall()), ..key.clone() }, batch)))
        })
        .await
    }

    /// Makes a successor with the same name and rights, in the same line; the old key is accepted for `overlap` more. One write: there is
    /// never a successor whose secret nobody was told, nor an old key that ends without one.
    ///
    /// # Errors
    /// [`AccessError::Revoked`], [`AccessError::Expired`], [`AccessError::NotFound`], the store's.
    pub async fn rotate_key(&self, id: KeyId, overlap: Duration, actor: &str) -> Result<(Arc<ApiKey>, Secret), AccessError> {
        let reach = self.minted_key(id).ok_or(AccessError::NotFound)?.reach;
        let secret = Secret::generate(prefix_of(reach))?;
        let rotate = |old: &ApiKey| {
            let now = self.inner.clock.wall();
            if !old.is_valid(now) {
                return Err(if old.revoked_at.is_some() { AccessError::Revoked } else { AccessError::Expired });
            }
            let new = NewKey {
                name: old.name.clone(),
                permissions: old.permissions.clone(),
                reach,
                expires_at: old.expires_at,
                limits: old.limits.clone(),
                plan: old.plan,
                scope: old.scope.clone(),
            };
            let successor = ApiKey { first: Some(old.line()), ..self.new_key(new, old.owner, &secret)? };
            let end = now.plus_ms(i64::try_from(overlap.as_millis()).unwrap_or(i64::MAX));
            let expires_at = Some(old.expires_at.map_or(end, |expiry| expiry.min(end)));
            let batch = self.creating(Batch::outcome(), &successor, actor)?;
            let batch = self.audited(batch, actor, "key.rotate", &id.to_string(), &format!("successor {}", successor.id))?;
            Ok((ApiKey { successor: Some(successor.id), expires_at, ..old.clone() }, successor, batch))
        };
        let successor = self.inner.keys.succeed(self.inner.store.as_ref(), &records::api_key(id), rotate).await?;
        Ok((successor, secret))
    }

    async fn update_key(
        &self,
        id: KeyId,
        change: impl FnMut(&ApiKey) -> Result<Option<(ApiKey, Batch)>, AccessError>,
    ) -> Result<Arc<ApiKey>, AccessError> {
        self.inner.keys.update(self.inner.store.as_ref(), &records::api_key(id), change).await
    }
}

/// Which members of a key are others than before, with what can be told of them.
fn difference(before: &ApiKey, after: &ApiKey) -> String {
    let names = |key: &ApiKey| key.permissions.iter().map(|held| held.name()).collect::<Vec<_>>().join(" ");
    let count = |list: Option<usize>| list.map_or("any".to_owned(), |count| count.to_string());
    let (old, new) = (&before.scope, &after.scope);
    let told = [
        (before.name != after.name, format!("name {}", after.name)),
        (before.permissions != after.permissions, format!("permissions {}", names(after))),
        (before.expires_at != after.expires_at, format!("expires_at {}", after.expires_at.map_or(0, |at| at.0))),
        (before.limits != after.limits, format!("limits {:?}", after.limits)),
        (before.plan != after.plan, format!("plan {}", after.plan.name())),
        (old.symbols != new.symbols, format!("symbols {:?}", new.symbols)),
        (old.accounts != new.accounts, format!("accounts {}", count(new.accounts.as_ref().map(Vec::len)))),
        (old.ips != new.ips, format!("ips {:?}", new.ips)),
        (old.default_terminal != new.default_terminal, "default_terminal".to_owned()),
    ];
    let told: Vec<_> = told.into_iter().filter_map(|(differs, text)| differs.then_some(text)).collect();
    told.join("; ")
}

const fn prefix_of(reach: Reach) -> &'static str {
    match reach {
        Reach::Live => secret::KEY_LIVE,
        Reach::Test => secret::KEY_TEST,
    }
}
