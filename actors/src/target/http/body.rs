//! The bytes of a request: pieces that are written one after the other, with a length known beforehand.

use bytes::{Buf, Bytes};
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::{Body as HyperBody, Frame, SizeHint};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll};

/// What is copied goes on in pieces of this size: below the size from which the allocator asks the system each time.
const PIECE_BYTES: usize = 96 * 1024;

/// A body. Cloning it counts references.
#[derive(Clone, Debug, Default)]
pub struct Body {
    pieces: VecDeque<Bytes>,
    left: u64,
}

/// Makes a body out of what is copied and what is only referred to.
#[derive(Debug, Default)]
pub struct BodyWriter {
    done: Body,
    /// To be appended to; [`settle`](Self::settle) is called now and then.
    pub text: Vec<u8>,
}

// === impl BodyWriter ===

impl BodyWriter {
    /// Appends bytes without copying them.
    pub fn refer(&mut self, bytes: Bytes) {
        self.cut();
        self.done.push(bytes);
    }

    /// Bytes so far.
    pub fn len(&self) -> u64 {
        self.done.left + self.text.len() as u64
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// To be called after each event: puts a piece aside when it is full.
    pub fn settle(&mut self) {
        if self.text.len() >= PIECE_BYTES {
            self.cut();
        }
    }

    /// The body.
    pub fn finish(mut self) -> Body {
        self.cut();
        self.done
    }

    fn cut(&mut self) {
        if !self.text.is_empty() {
            let room = Vec::with_capacity(PIECE_BYTES.min(self.text.capacity()));
            self.done.push(std::mem::replace(&mut self.text, room).into());
        }
    }
}

// === impl Body ===

impl Body {
    /// Bytes in it.
    pub fn len(&self) -> u64 {
        self.left
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// Its pieces.
    pub fn pieces(&self) -> impl Iterator<Item = &Bytes> {
        self.pieces.iter()
    }

    fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.left += bytes.len() as u64;
            self.pieces.push_back(bytes);
        }
    }

    /// The body compressed, in steps, so that others on the lane have their turn.
    pub async fn compressed(self) -> Self {
        // A lane has little time: the fast level, which is nearly as small for log text.
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        let mut body = Self::default();
        for mut piece in self.pieces {
            while !piece.is_empty() {
                let step = piece.split_to(piece.len().min(PIECE_BYTES));
                // Writing to a vector can't fail.
                let _ = encoder.write_all(&step);
                tokio::task::yield_now().await;
            }
        }
        body.push(encoder.finish().unwrap_or_default().into());
        body
    }
}

impl HyperBody for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.pieces.pop_front();
        self.left -= piece.as_ref().map_or(0, |piece| piece.remaining() as u64);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
