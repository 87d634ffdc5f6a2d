//! The Prometheus text format (version 0.0.4) of all counters.

use super::stats::{DeviceStats, JournalStats, LatencyStats, Named, ProcessorStats, Stats, TargetStats};
use std::fmt::{Display, Write};

/// The value of the `Content-Type` header.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All counters as text.
pub fn render(stats: &Stats) -> String {
    let mut page = Page(String::with_capacity(8192));
    page.process(stats);
    if let Some(journal) = &stats.journal {
        page.journal(journal);
    }
    page.devices(&stats.devices);
    page.targets(&stats.targets);
    page.processors(&stats.processors);
    page.0
}

struct Page(String);

/// What a metric is.
#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

use Kind::{Counter, Gauge};

impl Page {
    fn process(&mut self, stats: &Stats) {
        self.head("vmetric_info", Gauge, "Always 1; says who this is.");
        self.sample("vmetric_info", &[("node", &stats.node), ("version", &stats.version)], 1);
        self.one("vmetric_uptime_seconds", Gauge, "Since the start.", stats.uptime_seconds);
        self.one("vmetric_budget_used_bytes", Gauge, "Memory taken by received data.", stats.budget.used);
        let help = "Memory that received data may take.";
        self.one("vmetric_budget_capacity_bytes", Gauge, help, stats.budget.capacity);
        self.by_label("vmetric_actors", "state", "Actors in each state.", &stats.actors);
        self.one("vmetric_actors_troubled", Gauge, "Actors that say they are in trouble.", stats.troubled);
        self.by_label(
            "vmetric_actor_restarts",
            "path",
            "How often an actor was started again.",
            &stats.restarts,
        );
        let quarantine = &stats.quarantine;
        self.one("vmetric_quarantine_events", Gauge, "Events in quarantine.", quarantine.events);
        self.one("vmetric_quarantine_waiting", Gauge, "Of these, not replayed.", quarantine.waiting);
        self.one("vmetric_quarantine_kept_total", Counter, "Events put into quarantine.", quarantine.kept);
        let help = "Events dropped because the quarantine could not take them.";
        self.one("vmetric_quarantine_not_kept_total", Counter, help, quarantine.not_kept);
        let help = "Events that made room for newer ones, neither purged nor replayed.";
        self.one("vmetric_quarantine_overwritten_total", Counter, help, quarantine.overwritten);
        self.one("vmetric_quarantine_disk_bytes", Gauge, "Disk that it takes.", quarantine.disk_bytes);
        let process = &stats.process;
        self.one("process_cpu_seconds_total", Counter, "CPU time.", process.cpu_seconds);
        self.one("process_resident_memory_bytes", Gauge, "Resident memory.", process.resident_bytes);
        let help = "The most resident memory ever.";
        self.one("process_resident_memory_peak_bytes", Gauge, help, process.resident_peak_bytes);
        self.one("process_open_fds", Gauge, "Open files and sockets.", process.open_files);
        self.one("process_max_fds", Gauge, "Files and sockets that may be open.", process.max_open_files);
        self.one("process_threads", Gauge, "Threads.", process.threads);
    }

    fn journal(&mut self, journal: &JournalStats) {
        let all = [
            (
                "records_total",
                Counter,
                "Records written: batches, and what was noted of them.",
                journal.records,
            ),
            ("bytes_total", Counter, "Bytes of records.", journal.bytes),
            ("written_bytes_total", Counter, "Bytes written, with headers.", journal.written_bytes),
            ("syncs_total", Counter, "Syncs that succeeded.", journal.syncs),
            ("sync_failures_total", Counter, "Syncs that failed.", journal.sync_failures),
            ("unsynced", Gauge, "Records that are written and not synced.", journal.unsynced),
            ("waiting", Gauge, "Batches that wait to be written.", journal.waiting),
            ("waiting_bytes", Gauge, "Bytes of these.", journal.waiting_bytes),
            ("unsettled", Gauge, "Batches that some branch owes.", journal.unsettled),
            ("disk_bytes", Gauge, "Bytes of disk: segments and spare ones.", journal.disk_bytes),
            ("segments", Gauge, "Segments in use.", journal.segments),
            ("resumed_total", Counter, "Batches left by an earlier process.", journal.resumed),
            ("moved_total", Counter, "Batches written once more to give back segments.", journal.moved),
            ("unkept_total", Counter, "Batches too large to be kept.", journal.unkept),
            ("orphaned_total", Counter, "Deliveries owed to what is no longer configured.", journal.orphaned),
            ("lost_total", Counter, "Records that could not be kept or read back.", journal.lost),
        ];
        for (name, kind, help, value) in all {
            self.one(&format!("vmetric_journal_{name}"), kind, help, value);
        }
    }

