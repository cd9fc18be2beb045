//! Bars from a terminal that the test speaks for: chunks, turns, faults, and what the cache makes of them.

use mtbridge::{
    domain::market::{Bar, Timeframe},
    protocol::{
        FromHub,
        codec::write_record,
        message::{BarsBody, GetBars, Hello, Reply, bars_mode, reply_status},
    },
};
use serde_json::{Value, json};

use crate::harness::{Answer, Api, FakeTerminal, Heard, TestHub, buy, fake, orders};

/// 2023-11-13 00:00 broker time, a Monday; it stays winter for all that is told here.
const MONDAY: i64 = 1_699_833_600;
/// In one question.
const CHUNK: usize = 4_096;

/// Minutes without a pause.
pub fn minutes(count: i64) -> Vec<Bar> {
    let bar = |n: i64| {
        let open = 1.0 + (n % 1_000) as f64 / 1e5;
        Bar {
            time: MONDAY + n * 60,
            open,
            high: open + 1e-5,
            low: open,
            close: open,
            tick_volume: 1 + n,
            spread: 1,
            real_volume: 0,
        }
    };
    (0..count).map(bar).collect()
}

/// A terminal that has these bars, the last of which is forming.
pub struct BarTerminal {
    fake: FakeTerminal,
    pub bars: Vec<Bar>,
}

impl BarTerminal {
    pub async fn new(hub: &TestHub, bars: Vec<Bar>) -> Self {
        let mut terminal = Self { fake: hub.fake(1001).await, bars };
        terminal.says_the_time().await;
        terminal
    }

    async fn says_the_time(&mut self) {
        let broker_time = self.bars.last().unwrap().time + 5;
        self.fake.send(mtbridge::protocol::message::Status { broker_time, ..fake::all_on() }).await;
    }

    /// Whatever it said has been heard: an answer after it was.
    async fn is_heard(&mut self, api: &Api) {
        let (answer, ()) = tokio::join!(api.get("/api/v1/terminals/1001/account"), async {
            let Heard::Message(FromHub::GetAccount(get)) = self.fake.next().await else { panic!("a second question") };
            self.fake.send(Reply { call: get.call, status: reply_status::ERROR, parts: 1, ..Reply::default() }).await;
        });
        answer.refused(502, "terminal_error");
    }

    async fn asked(&mut self) -> GetBars {
        match self.fake.next().await {
            Heard::Message(FromHub::GetBars(get)) => get,
            other => panic!("no question about bars but {other:?}"),
        }
    }

    fn reply(&self, get: &GetBars) -> Reply {
        let count = get.count as usize;
        let newest = |bars: Vec<Bar>| bars[bars.len().saturating_sub(count)..].to_vec();
        let timeframe = Timeframe::try_from(get.timeframe).unwrap();
        assert_eq!(timeframe, Timeframe::M1);
        let before = |to: i64| self.bars.iter().filter(|bar| bar.time <= to).copied().collect::<Vec<_>>();
        let bars = match get.mode {
            bars_mode::RANGE => before(get.to).into_iter().filter(|bar| bar.time >= get.from).take(count).collect(),
            bars_mode::ENDING_AT => newest(before(get.to)),
            _ => newest(self.bars[..self.bars.len() - get.from as usize].to_vec()),
        };
        let mut rates = Vec::new();
        bars.iter().for_each(|bar| bar.pack_into(&mut rates));
        let body = BarsBody { forming_open: self.bars.last().unwrap().time, oldest: self.bars[0].time, rates };
        Reply { call: get.call, parts: 1, body: write_record(&body), ..Reply::default() }
    }

    async fn answer(&mut self, get: &GetBars) {
        let reply = self.reply(get);
        self.fake.send(reply).await;
    }

    /// Answers so many questions, and gives them back.
    pub async fn answers(&mut self, count: usize) -> Vec<GetBars> {
        let mut asked = Vec::new();
        for _ in 0..count {
            let get = self.asked().await;
            self.answer(&get).await;
            asked.push(get);
        }
        asked
    }
}

