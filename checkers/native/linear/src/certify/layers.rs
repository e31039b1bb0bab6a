//! The second judge of queues whose values come again: all ways to pair enqueues with dequeues, layer by layer.
//!
//! In a correct order the i-th dequeue takes what the i-th enqueue put in. So an order is a list of pairs of equal
//! values with the empty answers between them, and it can be placed in time if enqueues keep their real-time order,
//! answers keep theirs, each answer returns after every call of what stands before it, and what is enqueued after an
//! empty answer returns after all of that too. What matters of a beginning of such a list is only which operations are
//! in it. Each layer holds the beginnings of one more answer, each once.
//!
//! Shares nothing with `pairs`, which goes depth first and leaves out much more. Left out here: of operations with
//! unknown outcome that are equal all but the first called (none returns, so it fits wherever another does), and pairs
//! of two of them (neither need have happened).

use super::oracle::Word;
use crate::hash::Set;
use crate::limits::Limits;
use crate::ops::{Op, F};

/// Bytes of a beginning, by estimate.
const BEGINNING: usize = 120;

/// Which of a list are gone: all before `low`, and of those from there on the bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Gone {
    low: usize,
    bits: u128,
}

impl Gone {
    fn has(self, at: usize) -> bool {
        at < self.low || (at - self.low < 128 && self.bits >> (at - self.low) & 1 == 1)
    }

    /// None if it is too far ahead of the first that is left.
    fn and(mut self, at: usize) -> Option<Gone> {
        let ahead = at.checked_sub(self.low).filter(|&ahead| ahead < 128)?;
        self.bits |= 1 << ahead;
        while self.bits & 1 == 1 {
            self.bits >>= 1;
            self.low += 1;
        }
        Some(self)
    }
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Beginning {
    enqueues: Gone,
    answers: Gone,
    /// Of unknown outcome: enqueues by value, and dequeues.
    loose: Vec<u16>,
    takers: u16,
    /// The latest call in it.
    late: u32,
}

/// One side of the queue, sorted by calls, with the earliest return from each place on.
struct Side {
    ops: Vec<Op>,
    earliest: Vec<u32>,
}

impl Side {
    fn of(ops: impl Iterator<Item = Op>) -> Side {
        let mut ops: Vec<Op> = ops.collect();
        ops.sort_unstable_by_key(|op| op.call);
        let mut earliest = vec![u32::MAX; ops.len() + 1];
        for at in (0..ops.len()).rev() {
            earliest[at] = earliest[at + 1].min(ops[at].ret);
        }
        Side { ops, earliest }
    }

    /// When the first of those left returns.
    fn bound(&self, gone: Gone) -> u32 {
        let end = (gone.low + 128).min(self.ops.len());
        let near = (gone.low..end).filter(|&at| !gone.has(at)).map(|at| self.ops[at].ret).min();
        near.unwrap_or(u32::MAX).min(self.earliest[end])
    }

    /// Those left that none left returned before.
    fn next(&self, gone: Gone) -> impl Iterator<Item = usize> + '_ {
        let bound = self.bound(gone);
        (gone.low..self.ops.len())
            .take_while(move |&at| self.ops[at].call < bound)
            .filter(move |&at| !gone.has(at))
    }
}

struct Queue {
    enqueues: Side,
    answers: Side,
    /// By value: the calls of enqueues of unknown outcome.
    loose: Vec<(u32, Vec<u32>)>,
    takers: Vec<u32>,
}

type Layer = Set<Beginning>;

/// Whether these operations have an order from an empty queue.
#[must_use]
pub fn search(ops: &[Op], limits: &Limits<'_>) -> Word {
    if ops.iter().any(|op| op.f == F::Enqueue && op.a == 0) {
        return Word::Unknown;
    }
    let of = |f: F, open: bool| ops.iter().copied().filter(move |op| op.f == f && op.open() == open);
    let mut loose: Vec<(u32, Vec<u32>)> = Vec::new();
    let mut open: Vec<Op> = of(F::Enqueue, true).collect();
    open.sort_unstable_by_key(|op| (op.a, op.call));
    for group in open.chunk_by(|a, b| a.a == b.a) {
        loose.push((group[0].a, group.iter().map(|op| op.call).collect()));
    }
    let mut takers: Vec<u32> = of(F::Dequeue, true).map(|op| op.call).collect();
    takers.sort_unstable();
    let queue = Queue {
        enqueues: Side::of(of(F::Enqueue, false)),
        answers: Side::of(of(F::Dequeue, false)),
        loose,
        takers,
    };
    let first = Beginning {
        enqueues: Gone::default(),
        answers: Gone::default(),
        loose: vec![0; queue.loose.len()],
        takers: 0,
        late: 0,
    };
    let mut layer = Layer::default();
    layer.insert(first);
    while !layer.is_empty() {
        let mut next = Layer::default();
        for beginning in &layer {
            if beginning.answers.low == queue.answers.ops.len() {
                return Word::Order(Vec::new());
            }
            if queue.extend(beginning, &mut next).is_none() {
                return Word::Unknown;
            }
            if limits.over() || (layer.len() + next.len()) * BEGINNING > limits.memory {
                return Word::Unknown;
            }
        }
        layer = next;
    }
    Word::NoOrder
}

impl Queue {
    /// All beginnings of one more answer. None if one is out of reach.
    fn extend(&self, from: &Beginning, next: &mut Layer) -> Option<()> {
        let last = self.enqueues.bound(from.enqueues);
        for at in self.answers.next(from.answers) {
            let answer = self.answers.ops[at];
            let late = from.late.max(answer.call);
            let after = Beginning { answers: from.answers.and(at)?, late, ..from.clone() };
            if answer.a == 0 {
                if late < answer.ret && late < last {
                    next.insert(after);
                }
                continue;
            }
            for enqueue in self.enqueues.next(from.enqueues) {
                let op = self.enqueues.ops[enqueue];
                let late = late.max(op.call);
                if op.a == answer.a && late < answer.ret {
                    next.insert(Beginning { enqueues: from.enqueues.and(enqueue)?, late, ..after.clone() });
                }
            }
            if let Some((kind, call)) = self.loose(from, answer.a).filter(|&(_, call)| call < last) {
                let mut with = after;
                with.late = late.max(call);
                with.loose[kind] += 1;
                if with.late < answer.ret {
                    next.insert(with);
                }
            }
        }
        let Some(&taker) = self.takers.get(usize::from(from.takers)) else { return Some(()) };
        if taker >= self.answers.bound(from.answers) {
            return Some(());
        }
        for enqueue in self.enqueues.next(from.enqueues) {
            let op = self.enqueues.ops[enqueue];
            let late = from.late.max(taker).max(op.call);
            let enqueues = from.enqueues.and(enqueue)?;
            next.insert(Beginning { enqueues, late, takers: from.takers + 1, ..from.clone() });
        }
        Some(())
    }

    /// The next enqueue of a value whose outcome is unknown: its kind and its call.
    fn loose(&self, from: &Beginning, value: u32) -> Option<(usize, u32)> {
        let kind = self.loose.binary_search_by_key(&value, |kind| kind.0).ok()?;
        let call = self.loose[kind].1.get(usize::from(from.loose[kind]))?;
        Some((kind, *call))
    }
}
