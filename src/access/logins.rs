//! Logins of people: made, presented with every request, listed, ended. In memory, with a record each so that they survive a restart.
//!
//! A request writes nothing: when a login was used last is in memory, and on the disk only every sixth of the idle time, so that a restart
//! shortens that time a little and never lengthens it.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;

use super::{
    Access, AccessError,
    secret::{self, Secret},
};
use crate::{
    domain::{
        UnixMillis,
        ids::{LoginId, UserId},
        login::Login,
        user::User,
    },
    store::{Batch, Seq, Store, StoreError, records},
};

/// Logins of one user; the one that was used longest ago goes when there is one more.
const PER_USER: usize = 20;
/// Characters kept of what a browser says it is.
const AGENT_MAX: usize = 200;

/// A login that may be used.
#[derive(Debug)]
pub struct LiveLogin {
    /// As it was stored.
    pub record: Login,
    seen: AtomicI64,
    written: AtomicI64,
    version: AtomicU64,
    confirmed: AtomicI64,
}

impl LiveLogin {
    fn new(record: Login, version: Seq, confirmed: i64) -> Self {
        let seen = record.seen_at.0;
        let (seen, written) = (AtomicI64::new(seen), AtomicI64::new(seen));
        Self { record, seen, written, version: AtomicU64::new(version), confirmed: AtomicI64::new(confirmed) }
    }

    /// When it was used last.
    #[must_use]
    pub fn seen_at(&self) -> UnixMillis {
        UnixMillis(self.seen.load(Ordering::Relaxed))
    }
}

/// Those of this hub.
#[derive(Debug)]
pub(super) struct Logins {
    rows: RwLock<HashMap<Vec<u8>, Arc<LiveLogin>>>,
    /// Told when some ended.
    rights: watch::Sender<u64>,
}

impl Logins {
    pub(super) async fn load(store: &dyn Store, rights: watch::Sender<u64>) -> Result<Self, StoreError> {
        let (mut rows, mut after) = (HashMap::new(), None::<Vec<u8>>);
        loop {
            let page = store.scan(records::LOGINS, after.as_deref(), 1_000).await?;
            for (key, entry) in &page {
                let record: Login = records::decode(key, entry)?;
                // Confirmed before the restart is not confirmed.
                rows.insert(record.digest.clone(), Arc::new(LiveLogin::new(record, entry.version, i64::MIN)));
            }
            match page.last() {
                Some((key, _)) if page.len() == 1_000 => after = Some(key.clone()),
                _ => return Ok(Self { rows: RwLock::new(rows), rights }),
            }
        }
    }

    pub(super) fn get(&self, digest: &[u8; 32]) -> Option<Arc<LiveLogin>> {
        let found = self.rows.read().unwrap_or_else(PoisonError::into_inner).get(digest.as_slice()).cloned()?;
        crate::crypto::equal(&found.record.digest, digest).then_some(found)
    }

    /// Whether it was not ended.
    fn has(&self, login: &LiveLogin) -> bool {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        rows.get(&login.record.digest).is_some_and(|row| row.record.id == login.record.id)
    }

    fn all(&self, wanted: impl Fn(&LiveLogin) -> bool) -> Vec<Arc<LiveLogin>> {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<_> = rows.values().filter(|login| wanted(login)).cloned().collect();
        found.sort_by_key(|login| login.record.id);
        found
    }

    fn insert(&self, login: Arc<LiveLogin>) {
        self.rows.write().unwrap_or_else(PoisonError::into_inner).insert(login.record.digest.clone(), login);
    }

    fn remove(&self, ended: &[Arc<LiveLogin>]) {
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        for login in ended {
            rows.remove(&login.record.digest);
        }
        drop(rows);
        if !ended.is_empty() {
            self.rights.send_modify(|count| *count += 1);
        }
    }
}

/// Adds the end of logins to a batch.
pub(super) fn ending(batch: Batch, ended: &[Arc<LiveLogin>]) -> Batch {
    ended.iter().fold(batch, |batch, login| batch.delete(records::login(login.record.id)))
}

