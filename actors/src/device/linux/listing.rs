//! Which files there are, as `ls -lin` says (POSIX, "ls", STDOUT).

use super::quote;

/// A file of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its number within its file system.
    pub inode: u64,
    /// Its length.
    pub size: u64,
    /// Its path.
    pub path: String,
}

/// All that a look told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Files, the one that was written first in front.
    pub files: Vec<Listed>,
    /// What the user may not see.
    pub denied: Vec<String>,
}

/// Lists what the patterns lead to, and what `logrotate` makes of it (`x.1`, `x.2.gz`, `x-20261121`).
pub fn command(patterns: &[String]) -> String {
    let mut command = "ls -dlinLrt --".to_owned();
    for pattern in patterns {
        let pattern = quote::pattern(pattern);
        command.push_str(&format!(" {pattern} {pattern}.* {pattern}-*"));
    }
    command.push_str(" 2>&1");
    command
}

/// Reads what `ls` wrote. What is no file (folders, sockets) and what is not there is left out.
pub fn parse(text: &[u8]) -> Listing {
    let text = String::from_utf8_lossy(text);
    let mut listing = Listing::default();
    for line in text.lines() {
        if let Some(file) = listed(line) {
            // Two patterns may lead to one file.
            if !listing.files.contains(&file) {
                listing.files.push(file);
            }
        } else if line.trim_end().ends_with("Permission denied") {
            listing.denied.extend(path_in(line));
        }
    }
    listing
}

/// `inode mode links owner group size month day time-or-year path`
fn listed(line: &str) -> Option<Listed> {
    let mut rest = line;
    let mut word = || {
        let trimmed = rest.trim_start_matches(' ');
        let (word, behind) = trimmed.split_once(' ')?;
        rest = behind;
        Some(word)
    };
    let inode = word()?.parse().ok()?;
    if !word()?.starts_with('-') {
        return None;
    }
    let (_links, _owner, _group) = (word()?, word()?, word()?);
    let size = word()?.parse().ok()?;
    let (_month, _day, _time) = (word()?, word()?, word()?);
    rest.starts_with('/').then(|| Listed { inode, size, path: rest.to_owned() })
}

/// The path in `ls: cannot access '/a': Permission denied` or `ls: /a: Permission denied`.
fn path_in(line: &str) -> Option<String> {
    let from = line.find('/')?;
    let path = line[from..].rsplit_once(':')?.0;
    Some(path.trim_end_matches('\'').to_owned())
}

/// Whether a path is what is left of another after a rotation.
pub fn is_archive_of(path: &str, of: &str) -> bool {
    path.strip_prefix(of).is_some_and(|rest| rest.starts_with(['.', '-']))
}

/// Whether a file is compressed in a way that can be read.
pub fn is_zipped(path: &str) -> bool {
    path.ends_with(".gz")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(inode: u64, size: u64, path: &str) -> Listed {
        Listed { inode, size, path: path.to_owned() }
    }

    #[test]
    fn gnu_and_busybox_say_the_same() {
        let gnu = "  1573 -rw-r----- 1 0 4  1234 Nov 21 17:00 /var/log/syslog\n\
             99 -rw-r--r--. 1 1000 1000 0 Jan  3  2025 /var/log/my app.log\n\
             12 drwxr-xr-x 2 0 0 4096 Nov 21 17:00 /var/log/dir.log\n\
             13 crw------- 1 0 0 8, 1 Nov 21 17:00 /dev/x\n\
             99 -rw-r--r--. 1 1000 1000 0 Jan  3  2025 /var/log/my app.log\n\
             ls: cannot access '/var/log/*.txt': No such file or directory\n\
             ls: cannot access '/root/a.log': Permission denied\n";
        let listing = parse(gnu.as_bytes());
        assert_eq!(listing.files, [file(1573, 1234, "/var/log/syslog"), file(99, 0, "/var/log/my app.log")]);
        assert_eq!(listing.denied, ["/root/a.log"]);
        let busybox = "   1573 -rw-r-----    1 0        4             1234 Nov 21 17:00 /var/log/syslog\n\
             ls: /root/a.log: Permission denied\n";
        let listing = parse(busybox.as_bytes());
        assert_eq!(
            (&*listing.files, &*listing.denied),
            (&[file(1573, 1234, "/var/log/syslog")][..], &["/root/a.log".to_owned()][..])
        );
    }

    #[test]
    fn a_real_ls_is_understood() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("b 1.log"), "12345").unwrap();
        std::fs::create_dir(folder.path().join("d.log")).unwrap();
        let command = command(&[format!("{}/*.log", folder.path().display())]);
        for shell in [&["dash", "-c"][..], &["bash", "-c"], &["busybox", "sh", "-c"]] {
            let Ok(output) = std::process::Command::new(shell[0])
                .args(&shell[1..])
                .arg(&command)
                .env("LC_ALL", "C")
                .output()
            else {
                println!("SKIPPED: no {}", shell[0]);
                continue;
            };
            let listing = parse(&output.stdout);
            let paths: Vec<_> = listing.files.iter().map(|f| (f.size, f.path.as_str())).collect();
            assert_eq!(paths, [(5, &*folder.path().join("b 1.log").to_string_lossy())], "{shell:?}");
        }
    }

    #[test]
    fn archives_are_recognised_by_name() {
        for name in ["/l/a.1", "/l/a.2.gz", "/l/a-20261121"] {
            assert!(is_archive_of(name, "/l/a"), "{name}");
        }
        assert!(!is_archive_of("/l/a", "/l/a") && !is_archive_of("/l/ab", "/l/a"));
    }
}
