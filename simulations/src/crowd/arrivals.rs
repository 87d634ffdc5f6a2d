//! What came of each host of a crowd: a TCP target that counts, and measures how late events are.

use jiff::Timestamp;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io::{self, BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A target that takes lines. Its threads end with their connections.
pub struct Arrivals {
    port: u16,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    hosts: HashMap<String, Of>,
    /// Texts of events that tell of missing ones.
    gaps: Vec<String>,
    /// What nobody wrote.
    strange: Vec<String>,
}

#[derive(Default)]
struct Of {
    /// By number from 0 on: how often it came.
    times: Vec<u8>,
    /// From an event to its first arrival, in milliseconds.
    delays_ms: Vec<u32>,
    distinct: u64,
    repeated: u64,
}

/// An event that came.
#[derive(Debug, PartialEq)]
struct Arrived<'l> {
    host: &'l str,
    /// From 0 on.
    number: u64,
    /// When it was written.
    nanos: i128,
}

impl Arrivals {
    /// Listens on a free port of loopback.
    ///
    /// # Errors
    /// When there is none.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (port, seen) = (listener.local_addr()?.port(), Arc::<Mutex<Seen>>::default());
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let seen = Arc::clone(&shared);
                std::thread::spawn(move || take(socket, &seen));
            }
        });
        Ok(Self { port, seen })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many different events of a host came.
    pub fn distinct(&self, host: &str) -> u64 {
        self.seen.lock().hosts.get(host).map_or(0, |of| of.distinct)
    }

    /// How many events came of all, and how many of them again.
    pub fn counts(&self) -> (u64, u64) {
        let seen = self.seen.lock();
        seen.hosts.values().fold((0, 0), |(all, again), of| (all + of.distinct, again + of.repeated))
    }

    /// Texts of events that tell of missing ones, and lines that nobody wrote.
    pub fn complaints(&self) -> Vec<String> {
        let seen = self.seen.lock();
        seen.gaps.iter().chain(&seen.strange).cloned().collect()
    }

    /// The delay that so many of a hundred events did not exceed; of hosts whose names begin so.
    pub fn delay(&self, hosts: &str, percent: usize) -> Duration {
        let seen = self.seen.lock();
        let of = seen.hosts.iter().filter(|(host, _)| host.starts_with(hosts));
        let mut delays: Vec<u32> = of.flat_map(|(_, of)| &of.delays_ms).copied().collect();
        if delays.is_empty() {
            return Duration::ZERO;
        }
        let rank = ((delays.len() - 1) * percent) / 100;
        let (_, delay, _) = delays.select_nth_unstable(rank);
        Duration::from_millis((*delay).into())
    }
}

/// Takes whole lines; one that a broken connection cut is none.
fn take(socket: TcpStream, seen: &Mutex<Seen>) {
    let mut reader = BufReader::with_capacity(256 << 10, socket);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) && line.ends_with(b"\n") {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as i128;
        let text = String::from_utf8_lossy(&line[..line.len() - 1]);
        let arrived = arrived(&text);
        let mut seen = seen.lock();
        match arrived {
            Some(arrived) => seen.take(&arrived, now),
            None if text.contains("collection-gap") => seen.gaps.push(text.into_owned()),
            None => seen.strange.push(text.into_owned()),
        }
        drop(seen);
        line.clear();
    }
}

impl Seen {
    fn take(&mut self, arrived: &Arrived<'_>, now: i128) {
        if !self.hosts.contains_key(arrived.host) {
            self.hosts.insert(arrived.host.to_owned(), Of::default());
        }
        let Some(of) = self.hosts.get_mut(arrived.host) else { return };
        let at = arrived.number as usize;
        if of.times.len() <= at {
            of.times.resize(at + 1, 0);
        }
        of.times[at] = of.times[at].saturating_add(1);
        if of.times[at] > 1 {
            of.repeated += 1;
            return;
        }
        of.distinct += 1;
        let delay = (now - arrived.nanos).max(0) / 1_000_000;
        of.delays_ms.push(u32::try_from(delay).unwrap_or(u32::MAX));
    }
}

/// A Windows host's event as JSON, or `HOST NUMBER NANOSECONDS`: a line, or the message of an entry as JSON.
fn arrived(line: &str) -> Option<Arrived<'_>> {
    // Quotes within texts are escaped, so that none of these is found in the XML.
    let behind = |key: &str| line.split_once(key).map(|(_, rest)| rest);
    let Some(computer) = behind("\"computer_name\":\"") else {
        let text = behind("\"message\":\"").and_then(|message| message.split('"').next()).unwrap_or(line);
        let mut words = text.split(' ');
        let (host, number, nanos) = (words.next()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        return Some(Arrived { host, number, nanos });
    };
    let host = computer.split('.').next()?;
    let record = behind("\"record_id\":")?;
    let digits = record.find(|c: char| !c.is_ascii_digit()).unwrap_or(record.len());
    let number = record[..digits].parse::<u64>().ok()?.checked_sub(1)?;
    let time: Timestamp = behind("\"@timestamp\":\"")?.split('"').next()?.parse().ok()?;
    Some(Arrived { host, number, nanos: time.as_nanosecond() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_both_kinds_are_told_by_host_number_and_time() {
        let line = "l7 12 1700000000000000000";
        let is = || Arrived { host: "l7", number: 12, nanos: 1_700_000_000_000_000_000 };
        assert_eq!(arrived(line), Some(is()));
        let entry = format!("{{\"message\":\"{line}\",\"journald\":{{}}}}");
        assert_eq!(arrived(&entry), Some(is()));
        let line = r#"{"@timestamp":"2023-11-14T22:13:20.5Z","winlog":{"computer_name":"w3.lab.example","record_id":1},"message":"\"record_id\":9"}"#;
        let is = Arrived { host: "w3", number: 0, nanos: 1_700_000_000_500_000_000 };
        assert_eq!(arrived(line), Some(is));
        assert_eq!(arrived("nonsense"), None);
    }

    #[test]
    fn what_comes_again_is_counted_once() {
        let mut seen = Seen::default();
        for (number, now) in [(0, 5), (2, 7), (0, 9)] {
            seen.take(&Arrived { host: "l1", number, nanos: 0 }, now * 1_000_000);
        }
        let of = &seen.hosts["l1"];
        assert_eq!((of.distinct, of.repeated, &of.delays_ms[..]), (2, 1, &[5, 7][..]));
    }
}
