//! How somebody shows who they are: by their password, or once by a set-up code.

use std::{net::IpAddr, sync::Arc};

use zeroize::Zeroizing;

use super::{
    Access, AccessError,
    attempts::FAILURES,
    logins::{LiveLogin, ending},
    passwords::{self, WeakPassword},
    secret::{self, Secret},
    users::{NewUser, UserError},
};
use crate::{
    domain::{
        ids::OwnerId,
        user::{PasswordHash, Role, SetupCode, User},
    },
    store::{Batch, Seq, StoreError, records},
};

/// Why somebody is not let in.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoginError {
    /// Unknown user, wrong password, disabled, a code that is not good: deliberately one answer.
    #[error("login or password is wrong")]
    Wrong,
    /// Too many failures of this account from this address; seconds to wait.
    #[error("too many failed logins; try again in {0} s")]
    TooMany(u64),
    /// Too many passwords are being computed.
    #[error("too many logins at once")]
    Busy,
    /// The new password is not taken.
    #[error("password {0}")]
    Weak(#[from] WeakPassword),
    /// The user could not be made.
    #[error(transparent)]
    User(#[from] UserError),
}

impl From<AccessError> for LoginError {
    fn from(error: AccessError) -> Self {
        Self::User(error.into())
    }
}

impl From<StoreError> for LoginError {
    fn from(error: StoreError) -> Self {
        AccessError::from(error).into()
    }
}

/// A password in clear, wiped when dropped; its `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes it.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Who sets a password for the first time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Newcomer {
    /// Their login; only the first user of a hub chooses it here.
    pub login: Option<String>,
    /// What people call them; as above.
    pub name: Option<String>,
}

