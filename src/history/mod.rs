//! What happened on each account, and whether it agrees with what the hub recorded of its commands.
//!
//! Terminals push deals and order changes ([`Push`]); what was lost on the way, or happened while nobody was connected, is found when
//! the hub reads the terminal's own history, at each connect and from time to time. Both end in the account's `book`, once. The same
//! look compares the account's commands with what the terminal shows (`compare`).

mod book;
mod budget;
mod compare;
mod query;
mod stops;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    select,
    sync::{OwnedMutexGuard, Semaphore, mpsc},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use self::book::{Book, News, RecordError, Rows};
use crate::{
    access::Access,
    clock::Clock,
    config,
    domain::{
        account::Account,
        command::CommandRecord,
        history::{Fact, Source},
        ids::{OwnerId, SessionId},
        safety::IncidentKind,
    },
    hub::{Hub, Push, SessionHandle},
    market::clocks::Clocks,
    store::{Batch, Store, StoreError, records},
    trading::{NewIncident, Trading},
};
pub use query::{Cursor, Filter, HistoryPage, Place};

/// Who is due for a comparison is looked at so often.
const LOOK: Duration = Duration::from_secs(1);
/// Pushes that are written down together.
const TURN: usize = 256;
/// Comparisons at once.
const PASSES: usize = 16;
/// Keys deleted in one batch.
const DELETED: usize = 1_000;

/// What the history stands on.
#[derive(Debug)]
pub struct Parts {
    /// Where it is kept.
    pub store: Arc<dyn Store>,
    /// The terminals.
    pub hub: Hub,
    /// Whose token is locked to which account.
    pub access: Access,
    /// The commands.
    pub trading: Trading,
    /// How often, and how far back.
    pub settings: config::Trading,
    /// A read of a terminal waits so long.
    pub read_timeout: Duration,
    /// The clocks of trade servers.
    pub clocks: Clocks,
    /// The time of day.
    pub clock: Clock,
}

/// The trade history of all accounts. Cheap to clone.
#[derive(Debug, Clone)]
pub struct History {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    parts: Parts,
    /// Kept for good once an account was met: a deleted account's book is an empty one.
    books: Mutex<HashMap<(OwnerId, Account), Arc<Book>>>,
}

impl std::ops::Deref for Inner {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.parts
    }
}

/// When a session is compared next.
struct Due {
    book: Arc<Book>,
    next: Instant,
    /// What was asked for comes not before this: one that is asked for all the time is no endless loop.
    earliest: Instant,
    running: bool,
}

/// While it is held, nothing is written into the account's history.
#[derive(Debug)]
pub struct Held {
    history: History,
    owner: OwnerId,
    account: Account,
    rows: OwnedMutexGuard<Rows>,
}

