//! Trades: at most one execution, exactly one recorded outcome.
//!
//! [`core`] decides, this module makes its decisions durable and carries them out, in that order. Nothing in here, above or below,
//! sends a trade twice: after the one dispatch the hub only asks.

mod claims;
mod controls;
pub mod core;
mod counting;
mod deadman;
mod dispatch;
mod duplicates;
mod exposure;
mod flatten;
mod follow;
mod hours;
mod incidents;
mod kill;
mod limits;
mod listing;
mod lookup;
mod parents;
mod quotas;
mod recall;
mod refusal;
mod settling;
mod tags;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Semaphore, watch},
    time::Instant,
};
use tokio_util::task::TaskTracker;
use tracing::{error, warn};

use self::core::{Command, Event, Send, Timing, step};
use crate::{
    access::{Access, logins::LiveLogin},
    clock::{Clock, Ids},
    config,
    domain::{
        UnixMillis,
        account::{Account, MARGIN_MODE_HEDGING},
        api_key::Permission,
        command::{CommandRecord, CommandState, tag, tagged_comment},
        ids::{CommandId, HookId, KeyId, OwnerId, SessionId},
        limits::Limits,
        safety::IncidentKind,
        trade::TradeRequest,
    },
    hub::{Hub, Recall, SessionHandle},
    protocol::{
        codec::Row,
        message::{Acknowledge, Query},
    },
    store::{Batch, Store, StoreError, records},
    telemetry::metrics::time,
};

pub use claims::Claim;
use controls::Judged;
pub use deadman::Timer;
use exposure::Effect;
pub use incidents::NewIncident;
pub use kill::{KillError, SwitchesHeld};
pub use listing::Listing;
pub use parents::{Child, NewParent, ParentView};
pub use refusal::ExecuteError;
use settling::Done;

/// A terminal that was last heard so long ago gets no trade: its clock would be a guess.
const FRESH: Duration = Duration::from_secs(10);
/// What a limit or a kill switch must know of a terminal, it waits for no longer than that.
const PATIENCE: Duration = Duration::from_secs(5);
/// Positions, or orders, that one terminal may have.
const POSITIONS_MAX: usize = 10_000;

/// A trade as a caller wants it, bound to the session that shall execute it.
#[derive(Debug, Clone)]
pub struct NewTrade {
    /// The caller's key.
    pub key: KeyId,
    /// The hook whose alert is carried out under it.
    pub hook: Option<HookId>,
    /// The login of a person who calls: when it has ended, nothing more is sent that may open something.
    pub login: Option<Arc<LiveLogin>>,
    /// What that key needed to be allowed to.
    pub permission: Permission,
    /// Where it goes.
    pub session: SessionHandle,
    /// What goes to the broker; a magic of 0 becomes the hub's tag.
    pub request: TradeRequest,
    /// The last moment for `OrderSend`, by the hub's steady clock.
    pub deadline: UnixMillis,
    /// For the price guard.
    pub seen_price: Option<f64>,
    /// For the price guard, points.
    pub max_slippage_points: Option<u32>,
    /// The same order as a moment ago is meant.
    pub allow_duplicate: bool,
    /// The caller's own reference.
    pub client_order_id: Option<String>,
    /// The call that makes it together with others.
    pub parent: Option<CommandId>,
    /// SHA-256 of method, route and canonical body.
    pub fingerprint: [u8; 32],
}

/// A command on its way, or one that was found by its key.
#[derive(Debug, Clone)]
pub struct Execution {
    /// Its record, now and at every change.
    pub updates: watch::Receiver<CommandRecord>,
    /// The key was used before: this is what it made then.
    pub replayed: bool,
}

/// The trading side. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Trading {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Arc<dyn Store>,
    hub: Hub,
    access: Access,
    timing: Timing,
    clock: Clock,
    ids: Arc<Ids>,
    /// Every command that is not final yet.
    live: Mutex<HashMap<CommandId, Arc<Live>>>,
    tags: tags::Tags,
    claims: claims::Claims,
    /// Parents that are making their commands now.
    parents: parents::Running,
    /// How long after it a parent may be gone on with.
    resume_ms: i64,
    /// How long a cut waits for a terminal's word about commands that are under way.
    last_words: Duration,
    kills: kill::Kills,
    deadmen: deadman::Deadmen,
    /// Limits of every account, and those of single ones by `number@server`.
    limits: Limits,
    accounts: BTreeMap<String, Limits>,
    counters: quotas::Counters,
    days: limits::Days,
    hours: hours::Hours,
    duplicates: duplicates::Duplicates,
    duplicate_window_ms: i64,
    settling: settling::Settling,
    /// One command at a time of an account is judged against what is open.
    turns: claims::Claims,
    /// Accounts on which no command may begin now, each as often as somebody holds it back.
    stopped: Mutex<HashMap<(OwnerId, Account), usize>>,
    tasks: TaskTracker,
    /// Signals in work at once.
    working: Arc<Semaphore>,
}

