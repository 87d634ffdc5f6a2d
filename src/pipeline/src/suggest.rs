//! What somebody who misspelt a name may have meant.

/// `; did you mean "x"`, if one of the names is close; nothing otherwise.
pub(crate) fn closest<'n>(wrong: &str, names: impl Iterator<Item = &'n str>) -> String {
    let best = names
        .map(|name| (strsim::damerau_levenshtein(wrong, name), name))
        .filter(|(distance, name)| *distance <= name.len().max(3) / 3)
        .min();
    best.map_or_else(String::new, |(_, name)| format!("; did you mean {name:?}"))
}