/// UTC of a minute.
pub fn minute(n: i64) -> i64 {
    MONDAY + n * 60 - 7_200
}

pub fn bars(query: &str) -> String {
    format!("/api/v1/terminals/1001/bars/EURUSD?{query}")
}

fn broker_times(body: &Value) -> Vec<i64> {
    body["data"].as_array().unwrap().iter().map(|row| row["broker_time"].as_i64().unwrap()).collect()
}

/// The same opening times, without a page of figures when they are not.
#[track_caller]
fn assert_times(got: &[i64], expected: &[Bar]) {
    let expected = times(expected);
    let at = got.iter().zip(&expected).position(|(got, expected)| got != expected);
    assert!(*got == expected, "{} instead of {}, the first difference at {at:?}", got.len(), expected.len());
}

fn times(bars: &[Bar]) -> Vec<i64> {
    bars.iter().map(|bar| bar.time).collect()
}

#[tokio::test]
async fn a_long_download_is_many_short_questions_and_trades_go_in_between() {
    let hub = TestHub::start().await;
    let mut terminal = BarTerminal::new(&hub, minutes(10_001)).await;
    let (api, other) = (hub.admin(), hub.admin().once());
    let path = bars(&format!("from={}&limit=100000", minute(0)));
    let (answer, trade) = tokio::join!(api.get(&path), async {
        let first = terminal.asked().await;
        assert!(first.count as usize <= CHUNK, "{first:?}");
        // The terminal is busy with a chunk, and the trade does not wait for the download.
        let path = orders(1001);
        let trading = other.post(&path, buy());
        let (trade, ()) = tokio::join!(trading, async {
            let trade = terminal.fake.trade().await;
            terminal.fake.send(fake::executed(&trade, 7)).await;
            terminal.answer(&first).await;
            loop {
                match terminal.fake.next().await {
                    Heard::Message(FromHub::Acknowledge(_)) => {}
                    Heard::Message(FromHub::GetBars(get)) => {
                        terminal.answer(&get).await;
                        if get.from > terminal.bars[8_000].time {
                            break;
                        }
                    }
                    other => panic!("{other:?}"),
                }
            }
        });
        trade
    });
    assert_eq!(trade.expect(200)["state"], "executed");
    assert_times(&broker_times(&answer.expect(200)), &terminal.bars);
}

#[tokio::test]
async fn several_downloads_take_turns_and_one_question_is_at_the_terminal_at_a_time() {
    let hub = TestHub::start().await;
    let mut terminal = BarTerminal::new(&hub, minutes(12_001)).await;
    let api = hub.admin();
    let path = |symbol: &str| format!("/api/v1/terminals/1001/bars/{symbol}?from={}&limit=100000", minute(0));
    let (one, two) = (path("ONE"), path("TWO"));
    let (one, two, ()) = tokio::join!(api.get(&one), api.get(&two), async {
        let mut order = Vec::new();
        let mut held = terminal.asked().await;
        for _ in 0..6 {
            // While it is held nothing else is asked, but another kind of call comes through.
            terminal.is_heard(&api).await;
            terminal.answer(&held).await;
            order.push(held.symbol.clone());
            if order.len() < 6 {
                held = terminal.asked().await;
            }
        }
        // Whichever was first: they alternate, once both are there.
        assert!(order[1..5].windows(2).all(|pair| pair[0] != pair[1]), "{order:?}");
    });
    for answer in [one, two] {
        assert_eq!(broker_times(&answer.expect(200)).len(), 12_001);
    }
}

