//! The life of a user: made with a one-time set-up code, sets a password, logs in, is disabled, enabled, reset, deleted.

use std::sync::Arc;

use super::{
    Access, AccessError,
    logins::ending,
    secret::{self, Secret},
};
use crate::{
    domain::{
        UnixMillis,
        api_key::ApiKey,
        ids::{KeyId, OwnerId, UserId},
        user::{Role, SetupCode, User},
    },
    store::{Batch, records},
};

/// A set-up code is good for so long.
const CODE_LIFE_MS: i64 = 24 * 3_600_000;

/// What a new user is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUser {
    /// What they log in with; see [`checked_login`].
    pub login: String,
    /// What people call them.
    pub name: String,
    /// As what.
    pub role: Role,
    /// Whose things a viewer looks at.
    pub tenant: OwnerId,
}

/// Why a user is not made or changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum UserError {
    /// Another user logs in with that.
    #[error("another user has this login")]
    LoginTaken,
    /// A viewer looks at what is another's, everybody else has things of their own: one never becomes the other.
    #[error("a viewer stays a viewer, and who owns something becomes none")]
    RoleFixed,
    /// Whoever runs the hub.
    #[error("the hub's first owner stays its owner")]
    LastOwner,
    /// As for tokens and keys.
    #[error(transparent)]
    Access(#[from] AccessError),
}

/// What a user may log in with: 1 to 64 letters, digits and `._-+@`, told apart by lower case.
#[must_use]
pub fn checked_login(text: &str) -> Option<String> {
    let login = text.trim().to_lowercase();
    let allowed = |c: char| c.is_alphanumeric() || "._-+@".contains(c);
    ((1..=64).contains(&login.chars().count()) && login.chars().all(allowed)).then_some(login)
}

impl Access {
    /// One user; those who were deleted are not there any more.
    #[must_use]
    pub fn user(&self, id: UserId) -> Option<Arc<User>> {
        self.inner.users.get(&records::user(id)).filter(|user| user.deleted_at.is_none())
    }

    /// All users, oldest first.
    #[must_use]
    pub fn users(&self) -> Vec<Arc<User>> {
        let mut users = self.inner.users.all();
        users.retain(|user| user.deleted_at.is_none());
        users.sort_by_key(|user| user.id);
        users
    }

    pub(super) fn user_by_login(&self, login: &str) -> Option<Arc<User>> {
        let login = checked_login(login)?;
        self.inner.users.all().into_iter().find(|user| user.deleted_at.is_none() && user.login == login)
    }

    /// Under what a user's line acts, if the key id is a user's line.
    pub(super) fn principal(&self, id: KeyId) -> Option<Arc<ApiKey>> {
        self.inner.users.get(&records::user(id.user())).map(|user| Arc::new(user.principal()))
    }

    /// Whether what belongs to a tenant may go on: the hub's own always, a user's as long as the user is neither disabled nor deleted.
    ///
    /// # Errors
    /// [`AccessError::OwnerDisabled`], perhaps for a while; [`AccessError::Revoked`] for good.
    pub fn tenant_goes_on(&self, tenant: OwnerId) -> Result<(), AccessError> {
        if tenant == OwnerId::SELF {
            return Ok(());
        }
        let founder = self.user(tenant.founder()).ok_or(AccessError::Revoked)?;
        if founder.is_active() { Ok(()) } else { Err(AccessError::OwnerDisabled) }
    }

    /// The one-time code with which the first user of a hub is made: only when there is neither a user nor a code yet.
    ///
    /// # Errors
    /// The store's, or no randomness.
    pub async fn ensure_setup(&self) -> Result<Option<Secret>, AccessError> {
        if self.inner.users.len() > 0 || self.inner.store.get(records::FIRST_SETUP).await?.is_some() {
            return Ok(None);
        }
        let (secret, code) = self.new_code()?;
        let batch = Batch::admission().expect_absent(records::FIRST_SETUP).put(records::FIRST_SETUP, records::encode(&code));
        self.inner.store.commit(batch).await?;
        Ok(Some(secret))
    }

    fn new_code(&self) -> Result<(Secret, SetupCode), AccessError> {
        let secret = Secret::generate(secret::SETUP)?;
        let digest = self.digest(secret.reveal()).to_vec();
        Ok((secret, SetupCode { digest, expires_at: self.inner.clock.wall().plus_ms(CODE_LIFE_MS) }))
    }

    /// Makes a user who has no password yet. The code with which they set one is in the answer and nowhere else. The first owner of a
    /// hub is its own; every other owner and member is a tenant of their own, a viewer looks at `new.tenant`.
    ///
    /// # Errors
    /// [`UserError::LoginTaken`]; the store's, or no randomness.
    pub async fn create_user(&self, new: NewUser, actor: &str) -> Result<(Arc<User>, Secret), UserError> {
        let _turn = self.inner.user_turn.lock().await;
        let (secret, code) = self.new_code()?;
        let user = User { setup: Some(code), ..self.new_user(&new)? };
        Ok((self.insert_user(user, Batch::admission(), actor).await?, secret))
    }

    pub(super) fn new_user(&self, new: &NewUser) -> Result<User, UserError> {
        let id = UserId::new(self.inner.ids.next().map_err(AccessError::from)?);
        let tenant = match new.role {
            Role::Viewer => new.tenant,
            Role::Owner if !self.users().iter().any(|user| user.operates()) => OwnerId::SELF,
            Role::Owner | Role::Member => id.tenant(),
        };
        if self.user_by_login(&new.login).is_some() {
            return Err(UserError::LoginTaken);
        }
        Ok(User {
            id,
            tenant,
            role: new.role,
            login: new.login.clone(),
            name: new.name.clone(),
            password: None,
            setup: None,
            created_at: self.inner.clock.wall(),
            password_set_at: None,
            disabled_at: None,
            deleted_at: None,
        })
    }

