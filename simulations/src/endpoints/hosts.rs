//! Hosts that are collected from afar: their logs grow, whether or not somebody reads them.

use super::quota::Share;
use super::texts::Texts;
use crate::account::{Mark, Origin};
use crate::linux_host::LinuxHost;
use crate::windows_host::WindowsHost;
use jiff::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Where a Linux host writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinuxLog {
    /// To a file.
    File(String),
    /// To its journal.
    Journal,
}

/// A Linux host writes what is due until it is told to end.
pub async fn linux(
    host: Arc<LinuxHost>,
    log: LinuxLog,
    texts: Arc<Texts>,
    origin: Arc<Origin>,
    mut share: Share,
) {
    let stream = origin.open();
    while let Some(count) = share.next().await {
        let (first, now) = (origin.send(count), Timestamp::now());
        for number in first..first + count {
            let mut line = Vec::new();
            texts.write(Mark { origin: origin.number, stream, number }, now, &mut line);
            match &log {
                LinuxLog::File(path) => {
                    line.push(b'\n');
                    host.files().append(path, &line);
                }
                LinuxLog::Journal => host.files().log(&String::from_utf8_lossy(&line)),
            }
        }
        origin.acknowledge(first, count);
    }
}

/// The record number of the next event; a log that is cleared numbers from 1 again.
pub type NextRecord = Arc<AtomicU64>;

/// A Windows host writes what is due to a channel until it is told to end.
pub async fn windows(
    host: Arc<WindowsHost>,
    channel: String,
    texts: Arc<Texts>,
    next: NextRecord,
    origin: Arc<Origin>,
    mut share: Share,
) {
    let stream = origin.open();
    while let Some(count) = share.next().await {
        let (first, now) = (origin.send(count), Timestamp::now());
        for number in first..first + count {
            let mut text = Vec::new();
            texts.write(Mark { origin: origin.number, stream, number }, now, &mut text);
            let record = next.fetch_add(1, Relaxed);
            let xml = event(&channel, record, &String::from_utf8_lossy(&text), now);
            host.logs().write_xml(&channel, 4624, &xml);
        }
        origin.acknowledge(first, count);
    }
}

fn event(channel: &str, record: u64, text: &str, now: Timestamp) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    format!(
        "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>\
         <Provider Name='Microsoft-Windows-Security-Auditing' Guid='{{54849625-5478-4994-a5ba-3e3b0328c30d}}'/>\
         <EventID>4624</EventID><Version>1</Version><Level>0</Level><Task>12544</Task><Opcode>0</Opcode>\
         <Keywords>0x8020000000000000</Keywords><TimeCreated SystemTime='{now:.7}'/>\
         <EventRecordID>{record}</EventRecordID><Correlation/><Execution ProcessID='636' ThreadID='2048'/>\
         <Channel>{channel}</Channel><Computer>WINLAB</Computer><Security/></System><EventData>\
         <Data Name='TargetUserName'>{text}</Data></EventData></Event>"
    )
}