#[tokio::test]
async fn a_download_that_nobody_waits_for_stops() {
    let hub = TestHub::start().await;
    let mut terminal = BarTerminal::new(&hub, minutes(100_001)).await;
    let api = hub.admin();
    let path = bars(&format!("from={}&limit=100000", minute(0)));
    let first = {
        let call = api.get(&path);
        tokio::pin!(call);
        tokio::select! {
            _ = &mut call => panic!("not yet"),
            get = terminal.asked() => get,
        }
    };
    // The caller is gone; the hub sees that while it answers somebody else.
    let mut held = Some(first);
    let mut chunks = 1;
    for _ in 0..10 {
        let (_, ()) = tokio::join!(api.get("/api/v1/terminals/1001/account"), async {
            loop {
                match terminal.fake.next().await {
                    Heard::Message(FromHub::GetAccount(get)) => {
                        terminal
                            .fake
                            .send(Reply { call: get.call, status: reply_status::ERROR, parts: 1, ..Reply::default() })
                            .await;
                        break;
                    }
                    Heard::Message(FromHub::GetBars(get)) => {
                        chunks += 1;
                        held = Some(get);
                    }
                    other => panic!("{other:?}"),
                }
            }
        });
        if let Some(get) = held.take() {
            terminal.answer(&get).await;
        }
    }
    assert!(chunks < 5, "{chunks} of 25 chunks although nobody waited");
}

#[tokio::test]
async fn a_terminal_that_drops_in_the_middle_leaves_a_page_that_says_so_and_the_rest_is_resumed() {
    let hub = TestHub::start().await;
    let mut terminal = BarTerminal::new(&hub, minutes(20_001)).await;
    let api = hub.admin();
    let path = bars(&format!("from={}&limit=100000", minute(0)));
    let token = terminal.fake.token.clone();
    let source = terminal.bars.clone();
    let (first, ()) = tokio::join!(api.get(&path), async {
        terminal.answers(2).await;
        terminal.asked().await;
        drop(terminal);
    });
    assert_eq!((first.header("x-complete"), first.header("retry-after")), ("false", "2"));
    let first = first.expect(200);
    assert_eq!((&first["interrupted"], &first["complete"]), (&json!("terminal_offline"), &json!(false)));
    assert_eq!(first["gaps"].as_array().unwrap().last().unwrap()["kind"], "not_fetched");
    let mut got = broker_times(&first);
    assert_times(&got, &source[..2 * CHUNK]);
    hub.shows(&token, "offline").await;
    // The cache has what came; of what comes next there is nothing.
    let cached = api.get(&path).await;
    assert_eq!(cached.header("x-data-source"), "cache");
    assert_eq!(broker_times(&cached.expect(200)), got);
    let cursor = first["next_cursor"].as_str().unwrap();
    api.get(&format!("{path}&cursor={cursor}")).await.refused(409, "terminal_offline");

    let mut terminal = BarTerminal { fake: FakeTerminal::enter(hub.addr(), &token, 1001).await, bars: source };
    terminal.says_the_time().await;
    let resumed = format!("{path}&cursor={cursor}");
    let (rest, asked) = tokio::join!(api.get(&resumed), terminal.answers(3));
    assert_eq!(asked[0].from, terminal.bars[2 * CHUNK - 1].time + 1, "nothing twice");
    got.extend(broker_times(&rest.expect(200)));
    assert_times(&got, &terminal.bars);
    // From the beginning once more: only the end has to be asked for, from the last bar known on.
    let (again, asked) = tokio::join!(api.get(&path), terminal.answers(1));
    assert_eq!((asked[0].from, asked[0].mode), (terminal.bars[19_999].time, bars_mode::RANGE));
    assert_times(&broker_times(&again.expect(200)), &terminal.bars);
    // A span from before the oldest bar: the terminal is asked whether there is older history now, and says no more than that.
    let older = bars(&format!("from={}&to={}&limit=100", minute(-100), minute(50)));
    let (older, ()) = tokio::join!(api.get(&older), async {
        let get = terminal.asked().await;
        let no_more = Reply { call: get.call, status: reply_status::NO_MORE, parts: 1, ..Reply::default() };
        terminal.fake.send(no_more).await;
    });
    let older = older.expect(200);
    assert_times(&broker_times(&older), &terminal.bars[..50]);
    assert!(older["data"].as_array().unwrap().iter().all(|row| row["complete"] == true), "{older}");
    assert_eq!(older["no_more_history"], true);
}

