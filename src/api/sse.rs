//! `GET /api/v1/events`: the same as server-sent events, for whom one direction is enough.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Extension,
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, header},
    response::Response,
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use tokio::{
    select,
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval_at, timeout},
};

use super::{
    ApiState,
    auth::{Caller, Connection},
    error::{ApiError, ApiResult},
    extract::Params,
    stream::{Encoding, Ending, Item, Reader},
};
use crate::telemetry::metrics::count;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsQuery {
    topics: String,
    terminal: Option<String>,
    #[serde(default)]
    symbols: String,
    timeframe: Option<String>,
    cursor: Option<String>,
    /// Read from the address itself.
    #[serde(default, rename = "ticket")]
    _ticket: Option<String>,
}

impl EventsQuery {
    /// One for each topic, and of those that are of a symbol one for each symbol.
    fn items(&self) -> Vec<Item> {
        let list =
            |text: &str| text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        let symbols = list(&self.symbols);
        let mut items = Vec::new();
        for topic in list(&self.topics) {
            let timeframe = self.timeframe.clone().filter(|_| topic == "bars");
            let item = Item { topic, terminal: self.terminal.clone(), symbol: None, timeframe };
            if matches!(item.topic.as_str(), "quotes" | "bars" | "depth") && !symbols.is_empty() {
                items.extend(symbols.iter().map(|symbol| Item { symbol: Some(symbol.clone()), ..item.clone() }));
            } else {
                items.push(item);
            }
        }
        items
    }
}

/// `GET /api/v1/events?topics=&terminal=&symbols=&timeframe=&cursor=`
pub(super) async fn events(
    State(state): State<ApiState>,
    caller: Caller,
    connection: Option<Extension<Arc<Connection>>>,
    Params(query): Params<EventsQuery>,
    request: Request,
) -> ApiResult<Response> {
    let (headers, origin) = (request.headers(), request.headers().get(header::ORIGIN).cloned());
    let items = query.items();
    if items.is_empty() {
        return Err(ApiError::field("topics", "must name what to follow, separated by commas"));
    }
    // Here a refusal has a status of its own: whoever cannot ask again later should not wait for what never comes.
    for item in &items {
        Reader::may_follow(&state, &caller, item)?;
    }
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()).filter(|id| !id.is_empty());
    let cursor = last.map(str::to_owned).or(query.cursor);
    if cursor.as_ref().is_some_and(|text| !Reader::is_cursor(text)) {
        return Err(ApiError::field("cursor", "must be the id of an earlier event"));
    }
    let open = state.streams.open(&caller)?;
    let mut reader = Reader::new(state.clone(), caller, Encoding::Sse, open);
    // A frame more than is being written: the reader goes on only when that one is taken.
    let (frames, mut written) = mpsc::channel::<Bytes>(1);
    let serving = state.clone();
    state.streams.tasks().spawn(async move {
        let _place = connection;
        let metrics = serving.hub.metrics();
        let readers = metrics.stream_readers.get_or_create_owned(&[("transport", "sse")]);
        readers.inc();
        let ending = match reader.subscribe(&Value::Null, &items, cursor.as_deref()).await {
            Ok(()) => serve(&serving, &mut reader, frames).await,
            Err(ending) => ending,
        };
        readers.dec();
        count(&metrics.stream_ends, "reason", ending.name());
    });
    let body = futures_util::stream::poll_fn(move |cx| written.poll_recv(cx).map(|frame| frame.map(Ok::<_, Infallible>)));
    let mut response = Response::new(Body::from_stream(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    // Proxies of the usual kind would otherwise gather what is meant to be heard at once.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::VARY, HeaderValue::from_static("origin"));
    }
    Ok(response)
}

async fn serve(state: &ApiState, reader: &mut Reader, frames: mpsc::Sender<Bytes>) -> Ending {
    let settings = state.streams.settings();
    let mut beat = interval_at(Instant::now() + settings.heartbeat, settings.heartbeat);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let frame = select! {
            biased;
            () = state.stopping.cancelled() => return goodbye(&frames, Ending::Shutdown),
            () = frames.closed() => return Ending::Gone,
            _ = beat.tick() => {
                reader.beat().await;
                continue;
            }
            frame = reader.next() => match frame {
                Ok(frame) => frame,
                Err(ending) => return goodbye(&frames, ending),
            },
        };
        select! {
            biased;
            () = state.stopping.cancelled() => return goodbye(&frames, Ending::Shutdown),
            sent = timeout(settings.write_timeout, frames.send(frame)) => match sent {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Ending::Gone,
                Err(_) => return goodbye(&frames, Ending::TooSlow),
            },
        }
    }
}

/// Says why it ends, where there is room to.
fn goodbye(frames: &mpsc::Sender<Bytes>, ending: Ending) -> Ending {
    let told = format!("event: end\ndata: {{\"type\":\"end\",\"code\":{},\"reason\":\"{}\"}}\n\n", ending.code(), ending.name());
    let _ = frames.try_send(told.into());
    ending
}
