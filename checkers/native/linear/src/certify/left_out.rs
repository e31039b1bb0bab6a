//! Is what was left out of a history left out soundly?
//!
//! A part of a history proves the whole wrong only if every correct order of the whole gives one of the part. Here that
//! is checked operation by operation, by the rules below and without a look at how the part was found. For each rule
//! the argument: take a correct order of the whole, and change it into one of the part.
//!
//! - *Weaker*: an operation kept without its completion may stand where it stood.
//! - *Looks*: an operation that changes nothing can be taken out of an order.
//! - *Late*: what was called when everything that is kept had returned stands behind all of it, and can be cut off.
//! - *Before a moment* (registers, one element of a set): what returned before the moment is not looked at at all; the part must be wrong
//!   whatever value was there at that moment. What was called before it may have taken effect by then, so it is kept
//!   without its completion.
//! - *Registers*: n kept operations observe value v. An order needs at most n operations that leave v; the others can be
//!   taken out, for whatever follows them up to the next change would have seen v. So one that leaves v may be left out
//!   if n others that do exactly the same, called no later and of unknown outcome, are kept: one of those is not
//!   needed where it stands, and can stand in its place.
//! - *Queues and bags*: a value can be taken out of an order together with all operations on it. An enqueue may be left
//!   out if no kept dequeue has its value, a dequeue if its enqueue is left out. A kept value goes to its own dequeue if
//!   that is kept, with its answer or without; only the others can go to dequeues of unknown outcome: as many as there
//!   are of these suffice, the earliest called.
//! - *Sets*: elements do not influence each other. An addition may be left out if nothing kept sees the element, a
//!   removal if nothing kept misses it.
//! - *Locks*: all that one process did can be taken out. So can an acquire with all releases of its process up to the
//!   process's next acquire, if the acquire surely happened or the process surely held nothing before (else a release
//!   may have ended an earlier hold), or if no such release exists (what was taken was never given back).
//! - *Counters, strings that are appended to, plain models*: nothing that changes them may be left out.

use crate::hash::{Map, Set};
use crate::ops::{Model, Op, Values, F, FUNCTION_BITS, NEVER};

/// A part of a history, as it is handed out.
pub struct Claim<'a> {
    /// The operations of the whole.
    pub ops: &'a [Op],
    /// Those kept, by number: with what is still known of each.
    pub kept: &'a [(u32, Op)],
    /// What returned before this moment is not looked at.
    pub since: Option<u32>,
    /// Of a set: the elements that count.
    pub elements: Option<&'a [u32]>,
}

/// Why the part proves nothing of the whole, if so.
#[must_use]
pub fn unsound(model: Model, values: &Values<'_>, claim: &Claim<'_>) -> Option<String> {
    let mut kept: Map<u32, &Op> = Map::default();
    for (id, op) in claim.kept {
        let whole = claim.ops.get(*id as usize);
        if whole.is_none_or(|whole| !weaker(whole, op)) || kept.insert(*id, op).is_some() {
            return Some(format!("operation {id} is not one of the history's, or stands twice"));
        }
        if claim.since.is_some_and(|since| op.call < since && op.ret != NEVER) {
            return Some(format!(
                "operation {id} was called before the moment and is kept as if it were not"
            ));
        }
    }
    let last = claim.kept.iter().map(|(_, op)| op.ret).filter(|&ret| ret != NEVER).max().unwrap_or(0);
    let gone = |id: u32, op: &Op| {
        !looks(op)
            && op.call < last
            && !kept.contains_key(&id)
            && claim.since.is_none_or(|since| op.ret >= since)
    };
    let mut left: Vec<(u32, &Op)> = (0..).zip(claim.ops).filter(|(id, op)| gone(*id, op)).collect();
    let appends = claim.ops.iter().any(|op| op.f == F::Append && op.call < last);
    let cuttable = match model {
        Model::Register | Model::Kv => !appends,
        Model::Set => claim.elements.is_some_and(|elements| elements.len() == 1),
        _ => false,
    };
    if claim.since.is_some() && !cuttable {
        return Some("only the past of a register, or of one element, can be cut off".into());
    }
    let bad = match model {
        Model::Register | Model::Kv if !appends => register(&left, claim.kept),
        Model::Queue | Model::UnorderedQueue => queue(&left, claim, last),
        Model::Set => {
            left.retain(|(_, op)| claim.elements.is_none_or(|elements| elements.contains(&op.a)));
            set(&left, claim.kept, values)
        }
        Model::Lock | Model::FencedLock => lock(&left, claim),
        _ => left.first().map(|&(id, _)| id),
    };
    bad.map(|id| format!("leaving out operation {id} is not sound"))
}

fn looks(op: &Op) -> bool {
    op.f.looks_only() || (op.f == F::Dequeue && op.a == 0 && op.b == 0)
}

/// Whether `part` says no more than `whole` does.
fn weaker(whole: &Op, part: &Op) -> bool {
    if part.ret != NEVER {
        return part == whole;
    }
    let forgotten = match whole.f {
        F::Dequeue => (whole.f, 0, 1),
        F::Acquire => (whole.f, whole.a, 0),
        F::Changes => (F::Unsure, whole.a, whole.b & ((1 << FUNCTION_BITS) - 1)),
        _ => (whole.f, whole.a, whole.b),
    };
    let unchanged = (part.f, part.a, part.b) == (whole.f, whole.a, whole.b) && whole.ret == NEVER;
    let same = (part.f, part.a, part.b) == forgotten || unchanged;
    part.call == whole.call && same && !looks(part)
}

