//! The few commands that the shell of a simulated host knows.

use super::faults::Faults;
use super::files::Files;
use super::settings::Settings;
use super::words::{Command, Joint, Letter, matches, text};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{SystemTime, UNIX_EPOCH};

/// Not found, as a real shell says.
const UNKNOWN: i32 = 127;

/// A shell.
pub struct Shell<'h> {
    /// The files it sees.
    pub files: &'h Files,
    /// What goes wrong.
    pub faults: &'h Faults,
    /// Who the host is.
    pub settings: &'h Settings,
    /// `$?`
    pub status: i32,
}

impl Shell<'_> {
    /// Runs commands. Returns what they write.
    pub fn run(&mut self, command: &Command, input: &[u8]) -> Vec<u8> {
        match command {
            Command::Simple(words) => self.simple(words, input),
            Command::Pipe(commands) => {
                commands.iter().fold(input.to_vec(), |input, command| self.run(command, &input))
            }
            Command::Group(list) => {
                let mut output = Vec::new();
                let mut joint = Joint::Then;
                for (command, next) in list {
                    let runs = match joint {
                        Joint::Then => true,
                        Joint::And => self.status == 0,
                        Joint::Or => self.status != 0,
                    };
                    if runs {
                        output.extend(self.run(command, input));
                    }
                    joint = *next;
                }
                output
            }
        }
    }

    fn simple(&mut self, words: &[Vec<Letter>], input: &[u8]) -> Vec<u8> {
        let is_assignment =
            |word: &&Vec<Letter>| text(word).split_once('=').is_some_and(|(name, _)| is_name(name));
        let assigned = words.iter().take_while(is_assignment).count();
        let words = &words[assigned..];
        let all: Vec<String> = words.iter().map(|word| self.expanded(word)).collect();
        let Some((program, arguments)) = all.split_first() else {
            self.status = 0;
            return Vec::new();
        };
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let done = match (program.as_str(), &arguments[..]) {
            (":" | "unset" | "export", _) => Some(Vec::new()),
            ("exit", [status]) => {
                self.status = status.parse().unwrap_or(2);
                return Vec::new();
            }
            ("printf", [format, values @ ..]) => Some(printf(format, values)),
            ("echo", values) => Some(format!("{}\n", values.join(" ")).into_bytes()),
            ("[", ["-r", path, "]"]) => self.files.part(path, 0, 0),
            ("ls", _) => Some(self.list(&words[1..])),
            ("dd", arguments) => self.dd(arguments),
            ("head", ["-c", most]) => {
                most.parse().ok().map(|most: usize| input[..most.min(input.len())].to_vec())
            }
            ("tail", ["-c", from]) => from
                .strip_prefix('+')
                .and_then(|from| from.parse::<usize>().ok())
                .map(|from| input[from.saturating_sub(1).min(input.len())..].to_vec()),
            ("gzip", ["-dc", path]) => self.files.unzipped(path),
            ("date", ["+%s"]) => Some(format!("{}\n", self.now()).into_bytes()),
            ("uname", _) => Some(b"Linux 6.1.0-simulated x86_64\n".to_vec()),
            ("hostname", _) => Some(format!("{}\n", self.settings.hostname).into_bytes()),
            ("command", ["-v", program]) => {
                (*program == "journalctl").then(|| format!("{program}\n").into_bytes())
            }
            ("journalctl", _) => Some(Vec::new()),
            ("cat" | "grep" | "df" | "systemctl", _) => None,
            _ => {
                self.status = UNKNOWN;
                return Vec::new();
            }
        };
        self.status = i32::from(done.is_none());
        done.unwrap_or_default()
    }

    /// The text of a word with `$?` filled in.
    fn expanded(&self, word: &[Letter]) -> String {
        match word {
            [('$', false), ('?', false)] => self.status.to_string(),
            word => text(word),
        }
    }

    /// `ls -dlinLrt`
    fn list(&self, words: &[Vec<Letter>]) -> Vec<u8> {
        let patterns: Vec<&Vec<Letter>> =
            words.iter().filter(|word| word.first() == Some(&('/', false))).collect();
        let is_meant = |path: &str| {
            let path: Vec<char> = path.chars().collect();
            patterns.iter().any(|pattern| matches(pattern, &path))
        };
        let line = |(inode, size, path): (u64, usize, String)| {
            format!("{inode:>8} -rw-r----- 1 0 4 {size:>10} Nov 21 17:00 {path}\n")
        };
        self.files.list(is_meant).into_iter().map(line).collect::<String>().into_bytes()
    }

    fn dd(&self, arguments: &[&str]) -> Option<Vec<u8>> {
        let value =
            |key: &str| arguments.iter().find_map(|argument| argument.strip_prefix(key)?.strip_prefix('='));
        let number = |key: &str, default: u64| value(key).map_or(Some(default), |text| text.parse().ok());
        let size = number("bs", 512)?;
        self.files.part(
            value("if")?,
            size * number("skip", 0)?,
            size.saturating_mul(number("count", u64::MAX)?),
        )
    }

    fn now(&self) -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
        now + self.faults.clock_skew.load(Relaxed)
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !text.as_bytes()[0].is_ascii_digit()
}

/// `%s` and `\n`.
fn printf(format: &str, values: &[&str]) -> Vec<u8> {
    let mut values = values.iter();
    let mut out = String::new();
    for (index, part) in format.split("%s").enumerate() {
        if index > 0 {
            out.push_str(values.next().unwrap_or(&""));
        }
        out.push_str(&part.replace("\\n", "\n"));
    }
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::words::parse;
    use super::*;

    fn run(files: &Files, text: &str) -> (String, i32) {
        let (faults, settings) = (Faults::default(), Settings::default());
        let mut shell = Shell { files, faults: &faults, settings: &settings, status: 0 };
        let output = shell.run(&parse(text).expect("complete"), b"");
        (String::from_utf8(output).expect("text"), shell.status)
    }

    #[test]
    fn it_does_what_a_collector_asks_for() {
        let files = Files::default();
        files.append("/l/a's.log", b"0123456789");
        files.append("/l/b.log", b"x");
        let (listed, _) = run(&files, "ls -dlinLrt -- /l/*.log /l/*.log.* 2>&1");
        assert_eq!(listed.lines().count(), 2);
        assert!(listed.lines().next().is_some_and(|line| line.ends_with(" /l/a's.log")), "{listed}");
        let read = "{ { [ -r '/l/a'\\''s.log' ] || (exit 113); } && dd if='/l/a'\\''s.log' bs=4 skip=1 count=1 2>/dev/null\n} </dev/null\nprintf '%s%s:%s\\n' AB CD $?\n";
        assert_eq!(run(&files, read).0, "4567ABCD:0\n");
        files.allow("/l/a's.log", false);
        assert_eq!(run(&files, read).0, "ABCD:113\n");
        files.compress("/l/b.log").expect("compressed");
        assert_eq!(run(&files, "gzip -dc '/l/b.log.gz' 2>/dev/null | tail -c +1 | head -c 5").0, "x");
        assert_eq!(run(&files, "nosuchprogram -x").1, 127);
    }
}
