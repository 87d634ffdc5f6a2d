//! Behaviour of the framer, on streams that are whole and in pieces.

use proptest::prelude::*;

use super::*;

/// A record as text, how it ended, in order.
type Records = Vec<(String, Ending)>;

fn lines(delimiter: &str) -> Framing {
    Framing::Delimiter(Delimiter::new(delimiter.as_bytes()).unwrap())
}

fn limit(max_message_bytes: u32) -> Limits {
    Limits { max_message_bytes }
}

/// Runs a stream through a framer in pieces of the given sizes (the last size repeats), as a connection
/// would.
fn run(
    framing: &Framing,
    limits: Limits,
    stream: &[u8],
    pieces: &[usize],
    at_most: usize,
) -> (Records, Counters, Option<FramingError>) {
    let mut framer = Framer::new(framing.clone(), limits);
    let mut records = Records::new();
    let mut buffer: Vec<u8> = Vec::new();
    let mut read = 0;
    let mut pieces = pieces.iter().copied().chain(std::iter::repeat(*pieces.last().unwrap()));
    let mut take = |buffer: &[u8], spans: &mut Vec<Span>| {
        for span in spans.drain(..) {
            assert!(span.len > 0 && span.len <= limits.max_message_bytes);
            records.push((String::from_utf8_lossy(&buffer[span.range()]).into_owned(), span.ending));
        }
    };
    let mut spans = Vec::new();
    while read < stream.len() {
        let end = (read + pieces.next().unwrap().max(1)).min(stream.len());
        buffer.extend_from_slice(&stream[read..end]);
        read = end;
        loop {
            let scan = match framer.scan(&buffer, at_most, &mut spans) {
                Ok(scan) => scan,
                Err(error) => return (records, framer.counters(), Some(error)),
            };
            assert!(spans.len() <= at_most);
            if scan.contiguous
                && let (Framing::Delimiter(delimiter), Some(first)) = (framing, spans.first())
            {
                let written: Vec<u8> = spans
                    .iter()
                    .flat_map(|span| [&buffer[span.range()], delimiter.as_bytes()].concat())
                    .collect();
                assert_eq!(written, buffer[first.offset as usize..scan.consumed]);
            }
            take(&buffer, &mut spans);
            buffer.drain(..scan.consumed);
            if !scan.more {
                break;
            }
        }
        let most = limits.max_message_bytes as usize + 32;
        assert!(buffer.len() <= most, "{} bytes are kept, more than {most}", buffer.len());
    }
    let error = framer.finish(&buffer, &mut spans).err();
    take(&buffer, &mut spans);
    (records, framer.counters(), error)
}

fn whole(framing: &Framing, limits: Limits, stream: &str) -> (Records, Counters, Option<FramingError>) {
    run(framing, limits, stream.as_bytes(), &[usize::MAX / 2], usize::MAX)
}

fn texts(records: &Records) -> Vec<&str> {
    records.iter().map(|(text, _)| text.as_str()).collect()
}

#[test]
fn lines_are_found_and_the_last_one_needs_no_delimiter() {
    let (records, counters, error) = whole(&lines("\n"), limit(100), "one\ntwo\r\nthree");
    assert_eq!(
        records,
        [
            ("one".into(), Ending::Whole),
            ("two\r".into(), Ending::Whole),
            ("three".into(), Ending::Unterminated)
        ]
    );
    assert_eq!(counters, Counters { unterminated: 1, ..Counters::default() });
    assert_eq!(error, None);
}

#[test]
fn a_run_of_lines_is_contiguous_and_an_empty_record_breaks_it() {
    let mut spans = Vec::new();
    let mut framer = Framer::new(lines("\n"), limit(100));
    assert_eq!(
        framer.scan(b"one\ntwo\nth", 9, &mut spans),
        Ok(Scan { consumed: 8, contiguous: true, more: false })
    );
    assert_eq!(
        framer.scan(b"three\n\nfour\n", 9, &mut spans),
        Ok(Scan { consumed: 12, contiguous: false, more: false })
    );
    assert_eq!((spans.len(), framer.counters().empty), (4, 1));
}

