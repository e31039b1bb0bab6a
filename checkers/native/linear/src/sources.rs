//! Where what a contradiction sees had come from, for who reads it.

use crate::ops::{Op, F};
use crate::scope::Kept;

/// No more than this many are shown.
const SOURCES: usize = 32;

/// Where the values came from that are seen but were left before the moment: the last to return that left each. They
/// are shown, not judged; a compare-and-set brings what it found along, as far as that goes.
pub(crate) fn sources(ops: &[Op], kept: &Kept, since: u32, elements: Option<&[u32]>) -> Vec<(u32, bool)> {
    let leaves = |op: &Op| match op.f {
        F::Write | F::Add | F::Remove => Some(op.a),
        F::Cas => Some(op.b),
        _ => None,
    };
    let mut wanted: Vec<(u32, u32)> = match elements {
        Some(elements) => elements.iter().map(|&element| (element, since)).collect(),
        None => {
            let seen = kept.iter().filter(|(_, op)| matches!(op.f, F::Read | F::Cas));
            seen.map(|(_, op)| (op.a, since)).collect()
        }
    };
    wanted.sort_unstable();
    wanted.dedup();
    let mut found = Vec::new();
    while let Some((value, before)) = wanted.pop() {
        let left = (0u32..).zip(ops).filter(|(_, op)| leaves(op) == Some(value) && op.ret < before);
        let Some((id, op)) = left.max_by_key(|(_, op)| op.ret) else { continue };
        if found.len() < SOURCES && !found.contains(&(id, true)) {
            found.push((id, true));
            if op.f == F::Cas {
                wanted.push((op.a, op.call));
            }
        }
    }
    found
}
