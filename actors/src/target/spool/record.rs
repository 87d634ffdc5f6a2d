//! A delivery as a record of the spool's journal: all that a sender needs to write the same bytes later.
//!
//! Version 1, little endian:
//!
//! ```text
//!   0  u8   version            16  u32  deliveries: records with an event in here
//!   1  u8   kind               20  u32  branch
//!   2  u8   layout             24  u64  deliveries in all records before this one
//!   3  u8   delimiter          32  u64  bytes of all records before this one
//!   4  u32  records            40  u64  process that took it in
//!   8  u32  events             48  u64  stream
//!  12  u16  origins            56  u64  number of the first record in its stream
//!  14  u16  which tables       64  origins, tables, events, bytes
//! ```
//!
//! kind: 0 records as they came, 1 events that pipelines encoded as JSON, 2 records as they came, some left out. layout:
//! 0 anywhere in the bytes, 1 one after the other, each followed by the delimiter. An origin is 40 bytes: device, time of
//! receipt, address (16), port (2), 0 or 4 or 6 (1), nothing (5). Table 1: for each record its origin (u16), if there
//! are several; table 2: for each record its flags (u16), if any has some. An event: its record (u32, not for kind 0),
//! its offset (u32, not for layout 1), its length (u32).
//!
//! The two running sums tell how much waits, and how much is missing where bytes are damaged, without counting.
//! Cost: 108 bytes and 4 (8 after a pipeline) for each event besides the bytes themselves, which are not copied.

use crate::data::delivery::{Encoded, EncodedEvent, Payload};
use bytes::{Buf, Bytes};
use event::ids::StreamId;
use event::{Batch, BranchId, DeviceId, Hold, Layout, Origin, Parts, Record, RecordFlags};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

const VERSION: u8 = 1;
const HEADER_BYTES: usize = 64;
const ORIGIN_BYTES: usize = 40;
/// More records than any batch has.
const MAX_RECORDS: usize = 1 << 16;
const WITH_ORIGINS: u16 = 1;
const WITH_FLAGS: u16 = 2;

/// What a record says besides its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// The way it took.
    pub(super) branch: BranchId,
    /// Deliveries in all records before it.
    pub(super) deliveries_before: u64,
    /// Bytes of all records before it.
    pub(super) bytes_before: u64,
    /// The process that took it in.
    pub(super) process: u64,
}

/// A record that is to be appended.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// What comes before the bytes.
    pub(super) head: Vec<u8>,
    /// The bytes.
    pub(super) body: Bytes,
    /// Records with an event in it.
    pub(super) deliveries: u32,
}

/// A record that was read back.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) payload: Payload,
    pub(super) stamp: Stamp,
    /// Records with an event in it.
    pub(super) deliveries: u32,
    /// Its size.
    pub(super) bytes: u64,
}

/// Bytes that are no record of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    #[error("it has format {0}, this program reads format {VERSION}")]
    Version(u8),
    #[error("it contradicts itself")]
    Content,
}

/// How many records before `upto` and from `from` on have an event in a payload.
pub(super) fn deliveries(payload: &Payload, from: u32, upto: u32) -> u32 {
    match payload {
        Payload::Raw(_) => upto.saturating_sub(from),
        Payload::Encoded(encoded) => {
            let mut last = None;
            let of = encoded.events.iter().map(|event| event.record);
            of.filter(|record| (from..upto).contains(record) && last.replace(*record) != Some(*record))
                .count() as u32
        }
    }
}

impl Outgoing {
    /// The records of a payload from `first` on.
    pub(super) fn new(payload: &Payload, first: u32, stamp: &Stamp) -> Self {
        let batch = payload.batch();
        let records = &batch.records()[first as usize..];
        let origins = batch.origins();
        let flagged = records.iter().any(|record| record.flags != RecordFlags::default());
        let tables = if origins.len() > 1 { WITH_ORIGINS } else { 0 } | if flagged { WITH_FLAGS } else { 0 };
        let mut head = Vec::with_capacity(HEADER_BYTES + ORIGIN_BYTES * origins.len() + 8 * records.len());
        let (kind, layout, delimiter, events) = match payload {
            Payload::Raw(_) => match batch.layout() {
                Layout::Delimited(delimiter) => (0, 1, delimiter, records.len()),
                Layout::Scattered => (0, 0, 0, records.len()),
            },
            Payload::Encoded(encoded) => {
                let events = rest(encoded, first);
                let gapless = encoded.json && events.windows(2).all(|pair| pair[0].end + 1 == pair[1].start);
                (if encoded.json { 1 } else { 2 }, u8::from(gapless), encoded.delimiter, events.len())
            }
        };
        let deliveries = deliveries(payload, first, batch.len());
        head.extend([VERSION, kind, layout, delimiter]);
        head.extend((records.len() as u32).to_le_bytes());
        head.extend((events as u32).to_le_bytes());
        head.extend((origins.len() as u16).to_le_bytes());
        head.extend(tables.to_le_bytes());
        head.extend(deliveries.to_le_bytes());
        head.extend(stamp.branch.0.to_le_bytes());
        let numbers = [stamp.deliveries_before, stamp.bytes_before, stamp.process, batch.stream().0];
        for number in numbers.into_iter().chain([batch.first_seq() + u64::from(first)]) {
            head.extend(number.to_le_bytes());
        }
        for origin in origins {
            write_origin(origin, &mut head);
        }
        if tables & WITH_ORIGINS != 0 {
            records.iter().for_each(|record| head.extend(record.origin.to_le_bytes()));
        }
        if tables & WITH_FLAGS != 0 {
            records.iter().for_each(|record| head.extend(record.flags.0.to_le_bytes()));
        }
        let body = match payload {
            Payload::Raw(_) => raw_spans(batch, records, layout == 1, &mut head),
            Payload::Encoded(encoded) => encoded_spans(encoded, first, layout == 1, &mut head),
        };
        Self { head, body, deliveries }
    }

