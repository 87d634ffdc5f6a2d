//! `unix_permission`: modes of files in words.

use super::target::{Target, add_field, add_text};
use crate::compile::spec::{FIELD, IGNORE_MISSING, optional};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use event::model::{Children, Slot};

pub(super) static SPEC: Spec = Spec {
    name: "unix_permission",
    family: "parse",
    summary: "Decodes a file's mode (`755`, `rwxr-xr-x`, 493) into owner, group and other.",
    details: "Gives `octal`, `symbolic`, `owner`, `group`, `other`, and `special_bits` where one is set. Formats: `octal`, `symbolic` \
              (a letter for the kind of file may stand before), `numeric` for the decimal value; `auto` takes digits for octal.",
    options: &[
        FIELD,
        optional("target_field", "the field with _decoded behind", "Where the object goes."),
        optional("format", "auto", "`auto`, `octal`, `symbolic` or `numeric`."),
        optional("add_security_notes", "false", "Add `security_warnings` about dangerous modes."),
        optional("add_commands", "false", "Add `commands` with `chmod` for the mode."),
        optional("expand_special", "false", "Add `special_bits` always, with descriptions."),
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "octal",
            event: r#"{"m": "750"}"#,
            processors: "- unix_permission: {field: m, target_field: m}",
            outcome: Outcome::Event(
                r#"{"m": {"octal": "750", "symbolic": "rwxr-x---", "owner": {"read": true, "write": true, "execute": true}, "group": {"read": true, "write": false, "execute": true}, "other": {"read": false, "write": false, "execute": false}}}"#,
            ),
        },
        Example {
            title: "symbolic, with commands",
            event: r#"{"m": "drwxrwsr-x"}"#,
            processors: "- unix_permission: {field: m, add_commands: true, target_field: m}\n- remove: {field: [m.owner, m.group, m.other]}",
            outcome: Outcome::Event(
                r#"{"m": {"octal": "2775", "symbolic": "rwxrwsr-x", "special_bits": {"setuid": false, "setgid": true, "sticky": false}, "commands": {"octal": "chmod 2775 filename", "symbolic": "chmod u=rwx,g=rwxs,o=rx filename"}}}"#,
            ),
        },
        Example {
            title: "no mode",
            event: r#"{"m": "999"}"#,
            processors: "- unix_permission: {field: m}",
            outcome: Outcome::Fails("is no mode of a file"),
        },
    ],
    compile,
};

#[derive(Clone, Copy)]
enum Format {
    Auto,
    Octal,
    Symbolic,
    Numeric,
}

struct UnixPermission {
    target: Target,
    format: Format,
    notes: bool,
    commands: bool,
    expand_special: bool,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let formats = [
        ("auto", Format::Auto),
        ("octal", Format::Octal),
        ("symbolic", Format::Symbolic),
        ("numeric", Format::Numeric),
    ];
    Ok(Box::new(UnixPermission {
        target: Target::read_beside(options, "_decoded")?,
        format: options.choice("format", &formats)?,
        notes: options.flag("add_security_notes", false)?,
        commands: options.flag("add_commands", false)?,
        expand_special: options.flag("expand_special", false)?,
    }))
}

/// Set-user, set-group and sticky bit, with their names and what they do.
const SPECIAL: [(u16, &str, &str); 3] = [
    (0o4000, "setuid", "Executes with owner privileges"),
    (0o2000, "setgid", "Executes with group privileges; new files in a directory inherit its group"),
    (0o1000, "sticky", "Only owners may delete files in the directory"),
];

impl Processor for UnixPermission {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        self.target.change_values(cx, |cx, slot| {
            let mode = match slot {
                Slot::Text(span) => {
                    self.mode(std::str::from_utf8(cx.event.bytes(span)).unwrap_or_default().trim())
                }
                Slot::Int(number) => self.mode(&number.to_string()),
                _ => None,
            };
            let mode = mode.ok_or(Failure::fixed("is no mode of a file like 755 or rwxr-xr-x"))?;
            self.describe(cx, mode)
        })?;
        Ok(Flow::Next)
    }
}

impl UnixPermission {
    fn mode(&self, text: &str) -> Option<u16> {
        let octal = |text: &str| u16::from_str_radix(text.strip_prefix("0o").unwrap_or(text), 8).ok();
        let mode = match self.format {
            Format::Octal => octal(text),
            Format::Numeric => text.parse().ok(),
            Format::Symbolic => symbolic(text),
            Format::Auto => octal(text).or_else(|| symbolic(text)),
        };
        mode.filter(|mode| *mode <= 0o7777)
    }

