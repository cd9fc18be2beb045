//! One call that makes many commands, such as closing everything.
//!
//! The parent is journaled before the first of its commands, with the tickets that it is about. The key of each command follows from
//! the parent and the ticket, so there is never a second command of one parent for one position: not after a crash in the middle, and
//! not when the caller asks again. What could not be begun (a hub that died, a terminal that went away) is begun when the caller asks
//! again with the same key soon enough; later it never is.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{Claim, ExecuteError, NewTrade, Trading};
use crate::{
    access::logins::LiveLogin,
    domain::{
        UnixMillis,
        account::Account,
        api_key::Permission,
        command::{CommandRecord, CommandState, ParentRecord},
        ids::{CommandId, HookId, KeyId, OwnerId},
        trade::TradeRequest,
    },
    hub::SessionHandle,
    store::{Batch, StoreError, records},
};

/// Commands of one parent at a terminal at once. It executes one after the other, and all have the call's deadline.
const TOGETHER: usize = 4;
/// Why nothing is sent for a position that was closed meanwhile.
const GONE: &str = "the position is not open any more";

/// What is to be done with one position.
#[derive(Debug, Clone)]
pub struct Child {
    /// Its ticket.
    pub position: u64,
    /// What goes to the broker.
    pub request: TradeRequest,
}

/// A call that makes a command for each of its children.
#[derive(Debug, Clone)]
pub struct NewParent {
    /// The caller's key.
    pub key: KeyId,
    /// The hook whose alert is carried out under it.
    pub hook: Option<HookId>,
    /// The login of a person who calls: when it has ended, nothing more is sent that may open something.
    pub login: Option<Arc<LiveLogin>>,
    /// What that key needed to be allowed to.
    pub permission: Permission,
    /// Where everything goes.
    pub session: SessionHandle,
    /// What is to be done.
    pub children: Vec<Child>,
    /// The last moment for the last `OrderSend` of all of them, by the hub's steady clock.
    pub deadline: UnixMillis,
    /// The caller's own reference.
    pub client_order_id: Option<String>,
    /// SHA-256 of method, route and canonical body.
    pub fingerprint: [u8; 32],
}

/// A parent and its commands as they stand.
#[derive(Debug, Clone)]
pub struct ParentView {
    /// Its record.
    pub record: ParentRecord,
    /// Those of its commands that were made, in the order of the tickets.
    pub commands: Vec<CommandRecord>,
    /// The tickets for which none was made, and why, as far as that is known.
    pub missing: Vec<(u64, Option<String>)>,
    /// It is making commands now.
    pub running: bool,
}

impl ParentView {
    /// Whether asking again may begin what was not begun.
    #[must_use]
    pub fn may_go_on(&self) -> bool {
        !self.running && !self.record.over && !self.missing.is_empty()
    }

    /// Where it stands, all its commands together.
    #[must_use]
    pub fn state(&self) -> CommandState {
        let any = |state| self.commands.iter().any(|command| command.state == state);
        let done = self.commands.iter().filter(|command| command.is_done()).count();
        if self.running {
            CommandState::Dispatched
        } else if any(CommandState::Unknown) {
            CommandState::Unknown
        } else if self.commands.iter().any(|command| !command.state.is_final()) {
            CommandState::Dispatched
        } else if self.may_go_on() {
            CommandState::Received
        } else if done == self.record.positions.len() && !any(CommandState::Partial) {
            CommandState::Executed
        } else if done == 0 {
            CommandState::NotExecuted
        } else {
            CommandState::Partial
        }
    }
}

impl Trading {
    /// The parent that a key made when it was used before, if it was.
    ///
    /// # Errors
    /// [`ExecuteError::KeyReused`], [`ExecuteError::KeyExpired`], the store's.
    pub async fn parent_replayed(&self, claim: &Claim, fingerprint: &[u8; 32]) -> Result<Option<CommandId>, ExecuteError> {
        let Some(entry) = self.inner.store.get(claim.key()).await? else { return Ok(None) };
        let used: records::IdempotencyRecord = records::decode(claim.key(), &entry)?;
        if !crate::crypto::equal(&used.fingerprint, fingerprint) {
            return Err(ExecuteError::KeyReused);
        }
        match self.inner.store.get(&records::parent(used.command)).await? {
            Some(_) => Ok(Some(used.command)),
            None => Err(ExecuteError::KeyExpired),
        }
    }

