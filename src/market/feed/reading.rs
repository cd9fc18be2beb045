//! What the hub asks of a terminal for those who follow it: one question of a kind at a time.

use std::time::Duration;

use serde::de::DeserializeOwned;

use super::state::{LiveBars, Topic, Trouble, Value};
use crate::{
    domain::market::{Bar, Tick},
    hub::{CallError, SessionHandle},
    protocol::{
        FromHub, codec,
        message::{
            BarsBody, GetAccount, GetBars, GetDepth, GetOrders, GetPositions, GetQuotes, Quote, Reply, bars_mode, reply_status,
        },
    },
};

/// Positions, or pending orders, that one terminal may have.
const OPEN_MAX: usize = 10_000;
/// Levels of one book.
const LEVELS_MAX: usize = 10_000;

/// What can be read: topics of one kind are asked for together, or one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Positions,
    Orders,
    Account,
    Depths,
    Quotes,
    Bars,
}

impl Kind {
    pub(super) const ALL: [Self; 6] = [Self::Positions, Self::Orders, Self::Account, Self::Depths, Self::Quotes, Self::Bars];

    pub(super) const fn of(topic: &Topic) -> Self {
        match topic {
            Topic::Quote(_) => Self::Quotes,
            Topic::Bars(..) => Self::Bars,
            Topic::Depth(_) => Self::Depths,
            Topic::Positions => Self::Positions,
            Topic::Orders => Self::Orders,
            Topic::Account => Self::Account,
        }
    }

    /// Whether news of the account change it.
    pub(super) const fn is_of_the_account(self) -> bool {
        matches!(self, Self::Positions | Self::Orders | Self::Account)
    }
}

/// What came of a read: for each topic its value or the trouble with it.
pub(super) type Found = Vec<(Topic, Result<Value, Trouble>)>;

/// Asks for the topics of one kind. What could not be sent at all, because too much waits for the terminal, is left out: it is tried
/// again.
pub(super) async fn read(session: &SessionHandle, topics: Vec<Topic>, within: Duration) -> Found {
    let symbols = topics.iter().filter_map(|topic| if let Topic::Quote(symbol) = topic { Some(symbol.clone()) } else { None });
    let symbols: Vec<String> = symbols.collect();
    let mut found = Vec::with_capacity(topics.len());
    if !symbols.is_empty() {
        quotes(session, symbols, within, &mut found).await;
    }
    for topic in topics.into_iter().filter(|topic| !matches!(topic, Topic::Quote(_))) {
        match one(session, &topic, within).await {
            Ok(answer) => found.push((topic, answer)),
            // The terminal is busy, slow or gone: so it will be for the next topic.
            Err(None) => break,
            Err(Some(trouble)) => {
                found.push((topic, Err(trouble)));
                break;
            }
        }
    }
    found
}

/// What a failed call means for a topic; nothing if it is only to be tried again.
fn failed(error: CallError) -> Option<Trouble> {
    (error == CallError::TimedOut).then(|| Trouble::Silent(error.to_string()))
}

async fn one(session: &SessionHandle, topic: &Topic, within: Duration) -> Result<Result<Value, Trouble>, Option<Trouble>> {
    let build = |call| -> FromHub {
        match topic.clone() {
            Topic::Depth(symbol) => GetDepth { call, symbol }.into(),
            Topic::Positions => GetPositions { call, symbol: String::new(), ticket: 0 }.into(),
            Topic::Orders => GetOrders { call, symbol: String::new(), ticket: 0 }.into(),
            Topic::Account => GetAccount { call }.into(),
            Topic::Quote(symbol) => GetQuotes { call, symbols: vec![symbol] }.into(),
            Topic::Bars(symbol, timeframe) => {
                let (timeframe, mode) = (timeframe.number(), bars_mode::POSITION);
                GetBars { call, symbol, timeframe, mode, from: 0, to: 0, count: 2 }.into()
            }
        }
    };
    let reply = session.call(within, build).await.map_err(failed)?;
    Ok(value(topic, &reply))
}

/// What a reply says of a topic.
fn value(topic: &Topic, reply: &Reply) -> Result<Value, Trouble> {
    status(reply.status, &reply.text)?;
    match topic {
        Topic::Depth(_) => rows(reply, LEVELS_MAX).map(Value::Depth),
        Topic::Positions => rows(reply, OPEN_MAX).map(Value::Positions),
        Topic::Orders => rows(reply, OPEN_MAX).map(Value::Orders),
        Topic::Account => codec::record(&reply.body).map(|info| Value::Account(Box::new(info))).map_err(nonsense),
        Topic::Quote(_) => Err(Trouble::UnknownSymbol),
        Topic::Bars(..) => {
            let body: BarsBody = codec::record(&reply.body).map_err(nonsense)?;
            live_bars(&body.rates)
        }
    }
}

/// The trouble that a status other than OK tells.
pub(super) fn status(status: u8, text: &str) -> Result<(), Trouble> {
    match status {
        reply_status::OK => Ok(()),
        reply_status::LOADING => Err(Trouble::Loading),
        reply_status::NOT_FOUND => Err(Trouble::UnknownSymbol),
        reply_status::UNSUPPORTED => Err(Trouble::Unsupported(text.to_owned())),
        _ => Err(Trouble::Silent(text.to_owned())),
    }
}

/// The two newest bars of a series, as a terminal gives them: packed, oldest first.
pub(super) fn live_bars(rates: &[u8]) -> Result<Value, Trouble> {
    let bars = Bar::unpack_all(rates).map_err(nonsense)?;
    match bars.as_slice() {
        [] => Err(Trouble::Loading),
        [.., closed, forming] => Ok(Value::Bars(LiveBars { closed: Some(*closed), forming: *forming })),
        [forming] => Ok(Value::Bars(LiveBars { closed: None, forming: *forming })),
    }
}

/// A tick that can be one.
pub(super) fn tick(tick: Tick) -> Result<Value, Trouble> {
    let mut packed = Vec::with_capacity(Tick::SIZE);
    tick.pack_into(&mut packed);
    // The same checks as for ticks that are downloaded.
    Tick::unpack_all(&packed).map(|_| Value::Quote(tick)).map_err(nonsense)
}

async fn quotes(session: &SessionHandle, symbols: Vec<String>, within: Duration, found: &mut Found) {
    let asked = symbols.clone();
    let answer = match session.call(within, |call| GetQuotes { call, symbols: asked }.into()).await {
        Ok(reply) => status(reply.status, &reply.text).and_then(|()| rows::<Quote>(&reply, symbols.len())),
        Err(error) => match failed(error) {
            Some(trouble) => Err(trouble),
            None => return,
        },
    };
    for symbol in symbols {
        let of_it = match &answer {
            // Symbols that do not exist are left out.
            Ok(quotes) => {
                let quote = quotes.iter().find(|quote| quote.symbol == symbol);
                quote.map_or(Err(Trouble::UnknownSymbol), |quote| tick(quote.tick.0))
            }
            Err(trouble) => Err(trouble.clone()),
        };
        found.push((Topic::Quote(symbol), of_it));
    }
}

fn rows<T: DeserializeOwned>(reply: &Reply, max: usize) -> Result<Vec<T>, Trouble> {
    codec::rows(&reply.body, max).map_err(nonsense)
}

fn nonsense(what: impl ToString) -> Trouble {
    Trouble::Silent(what.to_string())
}