impl History {
    /// The history over what the store holds.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self { inner: Arc::new(Inner { parts, books: Mutex::default() }) }
    }

    /// Takes pushes and compares, until `stop`; then takes what was pushed before.
    pub async fn run(self, mut pushes: mpsc::Receiver<Push>, stop: CancellationToken) {
        let mut clock = interval(LOOK.min(self.inner.settings.compare_every.max(Duration::from_millis(10))));
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let permits = Arc::new(Semaphore::new(PASSES));
        let (mut due, mut passes, mut turn) = (HashMap::new(), JoinSet::new(), Vec::new());
        let comparing = !self.inner.settings.compare_every.is_zero();
        loop {
            select! {
                biased;
                () = stop.cancelled() => break,
                Some(Ok((session, after))) = passes.join_next() => self.note(&mut due, session, after),
                _ = clock.tick(), if comparing => self.begin(&mut due, &mut passes, &permits),
                _ = pushes.recv_many(&mut turn, TURN) => self.take(std::mem::take(&mut turn)).await,
            }
        }
        passes.shutdown().await;
        while let Ok(push) = pushes.try_recv() {
            self.take(vec![push]).await;
        }
    }

    /// Starts the comparisons that are due.
    fn begin(&self, due: &mut HashMap<SessionId, Due>, passes: &mut JoinSet<(SessionId, Duration)>, permits: &Arc<Semaphore>) {
        let (now, sessions) = (Instant::now(), self.inner.hub.sessions());
        let live: std::collections::HashSet<_> = sessions.iter().map(SessionHandle::id).collect();
        due.retain(|session, entry| entry.running || live.contains(session));
        for session in sessions {
            let entry = due.entry(session.id()).or_insert_with(|| {
                let book = self.book(session.owner(), session.account());
                Due { book, next: now, earliest: now, running: false }
            });
            let wanted = entry.book.is_wanted() && now >= entry.earliest;
            // Until its first Status nobody knows whether the terminal sees its broker.
            if entry.running || (now < entry.next && !wanted) || session.presence().status.is_none() {
                continue;
            }
            entry.running = true;
            let (history, book, permits) = (self.clone(), Arc::clone(&entry.book), Arc::clone(permits));
            passes.spawn(async move {
                let _permit = permits.acquire_owned().await;
                (session.id(), history.compare(&book, &session).await)
            });
        }
    }

    fn note(&self, due: &mut HashMap<SessionId, Due>, session: SessionId, after: Duration) {
        if let Some(entry) = due.get_mut(&session) {
            let now = Instant::now();
            (entry.running, entry.next, entry.earliest) =
                (false, now + after, now + after.min(self.inner.settings.compare_settle));
        }
    }

    /// Writes pushes down, those of one account in their order.
    async fn take(&self, turn: Vec<Push>) {
        let mut groups: Vec<(SessionHandle, Vec<Push>)> = Vec::new();
        for push in turn {
            match groups.iter_mut().find(|(session, _)| session.id() == push.session.id()) {
                Some((_, pushes)) => pushes.push(push),
                None => groups.push((push.session.clone(), vec![push])),
            }
        }
        let writing = groups.into_iter().map(|(session, pushes)| self.take_of(session, pushes));
        futures_util::future::join_all(writing).await;
    }

    async fn take_of(&self, session: SessionHandle, pushes: Vec<Push>) {
        let book = self.book(session.owner(), session.account());
        let mut news = Vec::new();
        for Push { transaction, .. } in &pushes {
            if book.rows.lock().await.skipped(session.instance(), transaction.seq) {
                book.want();
            }
            let kind = Some(transaction.kind);
            let position = transaction.position.iter().map(|row| Fact::Position(row.0.clone()));
            let deal = transaction.deal.iter().map(|row| Fact::Deal(row.0.clone()));
            let order = transaction.order.iter().map(|row| Fact::Order(row.0.clone()));
            news.extend(order.chain(deal).chain(position).map(|fact| News { fact, transaction: kind }));
        }
        if news.is_empty() {
            return;
        }
        match self.record(&book, &session, news, Source::Pushed).await {
            Ok(()) | Err(RecordError::Disconnected) => {}
            Err(error) => {
                warn!(account = %book.account, %error, "pushes could not be recorded; the next comparison finds them");
                book.want();
            }
        }
    }

    fn book(&self, owner: OwnerId, account: &Account) -> Arc<Book> {
        let mut books = self.inner.books.lock().unwrap_or_else(PoisonError::into_inner);
        let book = books.entry((owner, account.clone())).or_insert_with(|| Arc::new(Book::new(owner, account.clone())));
        Arc::clone(book)
    }

    /// It is done at the broker, and recorded as never done.
    async fn contradiction(&self, command: &CommandRecord, fact: &Fact) -> Result<(), StoreError> {
        let text = format!(
            "recorded as {:?}, but the account shows {} {} of order {}",
            command.state,
            if matches!(fact, Fact::Deal(_)) { "deal" } else { "order" },
            fact.ticket(),
            fact.order()
        );
        self.incident(command, IncidentKind::Contradiction, text).await
    }

    /// About one command. Not recorded, it must be noticed again, so whoever asks stops there.
    async fn incident(&self, command: &CommandRecord, kind: IncidentKind, text: String) -> Result<(), StoreError> {
        let (owner, account, subject) = (command.owner, command.account.clone(), command.id.to_string());
        let new = NewIncident { owner, account, kind, command: Some(command.id), subject, text };
        self.inner.trading.raise_incident(new).await.map(drop)
    }

    /// Tags that no command has: told once for an account, and then by the rows.
    async fn unknown_tag(&self, book: &Book, fact: &Fact) -> Result<(), StoreError> {
        let text = format!(
            "ticket {} bears a tag of this hub, and no command that is kept fits it: after a restore, commands are missing; look at \
             the trade history's rows with the origin unknown_tag",
            fact.ticket()
        );
        let (owner, account, kind) = (book.owner, book.account.clone(), IncidentKind::UnknownTag);
        let new = NewIncident { owner, account, kind, command: None, subject: "tags".to_owned(), text };
        self.inner.trading.raise_incident(new).await.map(drop)
    }

    /// Lets nothing be written into an account's history until the answer is dropped.
    pub async fn hold(&self, owner: OwnerId, account: &Account) -> Held {
        let rows = Arc::clone(&self.book(owner, account).rows).lock_owned().await;
        Held { history: self.clone(), owner, account: account.clone(), rows }
    }
}

impl Held {
    /// Deletes the account's history and tells how many rows there were. The seal is still to be destroyed by the caller, who unlocks the token before this is dropped;
    /// the rows go first, because afterwards nobody can list them any more.
    ///
    /// # Errors
    /// The store's; calling it again goes on where it stopped.
    pub async fn forget(&mut self) -> Result<usize, StoreError> {
        let (owner, account, store) = (self.owner, &self.account, &self.history.inner.store);
        let prefix = records::history_rows(owner, account);
        let mut rows = 0;
        loop {
            let page = store.scan(&prefix, None, DELETED).await?;
            if page.is_empty() {
                break;
            }
            rows += page.len();
            let batch = page.into_iter().fold(Batch::outcome(), |batch, (key, _)| batch.delete(key));
            store.commit(batch).await?;
        }
        store.commit(Batch::outcome().delete(records::history_account(owner, account))).await?;
        self.rows.forget();
        Ok(rows)
    }
}
