//! What should hold in the tree of the Director under test: pure functions of two pictures of it.
//!
//! ```yaml
//! expect:
//!   tree:
//!     - {what: restarts, where: "targets/out/*", at_most: 2}
//!     - {what: parked, where: devices/broken/listener}
//!     - {what: nothing_else_moved, but: ["targets/out*"]}
//! ```
//!
//! Both pictures are of the same process: a new one begins with a new tree.

use super::tree::{Node, State, Tree};
use actors::child::faults::matches;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Something that should hold in the tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Expectation {
    /// How often those that match were started again since the first picture, together.
    Restarts(Restarts),
    /// At least one that matches is parked.
    Parked(At),
    /// At least one matches, and all that do run.
    Running(At),
    /// At least one that matches says that it is in trouble.
    Troubled(Troubled),
    /// None that matches says that it is in trouble, failed or is parked.
    Well(At),
    /// Everybody else has the number of restarts of the first picture and its state (who was starting may run), and
    /// nobody came or went except connections.
    NothingElseMoved(ElseThan),
}

/// How often, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restarts {
    /// Paths; `*` stands for any text.
    #[serde(rename = "where")]
    pub path: String,
    /// So often or more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<u64>,
    /// So often or less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<u64>,
}

/// Where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct At {
    /// Paths; `*` stands for any text.
    #[serde(rename = "where")]
    pub path: String,
}

/// Where, and what is said there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Troubled {
    /// Paths; `*` stands for any text.
    #[serde(rename = "where")]
    pub path: String,
    /// A part of what it says.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub says: String,
}

/// Who is excepted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ElseThan {
    /// Paths; `*` stands for any text.
    #[serde(default)]
    pub but: Vec<String>,
}

/// An expectation that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct Unmet(pub Vec<String>);

impl Expectation {
    /// Whether it holds.
    ///
    /// # Errors
    /// What was found instead, each with its path.
    pub fn check(&self, before: &Tree, after: &Tree) -> Result<(), Unmet> {
        let found = match self {
            Self::Restarts(restarts) => restarts.found(before, after),
            Self::Parked(at) => nobody(after, &at.path, "is parked", |node| node.state == State::Parked),
            Self::Running(at) => {
                let mut found = nobody(after, &at.path, "runs", |node| node.state == State::Running);
                let others = after.matching(&at.path).filter(|node| node.state != State::Running);
                found.extend(others.map(|node| format!("{} should run and is {}", node.path, Shown(node))));
                found
            }
            Self::Troubled(troubled) => {
                let says =
                    |node: &Node| node.condition.as_deref().is_some_and(|c| c.contains(&troubled.says));
                let what = match troubled.says.as_str() {
                    "" => "is in trouble".to_owned(),
                    says => format!("is in trouble and says {says:?}"),
                };
                nobody(after, &troubled.path, &what, |node| node.trouble && says(node))
            }
            Self::Well(at) => {
                let unwell =
                    |node: &&Node| node.trouble || matches!(node.state, State::Restarting | State::Parked);
                let found = after.matching(&at.path).filter(unwell);
                found.map(|node| format!("{} should be well and is {}", node.path, Shown(node))).collect()
            }
            Self::NothingElseMoved(except) => except.found(before, after),
        };
        if found.is_empty() { Ok(()) } else { Err(Unmet(found)) }
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Restarts(Restarts { path, at_least, at_most }) => {
                write!(f, "restarts of {path}")?;
                if let Some(least) = at_least {
                    write!(f, ", at least {least}")?;
                }
                at_most.map_or(Ok(()), |most| write!(f, ", at most {most}"))
            }
            Self::Parked(At { path }) => write!(f, "{path} is parked"),
            Self::Running(At { path }) => write!(f, "{path} runs"),
            Self::Troubled(Troubled { path, says }) if says.is_empty() => write!(f, "{path} is in trouble"),
            Self::Troubled(Troubled { path, says }) => write!(f, "{path} is in trouble and says {says:?}"),
            Self::Well(At { path }) => write!(f, "{path} is well"),
            Self::NothingElseMoved(ElseThan { but }) if but.is_empty() => f.write_str("nothing moved"),
            Self::NothingElseMoved(ElseThan { but }) => write!(f, "nothing moved but {}", but.join(", ")),
        }
    }
}

