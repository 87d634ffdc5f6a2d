//! Shrinking a plan that fails to the smallest that still does (delta debugging: Zeller and Hildebrandt 2002).

/// The smallest plan that still fails: taking any single step out of it makes it pass. Steps stay in their order.
///
/// `fails` is asked for every plan that is tried, never for one longer than the last that failed; about n·log n times
/// where a few of n steps matter, n² at worst. Who has to end in time lets `fails` say no from then on: the smallest so
/// far is returned. A plan that does not fail is returned as it is.
pub fn smallest<T: Clone>(plan: &[T], mut fails: impl FnMut(&[T]) -> bool) -> Vec<T> {
    let mut smallest = plan.to_vec();
    if !fails(&smallest) {
        return smallest;
    }
    let mut parts = 2;
    while !smallest.is_empty() {
        let size = smallest.len().div_ceil(parts);
        let mut from = 0;
        let mut shrunk = false;
        while from < smallest.len() {
            let to = (from + size).min(smallest.len());
            let without: Vec<T> = smallest[..from].iter().chain(&smallest[to..]).cloned().collect();
            if fails(&without) {
                (smallest, shrunk) = (without, true);
            } else {
                from = to;
            }
        }
        match (shrunk, size) {
            // Every single step was tried, and none can go.
            (false, 1) => break,
            (true, 1) => {}
            _ => parts = smallest.len().div_ceil((size / 2).max(1)),
        }
    }
    smallest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_matter_is_taken_away() {
        let plan: Vec<u32> = (0..1000).collect();
        let mut tried = 0;
        let needed = [3, 500, 501, 999];
        let smallest = smallest(&plan, |plan| {
            tried += 1;
            needed.iter().all(|step| plan.contains(step))
        });
        assert_eq!(smallest, needed);
        assert!(tried < 300, "{tried}");
    }

    #[test]
    fn no_single_step_of_the_smallest_plan_can_go() {
        let plan: Vec<u32> = (0..60).collect();
        let fails = |plan: &[u32]| plan.iter().sum::<u32>() >= 600 && plan.len() >= 7;
        let smallest = smallest(&plan, fails);
        assert!(fails(&smallest));
        for n in 0..smallest.len() {
            let mut without = smallest.clone();
            without.remove(n);
            assert!(!fails(&without), "{n} of {smallest:?}");
        }
    }

    #[test]
    fn a_plan_that_passes_is_left_alone_and_one_that_always_fails_becomes_empty() {
        assert_eq!(smallest(&[1, 2, 3], |_| false), [1, 2, 3]);
        assert!(smallest(&[1, 2, 3], |_| true).is_empty());
    }
}