#[test]
fn a_scan_stops_at_the_number_of_records_asked_for_and_says_so() {
    let mut spans = Vec::new();
    let mut framer = Framer::new(lines("\n"), limit(100));
    assert_eq!(
        framer.scan(b"a\nb\nc\n", 2, &mut spans),
        Ok(Scan { consumed: 4, contiguous: true, more: true })
    );
    assert_eq!(framer.scan(b"c\n", 2, &mut spans), Ok(Scan { consumed: 2, contiguous: true, more: false }));
    assert_eq!(spans.len(), 3);
}

#[test]
fn a_message_over_the_limit_is_cut_and_the_next_one_is_whole() {
    for pieces in [1, 2, 3, 7, 100] {
        let (records, counters, _) =
            run(&lines("\r\n"), limit(4), b"12345678\r\nab\r\n1234\r\n12345", &[pieces], 9);
        assert_eq!(texts(&records), ["1234", "ab", "1234", "1234"]);
        assert_eq!(records[0].1, Ending::Truncated);
        assert_eq!((counters.truncated, counters.discarded_bytes), (2, 5));
    }
}

#[test]
fn octet_counts_are_read_and_trailers_between_messages_are_passed_over() {
    let (records, _, error) = whole(&Framing::Octet, limit(100), "3 one\n4 t\nwo5 thr");
    assert_eq!(
        records,
        [
            ("one".into(), Ending::Whole),
            ("t\nwo".into(), Ending::Whole),
            ("thr".into(), Ending::Unterminated)
        ]
    );
    assert_eq!(error, None);
}

#[test]
fn a_wrong_octet_count_ends_the_stream_after_the_records_before_it() {
    let (records, _, error) = whole(&Framing::Octet, limit(100), "3 one<13>two\n");
    assert_eq!(texts(&records), ["one"]);
    assert_eq!(
        error.unwrap().to_string(),
        "octet count expected at byte 5 of the stream, found \"<13>two\\n\"; \
         let the sender count octets, or set framing to delimiter"
    );
}

#[test]
fn an_octet_counted_message_over_the_limit_is_cut_and_counted() {
    let (records, counters, _) = run(&Framing::Octet, limit(4), b"9 1234567892 ab", &[2], 9);
    assert_eq!(records, [("1234".into(), Ending::Truncated), ("ab".into(), Ending::Whole)]);
    assert_eq!((counters.truncated, counters.discarded_bytes), (1, 5));
}

#[test]
fn detection_waits_for_the_whole_signature() {
    let mut spans = Vec::new();
    let mut framer = Framer::new(Framing::Detect, limit(100));
    for piece in ["1", "12", "12 ", "12 <", "12 <34", "12 <34>"] {
        let scan = framer.scan(piece.as_bytes(), 9, &mut spans).unwrap();
        assert_eq!((scan.consumed, spans.len()), (0, 0), "{piece}");
    }
    let scan = framer.scan(b"12 <34>messages", 9, &mut spans).unwrap();
    assert_eq!((scan.consumed, spans.len()), (15, 1));
}

#[test]
fn a_leading_digit_alone_is_no_octet_count() {
    let stream = "2026-11-21 a line\n12 monkeys\n7 <no priority>\n";
    let (records, counters, _) = whole(&Framing::Detect, limit(100), stream);
    assert_eq!(texts(&records), stream.lines().collect::<Vec<_>>());
    assert_eq!(counters, Counters::default());
}

#[test]
fn detection_takes_the_first_trailer_of_the_stream_as_the_stream_s_own() {
    let (records, ..) = whole(&Framing::Detect, limit(100), "<1>a\nb\0\n<1>c\n");
    assert_eq!(texts(&records), ["<1>a", "b\0", "<1>c"]);
    let (records, ..) = whole(&Framing::Detect, limit(100), "<1>a\0<1>c\nd\0");
    assert_eq!(texts(&records), ["<1>a", "<1>c\nd"]);
}