fn ms(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

impl Access {
    fn is_good(&self, login: &LiveLogin, now: UnixMillis) -> bool {
        now < login.record.expires_at && now.since(login.seen_at()) < ms(self.inner.settings.idle)
    }

    /// When a login ends if nobody uses it, and when it ends in any case.
    #[must_use]
    pub fn login_ends(&self, login: &LiveLogin) -> (UnixMillis, UnixMillis) {
        let end = login.record.expires_at;
        (login.seen_at().plus_ms(ms(self.inner.settings.idle)).min(end), end)
    }

    /// Until when the password counts as just given; none when it has to be given again.
    #[must_use]
    pub fn confirmed_until(&self, login: &LiveLogin) -> Option<UnixMillis> {
        let until = UnixMillis(login.confirmed.load(Ordering::Relaxed)).plus_ms(ms(self.inner.settings.confirmed));
        (self.inner.clock.wall() < until).then_some(until)
    }

    /// The password was given again.
    pub(super) fn confirm(&self, login: &LiveLogin) {
        login.confirmed.store(self.inner.clock.wall().0, Ordering::Relaxed);
    }

    /// The login and its user behind a presented secret, if both are good; it counts as used.
    ///
    /// # Errors
    /// [`AccessError::Unknown`], [`AccessError::Expired`], [`AccessError::Revoked`] where the user may not log in any more.
    pub fn present_login(&self, text: &str) -> Result<(Arc<LiveLogin>, Arc<User>), AccessError> {
        let secret = Secret::parse(text, &[secret::SESSION]).ok_or(AccessError::Unknown)?;
        let login = self.inner.logins.get(&self.digest(secret.reveal())).ok_or(AccessError::Unknown)?;
        let now = self.inner.clock.wall();
        if !self.is_good(&login, now) {
            return Err(AccessError::Expired);
        }
        let user = self.user(login.record.user).filter(|user| self.lets_in(user)).ok_or(AccessError::Revoked)?;
        login.seen.fetch_max(now.0, Ordering::Relaxed);
        Ok((login, user))
    }

    /// Writes down that a login was used, if that is long enough ago. What fails is tried with the next request.
    pub async fn note_use(&self, login: &LiveLogin) {
        let (seen, before) = (login.seen.load(Ordering::Relaxed), login.written.load(Ordering::Relaxed));
        if seen - before < ms(self.inner.settings.idle) / 6
            || login.written.compare_exchange(before, seen, Ordering::Relaxed, Ordering::Relaxed).is_err()
        {
            return;
        }
        let (key, record) = (records::login(login.record.id), Login { seen_at: UnixMillis(seen), ..login.record.clone() });
        // Only over what is there: one that was ended meanwhile stays so.
        let batch = Batch::admission().expect_version(key.clone(), login.version.load(Ordering::Relaxed));
        match self.inner.store.commit(batch.put(key, records::encode(&record))).await {
            Ok(version) => login.version.store(version, Ordering::Relaxed),
            Err(error) => {
                login.written.store(before, Ordering::Relaxed);
                tracing::debug!(%error, "the use of a login was not written down");
            }
        }
    }

    /// Makes a login for a user whose password was just found right, at `version` of their record.
    pub(super) async fn insert_login(
        &self,
        (user, version): (&User, Seq),
        from: IpAddr,
        agent: &str,
    ) -> Result<(Arc<LiveLogin>, Secret), AccessError> {
        // Until it is in memory too: whoever ends a user's logins finds it there, or it finds the user changed.
        let _turn = self.inner.user_turn.lock().await;
        let (secret, now) = (Secret::generate(secret::SESSION)?, self.inner.clock.wall());
        let record = Login {
            id: LoginId::new(self.inner.ids.next()?),
            user: user.id,
            digest: self.digest(secret.reveal()).to_vec(),
            created_at: now,
            seen_at: now,
            expires_at: now.plus_ms(ms(self.inner.settings.absolute)),
            from: from.to_string(),
            agent: agent.chars().filter(|c| !c.is_control()).take(AGENT_MAX).collect(),
        };
        let mut ended = self.inner.logins.all(|login| !self.is_good(login, now));
        let mut theirs = self.logins_of(user.id);
        theirs.sort_by_key(|login| login.seen_at());
        ended.extend(theirs.iter().take((theirs.len() + 1).saturating_sub(PER_USER)).cloned());
        ended.truncate(1_000);
        let key = records::login(record.id);
        let batch = ending(Batch::admission().expect_version(records::user(user.id), version), &ended);
        let batch = batch.put(key, records::encode(&record));
        let batch = self.audited(batch, &user.id.to_string(), "session.create", &record.id.to_string(), &record.from)?;
        let version = self.inner.store.commit(batch).await?;
        fail::fail_point!("login_committed");
        let login = Arc::new(LiveLogin::new(record, version, now.0));
        self.inner.logins.remove(&ended);
        self.inner.logins.insert(Arc::clone(&login));
        Ok((login, secret))
    }

    /// The logins of a user that may still be used, oldest first.
    #[must_use]
    pub fn logins_of(&self, user: UserId) -> Vec<Arc<LiveLogin>> {
        let now = self.inner.clock.wall();
        self.inner.logins.all(|login| login.record.user == user && self.is_good(login, now))
    }

    /// Whether a login may still be used, without using it: for connections that stay open.
    #[must_use]
    pub fn login_stands(&self, login: &LiveLogin) -> bool {
        self.inner.logins.has(login)
            && self.is_good(login, self.inner.clock.wall())
            && self.user(login.record.user).is_some_and(|user| self.lets_in(&user))
    }

    /// Ends a login of a user for good.
    ///
    /// # Errors
    /// [`AccessError::NotFound`] and the store's.
    pub async fn end_login(&self, user: UserId, id: LoginId, actor: &str) -> Result<(), AccessError> {
        let found = self.inner.logins.all(|login| login.record.id == id && login.record.user == user);
        if found.is_empty() {
            return Err(AccessError::NotFound);
        }
        let batch = self.audited(ending(Batch::outcome(), &found), actor, "session.end", &id.to_string(), "")?;
        self.inner.store.commit(batch).await?;
        self.inner.logins.remove(&found);
        Ok(())
    }

    /// Ends every login of every user.
    ///
    /// # Errors
    /// The store's.
    pub async fn end_all_logins(&self) -> Result<(), StoreError> {
        let all = self.inner.logins.all(|_| true);
        for some in all.chunks(1_000) {
            self.inner.store.commit(ending(Batch::outcome(), some)).await?;
            self.inner.logins.remove(some);
        }
        Ok(())
    }

    /// All of a user's logins, dead ones too, but one.
    pub(super) fn logins_but(&self, user: UserId, kept: Option<LoginId>) -> Vec<Arc<LiveLogin>> {
        self.inner.logins.all(|login| login.record.user == user && Some(login.record.id) != kept)
    }

    pub(super) fn forget_logins(&self, ended: &[Arc<LiveLogin>]) {
        self.inner.logins.remove(ended);
    }
}
