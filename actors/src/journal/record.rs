//! A batch as a record of the journal, format 1: what is needed to go on with it in another process.
//!
//! ```text
//! u8   1 = a batch                      │ then the bytes of the records as they were received, from the first byte
//! u8   format, 1                        │ of the first record to the last of the last one with what follows it
//! u8   1: delimited, 2: record flags    │
//! u8   the delimiter                    │ an origin: u8 0 = no peer, 4, 6; address, u16 port; u64 received
//! u64  life of the process              │ a record: its length; where it is not delimited the bytes skipped
//! u64  stream                           │   before it; where there are several origins the number of its own;
//! u64  first sequence number            │   where there are record flags these
//! u64  device id                        │
//! var  length of the device's name, the name
//! var  number of origins, the origins
//! var  number of records, the records
//! ```
//!
//! Numbers are little-endian, `var` and the numbers of a record are LEB128. Cost: two or three bytes for each record and
//! some fifty for each batch; the received bytes are not copied. What does not decode is damage or a later version.

use bytes::Bytes;
use event::{Batch, DeviceId, Layout, Origin, Record, RecordFlags};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The first byte of a batch's record.
pub const KIND: u8 = 1;
/// The format that is written and read.
pub const FORMAT: u8 = 1;

const DELIMITED: u8 = 1;
const FLAGGED: u8 = 2;

/// A stream of one life of the process: what keeps order also in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// The life; a random number.
    pub life: u64,
    /// The stream's number in that life.
    pub stream: u64,
}

/// A batch that was read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// What it is a part of.
    pub identity: Identity,
    /// The device's id.
    pub device: DeviceId,
    /// The device's name when it was received.
    pub name: String,
    /// Number of the first record within the stream.
    pub first_seq: u64,
    /// How records lie in the slab.
    pub layout: Layout,
    /// The records.
    pub records: Vec<Record>,
    /// Their origins.
    pub origins: Vec<Origin>,
    /// The received bytes.
    pub slab: Bytes,
}

/// Why bytes are no batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It is something else, or of a format that this version does not know.
    #[error("a record of kind {kind} and format {format}, which this version does not know")]
    Unknown {
        /// The first byte.
        kind: u8,
        /// The second byte.
        format: u8,
    },
    /// The bytes contradict themselves.
    #[error("a record that contradicts itself")]
    Damaged,
}

/// Writes everything but the received bytes to `head`, and returns these.
pub fn encode<'b>(batch: &'b Batch, identity: Identity, name: &str, head: &mut Vec<u8>) -> &'b [u8] {
    let records = batch.records();
    let flagged = records.iter().any(|record| record.flags != RecordFlags::default());
    let (delimited, delimiter) = match batch.layout() {
        Layout::Delimited(delimiter) => (true, delimiter),
        Layout::Scattered => (false, 0),
    };
    let marks = (u8::from(delimited) * DELIMITED) | (u8::from(flagged) * FLAGGED);
    head.extend_from_slice(&[KIND, FORMAT, marks, delimiter]);
    for number in [identity.life, identity.stream, batch.first_seq(), batch.origin(0).device.0] {
        head.extend_from_slice(&number.to_le_bytes());
    }
    put_var(head, name.len() as u64);
    head.extend_from_slice(name.as_bytes());
    put_var(head, batch.origins().len() as u64);
    for origin in batch.origins() {
        put_origin(head, origin);
    }
    put_var(head, records.len() as u64);
    let several = batch.origins().len() > 1;
    let start = records.iter().map(|record| record.offset).min().unwrap_or(0);
    let (mut at, mut end) = (start, start);
    for record in records {
        put_var(head, u64::from(record.len));
        if !delimited {
            put_var(head, u64::from(record.offset.wrapping_sub(at)));
        }
        if several {
            put_var(head, u64::from(record.origin));
        }
        if flagged {
            put_var(head, u64::from(record.flags.0));
        }
        let followed = record.flags.contains(RecordFlags::LINE_FEED) || delimited;
        at = record.offset + record.len + u32::from(delimited);
        end = end.max(record.offset + record.len + u32::from(followed));
    }
    let slab = batch.slab();
    &slab[start as usize..(end as usize).min(slab.len())]
}

