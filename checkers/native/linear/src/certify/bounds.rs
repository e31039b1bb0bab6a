//! Why no order explains a counter that only grows: sums that do not fit.
//!
//! Where nothing is ever subtracted, three things contradict, and the few operations that show it are the certificate:
//! a read that is lower than an earlier one (or the beginning) and what was surely added in between; a read that is
//! higher than the beginning and all that was asked for before it returned; a read that no sum of the steps gives.
//! For counters of equal steps these three are all there is: increments and the gaps between reads are jobs with
//! release times and deadlines, and by Hall's theorem a schedule fails only on an interval with too many jobs or on a
//! beginning with too few.

use crate::limits::Limits;
use crate::ops::{Op, F, NEVER};

/// What does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bounds {
    /// The read is lower than `after` (none: the beginning) with `between`, which surely lie between the two.
    Low {
        /// The read that cannot be.
        read: u32,
        /// A read that returned before it was called; none: the beginning.
        after: Option<u32>,
        /// Increments called after the one and returned before the other.
        between: Vec<u32>,
    },
    /// The read is higher than the beginning with all that was asked for before it returned.
    High {
        /// The read that cannot be.
        read: u32,
    },
    /// The read differs from the beginning by no multiple of the steps' greatest common divisor.
    Step {
        /// The read that cannot be.
        read: u32,
    },
}

impl Bounds {
    /// The read that cannot be.
    #[must_use]
    pub fn read(&self) -> u32 {
        match self {
            Bounds::Low { read, .. } | Bounds::High { read } | Bounds::Step { read } => *read,
        }
    }
}

/// Look for what does not fit; nothing where something is subtracted, where sums are too large, or where the limits
/// are reached.
#[must_use]
pub fn find(ops: &[Op], initial: i64, limits: &Limits<'_>) -> Option<Bounds> {
    let grows = |op: &Op| op.f != F::Increment || op.number() >= 0;
    let total: i128 = ops.iter().map(|op| i128::from(op.number()).abs()).sum();
    if !ops.iter().all(grows) || total + i128::from(initial).abs() > i128::from(i64::MAX / 4) {
        return None;
    }
    high(ops, initial).or_else(|| low(ops, initial, limits)).or_else(|| step(ops, initial))
}

fn reads(ops: &[Op]) -> Vec<u32> {
    (0..ops.len() as u32).filter(|&id| ops[id as usize].f == F::Total).collect()
}

fn step(ops: &[Op], initial: i64) -> Option<Bounds> {
    let all = ops.iter().filter(|op| op.f == F::Increment);
    let step = all.fold(0, |step, op| divisor(step, op.number()));
    let fits = |id: &u32| {
        let above = ops[*id as usize].number() - initial;
        if step == 0 {
            above == 0
        } else {
            above % step == 0
        }
    };
    reads(ops).into_iter().find(|id| !fits(id)).map(|read| Bounds::Step { read })
}

fn divisor(mut a: i64, mut b: i64) -> i64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn high(ops: &[Op], initial: i64) -> Option<Bounds> {
    let mut sum = initial;
    let mut adds = ops.iter().filter(|op| op.f == F::Increment).peekable();
    let mut reads = reads(ops);
    reads.sort_unstable_by_key(|&id| ops[id as usize].ret);
    for read in reads {
        let op = &ops[read as usize];
        while let Some(add) = adds.next_if(|add| add.call < op.ret) {
            sum += add.number();
        }
        if op.number() > sum {
            return Some(Bounds::High { read });
        }
    }
    None
}

/// A sweep over time: for each read that returned (and the beginning) what the total is at least by now.
fn low(ops: &[Op], initial: i64, limits: &Limits<'_>) -> Option<Bounds> {
    let mut before = reads(ops);
    before.sort_unstable_by_key(|&id| ops[id as usize].ret);
    // Leaf 0 is the beginning, leaf n + 1 the read that is the n-th to return.
    let mut least = Highest::of(before.len() + 1);
    least.raise(0, initial - Highest::NONE);
    let mut events: Vec<(u32, u32, bool)> = Vec::with_capacity(ops.len() * 2);
    for (id, op) in (0u32..).zip(ops) {
        if op.f == F::Total {
            events.push((op.call, id, false));
        }
        if op.ret != NEVER {
            events.push((op.ret, id, true));
        }
    }
    events.sort_unstable();
    let mut next = 1;
    for (at, (_, id, ret)) in events.into_iter().enumerate() {
        let op = &ops[id as usize];
        match (op.f, ret) {
            (F::Total, false) if op.number() < least.top() => return Some(blame(ops, initial, id, &before)),
            (F::Total, true) => {
                least.raise(next, op.number() - Highest::NONE);
                next += 1;
            }
            (F::Increment, true) => {
                let earlier = before.partition_point(|&read| ops[read as usize].ret < op.call);
                least.lift(earlier + 1, op.number());
            }
            _ => {}
        }
        if at % 4096 == 4095 && limits.over() {
            return None;
        }
    }
    None
}

