//! The journal's segments and cursors on a simulated disk: appends, syncs, releases, cuts; writes that tear, syncs that fail, a
//! disk that is full, power cuts in the middle of any call.
//!
//! The world remembers what every append was given and what was durable. After each beginning it looks at all that is
//! there: nothing durable is missing, nothing was invented, what is missing is told as a gap. After a crash it takes what it found
//! for the truth.

use super::bugs::Bug;
use super::trace::{Trace, note};
use super::world::{Broken, Kept, World, promise};
use journal::{
    AppendError, Compression, CursorId, Environment, Journal, Options, Position, Read, Recovery, StartAt,
    SyncError,
};
use seams::{Disk, Operation, Rng, SimulatedClock, SimulatedDisk};
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const SEGMENT: u64 = 8192;
/// Where the records of a segment begin.
const RECORDS_AT: u64 = 4096;
const CURSORS: [&str; 2] = ["one", "two"];

/// See the module.
pub struct SegmentsWorld {
    disk: SimulatedDisk,
    time: SimulatedClock,
    chance: Rng,
    options: Options,
    /// None while it can't be opened.
    life: Option<Life>,
    /// Appended, and not released, cut or lost in a crash that may lose it.
    must: BTreeMap<u64, Vec<u8>>,
    /// What a cut that failed may have taken.
    uncertain: BTreeMap<u64, Vec<u8>>,
    /// All that was ever given to an append, by the position that it would have had.
    may: BTreeMap<u64, BTreeSet<Vec<u8>>>,
    durable: u64,
    settled: [BTreeSet<u64>; 2],
    appends: u64,
    /// Bits that were turned over: so many records may be damaged.
    flips: u64,
    /// Records that are known to be damaged.
    damaged: u64,
    bug: Option<Bug>,
}

/// What was read, how many records were told to be missing, and whether the end was reached.
struct Contents {
    found: BTreeMap<u64, Vec<u8>>,
    told: u64,
    complete: bool,
}

struct Life {
    journal: Journal,
    cursors: [CursorId; 2],
}

/// What can happen.
#[derive(Clone, Debug)]
pub enum Step {
    /// Records of these lengths are appended.
    Appends(Vec<u16>),
    /// What was appended is synced.
    Syncs,
    /// A cursor settles some positions, a little ahead of its watermark.
    Settles {
        /// Which one.
        cursor: u64,
        /// So far ahead.
        ahead: u64,
        /// So many.
        positions: u64,
    },
    /// Cursors are made durable.
    Persists,
    /// Segments that all cursors have settled are given back.
    Releases,
    /// Segments are laid out ahead.
    Prepares,
    /// The last records are cut off.
    Cuts(u64),
    /// Days pass, and what is old is dropped.
    Ages(u64),
    /// All of it is read.
    Reads,
    /// One of the next calls to the disk fails.
    Fails {
        /// How many calls from now.
        call: u64,
        /// Because the disk is full.
        full: bool,
    },
    /// The next syncs fail.
    FailsToSync(u64),
    /// The disk has room for so many more segments.
    Room(u64),
    /// The machine stops in one of the next calls.
    Stops(u64),
    /// The process ends: it is killed, or the power is cut.
    Crashes {
        /// The power is cut.
        power: bool,
    },
    /// A bit of a segment turns over while nobody looks.
    Flips {
        /// In which file.
        file: u64,
        /// Which byte.
        byte: u64,
    },
}

fn folder() -> PathBuf {
    PathBuf::from("/journal")
}

impl SegmentsWorld {
    /// Opens it. Where a fault keeps it from being opened, it is tried again later.
    fn open(&mut self, trace: &mut Trace) -> Option<Recovery> {
        let environment = Environment {
            disk: Arc::new(self.disk.clone()),
            clock: self.time.clock(),
            rng: self.chance.fork("salt"),
        };
        let opened = Journal::open(environment, &folder(), self.options.clone());
        let (journal, recovery) = match opened {
            Ok(opened) => opened,
            Err(_) => {
                note!(trace, "can't be opened");
                return None;
            }
        };
        let cursor = |name| journal.open_cursor(name, StartAt::Oldest).ok();
        let cursors = (cursor(CURSORS[0])?, cursor(CURSORS[1])?).into();
        self.life = Some(Life { journal, cursors });
        Some(recovery)
    }

