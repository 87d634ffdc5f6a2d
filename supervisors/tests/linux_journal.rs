//! The journal of a Linux host: a real one, read by a real `journalctl` over a real sshd.
//!
//! `systemd-journald` does not run in containers; `systemd-journal-remote` writes the same files.

mod house;
#[macro_use]
mod ssh_host;

use ssh_host::place::{Place, says};
use ssh_host::{Shell, SshHost};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const WRITER: &str = "/lib/systemd/systemd-journal-remote";

/// A journal, and what was written to it.
struct Journal {
    folder: PathBuf,
    written: u64,
    /// Entries are of this boot.
    boot: u128,
}

impl Journal {
    /// An empty journal of a host, which its `journalctl` reads instead of the one of this machine.
    fn of(host: &SshHost) -> Self {
        let folder = host.path("journal");
        fs::create_dir(&folder).expect("created");
        let program = "#!/bin/sh\nexec /usr/bin/journalctl --directory=";
        host.program("journalctl", &format!("{program}{} \"$@\"\n", folder.display()));
        Self { folder, written: 0, boot: 1 }
    }

    /// Writes entries `j NUMBER` (Journal Export Format).
    fn write(&mut self, count: u64) {
        let mut text = String::new();
        for number in self.written..self.written + count {
            let micros = 1_700_000_000_000_000 + number;
            text.push_str(&format!(
                "__REALTIME_TIMESTAMP={micros}\n__MONOTONIC_TIMESTAMP={number}\n_BOOT_ID={:032x}\nPRIORITY=6\n\
                 SYSLOG_IDENTIFIER=test\n_PID=7\nMESSAGE=j {number}\n\n",
                self.boot
            ));
        }
        self.written += count;
        let entries = self.folder.with_extension("entries");
        fs::write(&entries, text).expect("written");
        let file = self.folder.join("remote.journal");
        let output = Command::new(WRITER).arg("-o").arg(file).arg(&entries).output().expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// The file is closed and another begun, as journald does when one is full.
    fn rotate(&mut self) {
        let aside = self.folder.join(format!("remote@{}.journal", self.written));
        fs::rename(self.folder.join("remote.journal"), aside).expect("renamed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_journal_is_followed_through_rotations_reboots_and_restarts() {
    let host = host_or_skip!(Shell::Dash);
    for program in [WRITER, "/usr/bin/journalctl"] {
        if !Path::new(program).exists() {
            println!("SKIPPED: no {program}");
            return;
        }
    }
    let place = Place::new();
    let mut journal = Journal::of(&host);
    journal.write(2000);
    let device = host.device(", journal: {status: true}");
    let director = place.start(&device).await;
    place.arrived(&director, "j", 2000).await;
    says(&director, "following the journal").await;
    journal.write(100);
    place.arrived(&director, "j", journal.written).await;
    journal.rotate();
    journal.write(100);
    place.arrived(&director, "j", journal.written).await;
    // The host restarts.
    host.cut();
    journal.boot = 2;
    journal.write(100);
    place.arrived(&director, "j", journal.written).await;
    assert_eq!(director.stop().await.events, 0);
    // Meanwhile it goes on, and restarts once more.
    journal.rotate();
    journal.write(100);
    journal.boot = 3;
    journal.write(100);
    let director = place.start(&device).await;
    place.arrived(&director, "j", journal.written).await;
    assert_eq!(director.stop().await.events, 0);
    place.receiver.assert_once("j", journal.written);
}
