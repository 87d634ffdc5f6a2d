//! Counters by name and labels, read from the Prometheus text of `/metrics`.

use std::collections::BTreeMap;

/// All counters at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics(BTreeMap<Series, f64>);

/// A counter's name and labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Series {
    /// Such as `vmetric_device_accepted_total`.
    pub name: String,
    /// Such as `device` = `in`.
    pub labels: BTreeMap<String, String>,
}

impl Metrics {
    /// Reads a page; lines that are no samples are skipped.
    pub fn read(page: &str) -> Self {
        Self(page.lines().filter(|line| !line.starts_with('#')).filter_map(sample).collect())
    }

    /// The value with exactly these labels; 0 when there is none, since counters that are 0 may be left out.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let labels = labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect();
        self.0.get(&Series { name: name.to_owned(), labels }).copied().unwrap_or(0.0)
    }

    /// The same as a whole number.
    pub fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        self.value(name, labels) as u64
    }

    /// The sum over all series of this name that have these labels among theirs.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.of(name)
            .filter(|(series, _)| {
                labels.iter().all(|(label, value)| series.labels.get(*label).is_some_and(|v| v == value))
            })
            .map(|(_, value)| value)
            .sum()
    }

    /// All series of this name.
    pub fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a Series, f64)> {
        self.iter().filter(move |(series, _)| series.name == name)
    }

    /// All series.
    pub fn iter(&self) -> impl Iterator<Item = (&Series, f64)> {
        self.0.iter().map(|(series, value)| (series, *value))
    }
}

fn sample(line: &str) -> Option<(Series, f64)> {
    let (series, value) = line.rsplit_once(' ')?;
    let value = value.parse().ok()?;
    let Some((name, rest)) = series.split_once('{') else {
        return Some((Series { name: series.to_owned(), labels: BTreeMap::new() }, value));
    };
    let mut labels = BTreeMap::new();
    let mut rest = rest.strip_suffix('}')?;
    while !rest.is_empty() {
        let (label, after) = rest.split_once("=\"")?;
        let (text, after) = quoted(after)?;
        labels.insert(label.to_owned(), text);
        rest = after.strip_prefix(',').unwrap_or(after);
    }
    Some((Series { name: name.to_owned(), labels }, value))
}

/// The text up to the closing quote, and what comes after that.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_found_by_name_and_labels() {
        let page = "# HELP a b\n# TYPE a counter\na 1\nb{x=\"1\",y=\"q\\\"\\\\\\n}, z=\"} 2.5\nb{x=\"2\",y=\"\"} 4\nrest";
        let metrics = Metrics::read(page);
        assert_eq!(metrics.count("a", &[]), 1);
        assert_eq!(metrics.value("b", &[("y", "q\"\\\n}, z="), ("x", "1")]), 2.5);
        assert_eq!((metrics.sum("b", &[]), metrics.sum("b", &[("x", "2")])), (6.5, 4.0));
        assert_eq!((metrics.value("b", &[]), metrics.iter().count()), (0.0, 3));
    }
}
