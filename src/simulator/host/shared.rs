//! What the host's tasks and its handle share.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::line::Fields;
use crate::{
    domain::{
        ids::CommandId,
        trade::{TradeRequest, action},
    },
    simulator::{
        Refused,
        faults::{Faults, Step, Strike},
        terminal::Switches,
    },
};

/// The newest trades that passed on their way to the program.
const TRADES_MAX: usize = 1_000;

/// A trade on its way to the program.
#[derive(Debug)]
struct Noted {
    command: CommandId,
    request: TradeRequest,
    /// The program has said so.
    accepted: bool,
}
/// What the program told, the newest.
const TOLD_MAX: usize = 10_000;

/// What is to be done with the program's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// `kill -9`, and start again over the same files.
    Crash {
        /// Its files are lost too.
        lose: bool,
    },
}

/// What a fault has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Struck {
    /// The connection to the hub is cut; the program goes on.
    #[error("cut by a fault")]
    Cut,
    /// The program is about to be killed.
    #[error("killed by a fault")]
    Crash,
}

impl From<Struck> for std::io::Error {
    fn from(struck: Struck) -> Self {
        Self::other(struck)
    }
}

#[derive(Debug)]
pub(super) struct Shared {
    faults: Mutex<Faults>,
    switches: Mutex<Switches>,
    /// Between Welcome and the end of the connection.
    pub(super) connected: watch::Sender<bool>,
    /// How it ended.
    pub(super) outcome: watch::Sender<Option<Result<(), Refused>>>,
    wishes: Mutex<VecDeque<Wish>>,
    pub(super) wished: Notify,
    /// Cuts the connection that there is.
    link: Mutex<CancellationToken>,
    /// Events for the program.
    events: Mutex<Option<mpsc::Sender<Fields>>>,
    trades: Mutex<VecDeque<Noted>>,
    told: Mutex<VecDeque<Fields>>,
    pub(super) heard: Notify,
    trap: Mutex<Option<Trap>>,
    /// How often the program was killed by a trap.
    pub(super) killed: watch::Sender<u32>,
    login: Mutex<Option<u64>>,
}

/// Where the program's runtime is to be killed.
#[derive(Debug)]
struct Trap {
    /// As `tools/mqlrt/README.md` calls it.
    point: String,
    /// At which passing from now on, from 1.
    at: u32,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new(faults: Faults) -> Self {
        Self {
            faults: Mutex::new(faults),
            switches: Mutex::new(Switches::default()),
            connected: watch::Sender::new(false),
            outcome: watch::Sender::new(None),
            wishes: Mutex::default(),
            wished: Notify::new(),
            link: Mutex::new(CancellationToken::new()),
            events: Mutex::default(),
            trades: Mutex::default(),
            told: Mutex::default(),
            heard: Notify::new(),
            trap: Mutex::default(),
            killed: watch::Sender::new(0),
            login: Mutex::default(),
        }
    }

    /// Kills the program when it passes this point for the `at`-th time from now on.
    pub(super) fn set_trap(&self, point: &str, at: u32) {
        *lock(&self.trap) = Some(Trap { point: point.to_owned(), at });
        self.push(&["points", "FileFlush", point]);
    }

    /// The program passes this point. True: it is about to be killed, and must not get any further.
    pub(super) fn springs(&self, point: &str) -> bool {
        let mut trap = lock(&self.trap);
        let Some(armed) = trap.as_mut().filter(|trap| trap.point == point) else { return false };
        armed.at = armed.at.saturating_sub(1);
        if armed.at > 0 {
            return false;
        }
        *trap = None;
        drop(trap);
        self.wish(Wish::Crash { lose: false });
        self.killed.send_modify(|killed| *killed += 1);
        true
    }

    /// Who is logged in at the terminal instead of the account's owner.
    pub(super) fn set_login(&self, login: Option<u64>) {
        *lock(&self.login) = login;
    }

    pub(super) fn login(&self) -> Option<u64> {
        *lock(&self.login)
    }