#[test]
fn the_delimiter_of_a_detected_stream_is_told_once_it_is_known() {
    let mut spans = Vec::new();
    let mut framer = Framer::new(Framing::Detect, limit(100));
    assert_eq!(framer.delimiter(), None);
    framer.scan(b"<1>a", 9, &mut spans).unwrap();
    assert_eq!(framer.delimiter(), None);
    let scan = framer.scan(b"<1>a\0<1>b\0", 9, &mut spans).unwrap();
    assert_eq!((framer.delimiter(), scan.contiguous), (Some(&b"\0"[..]), true));
}

#[test]
fn detection_survives_a_wrong_octet_count_and_loses_nothing() {
    let stream = b"5 <1>ab3 <1>cd6 <1>efg8 lost\n5 <1>hi";
    for pieces in 1..stream.len() {
        let (records, counters, error) = run(&Framing::Detect, limit(100), stream, &[pieces], 9);
        assert_eq!(
            texts(&records),
            ["<1>ab", "<1>", "cd", "<1>efg", "8 lost", "<1>hi"],
            "pieces of {pieces}"
        );
        assert_eq!((counters.resynchronised, error), (2, None));
    }
}

#[test]
fn a_lost_piece_without_end_stays_within_the_limit() {
    let stream = format!("5 <1>ab{}5 <1>cd", "x".repeat(1000));
    for pieces in [1, 10, 50, 5000] {
        let (records, counters, _) = run(&Framing::Detect, limit(20), stream.as_bytes(), &[pieces], 9);
        assert_eq!(texts(&records), ["<1>ab", "xxxxxxxxxxxxxxxxxxxx", "<1>cd"]);
        assert_eq!((counters.resynchronised, counters.truncated, counters.discarded_bytes), (1, 1, 980));
    }
}

/// Streams rich in what framing looks at.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        Just("\n".to_owned()),
        Just("\r\n".to_owned()),
        Just("\0".to_owned()),
        Just("<13>".to_owned()),
        Just("5 <1>ab".to_owned()),
        Just("12 <191>message".to_owned()),
        Just("x".repeat(30)),
        "[0-9]{1,11}",
        "[a-z0-9 <>]{0,6}",
    ];
    prop::collection::vec(token, 0..30).prop_map(|tokens| tokens.concat().into_bytes())
}

fn framings() -> impl Strategy<Value = Framing> {
    prop_oneof![
        Just(lines("\n")),
        Just(lines("\r\n")),
        Just(lines("xx")),
        Just(Framing::Octet),
        Just(Framing::Detect),
    ]
}

proptest! {
    #[test]
    fn any_split_of_a_stream_gives_the_records_of_the_whole(
        stream in streams(),
        framing in framings(),
        most in 1u32..40,
        pieces in prop::collection::vec(1usize..12, 1..20),
        at_most in 1usize..4,
    ) {
        // What an error quotes depends on how much has come; where it is does not.
        let place = |error: Option<FramingError>| match error {
            Some(FramingError::BadOctetCount { position, .. }) => Some((false, position)),
            Some(FramingError::EndedInOctetCount { position, .. }) => Some((true, position)),
            None => None,
        };
        let (records, counters, error) = run(&framing, limit(most), &stream, &[stream.len().max(1)], usize::MAX);
        let split = run(&framing, limit(most), &stream, &pieces, at_most);
        prop_assert_eq!((records, counters, place(error)), (split.0, split.1, place(split.2)));
    }

    #[test]
    fn any_bytes_are_framed_without_panic(stream in prop::collection::vec(any::<u8>(), 0..300), framing in framings(), pieces in 1usize..300) {
        run(&framing, limit(50), &stream, &[pieces], 3);
    }

    #[test]
    fn every_byte_of_a_detected_stream_is_a_record_s_a_delimiter_s_or_counted(stream in streams(), most in 1u32..40) {
        let (records, counters, error) = run(&Framing::Detect, limit(most), &stream, &[5], 7);
        prop_assert_eq!(error, None);
        let content = |bytes: &[u8]| bytes.iter().filter(|byte| byte.is_ascii_lowercase()).count();
        let kept: usize = records.iter().map(|(text, _)| content(text.as_bytes())).sum();
        prop_assert!(kept <= content(&stream));
        prop_assert!(kept as u64 + counters.discarded_bytes >= content(&stream) as u64);
    }
}
