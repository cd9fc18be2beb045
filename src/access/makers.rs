//! Who made a command, or drew an indicator: told from the record, named as keys, users and hooks are called now.

use std::sync::{Arc, OnceLock};

use super::Access;
use crate::{
    domain::{
        command::CommandRecord,
        hook::Hook,
        ids::{HookId, KeyId, OwnerId},
        maker::{Maker, MakerId},
    },
    store::records,
};

/// Finds a hook. Hooks are known further up.
type HookOf = Box<dyn Fn(HookId) -> Option<Arc<Hook>> + Send + Sync>;

/// Where hooks are looked up; nothing is found until that is said.
#[derive(Default)]
pub(super) struct HookLookup {
    find: OnceLock<HookOf>,
}

impl Access {
    /// Says where hooks are looked up, once.
    pub fn look_up_hooks(&self, find: impl Fn(HookId) -> Option<Arc<Hook>> + Send + Sync + 'static) {
        // Whoever opens the hooks a second time over the same access has the same ones.
        let _ = self.inner.hooks.find.set(Box::new(find));
    }

    /// Who made a command.
    #[must_use]
    pub fn maker_id(&self, record: &CommandRecord) -> MakerId {
        record.hook.map_or_else(|| self.maker_of(record.key), MakerId::Hook)
    }

    /// Who made a command, by the name of now. Never the name of anybody of another tenant.
    #[must_use]
    pub fn maker(&self, record: &CommandRecord) -> Maker {
        self.called(self.maker_id(record), record.key, record.owner)
    }

    /// Who is behind a line of keys, in the same way.
    #[must_use]
    pub fn maker_of_line(&self, line: KeyId, tenant: OwnerId) -> Maker {
        self.called(self.maker_of(line), line, tenant)
    }

    fn called(&self, id: MakerId, key: KeyId, tenant: OwnerId) -> Maker {
        let of_key = || self.minted_key(key).filter(|key| key.owner == tenant).map(|key| key.name.clone());
        let (name, login) = match id {
            MakerId::Hub => (Some(id.kind().to_owned()), None),
            MakerId::User(user) => {
                // Theirs too who were deleted.
                let user = self.inner.users.get(&records::user(user)).filter(|user| user.tenant == tenant);
                user.map(|user| (user.name.clone(), user.login.clone())).unzip()
            }
            MakerId::Key(_) => (of_key(), None),
            MakerId::Hook(hook) => {
                let hook = self.inner.hooks.find.get().and_then(|find| find(hook)).filter(|hook| hook.owner == tenant);
                // Of one that was deleted its key tells: one of its own has its name.
                (hook.map(|hook| hook.name.clone()).or_else(of_key), None)
            }
        };
        let name = name.filter(|name| !name.is_empty());
        Maker { id, login: login.filter(|_| name.is_none()), name }
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
}
