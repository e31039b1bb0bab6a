//! A set as far as some of its elements go.
//!
//! What a correct order says of all elements it says of some: leaving out every operation on the others, and the
//! others in every list that was read, keeps it correct. So where the rest is invalid, the whole is.

use crate::hash::Set;
use crate::ops::{Op, Values, F};

/// Operations with their numbers.
pub type Kept = Vec<(u32, Op)>;

/// All elements that operations speak of, in order.
#[must_use]
pub fn elements(kept: &Kept, values: &Values<'_>) -> Vec<u32> {
    let mut found: Vec<u32> = Vec::new();
    for (_, op) in kept {
        match op.f {
            F::Members => found.extend(values.list(op.a).unwrap_or_default()),
            _ => found.push(op.a),
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// The operations as far as these elements go, with the values that they speak of from now on.
#[must_use]
pub fn project<'a>(kept: &Kept, values: &Values<'a>, elements: &[u32]) -> (Kept, Values<'a>) {
    let elements: Set<u32> = elements.iter().copied().collect();
    let mut fewer = values.blank();
    let mut rest = Kept::new();
    for &(id, op) in kept {
        match op.f {
            F::Members => {
                let list = values.list(op.a).unwrap_or_default().iter();
                let list: Vec<u32> = list.filter(|element| elements.contains(element)).copied().collect();
                rest.push((id, Op { a: fewer.put_list(list), ..op }));
            }
            _ if elements.contains(&op.a) => rest.push((id, op)),
            _ => {}
        }
    }
    (rest, fewer)
}