    /// Held by the caller: `user_turn`.
    pub(super) async fn insert_user(&self, user: User, batch: Batch, actor: &str) -> Result<Arc<User>, UserError> {
        // A code that was shown at the start is for a hub without users.
        let batch = batch.delete(records::FIRST_SETUP);
        let batch = self.audited(batch, actor, "user.create", &user.id.to_string(), user.role.name())?;
        Ok(self.inner.users.insert(self.inner.store.as_ref(), user, batch).await?)
    }

    /// Changes what people call a user.
    ///
    /// # Errors
    /// [`AccessError::NotFound`] and the store's.
    pub async fn rename_user(&self, id: UserId, name: &str, actor: &str) -> Result<Arc<User>, UserError> {
        self.change_user(id, actor, ("user.rename", name), |user| Ok(User { name: name.to_owned(), ..user.clone() })).await
    }

    /// Makes an owner of a member and the other way round.
    ///
    /// # Errors
    /// [`UserError::RoleFixed`], [`UserError::LastOwner`]; [`AccessError::NotFound`] and the store's.
    pub async fn set_role(&self, id: UserId, role: Role, actor: &str) -> Result<Arc<User>, UserError> {
        self.change_user(id, actor, ("user.role", role.name()), |user| {
            if (user.role == Role::Viewer) != (role == Role::Viewer) {
                return Err(UserError::RoleFixed);
            }
            if user.operates() && role != Role::Owner {
                return Err(UserError::LastOwner);
            }
            Ok(User { role, ..user.clone() })
        })
        .await
    }

    /// Disables a user: their logins end, and where the tenant is theirs its keys and terminals are refused from now on. Everything stays
    /// recorded. Or enables them again.
    ///
    /// # Errors
    /// [`AccessError::NotFound`] and the store's.
    pub async fn disable_user(&self, id: UserId, disable: bool, actor: &str) -> Result<Arc<User>, UserError> {
        let now = self.inner.clock.wall();
        let action = if disable { "user.disable" } else { "user.enable" };
        self.change_user(id, actor, (action, ""), |user| {
            Ok(User { disabled_at: disable.then(|| user.disabled_at.unwrap_or(now)), ..user.clone() })
        })
        .await
    }

    /// Takes a user's password away and ends their logins; the answer's code, good for a day, sets a new one.
    ///
    /// # Errors
    /// [`AccessError::NotFound`] and the store's.
    pub async fn reset_user(&self, id: UserId, actor: &str) -> Result<(Arc<User>, Secret), UserError> {
        let (secret, code) = self.new_code()?;
        let reset = |user: &User| Ok(User { password: None, setup: Some(code.clone()), ..user.clone() });
        Ok((self.change_user(id, actor, ("user.reset", ""), reset).await?, secret))
    }

    /// Deletes a user for good: their logins end, their login name is free, and where the tenant is theirs its keys and tokens are
    /// refused, as those of a disabled user are. What was recorded stays in the journal, out of reach.
    ///
    /// # Errors
    /// [`UserError::LastOwner`]; [`AccessError::NotFound`] and the store's.
    pub async fn delete_user(&self, id: UserId, actor: &str) -> Result<Arc<User>, UserError> {
        let now = self.inner.clock.wall();
        self.change_user(id, actor, ("user.delete", ""), |user| {
            if user.operates() {
                return Err(UserError::LastOwner);
            }
            Ok(User { deleted_at: Some(now), password: None, setup: None, ..user.clone() })
        })
        .await
    }

    /// A change after which every login of the user is gone, unless it is only about their name.
    async fn change_user(
        &self,
        id: UserId,
        actor: &str,
        (action, detail): (&str, &str),
        mut change: impl FnMut(&User) -> Result<User, UserError>,
    ) -> Result<Arc<User>, UserError> {
        let _turn = self.inner.user_turn.lock().await;
        let before = self.user(id).ok_or(AccessError::NotFound)?;
        let changed = change(&before)?;
        let ended = if action == "user.rename" { Vec::new() } else { self.logins_but(id, None) };
        let batch = self.audited(ending(Batch::outcome(), &ended), actor, action, &id.to_string(), detail)?;
        let user = self.write_user(changed, batch).await?;
        self.forget_logins(&ended);
        Ok(user)
    }

    /// Writes a user over what is there. Held by the caller: `user_turn`, so nobody else changes one.
    pub(super) async fn write_user(&self, changed: User, batch: Batch) -> Result<Arc<User>, AccessError> {
        let key = records::user(changed.id);
        self.inner.users.update(self.inner.store.as_ref(), &key, |_| Ok(Some((changed.clone(), batch.clone())))).await
    }

    /// The user whose set-up code this is, if it is still good.
    pub(super) fn user_of_code(&self, digest: &[u8; 32], now: UnixMillis) -> Option<Arc<User>> {
        let user = self.inner.users.by_digest(digest).filter(|user| user.is_active())?;
        user.setup.as_ref().is_some_and(|code| now < code.expires_at).then_some(user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_lower_case_and_of_few_signs() {
        assert_eq!(checked_login(" Anna@Example.com "), Some("anna@example.com".to_owned()));
        assert_eq!(checked_login("jürgen"), Some("jürgen".to_owned()));
        for text in ["", "a b", "a/b", "a\u{0}", &"x".repeat(65)] {
            assert_eq!(checked_login(text), None, "{text}");
        }
    }
}
