//! The Expert Advisor's WebSocket against everything that a hub, or what stands before one, must not say.

use std::time::Duration;

use mtbridge::protocol::{
    FromHub, FromTerminal,
    codec::Messages,
    message::{GetAccount, Latch},
};
use tokio::{io::AsyncWriteExt, time::Instant};

use crate::harness::{
    ea_hub::{BINARY, BOTH, CLOSE, Ea, EaHub, Knock, Link, PING, PONG, Said, TEXT, close, frame, head, welcome},
    soon,
};

/// What is said to a request.
type Answer = fn(&Knock) -> String;

const PROTOCOL: &str = "Sec-WebSocket-Protocol: mtbridge.v1\r\n";

#[tokio::test]
async fn the_request_is_that_of_the_document() {
    for platform in BOTH {
        let hub = EaHub::start().await;
        let _ea = Ea::start(platform, &hub);
        let (first, second) = (hub.knock().await, async { hub.knock().await });
        assert!(first.head.starts_with("GET /ws/terminal HTTP/1.1\r\n"), "{}", first.head);
        let address = hub.address().to_string();
        for (name, value) in [
            ("Host", address.as_str()),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Protocol", "mtbridge.v1"),
            ("Authorization", "Bearer mtb_test"),
        ] {
            assert_eq!(first.header(name), Some(value), "{}", first.head);
        }
        assert_eq!((first.header("Origin"), first.header("Sec-WebSocket-Extensions")), (None, None));
        let key = first.header("Sec-WebSocket-Key").unwrap().to_owned();
        assert_eq!((key.len(), key.ends_with("==")), (24, true), "16 bytes in base 64: {key}");
        first.answer(b"").await;
        assert_ne!(second.await.header("Sec-WebSocket-Key"), Some(key.as_str()), "a key of its own for each connection");
    }
}

#[tokio::test]
async fn an_answer_that_is_no_upgrade_is_met_by_another_attempt() {
    for platform in BOTH {
        let hub = EaHub::start().await;
        let ea = Ea::start(platform, &hub);
        let answers: [(&str, Answer); 16] = [
            ("nothing", |_| String::new()),
            ("another protocol", |_| "SSH-2.0-foo\r\n\r\n".into()),
            ("half a head", |_| "HTTP/1.1 101 Switching".into()),
            ("HTTP/1.0", |knock| Knock::switching(&knock.accept(), PROTOCOL).replace("1.1", "1.0")),
            ("a head without end", |_| format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(40_000))),
            ("200", |_| "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi".into()),
            ("302", |_| "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".into()),
            ("400", |_| "HTTP/1.1 400 Bad Request\r\nContent-Length: 17\r\n\r\n{\"message\":\"bad\"}".into()),
            ("426", |_| "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n".into()),
            ("500 with a body cut short", |_| "HTTP/1.1 500 Oh\r\nContent-Length: 5000\r\n\r\n{\"message\":\"".into()),
            ("a length that is none", |_| "HTTP/1.1 500 Oh\r\nContent-Length: -1\r\n\r\n".into()),
            ("a key of somebody else", |_| Knock::switching("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", PROTOCOL)),
            ("no subprotocol", |knock| Knock::switching(&knock.accept(), "")),
            ("another subprotocol", |knock| Knock::switching(&knock.accept(), "Sec-WebSocket-Protocol: mtbridge.v2\r\n")),
            ("an extension", |knock| {
                Knock::switching(&knock.accept(), &format!("{PROTOCOL}Sec-WebSocket-Extensions: permessage-deflate\r\n"))
            }),
            ("no upgrade header", |knock| Knock::switching(&knock.accept(), PROTOCOL).replace("Upgrade: websocket\r\n", "")),
        ];
        for (what, answer) in answers {
            let knock = hub.knock().await;
            let answer = answer(&knock);
            knock.answer(answer.as_bytes()).await;
            assert!(ea.outcome().is_none(), "{platform:?} {what}: {}", ea.log());
        }
        hub.session().await;
    }
}

