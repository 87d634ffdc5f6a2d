//! A sender of datagrams, an event each. Nothing is promised of them.

use super::quota::Share;
use super::texts::Texts;
use crate::account::{Mark, Origin};
use jiff::Timestamp;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::net::UdpSocket;

/// Sends what is due until it is told to end.
pub async fn run(to: SocketAddr, texts: Arc<Texts>, origin: Arc<Origin>, mut share: Share) {
    let any = match to.ip() {
        IpAddr::V4(_) => SocketAddr::from(([0, 0, 0, 0], 0)),
        IpAddr::V6(_) => SocketAddr::from(([0; 8], 0)),
    };
    let Ok(socket) = UdpSocket::bind(any).await else { return };
    let stream = origin.open();
    let mut bytes = Vec::new();
    while let Some(count) = share.next().await {
        let (first, now) = (origin.send(count), Timestamp::now());
        for number in first..first + count {
            bytes.clear();
            texts.write(Mark { origin: origin.number, stream, number }, now, &mut bytes);
            // An error here is about an earlier datagram: nobody listened.
            let _ = socket.send_to(&bytes, to).await;
        }
    }
}