#[tokio::test]
async fn history_that_is_still_loading_is_an_answer_and_is_not_cached() {
    let hub = TestHub::start().await;
    let mut terminal = BarTerminal::new(&hub, minutes(200)).await;
    let api = hub.admin();
    let path = bars(&format!("from={}&to={}&limit=1000", minute(0), minute(100)));
    let (answer, ()) = tokio::join!(api.get(&path), async {
        let get = terminal.asked().await;
        let few = GetBars { count: 10, ..get };
        let reply = Reply { status: reply_status::LOADING, ..terminal.reply(&few) };
        terminal.fake.send(reply).await;
    });
    assert_eq!((answer.header("retry-after"), answer.header("x-complete")), ("2", "false"));
    let answer = answer.expect(200);
    assert_eq!((&answer["loading"], &answer["complete"], broker_times(&answer).len()), (&json!(true), &json!(false), 10));
    let rest = format!("{path}&cursor={}", answer["next_cursor"].as_str().unwrap());
    let (rest, _) = tokio::join!(api.get(&rest), terminal.answers(1));
    assert_times(&broker_times(&rest.expect(200)), &terminal.bars[10..100]);
    let (again, asked) = tokio::join!(api.get(&path), terminal.answers(1));
    assert_eq!(asked[0].from, MONDAY, "the first ten were never said to be all");
    assert_times(&broker_times(&again.expect(200)), &terminal.bars[..100]);
}

#[tokio::test]
async fn a_closed_bar_that_was_rewritten_is_found_where_new_ones_join_the_newest_wins_and_its_surroundings_are_fetched_again() {
    let hub = TestHub::start().await;
    let mut terminal = BarTerminal::new(&hub, minutes(300)).await;
    let api = hub.admin();
    let [upto_100, upto_150] = [100, 150].map(|n| bars(&format!("from={}&to={}&limit=1000", minute(0), minute(n))));
    let (first, _) = tokio::join!(api.get(&upto_100), terminal.answers(1));
    assert_eq!(first.expect(200)["history_changed"], false);
    terminal.bars[99].close += 5e-6;
    let (second, asked) = tokio::join!(api.get(&upto_150), terminal.answers(1));
    assert_eq!(asked[0].from, terminal.bars[99].time, "the last bar known is asked for again");
    let second = second.expect(200);
    assert_eq!(second["history_changed"], true);
    assert_times(&broker_times(&second), &terminal.bars[..150]);
    assert_eq!(second["data"][99]["close"].as_f64(), Some(terminal.bars[99].close));
    // What lay before it may have been rewritten too.
    terminal.bars[50].tick_volume += 1;
    let (third, asked) = tokio::join!(api.get(&upto_150), terminal.answers(1));
    assert_eq!(asked[0].from, MONDAY);
    assert_eq!(third.expect(200)["data"][50]["tick_volume"].as_i64(), Some(terminal.bars[50].tick_volume));
    let fourth = api.get(&upto_150).await;
    assert_eq!(fourth.header("x-data-source"), "cache");
}

/// Two stretches of a terminal's history cached, and the terminal gone.
async fn two_islands(hub: &TestHub) -> Vec<Bar> {
    let mut terminal = BarTerminal::new(hub, minutes(1_001)).await;
    let api = hub.admin();
    for (from, to) in [(100, 200), (300, 400)] {
        let path = bars(&format!("from={}&to={}&limit=1000", minute(from), minute(to)));
        let (answer, _) = tokio::join!(api.get(&path), terminal.answers(1));
        answer.expect(200);
    }
    let token = terminal.fake.token.clone();
    let bars = terminal.bars.clone();
    drop(terminal);
    hub.shows(&token, "offline").await;
    bars
}

fn missing(answer: &Value) -> Vec<(Value, Value)> {
    let gaps = answer["gaps"].as_array().unwrap().iter().filter(|gap| gap["kind"] == "not_fetched");
    gaps.map(|gap| (gap["from"].clone(), gap["to"].clone())).collect()
}

