use super::*;
use crate::target::file::name::NameParts;
use crate::target::rig::Rig;
use jiff::tz::TimeZone;
use seams::{Operation, Rng, SimulatedClock, SimulatedDisk, read_file};
use std::io::{ErrorKind, Read};
use std::time::Duration;

/// The files of a target on a simulated disk.
struct House {
    rig: Rig,
    disk: SimulatedDisk,
    hand: SimulatedClock,
    settings: FileSettings,
    files: Files,
}

fn settings(name: &str) -> FileSettings {
    let parts = NameParts { format: "raw", extension: "log", compression: "none", target: "out" };
    FileSettings {
        location: "/out".into(),
        name: NameTemplate::compile(name, &parts, TimeZone::UTC).unwrap(),
        extension: "log".to_owned(),
        layout: Layout::Lines,
        rendering: Rendering::Unchanged,
        compression: Compression::None,
        rotate_bytes: 1 << 20,
        rotate_events: 1000,
        no_buffer: false,
    }
}

impl House {
    fn new(settings: FileSettings) -> Self {
        let (disk, hand) = (SimulatedDisk::new(Rng::seeded(7)), SimulatedClock::new());
        let rig = Rig::new();
        let files = open(&rig, &settings, &disk, &hand);
        Self { rig, disk, hand, settings, files }
    }

    /// The next process begins, on this disk.
    fn begin_again(&mut self, disk: SimulatedDisk) {
        self.files = open(&self.rig, &self.settings, &disk, &self.hand);
        self.disk = disk;
    }

    fn write(&mut self, records: &[&str]) -> Result<(), FileTrouble> {
        let records: Vec<&[u8]> = records.iter().map(|r| r.as_bytes()).collect();
        let mut waiting = VecDeque::from([self.rig.deliver(&records)]);
        self.files.write(&mut waiting)
    }

    /// All files with their content, in the order of their names.
    fn found(&self) -> Vec<(String, String)> {
        let mut names: Vec<String> =
            self.disk.list(Path::new("/out")).unwrap_or_default().into_iter().map(|e| e.name).collect();
        names.sort();
        let content = |name: &String| {
            String::from_utf8(read_file(&self.disk, &Path::new("/out").join(name)).unwrap()).unwrap()
        };
        names.iter().map(|name| (name.clone(), content(name))).collect()
    }

    fn content(&self) -> String {
        let found = self.found();
        assert_eq!(found.len(), 1, "{found:?}");
        found[0].1.clone()
    }
}

fn open(rig: &Rig, settings: &FileSettings, disk: &SimulatedDisk, hand: &SimulatedClock) -> Files {
    Files::new(Arc::clone(&rig.target), settings.clone(), Arc::new(disk.clone()), hand.clone().clock())
}

#[test]
fn lines_are_written_in_order_and_settled() {
    let mut house = House::new(settings("out.log"));
    house.write(&["one", "two"]).unwrap();
    house.write(&["three"]).unwrap();
    assert_eq!(house.content(), "one\ntwo\nthree\n");
    assert_eq!((house.rig.delivered(), house.rig.target.flow.held()), (3, 0));
}

#[test]
fn received_bytes_become_json_lines_unless_raw_is_asked_for() {
    let mut json = settings("out.log");
    json.rendering = Rendering::Json;
    let mut house = House::new(json);
    house.write(&["a\"b"]).unwrap();
    assert_eq!(house.content(), "{\"epoch\":1700000000,\"message\":\"a\\\"b\"}\n");
}

#[test]
fn a_full_disk_keeps_events_waiting_and_leaves_no_half_line() {
    let mut house = House::new(settings("out.log"));
    house.write(&["first"]).unwrap();
    house.disk.set_capacity(10);
    let records: Vec<&[u8]> = vec![b"second", b"third"];
    let mut waiting = VecDeque::from([house.rig.deliver(&records)]);
    for _ in 0..3 {
        let trouble = house.files.write(&mut waiting).unwrap_err();
        assert_eq!(trouble.source.kind(), ErrorKind::StorageFull);
        assert!(trouble.to_string().contains("/out/out.log"), "{trouble}");
        assert_eq!(house.content(), "first\n");
        assert_eq!((house.rig.delivered(), house.rig.target.flow.held()), (1, 2));
    }
    house.disk.set_capacity(1 << 30);
    house.files.write(&mut waiting).unwrap();
    assert_eq!(house.content(), "first\nsecond\nthird\n");
    assert_eq!((house.rig.delivered(), house.rig.target.flow.held()), (3, 0));
}

