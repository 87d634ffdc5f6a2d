//! Text to tokens, each with the byte it starts at.

use super::SyntaxError;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Int(i64),
    Float(f64),
    Text(String),
    Name(String),
    /// An operator or bracket.
    Mark(&'static str),
    End,
}

/// Longer marks first: `**` is not two `*`.
const MARKS: [&str; 36] = [
    "==~", "...", "&&", "||", "==", "!=", "<=", ">=", "**", "??", "?.", "..", "=~", "(", ")", "[", "]", "{",
    "}", "<", ">", "+", "-", "*", "/", "%", "^", "!", "?", ":", ".", ",", "#", "|", ";", "$",
];

pub(super) fn tokens(text: &str) -> Result<Vec<(Token, usize)>, SyntaxError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(next) = text[at..].chars().next() {
        let start = at;
        let token = match next {
            _ if next.is_whitespace() => {
                at += next.len_utf8();
                continue;
            }
            '"' | '\'' => quoted(text, &mut at, next)?,
            '`' => raw(text, &mut at)?,
            '/' if matches!(tokens.last(), Some((Token::Mark("=~" | "==~"), _))) => regex(text, &mut at)?,
            '0'..='9' => number(text, &mut at)?,
            '.' if text[at + 1..].starts_with(|c: char| c.is_ascii_digit()) && !ends_a_value(&tokens) => {
                number(text, &mut at)?
            }
            _ if is_name_start(next) => {
                let end = text[at..].find(|c| !is_name_part(c)).map_or(text.len(), |len| at + len);
                at = end;
                Token::Name(text[start..end].to_owned())
            }
            _ => {
                let rest = &text[at..];
                let mark = MARKS.iter().find(|mark| rest.starts_with(**mark));
                let mark =
                    mark.ok_or_else(|| SyntaxError::new(at, format!("{next:?} has no meaning here")))?;
                at += mark.len();
                Token::Mark(mark)
            }
        };
        tokens.push((token, start));
    }
    tokens.push((Token::End, text.len()));
    Ok(tokens)
}

fn is_name_start(c: char) -> bool {
    c.is_alphabetic() || matches!(c, '_' | '@' | '$')
}

fn is_name_part(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '@' | '$')
}

/// Whether a dot now would be a step into a value: `items[0].5`.
fn ends_a_value(tokens: &[(Token, usize)]) -> bool {
    matches!(tokens.last(), Some((Token::Name(_) | Token::Mark(")" | "]" | "#"), _)))
}

fn number(text: &str, at: &mut usize) -> Result<Token, SyntaxError> {
    let start = *at;
    let rest = &text[start..];
    for (prefix, radix) in [("0x", 16), ("0b", 2), ("0o", 8)] {
        let Some(digits) = rest.strip_prefix(prefix) else { continue };
        let len = digits.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(digits.len());
        *at += prefix.len() + len;
        let digits = digits[..len].replace('_', "");
        return i64::from_str_radix(&digits, radix).map(Token::Int).map_err(|_| not_a_number(start));
    }
    let bytes = rest.as_bytes();
    let mut end = 0;
    let mut is_float = false;
    while let Some(byte) = bytes.get(end) {
        match byte {
            b'0'..=b'9' | b'_' => {}
            // `1..3` is a range, not the number `1.`
            b'.' if !is_float && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) => is_float = true,
            b'e' | b'E' => {
                is_float = true;
                end += usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            }
            _ => break,
        }
        end += 1;
    }
    *at += end;
    let digits = rest[..end].replace('_', "");
    let float = || digits.parse().map(Token::Float).map_err(|_| not_a_number(start));
    if is_float { float() } else { digits.parse().map(Token::Int).or_else(|_| float()) }
}

fn not_a_number(at: usize) -> SyntaxError {
    SyntaxError::new(at, "this is not a number".to_owned())
}

fn raw(text: &str, at: &mut usize) -> Result<Token, SyntaxError> {
    let inner = &text[*at + 1..];
    let end = inner.find('`').ok_or_else(|| SyntaxError::new(*at, "the text has no closing `".to_owned()))?;
    *at += end + 2;
    Ok(Token::Text(inner[..end].to_owned()))
}

/// Painless's `/regular expression/`, behind `=~` and `==~` only.
fn regex(text: &str, at: &mut usize) -> Result<Token, SyntaxError> {
    let inner = &text[*at + 1..];
    let mut escaped = false;
    let end = inner.find(|c| {
        let ends = c == '/' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    let end =
        end.ok_or_else(|| SyntaxError::new(*at, "the regular expression has no closing /".to_owned()))?;
    *at += end + 2;
    Ok(Token::Text(inner[..end].replace("\\/", "/")))
}

fn quoted(text: &str, at: &mut usize, quote: char) -> Result<Token, SyntaxError> {
    let start = *at;
    let unfinished = || SyntaxError::new(start, format!("the text has no closing {quote}"));
    let mut value = String::new();
    let mut chars = text[start + 1..].char_indices();
    while let Some((offset, c)) = chars.next() {
        if c == quote {
            *at = start + 1 + offset + 1;
            return Ok(Token::Text(value));
        }
        if c != '\\' {
            value.push(c);
            continue;
        }
        let (_, escaped) = chars.next().ok_or_else(unfinished)?;
        match escaped {
            'n' => value.push('\n'),
            't' => value.push('\t'),
            'r' => value.push('\r'),
            '0' => value.push('\0'),
            'u' | 'x' => {
                let len = if escaped == 'u' { 4 } else { 2 };
                let digits: String = chars.by_ref().take(len).map(|(_, c)| c).collect();
                let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                let wrong = || SyntaxError::new(start + 1 + offset, "this escape is no character".to_owned());
                value.push(code.ok_or_else(wrong)?);
            }
            '\\' | '"' | '\'' | '`' => value.push(escaped),
            // In a regular expression written with single backslashes, `\d` means itself.
            other => value.extend(['\\', other]),
        }
    }
    Err(unfinished())
}
