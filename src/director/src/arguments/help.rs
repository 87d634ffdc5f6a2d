//! The help page, which fits a screen of 40 lines, and the pages of tools.

use super::table::{FLAGS, Group, Takes};
use crate::exit::CODES;
use std::fmt::Write;

/// The page.
pub(crate) fn page() -> String {
    let mut page = String::from("vmetric-director [flags]: without any, a Director runs in this folder\n");
    for group in Group::ALL {
        page.push_str(&of(group));
    }
    let codes: Vec<String> = CODES.iter().map(|(code, meaning)| format!("{code} {meaning}")).collect();
    let lines: Vec<String> = codes.chunks(3).map(|some| some.join(", ")).collect();
    // Writing to a string does not fail.
    let _ = writeln!(page, "exit codes: {}", lines.join(",\n  "));
    let _ = writeln!(page, "signals: SIGHUP reloads; SIGTERM, SIGINT stop, a second one ends at once");
    page
}

/// The flags of a group.
pub(crate) fn of(group: Group) -> String {
    let mut page = format!("{}:\n", group.title());
    let mut names = String::new();
    for flag in FLAGS.iter().filter(|flag| flag.group == group) {
        let _ = match flag.takes {
            Takes::Nothing => write!(names, "-{} ", flag.name),
            Takes::Value(value) | Takes::Words(value) => write!(names, "-{} {value} ", flag.name),
        };
        // Flags without a text share the next one's line.
        if !flag.help.is_empty() {
            let _ = writeln!(page, "  {names:<25} {}", flag.help);
            names.clear();
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_fits_a_screen() {
        let page = page();
        assert!(page.lines().count() <= 40, "{page}");
        let pages = page + &of(Group::Pipeline) + &of(Group::Generator);
        assert!(pages.lines().all(|line| line.len() <= 110), "{pages}");
        let mut shown = FLAGS.iter().filter(|flag| flag.group != Group::Rehearsal);
        assert!(shown.all(|flag| pages.contains(&format!(" -{} ", flag.name))), "{pages}");
    }
}
