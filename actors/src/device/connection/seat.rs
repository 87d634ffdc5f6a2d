//! What of a connection outlives its actor, and how one life takes it over from another.

use super::{Call, Ended, Stream};
use crate::data::device::Device;
use crate::device::transport::Socket;
use crate::device::wire::Wire;
use parking_lot::Mutex;
use std::sync::Arc;
use std::{fmt, io, mem};

/// What of a connection outlives its actor; clones share it.
pub struct Seat<S>(pub(super) Arc<Place<S>>);

impl<S> Clone for Seat<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

pub(super) struct Place<S> {
    pub(super) device: Arc<Device>,
    /// Locked only between two waits: a life that waits on a stuck thread keeps nothing from its successor.
    pub(super) sitting: Mutex<Sitting<S>>,
    /// The socket, for whoever finds `sitting` locked for ever.
    pub(super) wire: Mutex<Option<Wire>>,
}

/// How far a connection has come.
pub(super) enum Sitting<S> {
    /// Accepted; the transport is not open yet.
    Accepted(std::net::TcpStream, Call),
    /// A life is opening the transport.
    Opening,
    /// Open; the life of this number reads it.
    Open(u32, Stream<S>),
    /// It has ended.
    Over,
}

/// What a new life finds.
pub(super) enum Found {
    /// A connection whose transport is to be opened.
    New(Wire, Box<Call>),
    /// An open connection to read on from.
    Open(Wire),
    /// Nothing more to do.
    Over,
}

impl<S: Socket> Seat<S> {
    /// A seat for a connection that was just accepted.
    pub fn new(socket: std::net::TcpStream, call: Call) -> Self {
        let (device, wire) = (Arc::clone(&call.device), Mutex::new(None));
        Self(Arc::new(Place { device, sitting: Mutex::new(Sitting::Accepted(socket, call)), wire }))
    }

    /// A new life takes the seat; its predecessor finds it taken.
    pub(super) fn take(&self, life: u32) -> io::Result<Found> {
        let Some(mut sitting) = self.0.sitting.try_lock() else {
            self.close(Ended::Stuck);
            return Ok(Found::Over);
        };
        match &mut *sitting {
            Sitting::Accepted(..) => {
                let Sitting::Accepted(socket, call) = mem::replace(&mut *sitting, Sitting::Opening) else {
                    return Ok(Found::Over);
                };
                let wire = Wire::new(socket)?;
                *self.0.wire.lock() = Some(wire.clone());
                Ok(Found::New(wire, Box::new(call)))
            }
            Sitting::Opening => {
                *sitting = Sitting::Over;
                self.close(Ended::Broken);
                Ok(Found::Over)
            }
            Sitting::Open(reader, stream) => {
                let mut wire = self.0.wire.lock();
                let Some(former) = wire.as_ref() else { return Ok(Found::Over) };
                let again = former.again()?;
                *wire = Some(again.clone());
                stream.socket.rewire(again.clone());
                *reader = life;
                Ok(Found::Open(again))
            }
            Sitting::Over => Ok(Found::Over),
        }
    }

    /// The transport is open; false when another life closed the connection meanwhile.
    pub(super) fn open(&self, life: u32, socket: S, call: Call) -> bool {
        let mut sitting = self.0.sitting.lock();
        let is_mine = matches!(*sitting, Sitting::Opening);
        if is_mine {
            *sitting = Sitting::Open(life, Stream::new(socket, call));
        }
        is_mine
    }

    /// Does something with the stream, unless another life has taken it over.
    pub(super) fn with<R>(&self, life: u32, act: impl FnOnce(&mut Stream<S>) -> R) -> Option<R> {
        match &mut *self.0.sitting.lock() {
            Sitting::Open(reader, stream) if *reader == life => Some(act(stream)),
            _ => None,
        }
    }

    /// Takes the stream out, unless another life has taken it over.
    pub(super) fn leave(&self, life: u32) -> Option<Stream<S>> {
        let mut sitting = self.0.sitting.lock();
        match mem::replace(&mut *sitting, Sitting::Over) {
            Sitting::Open(reader, stream) if reader == life => {
                self.0.wire.lock().take();
                Some(stream)
            }
            other => {
                *sitting = other;
                None
            }
        }
    }

    /// The transport could not be opened.
    pub(super) fn give_up(&self) {
        self.0.wire.lock().take();
        *self.0.sitting.lock() = Sitting::Over;
    }

    /// Ends the connection for its peer, who may connect anew.
    pub(super) fn close(&self, ended: Ended) {
        if let Some(wire) = self.0.wire.lock().take() {
            wire.close();
            self.0.device.meters.ended.add(ended.name());
        }
    }
}

impl<S> fmt::Debug for Seat<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seat")
    }
}
