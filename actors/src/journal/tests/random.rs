//! Lives with random steps and random ends.

use super::super::Level;
use super::super::index::Found;
use super::super::keys::key;
use super::super::record::{self, Identity};
use super::super::settlement::Key;
use super::{House, SEGMENT, Source, open};
use event::{Claim, Settled};
use seams::{Rng, SimulatedDisk};
use std::collections::HashMap;

/// What a test knows of a batch.
struct Known {
    source: usize,
    next_seq: u64,
    /// For each target, up to where it is settled; none before it is routed.
    settled: Option<[u32; 2]>,
    records: u32,
}

/// One life with random steps and a random end; what the next life finds is checked against what is known.
fn random_life(seed: u64) {
    let rng = Rng::seeded(seed);
    let level = if rng.chance(1, 2) { Level::Written } else { Level::Synced };
    let disk = SimulatedDisk::new(rng.fork("disk"));
    let (house, _) = open(&disk, level, &["out", "late"]);
    let mut sources: Vec<Source> = (0..3).map(|_| Source::new(&house)).collect();
    let mut known: HashMap<(u64, u64), Known> = HashMap::new();
    let mut claims: Vec<(usize, (u64, u64), Claim)> = Vec::new();
    if rng.chance(1, 2) {
        disk.stop_at(disk.operations() + rng.below(60));
    }
    for _ in 0..rng.below(120) {
        match rng.below(10) {
            0..3 => {
                let (source, records) = (rng.below(3) as usize, 1 + rng.below(30) as u32);
                let id = (sources[source].ledger.stream().0, sources[source].next_seq);
                sources[source].send(&house, records);
                let next_seq = sources[source].next_seq;
                known.insert(id, Known { source, next_seq, settled: None, records });
            }
            3..5 => {
                house.route();
                for (target, (_, mailbox)) in house.targets.iter().enumerate() {
                    for work in std::mem::take(&mut *mailbox.0.lock()) {
                        let id = (work.batch.stream().0, work.batch.first_seq());
                        known.get_mut(&id).expect("sent").settled.get_or_insert_default();
                        claims.extend(work.claims.into_iter().map(|claim| (target, id, claim)));
                    }
                }
            }
            5..7 if !claims.is_empty() => {
                let index = rng.below(claims.len() as u64) as usize;
                let (target, id, claim) = &mut claims[index];
                let batch = known.get_mut(id).expect("sent");
                let upto = 1 + rng.below(u64::from(batch.records)) as u32;
                claim.settle_to(upto, Settled::Delivered);
                let settled = &mut batch.settled.as_mut().expect("routed")[*target];
                *settled = upto.max(*settled);
                if *settled == batch.records {
                    drop(claims.swap_remove(index));
                }
            }
            7 => _ = house.custody.sync_and_acknowledge(),
            8 => _ = house.custody.look_after(SEGMENT),
            _ => _ = house.write(),
        }
    }
    let all_noted = rng.chance(1, 2) && house.write().is_ok();
    let acknowledged: Vec<u64> = sources.iter().map(Source::acknowledged).collect();
    let power_cut = level == Level::Synced && rng.chance(1, 2);
    let after = if power_cut { disk.power_cut() } else { disk.process_killed() };

    let (next, found) = open(&after, level, &["out", "late"]);
    let life = house.custody.0.life;
    let mut left = found_batches(&next, &found);
    for ((stream, first_seq), batch) in &known {
        let found = left.remove(&(Identity { life, stream: *stream }, *first_seq));
        let closed = batch.settled.is_some_and(|settled| settled == [batch.records; 2]);
        let is_acknowledged = acknowledged[batch.source] >= batch.next_seq;
        assert!(found.is_some() || closed || !is_acknowledged, "seed {seed}: an acknowledged batch is lost");
        let Some(owed) = found else { continue };
        if all_noted && !power_cut {
            assert!(!closed, "seed {seed}: what is settled is repeated");
            assert_eq!(owed, batch.settled, "seed {seed}: what is owed is not what was left");
        }
        let settled = batch.settled.unwrap_or_default();
        let enough = owed.is_none_or(|owed| owed.iter().zip(&settled).all(|(owed, settled)| owed <= settled));
        assert!(enough, "seed {seed}: owed from {owed:?}, settled up to {settled:?}");
    }
    assert!(left.is_empty(), "seed {seed}: nothing is invented");
}

/// The batches that were found, and from where on each target owes them.
fn found_batches(house: &House, found: &Found) -> HashMap<(Identity, u64), Option<[u32; 2]>> {
    let mut batches = HashMap::new();
    for owed in &found.owed {
        let mut reader = house.custody.0.journal.read_from(journal::Position(owed.position));
        let Ok(journal::Read::Record(record)) = reader.next() else { panic!("it was there a moment ago") };
        let stored = record::decode(&record.payload).expect("a batch");
        let from = |name: &str, by: &Vec<(Key, u32)>| {
            let key = key("all", name, "");
            by.iter().find(|(k, _)| *k == key).map_or(0, |(_, from)| *from)
        };
        let by = owed.by.as_ref().map(|by| [from("out", by), from("late", by)]);
        batches.insert((stored.identity, stored.first_seq), by);
    }
    batches
}

#[test]
fn whatever_moment_a_life_ends_at_what_was_acknowledged_is_found_and_what_was_settled_is_not() {
    for seed in 0..300 {
        random_life(seed);
    }
}

/// `cargo test -p actors --lib journal -- --ignored`.
#[test]
#[ignore = "takes a minute"]
fn the_same_for_many_more_moments() {
    for seed in 300..20_000 {
        random_life(seed);
    }
}
