//! One element of a set, seen as a register of two values.

use crate::ops::{Op, F};
use crate::prune::weaker;

/// The operation as it was, with as much known of its outcome as of the other form of it.
pub(crate) fn as_of(whole: &Op, part: &Op) -> Op {
    if part.open() {
        weaker(*whole)
    } else {
        *whole
    }
}

/// Elements of a set as values of a register.
pub(crate) const OUT: u32 = 0;
const IN: u32 = 1;

pub(crate) fn as_register(op: &Op, element: u32, values: &crate::ops::Values<'_>) -> Option<Op> {
    let (f, a) = match op.f {
        F::Add if op.a == element => (F::Write, IN),
        F::Remove if op.a == element => (F::Write, OUT),
        F::Contains if op.a == element => (F::Read, op.b),
        F::Members => {
            let list = values.list(op.a).unwrap_or_default();
            (F::Read, list.iter().filter(|&&one| one == element).count() as u32)
        }
        _ => return None,
    };
    Some(Op { f, a, b: 0, ..*op })
}

pub(crate) fn of_element(op: &Op, element: u32) -> bool {
    op.f == F::Members || op.a == element
}
