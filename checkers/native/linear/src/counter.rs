//! Counters that count in equal steps: O(n log n), unknown outcomes included.
//!
//! With equal steps the value of a read is the number of increments before it, so reads stand in the order of their
//! values. Each increment has a window of gaps between these values: after every value whose reader returned before it
//! was called, before every value whose reader was called after it returned. Which increments fill which gap is then
//! scheduling of unit jobs with release times and deadlines: earliest deadline first. Increments of unknown outcome
//! have no deadline and need not be used.

use crate::ops::{halves, Op, F, NEVER};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Decide a counter. None where increments differ; else an order, or none for an invalid history.
#[must_use]
pub fn check(ops: &[Op], initial: i64) -> Option<Option<Vec<u32>>> {
    let (adds, mut reads): (Vec<u32>, Vec<u32>) =
        (0..ops.len() as u32).partition(|&id| ops[id as usize].f == F::Increment);
    let step = adds.first().map_or(1, |&id| ops[id as usize].number());
    if step <= 0 || adds.iter().any(|&id| (ops[id as usize].a, ops[id as usize].b) != halves(step)) {
        return None;
    }
    let level = |id: u32| ops[id as usize].number().checked_sub(initial);
    reads.sort_by_key(|&id| (ops[id as usize].number(), ops[id as usize].call));
    // Levels: (number of increments before, readers).
    let mut levels: Vec<(i64, Vec<u32>)> = Vec::new();
    for id in reads {
        let Some(above) = level(id).filter(|above| *above >= 0 && above % step == 0) else {
            return Some(None);
        };
        match levels.last_mut() {
            Some((count, readers)) if *count == above / step => readers.push(id),
            _ => levels.push((above / step, vec![id])),
        }
    }
    Some(schedule(ops, &adds, &levels))
}

/// A read of more than all that may have been added before it returned, or of less than what certainly was before it was
/// called, with these additions. For counters that only grow, in whatever steps.
#[must_use]
pub fn out_of_bounds(ops: &[Op], initial: i64) -> Option<Vec<u32>> {
    let adds = || ops.iter().filter(|op| op.f == F::Increment);
    if adds().any(|op| op.number() < 0)
        || adds().map(Op::number).try_fold(initial, i64::checked_add).is_none()
    {
        return None;
    }
    // The moments of all additions with the total at least (by returns) or at most (by calls) from there on.
    let totals = |moment: &dyn Fn(&Op) -> u32| {
        let mut steps: Vec<(u32, i64)> = adds().map(|op| (moment(op), op.number())).collect();
        steps.sort_unstable();
        let mut total = initial;
        for (_, step) in &mut steps {
            total += *step;
            *step = total;
        }
        steps
    };
    let (by_call, by_return) = (totals(&|op| op.call), totals(&|op| op.ret));
    let before = |list: &[(u32, i64)], moment: u32| {
        let at = list.partition_point(|&(at, _)| at < moment);
        at.checked_sub(1).map_or(initial, |at| list[at].1)
    };
    let reads = (0..ops.len() as u32).filter(|&id| ops[id as usize].f == F::Total);
    for id in reads {
        let read = &ops[id as usize];
        let (low, high) = (before(&by_return, read.call), before(&by_call, read.ret));
        let matters: &dyn Fn(&Op) -> bool = match read.number() {
            total if total > high => &|op| op.call < read.ret,
            total if total < low => &|op| op.ret < read.call,
            _ => continue,
        };
        let adds = (0..ops.len() as u32).filter(|&other| {
            let op = &ops[other as usize];
            op.f == F::Increment && matters(op)
        });
        return Some(adds.chain([id]).collect());
    }
    None
}

fn schedule(ops: &[Op], adds: &[u32], levels: &[(i64, Vec<u32>)]) -> Option<Vec<u32>> {
    // Latest call up to each level, earliest return from each level on.
    let mut calls = Vec::with_capacity(levels.len());
    let mut latest = 0;
    for (_, readers) in levels {
        if readers.iter().any(|&id| ops[id as usize].ret < latest) {
            return None;
        }
        let call = readers.iter().map(|&id| ops[id as usize].call).max().unwrap_or(0);
        latest = latest.max(call);
        calls.push(latest);
    }
    let mut returns = vec![NEVER; levels.len()];
    let mut earliest = NEVER;
    for (at, (_, readers)) in levels.iter().enumerate().rev() {
        earliest = readers.iter().map(|&id| ops[id as usize].ret).min().unwrap_or(NEVER).min(earliest);
        returns[at] = earliest;
    }
    // Gap g is before level g; the last gap is after all. An increment called after the return of a reader of level
    // g or higher... comes after that level; one that returned before the call of a reader of level g before it.
    let release = |op: &Op| returns.partition_point(|&ret| ret < op.call);
    let due = |op: &Op| if op.open() { usize::MAX } else { calls.partition_point(|&call| call < op.ret) };
    let mut jobs: Vec<(usize, u32)> = adds.iter().map(|&id| (release(&ops[id as usize]), id)).collect();
    jobs.sort_unstable();
    let mut jobs = jobs.into_iter().peekable();
    let mut heap: BinaryHeap<Reverse<(usize, u32, u32)>> = BinaryHeap::new();
    let mut order = Vec::with_capacity(ops.len());
    let mut count = 0;
    for gap in 0..=levels.len() {
        while let Some(&(_, id)) = jobs.peek().filter(|(release, _)| *release <= gap) {
            let op = &ops[id as usize];
            heap.push(Reverse((due(op), op.ret, id)));
            jobs.next();
        }
        let mut chosen: Vec<u32> = Vec::new();
        let need = levels.get(gap).map(|(level, _)| *level);
        while need
            .map_or_else(|| heap.peek().is_some_and(|Reverse((due, ..))| *due != usize::MAX), |n| count < n)
        {
            let Reverse((due, _, id)) = heap.pop()?;
            if due < gap {
                return None;
            }
            chosen.push(id);
            count += 1;
        }
        if heap.peek().is_some_and(|Reverse((due, ..))| *due <= gap && gap < levels.len()) {
            return None;
        }
        chosen.sort_unstable_by_key(|&id| ops[id as usize].call);
        order.append(&mut chosen);
        if let Some((_, readers)) = levels.get(gap) {
            order.extend(readers);
        }
    }
    Some(order)
}
