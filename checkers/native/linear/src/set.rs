//! Sets: element by element, or by snapshots.
//!
//! Without reads of the whole, every operation is about one element, and an element is a register that is there or
//! not: each is decided by itself (linearizability is local) and the orders are merged by the moments at which their
//! operations can have taken effect. A set that only grows, each element added once, is decided by its whole reads:
//! they must include one another, which fixes between which two of them each element was added; one running maximum
//! compares that order with real time.

use crate::hash::Map;
use crate::ops::{Op, Values, F};

/// What a procedure says.
pub enum Answer {
    /// An order of all operations that happened.
    Valid(Vec<u32>),
    /// Operations that contradict each other.
    Invalid(Vec<u32>),
    /// Not for this procedure.
    Unfit,
}

/// The operations on each element as those of a register with the values 0 (absent, at first) and 1, with their
/// numbers in `ops`; none if there are reads of the whole.
#[must_use]
pub fn elements(ops: &[Op]) -> Option<Vec<(Vec<Op>, Vec<u32>)>> {
    let mut of: Map<u32, usize> = Map::default();
    let mut elements: Vec<(Vec<Op>, Vec<u32>)> = Vec::new();
    for (id, op) in ops.iter().enumerate() {
        let (f, value) = match op.f {
            F::Add => (F::Write, 1),
            F::Remove => (F::Write, 0),
            F::Contains => (F::Read, op.b),
            _ => return None,
        };
        let at = *of.entry(op.a).or_insert_with(|| {
            elements.push((Vec::new(), Vec::new()));
            elements.len() - 1
        });
        elements[at].0.push(Op { f, a: value, b: 0, ..*op });
        elements[at].1.push(id as u32);
    }
    Some(elements)
}

/// One order out of the orders on each element: each operation takes effect as early as its own order allows.
#[must_use]
pub fn merge(ops: &[Op], orders: &[Vec<u32>]) -> Vec<u32> {
    let mut placed: Vec<(u32, usize, u32)> = Vec::new();
    for order in orders {
        let mut latest = 0;
        for (place, &id) in order.iter().enumerate() {
            latest = latest.max(ops[id as usize].call);
            placed.push((latest, place, id));
        }
    }
    placed.sort_unstable();
    placed.into_iter().map(|(.., id)| id).collect()
}

/// Decide a set that only grows by its whole reads.
#[must_use]
pub fn snapshots(ops: &[Op], values: &Values<'_>) -> Answer {
    let mut added: Map<u32, u32> = Map::default();
    let mut reads: Vec<(usize, u32, u32)> = Vec::new();
    for (id, op) in ops.iter().enumerate() {
        match op.f {
            F::Add => {
                if added.insert(op.a, id as u32).is_some() {
                    return Answer::Unfit;
                }
            }
            F::Members => {
                let Some(list) = values.list(op.a) else { return Answer::Unfit };
                reads.push((list.len(), op.call, id as u32));
            }
            _ => return Answer::Unfit,
        }
    }
    reads.sort_unstable();
    let mut inside = vec![false; ops.len()];
    let mut blocks: Vec<(Vec<u32>, Vec<u32>)> = Vec::new();
    let (mut size, mut before) = (0, None);
    for (len, _, read) in reads {
        let mut fresh = Vec::new();
        for element in values.list(ops[read as usize].a).unwrap_or_default() {
            let Some(&add) = added.get(element) else { return Answer::Invalid(vec![read]) };
            if !std::mem::replace(&mut inside[add as usize], true) {
                fresh.push(add);
            }
        }
        if size + fresh.len() != len {
            // Something seen before is missing, or an element stands twice.
            return Answer::Invalid(before.into_iter().chain([read]).collect());
        }
        before = Some(read);
        size = len;
        match blocks.last_mut() {
            Some((_, readers)) if fresh.is_empty() => readers.push(read),
            _ => blocks.push((fresh, vec![read])),
        }
    }
    let rest = added.values().copied().filter(|&add| !inside[add as usize] && !ops[add as usize].open());
    blocks.push((rest.collect(), Vec::new()));
    in_time(ops, blocks)
}

fn in_time(ops: &[Op], blocks: Vec<(Vec<u32>, Vec<u32>)>) -> Answer {
    let mut order = Vec::with_capacity(ops.len());
    let mut latest: (u32, u32) = (0, u32::MAX);
    let mut reader: Option<u32> = None;
    for (mut adds, readers) in blocks {
        adds.sort_unstable_by_key(|&id| ops[id as usize].call);
        let next = readers.first().copied();
        for group in [adds, readers] {
            if let Some(&bad) = group.iter().find(|&&id| ops[id as usize].ret < latest.0) {
                let bound = [Some(bad), Some(latest.1), reader, next];
                return Answer::Invalid(bound.into_iter().flatten().collect());
            }
            for &id in &group {
                if ops[id as usize].call >= latest.0 {
                    latest = (ops[id as usize].call, id);
                }
            }
            order.extend(group);
        }
        reader = next.or(reader);
    }
    Answer::Valid(order)
}