fn rfc3339(utc: i64) -> Value {
    json!(format!("{:.3}", jiff::Timestamp::from_second(utc).unwrap()))
}

#[tokio::test]
async fn what_the_cache_lacks_while_the_terminal_is_away_is_told_stretch_by_stretch() {
    let hub = TestHub::start().await;
    let source = two_islands(&hub).await;
    let api = hub.admin();
    let answer = api.get(&bars(&format!("from={}&to={}&limit=1000", minute(50), minute(500)))).await;
    assert_eq!((answer.header("x-data-source"), answer.header("x-complete")), ("cache", "false"));
    let answer = answer.expect(200);
    assert_eq!(broker_times(&answer), [times(&source[100..200]), times(&source[300..400])].concat());
    let expected = [(50, 100), (200, 300), (400, 500)].map(|(from, to)| (rfc3339(minute(from)), rfc3339(minute(to))));
    assert_eq!(missing(&answer), expected);
    assert_eq!((&answer["complete"], &answer["source"]), (&json!(false), &json!("cache")));
    // The newest ones, without times: those that are known, and that there may be newer ones.
    for order in ["asc", "desc"] {
        let newest = api.get(&bars(&format!("limit=150&order={order}"))).await.expect(200);
        let mut got = broker_times(&newest);
        got.sort_unstable();
        assert_eq!(got, [times(&source[150..200]), times(&source[300..400])].concat(), "{order}");
        assert_eq!(missing(&newest), [(rfc3339(minute(200)), rfc3339(minute(300))), (rfc3339(minute(400)), Value::Null)]);
    }
    // Inside of an island nothing is missing.
    let inside = api.get(&bars(&format!("from={}&to={}&limit=1000", minute(310), minute(390)))).await.expect(200);
    assert_eq!((&inside["complete"], missing(&inside).len(), broker_times(&inside).len()), (&json!(true), 0, 80));
    // The oldest bar is known: before it there is nothing to fetch.
    let old = api.get(&bars(&format!("from={}&to={}&limit=1000", minute(-500), minute(150)))).await.expect(200);
    assert_eq!((missing(&old), &old["no_more_history"]), (vec![(rfc3339(minute(0)), rfc3339(minute(100)))], &json!(true)));
}

#[tokio::test]
async fn offline_without_anything_cached_is_409_and_after_a_restart_the_cache_still_answers_in_utc() {
    let mut hub = TestHub::start_with(|config| config.http.read_timeout = std::time::Duration::from_secs(1)).await;
    let source = two_islands(&hub).await;
    hub.restart().await;
    let api = hub.admin();
    let path = bars(&format!("from={}&to={}&limit=1000", minute(100), minute(200)));
    let answer = api.get(&path).await.expect(200);
    assert_times(&broker_times(&answer), &source[100..200]);
    assert_eq!((&answer["data"][0]["time"], &answer["utc_source"]), (&rfc3339(minute(100)), &json!("measured")));
    api.get(&bars(&format!("from={}&to={}", minute(220), minute(250)))).await.refused(409, "terminal_offline");
    api.get("/api/v1/terminals/1001/bars/GBPUSD").await.refused(409, "terminal_offline");
    // What is skipped has to be held as well.
    hub.admin().get(&bars("start_pos=4000000000")).await.refused(429, "too_many_downloads");
    assert_times(&broker_times(&api.get(&bars("start_pos=11&limit=5")).await.expect(200)), &source[385..390]);
}

#[tokio::test]
async fn deleting_an_accounts_history_deletes_its_cached_bars() {
    let hub = TestHub::start().await;
    two_islands(&hub).await;
    let list = hub.admin().get("/api/v1/tokens").await.expect(200);
    let id = list["data"][0]["id"].as_str().unwrap();
    hub.admin().post(&format!("/api/v1/tokens/{id}/disconnect"), json!({"history": "delete"})).await.expect(200);
    let mut terminal = BarTerminal::new(&hub, minutes(1_001)).await;
    let api = hub.admin();
    let path = bars(&format!("from={}&to={}&limit=1000", minute(100), minute(200)));
    let (answer, asked) = tokio::join!(api.get(&path), terminal.answers(1));
    assert_eq!((answer.header("x-data-source"), asked[0].from), ("terminal", terminal.bars[100].time));
}