/// Reads a batch back.
///
/// # Errors
/// When the bytes are none, or damaged.
pub fn decode(payload: &Bytes) -> Result<Stored, DecodeError> {
    let mut cut = Cut { bytes: payload, at: 0 };
    let [kind, format, marks, delimiter] = cut.array().ok_or(DecodeError::Damaged)?;
    if (kind, format) != (KIND, FORMAT) {
        return Err(DecodeError::Unknown { kind, format });
    }
    let stored = cut.batch(marks, delimiter).ok_or(DecodeError::Damaged)?;
    let slab = payload.slice(cut.at..);
    let trailer = u64::from(marks & DELIMITED);
    let fits =
        |record: &Record| u64::from(record.offset) + u64::from(record.len) + trailer <= slab.len() as u64;
    let known = |record: &Record| usize::from(record.origin) < stored.origins.len();
    if stored.records.is_empty() || !stored.records.iter().all(|record| fits(record) && known(record)) {
        return Err(DecodeError::Damaged);
    }
    Ok(Stored { slab, ..stored })
}

/// Writes a number, seven bits a byte.
pub(super) fn put_var(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_origin(out: &mut Vec<u8>, origin: &Origin) {
    match origin.peer.map(|peer| (peer.ip(), peer.port())) {
        None => out.push(0),
        Some((IpAddr::V4(ip), port)) => {
            out.push(4);
            out.extend_from_slice(&ip.octets());
            out.extend_from_slice(&port.to_le_bytes());
        }
        Some((IpAddr::V6(ip), port)) => {
            out.push(6);
            out.extend_from_slice(&ip.octets());
            out.extend_from_slice(&port.to_le_bytes());
        }
    }
    out.extend_from_slice(&origin.received.to_le_bytes());
}

/// Bytes that are taken off the front; nothing where there are too few.
pub(super) struct Cut<'p> {
    pub(super) bytes: &'p [u8],
    pub(super) at: usize,
}

