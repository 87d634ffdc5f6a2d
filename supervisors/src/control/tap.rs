//! Live events as lines of text: at a device as they came in, at a route, pipeline or target as they go on.

use super::view::View;
use actors::data::delivery::Payload;
use actors::target::events::{Event, Events};
use bytes::Bytes;
use event::RecordFlags;
use std::fmt::Write;
use tokio::sync::mpsc;

/// Longest part of an event that is shown, in bytes.
const MAX_SHOWN: usize = 4096;

/// Sends what passes a device, route, pipeline or target as lines, until the receiver is gone. Whoever does not take it in
/// time misses some, and is told.
pub(super) async fn stream(view: View, name: String, lines: mpsc::Sender<Bytes>) {
    let mut configurations = view.configurations();
    while let Ok(mut tap) = view.tap(&name) {
        loop {
            let seen = tokio::select! {
                seen = tap.next() => seen,
                () = lines.closed() => return,
                // Devices and ways may be others now.
                changed = configurations.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return,
                },
            };
            let mut text = String::new();
            let missed = tap.missed();
            if missed > 0 {
                let _ = writeln!(text, "... {missed} events not shown: they come faster than they are taken");
            }
            write_events(&mut text, &seen);
            drop(seen); // and its bytes, whoever waits for the line to be taken
            if lines.send(text.into()).await.is_err() {
                return;
            }
        }
    }
    // It fails only when nobody listens.
    let _ = lines.send(format!("\"{name}\" is no longer in the configuration\n").into()).await;
}

fn write_events(text: &mut String, seen: &Payload) {
    for Event { record, bytes, origin, encoded } in Events::new(seen, 0) {
        let seconds = origin.received / 1_000_000_000;
        let (hours, minutes) = (seconds / 3600 % 24, seconds / 60 % 60);
        let _ = write!(text, "{hours:02}:{minutes:02}:{:02}Z ", seconds % 60);
        if let Some(peer) = origin.peer {
            let _ = write!(text, "{peer} ");
        }
        let shown = &bytes[..bytes.len().min(MAX_SHOWN)];
        for character in String::from_utf8_lossy(shown).chars() {
            if character.is_control() && character != '\t' {
                let _ = write!(text, "{}", character.escape_default());
            } else {
                text.push(character);
            }
        }
        if bytes.len() > MAX_SHOWN {
            let _ = write!(text, "... ({} bytes in all)", bytes.len());
        }
        let flags = seen.batch().records()[record as usize].flags;
        if flags.contains(RecordFlags::TRUNCATED) && !encoded {
            text.push_str(" (truncated when received)");
        }
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::batch::Parts;
    use event::{Batch, Budget, DeviceId, Layout, Origin, Record, StreamId};

    #[test]
    fn events_are_shown_without_what_would_disturb_a_terminal() {
        let slab = Bytes::from_static(b"a\x1b[31m\xff\n");
        let batch = Batch::seal(Parts {
            records: vec![Record { offset: 0, len: 7, origin: 0, flags: RecordFlags::TRUNCATED }],
            slab,
            origins: vec![Origin { device: DeviceId(1), peer: None, received: 3_661_000_000_000 }],
            stream: StreamId(1),
            first_seq: 0,
            layout: Layout::Scattered,
            hold: Budget::new(1).share().nothing(),
        });
        let mut text = String::new();
        write_events(&mut text, &Payload::Raw(batch));
        assert_eq!(text, "01:01:01Z a\\u{1b}[31m\u{fffd} (truncated when received)\n");
    }
}