#[tokio::test]
async fn an_upgrade_in_other_letters_is_one() {
    for platform in BOTH {
        let hub = EaHub::start().await;
        let _ea = Ea::start(platform, &hub);
        let mut knock = hub.knock().await;
        let head = format!(
            "HTTP/1.1 101\r\nupgrade:WebSocket\r\nCONNECTION:  keep-alive , upgrade\r\nSEC-WEBSOCKET-ACCEPT:\t{} \r\n\
             sec-websocket-protocol: mtbridge.v1\r\nX-Other: a:b\r\n\r\n",
            knock.accept()
        );
        knock.stream.write_all(head.as_bytes()).await.unwrap();
        Link::over(knock.stream).let_in().await;
    }
}

#[tokio::test]
async fn a_hub_that_is_full_is_left_alone_for_as_long_as_it_asks() {
    for platform in BOTH {
        let hub = EaHub::start().await;
        let _ea = Ea::start(platform, &hub);
        hub.knock().await.answer(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n").await;
        let since = Instant::now();
        hub.session().await;
        assert!(since.elapsed() >= Duration::from_millis(950), "{:?}", since.elapsed());
    }
}

#[tokio::test]
async fn a_refused_token_or_request_stops_the_ea_until_it_is_attached_anew() {
    for platform in BOTH {
        let hub = EaHub::start().await;
        let ea = Ea::start(platform, &hub);
        let body = "{\"code\":\"unauthorized\",\"message\":\"the token was \\u00fcber \\\"revoked\\\"\\n\"}";
        for (status, words) in
            [("401 Unauthorized", "Error 401: the token was \u{fc}ber \"revoked\""), ("403 Forbidden", "Error 403")]
        {
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            hub.knock().await.answer(answer.as_bytes()).await;
            ea.stops_for_good(words).await;
            ea.chart_changes();
        }
        hub.session().await;
    }
}

/// What the EA does about something that is said after Welcome.
enum Then {
    /// Ends the connection with this code and comes back.
    Closes(u16),
    /// The connection is over, and the EA comes back.
    Ends,
    /// Goes on as if nothing had been said.
    GoesOn,
}

fn hostile() -> Vec<(&'static str, Vec<u8>, Then)> {
    use Then::{Closes, Ends, GoesOn};
    // Read without its mask it would be a message of an unknown tag, and a ping behind it.
    let masked = vec![BINARY, 0x84, 0x93, 99, 1, 0xc0, PING, 2, 0, 0];
    let big = vec![b'x'; 700_000];
    // A message of an unknown tag: [99, 1, "xxx…"].
    let unknown = |length: usize| [&[0x93, 99, 1, 0xdb][..], &(length as u32).to_be_bytes(), &vec![b'x'; length]].concat();
    let (long, largest) = (unknown(300_000), unknown((1 << 20) - 8));
    vec![
        ("a masked frame", masked, Closes(1002)),
        ("reserved bit 1", frame(0xc2, &[0x90]), Closes(1002)),
        ("reserved bit 2", frame(0xa2, &[0x90]), Closes(1002)),
        ("reserved bit 3", frame(0x92, &[0x90]), Closes(1002)),
        ("reserved opcode 3", frame(0x83, b"x"), Closes(1002)),
        ("reserved opcode 11", frame(0x8b, b"x"), Closes(1002)),
        ("a ping above 125 bytes", frame(PING, &[0; 126]), Closes(1002)),
        ("a ping in pieces", frame(0x09, b"x"), Closes(1002)),
        ("a continuation of nothing", frame(0x80, b"x"), Closes(1002)),
        ("a message inside another", [frame(0x02, b"x"), frame(BINARY, b"x")].concat(), Closes(1002)),
        ("text", frame(TEXT, "h\u{e9}".as_bytes()), Closes(1003)),
        ("text that is no UTF-8", frame(TEXT, &[0xff]), Closes(1007)),
        ("a head of 1 MiB and one byte", head(BINARY, (1 << 20) + 1), Closes(1009)),
        ("a head of 2 to the 63", head(BINARY, (1 << 63) + 1), Closes(1009)),
        ("a head of all ones", [&[BINARY, 127][..], &[0xff; 8]].concat(), Closes(1009)),
        ("fragments above 1 MiB", [frame(0x02, &big), frame(0x80, &big)].concat(), Closes(1009)),
        ("a close frame of one byte", frame(CLOSE, &[3]), Closes(1002)),
        ("a close code that is never sent", close(1006, b""), Closes(1002)),
        ("a close code of nobody", close(2999, b""), Closes(1002)),
        ("close words that are no UTF-8", close(4000, &[0xff, 0xfe]), Closes(1007)),
        ("a close frame of nothing", frame(CLOSE, &[]), Closes(1005)),
        ("bytes that are no message", frame(BINARY, &[0xc1, 0xc1]), Closes(1002)),
        ("an empty message", frame(BINARY, &[]), Closes(1002)),
        ("half a message", frame(BINARY, &[0x93, 4, 1]), Closes(1002)),
        ("an end of the stream inside a frame", head(BINARY, 100), Ends),
        ("an empty ping", frame(PING, &[]), GoesOn),
        ("a ping of 125 bytes", frame(PING, &[7; 125]), GoesOn),
        ("a pong that nobody asked for", frame(PONG, b"x"), GoesOn),
        ("a tag that is not known", frame(BINARY, &unknown(3)), GoesOn),
        ("a message of 1 MiB", frame(BINARY, &largest), GoesOn),
        (
            "a message in pieces with a ping between",
            [frame(0x02, &long[..150_000]), frame(PING, b"mid"), frame(0x00, &[]), frame(0x80, &long[150_000..])].concat(),
            GoesOn,
        ),
        (
            "a length in a longer form than it needs",
            [&[BINARY, 127, 0, 0, 0, 0, 0, 0, 0, 3][..], &[0x92, 99, 1]].concat(),
            GoesOn,
        ),
    ]
}

async fn says(hub: &EaHub, ea: &Ea, (what, bytes, then): (&str, Vec<u8>, Then)) {
    let mut link = hub.session().await;
    link.write(&bytes).await;
    match then {
        Then::Closes(code) => assert_eq!(link.close_code().await, code, "{what}"),
        Then::Ends => {
            drop(link);
        }
        Then::GoesOn => {
            link.say(GetAccount { call: 9 }).await;
            let reply = link.reply(9).await;
            assert!(!reply.body.is_empty(), "{what}");
            link.write(&close(4003, b"")).await;
            assert_eq!(link.close_code().await, 4003, "{what}: a close frame is answered with its code");
        }
    }
    ea.is_well();
}

#[tokio::test]
async fn hostile_frames_end_the_connection_with_their_code_and_odd_ones_do_not() {
    for platform in BOTH {
        let hub = EaHub::start().await;
        let ea = Ea::start(platform, &hub);
        for case in hostile() {
            says(&hub, &ea, case).await;
        }
        hub.session().await;
    }
}

#[tokio::test]
async fn a_pong_carries_what_the_ping_did() {
    for platform in BOTH {
        let hub = EaHub::start().await;
        let _ea = Ea::start(platform, &hub);
        let mut link = hub.session().await;
        let payloads: Vec<Vec<u8>> = vec![vec![], b"hello".to_vec(), (0..125).collect(), vec![0xff; 3]];
        for (payload, call) in payloads.iter().zip(1..) {
            link.write(&frame(PING, payload)).await;
            link.say(GetAccount { call }).await;
            link.reply(call).await;
        }
        assert_eq!(link.pongs, payloads, "each before what was asked later");
        // A flood is answered with fewer, the newest among them.
        let flood: Vec<u8> = (0..1_000_u16).flat_map(|n| frame(PING, &n.to_be_bytes())).collect();
        link.write(&flood).await;
        link.say(GetAccount { call: 9 }).await;
        link.reply(9).await;
        assert_eq!(link.pongs.last().unwrap(), &999_u16.to_be_bytes());
        assert!(link.pongs.len() < 500, "{}", link.pongs.len());
    }
}

#[tokio::test]
async fn bytes_one_by_one_and_all_at_once_mean_the_same() {
    for platform in BOTH {
        let hub = EaHub::start().await;
        let _ea = Ea::start(platform, &hub);
        let said = |link: &mut Link| {
            let mut bytes = frame(BINARY, &link.encode(welcome()));
            bytes.extend(frame(PING, b"x"));
            for call in 1..4 {
                bytes.extend(frame(BINARY, &link.encode(GetAccount { call })));
            }
            bytes
        };
        // Each byte a packet of its own, for all that the kernel does about it.
        let mut link = hub.link().await;
        link.take_hello().await;
        for byte in said(&mut link) {
            link.write(&[byte]).await;
            tokio::task::yield_now().await;
        }
        calls_are_answered(&mut link).await;
        drop(link);
        // Everything, upgrade included, in one piece.
        let knock = hub.knock().await;
        let mut bytes = frame(BINARY, &welcome().encode(0));
        bytes.extend(frame(PING, b"x"));
        for call in 1..4 {
            bytes.extend(frame(BINARY, &FromHub::from(GetAccount { call }).encode(call)));
        }
        let mut link = knock.upgrade_and(&bytes).await;
        link.take_hello().await;
        calls_are_answered(&mut link).await;
    }
}

async fn calls_are_answered(link: &mut Link) {
    for call in 1..4 {
        assert!(!link.reply(call).await.body.is_empty());
    }
    assert_eq!(link.pongs, [b"x".to_vec()]);
}

#[tokio::test]
async fn what_came_before_the_end_of_the_stream_still_counts() {
    for platform in BOTH {
        let hub = EaHub::start().await;
        let ea = Ea::start(platform, &hub);
        let mut link = hub.session().await;
        let latch = frame(BINARY, &link.encode(Latch { level: 2, reason: "said last".into() }));
        link.write(&latch).await;
        drop(link);
        let mut link = hub.link().await;
        link.take_hello().await;
        link.say(welcome()).await;
        let Said::Message(FromTerminal::Status(status)) = link.next().await else { panic!("no Status") };
        assert_eq!((status.latch, status.latch_reason.as_str()), (2, "said last"));
        ea.is_well();
    }
}

#[tokio::test]
async fn a_message_before_welcome_is_none_of_the_protocol() {
    for platform in BOTH {
        let hub = EaHub::start().await;
        let _ea = Ea::start(platform, &hub);
        let mut link = hub.link().await;
        link.take_hello().await;
        link.say(GetAccount { call: 1 }).await;
        assert_eq!(link.close_code().await, 1002);
        hub.session().await;
    }
}

#[tokio::test]
async fn close_codes_are_read_by_their_range() {
    for platform in BOTH {
        let hub = EaHub::start().await;
        let ea = Ea::start(platform, &hub);
        for code in [1000, 1001, 1008, 1011, 1014, 3000, 3999, 4000, 4003, 4006, 4499] {
            let mut link = hub.session().await;
            link.write(&close(code, "\u{fc}ber".as_bytes())).await;
            assert_eq!(link.close_code().await, code);
        }
        for code in [4500, 4501, 4502, 4503, 4504, 4505, 4506, 4507, 4999] {
            let mut link = hub.session().await;
            let instance = link.instance();
            link.write(&close(code, format!("for reason {code}").as_bytes())).await;
            assert_eq!(link.close_code().await, code);
            ea.stops_for_good(&format!("({code}): for reason {code}")).await;
            ea.chart_changes();
            assert_ne!(hub.session().await.instance(), instance, "attached anew, it is another instance");
        }
    }
}

#[tokio::test]
async fn a_terminal_that_was_pushed_out_waits_long_before_it_comes_back() {
    for platform in BOTH {
        let hub = EaHub::start().await;
        // 200 ms in the tests, 30 s for users.
        let _ea = Ea::start(platform, &hub);
        for code in [4001, 4002] {
            let mut link = hub.session().await;
            link.write(&close(code, b"")).await;
            assert_eq!(link.close_code().await, code);
            let since = Instant::now();
            drop(hub.link().await);
            assert!(since.elapsed() >= Duration::from_millis(190), "{:?}", since.elapsed());
        }
    }
}

#[tokio::test]
async fn what_is_no_token_or_address_is_said_and_never_tried() {
    for platform in BOTH {
        for (name, value, words) in [
            ("API_TOKEN", "", "API_TOKEN is empty"),
            ("API_TOKEN", "mtb_x\r\nX-Evil: 1", "API_TOKEN has characters"),
            ("BackendURL", "ftp://hub", "BackendURL"),
            ("BackendURL", "ws://hub:99999", "BackendURL"),
        ] {
            let hub = EaHub::start().await;
            let ea = Ea::start_with(platform, &hub, |_, expert| expert.inputs.push((name.into(), value.into())));
            ea.stops_for_good(words).await;
            let told = soon("it stays", ea.tells(|told| told[0] == "alert")).await;
            assert!(!told[1].contains("mtb_"), "no secret on the chart: {told:?}");
        }
    }
}
