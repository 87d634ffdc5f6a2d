//! Branches by a name that means the same in the next process: route, target, and what lies between.

use super::settlement::Key;
use event::BranchId;
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;

/// Between the parts of a key; no part contains it.
const SEPARATOR: char = '\t';

/// The keys of all branches; clones share them.
#[derive(Clone, Debug, Default)]
pub struct BranchKeys(Arc<RwLock<Known>>);

#[derive(Debug, Default)]
struct Known {
    keys: HashMap<(usize, BranchId), Key>,
    branches: HashMap<Key, Vec<BranchId>>,
}

/// The key of the branch that leads through a route (none for one that a pipeline chooses) and these pipelines to a target.
pub fn key(route: &str, target: &str, between: &str) -> Key {
    let clean = |text: &str| text.replace(SEPARATOR, " ");
    format!("{}{SEPARATOR}{}{SEPARATOR}{}", clean(route), clean(target), clean(between)).into()
}

/// A key for people.
pub fn describe(key: &str) -> String {
    let mut parts = key.split(SEPARATOR);
    match (parts.next().unwrap_or(""), parts.next().unwrap_or("")) {
        ("", target) => format!("the way of a pipeline to target \"{target}\""),
        (route, target) => format!("route \"{route}\" to target \"{target}\""),
    }
}

impl BranchKeys {
    /// A branch is there, under these numbers in each lane.
    pub fn add(&self, key: &Key, branches: &[BranchId]) {
        let mut known = self.0.write();
        for (lane, branch) in branches.iter().enumerate() {
            known.keys.insert((lane, *branch), Arc::clone(key));
        }
        known.branches.insert(Arc::clone(key), branches.to_vec());
    }

    /// The key of a branch in a lane.
    pub fn of(&self, lane: usize, branch: BranchId) -> Option<Key> {
        self.0.read().keys.get(&(lane, branch)).cloned()
    }

    /// The branch of a key in a lane; where there is none, another one of the same route to the same target: the pipelines
    /// between may have changed since.
    pub fn branch(&self, key: &str, lane: usize) -> Option<BranchId> {
        let known = self.0.read();
        if let Some(branches) = known.branches.get(key) {
            return branches.get(lane).copied();
        }
        let ends = |key: &str| key.rsplit_once(SEPARATOR).map(|(ends, _)| ends.to_owned());
        let wanted = ends(key)?;
        let mut like: Vec<_> =
            known.branches.iter().filter(|(k, _)| ends(k).as_ref() == Some(&wanted)).collect();
        like.sort_by_key(|(key, _)| *key);
        like.first().and_then(|(_, branches)| branches.get(lane).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_is_found_again_also_when_its_pipelines_changed() {
        let keys = BranchKeys::default();
        let all = key("all", "out", "parse");
        keys.add(&all, &[BranchId(3), BranchId(4)]);
        assert_eq!(keys.of(1, BranchId(4)), Some(Arc::clone(&all)));
        assert_eq!(keys.branch(&all, 0), Some(BranchId(3)));
        assert_eq!(keys.branch(&key("all", "out", "parse+mask"), 1), Some(BranchId(4)));
        assert_eq!(keys.branch(&key("all", "other", "parse"), 1), None);
        assert_eq!(describe(&all), "route \"all\" to target \"out\"");
    }
}
