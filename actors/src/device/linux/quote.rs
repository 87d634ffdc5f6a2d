//! Words for a POSIX shell.

/// A word that stands for itself.
pub fn word(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// A pattern: `*`, `?` and brackets keep their meaning, everything else stands for itself.
pub fn pattern(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        let is_plain = c.is_ascii_alphanumeric() || "/._-,:@%+=*?[]!^".contains(c) || !c.is_ascii();
        match c {
            // A line feed behind a backslash vanishes.
            '\n' => out.push_str("'\n'"),
            _ if is_plain => out.push(c),
            _ => {
                out.push('\\');
                out.push(c);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn printed(shell: &[&str], words: &str) -> String {
        let script = format!("printf '<%s>' {words}");
        let output = Command::new(shell[0]).args(&shell[1..]).arg("-c").arg(script).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn words_reach_a_command_as_they_are() {
        let texts = ["plain", "a b", "it's", "$HOME `id` \\ \"x\" ; & | > #", "*?[a]~", "ä\n-x"];
        for text in texts {
            assert_eq!(printed(&["sh"], &word(text)), format!("<{text}>"));
        }
    }

    #[test]
    fn patterns_are_expanded_and_nothing_else_in_them_is() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a b.log", "a$(id).log", "a'.log", "z.txt"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let all = printed(&["sh"], &pattern(&format!("{}/a*.log", folder.path().display())));
        assert_eq!(all.matches(".log>").count(), 3, "{all}");
        for name in ["a b.log", "a$(id).log", "a'.log"] {
            let path = folder.path().join(name).display().to_string();
            assert_eq!(printed(&["sh"], &pattern(&path)), format!("<{path}>"));
        }
    }
}