    /// All that is there. What is missing in between has to be told.
    fn contents(&mut self) -> Result<Contents, Broken> {
        let (mut found, mut told, mut complete) = (BTreeMap::new(), 0, false);
        let Some(life) = &self.life else { return Ok(Contents { found, told, complete }) };
        let mut reader = life.journal.read_from(life.journal.records().start);
        let mut next = reader.position();
        let mut skip = false;
        while let Ok(read) = reader.next() {
            match read {
                Read::Record(_) if std::mem::take(&mut skip) => {}
                Read::Record(record) => {
                    promise!(
                        "what is missing is told",
                        record.position == next,
                        "{} comes after {next}, and no gap was told",
                        record.position
                    );
                    next = record.position.next();
                    found.insert(record.position.0, record.payload.to_vec());
                }
                Read::Gap(gap) => {
                    promise!(
                        "what is missing is told",
                        gap.from == next && gap.to > next,
                        "{gap:?} after {next}"
                    );
                    next = gap.to;
                    told += gap.records();
                    skip = self.bug == Some(Bug::SkipsAfterATornRecord);
                }
                Read::CaughtUp => {
                    complete = true;
                    break;
                }
            }
        }
        Ok(Contents { found, told, complete })
    }

    /// What is there after a beginning, against what has to be.
    fn compare(&mut self, power: bool, trace: &mut Trace) -> Kept {
        let Contents { found, complete, .. } = self.contents()?;
        promise!("a healthy disk is read to the end", complete, "reading failed");
        let Some(life) = &self.life else { return Ok(()) };
        let records = life.journal.records();
        note!(trace, "{} to {}, {} read", records.start, records.end, found.len());
        for (position, bytes) in &found {
            let known = self.may.get(position).is_some_and(|may| may.contains(bytes));
            promise!("nothing is invented", known, "position {position} holds what nobody appended there");
        }
        let needed = |position: &u64| self.settled.iter().any(|settled| !settled.contains(position));
        let mut missing = Vec::new();
        for (position, bytes) in &self.must {
            let kept = !power || *position < self.durable;
            if kept && needed(position) && found.get(position) != Some(bytes) {
                missing.push(*position);
            }
        }
        promise!(
            "P1: what was durable survives",
            missing.len() as u64 <= self.flips,
            "{missing:?} are missing of {} to {}, durable before {}, {} bits turned over",
            records.start,
            records.end,
            self.durable,
            self.flips
        );
        for (cursor, settled) in life.cursors.iter().zip(&mut self.settled) {
            let positions = records.start.0..records.end.0;
            let now: BTreeSet<u64> =
                positions.filter(|at| life.journal.is_settled(*cursor, Position(*at))).collect();
            let more: Vec<&u64> = now.difference(settled).collect();
            // What can't be read any more counts as settled where it was cut out of the segment.
            promise!(
                "P1: a cursor settles nothing by itself",
                more.len() as u64 <= self.flips,
                "{more:?} are settled, and nobody did that"
            );
            *settled = (0..records.start.0).chain(now).collect();
        }
        self.damaged += missing.len() as u64;
        self.must = found;
        self.uncertain.clear();
        self.durable = self.durable.min(records.end.0);
        Ok(())
    }

    fn appends(&mut self, lengths: &[u16], trace: &mut Trace) -> Kept {
        let Some(life) = &self.life else { return Ok(()) };
        let first = life.journal.records().end.0;
        let mut batch = Vec::new();
        for (position, len) in (first..).zip(lengths) {
            // Half of it compresses, half does not; no two are the same.
            let mut bytes = vec![b'x'; usize::from(*len) / 2];
            bytes.resize(usize::from(*len), 0);
            self.chance.fill(&mut bytes[usize::from(*len) / 2..]);
            bytes.extend_from_slice(&self.appends.to_le_bytes());
            self.appends += 1;
            self.may.entry(position).or_default().insert(bytes.clone());
            batch.push(bytes);
        }
        let parts: Vec<[&[u8]; 2]> = batch.iter().map(|bytes| [&bytes[..3], &bytes[3..]]).collect();
        let parts: Vec<journal::Parts<'_>> = parts.iter().map(|parts| &parts[..]).collect();
        match life.journal.append(&parts) {
            Ok(appended) => {
                promise!(
                    "positions have no gaps",
                    (appended.first.0, appended.next.0) == (first, first + lengths.len() as u64),
                    "{appended:?} after {first}"
                );
                self.must.extend((first..).zip(batch));
                if self.bug == Some(Bug::AcknowledgesBeforeTheSync) {
                    self.durable = appended.next.0;
                }
                note!(trace, "at {first}");
            }
            Err(AppendError::Full { .. }) => note!(trace, "no room"),
            Err(_) => note!(trace, "failed"),
        }
        Ok(())
    }