/// A command that is not final yet.
#[derive(Debug)]
struct Live {
    /// Held while a change is made durable, so that changes of one command come one after the other.
    cell: tokio::sync::Mutex<Command>,
    updates: watch::Sender<CommandRecord>,
    /// The session it was given to; none after a restart.
    session: Option<SessionId>,
    since: Instant,
    /// By which its caller asked for it, if that is a person.
    login: Option<Arc<LiveLogin>>,
    owner: OwnerId,
    account: Account,
    /// What it can do to the account's exposure, as it was judged before its record.
    effect: Effect,
    /// Of a deal that was judged to close only: the most lots that could be left of its position before it.
    before: Option<f64>,
    /// The same, of one that was not judged before its send, and that was found to open something if there is nothing here.
    judged_late: OnceLock<Option<f64>>,
    /// Whether each position of the account stands for itself.
    hedges: bool,
    /// Whether it can still be taken back.
    recall: Recall,
}

impl Live {
    fn new(
        (record, login): (CommandRecord, Option<Arc<LiveLogin>>),
        session: Option<&SessionHandle>,
        effect: Effect,
        before: Option<f64>,
    ) -> Arc<Self> {
        Arc::new(Self {
            // Of one that this hub did not make nobody knows what was written.
            recall: if session.is_some() { Recall::default() } else { Recall::too_late() },
            login,
            owner: record.owner,
            account: record.account.clone(),
            updates: watch::Sender::new(record.clone()),
            cell: tokio::sync::Mutex::new(Command::new(record)),
            session: session.map(SessionHandle::id),
            since: Instant::now(),
            effect,
            before,
            judged_late: OnceLock::new(),
            hedges: session.is_none_or(|session| session.hello().margin_mode == MARGIN_MODE_HEDGING),
        })
    }

    /// Keeps what the terminal said at its send: see [`Trading::only_closes`]. The answer is what the deal can do.
    fn judge_late(&self, before: Option<f64>) -> Effect {
        // Once in a command's life.
        let _ = self.judged_late.set(before);
        self.effect()
    }

    /// What it can do to the account's exposure, as far as anybody knows.
    fn effect(&self) -> Effect {
        self.judged_late.get().map_or(self.effect, |before| if before.is_some() { Effect::Reduces } else { Effect::Opens })
    }

    /// Of a deal that was judged to close only: the most lots that could be left of its position before it.
    fn before(&self) -> Option<f64> {
        self.judged_late.get().copied().flatten().or(self.before)
    }

    /// Of a command that another run of the hub, or an earlier moment, has judged: whatever may open something counts as opening.
    fn recorded(record: CommandRecord) -> Arc<Self> {
        let effect = exposure::effect(&record.request, MARGIN_MODE_HEDGING);
        Self::new((record, None), None, effect, None)
    }
}

