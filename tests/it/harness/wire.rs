//! HTTP by hand: what no well-behaved client sends.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::soon;

/// The head of an upgrade request with these further lines.
pub fn upgrade_request(lines: &[&str]) -> String {
    let mut head = String::from(
        "GET /ws/terminal HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    );
    for line in lines {
        head.push_str(line);
        head.push_str("\r\n");
    }
    head + "\r\n"
}

/// Sends bytes and reads what comes back, up to the end of the head and of its announced body.
pub async fn exchange(addr: SocketAddr, bytes: &str) -> String {
    exchange_over(soon("the hub accepts", TcpStream::connect(addr)).await.unwrap(), bytes).await
}

/// The same on a connection that is there already.
pub async fn exchange_over(mut stream: TcpStream, bytes: &str) -> String {
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut text = Vec::new();
    let reading = async {
        loop {
            let mut part = [0; 4_096];
            let read = stream.read(&mut part).await.unwrap_or(0);
            text.extend_from_slice(&part[..read]);
            let seen = String::from_utf8_lossy(&text).into_owned();
            if read == 0 || is_whole(&seen) {
                return seen;
            }
        }
    };
    soon("the hub answers", reading).await
}

fn is_whole(text: &str) -> bool {
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:").map(|n| n.trim().parse().unwrap()));
    body.len() >= length.unwrap_or(0)
}

/// The status and JSON body of an upgrade that is refused.
pub async fn bad_upgrade(addr: SocketAddr, lines: &[&str]) -> (u16, serde_json::Value) {
    let answer = exchange(addr, &upgrade_request(lines)).await;
    let status = answer.split(' ').nth(1).unwrap_or_default().parse().unwrap_or_else(|_| panic!("no status in {answer:?}"));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.to_ascii_lowercase().contains("content-type: application/problem+json"), "{head}");
    (status, serde_json::from_str(body).unwrap())
}