    fn syncs(&mut self, trace: &mut Trace) -> Kept {
        let Some(life) = &self.life else { return Ok(()) };
        match life.journal.sync() {
            Ok(durable) => {
                promise!(
                    "a sync covers what was appended before",
                    durable == life.journal.records().end,
                    "durable before {durable}"
                );
                self.durable = durable.0;
                note!(trace, "durable before {durable}");
            }
            Err(SyncError::Disk(_)) => note!(trace, "failed"),
            Err(SyncError::Lost(gap)) => {
                let lost = (gap.from.0..gap.to.0).filter(|at| self.must.remove(at).is_some()).count() as u64;
                promise!("P1: a failed sync loses nothing", lost <= self.flips, "{gap:?}");
                note!(trace, "{lost} damaged");
            }
        }
        Ok(())
    }

    fn settles(&mut self, which: usize, ahead: u64, positions: u64) {
        let Some(life) = &self.life else { return };
        let from = life.journal.watermark(life.cursors[which]).0 + ahead;
        let to = (from + positions).min(life.journal.records().end.0);
        if from < to {
            self.settled[which].extend(from..to);
            life.journal.settle(life.cursors[which], Position(from)..Position(to));
        }
    }

    fn cuts(&mut self, records: u64, trace: &mut Trace) {
        let Some(life) = &self.life else { return };
        let all = life.journal.records();
        let position = all.end.0.saturating_sub(records).max(all.start.0);
        let cut = self.must.split_off(&position);
        self.durable = self.durable.min(position);
        if life.journal.cut_suffix(Position(position)).is_ok() {
            self.settled.iter_mut().for_each(|settled| settled.retain(|at| *at < position));
            note!(trace, "ends at {position}");
        } else {
            self.uncertain.extend(cut);
            note!(trace, "failed");
        }
    }

    /// What was given back has to be settled by every cursor.
    fn gone(&mut self, expired: bool) -> Kept {
        let Some(life) = &self.life else { return Ok(()) };
        let start = life.journal.records().start.0;
        let gone: Vec<u64> = self.must.range(..start).map(|(at, _)| *at).collect();
        let early: Vec<&u64> =
            gone.iter().filter(|at| self.settled.iter().any(|settled| !settled.contains(at))).collect();
        promise!("P1: only what is settled is given back", expired || early.is_empty(), "{early:?}");
        for at in gone {
            self.must.remove(&at);
            self.settled.iter_mut().for_each(|settled| _ = settled.insert(at));
        }
        Ok(())
    }

    fn reads(&mut self) -> Kept {
        let Contents { found, told, complete } = self.contents()?;
        if !complete {
            return Ok(());
        }
        let missing = self.must.keys().filter(|at| !found.contains_key(at)).count() as u64;
        promise!(
            "damage costs the record that it is in",
            missing <= self.flips,
            "{missing} are missing, {told} told, {} bits turned over",
            self.flips
        );
        for (position, bytes) in &found {
            let expected = self.must.get(position).or(self.uncertain.get(position));
            promise!("what is read is what was appended", expected == Some(bytes), "position {position}");
        }
        Ok(())
    }

    fn crashes(&mut self, power: bool, trace: &mut Trace) -> Kept {
        let failures = self.life.as_ref().map_or(0, |life| life.journal.stats().counters.sync_failures);
        self.life = None;
        let killed = self.disk.process_killed();
        // A process that is killed between a failed sync and its mark leaves its successor in the dark: the kernel tells a
        // failure once. Then only a power cut at the same moment shows what is kept.
        let marked =
            killed.list(&folder()).is_ok_and(|files| files.iter().any(|file| file.name == "sync-failed"));
        let power = power || (failures > 0 && !marked);
        self.disk = if power { killed.power_cut() } else { killed };
        note!(trace, "{}", if power { "power cut" } else { "killed" });
        if self.open(trace).is_none() {
            // A full disk may keep it from being opened, and nothing else.
            self.disk.set_capacity(1 << 30);
            let opens = self.open(trace).is_some();
            promise!("damage is no reason not to open", opens, "it can't be opened");
        }
        self.compare(power, trace)
    }

    fn flips(&mut self, file: u64, byte: u64, trace: &mut Trace) {
        let files = self.disk.list(&folder()).unwrap_or_default();
        let mut segments: Vec<String> = files.into_iter().map(|file| file.name).collect();
        segments.retain(|name| name.ends_with(".segment"));
        segments.sort();
        let Some(name) = segments.get((file % segments.len().max(1) as u64) as usize) else { return };
        let byte = RECORDS_AT + byte % (SEGMENT - RECORDS_AT);
        if self.disk.flip_bit(&folder().join(name), byte, 3) {
            self.flips += 1;
            note!(trace, "byte {byte} of {name}");
        }
    }
}