/// A node's state in words.
struct Shown<'a>(&'a Node);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Node { state, trouble, condition, last_error, .. } = self.0;
        f.write_str(name(*state))?;
        let why = if *trouble { condition } else { last_error };
        why.as_ref().map_or(Ok(()), |why| write!(f, " ({why})"))
    }
}

fn name(state: State) -> &'static str {
    match state {
        State::Starting => "starting",
        State::Running => "running",
        State::Restarting => "restarting",
        State::Parked => "parked",
        State::Stopping => "stopping",
        State::Retired => "retired",
    }
}

/// Nothing is wrong when somebody fits.
fn nobody(tree: &Tree, pattern: &str, what: &str, fits: impl Fn(&Node) -> bool) -> Vec<String> {
    if tree.matching(pattern).any(fits) {
        return Vec::new();
    }
    let found: Vec<String> =
        tree.matching(pattern).take(3).map(|node| format!("{} is {}", node.path, Shown(node))).collect();
    match found.as_slice() {
        [] => vec![format!("nobody {what} at {pattern}: nothing in the tree matches it")],
        found => vec![format!("nobody {what} at {pattern}: {}", found.join(", "))],
    }
}

impl Restarts {
    fn found(&self, before: &Tree, after: &Tree) -> Vec<String> {
        let each: Vec<(&str, u64)> = after
            .matching(&self.path)
            .map(|node| (node.path.as_str(), restarts_since(before, node)))
            .filter(|(_, times)| *times > 0)
            .collect();
        let all: u64 = each.iter().map(|(_, times)| times).sum();
        let listed = || {
            let listed: Vec<String> = each.iter().map(|(path, times)| format!("{path} {times}")).collect();
            if listed.is_empty() { "nobody was".to_owned() } else { listed.join(", ") }
        };
        let path = &self.path;
        let mut found = Vec::new();
        if let Some(most) = self.at_most.filter(|most| all > *most) {
            found.push(format!(
                "{path} was started again {}, at most {most} allowed: {}",
                times(all),
                listed()
            ));
        }
        if let Some(least) = self.at_least.filter(|least| all < *least) {
            found.push(format!(
                "{path} was started again {}, at least {least} expected: {}",
                times(all),
                listed()
            ));
        }
        found
    }
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

fn restarts_since(before: &Tree, node: &Node) -> u64 {
    let then = before.node(&node.path).map_or(0, |then| then.restarts);
    // Less than before: somebody of the same name took the place.
    if node.restarts < then { node.restarts } else { node.restarts - then }
}

impl ElseThan {
    fn found(&self, before: &Tree, after: &Tree) -> Vec<String> {
        let counts = |node: &&Node| !self.but.iter().any(|pattern| matches(pattern, &node.path));
        let comes_and_goes = |node: &Node| node.kind == "connection";
        let mut found = Vec::new();
        for then in before.nodes.iter().filter(counts) {
            let path = &then.path;
            let Some(now) = after.node(path) else {
                if !comes_and_goes(then) {
                    found.push(format!("{path} is gone"));
                }
                continue;
            };
            if now.restarts != then.restarts {
                let times = times(restarts_since(before, now));
                let why = now.last_error.as_ref().map_or(String::new(), |why| format!(" ({why})"));
                found.push(format!("{path} was started again {times}{why}"));
            }
            // Who was on the way up has arrived.
            let arrived = then.state == State::Starting && now.state == State::Running;
            if now.state != then.state && !arrived && !comes_and_goes(then) {
                found.push(format!("{path} was {} and is {}", name(then.state), Shown(now)));
            }
        }
        let new = after.nodes.iter().filter(counts).filter(|now| before.node(&now.path).is_none());
        found.extend(new.filter(|now| !comes_and_goes(now)).map(|now| format!("{} is new", now.path)));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(nodes: &[(&str, &str, u64)]) -> Tree {
        let node = |(path, state, restarts): &(&str, &str, u64)| {
            serde_json::json!({"path": path, "kind": path.rsplit('/').next().map(|n| n.split('-').next()),
                "state": state, "since": 0, "restarts": restarts})
        };
        let nodes: Vec<_> = nodes.iter().map(node).collect();
        serde_json::from_value(nodes.into()).expect("a tree")
    }

    fn told(expectation: &str, before: &Tree, after: &Tree) -> String {
        let expectation: Expectation = serde_json::from_str(expectation).expect("an expectation");
        expectation.check(before, after).err().map(|unmet| unmet.to_string()).unwrap_or_default()
    }

    #[test]
    fn restarts_are_counted_since_the_first_picture() {
        let before = tree(&[("t/a", "running", 3), ("t/b", "running", 0)]);
        let after = tree(&[("t/a", "running", 5), ("t/b", "running", 1), ("u", "running", 9)]);
        assert_eq!(
            told(r#"{"what":"restarts","where":"t/*","at_most":3,"at_least":3}"#, &before, &after),
            ""
        );
        assert_eq!(
            told(r#"{"what":"restarts","where":"t/*","at_most":2}"#, &before, &after),
            "t/* was started again 3 times, at most 2 allowed: t/a 2, t/b 1"
        );
        assert_eq!(
            told(r#"{"what":"restarts","where":"v","at_least":1}"#, &before, &after),
            "v was started again 0 times, at least 1 expected: nobody was"
        );
    }

    #[test]
    fn states_are_told_with_what_was_found() {
        let before = Tree::default();
        let mut after = tree(&[("a", "parked", 5), ("b", "running", 0)]);
        after.nodes[0].last_error = Some("panic: x".to_owned());
        (after.nodes[1].trouble, after.nodes[1].condition) = (true, Some("refused by c".to_owned()));
        let told = |text: &str| told(text, &before, &after);
        assert_eq!(told(r#"{"what":"parked","where":"a"}"#), "");
        assert_eq!(
            told(r#"{"what":"parked","where":"b"}"#),
            "nobody is parked at b: b is running (refused by c)"
        );
        assert_eq!(
            told(r#"{"what":"running","where":"c"}"#),
            "nobody runs at c: nothing in the tree matches it"
        );
        assert_eq!(told(r#"{"what":"running","where":"*"}"#), "a should run and is parked (panic: x)");
        assert_eq!(told(r#"{"what":"troubled","where":"b","says":"refused"}"#), "");
        assert!(
            told(r#"{"what":"troubled","where":"b","says":"x"}"#)
                .starts_with("nobody is in trouble and says \"x\"")
        );
        assert_eq!(
            told(r#"{"what":"well","where":"*"}"#),
            "a should be well and is parked (panic: x); b should be well and is running (refused by c)"
        );
    }

    #[test]
    fn nothing_else_moved_sees_everybody_but_connections() {
        let before = tree(&[
            ("a", "running", 0),
            ("b", "running", 1),
            ("c", "running", 0),
            ("d/connection-1", "running", 0),
        ]);
        let after = tree(&[
            ("a", "running", 1),
            ("b", "parked", 1),
            ("d/connection-2", "running", 0),
            ("e", "starting", 0),
        ]);
        assert_eq!(
            told(r#"{"what":"nothing_else_moved"}"#, &before, &after),
            "a was started again once; b was running and is parked; c is gone; e is new"
        );
        assert_eq!(told(r#"{"what":"nothing_else_moved","but":["a","b","c","e*"]}"#, &before, &after), "");
        let wrong = serde_json::from_str::<Expectation>(r#"{"what":"nothing_else_moved","except":[]}"#);
        assert!(wrong.expect_err("a mistake").to_string().contains("unknown field `except`, expected `but`"));
    }
}