    fn devices(&mut self, devices: &[DeviceStats]) {
        let mut all = |name, kind, help, value: fn(&DeviceStats) -> u64| {
            self.head(name, kind, help);
            for device in devices {
                self.sample(name, &[("device", &device.name)], value(device));
            }
        };
        let accepted = "Events taken over from peers; accepted = settled + held.";
        all("vmetric_device_accepted_total", Counter, accepted, |d| d.accepted);
        all("vmetric_device_settled_total", Counter, "Events of which every branch is settled.", |d| {
            d.settled
        });
        all("vmetric_device_held", Gauge, "Events under way.", |d| d.held);
        all("vmetric_device_bytes_total", Counter, "Bytes of accepted events.", |d| d.bytes);
        all("vmetric_device_budget_used_bytes", Gauge, "Memory taken by its data.", |d| d.budget_used);
        let open = "Connections that are open, or files that are followed.";
        all("vmetric_device_open", Gauge, open, |d| u64::try_from(d.open).unwrap_or(0));
        all("vmetric_device_opened_total", Counter, "Connections taken.", |d| d.opened);
        all("vmetric_device_refused_total", Counter, "Connections refused: too many.", |d| d.refused);
        all("vmetric_device_denied_total", Counter, "Peers refused by their address.", |d| d.denied);
        all("vmetric_device_truncated_total", Counter, "Events cut at the longest length.", |d| d.truncated);
        all("vmetric_device_discarded_bytes_total", Counter, "Bytes cut off.", |d| d.discarded_bytes);
        all("vmetric_device_empty_total", Counter, "Messages without a byte, skipped.", |d| d.empty);
        let help = "Pieces of a stream without a valid length.";
        all("vmetric_device_resynchronised_total", Counter, help, |d| d.resynchronised);
        self.head("vmetric_device_silent_seconds", Gauge, "Since the last event.");
        for device in devices {
            if let Some(silent) = device.silent_seconds {
                self.sample("vmetric_device_silent_seconds", &[("device", &device.name)], silent);
            }
        }
        let mut each = |name, label, help, named: fn(&DeviceStats) -> &Named| {
            self.head(name, Counter, help);
            for device in devices {
                self.samples(name, ("device", &device.name), label, named(device));
            }
        };
        let dropped = "Accepted events dropped before any target, by cause; among the settled.";
        each("vmetric_device_dropped_total", "cause", dropped, |d| &d.dropped);
        each("vmetric_device_lost_total", "cause", "Events that were never accepted, by cause.", |d| &d.lost);
        each("vmetric_device_ended_total", "cause", "Connections that ended, by cause.", |d| &d.ended);
    }

