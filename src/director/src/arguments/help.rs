//! The help page; it fits a screen of 40 lines.

use super::table::{FLAGS, Group, Takes};
use crate::exit::CODES;
use std::fmt::Write;

/// The page.
pub(crate) fn page() -> String {
    let mut page = String::from("vmetric-director [flags]: without any, a Director runs in this folder\n");
    for group in Group::ALL {
        let _ = writeln!(page, "{}:", group.title());
        let mut names = String::new();
        for flag in FLAGS.iter().filter(|flag| flag.group == group) {
            let _ = match flag.takes {
                Takes::Nothing => write!(names, "-{} ", flag.name),
                Takes::Value(value) | Takes::Words(value) => write!(names, "-{} {value} ", flag.name),
            };
            if !flag.help.is_empty() {
                let _ = writeln!(page, "  {names:<25} {}", flag.help);
                names.clear();
            }
        }
    }
    let codes: Vec<String> = CODES.iter().map(|(code, meaning)| format!("{code} {meaning}")).collect();
    let lines: Vec<String> = codes.chunks(3).map(|some| some.join(", ")).collect();
    let _ = writeln!(page, "exit codes: {}", lines.join(",\n  "));
    let _ = writeln!(page, "signals: SIGHUP reloads; SIGTERM, SIGINT stop, a second one ends at once");
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_fits_a_screen() {
        let page = page();
        assert!(page.lines().count() <= 40, "{page}");
        assert!(page.lines().all(|line| line.len() <= 110), "{page}");
        assert!(FLAGS.iter().all(|flag| page.contains(&format!(" -{} ", flag.name))), "{page}");
    }
}
