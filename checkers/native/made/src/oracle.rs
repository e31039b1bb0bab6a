//! The exhaustive judge of small histories: every order that real time allows, by states already seen.

use crate::object::{after, State};
use linear::ops::{Model, Op, Values};
use std::collections::HashSet;

/// Whether an order exists. For a few dozen operations at most.
///
/// # Panics
/// With more than 64 operations.
#[must_use]
pub fn linearizable(model: Model, values: &Values<'_>, ops: &[Op]) -> bool {
    assert!(ops.len() <= 64, "an exhaustive search of {} operations does not end", ops.len());
    let all: u64 = ops.iter().enumerate().filter(|(_, op)| !op.open()).fold(0, |all, (id, _)| all | 1 << id);
    let mut seen: HashSet<(u64, State)> = HashSet::new();
    let mut todo = vec![(0u64, State::default())];
    while let Some((done, state)) = todo.pop() {
        if done & all == all {
            return true;
        }
        if !seen.insert((done, state.clone())) {
            continue;
        }
        let left = |id: &usize| done >> id & 1 == 0;
        let first = (0..ops.len()).filter(left).map(|id| ops[id].ret).min().unwrap_or(0);
        for id in (0..ops.len()).filter(left).filter(|&id| ops[id].call < first) {
            for next in after(model, values, &state, &ops[id]) {
                todo.push((done | 1 << id, next));
            }
        }
    }
    false
}
