//! One reader: what it follows, and the next frame for it.
//!
//! Nothing is queued for a reader. It asks for the next frame when it has written the last one; until then events stand in the log, which
//! all share, and of a state only the newest is kept. So a slow reader costs nothing, delays nobody, and still gets every event.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::{
    FutureExt as _, StreamExt as _,
    future::{AbortHandle, Abortable, Aborted, BoxFuture},
    stream::FuturesUnordered,
};
use serde_json::{Value, json};
use tokio::{
    select,
    sync::watch,
    time::{Interval, MissedTickBehavior, interval},
};
use ulid::Ulid;

use super::{
    desk::Open,
    ending::Ending,
    presence::{Follower, Row},
    snapshots,
    states::Shared,
    topic::{Item, Topic, Want},
    words::{self, Encoding},
};
use crate::{
    access::plans::{Purse, Reached},
    api::{
        ApiState,
        auth::{Caller, Person, Shown},
        error::{ApiError, ApiResult},
        quota,
    },
    domain::{
        api_key::{ApiKey, Permission},
        event::Subject,
        ids::TokenId,
    },
    events::{Gap, Missed, view},
    market::feed::Subscription,
    store::StoreError,
    telemetry::metrics::Metrics,
};

/// Events taken from the log at once.
const PAGE: usize = 64;
/// What no change tells, such as the expiry of a key or a login, is seen within that time.
const LOOK: Duration = Duration::from_secs(1);

/// A state that is followed.
struct Live {
    shared: Arc<Shared>,
    stop: AbortHandle,
    /// The number of the last one that was given.
    sent: u64,
}

type Change = BoxFuture<'static, Result<(Want, Subscription), Aborted>>;

/// Terminals and tokens that are followed.
struct Terminals {
    rows: watch::Receiver<Arc<Vec<Arc<Row>>>>,
    sent: HashMap<(Topic, TokenId), u64>,
    followers: HashMap<Topic, Follower>,
}

/// The audit, as it is followed.
struct Audit {
    newest: watch::Receiver<Option<Ulid>>,
    sent: u64,
}

pub(in crate::api) struct Reader {
    state: ApiState,
    caller: Caller,
    encoding: Encoding,
    /// What is followed, each from which place of the log on.
    wants: BTreeMap<Want, u64>,
    live: HashMap<Want, Live>,
    changes: FuturesUnordered<Change>,
    terminals: Option<Terminals>,
    audit: Option<Audit>,
    /// Everything up to here was looked at.
    place: u64,
    head: watch::Receiver<u64>,
    rights: watch::Receiver<u64>,
    /// Ready to be written. More is put in only when it is empty, but for answers.
    out: VecDeque<Bytes>,
    /// Of these it is still to be told how they stand, one at a time, each when nothing else waits to be written.
    owed: VecDeque<Want>,
    /// A token, or what the caller may, has changed: what is followed is judged again.
    stale: bool,
    look: Interval,
    _open: Open,
}

