//! What is wanted of one account, by how many, and where the newest of it is kept.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, watch};

use super::state::{State, Topic, Trouble};

/// So many quotes, and so many series of bars, are followed at one terminal: a message with all of them stays below 64 KiB.
const PUSHED_MAX: usize = 256;
/// The same of books, each of which is a read of its own.
const DEPTHS_MAX: usize = 32;

/// The newest state, where there is one.
type Newest = Option<Arc<State>>;

/// What is wanted of one account.
#[derive(Debug, Default)]
pub(super) struct Demand {
    topics: Mutex<BTreeMap<Topic, Entry>>,
    changed: Notify,
}

#[derive(Debug)]
struct Entry {
    readers: usize,
    /// Within what a terminal can bear.
    admitted: bool,
    newest: watch::Sender<Newest>,
}

/// Which limit a topic counts against.
fn kind(topic: &Topic) -> (u8, usize) {
    match topic {
        Topic::Quote(_) => (0, PUSHED_MAX),
        Topic::Bars(..) => (1, PUSHED_MAX),
        Topic::Depth(_) => (2, DEPTHS_MAX),
        Topic::Positions | Topic::Orders | Topic::Account => (3, usize::MAX),
    }
}

impl Demand {
    /// One more reader of a topic.
    pub(super) fn join(self: &Arc<Self>, topic: Topic) -> Subscription {
        let mut topics = self.topics();
        let mut newest = if let Some(entry) = topics.get_mut(&topic) {
            entry.readers += 1;
            entry.newest.subscribe()
        } else {
            let (kind_of_it, most) = kind(&topic);
            let others = topics.iter().filter(|(other, entry)| entry.admitted && kind(other).0 == kind_of_it).count();
            let admitted = others < most && topic.is_askable();
            let (newest, receiver) = watch::channel(None);
            topics.insert(topic.clone(), Entry { readers: 1, admitted, newest });
            self.changed.notify_one();
            receiver
        };
        drop(topics);
        // What is there already is new to this reader.
        newest.mark_changed();
        Subscription { topic, demand: Arc::clone(self), newest }
    }

    /// One reader less.
    fn leave(&self, topic: &Topic) {
        let mut topics = self.topics();
        let Some(entry) = topics.get_mut(topic) else { return };
        entry.readers -= 1;
        if entry.readers > 0 {
            return;
        }
        let freed = topics.remove(topic).is_some_and(|entry| entry.admitted);
        if freed
            && let Some((_, next)) =
                topics.iter_mut().find(|(other, entry)| !entry.admitted && other.is_askable() && kind(other).0 == kind(topic).0)
        {
            next.admitted = true;
        }
        self.changed.notify_one();
    }

    /// Waits until another topic is wanted, or one not any more.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.topics().is_empty()
    }

    /// What is wanted and admitted, in order; and what is wanted beyond that.
    pub(super) fn wanted(&self) -> (Vec<Topic>, Vec<Topic>) {
        let topics = self.topics();
        let (within, beyond): (Vec<_>, Vec<_>) = topics.iter().partition(|(_, entry)| entry.admitted);
        let names = |of: Vec<(&Topic, &Entry)>| of.into_iter().map(|(topic, _)| topic.clone()).collect();
        (names(within), names(beyond))
    }

    /// Whether nothing is known of a topic yet.
    pub(super) fn is_unheard(&self, topic: &Topic) -> bool {
        self.topics().get(topic).is_some_and(|entry| entry.newest.borrow().is_none())
    }

    /// Keeps a state, if somebody still wants it; readers are woken if it says something new.
    pub(super) fn keep(&self, topic: &Topic, state: State) {
        self.change(topic, |_| state);
    }

    /// Says that there is trouble with a topic; the value that there is stays.
    pub(super) fn trouble(&self, topic: &Topic, trouble: Trouble, without_value: impl FnOnce() -> State) {
        self.change(topic, |before| {
            let state = before.map_or_else(without_value, State::clone);
            State { trouble: Some(trouble), ..state }
        });
    }

    fn change(&self, topic: &Topic, make: impl FnOnce(Option<&State>) -> State) {
        if let Some(entry) = self.topics().get(topic) {
            entry.newest.send_if_modified(|held| {
                let state = make(held.as_deref());
                let is_news = held.as_ref().is_none_or(|before| !before.says_the_same(&state));
                *held = Some(Arc::new(state));
                is_news
            });
        }
    }

    fn topics(&self) -> MutexGuard<'_, BTreeMap<Topic, Entry>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody follows a topic of an account. Dropping it ends that.
#[derive(Debug)]
pub struct Subscription {
    topic: Topic,
    demand: Arc<Demand>,
    newest: watch::Receiver<Newest>,
}

impl Subscription {
    /// The newest state; none until the terminal has said something, or is known to be away.
    #[must_use]
    pub fn latest(&self) -> Option<Arc<State>> {
        self.newest.borrow().clone()
    }

    /// Waits for a state that this subscription has not given yet. Of several in between only the newest is kept.
    pub async fn changed(&mut self) -> Arc<State> {
        loop {
            // The sender lives in the demand, in which this reader has a place.
            if self.newest.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            if let Some(state) = self.newest.borrow_and_update().clone() {
                return state;
            }
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.demand.leave(&self.topic);
    }
}