#[test]
fn a_write_that_fails_and_cannot_be_cut_off_at_once_is_cut_off_before_the_next() {
    let mut house = House::new(settings("out.log"));
    house.write(&["first"]).unwrap();
    house.disk.fail_next(Operation::WriteAt, 1, ErrorKind::StorageFull);
    house.disk.fail_next(Operation::SetLen, 1, ErrorKind::Other);
    let mut waiting = VecDeque::from([house.rig.deliver(&[b"second"])]);
    assert!(house.files.write(&mut waiting).is_err());
    house.files.write(&mut waiting).unwrap();
    assert_eq!(house.content(), "first\nsecond\n");
}

#[test]
fn a_file_is_complete_at_its_number_of_events() {
    let mut by_events = settings("out.log");
    by_events.rotate_events = 2;
    let mut house = House::new(by_events);
    house.write(&["1", "2", "3", "4", "5"]).unwrap();
    let contents: Vec<String> = house.found().into_iter().map(|(_, content)| content).collect();
    assert_eq!(contents, ["1\n2\n", "3\n4\n", "5\n"]);
    let names: Vec<String> = house.found().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["out.1700000000000000000.log", "out.1700000000000000001.log", "out.log"]);
    assert_eq!(house.rig.delivered(), 5);
}

#[test]
fn a_file_never_grows_beyond_its_size_unless_one_event_does() {
    let mut by_size = settings("out.{{.Timestamp}}.log");
    by_size.rotate_bytes = 10;
    let mut house = House::new(by_size);
    house.write(&["1234", "1234", "1", "123456789012345", "1"]).unwrap();
    let contents: Vec<String> = house.found().into_iter().map(|(_, content)| content).collect();
    assert_eq!(contents, ["1234\n1234\n", "1\n", "123456789012345\n", "1\n"]);
}

#[test]
fn a_day_that_is_over_completes_its_file() {
    let mut house = House::new(settings("{{.Year}}-{{.Month}}-{{.Day}}.log"));
    house.write(&["today"]).unwrap();
    house.hand.advance(Duration::from_secs(86_400));
    house.write(&["tomorrow"]).unwrap();
    let expected = [("2023-11-14.log", "today\n"), ("2023-11-15.log", "tomorrow\n")];
    assert_eq!(house.found(), expected.map(|(name, content)| (name.to_owned(), content.to_owned())));
}

#[test]
fn an_array_is_valid_after_every_write_and_over_restarts() {
    let mut array = settings("out.log");
    (array.layout, array.rendering) = (Layout::Array, Rendering::Json);
    let mut house = House::new(array);
    for n in 1..=3 {
        house.write(&["x", "y"]).unwrap();
        let elements: Vec<serde_json::Value> = serde_json::from_str(&house.content()).unwrap();
        assert_eq!(elements.len(), 2 * n);
        house.files.close().unwrap();
        let disk = house.disk.process_killed();
        house.begin_again(disk);
    }
}

#[test]
fn half_a_line_of_a_process_that_was_killed_is_cut_at_the_next_start() {
    for name in ["out.log", "out.{{.Timestamp}}.log"] {
        let mut house = House::new(settings(name));
        house.write(&["first"]).unwrap();
        house.disk.stop_at(house.disk.operations() + 1);
        let _ = house.write(&["a long second line", "a third"]);
        let disk = house.disk.process_killed();
        house.hand.advance(Duration::from_secs(1));
        house.begin_again(disk);
        house.write(&["after"]).unwrap();
        for (name, content) in house.found() {
            assert!(content.ends_with('\n'), "{name}: {content}");
            for line in content.lines() {
                assert!(
                    ["first", "a long second line", "a third", "after"].contains(&line),
                    "{name}: {line}"
                );
            }
        }
    }
}