/// The latest read before this one that contradicts it, with as few increments as that takes.
fn blame(ops: &[Op], initial: i64, read: u32, before: &[u32]) -> Bounds {
    let bad = &ops[read as usize];
    let mut adds: Vec<u32> = (0..ops.len() as u32)
        .filter(|&id| ops[id as usize].f == F::Increment && ops[id as usize].ret < bad.call)
        .collect();
    adds.sort_unstable_by_key(|&id| ops[id as usize].call);
    let earlier = before.partition_point(|&id| ops[id as usize].ret < bad.call);
    let mut between: Vec<u32> = Vec::new();
    let mut sum = 0;
    for after in before[..earlier].iter().rev().map(|&id| Some(id)).chain([None]) {
        let (ret, number) =
            after.map_or((0, initial), |id| (ops[id as usize].ret, ops[id as usize].number()));
        while let Some(add) = adds.pop_if(|&mut id| after.is_none() || ops[id as usize].call > ret) {
            sum += ops[add as usize].number();
            between.push(add);
        }
        if number + sum <= bad.number() {
            continue;
        }
        // The largest first: as few as do.
        between.sort_by_key(|&id| std::cmp::Reverse(ops[id as usize].number()));
        let mut enough = number;
        between.retain(|&id| {
            let wanted = enough <= bad.number();
            enough += if wanted { ops[id as usize].number() } else { 0 };
            wanted
        });
        between.sort_unstable();
        return Bounds::Low { read, after, between };
    }
    Bounds::Low { read, after: None, between }
}

/// Numbers of which the first so many are raised together, and the highest of all is asked for.
struct Highest {
    /// A binary tree: what is added to all below, and the highest below with it.
    tree: Vec<(i64, i64)>,
    leaves: usize,
}

impl Highest {
    const NONE: i64 = i64::MIN / 2;

    fn of(count: usize) -> Self {
        let leaves = count.next_power_of_two();
        Highest { tree: vec![(0, Self::NONE); leaves * 2], leaves }
    }

    fn top(&self) -> i64 {
        self.tree[1].1
    }

    fn raise(&mut self, leaf: usize, by: i64) {
        let mut node = self.leaves + leaf;
        let above: i64 = std::iter::successors(Some(node / 2), |&node| Some(node / 2))
            .take_while(|&node| node > 0)
            .map(|node| self.tree[node].0)
            .sum();
        self.tree[node].1 = Self::NONE + by - above;
        while node > 1 {
            node /= 2;
            self.pull(node);
        }
    }

    /// Add to the first `count` leaves.
    fn lift(&mut self, count: usize, by: i64) {
        let (mut node, mut size, mut left) = (1, self.leaves, count);
        let mut path = Vec::with_capacity(24);
        while left > 0 {
            if left >= size {
                self.tree[node].0 += by;
                self.tree[node].1 += by;
                break;
            }
            path.push(node);
            size /= 2;
            if left >= size {
                self.tree[node * 2].0 += by;
                self.tree[node * 2].1 += by;
                left -= size;
                node = node * 2 + 1;
            } else {
                node *= 2;
            }
        }
        for node in path.into_iter().rev() {
            self.pull(node);
        }
    }

    fn pull(&mut self, node: usize) {
        self.tree[node].1 = self.tree[node * 2].1.max(self.tree[node * 2 + 1].1) + self.tree[node].0;
    }
}

/// Whether it does not fit indeed: each claim is checked by itself, with sums alone.
#[must_use]
pub fn holds(ops: &[Op], initial: i64, bounds: &Bounds) -> bool {
    let number = |id: u32| i128::from(ops[id as usize].number());
    let adds = || ops.iter().filter(|op| op.f == F::Increment);
    let read = &ops[bounds.read() as usize];
    if read.f != F::Total || adds().any(|op| op.number() < 0) {
        return false;
    }
    match bounds {
        Bounds::Low { after, between, .. } => {
            let earlier = after.map(|id| &ops[id as usize]);
            let inside = |&id: &u32| {
                let op = &ops[id as usize];
                op.f == F::Increment
                    && op.ret < read.call
                    && earlier.is_none_or(|earlier| earlier.ret < op.call)
            };
            let apart = between.windows(2).all(|two| two[0] < two[1]);
            let sum: i128 = between.iter().map(|&id| number(id)).sum();
            apart
                && earlier.is_none_or(|earlier| earlier.f == F::Total && earlier.ret < read.call)
                && between.iter().all(inside)
                && i128::from(read.number())
                    < earlier.map_or(i128::from(initial), |op| i128::from(op.number())) + sum
        }
        Bounds::High { .. } => {
            let before = adds().filter(|op| op.call < read.ret);
            i128::from(read.number())
                > i128::from(initial) + before.map(|op| i128::from(op.number())).sum::<i128>()
        }
        Bounds::Step { .. } => {
            let above = i128::from(read.number()) - i128::from(initial);
            let step = adds().fold(0, |step, op| divisor(step, op.number()));
            if step == 0 {
                above != 0
            } else {
                above % i128::from(step) != 0
            }
        }
    }
}
