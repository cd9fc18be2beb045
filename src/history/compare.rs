//! One look at what a terminal shows: what the history lacks is written into it, and the commands are held against it.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tracing::{debug, info};

use super::{
    History,
    book::{Book, News, RecordError},
};
use crate::{
    domain::{
        UnixMillis,
        account::Platform,
        command::{CommandRecord, CommandState, tag_sequence},
        history::{CLOCK_SLACK_S, Fact, HistoryAccount, Source},
        ids::{CommandId, SessionId},
        safety::IncidentKind,
        trade::{Deal, Order, Position, action},
    },
    hub::{CallError, SessionHandle},
    protocol::{
        DecodeError, FromHub, codec,
        message::{GetDeals, GetHistoryOrders, GetOrders, GetPositions, Reply, reply_status},
    },
    store::StoreError,
    trading::Trading,
};

/// Each look goes back behind the last one by this: brokers book some deals late.
const OVERLAP_S: i64 = 3 * 3_600;
/// Rows in one question.
const PAGE: u32 = 500;
const PAGE_ROWS: usize = 500;
/// Questions of one kind in one look; the next one goes on from there.
const PAGES_MAX: u32 = 200;
/// Positions or open orders that one terminal may have.
const OPEN_MAX: usize = 10_000;
/// A terminal that says that nothing changed is believed so many times in a row.
const BELIEVED: u32 = 10;
/// Commands held against one look.
const COMMANDS_MAX: usize = 2_000;

/// What one look remembers for the next.
#[derive(Debug, Default)]
pub(super) struct Pass {
    /// What the terminal said of itself when all was compared last, and when that was.
    seen: Option<(Mark, Instant)>,
    /// Commands that were not shown, and since when. They are judged at the second look.
    suspects: HashMap<CommandId, Instant>,
    /// Commands that were judged while an earlier one is still open.
    judged: HashSet<CommandId>,
}

/// What changes when something happened to the account.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Mark {
    session: SessionId,
    positions: u32,
    orders: u32,
    balance: u64,
}

/// What a terminal shows of an account.
#[derive(Debug, Default)]
struct Shown {
    deals: HashSet<u64>,
    /// Orders that have deals, and positions: an opening order and its position have one number.
    orders_done: HashSet<u64>,
    /// Open and past orders; none if the terminal cannot list them.
    orders: Option<HashSet<u64>>,
    tags: HashSet<u64>,
    /// The newest deal or order, broker time in seconds.
    newest: i64,
    /// There is more than one look may read.
    more: bool,
}

/// How a command stands to what is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judgement {
    /// It is open, or too fresh.
    Later,
    /// Nothing speaks against it.
    Agrees,
    /// It is recorded as done, and what it made is not there.
    Missing,
}

