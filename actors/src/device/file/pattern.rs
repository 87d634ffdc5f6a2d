//! Paths with wildcards: `*`, `?`, `[…]` within a name, `**` for any folders.
//!
//! Names that begin with a dot match like any other: who writes `*` in a configuration means all files.

use regex::bytes::Regex;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// Folders below `**` are entered to this depth; deeper ones are most likely a loop of mounts.
const MOST_DEPTH: usize = 64;

/// Files of a device: what to follow and what to leave out.
#[derive(Clone, Debug, Default)]
pub struct Patterns {
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
}

#[derive(Clone, Debug)]
struct Pattern {
    /// Folders before the first wildcard.
    base: PathBuf,
    parts: Vec<Part>,
    whole: Regex,
}

#[derive(Clone, Debug)]
enum Part {
    Name(PathBuf),
    Wild(Regex),
    AnyFolders,
}

/// What a listing found.
#[derive(Debug, Default)]
pub struct Listing {
    /// Files, in the order of their paths.
    pub files: BTreeSet<PathBuf>,
    /// Folders in which files may appear.
    pub folders: BTreeSet<PathBuf>,
    /// The first folder that could not be read, and why.
    pub unreadable: Option<(PathBuf, io::Error)>,
}

/// A pattern that can't be understood.
#[derive(Debug, thiserror::Error)]
#[error("pattern \"{pattern}\" is refused: {source}; close every [ with ]")]
pub struct PatternError {
    pattern: String,
    source: regex::Error,
}

impl Patterns {
    /// Absolute paths or patterns.
    ///
    /// # Errors
    /// When one can't be understood.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self, PatternError> {
        let read =
            |patterns: &[String]| patterns.iter().map(|p| Pattern::new(p)).collect::<Result<Vec<_>, _>>();
        Ok(Self { include: read(include)?, exclude: read(exclude)? })
    }

    /// Whether a file of this path is meant. Compressed archives never are: what is in them was read before.
    pub fn matches(&self, path: &Path) -> bool {
        let is = |pattern: &Pattern| pattern.whole.is_match(path.as_os_str().as_bytes());
        self.include.iter().any(is) && !self.exclude.iter().any(is) && !is_compressed(path)
    }

    /// Looks for files. Blocks.
    pub fn list(&self) -> Listing {
        let mut listing = Listing::default();
        for pattern in &self.include {
            pattern.walk(&pattern.base, &pattern.parts, 0, &mut listing);
        }
        listing.files.retain(|path| self.matches(path));
        listing
    }
}

impl Pattern {
    fn new(pattern: &str) -> Result<Self, PatternError> {
        let refused = |source| PatternError { pattern: pattern.to_owned(), source };
        let mut base = PathBuf::new();
        let mut parts = Vec::new();
        for component in Path::new(pattern).components() {
            let text = component.as_os_str().to_string_lossy();
            if text == "**" {
                parts.push(Part::AnyFolders);
            } else if matches!(component, Component::Normal(_)) && text.contains(['*', '?', '[']) {
                parts.push(Part::Wild(translate(&text).map_err(refused)?));
            } else if parts.is_empty() {
                base.push(component);
            } else {
                parts.push(Part::Name(component.as_os_str().into()));
            }
        }
        let whole = translate(pattern).map_err(refused)?;
        // A plain path: the last name is a part like those with wildcards.
        if parts.is_empty()
            && let Some(name) = base.file_name().map(PathBuf::from)
        {
            base.pop();
            parts.push(Part::Name(name));
        }
        Ok(Self { base, parts, whole })
    }

    fn walk(&self, folder: &Path, parts: &[Part], depth: usize, found: &mut Listing) {
        let Some((part, rest)) = parts.split_first() else { return };
        if let Part::Name(name) = part {
            let path = folder.join(name);
            if rest.is_empty() {
                found.folders.insert(folder.to_owned());
                found.take(path);
            } else {
                self.walk(&path, rest, depth, found);
            }
            return;
        }
        found.folders.insert(folder.to_owned());
        if let Part::AnyFolders = part {
            self.walk(folder, rest, depth, found);
        }
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return,
            Err(e) => {
                found.unreadable.get_or_insert_with(|| (folder.to_owned(), e));
                return;
            }
        };
        for entry in entries.flatten() {
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            match part {
                Part::AnyFolders if is_folder && depth < MOST_DEPTH => {
                    self.walk(&entry.path(), parts, depth + 1, found);
                }
                Part::AnyFolders if !is_folder && rest.is_empty() => found.take(entry.path()),
                Part::Wild(name) if name.is_match(entry.file_name().as_bytes()) => {
                    // A link to a folder is entered where it is named, not below `**`.
                    match entry.path() {
                        path if rest.is_empty() && !is_folder => found.take(path),
                        path if !rest.is_empty() && path.is_dir() => self.walk(&path, rest, depth, found),
                        _ => {}
                    }
                }
                _ => {}
            }
        }
    }
}