fn register(left: &[(u32, &Op)], kept: &[(u32, Op)]) -> Option<u32> {
    let mut observers: Map<u32, usize> = Map::default();
    for (_, op) in kept.iter().filter(|(_, op)| op.f != F::Write) {
        *observers.entry(op.a).or_insert(0) += 1;
    }
    let alike = |op: &Op, other: &Op| {
        let cas = op.f == F::Cas;
        other.ret == NEVER && other.f == op.f && other.a == op.a && (!cas || other.b == op.b)
    };
    let fits = |op: &Op| {
        let value = if op.f == F::Cas { op.b } else { op.a };
        let wanted = observers.get(&value).copied().unwrap_or(0);
        wanted == 0
            || kept.iter().filter(|(_, other)| alike(op, other) && other.call <= op.call).count() >= wanted
    };
    left.iter().find(|(_, op)| !fits(op)).map(|&(id, _)| id)
}

/// What was called after `last` is cut off by the rule *late*, before the others are looked at.
fn queue(left: &[(u32, &Op)], claim: &Claim<'_>, last: u32) -> Option<u32> {
    let known = |op: &Op| op.f == F::Dequeue && op.b == 0 && op.a != 0;
    // How often each value is enqueued, and whether it is kept; once each, or it is not clear which dequeue is its own.
    let kept: Set<u32> = claim.kept.iter().map(|&(id, _)| id).collect();
    let mut times: Map<u32, (usize, bool)> = Map::default();
    for (id, op) in (0u32..).zip(claim.ops).filter(|(_, op)| op.f == F::Enqueue) {
        if op.call >= last && !kept.contains(&id) {
            continue;
        }
        let entry = times.entry(op.a).or_insert((0, false));
        *entry = (entry.0 + 1, entry.1 || kept.contains(&id));
    }
    let unique = times.values().all(|&(times, _)| times == 1);
    let mut takers: Vec<u32> = Vec::new();
    let (mut served, mut taken): (Set<u32>, Set<u32>) = (Set::default(), Set::default());
    for (id, op) in claim.kept.iter().filter(|(_, op)| op.f == F::Dequeue) {
        let whole = &claim.ops[*id as usize];
        if known(op) {
            taken.insert(op.a);
        }
        if unique && known(whole) {
            served.insert(whole.a);
        } else if op.b == 1 {
            takers.push(op.call);
        }
    }
    takers.sort_unstable();
    let enqueues = claim.kept.iter().filter(|(_, op)| op.f == F::Enqueue && !served.contains(&op.a)).count();
    let free = if unique {
        enqueues
    } else {
        enqueues.saturating_sub(claim.kept.iter().filter(|(_, op)| known(op)).count())
    };
    let fits = |op: &Op| match op.f {
        F::Enqueue => op.a != 0 && !taken.contains(&op.a),
        _ => {
            let gone = known(op) && times.get(&op.a).is_none_or(|&(times, kept)| times == 1 && !kept);
            gone || takers.partition_point(|&call| call <= op.call) >= free
        }
    };
    left.iter().find(|(_, op)| !fits(op)).map(|&(id, _)| id)
}

fn set(left: &[(u32, &Op)], kept: &[(u32, Op)], values: &Values<'_>) -> Option<u32> {
    let sees = |look: &Op, element: u32| match look.f {
        F::Members => Some(values.list(look.a).unwrap_or_default().contains(&element)),
        F::Contains if look.a == element => Some(look.b == 1),
        _ => None,
    };
    let fits = |op: &Op| {
        let spoiled = Some(op.f == F::Add);
        !kept.iter().any(|(_, look)| sees(look, op.a) == spoiled)
    };
    left.iter().find(|(_, op)| !fits(op)).map(|&(id, _)| id)
}

fn lock(left: &[(u32, &Op)], claim: &Claim<'_>) -> Option<u32> {
    let kept: Set<u32> = claim.kept.iter().map(|&(id, _)| id).collect();
    let mut of: Map<u32, Vec<u32>> = Map::default();
    for (id, op) in (0u32..).zip(claim.ops) {
        of.entry(op.a).or_default().push(id);
    }
    let missing: Set<u32> = left.iter().map(|&(id, _)| id).collect();
    let op = |id: u32| &claim.ops[id as usize];
    for ids in of.values().filter(|ids| ids.iter().any(|id| kept.contains(id))) {
        let mut at = 0;
        while at < ids.len() {
            let more = ids[at + 1..].iter().position(|&id| op(id).f == F::Acquire);
            let end = more.map_or(ids.len(), |more| at + 1 + more);
            let hold = &ids[at..end];
            if let Some(&first) = hold.iter().find(|id| missing.contains(id)) {
                // A known release before any acquire: the whole has no correct order, so nothing is lost.
                let begins = op(ids[at]).f == F::Acquire || hold.iter().all(|&id| op(id).ret != NEVER);
                let whole = begins && !hold.iter().any(|id| kept.contains(id));
                let alone = hold.len() == 1;
                let sure = op(ids[at]).ret != NEVER;
                let free = at == 0 || (op(ids[at - 1]).f == F::Release && op(ids[at - 1]).ret != NEVER);
                let apart =
                    hold.windows(2).all(|two| op(two[0]).ret == NEVER || op(two[0]).ret <= op(two[1]).call);
                if !(whole && apart && (sure || free || alone)) {
                    return Some(first);
                }
            }
            at = end;
        }
    }
    None
}