    /// Its size.
    pub(super) fn bytes(&self) -> u64 {
        (self.head.len() + self.body.len()) as u64
    }
}

fn rest(encoded: &Encoded, first: u32) -> &[EncodedEvent] {
    &encoded.events[encoded.events.partition_point(|event| event.record < first)..]
}

fn raw_spans(batch: &Batch, records: &[Record], gapless: bool, head: &mut Vec<u8>) -> Bytes {
    let from = records.iter().map(|record| record.offset).min().unwrap_or(0);
    let to = records.iter().map(|record| record.offset + record.len).max().unwrap_or(from);
    for record in records {
        if !gapless {
            head.extend((record.offset - from).to_le_bytes());
        }
        head.extend(record.len.to_le_bytes());
    }
    batch.slab().slice(from as usize..to as usize + usize::from(gapless))
}

fn encoded_spans(encoded: &Encoded, first: u32, gapless: bool, head: &mut Vec<u8>) -> Bytes {
    let events = rest(encoded, first);
    let from = events.iter().map(|event| event.start).min().unwrap_or(0);
    let to = events.iter().map(|event| event.end).max().unwrap_or(from);
    for event in events {
        head.extend((event.record - first).to_le_bytes());
        if !gapless {
            head.extend((event.start - from).to_le_bytes());
        }
        head.extend((event.end - event.start).to_le_bytes());
    }
    // With the delimiter behind the last event, if there is one.
    encoded.bytes.slice(from as usize..(to as usize + 1).min(encoded.bytes.len()))
}

fn write_origin(origin: &Origin, head: &mut Vec<u8>) {
    let (mut address, mut port, mut family) = ([0; 16], 0, 0);
    if let Some(peer) = origin.peer {
        port = peer.port();
        match peer.ip() {
            IpAddr::V4(ip) => {
                family = 4;
                address[..4].copy_from_slice(&ip.octets());
            }
            IpAddr::V6(ip) => {
                family = 6;
                address = ip.octets();
            }
        }
    }
    head.extend(origin.device.0.to_le_bytes());
    head.extend(origin.received.to_le_bytes());
    head.extend(address);
    head.extend(port.to_le_bytes());
    head.extend([family, 0, 0, 0, 0, 0]);
}

fn read_origin(from: &mut Bytes) -> Result<Origin, Malformed> {
    if from.len() < ORIGIN_BYTES {
        return Err(Malformed::Content);
    }
    let (device, received) = (DeviceId(from.get_u64_le()), from.get_u64_le());
    let mut address = [0; 16];
    from.copy_to_slice(&mut address);
    let (port, family) = (from.get_u16_le(), from.get_u8());
    from.advance(5);
    let ip = match family {
        4 => Some(IpAddr::from(Ipv4Addr::new(address[0], address[1], address[2], address[3]))),
        6 => Some(IpAddr::from(Ipv6Addr::from(address))),
        _ => None,
    };
    Ok(Origin { device, peer: ip.map(|ip| SocketAddr::new(ip, port)), received })
}