impl Listing {
    fn take(&mut self, path: PathBuf) {
        self.files.insert(path);
    }
}

fn is_compressed(path: &Path) -> bool {
    const ENDINGS: [&str; 7] = ["gz", "zst", "xz", "bz2", "lz4", "zip", "Z"];
    path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known))
}

/// A pattern as a regular expression.
fn translate(pattern: &str) -> Result<Regex, regex::Error> {
    let mut text = String::from("(?s-u)\\A");
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        let mut taken = c.len_utf8();
        match c {
            '*' if rest.starts_with("**/") => {
                text.push_str("(?:.*/)?");
                taken = 3;
            }
            '*' if rest.starts_with("**") => {
                text.push_str(".*");
                taken = 2;
            }
            '*' => text.push_str("[^/]*"),
            '?' => text.push_str("[^/]"),
            '[' => {
                if let Some((class, expression)) = class(rest) {
                    taken = class.len();
                    text.push_str(&expression);
                } else {
                    // An opening bracket without its end, which the expression's parser refuses.
                    text.push('[');
                }
            }
            c => text.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
        rest = &rest[taken..];
    }
    text.push_str("\\z");
    Regex::new(&text)
}

/// `[…]` at the beginning of a pattern, and the same as an expression.
fn class(pattern: &str) -> Option<(&str, String)> {
    // A closing bracket in the first place stands for itself.
    let negated = pattern[1..].starts_with(['!', '^']);
    let from = 1 + usize::from(negated);
    let end = from + 1 + pattern.get(from + 1..)?.find(']')?;
    let members = pattern[from..end].replace('\\', "\\\\").replace('[', "\\[").replace(']', "\\]");
    let members = members.replace("&&", "&\\&").replace("~~", "~\\~").replace('^', "\\^");
    let expression = if negated { format!("[^/{members}]") } else { format!("[{members}]") };
    Some((&pattern[..=end], expression))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_like_a_shell() {
        for (pattern, path, yes) in [
            ("/a/*.log", "/a/x.log", true),
            ("/a/*.log", "/a/b/x.log", false),
            ("/a/*.log*", "/a/x.log.1", true),
            ("/a/**/x.log", "/a/x.log", true),
            ("/a/**/x.log", "/a/b/c/x.log", true),
            ("/a/**", "/a/b/c", true),
            ("/a/?.log", "/a/x.log", true),
            ("/a/?.log", "/a/xy.log", false),
            ("/a/[a-c]x", "/a/bx", true),
            ("/a/[!a-c]x", "/a/bx", false),
            ("/a/[]]x", "/a/]x", true),
            ("/a/x+(y).log", "/a/x+(y).log", true),
            ("/a/x.log", "/a/xxlog", false),
            ("/a/*", "/a/x.gz", false),
        ] {
            let patterns = Patterns::new(&[pattern.to_owned()], &[]).unwrap();
            assert_eq!(patterns.matches(Path::new(path)), yes, "{pattern} {path}");
        }
        let open = Patterns::new(&["/a/[x".to_owned()], &[]).unwrap_err().to_string();
        assert!(open.starts_with("pattern \"/a/[x\" is refused"), "{open}");
    }

    #[test]
    fn files_are_found_with_the_folders_in_which_more_may_appear() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        fs::create_dir_all(at("sub/deep")).unwrap();
        for file in ["a.log", "a.log.1", "b.txt", "sub/c.log", "sub/deep/d.log", "old.log.gz", "no.log"] {
            fs::write(at(file), file).unwrap();
        }
        let list = |pattern: &str| {
            let text = |path: &str| at(path).to_string_lossy().into_owned();
            Patterns::new(&[text(pattern)], &[text("no*")]).unwrap().list()
        };
        let files = |paths: &[&str]| paths.iter().map(|path| at(path)).collect::<BTreeSet<_>>();
        assert_eq!(list("*.log*").files, files(&["a.log", "a.log.1"]));
        assert_eq!(list("**/*.log").files, files(&["a.log", "sub/c.log", "sub/deep/d.log"]));
        assert_eq!(list("*/c.log").files, files(&["sub/c.log"]));
        assert_eq!(list("b.txt").files, files(&["b.txt"]));
        assert_eq!(list("**/*.log").folders.len(), 3);
        let missing = list("none/x.log");
        assert!(missing.unreadable.is_none());
        assert_eq!(missing.folders, files(&["none"]), "it may appear");
    }
}