impl Trading {
    /// Takes up what the last run left open: all of it is unknown until a terminal is asked.
    ///
    /// # Errors
    /// The store's.
    pub async fn open(
        store: Arc<dyn Store>,
        hub: Hub,
        access: Access,
        settings: &config::Trading,
        accounts: &BTreeMap<String, Limits>,
        clock: Clock,
        ids: Arc<Ids>,
    ) -> Result<Self, StoreError> {
        let ms = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let timing = Timing {
            grace_ms: ms(settings.grace),
            requery_ms: ms(settings.requery),
            longest_send_ms: ms(settings.longest_send),
            settle_ms: ms(settings.settle),
            alert_ms: ms(settings.alert_after),
        };
        let inner = Inner {
            store,
            hub,
            access,
            timing,
            clock,
            ids,
            live: Mutex::default(),
            tags: tags::Tags::default(),
            claims: claims::Claims::default(),
            parents: parents::Running::default(),
            resume_ms: ms(settings.resume),
            last_words: settings.last_words,
            kills: kill::Kills::default(),
            deadmen: deadman::Deadmen::default(),
            limits: settings.limits.clone(),
            accounts: accounts.clone(),
            counters: quotas::Counters::default(),
            days: limits::Days::default(),
            hours: hours::Hours::default(),
            duplicates: duplicates::Duplicates::default(),
            duplicate_window_ms: ms(settings.duplicate_window),
            settling: settling::Settling::default(),
            turns: claims::Claims::default(),
            stopped: Mutex::default(),
            tasks: TaskTracker::new(),
            working: Arc::new(Semaphore::new(1_024)),
        };
        let trading = Self { inner: Arc::new(inner) };
        trading.load_kills().await?;
        trading.load_deadmen().await?;
        trading.recover().await?;
        Ok(trading)
    }

    async fn recover(&self) -> Result<(), StoreError> {
        for record in self.open_records().await? {
            let live = Live::recorded(record);
            let id = live.updates.borrow().id;
            self.inner.live().insert(id, Arc::clone(&live));
            self.apply(&live, &Event::HubRestarted, None).await;
        }
        let open = self.inner.live().len();
        if open > 0 {
            warn!(open, "commands were open when the hub stopped; their terminals are asked");
        }
        Ok(())
    }

    /// Executes a trade once, whatever happens. Returns as soon as it is durable and on its way; the outcome comes by
    /// [`Execution::updates`].
    ///
    /// # Errors
    /// [`ExecuteError`]: nothing was sent.
    pub async fn execute(&self, claim: &Claim, trade: NewTrade) -> Result<Execution, ExecuteError> {
        let session = trade.session.clone();
        let key = claim.key().to_vec();
        if let Some(execution) = self.replayed(claim, &trade.fingerprint).await? {
            return Ok(execution);
        }
        let Judged { effect, before, turn, taken } = self.judge(&trade).await?;
        let place = session.reserve()?;
        let record = self.new_record(&trade).await?;
        let id = record.id;
        self.check_duplicate(&trade, id)?;

        let live = Live::new((record.clone(), trade.login.clone()), Some(&session), effect, before);
        // Locked before anybody can find it, so that no change is recorded before the command itself.
        let mut cell = live.cell.lock().await;
        self.inner.live().insert(id, Arc::clone(&live));
        // From here on it counts among what is open.
        drop(turn);
        // Enter, then look: whoever stops the account writes that first and counts the open commands second.
        if self.inner.is_stopped(session.owner(), session.account()) {
            self.inner.live().remove(&id);
            self.inner.duplicates.forget(id);
            // Whoever found it meanwhile and waits for the cell finds a command that is over, and records nothing.
            cell.record.state = CommandState::NotExecuted;
            return Err(ExecuteError::Offline);
        }
        let used = records::IdempotencyRecord { command: id, fingerprint: trade.fingerprint.to_vec(), at: record.created_at };
        let batch = Batch::admission()
            .expect_absent(key.clone())
            .put(key.clone(), records::encode(&used))
            .put(records::account_command(record.owner, &record.account, id), b"".to_vec());
        let batch = match &record.client_order_id {
            Some(reference) => batch.put(records::client_order(record.owner, &record.account, reference, id), b"".to_vec()),
            None => batch,
        };
        if let Err(error) = self.inner.store.commit(records::put_command(batch, &record)).await {
            self.inner.live().remove(&id);
            self.inner.duplicates.forget(id);
            cell.record.state = CommandState::NotExecuted;
            drop(cell);
            return match error {
                StoreError::Conflict { .. } => match self.inner.store.get(&key).await? {
                    Some(entry) => self.replay(&trade.fingerprint, records::decode(&key, &entry)?).await,
                    None => Err(error.into()),
                },
                error => Err(error.into()),
            };
        }
        taken.keep();
        drop(cell);
        time(&self.metrics().command_seconds, "hop", "record", live.since.elapsed());

        fail::fail_point!("trade_before_send", |_| std::process::abort());
        let updates = live.updates.subscribe();
        self.dispatch(&live, &record, &session, place).await;
        fail::fail_point!("trade_after_send", |_| std::process::abort());
        Ok(Execution { updates, replayed: false })
    }

