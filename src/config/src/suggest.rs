//! What somebody may have meant.

/// How alike two words are at least, from 0 to 1: one slip in three letters.
const ALIKE: f64 = 0.6;

/// A fix for a word that is not known: the most similar known one, or all of them.
pub(crate) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let lower = word.to_lowercase();
    let mut best: Option<(f64, &str)> = None;
    for candidate in &known {
        let alike = strsim::normalized_damerau_levenshtein(&lower, &candidate.to_lowercase());
        if alike >= ALIKE && best.is_none_or(|(most, _)| alike > most) {
            best = Some((alike, candidate));
        }
    }
    match best {
        Some((_, candidate)) => format!("did you mean \"{candidate}\"?"),
        None if known.is_empty() => "there are none".to_owned(),
        None => format!("available: {}", listed(&known)),
    }
}

/// Words in a row, at most 40.
fn listed(words: &[&str]) -> String {
    const MOST: usize = 40;
    let dots = if words.len() > MOST { ", …" } else { "" };
    format!("{}{dots}", words[..words.len().min(MOST)].join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_corrected_and_a_strange_word_gets_the_list() {
        assert_eq!(did_you_mean("prot", ["address", "port"]), "did you mean \"port\"?");
        assert_eq!(did_you_mean("Syslog", ["tcp", "syslog"]), "did you mean \"syslog\"?");
        assert_eq!(did_you_mean("banana", ["address", "port"]), "available: address, port");
        assert_eq!(did_you_mean("x", []), "there are none");
    }
}