    /// Journals a parent and begins to make its commands. Returns when it is durable.
    ///
    /// # Errors
    /// [`ExecuteError`]: nothing was sent.
    pub async fn begin_parent(
        &self,
        claim: &Claim,
        new: NewParent,
        stopping: &CancellationToken,
    ) -> Result<CommandId, ExecuteError> {
        Self::check_presence(&new.session)?;
        let session = &new.session;
        let now = self.inner.clock.steady();
        if now >= new.deadline {
            return Err(ExecuteError::Expired);
        }
        let record = ParentRecord {
            id: CommandId::new(self.inner.ids.next()?),
            owner: session.owner(),
            permission: new.permission,
            account: session.account().clone(),
            token: session.token(),
            trade_mode: session.hello().trade_mode,
            client_order_id: new.client_order_id.clone(),
            created_at: now,
            resumable_until: now.plus_ms(self.inner.resume_ms),
            positions: new.children.iter().map(|child| child.position).collect(),
            refused: Vec::new(),
            over: new.children.is_empty(),
        };
        // Enter, then look: whoever stops the account writes that first and counts what is open second.
        let place = self.inner.parents.enter(&record);
        if self.inner.is_stopped(session.owner(), session.account()) {
            return Err(ExecuteError::Offline);
        }
        let used = records::IdempotencyRecord { command: record.id, fingerprint: new.fingerprint.to_vec(), at: now };
        let batch = Batch::admission()
            .expect_absent(claim.key().to_vec())
            .put(claim.key().to_vec(), records::encode(&used))
            .put(records::account_parent(record.owner, &record.account, record.id), b"".to_vec());
        self.inner.store.commit(put(batch, &record)).await?;
        fail::fail_point!("parent_after_record", |_| std::process::abort());
        let id = record.id;
        self.drive(place, record, new, stopping.clone());
        Ok(id)
    }

    /// Goes on with a parent whose commands were not all begun. `new.children` are the positions as they are now; those that the parent
    /// is not about, and those that have their command, are left alone. Does nothing when it is too late, or when it is going on already.
    ///
    /// # Errors
    /// [`ExecuteError`]: nothing was sent.
    pub async fn resume_parent(
        &self,
        _claim: &Claim,
        id: CommandId,
        new: NewParent,
        stopping: &CancellationToken,
    ) -> Result<(), ExecuteError> {
        Self::check_presence(&new.session)?;
        let Some(ParentView { record, missing, running: false, .. }) = self.parent(id).await? else { return Ok(()) };
        // Entered before the look at the clock: whoever finds it not running after the time is over ends it for good.
        let place = self.inner.parents.enter(&record);
        if record.over
            || self.inner.clock.steady() > record.resumable_until
            || self.inner.is_stopped(record.owner, &record.account)
        {
            return Ok(());
        }
        let missing: HashSet<u64> = missing.into_iter().map(|(position, _)| position).collect();
        let children = new.children.into_iter().filter(|child| missing.contains(&child.position)).collect();
        self.drive(place, record, NewParent { children, ..new }, stopping.clone());
        Ok(())
    }

    /// Makes the commands, a few at once, in a task of its own.
    fn drive(&self, place: Place, record: ParentRecord, new: NewParent, stopping: CancellationToken) {
        let trading = self.clone();
        self.inner.tasks.spawn(async move {
            let mut refused: BTreeMap<String, Vec<u64>> = BTreeMap::new();
            let (parent, call, stop) = (&record, &new, &stopping);
            let made = stream::iter(new.children.clone()).map(|child| trading.make(parent, call, child, stop));
            let mut made = made.buffer_unordered(TOGETHER);
            while let Some(refusal) = made.next().await {
                if let Some((position, why)) = refusal {
                    refused.entry(why).or_default().push(position);
                }
            }
            drop(made);
            if let Err(error) = trading.note_refused(record.id, refused, &new, &stopping).await {
                warn!(parent = %record.id, %error, "the end of a call for many positions could not be recorded");
            }
            drop(place);
        });
    }

