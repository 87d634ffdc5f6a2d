//! A request's body as batches, within the budget.
//!
//! A request that is half read never waits for budget: it is refused, and whoever sent it comes again. A body that
//! blows up when it is decompressed is given up at the limit.

use super::gate::Admitted;
use super::refusal::Refusal;
use super::settings::HttpSettings;
use crate::data::device::Device;
use bytes::Bytes;
use event::batch::{MAX_BATCH_RECORDS, Parts};
use event::{Batch, Hold, Layout, Origin, Record, RecordFlags, Share, StreamId, UnixNanos};
use flate2::write::GzDecoder;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use protocol::framing::Span;
use protocol::http_body::{detect, split};
use std::io::{self, Write};
use std::net::SocketAddr;

/// Budget is taken in steps of so many bytes.
const STEP: usize = 64 * 1024;
/// So many compressed bytes are decompressed at a time: they become four megabytes at most.
const COMPRESSED_STEP: usize = 4096;

/// The events of a body that was read.
#[derive(Debug)]
pub struct Received {
    bytes: Bytes,
    hold: Hold,
    spans: Vec<Span>,
}

/// Where the events of a connection come from.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The device.
    pub device: &'a Device,
    /// The peer.
    pub peer: SocketAddr,
    /// The stream.
    pub stream: StreamId,
}

/// Reads a body to its end.
///
/// # Errors
/// When it is not to be taken.
pub async fn read(
    body: &mut Incoming,
    admitted: Admitted,
    share: &Share,
    settings: &HttpSettings,
) -> Result<Received, Refusal> {
    let Admitted { mut proof, gzip, content_type, length } = admitted;
    // What a head promises is not believed: budget is taken for what arrives.
    let expected = length.filter(|_| !gzip).unwrap_or(settings.max_body_bytes);
    let sink = Sink::new(share, expected, settings.max_body_bytes)?;
    let mut inflow = match gzip {
        true => Inflow::Gzip(Box::new(GzDecoder::new(sink))),
        false => Inflow::Plain(sink),
    };
    loop {
        let frame = match tokio::time::timeout(settings.limits.pause, body.frame()).await {
            Err(_) => return Err(Refusal::Slow),
            Ok(None) => break,
            Ok(Some(Err(e))) => return Err(Refusal::Broken(format!("the body is broken off: {e}"))),
            Ok(Some(Ok(frame))) => frame,
        };
        // Trailers say nothing that matters here.
        let Ok(data) = frame.into_data() else { continue };
        proof.update(&data);
        inflow.take_in(&data).await?;
    }
    proof.finish()?;
    let (bytes, hold) = inflow.finish()?.into_parts();
    let how = settings.split.unwrap_or_else(|| detect(content_type.as_deref(), &bytes));
    let mut spans = Vec::new();
    split(&bytes, how, &mut spans).map_err(|e| Refusal::Broken(e.to_string()))?;
    if spans.is_empty() {
        return Err(Refusal::Broken("the body holds no event".to_owned()));
    }
    Ok(Received { bytes: bytes.into(), hold, spans })
}

impl Received {
    /// Batches of its events, numbered from `first_seq` on.
    pub fn batches(self, source: Source<'_>, first_seq: u64, now: UnixNanos) -> Vec<Batch> {
        let Self { bytes, mut hold, spans } = self;
        hold.grow((spans.len() * size_of::<Record>()) as u32);
        // The last one to go takes the budget along: they share their bytes.
        let chunks = spans.chunks(MAX_BATCH_RECORDS);
        let last = chunks.len() - 1;
        let mut hold = Some(hold);
        let mut first_seq = first_seq;
        let mut batches = Vec::new();
        for (n, spans) in chunks.enumerate() {
            let record = |span: &Span| Record {
                offset: span.offset,
                len: span.len,
                origin: 0,
                flags: RecordFlags::default(),
            };
            let batch = Batch::seal(Parts {
                records: spans.iter().map(record).collect(),
                origins: vec![Origin { device: source.device.id, peer: Some(source.peer), received: now }],
                stream: source.stream,
                first_seq,
                layout: layout(spans, &bytes),
                slab: bytes.clone(),
                hold: hold.take_if(|_| n == last).unwrap_or_else(|| source.device.share.nothing()),
            });
            first_seq = batch.next_seq();
            batches.push(batch);
        }
        batches
    }
}