#[tokio::test]
async fn bars_from_beyond_the_terminals_clock_are_not_told_from_the_cache() {
    let hub = TestHub::start().await;
    let mut terminal = BarTerminal::new(&hub, minutes(301)).await;
    let api = hub.admin();
    let path = bars(&format!("from={}&to={}&limit=1000", minute(0), minute(300)));
    let (answer, _) = tokio::join!(api.get(&path), terminal.answers(1));
    assert_eq!(broker_times(&answer.expect(200)).len(), 300);
    // A replay that was started again, earlier.
    terminal.bars.truncate(101);
    terminal.says_the_time().await;
    terminal.is_heard(&api).await;
    let (answer, _) = tokio::join!(api.get(&path), terminal.answers(1));
    let answer = answer.expect(200);
    assert_eq!(broker_times(&answer), times(&terminal.bars), "and no future");
    assert_eq!(answer["data"][100]["complete"], false);
}

#[tokio::test]
async fn weekly_openings_show_a_server_that_follows_europe_although_it_was_measured_in_winter() {
    let hub = TestHub::start().await;
    let token = hub.mint_token().await;
    let mut fake = FakeTerminal::connect(hub.addr(), &token).await;
    let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_second();
    // Sunday 17:00 in New York is 00:00 on this server, but 23:00 on Sunday in the weeks after New York has switched.
    let opens =
        ["2024-02-26T00:00:00Z", "2024-03-04T00:00:00Z", "2024-03-10T23:00:00Z", "2024-03-17T23:00:00Z", "2024-04-01T00:00:00Z"];
    let mut history = Vec::new();
    for open in opens.map(at) {
        // Friday's last minute, and the first one of the week.
        let friday = if open == at(opens[4]) { at("2024-03-29T22:59:00Z") } else { open - 48 * 3_600 - 60 };
        for time in [friday, open] {
            history.push(Bar { time, open: 1.0, high: 1.0, low: 1.0, close: 1.0, tick_volume: 1, ..Bar::default() });
        }
    }
    let base = fake.hello(1001);
    fake.send(Hello { broker_time: at("2024-12-20T12:00:00Z"), utc_offset_s: 7_200, ..base }).await;
    fake.welcome().await;
    let mut terminal = BarTerminal { fake, bars: history };
    let api = hub.admin();
    let path = bars("from=2024-02-01T00:00:00Z&to=2024-04-02T00:00:00Z");
    // New York's rule is the first guess; it is dropped within this very answer.
    let (answer, _) = tokio::join!(api.get(&path), terminal.answers(3));
    let answer: Value = answer.expect(200);
    assert_eq!(answer["utc_source"], "weekly_open");
    let utc = |n: usize| answer["data"][n]["time"].as_str().unwrap().to_owned();
    assert_eq!([utc(5), utc(7), utc(9)], ["2024-03-10T21:00:00.000Z", "2024-03-17T21:00:00.000Z", "2024-03-31T21:00:00.000Z"]);
}

#[tokio::test]
async fn a_cursor_of_another_request_is_refused() {
    let hub = TestHub::start().await;
    let mut terminal = BarTerminal::new(&hub, minutes(300)).await;
    let api = hub.admin();
    let path = bars(&format!("from={}&limit=10", minute(0)));
    let (answer, _): (Answer, _) = tokio::join!(api.get(&path), terminal.answers(1));
    let answer = answer.expect(200);
    let cursor = answer["next_cursor"].as_str().unwrap();
    for other in [bars("timeframe=M5"), bars("order=desc"), "/api/v1/terminals/1001/bars/GBPUSD?".to_owned()] {
        api.get(&format!("{other}&cursor={cursor}")).await.refused(422, "validation_error");
    }
}
