//! What each processor of each pipeline did since the process started, whatever became of the configuration meanwhile.
//!
//! A program counts for itself ([`pipeline::Program::counts`]); a pipeline may be part of several programs, and a program
//! that is no longer in force is still run by stages that have work left. Its counts are taken over when nobody else
//! holds it any more, so that nothing is counted twice or lost.

use crate::programs::Programs;
use parking_lot::Mutex;
use pipeline::{Program, StepCounts, StepId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A processor of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StepKey {
    /// The pipeline.
    pub pipeline: Arc<str>,
    /// Which of its processors, from 1, in the order they are written.
    pub number: u32,
    /// The processor's name.
    pub kind: &'static str,
    /// Its tag; may be empty.
    pub tag: Arc<str>,
}

/// The counters; clones share them.
#[derive(Clone, Debug, Default)]
pub struct StepCounters(Arc<Mutex<Counted>>);

#[derive(Debug, Default)]
struct Counted {
    /// In force, or out of force and still held by a stage.
    programs: Vec<Arc<Program>>,
    /// What programs did that are gone.
    past: BTreeMap<StepKey, StepCounts>,
}

impl StepCounters {
    /// These programs are in force now.
    pub fn in_force(&self, programs: &Programs) {
        let mut counted = self.0.lock();
        for program in programs.all() {
            if !counted.programs.iter().any(|known| Arc::ptr_eq(known, program)) {
                counted.programs.push(Arc::clone(program));
            }
        }
        counted.settle();
    }

    /// All counters at present.
    pub fn now(&self) -> BTreeMap<StepKey, StepCounts> {
        let mut counted = self.0.lock();
        counted.settle();
        let mut all = counted.past.clone();
        for program in &counted.programs {
            add(program, &mut all);
        }
        all
    }
}

impl Counted {
    /// Takes over the counts of programs that nobody else holds: they can't change any more.
    fn settle(&mut self) {
        let past = &mut self.past;
        self.programs.retain(|program| {
            let is_used = Arc::strong_count(program) > 1;
            if !is_used {
                add(program, past);
            }
            is_used
        });
    }
}

fn add(program: &Program, all: &mut BTreeMap<StepKey, StepCounts>) {
    let mut numbers: BTreeMap<&str, u32> = BTreeMap::new();
    for (at, step) in program.steps().iter().enumerate() {
        let number = numbers.entry(&step.pipeline).or_default();
        *number += 1;
        let tag = step.tag.clone().unwrap_or_else(|| Arc::from(""));
        let key = StepKey { pipeline: Arc::clone(&step.pipeline), number: *number, kind: step.kind, tag };
        let counts = program.counts(StepId(at as u32));
        let sum = all.entry(key).or_default();
        sum.executed += counts.executed;
        sum.failed += counts.failed;
        sum.dropped += counts.dropped;
        sum.nanos += counts.nanos;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::{Snapshot, Source};
    use pipeline::{Form, Input, Origin, Output, Scratch};

    fn snapshot(folder: &tempfile::TempDir, value: &str) -> Snapshot {
        let path = folder.path().join("vmetric.yml");
        let text = format!(
            "devices:\n  - {{id: 1, name: in, type: tcp, properties: {{port: 1}}}}\n\
             targets:\n  - {{name: out, type: discard}}\n\
             routes:\n  - {{name: r, devices: [in], pipelines: [p], targets: [out]}}\n\
             pipelines:\n  - name: p\n    processors:\n      - set: {{field: a, value: {value}}}\n      \
             - drop: {{tag: d, if: message == 'x'}}\n"
        );
        std::fs::write(&path, text).expect("written");
        let loaded = config::load(&Source::File(path), &|_| None);
        loaded.snapshot.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
    }

    fn run(programs: &Programs, records: &[&str]) {
        let origin = Origin::default();
        let input = |text: &&'static str| Input {
            record: 0,
            bytes: text.as_bytes(),
            form: Form::Message,
            origin: &origin,
        };
        let records: Vec<&'static str> =
            records.iter().map(|text| if *text == "x" { "x" } else { "y" }).collect();
        for program in programs.all() {
            let mut scratch = Scratch::new(programs.keys());
            program.run(&mut scratch, records.iter().map(input), 0, &mut Output::default());
        }
    }

    fn counts(counters: &StepCounters) -> Vec<(String, u64, u64)> {
        let shown = |(key, counts): (StepKey, StepCounts)| {
            (
                format!("{} {} {} {}", key.pipeline, key.number, key.kind, key.tag),
                counts.executed,
                counts.dropped,
            )
        };
        counters.now().into_iter().map(shown).collect()
    }

    #[test]
    fn counters_outlive_the_configuration_they_were_counted_in() {
        let folder = tempfile::tempdir().expect("a folder");
        let counters = StepCounters::default();
        let first = snapshot(&folder, "1");
        let programs = Programs::default().next(&first, &first).expect("right");
        counters.in_force(&programs);
        run(&programs, &["x", "y"]);
        let expected = |n: u64| vec![("p 1 set ".to_owned(), 2 * n, 0), ("p 2 drop d".to_owned(), n, n)];
        assert_eq!(counts(&counters), expected(1));

        let second = snapshot(&folder, "2");
        let next = programs.next(&first, &second).expect("right");
        counters.in_force(&next);
        run(&programs, &["x", "y"]); // a stage that still has work for the program that is out of force
        drop(programs);
        run(&next, &["x", "y"]);
        assert_eq!(counts(&counters), expected(3));
        assert_eq!(counters.0.lock().programs.len(), 1);
    }
}