/// Whether a line feed, and nothing else, stands after each event.
fn layout(spans: &[Span], bytes: &[u8]) -> Layout {
    let end = |span: &Span| (span.offset + span.len) as usize;
    let followed = |span: &Span| bytes.get(end(span)) == Some(&b'\n');
    let touching = spans.windows(2).all(|pair| end(&pair[0]) + 1 == pair[1].offset as usize);
    if touching && spans.iter().all(followed) { Layout::Delimited(b'\n') } else { Layout::Scattered }
}

/// The way of the bytes into memory.
enum Inflow {
    Plain(Sink),
    Gzip(Box<GzDecoder<Sink>>),
}

/// Memory that grows within the budget up to a limit.
struct Sink {
    bytes: Vec<u8>,
    share: Share,
    hold: Hold,
    /// So many bytes will come, as far as is known.
    expected: usize,
    /// More than this is refused.
    limit: usize,
    /// Why the last write was refused.
    refusal: Option<Refusal>,
}

impl Inflow {
    async fn take_in(&mut self, data: &[u8]) -> Result<(), Refusal> {
        match self {
            Inflow::Plain(sink) => sink.write_all(data).map_err(|e| sink.why(&e)),
            Inflow::Gzip(decoder) => {
                for step in data.chunks(COMPRESSED_STEP) {
                    if let Err(e) = decoder.write_all(step) {
                        return Err(decoder.get_mut().why(&e));
                    }
                    tokio::task::yield_now().await;
                }
                Ok(())
            }
        }
    }

    fn finish(self) -> Result<Sink, Refusal> {
        match self {
            Inflow::Plain(sink) => Ok(sink),
            Inflow::Gzip(mut decoder) => match decoder.try_finish() {
                Ok(()) => decoder.finish().map_err(|e| Refusal::Broken(format!("the body is not gzip: {e}"))),
                Err(e) => Err(decoder.get_mut().why(&e)),
            },
        }
    }
}

impl Sink {
    fn new(share: &Share, expected: usize, limit: usize) -> Result<Self, Refusal> {
        let first = expected.clamp(1, STEP);
        let hold = share.try_take(first as u32).ok_or(Refusal::Full)?;
        let (bytes, share) = (Vec::with_capacity(first), share.clone());
        Ok(Self { bytes, share, hold, expected, limit, refusal: None })
    }

    /// The bytes, and a hold on as much memory as they take.
    fn into_parts(self) -> (Vec<u8>, Hold) {
        let Self { mut bytes, mut hold, .. } = self;
        if bytes.capacity() > bytes.len() / 4 * 5 {
            bytes.shrink_to_fit();
        }
        let spare = hold.bytes().saturating_sub(bytes.capacity() as u64);
        hold.give_back(u32::try_from(spare).unwrap_or(u32::MAX));
        (bytes, hold)
    }

    /// Makes room for `filled` bytes in all.
    fn grow(&mut self, filled: usize) -> Result<(), Refusal> {
        let held = self.hold.bytes() as usize;
        // As much again as there is, so that the bytes are moved a few times only.
        let wanted = (held * 2).max(held + STEP).min(self.expected).max(filled);
        let more = u32::try_from(wanted - held).map_err(|_| Refusal::TooLarge(self.limit))?;
        self.hold.merge(self.share.try_take(more).ok_or(Refusal::Full)?);
        self.bytes.reserve_exact(wanted - self.bytes.len());
        Ok(())
    }

    fn why(&mut self, e: &io::Error) -> Refusal {
        let refusal = self.refusal.take();
        refusal.unwrap_or_else(|| Refusal::Broken(format!("the body is not gzip: {e}")))
    }

    fn refuse(&mut self, refusal: Refusal) -> io::Error {
        self.refusal = Some(refusal);
        io::ErrorKind::OutOfMemory.into()
    }
}

impl Write for Sink {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let filled = self.bytes.len() + data.len();
        if filled > self.limit {
            let limit = self.limit;
            return Err(self.refuse(Refusal::TooLarge(limit)));
        }
        if filled as u64 > self.hold.bytes()
            && let Err(refusal) = self.grow(filled)
        {
            return Err(self.refuse(refusal));
        }
        self.bytes.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
