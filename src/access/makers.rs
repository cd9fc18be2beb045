//! Who made a command: told from its record, named as keys, users and hooks are called now.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use super::Access;
use crate::{
    domain::{
        command::CommandRecord,
        hook::Hook,
        ids::{HookId, KeyId, OwnerId, UserId},
        maker::{Maker, MakerId},
    },
    store::{Store, StoreError, records},
};

/// What each hook is called, and whose it is. Hooks themselves are known further up.
#[derive(Debug, Default)]
pub(super) struct HookNames {
    names: RwLock<HashMap<HookId, (OwnerId, String)>>,
}

impl HookNames {
    pub(super) async fn load(store: &dyn Store) -> Result<Self, StoreError> {
        let known = Self::default();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = store.scan(records::HOOKS, after.as_deref(), 256).await?;
            let Some((last, _)) = page.last() else { return Ok(known) };
            after = Some(last.clone());
            for (key, entry) in &page {
                known.set(&records::decode(key, entry)?);
            }
        }
    }

    fn set(&self, hook: &Hook) {
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        names.insert(hook.id, (hook.owner, hook.name.clone()));
    }

    fn get(&self, id: HookId, owner: OwnerId) -> Option<String> {
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        names.get(&id).filter(|(whose, _)| *whose == owner).map(|(_, name)| name.clone())
    }
}

impl Access {
    /// Takes in what a hook is called.
    pub fn hook_is_called(&self, hook: &Hook) {
        self.inner.hook_names.set(hook);
    }

    /// Forgets what a hook was called.
    pub fn hook_is_gone(&self, id: HookId) {
        self.inner.hook_names.names.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    /// Who made a command.
    #[must_use]
    pub fn maker_id(&self, record: &CommandRecord) -> MakerId {
        record.hook.map_or_else(|| self.maker_of(record.key), MakerId::Hook)
    }

    /// Who made a command, by the name of now. Never the name of anybody of another tenant.
    #[must_use]
    pub fn maker(&self, record: &CommandRecord) -> Maker {
        let id = self.maker_id(record);
        let key = || self.key(record.key).filter(|key| key.owner == record.owner);
        let name = match id {
            MakerId::Hub => Some(id.kind().to_owned()),
            MakerId::User(user) => self.person_called(user, record.owner).or_else(|| Some(key()?.name.clone())),
            MakerId::Key(_) => key().map(|key| key.name.clone()),
            // Of one that was deleted its key tells: one of its own has its name.
            MakerId::Hook(hook) => self.inner.hook_names.get(hook, record.owner).or_else(|| key().map(|key| key.name.clone())),
        };
        Maker { id, name: name.filter(|name| !name.is_empty()) }
    }

    /// The maker that somebody means who names a key, a user, a hook or `hub`; none if it is no such id. Whether there is one is not looked up.
    #[must_use]
    pub fn maker_meant(&self, text: &str) -> Option<MakerId> {
        if text == MakerId::Hub.kind() {
            return Some(MakerId::Hub);
        }
        let key = text.parse().ok().map(|id| self.maker_of(id));
        key.or_else(|| text.parse().ok().map(MakerId::User)).or_else(|| text.parse().ok().map(MakerId::Hook))
    }

    fn maker_of(&self, key: KeyId) -> MakerId {
        if key == KeyId::HUB {
            return MakerId::Hub;
        }
        match self.minted_key(key) {
            Some(minted) => MakerId::Key(minted.line()),
            None if self.principal(key).is_some() => MakerId::User(key.user()),
            None => MakerId::Key(key),
        }
    }

    /// The name that a user has chosen, if they have; theirs too who were deleted.
    fn person_called(&self, id: UserId, tenant: OwnerId) -> Option<String> {
        let user = self.inner.users.get(&records::user(id)).filter(|user| user.tenant == tenant)?;
        Some(user.name.clone()).filter(|name| !name.is_empty())
    }
}