    fn targets(&mut self, targets: &[TargetStats]) {
        let mut all = |name, kind, help, value: fn(&TargetStats) -> u64| {
            self.head(name, kind, help);
            for target in targets {
                self.sample(name, &[("target", &target.name)], value(target));
            }
        };
        let due = "Deliveries owed; due = delivered + spooled + dropped + quarantined + held.";
        all("vmetric_target_due_total", Counter, due, |t| t.due);
        all("vmetric_target_delivered_total", Counter, "Deliveries made.", |t| t.delivered);
        all("vmetric_target_spooled_total", Counter, "Deliveries handed to the spool.", |t| t.spooled);
        all("vmetric_target_held", Gauge, "Deliveries under way.", |t| t.held);
        all("vmetric_target_repeated_total", Counter, "Dispatched again after a loss.", |t| t.repeated);
        let connected = "Connections that are up, or files that are open.";
        all("vmetric_target_connected", Gauge, connected, |t| u64::try_from(t.connected).unwrap_or(0));
        all("vmetric_target_bytes_total", Counter, "Bytes written.", |t| t.bytes);
        all("vmetric_target_requests_total", Counter, "Requests or writes.", |t| t.requests);
        all("vmetric_target_spool_in_use", Gauge, "Whether deliveries go through the spool.", |t| {
            t.spool.in_use.into()
        });
        all("vmetric_target_spool_held", Gauge, "Deliveries that wait on disk.", |t| t.spool.held);
        all("vmetric_target_spool_bytes", Gauge, "Bytes of disk that these take.", |t| t.spool.bytes);
        let help = "Deliveries made from the spool.";
        all("vmetric_target_spool_delivered_total", Counter, help, |t| t.spool.delivered);
        let help = "Times that the target was found down or slow.";
        all("vmetric_target_spool_diverted_total", Counter, help, |t| t.spool.diverted);
        let help = "Bytes a second that the spool shrinks by.";
        all("vmetric_target_spool_shrinks_bytes_per_second", Gauge, help, |t| t.spool.bytes_per_second);
        self.head("vmetric_target_spool_seconds_left", Gauge, "Until the spool is empty at this rate.");
        for target in targets {
            if let Some(left) = target.spool.seconds_left {
                self.sample("vmetric_target_spool_seconds_left", &[("target", &target.name)], left);
            }
        }
        let mut each = |name, help, named: fn(&TargetStats) -> &Named| {
            self.head(name, Counter, help);
            for target in targets {
                self.samples(name, ("target", &target.name), "cause", named(target));
            }
        };
        each("vmetric_target_dropped_total", "Deliveries dropped, by cause.", |t| &t.dropped);
        each("vmetric_target_quarantined_total", "Events put aside, by cause.", |t| &t.quarantined);
        let help = "Spooled deliveries dropped, by cause.";
        each("vmetric_target_spool_dropped_total", help, |t| &t.spool.dropped);
        each("vmetric_target_troubles_total", "Failed attempts, by cause.", |t| &t.troubles);
        let name = "vmetric_target_latency_seconds";
        self.head(name, Kind::Histogram, "How long batches took until they were delivered.");
        for target in targets {
            self.histogram(name, ("target", &target.name), &target.latency);
        }
    }

    fn processors(&mut self, processors: &[ProcessorStats]) {
        let mut all = |name, help, value: fn(&ProcessorStats) -> f64| {
            self.head(name, Counter, help);
            for one in processors {
                let step = one.step.to_string();
                let labels = [
                    ("pipeline", &*one.pipeline),
                    ("step", &*step),
                    ("processor", &*one.processor),
                    ("tag", &*one.tag),
                ];
                self.sample(name, &labels, value(one));
            }
        };
        all("vmetric_processor_executed_total", "How often it ran.", |p| p.executed as f64);
        let failed = "How often it failed, whether or not a handler took it.";
        all("vmetric_processor_failed_total", failed, |p| p.failed as f64);
        all("vmetric_processor_dropped_total", "Events that it dropped.", |p| p.dropped as f64);
        let seconds = "The time it took, with all processors inside it.";
        all("vmetric_processor_seconds_total", seconds, |p| p.seconds);
    }

    fn histogram(&mut self, name: &str, whose: (&str, &str), latency: &LatencyStats) {
        let mut count = 0;
        for (limit, within) in &latency.buckets {
            count += within;
            let limit = limit.map_or_else(|| "+Inf".to_owned(), |limit| limit.to_string());
            self.sample(&format!("{name}_bucket"), &[whose, ("le", &limit)], count);
        }
        self.sample(&format!("{name}_sum"), &[whose], latency.sum_seconds);
        self.sample(&format!("{name}_count"), &[whose], count);
    }

    fn head(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Counter => "counter",
            Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        // Writing to a string does not fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn one(&mut self, name: &str, kind: Kind, help: &str, value: impl Display) {
        self.head(name, kind, help);
        self.sample(name, &[], value);
    }

    fn by_label(&mut self, name: &str, label: &str, help: &str, named: &Named) {
        self.head(name, Gauge, help);
        for (key, value) in named {
            self.sample(name, &[(label, key)], value);
        }
    }

    fn samples(&mut self, name: &str, whose: (&str, &str), label: &str, named: &Named) {
        for (key, value) in named {
            self.sample(name, &[whose, (label, key)], value);
        }
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (n, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.0, "{}{label}=\"", if n == 0 { '{' } else { ',' });
            for character in text.chars() {
                match character {
                    '\\' => self.0.push_str("\\\\"),
                    '"' => self.0.push_str("\\\""),
                    '\n' => self.0.push_str("\\n"),
                    other => self.0.push(other),
                }
            }
            self.0.push('"');
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_values_are_escaped() {
        let mut page = Page(String::new());
        page.sample("m", &[("a", "x\"y\\z\n"), ("b", "")], 1);
        page.sample("n", &[], 2.5);
        assert_eq!(page.0, "m{a=\"x\\\"y\\\\z\\n\",b=\"\"} 1\nn 2.5\n");
    }
}
