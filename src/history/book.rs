//! The book of one account: what is new is written into it once, in the order of one writer.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{sync::Mutex, time::Instant};
use tracing::{info, warn};

use super::stops::Stops;
use super::{History, budget::Budget, compare::Pass};
use crate::{
    domain::{
        UnixMillis,
        account::{Account, Platform},
        command::CommandRecord,
        history::{Fact, HistoryAccount, HistoryRecord, Origin, Source},
        ids::{EaInstance, OwnerId},
        token::Token,
    },
    hub::SessionHandle,
    market::broker_time::BrokerClock,
    store::{Batch, StoreError, records},
};

/// Rows in one batch: far below the largest batch, whatever their texts.
const CHUNK: usize = 100;

/// One owner's account.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) owner: OwnerId,
    pub(super) account: Account,
    /// Something was missed: look soon.
    wanted: AtomicBool,
    pub(super) rows: Arc<Mutex<Rows>>,
    /// Held by the one comparison that runs.
    pub(super) pass: Mutex<Pass>,
}

/// What the one writer knows.
#[derive(Debug)]
pub(super) struct Rows {
    /// As the store has it; none while the account has no history.
    pub(super) about: Option<HistoryAccount>,
    loaded: bool,
    budget: Budget,
    /// The last push, and of which instance.
    pushed: Option<(EaInstance, u64)>,
    warned: Option<Instant>,
    /// With which stops positions were seen last.
    pub(super) stops: Stops,
}

/// A fact on its way into the book.
#[derive(Debug, Clone)]
pub(super) struct News {
    pub(super) fact: Fact,
    /// `ENUM_TRADE_TRANSACTION_TYPE` if it was pushed.
    pub(super) transaction: Option<u8>,
}

/// Why nothing, or not everything, was written.
#[derive(Debug, thiserror::Error)]
pub(super) enum RecordError {
    #[error("the terminal's token does not belong to this account any more")]
    Disconnected,
    #[error("the account has used up its budget of rows")]
    Budget,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Book {
    pub(super) fn new(owner: OwnerId, account: Account) -> Self {
        let rows = Rows {
            about: None,
            loaded: false,
            budget: Budget::full(Instant::now()),
            pushed: None,
            warned: None,
            stops: Stops::default(),
        };
        let (wanted, rows, pass) = (AtomicBool::new(false), Arc::new(Mutex::new(rows)), Mutex::default());
        Self { owner, account, wanted, rows, pass }
    }

    /// Asks for a comparison soon.
    pub(super) fn want(&self) {
        self.wanted.store(true, Ordering::Release);
    }

    /// Whether one was asked for since this was last called.
    pub(super) fn take_want(&self) -> bool {
        self.wanted.swap(false, Ordering::AcqRel)
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Acquire)
    }
}

impl Rows {
    /// As if the account had never been seen.
    pub(super) fn forget(&mut self) {
        (self.about, self.loaded, self.pushed, self.stops) = (None, false, None, Stops::default());
    }

    /// Whether pushes were lost before this one.
    pub(super) fn skipped(&mut self, instance: EaInstance, seq: u64) -> bool {
        let expected = match self.pushed {
            Some((known, last)) if known == instance => last.saturating_add(1),
            _ => 1,
        };
        self.pushed = Some((instance, seq));
        seq != expected
    }

    fn refuse(&mut self, account: &Account, why: &dyn std::fmt::Display) {
        // One line a minute: whoever sends nonsense may send a lot of it.
        let now = Instant::now();
        if self.warned.is_none_or(|at| (now - at).as_secs() >= 60) {
            self.warned = Some(now);
            warn!(%account, %why, "a terminal told of a deal or order that cannot be; it is not recorded");
        }
    }
}