    fn check_presence(session: &SessionHandle) -> Result<(), ExecuteError> {
        if session.is_cut() || session.ea_clock().1 >= FRESH {
            return Err(ExecuteError::Offline);
        }
        // Until the first Status nothing is known against it; the EA checks the same again before OrderSend.
        let Some((status, _)) = session.presence().status else { return Ok(()) };
        if !status.broker_link {
            Err(ExecuteError::BrokerLinkDown)
        } else if !status.terminal_trade_allowed {
            Err(ExecuteError::TradingDisabled("algo trading is switched off in the terminal: press the Algo Trading button"))
        } else if !status.ea_trade_allowed {
            Err(ExecuteError::TradingDisabled("the Expert Advisor may not trade: tick Allow Algo Trading in its properties"))
        } else if !status.account_trade_allowed {
            Err(ExecuteError::TradingDisabled("the broker does not allow trading by Expert Advisors on this account"))
        } else {
            Ok(())
        }
    }

    async fn new_record(&self, trade: &NewTrade) -> Result<CommandRecord, ExecuteError> {
        let session = &trade.session;
        let sequence = self.inner.tags.next(self.inner.store.as_ref(), session.account()).await?;
        let tag = tag(session.platform(), sequence).ok_or(ExecuteError::TagsExhausted)?;
        let now = self.inner.clock.steady();
        let ttl_ms = u32::try_from(trade.deadline.since(now)).ok().filter(|left| *left > 0).ok_or(ExecuteError::Expired)?;
        let mut request = trade.request.clone();
        request.magic = if request.magic == 0 { tag } else { request.magic };
        request.comment = tagged_comment(tag, &request.comment);
        Ok(CommandRecord {
            id: CommandId::new(self.inner.ids.next()?),
            owner: session.owner(),
            key: trade.key,
            permission: trade.permission,
            account: session.account().clone(),
            token: session.token(),
            trade_mode: session.hello().trade_mode,
            instance: session.instance(),
            request,
            tag,
            client_order_id: trade.client_order_id.clone(),
            parent: trade.parent,
            seen_price: trade.seen_price,
            max_slippage_points: trade.max_slippage_points,
            ttl_ms,
            state: CommandState::Dispatched,
            created_at: now,
            updated_at: now,
            dispatched_broker_time: session.broker_time(),
            deadline_at: trade.deadline,
            result: None,
            reason: None,
            adjudication: None,
            hook: trade.hook,
            earlier: Vec::new(),
        })
    }

    /// Claims an Idempotency-Key of an account: whoever else calls with it waits here until the claim is dropped, and then sees what
    /// it made. Without that a duplicate could be told that nothing was sent while its twin is being sent.
    pub async fn claim(&self, owner: OwnerId, account: &Account, idempotency_key: &str) -> Claim {
        self.inner.claims.claim(records::idempotency(owner, account, idempotency_key)).await
    }

    /// What a key made when it was used before, if it was.
    ///
    /// # Errors
    /// [`ExecuteError::KeyReused`], [`ExecuteError::KeyExpired`], the store's.
    pub async fn replayed(&self, claim: &Claim, fingerprint: &[u8; 32]) -> Result<Option<Execution>, ExecuteError> {
        let key = claim.key();
        match self.inner.store.get(key).await? {
            Some(entry) => self.replay(fingerprint, records::decode(key, &entry)?).await.map(Some),
            None => Ok(None),
        }
    }

    async fn replay(&self, fingerprint: &[u8; 32], used: records::IdempotencyRecord) -> Result<Execution, ExecuteError> {
        if !crate::crypto::equal(&used.fingerprint, fingerprint) {
            return Err(ExecuteError::KeyReused);
        }
        let updates = self.follow_command(used.command).await?.ok_or(ExecuteError::KeyExpired)?;
        Ok(Execution { updates, replayed: true })
    }

