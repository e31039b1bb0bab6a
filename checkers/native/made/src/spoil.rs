//! One answer changed, so that a few lines prove that no order exists.
//!
//! Each change is a claim about all operations; the claim is checked against all of them before it is believed, and
//! where it does not hold the history is left alone.

use crate::client::integer;
use crate::simulate::History;
use fastrand::Rng;
use linear::ops::{Model, Op, F};

/// How often a place is looked for.
const TRIES: usize = 24;
/// An integer that no client ever uses.
const NEVER_USED: u32 = 1 << 29;

/// Change one answer; what was done, or none where no place for it was found.
pub fn spoil(model: Model, history: &mut History, random: &mut Rng) -> Option<&'static str> {
    let ops = &mut history.ops;
    if ops.is_empty() {
        return None;
    }
    for _ in 0..TRIES {
        let at = random.usize(..ops.len());
        let op = ops[at];
        if op.open() {
            continue;
        }
        let done = match (model, op.f) {
            (Model::Register, F::Read) if random.u8(..4) > 0 => overwritten(ops, at, random),
            (Model::Register | Model::Kv, F::Read) => phantom(ops, at),
            (Model::Set, F::Contains) => absent_or_present(ops, at),
            (Model::Queue | Model::UnorderedQueue, F::Dequeue) => taken(ops, at, random),
            (Model::Counter, F::Total) => total(ops, at, random),
            (Model::Lock | Model::FencedLock, F::Acquire) => granted(ops, at, &history.refused, model),
            _ => None,
        };
        if done.is_some() {
            return done;
        }
    }
    None
}

/// A value that is never written.
fn phantom(ops: &mut [Op], at: usize) -> Option<&'static str> {
    ops[at].a = integer(NEVER_USED);
    Some("a value that was never written was read")
}

/// The value of a register before a write that had returned: whatever leaves it either returned before that write was
/// called, or was called after the read had returned.
fn overwritten(ops: &mut [Op], at: usize, random: &mut Rng) -> Option<&'static str> {
    let read = ops[at];
    let leaves = |op: &Op| match op.f {
        F::Write => Some(op.a),
        F::Cas => Some(op.b),
        _ => None,
    };
    // Of the operations before: which one overwrote, and what was there before that one.
    let before = random.usize(..at.max(1)).max(at.saturating_sub(200));
    let value = leaves(&ops[before]).unwrap_or(0);
    let over =
        ops[..at].iter().rev().find(|op| op.ret < read.call && leaves(op).is_some_and(|a| a != value))?;
    let certain =
        ops.iter().filter(|op| leaves(op) == Some(value)).all(|op| op.call > read.ret || op.ret < over.call);
    if !certain {
        return None;
    }
    ops[at].a = value;
    Some("a value was read that had certainly been overwritten")
}

fn absent_or_present(ops: &mut [Op], at: usize) -> Option<&'static str> {
    let Op { call, ret, a, b, .. } = ops[at];
    let of = |f: F| ops.iter().filter(move |op| op.f == f && op.a == a);
    if b == 0 {
        // Present, though all who add it were called later, or removed by one who came after all of them.
        let never = of(F::Add).all(|op| op.call > ret);
        let gone = of(F::Remove)
            .any(|out| out.ret < call && of(F::Add).all(|op| op.ret < out.call || op.call > ret));
        if never || gone {
            ops[at].b = 1;
            return Some("an element was there that was certainly not");
        }
        return None;
    }
    let stays = of(F::Add)
        .any(|inside| inside.ret < call && of(F::Remove).all(|op| op.ret < inside.call || op.call > ret));
    if stays {
        ops[at].b = 0;
        return Some("an element was not there that certainly was");
    }
    None
}

fn taken(ops: &mut [Op], at: usize, random: &mut Rng) -> Option<&'static str> {
    let op = ops[at];
    if op.b == 1 {
        return None;
    }
    if random.bool() {
        // Empty, though more had come in before than all who may have taken something by then could take.
        let came = ops.iter().filter(|other| other.f == F::Enqueue && other.ret < op.call).count();
        let took = |(other, take): &(usize, &Op)| {
            *other != at && take.f == F::Dequeue && take.call < op.ret && (take.a != 0 || take.b == 1)
        };
        if op.a == 0 || came <= ops.iter().enumerate().filter(took).count() {
            return None;
        }
        ops[at].a = 0;
        return Some("empty was answered with something certainly inside");
    }
    // A value that came out, as often as it may have gone in by then, a second time.
    let value = ops[random.usize(..ops.len())].a;
    if value == 0 || value == op.a {
        return None;
    }
    let came = ops.iter().filter(|other| other.f == F::Enqueue && other.a == value).count();
    let took = ops.iter().filter(|other| other.f == F::Dequeue && other.b == 0 && other.a == value).count();
    if took < came {
        return None;
    }
    ops[at].a = value;
    Some("a value was taken more often than it was put in")
}

/// More than all that may have been added, or less than what certainly was.
fn total(ops: &mut [Op], at: usize, random: &mut Rng) -> Option<&'static str> {
    let read = ops[at];
    let sum = |counts: &dyn Fn(&Op) -> bool| -> i64 {
        ops.iter().filter(|op| op.f == F::Increment && counts(op)).map(Op::number).sum()
    };
    let (least, most) = (sum(&|op| op.ret < read.call), sum(&|op| op.call < read.ret));
    let wrong = if random.bool() && least > 0 { least - 1 } else { most + 1 };
    (ops[at].a, ops[at].b) = linear::ops::halves(wrong);
    Some("a total was read that is outside of what may have been added")
}

/// Somebody else is given the lock while it is certainly held, or a token that is not above one given out before.
fn granted(ops: &mut Vec<Op>, at: usize, refused: &[Op], model: Model) -> Option<&'static str> {
    let held = ops[at];
    let release = ops[at..].iter().find(|op| op.f == F::Release && op.a == held.a)?;
    let inside = |op: &&Op| op.call > held.ret && op.ret < release.call && op.a != held.a;
    if model == Model::FencedLock {
        let later = ops
            .iter()
            .position(|op| op.f == F::Acquire && !op.open() && op.call > held.ret && op.b > held.b)?;
        ops[later].b = held.b;
        return Some("a token did not grow");
    }
    let place = refused.iter().find(inside)?;
    let at = ops.partition_point(|op| op.call < place.call);
    ops.insert(at, *place);
    Some("the lock was given to a second process while it was certainly held")
}