#[test]
fn compressed_files_are_readable_after_every_write_and_hold_whole_lines_only() {
    for compression in [Compression::Gzip, Compression::Zstd] {
        let mut compressed = settings("out.log");
        compressed.compression = compression;
        let mut house = House::new(compressed);
        house.write(&["one"]).unwrap();
        house.disk.fail_next(Operation::WriteAt, 1, ErrorKind::StorageFull);
        let mut waiting = VecDeque::from([house.rig.deliver(&[b"two"])]);
        assert!(house.files.write(&mut waiting).is_err());
        house.files.write(&mut waiting).unwrap();
        let bytes = read_file(&house.disk, Path::new("/out/out.log")).unwrap();
        let mut text = String::new();
        match compression {
            Compression::Zstd => zstd::Decoder::new(&bytes[..]).unwrap().read_to_string(&mut text).unwrap(),
            _ => flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap(),
        };
        assert_eq!(text, "one\ntwo\n");
        // Who knows whether the last frame of an earlier process is whole: it is not continued.
        let disk = house.disk.process_killed();
        house.begin_again(disk);
        house.write(&["three"]).unwrap();
        assert_eq!(house.disk.list(Path::new("/out")).unwrap().len(), 2);
    }
}

#[test]
fn a_file_that_was_renamed_removed_or_emptied_is_opened_anew() {
    let mut house = House::new(settings("out.log"));
    let path = Path::new("/out/out.log");
    house.write(&["renamed"]).unwrap();
    house.disk.rename(path, Path::new("/out/out.log.1")).unwrap();
    house.hand.advance(Duration::from_secs(2));
    house.write(&["removed"]).unwrap();
    assert_eq!(read_file(&house.disk, path).unwrap(), b"removed\n");
    house.disk.remove(path).unwrap();
    house.hand.advance(Duration::from_secs(2));
    house.write(&["emptied"]).unwrap();
    assert_eq!(read_file(&house.disk, path).unwrap(), b"emptied\n");
    house.disk.open(path, OpenMode::Write).unwrap().set_len(0).unwrap();
    house.write(&["last"]).unwrap();
    assert_eq!(read_file(&house.disk, path).unwrap(), b"last\n", "without a hole");
}

#[test]
fn what_was_dispatched_again_is_written_by_its_new_claim_only() {
    let mut house = House::new(settings("out.log"));
    let mut waiting = VecDeque::from([house.rig.deliver(&[b"once"])]);
    house.rig.replace_sender();
    waiting.extend(house.rig.dispatched());
    house.files.write(&mut waiting).unwrap();
    assert_eq!(house.content(), "once\n");
    assert_eq!((house.rig.delivered(), house.rig.device.held()), (1, 0));
}

#[test]
fn events_that_a_pipeline_made_of_one_record_stay_together() {
    let mut by_events = settings("out.{{.Timestamp}}.log");
    by_events.rotate_events = 2;
    let mut house = House::new(by_events);
    let events: [(u32, &[u8]); 4] = [(0, b"a"), (2, b"b"), (2, b"c"), (3, b"d")];
    let delivery = house.rig.deliver_encoded(&[b"0", b"1", b"2", b"3", b"4"], &events);
    house.files.write(&mut VecDeque::from([delivery])).unwrap();
    let contents: Vec<String> = house.found().into_iter().map(|(_, content)| content).collect();
    assert_eq!(contents, ["a\n", "b\nc\n", "d\n"]);
    assert_eq!((house.rig.delivered(), house.rig.target.flow.held()), (5, 0));
}

#[test]
fn a_file_without_events_is_removed_when_it_is_closed() {
    let mut house = House::new(settings("out.log"));
    house.disk.fail_next(Operation::WriteAt, 1, ErrorKind::StorageFull);
    assert!(house.write(&["lost with the test"]).is_err());
    assert_eq!(house.found().len(), 1);
    house.files.close().unwrap();
    assert!(house.found().is_empty());
}

#[test]
fn without_a_buffer_every_delivery_is_a_write() {
    for (no_buffer, writes) in [(true, 3), (false, 1)] {
        let mut house = House::new(FileSettings { no_buffer, ..settings("out.log") });
        let mut waiting: VecDeque<_> = (0..3).map(|_| house.rig.deliver(&[b"x"])).collect();
        house.files.write(&mut waiting).unwrap();
        assert_eq!(house.disk.operations_of(Operation::WriteAt), writes);
    }
}
