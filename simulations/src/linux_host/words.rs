//! The syntax of the shell: from text to commands.

use std::iter::Peekable;
use std::str::Chars;

/// A character of a word, and whether it was quoted.
pub type Letter = (char, bool);

/// A list of commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Words, the first of which is a program.
    Simple(Vec<Vec<Letter>>),
    /// Several, in a group or a subshell.
    Group(Vec<(Command, Joint)>),
    /// What one writes the next one reads.
    Pipe(Vec<Command>),
}

/// What decides whether the next command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joint {
    /// `;` or a line end.
    Then,
    /// `&&`
    And,
    /// `||`
    Or,
}

/// Why a text is no list of commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// More has to come.
    Incomplete,
    /// It never will be one.
    Wrong,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(Vec<Letter>),
    /// `;`, line ends, `&&`, `||`, `|`, braces, parentheses.
    Operator(&'static str),
}

/// Reads a list of commands.
///
/// # Errors
/// When more has to come, or it is none.
pub fn parse(text: &str) -> Result<Command, Unreadable> {
    let tokens = tokens(text)?;
    let mut tokens = tokens.into_iter().peekable();
    let list = list(&mut tokens, None)?;
    Ok(Command::Group(list))
}

type Tokens = Peekable<std::vec::IntoIter<Token>>;

fn list(tokens: &mut Tokens, until: Option<&'static str>) -> Result<Vec<(Command, Joint)>, Unreadable> {
    let mut list = Vec::new();
    loop {
        while tokens.next_if(|t| matches!(t, Token::Operator(";" | "\n"))).is_some() {}
        match tokens.peek() {
            None if until.is_none() => return Ok(list),
            None => return Err(Unreadable::Incomplete),
            Some(Token::Operator(op)) if Some(*op) == until => {
                tokens.next();
                return Ok(list);
            }
            Some(_) => {}
        }
        let command = pipe(tokens)?;
        let joint = match tokens.next_if(|t| matches!(t, Token::Operator("&&" | "||" | ";" | "\n"))) {
            Some(Token::Operator("&&")) => Joint::And,
            Some(Token::Operator("||")) => Joint::Or,
            _ => Joint::Then,
        };
        if joint != Joint::Then && tokens.peek().is_none() {
            return Err(Unreadable::Incomplete);
        }
        list.push((command, joint));
    }
}

fn pipe(tokens: &mut Tokens) -> Result<Command, Unreadable> {
    let mut commands = vec![command(tokens)?];
    while tokens.next_if_eq(&Token::Operator("|")).is_some() {
        commands.push(command(tokens)?);
    }
    Ok(if commands.len() == 1 { commands.remove(0) } else { Command::Pipe(commands) })
}

fn command(tokens: &mut Tokens) -> Result<Command, Unreadable> {
    let group = match tokens.peek() {
        None => return Err(Unreadable::Incomplete),
        Some(Token::Operator("{")) => Some("}"),
        Some(Token::Operator("(")) => Some(")"),
        Some(Token::Operator(_)) => return Err(Unreadable::Wrong),
        Some(Token::Word(_)) => None,
    };
    if let Some(end) = group {
        tokens.next();
        return Ok(Command::Group(list(tokens, Some(end))?));
    }
    let mut words = Vec::new();
    while let Some(Token::Word(word)) = tokens.next_if(|token| matches!(token, Token::Word(_))) {
        words.push(word);
    }
    Ok(Command::Simple(words))
}

fn tokens(text: &str) -> Result<Vec<Token>, Unreadable> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.peek().copied() {
        let operator = match c {
            ' ' | '\t' => {
                chars.next();
                continue;
            }
            '\n' => "\n",
            ';' => ";",
            '{' => "{",
            '}' => "}",
            '(' => "(",
            ')' => ")",
            '&' => "&&",
            '|' => "|",
            '<' | '>' => {
                redirection(&mut chars);
                continue;
            }
            _ => {
                let word = word(&mut chars)?;
                let is_number = matches!(word[..], [(c, false)] if c.is_ascii_digit());
                match chars.peek() {
                    Some('<' | '>') if is_number => redirection(&mut chars),
                    _ => tokens.push(Token::Word(word)),
                }
                continue;
            }
        };
        chars.next();
        let doubled = matches!(c, '&' | '|') && chars.next_if_eq(&c).is_some();
        tokens.push(Token::Operator(if doubled && c == '|' { "||" } else { operator }));
    }
    Ok(tokens)
}

/// Where input comes from and output goes does not matter here: there are no errors to be seen, and no input.
fn redirection(chars: &mut Peekable<Chars>) {
    while chars.next_if(|c| matches!(c, '<' | '>' | '&')).is_some() {}
    while chars.next_if(|c| !matches!(c, ' ' | '\n' | ';' | '|' | ')' | '}')).is_some() {}
}

fn word(chars: &mut Peekable<Chars>) -> Result<Vec<Letter>, Unreadable> {
    let mut word = Vec::new();
    while let Some(c) = chars.peek().copied() {
        match c {
            ' ' | '\t' | '\n' | ';' | '|' | '&' | '<' | '>' | ')' => break,
            '\'' => {
                chars.next();
                loop {
                    match chars.next().ok_or(Unreadable::Incomplete)? {
                        '\'' => break,
                        c => word.push((c, true)),
                    }
                }
            }
            '\\' => {
                chars.next();
                word.push((chars.next().ok_or(Unreadable::Incomplete)?, true));
            }
            c => {
                chars.next();
                word.push((c, false));
            }
        }
    }
    Ok(word)
}

/// The text of a word.
pub fn text(word: &[Letter]) -> String {
    word.iter().map(|(c, _)| c).collect()
}

/// Whether a path matches a word as a pattern; `*` and `?` stand for no slash.
pub fn matches(pattern: &[Letter], path: &[char]) -> bool {
    match pattern.split_first() {
        None => path.is_empty(),
        Some(((c @ ('*' | '?'), false), rest)) => {
            let longest = if *c == '?' { 1 } else { path.iter().take_while(|c| **c != '/').count() };
            let shortest = usize::from(*c == '?');
            (shortest..=longest.min(path.len()))
                .any(|len| path[..len].iter().all(|c| *c != '/') && matches(rest, &path[len..]))
        }
        Some(((c, _), rest)) => path.first() == Some(c) && matches(rest, &path[1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_when_they_are_complete() {
        for text in ["{ ls", "{ ls\n", "printf 'a", "a &&", "(exit 1"] {
            assert_eq!(parse(text), Err(Unreadable::Incomplete), "{text}");
        }
        for text in [
            "{ { [ -r '/a b' ] || (exit 113); } && dd if='/a b' 2>/dev/null\n} </dev/null\n",
            "",
            "a; b | c\n",
        ] {
            assert!(parse(text).is_ok(), "{text}");
        }
        assert_eq!(parse("| x"), Err(Unreadable::Wrong));
    }

    #[test]
    fn patterns_match_within_a_folder() {
        let is = |pattern: &str, path: &str| {
            let Ok(Command::Group(list)) = parse(pattern) else { panic!("{pattern}") };
            let (Command::Simple(words), _) = &list[0] else { panic!("{pattern}") };
            matches(&words[0], &path.chars().collect::<Vec<_>>())
        };
        assert!(is("/l/*.log", "/l/a.log") && is("/l/a?", "/l/ab") && is("/l/a\\*", "/l/a*"));
        assert!(!is("/l/*.log", "/l/d/a.log") && !is("/l/a\\*", "/l/ab") && !is("/l/a?", "/l/a"));
    }
}