    /// Makes one command and follows it until the terminal has no more to say. Gives the reason if nothing was sent.
    async fn make(
        &self,
        parent: &ParentRecord,
        new: &NewParent,
        child: Child,
        stop: &CancellationToken,
    ) -> Option<(u64, String)> {
        if stop.is_cancelled() {
            return Some((child.position, "the hub stopped before it was sent".to_owned()));
        }
        let key = child_key(parent, child.position);
        let fingerprint = crate::crypto::sha256(&[&key]);
        let claim = self.inner.claims.claim(key).await;
        let trade = NewTrade {
            key: new.key,
            hook: new.hook,
            login: new.login.clone(),
            permission: new.permission,
            session: new.session.clone(),
            request: child.request,
            deadline: new.deadline,
            seen_price: None,
            max_slippage_points: None,
            // Two positions alike are closed by two orders alike.
            allow_duplicate: true,
            client_order_id: new.client_order_id.clone(),
            parent: Some(parent.id),
            fingerprint,
        };
        let mut execution = match self.execute(&claim, trade).await {
            Ok(execution) => execution,
            Err(ExecuteError::Store(error)) => {
                warn!(parent = %parent.id, position = child.position, %error, "a command could not be recorded");
                return Some((child.position, "the hub could not record it".to_owned()));
            }
            Err(error) => return Some((child.position, error.to_string())),
        };
        drop(claim);
        let settled = |record: &CommandRecord| record.state.is_final() || record.state == CommandState::Unknown;
        let _ = stop.run_until_cancelled(execution.updates.wait_for(settled)).await;
        None
    }

    /// Records what was not begun, and that the parent is over if nothing of it can be begun any more.
    async fn note_refused(
        &self,
        id: CommandId,
        mut refused: BTreeMap<String, Vec<u64>>,
        new: &NewParent,
        stop: &CancellationToken,
    ) -> Result<(), StoreError> {
        let key = records::parent(id);
        let Some(entry) = self.inner.store.get(&key).await? else { return Ok(()) };
        let mut record: ParentRecord = records::decode(&key, &entry)?;
        let (_, missing) = self.children(&record).await?;
        let asked: HashSet<u64> = new.children.iter().map(|child| child.position).collect();
        let gone: Vec<u64> = missing.iter().copied().filter(|position| !asked.contains(position)).collect();
        record.over = !stop.is_cancelled() && gone.len() == missing.len();
        if !gone.is_empty() {
            refused.insert(GONE.to_owned(), gone);
        }
        record.refused = refused.into_iter().collect();
        self.inner.store.commit(put(Batch::outcome(), &record)).await.map(drop)
    }

    /// A parent as it stands now. One whose time is over, and that is not going on, is ended for good before that is told.
    ///
    /// # Errors
    /// The store's.
    pub async fn parent(&self, id: CommandId) -> Result<Option<ParentView>, StoreError> {
        let key = records::parent(id);
        loop {
            let now = self.inner.clock.steady();
            let running = self.inner.parents.is_running(id);
            let Some(entry) = self.inner.store.get(&key).await? else { return Ok(None) };
            let mut record: ParentRecord = records::decode(&key, &entry)?;
            if !running && !record.over && now > record.resumable_until {
                record.over = true;
                let batch = put(Batch::outcome(), &record).expect_version(key.clone(), entry.version);
                match self.inner.store.commit(batch).await {
                    Ok(_) => {}
                    Err(StoreError::Conflict { .. }) => continue,
                    Err(error) => return Err(error),
                }
            }
            let (commands, missing) = self.children(&record).await?;
            let why = |position: u64| {
                let reason = record.refused.iter().find(|(_, positions)| positions.contains(&position));
                (position, reason.map(|(why, _)| why.clone()))
            };
            let missing = missing.into_iter().map(why).collect();
            return Ok(Some(ParentView { record, commands, missing, running }));
        }
    }