impl History {
    /// Writes down what is new, durably. One writer an account; a deal that is told twice is one row, an order is one row for each
    /// state it was seen in.
    pub(super) async fn record(
        &self,
        book: &Book,
        session: &SessionHandle,
        news: Vec<News>,
        source: Source,
    ) -> Result<(), RecordError> {
        let mut rows = book.rows.lock().await;
        self.about(book, &mut rows, session).await?;
        let clock = self.inner.clocks.live(session);
        let mut contradictions = Vec::new();
        let (mut outcome, mut unknown) = (Ok(()), None);
        let mut fresh: HashMap<Vec<u8>, HistoryRecord> = HashMap::new();
        for News { fact, transaction } in news {
            if let Err(why) = fact.check() {
                rows.refuse(&book.account, &why);
                continue;
            }
            let Some(fact) = rows.stops.news(fact, transaction.is_some(), session.broker_time()) else { continue };
            let key = records::history_row(book.owner, &book.account, sort_time(&fact), &identity(&fact));
            let known = match fresh.get(&key) {
                Some(record) => Some(record.clone()),
                None => match self.inner.store.get(&key).await? {
                    Some(entry) => Some(records::decode::<HistoryRecord>(&key, &entry)?),
                    None => None,
                },
            };
            let (origin, command) = self.trace(book, session.platform(), &fact).await?;
            contradictions.extend(command.filter(|command| fact.contradicts(command)).map(|command| (command, fact.clone())));
            if known.as_ref().is_some_and(|known| known.fact.is_same(&fact)) {
                rows.stops.keep(&fact);
                continue;
            }
            if !rows.budget.take(Instant::now()) {
                outcome = Err(RecordError::Budget);
                continue;
            }
            let now = self.inner.clock.wall();
            let record = match known {
                Some(known) => HistoryRecord { updated_at: now, transaction: transaction.or(known.transaction), fact, ..known },
                None => {
                    if origin == Origin::UnknownTag {
                        unknown.get_or_insert_with(|| fact.clone());
                    }
                    let time = utc(&fact, clock);
                    HistoryRecord { time, seen_at: now, updated_at: now, source, transaction, origin, fact }
                }
            };
            fresh.insert(key, record);
        }
        if let Some(refused) = rows.budget.refused(Instant::now()) {
            warn!(account = %book.account, refused, "a terminal tells of more deals and orders than anybody can make; what is above its budget waits");
        }
        let kept: Vec<_> = fresh.values().map(|record| record.fact.clone()).collect();
        self.write(book, fresh).await?;
        kept.iter().for_each(|fact| rows.stops.keep(fact));
        drop(rows);
        for (command, fact) in contradictions {
            self.contradiction(&command, &fact).await?;
        }
        if let Some(fact) = unknown {
            self.unknown_tag(book, &fact).await?;
        }
        outcome
    }

    async fn write(&self, book: &Book, fresh: HashMap<Vec<u8>, HistoryRecord>) -> Result<(), StoreError> {
        let scope = records::scope(book.owner, &book.account);
        let mut fresh = fresh.into_iter().peekable();
        while fresh.peek().is_some() {
            let batch = fresh
                .by_ref()
                .take(CHUNK)
                .fold(Batch::admission(), |batch, (key, record)| batch.put_sealed(&scope, key, records::encode(&record)));
            self.inner.store.commit(batch).await?;
        }
        Ok(())
    }

