//! Locks: a hold is an acquire with the release that ends it, and holds are blocks (see `blocks`).
//!
//! A release of unknown outcome is taken to have happened (the lock is free again: never worse); an acquire of unknown
//! outcome counts only if its process released afterwards. With fencing tokens on every acquire their order is the
//! order of the holds, and one running maximum compares it with real time.

use crate::blocks::{self, Zone};
use crate::hash::Map;
use crate::ops::{Op, Values, F, NEVER};

/// What the procedure says.
pub enum Answer {
    /// An order of all operations that happened.
    Valid(Vec<u32>),
    /// Operations that contradict each other.
    Invalid(Vec<u32>),
    /// Not for this procedure.
    Unfit,
}

struct Hold {
    acquire: u32,
    release: Option<u32>,
}

/// Decide a lock; `fenced`: its tokens must grow.
#[must_use]
pub fn check(ops: &[Op], values: &Values<'_>, fenced: bool, moments: usize) -> Answer {
    match by_holds(ops, values, fenced, moments) {
        // Of all that is wrong, two who certainly held at once are what people see at one look.
        Answer::Invalid(these) => Answer::Invalid(contested(ops).unwrap_or(these)),
        answer => answer,
    }
}

fn by_holds(ops: &[Op], values: &Values<'_>, fenced: bool, moments: usize) -> Answer {
    let holds = match holds(ops) {
        (_, Some(answer)) => return answer,
        (holds, None) => holds,
    };
    let tokens: Vec<Option<i64>> = holds
        .iter()
        .map(|hold| Some(ops[hold.acquire as usize].b).filter(|&token| token != 0))
        .map(|token| token.and_then(|token| values.number(token)))
        .collect();
    if !fenced || tokens.iter().all(Option::is_none) {
        return by_zones(ops, &holds, moments);
    }
    if tokens.iter().any(Option::is_none) {
        return Answer::Unfit;
    }
    by_token(ops, &holds, &tokens)
}

/// Two holds of different processes that certainly overlap: the acquire of each was answered before either was asked
/// to be given back. The first such pair in time; holds that were never given back count as well.
fn contested(ops: &[Op]) -> Option<Vec<u32>> {
    let (holds, _) = holds(ops);
    let mut certain: Vec<(u32, u32, &Hold)> = holds
        .iter()
        .map(|hold| {
            (ops[hold.acquire as usize].ret, hold.release.map_or(NEVER, |id| ops[id as usize].call), hold)
        })
        .filter(|(from, to, _)| from < to)
        .collect();
    certain.sort_unstable_by_key(|&(from, ..)| from);
    // The two that last longest, of different processes.
    let mut first: Option<(u32, &Hold)> = None;
    let mut second: Option<(u32, &Hold)> = None;
    let owner = |hold: &Hold| ops[hold.acquire as usize].a;
    for &(from, to, hold) in &certain {
        let other = [first, second].into_iter().flatten().find(|(_, other)| owner(other) != owner(hold));
        if let Some((until, other)) = other {
            if until > from {
                return Some(both(other, hold));
            }
        }
        if first.is_none_or(|(until, _)| to > until) {
            if first.is_some_and(|(_, other)| owner(other) != owner(hold)) {
                second = first;
            }
            first = Some((to, hold));
        } else if first.is_some_and(|(_, other)| owner(other) != owner(hold))
            && second.is_none_or(|(until, _)| to > until)
        {
            second = Some((to, hold));
        }
    }
    None
}

/// Each process's operations, paired, and what is wrong with them. The operations of one process must not overlap.
fn holds(ops: &[Op]) -> (Vec<Hold>, Option<Answer>) {
    let mut holds: Vec<Hold> = Vec::new();
    // Of each process: the moment until which it was busy, and its acquire without release.
    let mut of: Map<u32, (u32, Option<u32>)> = Map::default();
    let mut bad = None;
    for (id, op) in ops.iter().enumerate() {
        let id = id as u32;
        let (busy, open) = of.entry(op.a).or_insert((0, None));
        if *busy > op.call {
            return (holds, Some(Answer::Unfit));
        }
        *busy = op.ret;
        match (op.f, op.open()) {
            (F::Acquire, false) => {
                if let Some(before) = open.replace(id) {
                    holds.push(Hold { acquire: before, release: None });
                    bad = bad.or(Some(vec![before, id]));
                }
            }
            (F::Acquire, true) => {}
            (_, unknown) => match open.take() {
                Some(acquire) => holds.push(Hold { acquire, release: Some(id) }),
                None if unknown => {}
                None => bad = bad.or(Some(vec![id])),
            },
        }
    }
    holds
        .extend(of.into_values().filter_map(|(_, open)| open).map(|acquire| Hold { acquire, release: None }));
    (holds, bad.map(Answer::Invalid))
}

fn by_zones(ops: &[Op], holds: &[Hold], moments: usize) -> Answer {
    let zones: Vec<Zone> = holds
        .iter()
        .map(|hold| {
            let mut zone = Zone::default();
            let acquire = &ops[hold.acquire as usize];
            zone.add(hold.acquire, acquire.call, acquire.ret);
            match hold.release.map(|release| (release, &ops[release as usize])) {
                Some((id, release)) => zone.add(id, release.call, release.ret),
                None => zone.add(hold.acquire, NEVER - 2, NEVER),
            }
            zone
        })
        .collect();
    match blocks::order(&zones, moments) {
        Ok(order) => Answer::Valid(in_order(holds, order.into_iter().map(|at| at as usize))),
        Err((a, b)) => Answer::Invalid(both(&holds[a as usize], &holds[b as usize])),
    }
}

fn in_order(holds: &[Hold], order: impl Iterator<Item = usize>) -> Vec<u32> {
    order.flat_map(|at| std::iter::once(holds[at].acquire).chain(holds[at].release)).collect()
}

fn both(a: &Hold, b: &Hold) -> Vec<u32> {
    [Some(a.acquire), a.release, Some(b.acquire), b.release].into_iter().flatten().collect()
}

fn by_token(ops: &[Op], holds: &[Hold], tokens: &[Option<i64>]) -> Answer {
    let mut order: Vec<usize> = (0..holds.len()).collect();
    order.sort_by_key(|&at| tokens[at]);
    let mut latest: (u32, usize) = (0, 0);
    for (place, &at) in order.iter().enumerate() {
        let hold = &holds[at];
        if place > 0 {
            let before = order[place - 1];
            let forever = holds[before].release.is_none();
            if tokens[before] == tokens[at] || forever {
                return Answer::Invalid(both(&holds[before], hold));
            }
        }
        for id in [Some(hold.acquire), hold.release].into_iter().flatten() {
            let op = &ops[id as usize];
            if op.ret < latest.0 {
                return Answer::Invalid(both(&holds[latest.1], hold));
            }
            if op.call >= latest.0 {
                latest = (op.call, at);
            }
        }
    }
    Answer::Valid(in_order(holds, order.into_iter()))
}
