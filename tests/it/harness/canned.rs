//! A hub that says what it was told to say, and breaks when it was told to: what a real one cannot be made to do at a given moment.

use std::collections::HashMap;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinHandle,
};

use super::soon;

/// What is said to one request.
pub enum Say {
    /// Status, further headers, body.
    Answer(u16, &'static str, String),
    /// The connection ends after the request was read.
    HangUp,
    /// The connection stays, and nothing comes.
    Nothing,
}

/// A request as it came.
#[derive(Debug)]
pub struct Asked {
    /// `POST /api/v1/…`
    pub line: String,
    pub headers: HashMap<String, String>,
    pub body: Value,
    /// The body as it came.
    pub text: String,
}

pub struct Canned {
    pub url: String,
    asked: mpsc::Receiver<Asked>,
    task: JoinHandle<()>,
}

impl Canned {
    /// One connection for each thing to say, in that order.
    pub async fn start(script: Vec<Say>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (tell, asked) = mpsc::channel(100);
        let task = tokio::spawn(async move {
            let mut kept = Vec::new();
            for say in script {
                let (mut socket, _) = listener.accept().await.unwrap();
                tell.send(read(&mut socket).await).await.unwrap();
                match say {
                    Say::Answer(status, headers, body) => {
                        let head = format!(
                            "HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n",
                            body.len()
                        );
                        socket.write_all((head + &body).as_bytes()).await.unwrap();
                        let _ = socket.shutdown().await;
                    }
                    Say::HangUp => drop(socket),
                    Say::Nothing => kept.push(socket),
                }
            }
            // Whoever comes now is refused, as by a hub that is gone; connections that wait go on waiting.
            drop(listener);
            std::future::pending::<()>().await;
        });
        Self { url, asked, task }
    }

    /// The next request.
    pub async fn asked(&mut self) -> Asked {
        soon("a request comes", self.asked.recv()).await.unwrap()
    }

    /// How many came that nobody looked at.
    pub fn unread(&self) -> usize {
        self.asked.len()
    }
}

impl Drop for Canned {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn read(socket: &mut TcpStream) -> Asked {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    let head = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        let count = socket.read(&mut chunk).await.unwrap();
        assert!(count > 0, "half a request");
        bytes.extend_from_slice(&chunk[..count]);
    };
    let text = String::from_utf8(bytes[..head].to_vec()).unwrap();
    let mut lines = text.lines();
    let line = lines.next().unwrap().trim_end_matches(" HTTP/1.1").to_owned();
    let headers: HashMap<_, _> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    while bytes.len() < head + 4 + length {
        let count = socket.read(&mut chunk).await.unwrap();
        assert!(count > 0, "half a body");
        bytes.extend_from_slice(&chunk[..count]);
    }
    let text = String::from_utf8_lossy(&bytes[head + 4..]).into_owned();
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Asked { line, headers, body, text }
}
