//! What a host is and how it fares: system, uptime, load, memory, file systems.
//!
//! One short script of POSIX commands; parts that a host does not have are left out of the event.

use serde_json::{Map, Value, json};

/// Prints sections, each with a headline of its own.
pub const SCRIPT: &str = "LC_ALL=C; export LC_ALL
echo '=== uname'; uname -srm
echo '=== name'; hostname 2>/dev/null || uname -n
echo '=== release'; cat /etc/os-release 2>/dev/null
echo '=== uptime'; cat /proc/uptime 2>/dev/null
echo '=== load'; cat /proc/loadavg 2>/dev/null
echo '=== memory'; cat /proc/meminfo 2>/dev/null
echo '=== processors'; grep -c '^processor' /proc/cpuinfo 2>/dev/null
echo '=== disks'; df -kP 2>/dev/null
echo '=== services'; systemctl list-units --state=failed --no-legend --plain 2>/dev/null
:";

/// The event of what the script printed.
pub fn event(output: &str) -> Value {
    let mut host = Map::new();
    for section in output.split("=== ").skip(1) {
        let (headline, text) = section.split_once('\n').unwrap_or((section, ""));
        let text = text.trim();
        if text.is_empty() {
            continue;
        }
        match headline.trim() {
            "uname" => insert(&mut host, "kernel", json!(text)),
            "name" => insert(&mut host, "hostname", json!(text)),
            "release" => insert(&mut host, "os", release(text)),
            "uptime" => insert(&mut host, "uptime_seconds", first_number(text)),
            "load" => insert(&mut host, "load", json!(numbers(text).into_iter().take(3).collect::<Vec<_>>())),
            "memory" => insert(&mut host, "memory", memory(text)),
            "processors" => insert(&mut host, "processors", first_number(text)),
            "disks" => insert(&mut host, "file_systems", disks(text)),
            "services" => insert(&mut host, "failed_units", json!(first_words(text))),
            _ => {}
        }
    }
    let name = host.get("hostname").and_then(Value::as_str).unwrap_or("host");
    let message = format!("facts of {name}");
    json!({"message": message, "host": host})
}

fn insert(host: &mut Map<String, Value>, key: &str, value: Value) {
    if !value.is_null() {
        host.insert(key.to_owned(), value);
    }
}

fn numbers(text: &str) -> Vec<f64> {
    text.split_whitespace().map_while(|word| word.parse().ok()).collect()
}

fn first_number(text: &str) -> Value {
    numbers(text).first().map_or(Value::Null, |number| json!(*number as u64))
}

fn first_words(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.split_whitespace().next()).collect()
}

/// os-release(5): `NAME="value"`.
fn release(text: &str) -> Value {
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
        Some(line.trim_matches(['"', '\'']).to_owned())
    };
    json!({"name": value("NAME"), "version": value("VERSION_ID"), "id": value("ID")})
}

/// proc(5): `MemTotal:  16384 kB`.
fn memory(text: &str) -> Value {
    let bytes = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
    };
    json!({
        "total_bytes": bytes("MemTotal"),
        "available_bytes": bytes("MemAvailable"),
        "swap_total_bytes": bytes("SwapTotal"),
        "swap_free_bytes": bytes("SwapFree"),
    })
}

/// POSIX, "df", STDOUT: device, blocks, used, available, capacity, mount point.
fn disks(text: &str) -> Value {
    let disk = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [device, blocks, used, free, _, mount, ..] = words[..] else { return None };
        let bytes = |kilobytes: &str| Some(kilobytes.parse::<u64>().ok()? * 1024);
        // Pseudo file systems have no size.
        let total = bytes(blocks).filter(|total| *total > 0)?;
        Some(json!({
            "device": device,
            "mount": mount,
            "total_bytes": total,
            "used_bytes": bytes(used),
            "free_bytes": bytes(free),
        }))
    };
    json!(text.lines().skip(1).filter_map(disk).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_runs_in_each_shell_and_its_output_is_understood() {
        for shell in [&["dash"][..], &["bash"], &["busybox", "sh"]] {
            let Ok(output) =
                std::process::Command::new(shell[0]).args(&shell[1..]).arg("-c").arg(SCRIPT).output()
            else {
                println!("SKIPPED: no {}", shell[0]);
                continue;
            };
            let event = event(&String::from_utf8_lossy(&output.stdout));
            let host = &event["host"];
            assert!(host["kernel"].as_str().is_some_and(|text| text.starts_with("Linux")), "{event}");
            assert!(host["memory"]["total_bytes"].as_u64().is_some_and(|bytes| bytes > 1 << 20), "{event}");
            assert!(host["uptime_seconds"].is_u64() && host["load"].is_array(), "{event}");
        }
    }

    #[test]
    fn what_a_host_does_not_have_is_left_out() {
        let event = event("noise\n=== uname\nLinux 6.1 x86_64\n=== memory\n=== disks\nhead\n");
        assert_eq!(event["host"]["kernel"], "Linux 6.1 x86_64");
        assert!(event["host"].get("memory").is_none());
    }
}
