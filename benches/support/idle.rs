//! Terminals that only stay: a Hello, then an answer to each ping.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use mtbridge::protocol::{FromTerminal, PATH, SUBPROTOCOL, codec::Messages};
use tokio::{net::TcpStream, runtime::Runtime, sync::Semaphore, task::JoinSet};
use tokio_tungstenite::{
    client_async_with_config,
    tungstenite::{Message, client::IntoClientRequest, protocol::WebSocketConfig},
};

use super::{Hub, hello};

/// The runtime that keeps them alive.
pub struct Idle {
    runtime: Runtime,
    _terminals: JoinSet<()>,
}

/// Connects one terminal for each token and waits until all are welcome. A token's account number is drawn from the token, so that
/// it is the same each time.
pub fn connect(hub: &Hub, tokens: &[String]) -> Idle {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let terminals = runtime.block_on(async {
        let mut terminals = JoinSet::new();
        let welcome = std::sync::Arc::new(Semaphore::new(0));
        for token in tokens {
            let login = token.bytes().fold(7_u64, |login, byte| login.wrapping_mul(31).wrapping_add(u64::from(byte))) >> 20;
            let stream = TcpStream::connect(&hub.address).await.unwrap();
            let mut request = format!("ws://{}{PATH}", hub.address).into_client_request().unwrap();
            request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
            request.headers_mut().insert("sec-websocket-protocol", SUBPROTOCOL.parse().unwrap());
            let config = WebSocketConfig::default().read_buffer_size(1_024);
            let (mut socket, _) = client_async_with_config(request, stream, Some(config)).await.unwrap();
            let welcome = std::sync::Arc::clone(&welcome);
            terminals.spawn(async move {
                socket.send(Message::Binary(FromTerminal::from(hello(login)).encode(1).into())).await.unwrap();
                while let Some(Ok(message)) = socket.next().await {
                    if message.is_binary() {
                        welcome.add_permits(1);
                    }
                    // Pongs are queued by reading; they leave with the next flush.
                    if socket.flush().await.is_err() {
                        return;
                    }
                }
            });
        }
        let all = u32::try_from(tokens.len()).unwrap();
        welcome.acquire_many(all).await.unwrap().forget();
        terminals
    });
    Idle { runtime, _terminals: terminals }
}

/// Lets them be for a while.
pub fn stay(idle: &Idle, time: Duration) {
    idle.runtime.block_on(async { tokio::time::sleep(time).await });
}