impl Reader {
    pub(in crate::api) fn new(state: ApiState, caller: Caller, encoding: Encoding, open: Open) -> Self {
        let (head, rights, place) = (state.events.head(), state.access.rights_changed(), state.events.now());
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            state,
            caller,
            encoding,
            wants: BTreeMap::new(),
            live: HashMap::new(),
            changes: FuturesUnordered::new(),
            terminals: None,
            audit: None,
            place,
            head,
            rights,
            out: VecDeque::new(),
            owed: VecDeque::new(),
            // It may have been changed while the connection was made.
            stale: true,
            look,
            _open: open,
        }
    }

    fn metrics(&self) -> &Metrics {
        self.state.hub.metrics()
    }

    /// Whether nothing waits to be written.
    pub(in crate::api) fn is_idle(&self) -> bool {
        self.out.is_empty() && self.owed.is_empty()
    }

    /// A frame that is ready, without waiting for one.
    pub(super) fn ready(&mut self) -> Option<Bytes> {
        if self.rights.has_changed().unwrap_or(true) { None } else { self.out.pop_front() }
    }

    /// The next frame. May be dropped and called again: nothing is lost.
    ///
    /// # Errors
    /// Why the stream ends.
    pub(in crate::api) async fn next(&mut self) -> Result<Bytes, Ending> {
        loop {
            if self.stale || self.rights.has_changed().unwrap_or(true) {
                self.rights.mark_unchanged();
                self.stale = false;
                self.judge()?;
            }
            if let Some(frame) = self.out.pop_front() {
                return Ok(frame);
            }
            if let Some(want) = self.owed.front().cloned() {
                self.snapshot(&want).await?;
                self.owed.pop_front();
                continue;
            }
            if self.place < *self.head.borrow_and_update() {
                self.read_events().await?;
                continue;
            }
            select! {
                biased;
                _ = self.rights.changed() => self.stale = true,
                _ = self.head.changed() => {}
                Some(change) = self.changes.next(), if !self.changes.is_empty() => {
                    if let Ok((want, subscription)) = change {
                        self.take_state(want, subscription);
                    }
                }
                () = changed(self.terminals.as_mut()) => self.take_terminals(),
                _ = self.look.tick() => {
                    self.stale = true;
                    self.take_audit();
                }
            }
        }
    }

    /// Looks at the key as it is now: gone ends the stream, narrower ends what it may not follow any more.
    fn judge(&mut self) -> Result<(), Ending> {
        let Shown { key, person } = standing(&self.state, &self.caller.shown()).ok_or(Ending::KeyEnded)?;
        (self.caller.key, self.caller.person) = (key, person);
        let (ips, client) = (&self.caller.key.scope.ips, self.caller.client);
        if ips.is_some() && !client.is_some_and(|client| self.caller.key.scope.allows_address(client)) {
            return Err(Ending::KeyEnded);
        }
        let lost: Vec<_> =
            self.wants.keys().filter_map(|want| Some((want.clone(), want.permitted(&self.state, &self.caller).err()?))).collect();
        for (want, error) in lost {
            self.drop_want(&want);
            let mut told = want.json();
            told["type"] = json!("unsubscribed");
            told["code"] = json!(error.code());
            told["message"] = json!(error.detail());
            self.tell(&told);
        }
        Ok(())
    }

    fn tell(&mut self, message: &Value) {
        let frame = self.encoding.write(message, None, self.metrics());
        self.out.push_back(frame);
    }

    async fn read_events(&mut self) -> Result<(), Ending> {
        match self.state.events.after(self.place, PAGE).await {
            Ok(page) => {
                for told in &page.events {
                    self.stale |= matches!(told.subject, Subject::Tokens | Subject::Keys);
                    if snapshots::is_for(&self.caller, &self.wants, told) {
                        self.out.push_back(words::event(
                            told,
                            self.encoding,
                            self.caller.person.is_some(),
                            self.state.hub.metrics(),
                        ));
                    }
                }
                self.place = page.next;
                Ok(())
            }
            Err(Missed::Gap(gap)) => self.gap(gap, None).await,
            Err(Missed::Store(error)) => Err(unavailable(&error)),
        }
    }

    /// Tells that events are missing; how it stands now is told next. Nothing is waited for once something has changed here.
    async fn gap(&mut self, gap: Gap, asked: Option<String>) -> Result<(), Ending> {
        let place = self.state.events.now();
        let to = words::cursor(place, self.state.events.mark_of(place).await.unwrap_or_default());
        self.metrics().stream_gaps.inc();
        self.place = place;
        let from = asked.unwrap_or_else(|| words::cursor(gap.from, 0));
        let message = "events between these cursors cannot be told any more: take what follows as how it stands";
        self.tell(&json!({"type": "gap", "from": from, "to": to, "message": message}));
        self.wants.values_mut().for_each(|from| *from = place);
        self.owed = self.wants.keys().cloned().collect();
        Ok(())
    }

    async fn snapshot(&mut self, want: &Want) -> Result<(), Ending> {
        // Before the rows are read: what changes meanwhile is in them or comes after.
        let cursor = self.cursor().await;
        let rows = snapshots::rows(&self.state, &self.caller, want).await.map_err(|_| Ending::Unavailable)?;
        if let Some(rows) = rows {
            let mut told = want.json();
            told["type"] = json!("snapshot");
            told["cursor"] = json!(cursor);
            told["at"] = json!(view::rfc3339(self.state.clock.wall()));
            told["data"] = Value::Array(rows);
            self.tell(&told);
        }
        Ok(())
    }

    /// Where a reader that begins anew goes on, once it has all that was given so far.
    pub(in crate::api) async fn cursor(&mut self) -> String {
        // A place that this very reader stands at is in the history.
        words::cursor(self.place, self.state.events.mark_of(self.place).await.unwrap_or_default())
    }

    /// A sign of life with the newest cursor.
    pub(in crate::api) async fn beat(&mut self) {
        if !self.is_idle() {
            // What waits is a sign of life too, and the cursor would be ahead of it.
            return;
        }
        let cursor = self.cursor().await;
        let at = view::rfc3339(self.state.clock.wall());
        match self.encoding {
            Encoding::Sse => self.out.push_back(format!(": heartbeat {at}\nid: {cursor}\n\n").into()),
            _ => self.tell(&json!({"type": "heartbeat", "at": at, "cursor": cursor})),
        }
    }

    /// Puts an answer of our own among what is written.
    pub(super) fn answer(&mut self, message: &Value) {
        self.tell(message);
    }

    /// Counts what somebody asks for on an open stream as a request under the key's plan; tells and is false when its rate is used up.
    pub(super) fn may_ask(&mut self, id: &Value) -> bool {
        match self.state.usage.enter(&self.caller.key, Purse::Plan) {
            Err(refused) if refused.reached == Reached::Rate => {
                let error = quota::too_many(&refused);
                let mut told = json!({"type": "error", "id": id, "code": error.code(), "message": error.detail()});
                told["retry_after"] = json!(refused.retry_after_s);
                self.tell(&told);
                false
            }
            // The stream itself is what is open at once.
            _ => true,
        }
    }

    /// Begins to follow, all that may be; tells what, and what is refused and why.
    ///
    /// # Errors
    /// Why the stream ends.
    pub(in crate::api) async fn subscribe(&mut self, id: &Value, items: &[Item], cursor: Option<&str>) -> Result<(), Ending> {
        let asked = cursor.map(str::to_owned);
        let resume = match cursor {
            None => None,
            Some(text) => match resume(&self.state, text).await? {
                Ok(place) => Some(place),
                Err(refused) => {
                    self.answer(&json!({"type": "error", "id": id, "code": refused.code(), "message": refused.detail()}));
                    return Ok(());
                }
            },
        };
        let (mut subscribed, mut refused) = (Vec::new(), Vec::new());
        for item in items {
            match self.admit(item) {
                Ok(want) => subscribed.push(want),
                Err(error) => refused.push(refusal(item, &error)),
            }
        }
        let from = match resume {
            Some(Ok(place)) => {
                // Those that are followed already do not hear again what they have heard.
                self.wants.values_mut().for_each(|from| *from = (*from).max(self.place));
                self.place = self.place.min(place);
                place
            }
            _ => self.state.events.now(),
        };
        if self.wants.is_empty() {
            self.place = from;
        }
        subscribed.sort();
        subscribed.dedup();
        subscribed.retain(|want| !self.wants.contains_key(want) || resume.is_some());
        let told: Vec<_> = subscribed.iter().map(Want::json).collect();
        // Never ahead of what the others that are followed have still to be told.
        let cursor = self.cursor().await;
        self.answer(&json!({"type": "answer", "id": id, "subscribed": told, "refused": refused, "cursor": cursor}));
        for want in &subscribed {
            self.wants.insert(want.clone(), from);
            self.follow(want);
        }
        match resume {
            Some(Ok(_)) => Ok(()),
            Some(Err(gap)) => self.gap(gap, asked).await,
            None => {
                self.owed.extend(subscribed);
                Ok(())
            }
        }
    }

    /// Whether this could be followed now.
    ///
    /// # Errors
    /// As [`Want::resolve`].
    pub(in crate::api) fn may_follow(state: &ApiState, caller: &Caller, item: &Item) -> ApiResult<()> {
        Want::resolve(state, caller, item).map(drop)
    }

    /// Whether a text has the form of a cursor.
    pub(in crate::api) fn is_cursor(text: &str) -> bool {
        words::read_cursor(text).is_some()
    }

    fn admit(&self, item: &Item) -> ApiResult<Want> {
        let most = self.state.streams.settings().max_subscriptions;
        if self.wants.len() >= most {
            let detail = format!("a stream follows {most} things at most; open another one");
            return Err(ApiError::new(axum::http::StatusCode::TOO_MANY_REQUESTS, "too_many_subscriptions", detail));
        }
        Want::resolve(&self.state, &self.caller, item)
    }

    fn follow(&mut self, want: &Want) {
        if has_rows(want) {
            let (rows, follower) = self.state.streams.presence().follow(self.caller.tenant(), want.topic);
            let before = self.terminals.take().map(|terminals| (terminals.sent, terminals.followers));
            let (mut sent, mut followers) = before.unwrap_or_default();
            // What is followed anew is told anew, and nothing else.
            sent.retain(|(topic, _), _| *topic != want.topic);
            followers.insert(want.topic, follower);
            self.terminals = Some(Terminals { rows, sent, followers });
        }
        if want.topic == Topic::Audit && self.audit.is_none() {
            self.audit = Some(Audit { newest: self.state.events.audited(), sent: 0 });
            self.take_audit();
        }
        let Some((account, topic)) = want.live() else { return };
        let owner = self.caller.key.owner;
        let subscription = self.state.feed.subscribe(owner, account, topic);
        let (stop, stopped) = AbortHandle::new_pair();
        let shared = self.state.streams.states().of(owner, want);
        self.changes.push(Abortable::new(next_state(want.clone(), subscription), stopped).boxed());
        if let Some(before) = self.live.insert(want.clone(), Live { shared, stop, sent: 0 }) {
            before.stop.abort();
        }
    }

    fn take_state(&mut self, want: Want, subscription: Subscription) {
        let Some(live) = self.live.get_mut(&want) else { return };
        if let Some(state) = live.shared.newest(|| subscription.latest()).filter(|state| state.seq != live.sent) {
            live.sent = state.seq;
            let metrics = self.state.hub.metrics();
            let frame = match &self.caller.key.scope.symbols {
                None => state.frame(&want, self.encoding, metrics),
                Some(_) => {
                    let key = &self.caller.key;
                    self.encoding.write(&state.message(&want, &|symbol| key.allows_symbol(symbol)), None, metrics)
                }
            };
            self.out.push_back(frame);
        }
        let (stop, stopped) = AbortHandle::new_pair();
        live.stop = stop;
        self.changes.push(Abortable::new(next_state(want, subscription), stopped).boxed());
    }

    fn take_terminals(&mut self) {
        let Some(terminals) = &mut self.terminals else { return };
        let rows = terminals.rows.borrow_and_update().clone();
        let wanted = |row: &Row| {
            let account = row.token.lock.as_ref().map(|lock| &lock.account);
            let mut of = self.wants.keys().filter(|want| want.topic == row.topic);
            let sees = match row.topic {
                Topic::Tokens => row.token.owner == self.caller.tenant() && self.caller.key.may(Permission::Admin),
                _ => row.token.lock.is_some() && self.caller.sees(&row.token),
            };
            sees && of.any(|want| want.account.is_none() || want.account.as_ref() == account)
        };
        for row in rows.iter().filter(|row| wanted(row)) {
            if terminals.sent.insert((row.topic, row.token.id), row.seq) != Some(row.seq) {
                self.out.push_back(row.frame(self.encoding, self.state.hub.metrics()));
            }
        }
        terminals.sent.retain(|of, _| rows.iter().any(|row| (row.topic, row.token.id) == *of));
    }

    /// Tells that there are new audit records, the one that came last, and not what they say: a page asks for those that it shows. Looked for once a second, so that a
    /// storm of them is one message.
    fn take_audit(&mut self) {
        let Some(audit) = &mut self.audit else { return };
        if audit.sent > 0 && !audit.newest.has_changed().unwrap_or(false) {
            return;
        }
        audit.sent += 1;
        let newest = audit.newest.borrow_and_update().map(|id| id.to_string());
        let at = view::rfc3339(self.state.clock.wall());
        let seq = audit.sent;
        self.tell(&json!({
            "type": "state", "topic": Topic::Audit.name(), "seq": seq, "at": at, "trouble": null, "data": {"newest": newest},
        }));
    }

    fn drop_want(&mut self, want: &Want) -> bool {
        if let Some(live) = self.live.remove(want) {
            live.stop.abort();
        }
        self.owed.retain(|owed| owed != want);
        let was = self.wants.remove(want).is_some();
        if let Some(terminals) = &mut self.terminals {
            terminals.followers.retain(|topic, _| self.wants.keys().any(|want| want.topic == *topic));
        }
        if !self.wants.keys().any(has_rows) {
            self.terminals = None;
        }
        if want.topic == Topic::Audit {
            self.audit = None;
        }
        was
    }

    /// Ends what is followed of these.
    pub(super) fn unsubscribe(&mut self, id: &Value, items: &[Item]) {
        let (mut ended, mut refused) = (Vec::new(), Vec::new());
        for item in items {
            match Want::resolve(&self.state, &self.caller, item) {
                Ok(want) if self.drop_want(&want) => ended.push(want.json()),
                Ok(_) => {
                    let error = ApiError::new(axum::http::StatusCode::NOT_FOUND, "not_subscribed", "this is not followed");
                    refused.push(refusal(item, &error));
                }
                Err(error) => refused.push(refusal(item, &error)),
            }
        }
        self.answer(&json!({"type": "answer", "id": id, "unsubscribed": ended, "refused": refused}));
    }
}