    /// One step of one command: decided, made durable, then carried out. When it cannot be made durable nothing is carried out:
    /// no outcome is acknowledged to the EA, and nobody is told.
    async fn apply(&self, live: &Live, event: &Event, from: Option<&SessionHandle>) {
        let mut cell = live.cell.lock().await;
        let next = step(&cell, event, self.inner.clock.steady(), &self.inner.timing);
        if next.record {
            fail::fail_point!("outcome_before_commit", |_| std::process::abort());
            let batch = records::put_command(Batch::outcome(), &next.command.record);
            if let Err(error) = self.inner.store.commit(batch).await {
                error!(command = %cell.record.id, %error, "a change of a command could not be made durable; it is as before");
                return;
            }
            fail::fail_point!("outcome_after_commit", |_| std::process::abort());
        }
        let changed = cell.record != next.command.record;
        let ends = next.command.record.state.is_final() && !cell.record.state.is_final();
        self.count_change(live, cell.record.state, next.command.record.state);
        *cell = next.command;
        let record = cell.record.clone();
        drop(cell);
        if ends && record.is_done() {
            let done = Done { record: record.clone(), effect: live.effect(), before: live.before() };
            // Before it leaves the open ones, so that it is always in one of the two.
            self.inner.settling.note(done, record.updated_at);
        }
        if record.state.is_final() {
            self.inner.live().remove(&record.id);
            if !record.is_done() {
                self.inner.duplicates.forget(record.id);
            }
        }
        if changed {
            live.updates.send_replace(record.clone());
        }
        for send in next.sends {
            let is_alert = matches!(send, Send::Alert(_));
            if !self.perform(send, &record, from).await {
                if is_alert {
                    let mut cell = live.cell.lock().await;
                    *cell = step(&cell, &Event::NotAlerted, self.inner.clock.steady(), &self.inner.timing).command;
                }
                return;
            }
        }
    }

    /// Whether what comes after it may be done too: nothing is acknowledged whose incident is not on the disk.
    async fn perform(&self, send: Send, record: &CommandRecord, from: Option<&SessionHandle>) -> bool {
        match send {
            Send::Query => self.query(record),
            Send::Acknowledge => {
                if let Some(session) = from {
                    // Lost or refused, the EA sends its outcome again and is acknowledged then.
                    let _ = session.send(Acknowledge { command: record.id });
                }
            }
            Send::Incident(text) => return self.incident(record, IncidentKind::Contradiction, text).await,
            Send::Alert(text) => return self.incident(record, IncidentKind::Unresolved, text).await,
        }
        true
    }

    /// Asks the instance that the command is bound to, or, when that one is gone, whoever is there on this account.
    fn query(&self, record: &CommandRecord) {
        let sessions = self.sessions_of(record.owner, &record.account);
        let bound = sessions.iter().filter(|session| session.instance() == record.instance).count() > 0;
        for session in sessions.iter().filter(|session| !bound || session.instance() == record.instance) {
            self.metrics().queries.inc();
            let query = Query {
                command: record.id,
                instance: record.instance,
                tag: record.tag,
                request: Row(record.request.clone()),
                dispatched_broker_time: record.dispatched_broker_time,
                asked_at: self.inner.clock.steady().0,
            };
            // A full mailbox: the next tick asks again.
            let _ = session.send(query);
        }
    }

    fn sessions_of(&self, owner: OwnerId, account: &Account) -> Vec<SessionHandle> {
        let tokens = self.inner.access.tokens_of_login(account.login);
        let live = tokens.iter().filter(|token| token.owner == owner).filter_map(|token| self.inner.hub.of_token(token.id));
        live.filter(|session| session.account() == account).collect()
    }
}

/// While it is held, no command begins on the account.
#[derive(Debug)]
pub struct Stopped {
    trading: Trading,
    whose: (OwnerId, Account),
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let mut stopped = self.trading.inner.stopped();
        if let Some(holders) = stopped.get_mut(&self.whose) {
            *holders -= 1;
            if *holders == 0 {
                stopped.remove(&self.whose);
            }
        }
    }
}

impl Trading {
    /// Lets no command begin on an owner's account until the answer is dropped.
    #[must_use]
    pub fn stop_account(&self, owner: OwnerId, account: &Account) -> Stopped {
        let whose = (owner, account.clone());
        *self.inner.stopped().entry(whose.clone()).or_insert(0) += 1;
        Stopped { trading: self.clone(), whose }
    }
}

impl Inner {
    fn is_stopped(&self, owner: OwnerId, account: &Account) -> bool {
        self.stopped().contains_key(&(owner, account.clone()))
    }

    fn stopped(&self) -> std::sync::MutexGuard<'_, HashMap<(OwnerId, Account), usize>> {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn live(&self) -> std::sync::MutexGuard<'_, HashMap<CommandId, Arc<Live>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