impl Cut<'_> {
    pub(super) fn take(&mut self, len: usize) -> Option<&[u8]> {
        let taken = self.bytes.get(self.at..)?.get(..len)?;
        self.at += len;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn var(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    pub(super) fn text(&mut self) -> Option<String> {
        let len = usize::try_from(self.var()?).ok()?;
        self.take(len).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    fn origin(&mut self, device: DeviceId) -> Option<Origin> {
        let [family] = self.array()?;
        let ip = match family {
            0 => None,
            4 => Some(IpAddr::V4(Ipv4Addr::from(self.array::<4>()?))),
            6 => Some(IpAddr::V6(Ipv6Addr::from(self.array::<16>()?))),
            _ => return None,
        };
        let peer = match ip {
            None => None,
            Some(ip) => Some(SocketAddr::new(ip, u16::from_le_bytes(self.array()?))),
        };
        Some(Origin { device, peer, received: self.u64()? })
    }

    fn batch(&mut self, marks: u8, delimiter: u8) -> Option<Stored> {
        let identity = Identity { life: self.u64()?, stream: self.u64()? };
        let (first_seq, device) = (self.u64()?, DeviceId(self.u64()?));
        let name = self.text()?;
        let mut origins = Vec::new();
        for _ in 0..self.var()? {
            origins.push(self.origin(device)?);
        }
        let (delimited, flagged, several) = (marks & DELIMITED != 0, marks & FLAGGED != 0, origins.len() > 1);
        let (mut records, mut at) = (Vec::new(), 0u32);
        for _ in 0..self.var()? {
            let len = u32::try_from(self.var()?).ok()?;
            let skipped = if delimited { 0 } else { u32::try_from(self.var()?).ok()? };
            let origin = if several { u16::try_from(self.var()?).ok()? } else { 0 };
            let flags =
                if flagged { RecordFlags(u16::try_from(self.var()?).ok()?) } else { RecordFlags::default() };
            let offset = at.wrapping_add(skipped);
            at = offset.checked_add(len)?.checked_add(u32::from(delimited))?;
            records.push(Record { offset, len, origin, flags });
        }
        let layout = if delimited { Layout::Delimited(delimiter) } else { Layout::Scattered };
        Some(Stored { identity, device, name, first_seq, layout, records, origins, slab: Bytes::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::{Budget, Parts, StreamId};

    const IDENTITY: Identity = Identity { life: 7, stream: 3 };

    fn batch(slab: &'static str, layout: Layout, spans: &[(u32, u32, u16, u16)]) -> Batch {
        let origin = |peer: Option<&str>, received| Origin {
            device: DeviceId(5),
            peer: peer.map(|peer| peer.parse().expect("an address")),
            received,
        };
        Batch::seal(Parts {
            slab: Bytes::from_static(slab.as_bytes()),
            records: spans
                .iter()
                .map(|&(offset, len, origin, flags)| Record {
                    offset,
                    len,
                    origin,
                    flags: RecordFlags(flags),
                })
                .collect(),
            origins: vec![origin(None, 1), origin(Some("10.1.2.3:514"), 2), origin(Some("[fe80::1]:99"), 3)],
            stream: StreamId(3),
            first_seq: 1000,
            layout,
            hold: Budget::new(1 << 20).share().nothing(),
        })
    }

    fn round_trip(batch: &Batch) -> (Stored, usize) {
        let mut payload = Vec::new();
        let body = encode(batch, IDENTITY, "edge", &mut payload).to_vec();
        payload.extend_from_slice(&body);
        (decode(&Bytes::from(payload)).expect("decoded"), body.len())
    }

    fn same_events(batch: &Batch, stored: &Stored) {
        assert_eq!((stored.identity, stored.device, &*stored.name), (IDENTITY, DeviceId(5), "edge"));
        assert_eq!((stored.first_seq, stored.layout), (1000, batch.layout()));
        assert_eq!(stored.origins, batch.origins());
        for (n, record) in stored.records.iter().enumerate() {
            let range = record.offset as usize..(record.offset + record.len) as usize;
            assert_eq!(&stored.slab[range], batch.bytes(n as u32));
            let before = batch.records()[n];
            assert_eq!((record.origin, record.flags), (before.origin, before.flags));
        }
    }

    #[test]
    fn delimited_records_keep_their_bytes_and_delimiters() {
        let batch = batch(
            "head\none\ntwo\n\nrest",
            Layout::Delimited(b'\n'),
            &[(5, 3, 1, 0), (9, 3, 1, 0), (13, 0, 2, 0)],
        );
        let (stored, bytes) = round_trip(&batch);
        same_events(&batch, &stored);
        assert_eq!(bytes, "one\ntwo\n\n".len());
    }

    #[test]
    fn scattered_records_keep_flags_origins_and_what_follows_a_datagram() {
        let spans = [(2, 3, 0, 0), (7, 4, 1, RecordFlags::TRUNCATED.0), (12, 3, 2, RecordFlags::LINE_FEED.0)];
        let batch = batch("--one--twos-end\n--", Layout::Scattered, &spans);
        let (stored, bytes) = round_trip(&batch);
        same_events(&batch, &stored);
        assert_eq!(bytes, "one--twos-end\n".len());
    }

    #[test]
    fn records_may_lie_in_any_order() {
        let batch = batch("twoone", Layout::Scattered, &[(3, 3, 0, 0), (0, 3, 0, 0)]);
        same_events(&batch, &round_trip(&batch).0);
    }

    #[test]
    fn what_is_cut_or_of_a_later_format_is_refused() {
        let batch = batch("one\n", Layout::Delimited(b'\n'), &[(0, 3, 0, 0)]);
        let mut payload = Vec::new();
        let body = encode(&batch, IDENTITY, "edge", &mut payload).to_vec();
        payload.extend_from_slice(&body);
        for len in 0..payload.len() {
            let cut = Bytes::copy_from_slice(&payload[..len]);
            assert_eq!(decode(&cut), Err(DecodeError::Damaged), "{len} bytes");
        }
        payload[1] = 2;
        assert_eq!(decode(&Bytes::from(payload)), Err(DecodeError::Unknown { kind: KIND, format: 2 }));
    }
}