    /// What is known of the account, after a look whether the session's token still belongs to it: deleting waits for this lock and
    /// unlocks the token under it, so that nothing is written after it.
    pub(super) async fn about<'a>(
        &self,
        book: &Book,
        rows: &'a mut Rows,
        session: &SessionHandle,
    ) -> Result<&'a HistoryAccount, RecordError> {
        let token = self.inner.access.token(session.token());
        let locked_to_it = |token: Arc<Token>| token.lock.as_ref().is_some_and(|lock| lock.account == book.account);
        if !token.is_some_and(locked_to_it) {
            return Err(RecordError::Disconnected);
        }
        if !rows.loaded {
            let key = records::history_account(book.owner, &book.account);
            let entry = self.inner.store.get(&key).await?;
            rows.about = entry.map(|entry| records::decode(&key, &entry)).transpose()?;
            rows.loaded = true;
        }
        let trade_mode = session.hello().trade_mode;
        if rows.about.as_ref().is_none_or(|about| about.trade_mode != trade_mode) {
            let new = HistoryAccount { account: book.account.clone(), trade_mode, complete_until: 0, judged: None };
            let about = rows.about.take().map_or(new, |about| HistoryAccount { trade_mode, ..about });
            info!(account = %book.account, "a trade history is kept");
            self.put_about(book, rows, about).await?;
        }
        // Set above, or there before.
        rows.about.as_ref().ok_or(RecordError::Disconnected)
    }

    pub(super) async fn put_about(&self, book: &Book, rows: &mut Rows, about: HistoryAccount) -> Result<(), StoreError> {
        if rows.about.as_ref() == Some(&about) {
            return Ok(());
        }
        let key = records::history_account(book.owner, &book.account);
        let scope = records::scope(book.owner, &book.account);
        self.inner.store.commit(Batch::admission().put_sealed(&scope, key, records::encode(&about))).await?;
        rows.about = Some(about);
        Ok(())
    }

    /// Who caused it, and the command if it was one.
    pub(super) async fn trace(
        &self,
        book: &Book,
        platform: Platform,
        fact: &Fact,
    ) -> Result<(Origin, Option<CommandRecord>), StoreError> {
        if fact.is_brokers() {
            return Ok((Origin::Broker, None));
        }
        if fact.is_unmarked(platform) {
            return Ok((Origin::Untold, None));
        }
        let Some(sequence) = fact.tag_sequence(platform) else { return Ok((Origin::Foreign, None)) };
        let entry = self.inner.store.get(&records::tagged_command(book.owner, &book.account, sequence)).await?;
        let id = entry.and_then(|entry| records::command_of(&entry.value));
        let command = match id {
            Some(id) => self.inner.trading.command(id).await?,
            None => None,
        };
        Ok(match command.filter(|command| fact.fits(command)) {
            Some(command) => (Origin::Command(command.id), Some(command)),
            None if self.is_anothers(book, sequence).await? => (Origin::Foreign, None),
            None => (Origin::UnknownTag, None),
        })
    }

    /// Whether a tag was given to a command of another owner who has a terminal on the same account: numbers are the account's, commands the
    /// owner's.
    async fn is_anothers(&self, book: &Book, sequence: u64) -> Result<bool, StoreError> {
        let tokens = self.inner.access.tokens_of_login(book.account.login);
        let others: BTreeSet<_> = tokens.iter().map(|token| token.owner).filter(|owner| *owner != book.owner).collect();
        for owner in others {
            if self.inner.store.get(&records::tagged_command(owner, &book.account, sequence)).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The place of a row among the others. Broker time, because that never changes with what the hub knows of the broker's clock.
fn sort_time(fact: &Fact) -> u64 {
    u64::try_from(fact.broker_msc()).unwrap_or(0)
}

fn utc(fact: &Fact, clock: BrokerClock) -> UnixMillis {
    let msc = fact.broker_msc();
    UnixMillis(clock.to_utc(msc.div_euclid(1_000)).saturating_mul(1_000) + msc.rem_euclid(1_000))
}

/// A deal is its ticket; an order is its ticket and what it was seen to be, but for the price of the moment; a position is its ticket and its
/// stops.
fn identity(fact: &Fact) -> [u8; 16] {
    let digest = match fact {
        Fact::Deal(deal) => crate::crypto::sha256(&[b"deal", &deal.ticket.to_be_bytes()]),
        Fact::Order(order) => {
            let seen = crate::domain::trade::Order { price_current: 0.0, ..order.clone() };
            crate::crypto::sha256(&[b"order", &records::encode(&seen)])
        }
        Fact::Position(position) => {
            let stops = [position.sl, position.tp].map(|price| price.to_bits().to_be_bytes());
            crate::crypto::sha256(&[b"position", &position.ticket.to_be_bytes(), &stops[0], &stops[1]])
        }
    };
    let mut identity = [0; 16];
    identity.copy_from_slice(&digest[..16]);
    identity
}
