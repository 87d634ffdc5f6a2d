//! A receiver of datagrams, an event each.

use crate::account::{Deliveries, Marks};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::UdpSocket;

/// Receives until it is dropped.
///
/// # Errors
/// When the address can't be bound.
pub async fn run(at: SocketAddr, deliveries: Arc<Deliveries>) -> io::Result<()> {
    let socket = UdpSocket::bind(at).await?;
    // The kernel's own drops would be faults that nobody asked for.
    let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(8 << 20);
    let mut buffer = vec![0; 65_535];
    let mut found = Vec::new();
    loop {
        // An error here is about an earlier datagram.
        let Ok((length, _)) = socket.recv_from(&mut buffer).await else { continue };
        found.clear();
        Marks::default().find(&buffer[..length], &mut found);
        deliveries.note(0, &found);
        deliveries.note_unmarked(u64::from(found.is_empty()));
    }
}
