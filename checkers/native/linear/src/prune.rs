//! What of an invalid part can never matter and is dropped: operations of unknown outcome whose effect is no longer
//! observed. `certify::left_out` holds these rules a second time, with their arguments.

use crate::decide::Object;
use crate::hash::Map;
use crate::ops::{Op, F, FUNCTION_BITS, NEVER};
use crate::scope::Kept;

/// The same with nothing known of its outcome.
pub(crate) fn weaker(op: Op) -> Op {
    match op.f {
        F::Dequeue => Op { ret: NEVER, a: 0, b: 1, ..op },
        F::Acquire => Op { ret: NEVER, b: 0, ..op },
        F::Changes => Op { ret: NEVER, f: F::Unsure, b: op.b & ((1 << FUNCTION_BITS) - 1), ..op },
        _ => Op { ret: NEVER, ..op },
    }
}

/// The values that something of known outcome sees, and those that a compare-and-set of unknown outcome needs to
/// leave such a value. Only that has to be there for what is known.
fn wanted(kept: &Kept) -> crate::hash::Set<u32> {
    let known = kept.iter().filter(|(_, op)| !op.open() && op.f != F::Write);
    let mut wanted: crate::hash::Set<u32> = known.map(|(_, op)| op.a).collect();
    let mut ways: Map<u32, Vec<u32>> = Map::default();
    for (_, op) in kept.iter().filter(|(_, op)| op.open() && op.f == F::Cas) {
        ways.entry(op.b).or_default().push(op.a);
    }
    let mut todo: Vec<u32> = wanted.iter().copied().collect();
    while let Some(value) = todo.pop() {
        for &from in ways.get(&value).into_iter().flatten() {
            if wanted.insert(from) {
                todo.push(from);
            }
        }
    }
    wanted
}

pub(crate) fn prune_register(mut kept: Kept, counts: bool) -> Kept {
    let wanted = wanted(&kept);
    kept.retain(|(_, op)| !op.open() || wanted.contains(&if op.f == F::Cas { op.b } else { op.a }));
    if !counts {
        return kept;
    }
    loop {
        let mut observers: Map<u32, usize> = Map::default();
        for (_, op) in &kept {
            if op.f != F::Write {
                *observers.entry(op.a).or_insert(0) += 1;
            }
        }
        let mut writes: Map<(F, u32, u32), usize> = Map::default();
        let before = kept.len();
        kept.retain(|(_, op)| {
            if !op.open() {
                return true;
            }
            let value = if op.f == F::Cas { op.b } else { op.a };
            let written = writes.entry((op.f, op.a, if op.f == F::Cas { op.b } else { 0 })).or_insert(0);
            *written += 1;
            *written <= observers.get(&value).copied().unwrap_or(0)
        });
        if kept.len() == before {
            return kept;
        }
    }
}

/// A dequeue of unknown outcome can only take a value that no known one took: as many as there are such values stay,
/// the earliest called.
pub(crate) fn prune_queue(kept: Kept) -> Kept {
    let known = |op: &Op| op.f == F::Dequeue && op.b == 0;
    let taken: crate::hash::Set<u32> = kept.iter().filter(|(_, op)| known(op)).map(|(_, op)| op.a).collect();
    let mut enqueued: Map<u32, usize> = Map::default();
    for (_, op) in kept.iter().filter(|(_, op)| op.f == F::Enqueue) {
        *enqueued.entry(op.a).or_insert(0) += 1;
    }
    let unique = enqueued.values().all(|&times| times == 1);
    let mut left =
        if unique { enqueued.keys().filter(|&value| !taken.contains(value)).count() } else { usize::MAX };
    let mut kept = kept;
    kept.retain(|(_, op)| match op.f {
        F::Enqueue => !op.open() || taken.contains(&op.a),
        F::Dequeue if op.open() => {
            let stays = left > 0;
            left = left.saturating_sub(1);
            stays
        }
        _ => true,
    });
    kept
}

pub(crate) fn prune_set(object: &Object<'_>, kept: Kept) -> Kept {
    let mut seen: crate::hash::Set<u32> = crate::hash::Set::default();
    let mut missed: crate::hash::Set<u32> = crate::hash::Set::default();
    let mut whole = false;
    for (_, op) in &kept {
        match op.f {
            F::Members => {
                whole = true;
                seen.extend(object.values.list(op.a).unwrap_or_default());
            }
            F::Contains if op.b == 1 => _ = seen.insert(op.a),
            F::Contains => _ = missed.insert(op.a),
            _ => {}
        }
    }
    let mut kept = kept;
    kept.retain(|(_, op)| match op.f {
        F::Add if op.open() => seen.contains(&op.a),
        F::Remove if op.open() => whole || missed.contains(&op.a),
        _ => true,
    });
    kept
}

/// A release of unknown outcome that was asked for when all that is known had been answered can change none of it.
pub(crate) fn prune_lock(kept: Kept) -> Kept {
    let last = kept.iter().filter(|(_, op)| !op.open()).map(|(_, op)| op.ret).max().unwrap_or(0);
    kept.into_iter().filter(|(_, op)| !op.open() || op.call < last).collect()
}

pub(crate) fn prune_counter(kept: Kept) -> Kept {
    let looks = kept.iter().any(|(_, op)| op.f == F::Total);
    kept.into_iter().filter(|(_, op)| looks || !op.open()).collect()
}