impl World for SegmentsWorld {
    const NAME: &'static str = "segments";
    const ABOUT: &'static str =
        "the journal on a simulated disk: what was synced survives a power cut, damage is told";
    const KINDS: &'static [u64] = &[18, 6, 4, 2, 2, 2, 1, 1, 2, 3, 1, 1, 1, 2, 1];
    const MOST_STEPS: u64 = 150;
    type Step = Step;

    fn draw(kind: usize, rng: &Rng) -> Step {
        match kind {
            0 => Step::Appends((0..1 + rng.below(3)).map(|_| rng.below(900) as u16).collect()),
            1 => Step::Syncs,
            2 => Step::Settles { cursor: rng.below(2), ahead: rng.below(3), positions: rng.below(8) },
            3 => Step::Persists,
            4 => Step::Releases,
            5 => Step::Prepares,
            6 => Step::Cuts(rng.below(3)),
            7 => Step::Ages(rng.below(2)),
            8 => Step::Reads,
            9 => Step::Fails { call: rng.below(4), full: rng.chance(1, 2) },
            10 => Step::FailsToSync(1 + rng.below(3)),
            11 => Step::Room(rng.below(4)),
            12 => Step::Stops(rng.below(20)),
            13 => Step::Crashes { power: rng.chance(1, 2) },
            _ => Step::Flips { file: rng.below(1 << 20), byte: rng.below(SEGMENT) },
        }
    }

    fn begin(chance: &Rng, bug: Option<Bug>) -> Self {
        let options = Options {
            segment_bytes: SEGMENT,
            quota_bytes: 40 * SEGMENT,
            floor_bytes: 0,
            read_bytes: 4096,
            compression: if chance.chance(1, 3) { Compression::Lz4 } else { Compression::None },
            ..Options::default()
        };
        let disk = SimulatedDisk::new(chance.fork("disk"));
        let mut world = Self {
            disk,
            time: SimulatedClock::new(),
            chance: chance.fork("bytes"),
            options,
            life: None,
            must: BTreeMap::new(),
            uncertain: BTreeMap::new(),
            may: BTreeMap::new(),
            durable: 0,
            settled: Default::default(),
            appends: 0,
            flips: 0,
            damaged: 0,
            bug,
        };
        world.open(&mut Trace::default());
        world
    }

    fn act(&mut self, step: &Step, trace: &mut Trace) -> Kept {
        let Some(Life { journal, .. }) = &self.life else { return Ok(()) };
        match step {
            Step::Appends(lengths) => return self.appends(lengths, trace),
            Step::Syncs => return self.syncs(trace),
            Step::Settles { cursor, ahead, positions } => {
                self.settles(*cursor as usize % 2, *ahead, *positions);
            }
            Step::Persists => note!(trace, "{}", journal.persist_cursors().is_ok()),
            Step::Releases => {
                match self.bug {
                    Some(Bug::FreesWhatIsOnlyRead) => _ = journal.purge_prefix(journal.records().end),
                    _ => _ = journal.release(),
                }
                note!(trace, "begins at {}", journal.records().start);
                return self.gone(false);
            }
            Step::Prepares => note!(trace, "{}", journal.prepare().is_ok()),
            Step::Cuts(records) => self.cuts(*records, trace),
            Step::Ages(days) => {
                self.time.advance(Duration::from_secs(days * 86_400));
                let expired = journal.expire().is_ok_and(|dropped| dropped.is_some());
                note!(trace, "{expired}");
                return self.gone(true);
            }
            Step::Reads => return self.reads(),
            Step::Fails { call, full } => {
                let kind = if *full { ErrorKind::StorageFull } else { ErrorKind::Other };
                self.disk.fail_at(self.disk.operations() + call, kind);
            }
            Step::FailsToSync(times) => self.disk.fail_next(Operation::SyncData, *times, ErrorKind::Other),
            Step::Room(segments) => self.disk.set_capacity(self.disk.used_bytes() + segments * SEGMENT),
            Step::Stops(call) => self.disk.stop_at(self.disk.operations() + call),
            Step::Crashes { power } => return self.crashes(*power, trace),
            Step::Flips { file, byte } => self.flips(*file, *byte, trace),
        }
        Ok(())
    }

    /// The power is cut, and then all goes well.
    fn finish(&mut self, trace: &mut Trace) -> Kept {
        self.crashes(true, trace)?;
        self.disk.set_capacity(1 << 30);
        self.syncs(trace)?;
        let before = self.must.len();
        self.appends(&[100], trace)?;
        promise!("a healthy journal takes records", self.must.len() == before + 1, "it does not");
        self.syncs(trace)?;
        self.crashes(true, trace)
    }
}