impl Incoming {
    /// Reads a record. `process` is this process's number: streams of others get numbers that no stream of this one has.
    ///
    /// # Errors
    /// When it is of another version, or not a record.
    pub(super) fn read(record: Bytes, process: u64, hold: Hold) -> Result<Self, Malformed> {
        let (bytes, mut from) = (record.len() as u64, record);
        if from.first().is_some_and(|version| *version != VERSION) {
            return Err(Malformed::Version(from[0]));
        }
        if from.len() < HEADER_BYTES {
            return Err(Malformed::Content);
        }
        from.advance(1);
        let (kind, layout, delimiter) = (from.get_u8(), from.get_u8(), from.get_u8());
        let (records, events) = (from.get_u32_le() as usize, from.get_u32_le() as usize);
        if records == 0 || records > MAX_RECORDS {
            return Err(Malformed::Content);
        }
        let (origins, tables) = (from.get_u16_le(), from.get_u16_le());
        let (deliveries, branch) = (from.get_u32_le(), BranchId(from.get_u32_le()));
        let (deliveries_before, bytes_before) = (from.get_u64_le(), from.get_u64_le());
        let (took_in, stream, first_seq) = (from.get_u64_le(), from.get_u64_le(), from.get_u64_le());
        let origins: Vec<Origin> =
            (0..origins).map(|_| read_origin(&mut from)).collect::<Result<_, Malformed>>()?;
        let mut table = |which: u16| -> Result<Option<Bytes>, Malformed> {
            match tables & which != 0 {
                true if from.len() < 2 * records => Err(Malformed::Content),
                true => Ok(Some(from.split_to(2 * records))),
                false => Ok(None),
            }
        };
        let (of, flags) = (table(WITH_ORIGINS)?, table(WITH_FLAGS)?);
        let at = |table: &Option<Bytes>, n: usize| {
            table.as_ref().map_or(0, |t| u16::from_le_bytes([t[2 * n], t[2 * n + 1]]))
        };
        let gapless = layout == 1;
        let numbers = usize::from(kind != 0) + usize::from(!gapless) + 1;
        if from.len() < events.saturating_mul(4 * numbers) {
            return Err(Malformed::Content);
        }
        let mut table = from.split_to(events * 4 * numbers);
        let mut end = 0;
        let spans: Vec<EncodedEvent> = (0..events)
            .map(|n| {
                let record = if kind == 0 { n as u32 } else { table.get_u32_le() };
                let start = if gapless { end } else { table.get_u32_le() };
                let stop = start.saturating_add(table.get_u32_le());
                end = stop.saturating_add(1);
                EncodedEvent { record, start, end: stop }
            })
            .collect();
        let trailer = usize::from(gapless);
        let fits = |event: &EncodedEvent| {
            (event.record as usize) < records && event.end as usize + trailer <= from.len()
        };
        let known = |n: usize| usize::from(at(&of, n)) < origins.len();
        let ordered = spans.windows(2).all(|pair| pair[0].record <= pair[1].record);
        if !ordered || !spans.iter().all(fits) || !(0..records).all(known) {
            return Err(Malformed::Content);
        }
        let span = |n: usize| match kind {
            0 => (spans[n].start, spans[n].end - spans[n].start),
            _ => (0, 0),
        };
        if kind == 0 && events != records {
            return Err(Malformed::Content);
        }
        let record = |n: usize| {
            let (offset, len) = span(n);
            Record { offset, len, origin: at(&of, n), flags: RecordFlags(at(&flags, n)) }
        };
        let batch_layout =
            if kind == 0 && gapless { Layout::Delimited(delimiter) } else { Layout::Scattered };
        // What it takes is counted where it is: with the batch, or with the bytes made of it.
        let (batch_hold, bytes_hold) = match kind {
            0 => (hold, None),
            _ => (hold.more(0), Some(hold)),
        };
        let batch = Batch::seal(Parts {
            slab: if kind == 0 { from.clone() } else { Bytes::new() },
            records: (0..records).map(record).collect(),
            origins,
            stream: StreamId(if took_in == process { stream } else { foreign(took_in, stream) }),
            first_seq,
            layout: batch_layout,
            hold: batch_hold,
        });
        let payload = match bytes_hold {
            None => Payload::Raw(batch),
            Some(hold) => Payload::Encoded(Encoded {
                batch,
                bytes: from,
                json: kind == 1,
                delimiter,
                events: spans.into(),
                hold: Arc::new(hold),
            }),
        };
        let stamp = Stamp { branch, deliveries_before, bytes_before, process: took_in };
        Ok(Self { payload, stamp, deliveries, bytes })
    }

    /// What a record says of those before it, without its payload.
    pub(super) fn sums(record: &Bytes) -> Option<(u64, u64)> {
        let mut from = record.get(24..40).filter(|_| record[0] == VERSION)?;
        Some((from.get_u64_le(), from.get_u64_le()))
    }
}

/// A number for a stream of another process that no stream of this one has: these count from 1.
fn foreign(process: u64, stream: u64) -> u64 {
    // SplitMix64's finaliser: distinct for distinct streams of a process.
    let mut mixed = process ^ stream;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) | 1 << 63
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