    pub(super) fn faults(&self) -> MutexGuard<'_, Faults> {
        lock(&self.faults)
    }

    pub(super) fn switches(&self) -> MutexGuard<'_, Switches> {
        lock(&self.switches)
    }

    /// The connection to the hub is cut without a word.
    pub(super) fn cut(&self) {
        lock(&self.link).cancel();
    }

    /// A new connection: whoever cuts, cuts this one.
    pub(super) fn new_link(&self) -> CancellationToken {
        let fresh = CancellationToken::new();
        *lock(&self.link) = fresh.clone();
        fresh
    }

    /// To be done by whoever looks after the process.
    pub(super) fn wish(&self, wish: Wish) {
        lock(&self.wishes).push_back(wish);
        self.wished.notify_one();
    }

    pub(super) fn take_wish(&self) -> Option<Wish> {
        lock(&self.wishes).pop_front()
    }

    /// A fault at this step, if one waits for it.
    ///
    /// # Errors
    /// [`Struck`], after the cut is made or the crash is wished for: what happens at this step must not go on where it is.
    pub(super) fn strike(&self, step: Step) -> Result<(), Struck> {
        let struck = self.faults().at(step);
        match struck {
            None => Ok(()),
            Some(Strike::Drop) => {
                self.cut();
                Err(Struck::Cut)
            }
            Some(Strike::Crash { lose }) => {
                self.wish(Wish::Crash { lose });
                Err(Struck::Crash)
            }
        }
    }

    /// Where events of the program go from now on.
    pub(super) fn listen(&self, events: mpsc::Sender<Fields>) {
        *lock(&self.events) = Some(events);
    }

    /// Pushes an event. One for which there is no room, or nobody, is lost.
    pub(super) fn push(&self, event: &[&str]) {
        if let Some(events) = lock(&self.events).as_ref() {
            let fields = event.iter().map(|&field| field.to_owned()).collect();
            let _ = events.try_send(fields);
        }
    }

    /// A trade passed on its way to the program.
    pub(super) fn note_trade(&self, command: CommandId, request: TradeRequest) {
        let mut trades = lock(&self.trades);
        trades.retain(|one| one.command != command);
        trades.push_back(Noted { command, request, accepted: false });
        if trades.len() > TRADES_MAX {
            trades.pop_front();
        }
    }

    /// The program has taken this trade.
    pub(super) fn accept_trade(&self, command: CommandId) {
        for one in lock(&self.trades).iter_mut().filter(|one| one.command == command) {
            one.accepted = true;
        }
    }

    /// The program has dealt with this trade, or never will; none: it has forgotten all of them.
    pub(super) fn forget_trade(&self, command: Option<CommandId>) {
        lock(&self.trades).retain(|one| command.is_some_and(|command| one.command != command));
    }

    /// A new connection: what was written into the old one and not taken was lost with it.
    pub(super) fn forget_lost_trades(&self) {
        lock(&self.trades).retain(|one| one.accepted);
    }

    /// MetaTrader 4 has no magic and no comment on anything but an opening. The ledger gets those that the hub gave, so that it can be
    /// compared with the commands. The program trades in the order in which trades came, but for those that it has refused.
    pub(super) fn complete(&self, request: &mut TradeRequest) {
        if request.action == action::PENDING || (request.action == action::DEAL && request.position == 0) {
            return;
        }
        let is = |Noted { request: one, .. }: &Noted| {
            one.action == request.action
                && one.position == request.position
                && one.order == request.order
                && one.position_by == request.position_by
        };
        let mut trades = lock(&self.trades);
        let found = trades.iter().position(is).and_then(|at| trades.remove(at));
        if let Some(Noted { request: one, .. }) = found {
            request.magic = one.magic;
            request.comment = one.comment;
        }
    }

    /// The program printed something, or the like.
    pub(super) fn tell(&self, what: Fields) {
        tracing::debug!(?what, "the program tells");
        // That it refused a trade is told here before it sends the next one; its Outcome goes another way, and may come after that.
        if let Some(command) = refused(&what) {
            self.forget_trade(Some(command));
        }
        let mut told = lock(&self.told);
        told.push_back(what);
        if told.len() > TOLD_MAX {
            told.pop_front();
        }
        drop(told);
        self.heard.notify_waiters();
    }

    /// All that the program told, oldest first.
    pub(super) fn told(&self) -> Vec<Fields> {
        lock(&self.told).iter().cloned().collect()
    }
}

/// The command that the program says it refused, if it says so.
fn refused(told: &[String]) -> Option<CommandId> {
    let [kind, words, ..] = told else { return None };
    let words = words.strip_prefix("MtBridge: refused ").filter(|_| kind == "print")?;
    words.split_once(':')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_that_the_program_refused_lends_its_tag_to_no_other_close_of_the_position() {
        let shared = Shared::new(Faults::default());
        let close = |magic| TradeRequest { action: action::DEAL, position: 70, magic, ..TradeRequest::default() };
        let (first, second) = (CommandId::from_bytes([1; 16]), CommandId::from_bytes([2; 16]));
        shared.note_trade(first, close(1));
        shared.note_trade(second, close(2));
        shared.tell(vec!["print".into(), format!("MtBridge: refused {first}: late by 173 ms")]);
        let mut sent = close(0);
        shared.complete(&mut sent);
        assert_eq!(sent.magic, 2);
    }
}
