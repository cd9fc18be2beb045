//! What a link remembers, and that strangers cannot make it remember more.

use super::*;

fn link() -> Link {
    Link::new(Clock::start())
}

fn said(login: u64) -> Option<Said> {
    Some(Said {
        account: Some(Account::new(login, "Demo-Server").unwrap()),
        platform: Some(Platform::Mt5),
        build: 4_000,
        ea_version: "1.2".to_owned(),
    })
}

fn refuse(link: &Link, from: &str, login: u64) {
    let own = Account::new(444, "Demo-Server").unwrap();
    link.refused(from, said(login), CloseReason::AccountMismatch, Some(own));
}

#[test]
fn the_same_refusal_again_is_counted_and_another_one_stands_for_itself() {
    let link = link();
    (0..3).for_each(|_| refuse(&link, "203.0.113.7", 222));
    refuse(&link, "203.0.113.7", 333);
    refuse(&link, "203.0.113.8", 222);
    refuse(&link, "203.0.113.7", 222);
    let seen: Vec<_> = link.past().events.into_iter().map(|event| (event.from, event.count)).collect();
    let of = |from: &str, count| (from.to_owned(), count);
    assert_eq!(seen, [of("203.0.113.7", 4), of("203.0.113.8", 1), of("203.0.113.7", 1)]);
    let last = link.last_refusal().unwrap();
    assert_eq!((last.code, last.close_code), (Some("account_mismatch"), Some(4502)));
    let words = "account 222@Demo-Server tried to use this token; it is locked to 444@Demo-Server";
    assert_eq!(last.words().as_deref(), Some(words));
    link.refused("203.0.113.7", None, CloseReason::TokenRevoked, None);
    assert_eq!(link.last_refusal().unwrap().words().as_deref(), Some("the token was revoked; ask for a new one"));
    assert!(last.first_at <= last.at);
}

#[test]
fn neither_refusals_nor_sessions_without_end_push_out_the_others_or_take_more_room() {
    let link = link();
    link.connected("203.0.113.1", said(111).unwrap());
    (0..1_000).for_each(|login| refuse(&link, "203.0.113.7", 1 + login));
    let past = link.past();
    assert_eq!(past.events.len(), REFUSALS_MAX + 1);
    assert_eq!(past.events.last().unwrap().kind, LinkEventKind::Connected);
    for _ in 0..1_000 {
        link.disconnected("203.0.113.1", Duration::from_secs(3), None, "it went");
        link.connected("203.0.113.1", said(111).unwrap());
    }
    let past = link.past();
    assert_eq!((past.events.len(), past.reconnects_24h), (REFUSALS_MAX + OTHERS_MAX, 1_000));
    assert_eq!(link.last_refusal().unwrap().said, said(1_000));
}

#[test]
fn what_a_terminal_says_is_cut_to_what_people_can_read() {
    let hello = Hello { ea_version: "x\u{7}".repeat(4_000), login: 0, ..Hello::default() };
    let told = Said::of(&hello);
    assert_eq!((told.ea_version.as_str(), told.account), ("x".repeat(WORDS_MAX).as_str(), None));
}

#[test]
fn a_ping_that_the_terminal_repeats_counts_once_and_each_status_is_a_turn_of_its_loop() {
    let link = link();
    for ping in [0, 1_500, 1_500, 1_500, 1_700, 1_500] {
        link.status(10, ping);
    }
    let counts = || link.latency(5).into_iter().map(|(hop, sum)| (hop.name(), sum.count)).collect::<Vec<_>>();
    assert_eq!(counts(), [("hub", 0), ("ea", 6), ("broker", 3), ("command_ack", 0), ("command_broker", 0)]);
    link.took(Hop::CommandAck, Duration::from_millis(3));
    assert_eq!(counts()[3], ("command_ack", 1));
}

#[test]
fn an_account_that_is_deleted_is_named_nowhere_and_the_links_of_others_stay() {
    let (links, account) = (Links::new(Clock::start()), Account::new(111, "Demo-Server").unwrap());
    let [own, other] = [1, 2].map(|number| TokenId::new(ulid::Ulid::from_parts(1, number)));
    links.of(own).connected("203.0.113.1", said(111).unwrap());
    links.of(own).took(Hop::Hub, Duration::from_millis(3));
    links.of(other).connected("203.0.113.1", said(222).unwrap());
    refuse(&links.of(other), "203.0.113.7", 111);
    // Once the token was locked to it, and somebody came with a third one.
    links.of(other).refused("203.0.113.7", said(333), CloseReason::AccountMismatch, Some(account.clone()));
    links.forget([(own, true), (other, false)].into_iter(), &account);
    assert!(links.of(own).past().events.is_empty());
    assert_eq!(links.of(own).latency(5)[0].1.count, 0);
    let left = links.of(other).past().events;
    assert_eq!(left.iter().map(|event| event.kind).collect::<Vec<_>>(), [LinkEventKind::Connected]);
}

#[test]
fn a_token_that_has_ended_keeps_its_link_for_a_day_and_others_keep_theirs() {
    let links = Links::new(Clock::start());
    let [ended, held, other] = [1, 2, 3].map(|number| TokenId::new(ulid::Ulid::from_parts(1, number)));
    [ended, held, other].iter().for_each(|token| links.of(*token).connected("203.0.113.1", said(111).unwrap()));
    let session = links.of(held);
    let after = |hours: i64| links.since().plus_ms(hours * 3_600_000);
    let kept = |hours| {
        links.tidy(after(hours), |token| token != other);
        [ended, held, other].map(|token| links.find(token).is_some())
    };
    assert_eq!(kept(23), [true; 3]);
    assert_eq!(kept(26), [false, true, true]);
    drop(session);
    assert_eq!(kept(26), [false, true, true], "it is looked once an hour");
    assert_eq!(kept(27), [false, false, true]);
}
