//! Taking the connections that come to a listener, whatever is done with them then.

use crate::child::{Condition, Me};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// How long to wait when accepting fails (no descriptors left, say).
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// The next connection, or none when the listener is asked to stop. Trouble is reported, and tried again.
pub(super) async fn accept(
    me: &Me<()>,
    device: &str,
    socket: &TcpListener,
) -> Option<(TcpStream, SocketAddr)> {
    loop {
        let accepted = tokio::select! {
            () = me.stopping() => return None,
            accepted = me.waiting(socket.accept()) => accepted,
        };
        match accepted {
            Ok(connection) => return Some(connection),
            Err(e) if is_of_one_connection(&e) => {}
            Err(e) => {
                let text = format!("cannot accept connections: {e}; raise the limit of open files");
                tracing::error!(device, "{text}");
                me.report(Condition::Trouble(text));
                me.waiting(tokio::time::sleep(ACCEPT_AGAIN)).await;
            }
        }
    }
}

/// Errors of a peer that left before it was accepted (accept(2)).
fn is_of_one_connection(e: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(e.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}