    fn describe(&self, cx: &mut Context<'_>, mode: u16) -> Result<Slot, Failure> {
        let mut map = Children::EMPTY;
        let octal = format!("{mode:03o}");
        add_text(cx, &mut map, "octal", &octal)?;
        add_text(cx, &mut map, "symbolic", &String::from_utf8_lossy(&letters(mode)))?;
        if mode > 0o777 || self.expand_special {
            let mut special = Children::EMPTY;
            for (bit, name, description) in SPECIAL {
                let is_set = mode & bit != 0;
                flag(cx, &mut special, name, is_set)?;
                if is_set && self.expand_special {
                    add_text(cx, &mut special, &format!("{name}_description"), description)?;
                }
            }
            add_field(cx, &mut map, "special_bits", Slot::Map(special))?;
        }
        for (name, shift) in [("owner", 6), ("group", 3), ("other", 0)] {
            let mut rights = Children::EMPTY;
            for (right, bit) in [("read", 4), ("write", 2), ("execute", 1)] {
                flag(cx, &mut rights, right, (mode >> shift) & bit != 0)?;
            }
            add_field(cx, &mut map, name, Slot::Map(rights))?;
        }
        if self.notes {
            let mut warnings = Children::EMPTY;
            for warning in warnings_of(mode) {
                let slot = cx.event.text(warning.as_bytes())?;
                cx.event.push_to(&mut warnings, slot)?;
            }
            add_field(cx, &mut map, "security_warnings", Slot::List(warnings))?;
        }
        if self.commands {
            let mut commands = Children::EMPTY;
            add_text(cx, &mut commands, "octal", &format!("chmod {octal} filename"))?;
            add_text(cx, &mut commands, "symbolic", &format!("chmod {} filename", clauses(mode)))?;
            add_field(cx, &mut map, "commands", Slot::Map(commands))?;
        }
        Ok(Slot::Map(map))
    }
}

fn flag(cx: &mut Context<'_>, map: &mut Children, name: &str, value: bool) -> Result<(), Failure> {
    add_field(cx, map, name, Slot::Bool(value))
}

/// `rwxr-xr-x`, with a letter for the kind of file before it and a mark for more behind it, as `ls` writes them.
fn symbolic(text: &str) -> Option<u16> {
    let text = text.as_bytes();
    let text = match text.len() {
        11 if matches!(text[10], b'.' | b'+' | b'@') => &text[1..10],
        10 if b"-dlbcps".contains(&text[0]) => &text[1..],
        9 => text,
        _ => return None,
    };
    let mut mode = 0;
    for (class, rights) in text.chunks_exact(3).enumerate() {
        let (special, letter) = [(0o4000, b's'), (0o2000, b's'), (0o1000, b't')][class];
        let bits = match rights[0] {
            b'r' => 4,
            b'-' => 0,
            _ => return None,
        } + match rights[1] {
            b'w' => 2,
            b'-' => 0,
            _ => return None,
        } + match rights[2] {
            b'x' => 1,
            b'-' => 0,
            other if other == letter => {
                mode |= special;
                1
            }
            other if other == letter.to_ascii_uppercase() => {
                mode |= special;
                0
            }
            _ => return None,
        };
        mode |= bits << (6 - 3 * class);
    }
    Some(mode)
}

fn letters(mode: u16) -> [u8; 9] {
    let mut out = *b"rwxrwxrwx";
    for (at, letter) in out.iter_mut().enumerate() {
        if mode & (0o400 >> at) == 0 {
            *letter = b'-';
        }
    }
    for (at, bit, letter) in [(2, 0o4000, b's'), (5, 0o2000, b's'), (8, 0o1000, b't')] {
        if mode & bit != 0 {
            out[at] = if out[at] == b'x' { letter } else { letter.to_ascii_uppercase() };
        }
    }
    out
}

/// `u=rwx,g=rx,o=rx`.
fn clauses(mode: u16) -> String {
    let clause = |class: char, shift: u16, special: u16, letter: char| {
        let bits = mode >> shift;
        let mut text = format!("{class}=");
        let rights = [(4, 'r'), (2, 'w'), (1, 'x')];
        text.extend(rights.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, letter)| letter));
        if mode & special != 0 {
            text.push(letter);
        }
        text
    };
    let owner = clause('u', 6, 0o4000, 's');
    let group = clause('g', 3, 0o2000, 's');
    let other = clause('o', 0, 0o1000, 't');
    format!("{owner},{group},{other}")
}

fn warnings_of(mode: u16) -> impl Iterator<Item = &'static str> {
    let is_set = move |bits: u16| mode & bits == bits;
    [
        (is_set(0o002), "World-writable: any user can modify file"),
        (is_set(0o003), "World-executable: security risk for binaries"),
        (
            is_set(0o4000) && mode & 0o022 != 0,
            "Setuid and writable by others than the owner: they can replace a privileged program",
        ),
        (is_set(0o4001), "Setuid: any user can execute it with owner privileges"),
        (is_set(0o2001), "Setgid: any user can execute it with group privileges"),
    ]
    .into_iter()
    .filter_map(|(holds, text)| holds.then_some(text))
}