#[derive(Debug, thiserror::Error)]
enum PassError {
    #[error("the terminal cannot tell now: {0}")]
    NotNow(String),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("the terminal's answer cannot be read: {0}")]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl History {
    /// Compares, and says when to come again.
    pub(super) async fn compare(&self, book: &Book, session: &SessionHandle) -> Duration {
        let every = self.inner.settings.compare_every;
        // Any spread will do, and the session's random id is one.
        let spread = u32::from(session.id().to_bytes()[15]);
        let regular = every * (230 + spread / 5) / 256;
        let asked = book.take_want();
        match self.look(book, session, asked).await {
            Ok(None) => regular,
            Ok(Some(soon)) => soon.min(regular),
            Err(PassError::Record(RecordError::Disconnected) | PassError::Call(CallError::Gone)) => regular,
            Err(error) => {
                debug!(account = %book.account, %error, "the account could not be compared");
                book.want();
                self.inner.settings.compare_settle.min(regular)
            }
        }
    }

    /// Some: it is to be looked at again so soon.
    async fn look(&self, book: &Book, session: &SessionHandle, asked: bool) -> Result<Option<Duration>, PassError> {
        let Some((status, _)) = session.presence().status.filter(|(status, _)| status.broker_link) else {
            return Err(PassError::NotNow("no connection to its broker".to_owned()));
        };
        let mut pass = book.pass.lock().await;
        let about = self.about(book, &mut *book.rows.lock().await, session).await?.clone();
        let broker_now = self.broker_now(session);
        let commands = self.to_judge(book, &about, broker_now).await?;
        let unjudged = || commands.iter().filter(|command| !pass.judged.contains(&command.id));
        let (positions, orders) = (status.positions, status.orders);
        let mark = Mark { session: session.id(), positions, orders, balance: status.balance.to_bits() };
        let believed = self.inner.settings.compare_every * BELIEVED;
        let unchanged = pass.seen.is_some_and(|(seen, at)| seen == mark && at.elapsed() < believed);
        if unchanged && !asked && unjudged().next().is_none() {
            return Ok(None);
        }
        let earliest = unjudged().map(|command| command.dispatched_broker_time - CLOCK_SLACK_S).min();
        let reach = broker_now - i64::try_from(self.inner.settings.history_reach.as_secs()).unwrap_or(i64::MAX);
        let from = (about.complete_until - OVERLAP_S).min(earliest.unwrap_or(i64::MAX)).max(reach).max(0);
        let started = Instant::now();
        let Some(shown) = self.read(book, session, from).await? else {
            return Ok(None);
        };
        let soon = self.judge_all(book, session.platform(), &mut pass, &commands, &shown).await?;
        self.keep(book, session, &mut pass, &commands, &shown, broker_now).await?;
        if shown.more {
            return Ok(Some(Duration::ZERO));
        }
        pass.seen = Some((mark, started));
        Ok(soon)
    }

    /// Broker time as the terminal last told it; a terminal may say anything, so not beyond tomorrow.
    fn broker_now(&self, session: &SessionHandle) -> i64 {
        session.broker_time().clamp(0, self.inner.clock.wall().0 / 1_000 + 86_400)
    }

    /// Commands after those that are judged for good, oldest first.
    async fn to_judge(&self, book: &Book, about: &HistoryAccount, broker_now: i64) -> Result<Vec<CommandRecord>, StoreError> {
        let reach = i64::try_from(self.inner.settings.history_reach.as_secs()).unwrap_or(i64::MAX);
        let (mut found, mut after) = (Vec::new(), about.judged);
        loop {
            let within = |command: &CommandRecord| broker_now - command.dispatched_broker_time < reach;
            let (page, next) = self.trading().commands(book.owner, &book.account, after, COMMANDS_MAX, within).await?;
            found.extend(page);
            match next {
                Some(next) if found.len() < COMMANDS_MAX => after = Some(next),
                _ => return Ok(found),
            }
        }
    }

    fn trading(&self) -> &Trading {
        &self.inner.trading
    }

    /// Reads what the terminal has since `from` and writes down what is new. None if it cannot list its deals.
    async fn read(&self, book: &Book, session: &SessionHandle, from: i64) -> Result<Option<Shown>, PassError> {
        let mut shown = Shown::default();
        // What is open is read first: an order that is filled meanwhile is then in one of the two.
        let open: Option<Vec<Order>> =
            self.ask(session, OPEN_MAX, |call| GetOrders { call, symbol: String::new(), ticket: 0 }.into()).await?;
        let positions: Vec<Position> = self
            .ask(session, OPEN_MAX, |call| GetPositions { call, symbol: String::new(), ticket: 0 }.into())
            .await?
            .unwrap_or_default();
        shown.orders_done.extend(positions.iter().flat_map(|position| [position.ticket, position.identifier]));
        for position in &positions {
            let fact = Fact::of_position(position);
            let (_, command) = self.trace(book, session.platform(), &fact).await?;
            if let Some(command) = command.filter(|command| fact.contradicts(command)) {
                self.contradiction(&command, &fact).await?;
            }
        }
        book.rows.lock().await.stops.keep_only(&positions.iter().map(|position| position.ticket).collect());
        let news = positions.into_iter().map(|position| News { fact: Fact::Position(position), transaction: None }).collect();
        self.record(book, session, news, Source::Found).await?;
        let to = i64::from(u32::MAX);
        let platform = session.platform();
        let mut orders_listed = open.is_some();
        if let Some(open) = open {
            shown.orders = Some(HashSet::new());
            let facts = open.into_iter().map(Fact::Order).collect();
            self.write_down(book, session, &mut shown, facts).await?;
            for page in 0..=PAGES_MAX {
                let offset = page * PAGE;
                let ask = |call| GetHistoryOrders { call, from, to, position: 0, ticket: 0, offset, limit: PAGE }.into();
                let Some(orders) = self.ask::<Order>(session, PAGE_ROWS, ask).await? else {
                    orders_listed = false;
                    break;
                };
                let full = orders.len() == PAGE_ROWS;
                self.write_down(book, session, &mut shown, orders.into_iter().map(Fact::Order).collect()).await?;
                shown.more |= full && page == PAGES_MAX;
                if !full {
                    break;
                }
            }
        }
        if !orders_listed {
            shown.orders = None;
        }
        for page in 0..=PAGES_MAX {
            let offset = page * PAGE;
            let ask = |call| GetDeals { call, from, to, position: 0, ticket: 0, offset, limit: PAGE }.into();
            let Some(deals) = self.ask::<Deal>(session, PAGE_ROWS, ask).await? else { return Ok(None) };
            let full = deals.len() == PAGE_ROWS;
            self.write_down(book, session, &mut shown, deals.into_iter().map(Fact::Deal).collect()).await?;
            shown.more |= full && page == PAGES_MAX;
            if !full {
                break;
            }
        }
        debug!(account = %book.account, ?platform, deals = shown.deals.len(), from, "compared");
        Ok(Some(shown))
    }

    async fn write_down(
        &self,
        book: &Book,
        session: &SessionHandle,
        shown: &mut Shown,
        facts: Vec<Fact>,
    ) -> Result<(), RecordError> {
        for fact in &facts {
            shown.add(fact, session.platform());
        }
        let news = facts.into_iter().map(|fact| News { fact, transaction: None }).collect();
        self.record(book, session, news, Source::Found).await
    }

    /// Asks for rows. None if this platform has none of the kind.
    async fn ask<T: DeserializeOwned>(
        &self,
        session: &SessionHandle,
        max: usize,
        build: impl FnOnce(u64) -> FromHub,
    ) -> Result<Option<Vec<T>>, PassError> {
        // Between the chunks of downloads, as one of them.
        let turn = session.bulk_turn(self.inner.read_timeout).await?;
        let Reply { status, text, body, .. } = session.call(self.inner.read_timeout, build).await?;
        drop(turn);
        match status {
            reply_status::OK => Ok(Some(codec::rows(&body, max)?)),
            reply_status::UNSUPPORTED => Ok(None),
            _ => Err(PassError::NotNow(text.chars().filter(|c| !c.is_control()).take(200).collect())),
        }
    }

    /// Holds the commands against what is shown. Some: a suspect is to be looked at again so soon.
    async fn judge_all(
        &self,
        book: &Book,
        platform: Platform,
        pass: &mut Pass,
        commands: &[CommandRecord],
        shown: &Shown,
    ) -> Result<Option<Duration>, StoreError> {
        let (now, settle) = (self.inner.clock.steady(), self.inner.settings.compare_settle);
        let settled = now.plus_ms(-i64::try_from(settle.as_millis()).unwrap_or(i64::MAX));
        let mut soon = None;
        for command in commands {
            if pass.judged.contains(&command.id) {
                continue;
            }
            match judge(command, shown, settled) {
                Judgement::Later => continue,
                // MetaTrader 4 shows only what its Account History tab is set to, so that absence proves nothing.
                Judgement::Missing if platform == Platform::Mt4 => {
                    info!(account = %book.account, command = %command.id, "what this command made is not shown; the Account History tab may be set to a shorter time");
                }
                Judgement::Missing => {
                    let since = *pass.suspects.entry(command.id).or_insert_with(Instant::now);
                    if since.elapsed() < settle || shown.more {
                        soon = Some(settle);
                        continue;
                    }
                    let (deal, order) = command.result.as_ref().map_or((0, 0), |result| (result.deal, result.order));
                    let text = format!(
                        "recorded as {:?} with deal {deal} and order {order}, which the terminal does not show",
                        command.state
                    );
                    self.incident(command, IncidentKind::MissingTicket, text).await?;
                }
                Judgement::Agrees => {}
            }
            pass.suspects.remove(&command.id);
            pass.judged.insert(command.id);
        }
        Ok(soon)
    }

    /// Remembers durably how far all is complete and all commands are judged.
    async fn keep(
        &self,
        book: &Book,
        session: &SessionHandle,
        pass: &mut Pass,
        commands: &[CommandRecord],
        shown: &Shown,
        broker_now: i64,
    ) -> Result<(), PassError> {
        let mut rows = book.rows.lock().await;
        let about = self.about(book, &mut rows, session).await?.clone();
        let mut judged = about.judged;
        // In their order, up to the first that is still to be judged.
        for command in commands {
            if !pass.judged.contains(&command.id) {
                break;
            }
            judged = Some(command.id);
        }
        if let Some(judged) = judged {
            pass.judged.retain(|id| *id > judged);
        }
        let until = if shown.more { shown.newest } else { broker_now };
        // Written when it matters: a few minutes of deals read once more cost less than a record a minute.
        let moved = until - about.complete_until > OVERLAP_S / 6;
        let complete_until = if moved { until } else { about.complete_until };
        self.put_about(book, &mut rows, HistoryAccount { complete_until, judged, ..about }).await?;
        Ok(())
    }
}