    /// The same once everything has its outcome, or as it stands when the time is over or the hub stops.
    ///
    /// # Errors
    /// The store's.
    pub async fn parent_settled(
        &self,
        id: CommandId,
        within: Duration,
        stopping: &CancellationToken,
    ) -> Result<Option<ParentView>, StoreError> {
        let settled = async {
            if let Some(mut done) = self.inner.parents.follow(id) {
                let _ = done.wait_for(|done| *done).await;
            }
            let Some(view) = self.parent(id).await? else { return Ok(()) };
            for command in view.commands {
                if let Some(mut updates) = self.follow_command(command.id).await? {
                    let _ = updates.wait_for(|record| record.state.is_final()).await;
                }
            }
            Ok::<_, StoreError>(())
        };
        if let Ok(Some(Err(error))) = tokio::time::timeout(within, stopping.run_until_cancelled(settled)).await {
            return Err(error);
        }
        self.parent(id).await
    }

    /// Waits until a command, or all of a call that makes many, has its outcome, as long as the time lasts; whether it has.
    ///
    /// # Errors
    /// The store's.
    pub async fn settled(&self, id: CommandId, within: Duration, stopping: &CancellationToken) -> Result<bool, StoreError> {
        if let Some(view) = self.parent_settled(id, within, stopping).await? {
            return Ok(view.state().is_final());
        }
        let Some(mut updates) = self.follow_command(id).await? else { return Ok(true) };
        let ended = updates.wait_for(|record| record.state.is_final());
        let _ = tokio::time::timeout(within, stopping.run_until_cancelled(ended)).await;
        Ok(updates.borrow().state.is_final())
    }

    /// The commands that were made for a parent, and the tickets for which none was.
    async fn children(&self, record: &ParentRecord) -> Result<(Vec<CommandRecord>, Vec<u64>), StoreError> {
        let (mut made, mut missing) = (Vec::new(), Vec::new());
        for position in &record.positions {
            let key = child_key(record, *position);
            let command = match self.inner.store.get(&key).await? {
                Some(entry) => self.command(records::decode::<records::IdempotencyRecord>(&key, &entry)?.command).await?,
                None => None,
            };
            match command {
                Some(command) => made.push(command),
                None => missing.push(*position),
            }
        }
        Ok((made, missing))
    }
}

/// The key of a parent's command for a position. A caller's own keys have no zero byte.
fn child_key(parent: &ParentRecord, position: u64) -> Vec<u8> {
    records::idempotency(parent.owner, &parent.account, &format!("\0{}\0{position}", parent.id))
}

fn put(batch: Batch, record: &ParentRecord) -> Batch {
    batch.put_sealed(&records::scope(record.owner, &record.account), records::parent(record.id), records::encode(record))
}

/// Parents that are making their commands now.
#[derive(Debug, Default)]
pub(super) struct Running {
    parents: Parents,
}

type Parents = Arc<Mutex<HashMap<CommandId, Entry>>>;

#[derive(Debug)]
struct Entry {
    owner: OwnerId,
    account: Account,
    done: watch::Receiver<bool>,
}

/// While it is held, its parent is running.
#[derive(Debug)]
struct Place {
    id: CommandId,
    done: watch::Sender<bool>,
    parents: Parents,
}

impl Running {
    fn enter(&self, record: &ParentRecord) -> Place {
        let (done, follow) = watch::channel(false);
        let entry = Entry { owner: record.owner, account: record.account.clone(), done: follow };
        lock(&self.parents).insert(record.id, entry);
        Place { id: record.id, done, parents: Arc::clone(&self.parents) }
    }

    fn is_running(&self, id: CommandId) -> bool {
        lock(&self.parents).contains_key(&id)
    }

    fn follow(&self, id: CommandId) -> Option<watch::Receiver<bool>> {
        lock(&self.parents).get(&id).map(|entry| entry.done.clone())
    }

    /// Those of an account.
    pub(super) fn of(&self, owner: OwnerId, account: &Account) -> Vec<CommandId> {
        let parents = lock(&self.parents);
        let mine = parents.iter().filter(|(_, entry)| entry.owner == owner && entry.account == *account);
        mine.map(|(id, _)| *id).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.parents).remove(&self.id);
        self.done.send_replace(true);
    }
}

fn lock(parents: &Parents) -> std::sync::MutexGuard<'_, HashMap<CommandId, Entry>> {
    parents.lock().unwrap_or_else(PoisonError::into_inner)
}