async fn next_state(want: Want, mut subscription: Subscription) -> (Want, Subscription) {
    subscription.changed().await;
    (want, subscription)
}

/// Whether what is followed is looked at with the terminals.
fn has_rows(want: &Want) -> bool {
    matches!(want.topic, Topic::Terminals | Topic::Tokens)
}

async fn changed(terminals: Option<&mut Terminals>) {
    match terminals {
        // The sender lives as long as the hub.
        Some(terminals) => drop(terminals.rows.changed().await),
        None => std::future::pending().await,
    }
}

/// Who reads, with their rights of this moment; nobody once they have none.
pub(in crate::api) fn standing(state: &ApiState, shown: &Shown) -> Option<Shown> {
    if let Some(person) = &shown.person {
        let stands = state.access.login_stands(&person.login);
        let user = state.access.user(person.user.id).filter(|user| user.is_active() && stands)?;
        return Some(Shown { key: Arc::new(user.principal()), person: Some(Person { user, login: Arc::clone(&person.login) }) });
    }
    let good = |key: &ApiKey| key.is_valid(state.clock.wall()) && state.access.tenant_goes_on(key.owner).is_ok();
    Some(Shown { key: state.access.minted_key(shown.key.id).filter(|key| good(key))?, person: None })
}

/// The place of a cursor that a client brings; a gap if this history has no such place, and a refusal if it is none.
async fn resume(state: &ApiState, text: &str) -> Result<ApiResult<Result<u64, Gap>>, Ending> {
    let Some((place, mark)) = words::read_cursor(text) else {
        return Ok(Err(ApiError::field("cursor", "must be the cursor of an earlier message")));
    };
    let elsewhere = Gap { from: place, to: state.events.now() };
    match state.events.mark_of(place).await {
        Ok(known) if known == mark => Ok(Ok(Ok(place))),
        Ok(_) => Ok(Ok(Err(elsewhere))),
        Err(Missed::Gap(gap)) => Ok(Ok(Err(gap))),
        Err(Missed::Store(error)) => Err(unavailable(&error)),
    }
}

fn unavailable(error: &StoreError) -> Ending {
    match error {
        StoreError::Closed => Ending::Shutdown,
        error => {
            tracing::warn!(%error, "a stream ends: its events cannot be read");
            Ending::Unavailable
        }
    }
}

fn refusal(item: &Item, error: &ApiError) -> Value {
    let mut told = error.fields_of_case();
    told.insert("item".to_owned(), json!(item));
    told.insert("code".to_owned(), json!(error.code()));
    told.insert("message".to_owned(), json!(error.detail()));
    Value::Object(told)
}