impl Shown {
    fn add(&mut self, fact: &Fact, platform: Platform) {
        match fact {
            Fact::Deal(deal) => {
                self.deals.insert(deal.ticket);
                self.orders_done.insert(deal.order);
            }
            Fact::Order(order) => {
                self.orders.get_or_insert_default().insert(order.ticket);
            }
            Fact::Position(_) => {}
        }
        self.tags.extend(fact.tag_sequence(platform));
        self.newest = self.newest.max(fact.broker_msc().div_euclid(1_000));
    }
}

/// Holds one command, whose outcome is final since `settled` or before, against what is shown. That something is shown of a command that was never done is judged where it is written
/// down.
fn judge(command: &CommandRecord, shown: &Shown, settled: UnixMillis) -> Judgement {
    if !command.state.is_final() || command.updated_at > settled {
        return Judgement::Later;
    }
    let Some(result) = &command.result else { return Judgement::Agrees };
    let tagged = tag_sequence(command.tag).is_some_and(|sequence| shown.tags.contains(&sequence));
    let known = match (command.state, command.request.action) {
        (CommandState::Executed | CommandState::Partial, action::DEAL | action::CLOSE_BY) => {
            // A broker that names no ticket and keeps no tag leaves nothing to look for.
            (result.deal == 0 && result.order == 0)
                || shown.deals.contains(&result.deal)
                || shown.orders_done.contains(&result.order)
        }
        (CommandState::Placed, _) => {
            let listed = |orders: &HashSet<u64>| orders.contains(&result.order);
            result.order == 0 || shown.orders.as_ref().is_none_or(listed) || shown.orders_done.contains(&result.order)
        }
        // Changes of stops and of orders leave no ticket.
        _ => true,
    };
    if known || tagged { Judgement::Agrees } else { Judgement::Missing }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        account::Account,
        api_key::Permission,
        ids::{EaInstance, KeyId, OwnerId, TokenId},
        trade::{TradeRequest, TradeResult},
    };

    fn command(state: CommandState, action: u8, deal: u64, order: u64) -> CommandRecord {
        let at = UnixMillis(1_000);
        CommandRecord {
            id: CommandId::from_bytes([1; 16]),
            owner: OwnerId::SELF,
            key: KeyId::from_bytes([1; 16]),
            permission: Permission::TradeWrite,
            account: Account::new(1, "Demo").unwrap(),
            token: TokenId::from_bytes([1; 16]),
            trade_mode: 0,
            instance: EaInstance([1; 16]),
            request: TradeRequest { action, ..TradeRequest::default() },
            tag: crate::domain::command::tag(Platform::Mt5, 7).unwrap(),
            client_order_id: None,
            seen_price: None,
            max_slippage_points: None,
            ttl_ms: 1,
            state,
            created_at: at,
            updated_at: at,
            dispatched_broker_time: 1,
            deadline_at: at,
            result: Some(TradeResult { retcode: 10_009, deal, order, ..TradeResult::default() }),
            reason: None,
            adjudication: None,
            hook: None,
            earlier: Vec::new(),
            parent: None,
        }
    }

    fn shown() -> Shown {
        let mut shown = Shown { orders: Some(HashSet::new()), ..Shown::default() };
        shown.add(&Fact::Deal(Deal { ticket: 5, order: 4, ..Deal::default() }), Platform::Mt5);
        shown.add(&Fact::Order(Order { ticket: 9, ..Order::default() }), Platform::Mt5);
        shown
    }

    #[test]
    fn what_is_done_must_be_shown_by_its_deal_its_order_or_its_tag() {
        let of = |state, action, deal, order| judge(&command(state, action, deal, order), &shown(), UnixMillis(1_000));
        use CommandState::{EaRefused, Executed, Partial, Placed, Unknown};
        assert_eq!(of(Executed, action::DEAL, 5, 4), Judgement::Agrees);
        assert_eq!(of(Executed, action::DEAL, 0, 4), Judgement::Agrees, "some brokers answer without the deal's number");
        assert_eq!(of(Executed, action::DEAL, 6, 7), Judgement::Missing);
        assert_eq!(of(Partial, action::CLOSE_BY, 6, 7), Judgement::Missing);
        assert_eq!(of(Executed, action::DEAL, 0, 0), Judgement::Agrees, "there is nothing to look for");
        assert_eq!(of(Executed, action::SLTP, 6, 7), Judgement::Agrees, "changed stops leave no ticket");
        assert_eq!(of(Placed, action::PENDING, 0, 9), Judgement::Agrees);
        assert_eq!(of(Placed, action::PENDING, 0, 8), Judgement::Missing);
        assert_eq!(of(EaRefused, action::DEAL, 0, 0), Judgement::Agrees);
        assert_eq!(of(Unknown, action::DEAL, 6, 7), Judgement::Later);
        let mut tagged = shown();
        tagged.tags.insert(7);
        let missing = command(Executed, action::DEAL, 6, 7);
        assert_eq!(judge(&missing, &tagged, UnixMillis(1_000)), Judgement::Agrees, "its tag is there");
        let no_orders = Shown { orders: None, ..shown() };
        assert_eq!(judge(&command(Placed, action::PENDING, 0, 8), &no_orders, UnixMillis(1_000)), Judgement::Agrees);
    }

    #[test]
    fn what_is_fresh_is_not_judged() {
        let missing = command(CommandState::Executed, action::DEAL, 6, 7);
        assert_eq!(judge(&missing, &shown(), UnixMillis(999)), Judgement::Later);
    }
}