impl Access {
    /// Lets a user in by their password.
    ///
    /// # Errors
    /// [`LoginError`].
    pub async fn log_in(
        &self,
        login: &str,
        password: &Password,
        from: IpAddr,
        agent: &str,
    ) -> Result<(Arc<LiveLogin>, Arc<User>, Secret), LoginError> {
        loop {
            let known = self.user_by_login(login).and_then(|user| self.inner.users.versioned(&records::user(user.id)));
            self.judge(login, known.as_ref().map(|(user, _)| user.as_ref()), password, from).await?;
            let (user, version) = known.ok_or(LoginError::Wrong)?;
            match self.insert_login((&user, version), from, agent).await {
                Ok((live, secret)) => return Ok((live, user, secret)),
                // The user was changed meanwhile, and perhaps the password: judged again by what is there now.
                Err(AccessError::Store(StoreError::Conflict { .. })) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The password again, by who is logged in already: it counts as just given for a while.
    ///
    /// # Errors
    /// [`LoginError`].
    pub async fn confirm_login(
        &self,
        (live, user): (&LiveLogin, &User),
        password: &Password,
        from: IpAddr,
    ) -> Result<(), LoginError> {
        self.judge(&user.login, Some(user), password, from).await?;
        self.confirm(live);
        Ok(())
    }

    /// Whether a password is the user's, at the same cost whether there is one; counted as a failure until it is known to be right.
    async fn judge(&self, login: &str, user: Option<&User>, password: &Password, from: IpAddr) -> Result<(), LoginError> {
        let now = self.inner.clock.steady();
        if let Some(seconds) = self.inner.attempts.blocked(login, from, now) {
            return Err(LoginError::TooMany(seconds));
        }
        let place = self.inner.hasher.place().await.map_err(|_| LoginError::Busy)?;
        let times = self.inner.attempts.begin(login, from, now).map_err(LoginError::TooMany)?;
        let kept = user.filter(|user| user.is_active()).and_then(|user| user.password.as_ref());
        if self.inner.hasher.is(place, kept, self.password_digest(password)).await {
            self.inner.attempts.forget(login, from);
            return Ok(());
        }
        // The first of a series and the one after which no more are heard: whoever tries fills no disk.
        if let Some(user) = user.filter(|_| times == 1 || times == FAILURES) {
            let detail = format!("failure {times} from {from}");
            let batch = self.audited(Batch::admission(), "stranger", "session.refused", &user.id.to_string(), &detail)?;
            self.inner.store.commit(batch).await?;
        }
        Err(LoginError::Wrong)
    }

    /// Sets a password by a one-time code, and makes the first user where the code is that of a hub without users.
    ///
    /// # Errors
    /// [`LoginError`].
    pub async fn set_up(&self, code: &str, who: &Newcomer, password: &Password) -> Result<Arc<User>, LoginError> {
        let secret = Secret::parse(code.trim(), &[secret::SETUP]).ok_or(LoginError::Wrong)?;
        let digest = self.digest(secret.reveal());
        if let Some(user) = self.user_of_code(&digest, self.inner.clock.wall()) {
            let kept = self.keep(password, &user.login).await?;
            let _turn = self.inner.user_turn.lock().await;
            // Once only: whoever was faster has used it.
            let user = self.user_of_code(&digest, self.inner.clock.wall()).ok_or(LoginError::Wrong)?;
            let ended = self.logins_but(user.id, None);
            let batch = ending(Batch::outcome(), &ended);
            let batch = self.audited(batch, &user.id.to_string(), "user.setup", &user.id.to_string(), "")?;
            let user = self.write_user(self.with_password(&user, kept), batch).await?;
            self.forget_logins(&ended);
            return Ok(user);
        }
        let version = self.first_code(&digest).await?.ok_or(LoginError::Wrong)?;
        let login = who.login.clone().ok_or(LoginError::Wrong)?;
        let kept = self.keep(password, &login).await?;
        let _turn = self.inner.user_turn.lock().await;
        if !self.users().is_empty() {
            return Err(LoginError::Wrong);
        }
        let new = NewUser { login, name: who.name.clone().unwrap_or_default(), role: Role::Owner, tenant: OwnerId::SELF };
        let user = self.with_password(&self.new_user(&new)?, kept);
        let batch = Batch::outcome().expect_version(records::FIRST_SETUP, version);
        let actor = user.id.to_string();
        match self.insert_user(user, batch, &actor).await {
            Err(UserError::Access(AccessError::Store(StoreError::Conflict { .. }))) => Err(LoginError::Wrong),
            other => Ok(other?),
        }
    }

    async fn first_code(&self, digest: &[u8; 32]) -> Result<Option<Seq>, LoginError> {
        let Some(entry) = self.inner.store.get(records::FIRST_SETUP).await? else { return Ok(None) };
        let code: SetupCode = records::decode(records::FIRST_SETUP, &entry)?;
        let good = crate::crypto::equal(&code.digest, digest) && self.inner.clock.wall() < code.expires_at;
        Ok(good.then_some(entry.version))
    }

    /// Changes a user's own password; every other login of theirs ends.
    ///
    /// # Errors
    /// [`LoginError`].
    pub async fn change_password(
        &self,
        (live, user): (&LiveLogin, &User),
        (current, new): (&Password, &Password),
        from: IpAddr,
    ) -> Result<(), LoginError> {
        passwords::check(&new.0, &user.login)?;
        self.judge(&user.login, Some(user), current, from).await?;
        let kept = self.keep(new, &user.login).await?;
        let _turn = self.inner.user_turn.lock().await;
        let now = self.user(user.id).ok_or(LoginError::Wrong)?;
        // Set anew or taken away while this one was computed: the one that was judged is not the one there is.
        if now.password != user.password || !now.is_active() {
            return Err(LoginError::Wrong);
        }
        let ended = self.logins_but(user.id, Some(live.record.id));
        let batch = ending(Batch::outcome(), &ended);
        let batch = self.audited(batch, &user.id.to_string(), "user.password", &user.id.to_string(), "")?;
        self.write_user(self.with_password(&now, kept), batch).await?;
        self.forget_logins(&ended);
        self.confirm(live);
        Ok(())
    }

    fn with_password(&self, user: &User, kept: PasswordHash) -> User {
        let now = self.inner.clock.wall();
        User { password: Some(kept), setup: None, password_set_at: Some(now), ..user.clone() }
    }

    async fn keep(&self, password: &Password, login: &str) -> Result<PasswordHash, LoginError> {
        passwords::check(&password.0, login)?;
        let place = self.inner.hasher.place().await.map_err(|_| LoginError::Busy)?;
        Ok(self.inner.hasher.keep(place, self.password_digest(password)).await.map_err(AccessError::from)?)
    }

    /// Under the pepper, and apart from the digests of secrets.
    fn password_digest(&self, password: &Password) -> [u8; 32] {
        self.inner.pepper.of(&Zeroizing::new([b"password\0".as_slice(), password.0.as_bytes()].concat()))
    }
}
