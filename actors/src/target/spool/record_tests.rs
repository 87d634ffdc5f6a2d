use super::*;
use crate::target::events::Events;
use crate::target::rig::Rig;
use event::Budget;

const STAMP: Stamp = Stamp { branch: BranchId(7), deliveries_before: 11, bytes_before: 13, process: 17 };

fn there_and_back(payload: &Payload, first: u32) -> (Outgoing, Incoming) {
    let out = Outgoing::new(payload, first, &STAMP);
    let bytes = Bytes::from([&out.head[..], &out.body[..]].concat());
    assert_eq!(Incoming::sums(&bytes), Some((11, 13)));
    let hold = Budget::new(1 << 20).share().nothing();
    let back = Incoming::read(bytes, 17, hold).expect("a record");
    assert_eq!((back.stamp, back.bytes, back.deliveries), (STAMP, out.bytes(), out.deliveries));
    (out, back)
}

fn events(payload: &Payload, first: u32) -> Vec<(u32, Vec<u8>, Origin, bool)> {
    let all = Events::new(payload, first);
    all.map(|e| (e.record - first, e.bytes.to_vec(), *e.origin, e.encoded)).collect()
}

#[test]
fn records_come_back_as_they_were_in_one_piece() {
    let delivery = Rig::new().deliver(&[b"one", b"", b"three"]);
    for first in 0..3 {
        let (out, back) = there_and_back(&delivery.payload, first);
        assert_eq!(events(&back.payload, 0), events(&delivery.payload, first));
        assert_eq!(out.deliveries, 3 - first);
        let batch = back.payload.batch();
        assert_eq!(batch.first_seq(), delivery.payload.batch().first_seq() + u64::from(first));
        assert!(batch.delimited(0..batch.len(), b'\n').is_some(), "it can be written in one piece");
    }
}

#[test]
fn records_that_lie_anywhere_come_back_with_their_origins_and_flags() {
    let peer = |text: &str| Some(text.parse().expect("an address"));
    let origin = |peer, received| Origin { device: DeviceId(3), peer, received };
    let record = |offset, len, origin, flags| Record { offset, len, origin, flags };
    let batch = Batch::seal(Parts {
        slab: Bytes::from_static(b"--second--first"),
        records: vec![
            record(10, 5, 1, RecordFlags::TRUNCATED),
            record(2, 6, 0, RecordFlags::default()),
            record(2, 0, 2, RecordFlags::LINE_FEED),
        ],
        origins: vec![origin(peer("10.0.0.1:5"), 1), origin(peer("[::2]:6"), 2), origin(None, 3)],
        stream: StreamId(5),
        first_seq: 100,
        layout: Layout::Scattered,
        hold: Budget::new(1 << 20).share().nothing(),
    });
    let payload = Payload::Raw(batch.clone());
    let (_, back) = there_and_back(&payload, 0);
    assert_eq!(events(&back.payload, 0), events(&payload, 0));
    let flags = |batch: &Batch| batch.records().iter().map(|r| r.flags).collect::<Vec<_>>();
    assert_eq!(flags(back.payload.batch()), flags(&batch));
    assert_eq!(back.payload.batch().stream(), StreamId(5));
}

#[test]
fn what_pipelines_made_comes_back_with_the_records_it_was_made_of() {
    let mut rig = Rig::new();
    let delivery =
        rig.deliver_encoded(&[b"a", b"b", b"c", b"d"], &[(0, b"1"), (2, b"2"), (2, b"33"), (3, b"4")]);
    for (first, deliveries) in [(0, 3), (1, 2), (3, 1)] {
        let (out, back) = there_and_back(&delivery.payload, first);
        assert_eq!(events(&back.payload, 0), events(&delivery.payload, first));
        assert_eq!(out.deliveries, deliveries);
        assert_eq!(super::deliveries(&delivery.payload, first, 4), deliveries);
        let Payload::Encoded(encoded) = &back.payload else { panic!("it was encoded") };
        assert!(encoded.delimited_from(0, b'\n').is_some(), "it can be written in one piece");
    }
}

#[test]
fn a_stream_of_another_process_is_no_stream_of_this_one() {
    let delivery = Rig::new().deliver(&[b"one"]);
    let out = Outgoing::new(&delivery.payload, 0, &STAMP);
    let bytes = Bytes::from([&out.head[..], &out.body[..]].concat());
    let hold = Budget::new(1 << 20).share().nothing();
    let back = Incoming::read(bytes, 18, hold).expect("a record");
    assert!(back.payload.batch().stream().0 > 1 << 62);
}

#[test]
fn bytes_that_are_no_record_are_refused_and_never_panic() {
    let mut rig = Rig::new();
    let deliveries =
        [rig.deliver(&[b"one", b"two"]), rig.deliver_encoded(&[b"a", b"b"], &[(0, b"1"), (1, b"2")])];
    for delivery in &deliveries {
        let out = Outgoing::new(&delivery.payload, 0, &STAMP);
        let whole = [&out.head[..], &out.body[..]].concat();
        let share = Budget::new(1 << 20).share();
        for at in 0..whole.len() {
            let cut = Bytes::copy_from_slice(&whole[..at]);
            assert!(Incoming::read(cut, 17, share.nothing()).is_err(), "cut at {at}");
            for bit in 0..8 {
                let mut flipped = whole.clone();
                flipped[at] ^= 1 << bit;
                let _ = Incoming::read(flipped.into(), 17, share.nothing());
            }
        }
    }
    let newer = Bytes::from_static(&[2; 100]);
    let hold = Budget::new(1 << 20).share().nothing();
    assert_eq!(Incoming::read(newer, 17, hold).unwrap_err(), Malformed::Version(2));
}
