//! One life of a connection after another.

use super::seat::Found;
use super::*;
use crate::data::lane::Lanes;
use event::{Budget, DeviceId};
use protocol::framing::{Delimiter, Framing, Limits};
use std::io::Read;
use std::net::{TcpListener, TcpStream};

fn accepted() -> (Seat<Wire>, Arc<Device>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let (socket, from) = listener.accept().unwrap();
    socket.set_nonblocking(true).unwrap();
    let device = Device::new(DeviceId(1), "in", Budget::new(1 << 20).share());
    let lane = Arc::clone(Lanes::start(1).unwrap().least_loaded());
    let framing = Framing::Delimiter(Delimiter::line_feed());
    let framer = Framer::new(framing, Limits { max_message_bytes: 1024 });
    let call = Call::new(from, Arc::clone(&device), lane, framer, Duration::from_secs(60));
    (Seat::new(socket, call), device, peer)
}

fn assert_closed(mut peer: TcpStream) {
    assert_eq!(peer.read(&mut [0; 1]).unwrap(), 0);
}

#[tokio::test]
async fn a_life_that_is_succeeded_can_do_nothing_any_more() {
    let (seat, _, _peer) = accepted();
    let Ok(Found::New(wire, call)) = seat.take(1) else { panic!("new") };
    assert!(seat.open(1, wire, *call));
    assert!(seat.with(1, |_| ()).is_some());
    assert!(matches!(seat.take(2), Ok(Found::Open(_))));
    assert!(seat.with(1, |_| ()).is_none());
    assert!(seat.leave(1).is_none());
    assert!(seat.leave(2).is_some());
    assert!(matches!(seat.take(3), Ok(Found::Over)));
}

#[tokio::test]
async fn a_connection_that_is_stuck_in_the_middle_of_a_read_is_closed_for_its_peer() {
    let (seat, device, peer) = accepted();
    let Ok(Found::New(wire, call)) = seat.take(1) else { panic!("new") };
    assert!(seat.open(1, wire, *call));
    let stuck = seat.clone();
    let held = stuck.0.sitting.lock();
    assert!(matches!(seat.take(2), Ok(Found::Over)));
    assert_closed(peer);
    assert_eq!(device.meters.ended.get("stuck"), 1);
    drop(held);
}

#[tokio::test]
async fn a_handshake_that_nobody_goes_on_with_is_closed_for_its_peer() {
    let (seat, device, peer) = accepted();
    let Ok(Found::New(_wire, _call)) = seat.take(1) else { panic!("new") };
    assert!(matches!(seat.take(2), Ok(Found::Over)));
    assert_closed(peer);
    assert_eq!(device.meters.ended.get("broken"), 1);
}
