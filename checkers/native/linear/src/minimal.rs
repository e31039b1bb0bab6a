//! The smallest part of an invalid history that is still invalid.
//!
//! An operation is left out only in a sound way, so that the rest being invalid proves the whole invalid: one that
//! only looks is dropped; any other is kept as one whose outcome is unknown. Of these, some can never matter and are
//! dropped too: a write whose value nobody left observes, and all but as many writes of a value as there are
//! observers (the earliest called serve best). All operations on one value of a queue, on one element of a set, or of
//! one hold of a lock can be left out together: what is left of a correct order is correct. Sets that are read as a
//! whole are cut down to some of their elements (see `scope`).

use crate::decide::{decide, Object};
use crate::hash::Map;
use crate::limits::Limits;
use crate::ops::{Model, Op, F, NEVER};
use crate::portfolio::{Answer, Blame};
use crate::scope::{self, Kept};
use std::time::Duration;

/// A part of a history that is invalid by itself.
#[derive(Debug)]
pub struct Sub {
    /// Operations, and whether the completion is kept as well.
    pub ops: Vec<(u32, bool)>,
    /// The operation that could not have happened: of those kept whole the last to return.
    pub culprit: u32,
    /// Whether nothing more can be left out (else the time was up).
    pub minimal: bool,
    /// Of a set that was read as a whole: the elements that matter. The operations stand for what they say of these.
    pub elements: Option<Vec<u32>>,
}

/// No single decision on the way takes longer.
const ONE: Duration = Duration::from_secs(1);

struct Reducer<'a, 'b> {
    object: &'a Object<'a>,
    limits: &'a Limits<'b>,
    complete: bool,
}

/// Reduce the operations of one part, which were shown invalid.
#[must_use]
pub fn reduce(object: &Object<'_>, ops: &[Op], blame: &Blame, limits: &Limits<'_>) -> Sub {
    let mut reducer = Reducer { object, limits, complete: true };
    let everything: Vec<(u32, Op)> = (0..).zip(ops.iter().copied()).collect();
    let mut kept = match blame {
        Blame::These(these) => {
            let these: std::collections::BTreeSet<u32> = these.iter().copied().collect();
            let few = match reducer.groups(&everything) {
                Some(groups) => reducer.project(&everything, &groups, &these),
                None => reducer.without(&everything, &|id, _| !these.contains(&id)),
            };
            // Where the time is up before it is looked at again, the few that were blamed say more than all there are.
            if reducer.invalid(&few) || reducer.limits.over() {
                few
            } else {
                everything
            }
        }
        Blame::Until(last) => {
            let end = ops[*last as usize].ret;
            let until: Vec<(u32, Op)> = everything
                .iter()
                .filter(|(_, op)| op.call < end)
                .map(|&(id, op)| (id, if op.ret > end { weaker(op) } else { op }))
                .filter(|(_, op)| !(op.open() && op.f.looks_only()))
                .collect();
            let until = reducer.prune(until);
            if reducer.invalid(&until) || reducer.limits.over() {
                until
            } else {
                everything
            }
        }
    };
    let whole = object.model == Model::Set && kept.iter().any(|(_, op)| op.f == F::Members);
    let elements = whole.then(|| reducer.narrow_elements(&mut kept));
    if !whole {
        reducer.drop_groups(&mut kept);
        reducer.narrow(&mut kept);
    }
    let culprit =
        kept.iter().filter(|(_, op)| !op.open()).max_by_key(|(_, op)| op.ret).map_or(0, |&(id, _)| id);
    let ops = kept.iter().map(|&(id, op)| (id, !op.open())).collect();
    Sub { ops, culprit, minimal: reducer.complete, elements }
}

impl Reducer<'_, '_> {
    /// Leave out elements of a set, then operations, until neither can be; returns the elements left.
    fn narrow_elements(&mut self, kept: &mut Kept) -> Vec<u32> {
        let mut elements = scope::elements(kept, self.object.values);
        let (all, mut values) = scope::project(kept, self.object.values, &elements);
        *kept = all;
        loop {
            let object = Object { values: &values, ..*self.object };
            let mut reducer = Reducer { object: &object, limits: self.limits, complete: true };
            let before = (kept.len(), elements.len());
            reducer.drop_elements(kept, &mut elements);
            let (fewer, next) = scope::project(kept, &values, &elements);
            let object = Object { values: &next, ..object };
            let mut narrower = Reducer { object: &object, ..reducer };
            *kept = narrower.prune(fewer);
            narrower.narrow(kept);
            self.complete &= narrower.complete;
            values = next;
            if (kept.len(), elements.len()) == before || self.limits.over() {
                return elements;
            }
        }
    }

    /// Many elements at a time first, until no single one can be left out.
    fn drop_elements(&mut self, kept: &Kept, elements: &mut Vec<u32>) {
        let mut chunk = elements.len().div_ceil(2);
        while chunk > 0 {
            let mut first = 0;
            while first < elements.len() && elements.len() > 1 {
                let last = (first + chunk).min(elements.len());
                let rest = [&elements[..first], &elements[last..]].concat();
                let (fewer, values) = scope::project(kept, self.object.values, &rest);
                let object = Object { values: &values, ..*self.object };
                let mut reducer = Reducer { object: &object, limits: self.limits, complete: true };
                if reducer.invalid(&fewer) {
                    *elements = rest;
                } else {
                    first = last;
                }
                self.complete &= reducer.complete;
                if self.limits.over() {
                    self.complete = false;
                    return;
                }
            }
            chunk = if chunk > 1 { chunk.div_ceil(2).min(elements.len()) } else { 0 };
        }
    }

    fn invalid(&mut self, kept: &Kept) -> bool {
        if self.limits.over() {
            self.complete = false;
            return false;
        }
        let ops: Vec<Op> = kept.iter().map(|&(_, op)| op).collect();
        match decide(self.object, &ops, &[], &self.limits.within(ONE)).answer {
            Answer::Invalid(_) => true,
            Answer::Valid(_) => false,
            Answer::Unknown(..) => {
                self.complete = false;
                false
            }
        }
    }

    /// Leave out the completed operations that `out` names, soundly.
    fn without(&self, kept: &Kept, out: &dyn Fn(u32, &Op) -> bool) -> Kept {
        let rest = kept.iter().filter_map(|&(id, op)| {
            if op.open() || !out(id, &op) {
                return Some((id, op));
            }
            let looks = op.f.looks_only() || (op.f == F::Dequeue && op.a == 0 && op.b == 0);
            (!looks).then_some((id, weaker(op)))
        });
        self.prune(rest.collect())
    }

    /// Drop what is of unknown outcome and can never matter.
    fn prune(&self, kept: Kept) -> Kept {
        match self.object.model {
            Model::Register | Model::Kv if !kept.iter().any(|(_, op)| op.f == F::Append) => {
                prune_register(kept)
            }
            Model::Queue | Model::UnorderedQueue => prune_queue(kept),
            Model::Set => prune_set(self.object, kept),
            Model::Counter => prune_counter(kept),
            Model::Lock | Model::FencedLock => prune_lock(kept),
            _ => kept,
        }
    }

    /// All operations on one value, element or hold at once.
    fn drop_groups(&mut self, kept: &mut Kept) {
        let Some(groups) = self.groups(kept) else { return };
        let mut chunk = groups.len().div_ceil(2);
        let mut gone: Vec<bool> = vec![false; groups.len()];
        while chunk > 0 {
            for first in (0..groups.len()).step_by(chunk) {
                let last = (first + chunk).min(groups.len());
                if gone[first..last].iter().all(|&gone| gone) {
                    continue;
                }
                let out: std::collections::BTreeSet<u32> =
                    groups[first..last].iter().flatten().copied().collect();
                let rest = self.prune(kept.iter().filter(|(id, _)| !out.contains(id)).copied().collect());
                if self.invalid(&rest) {
                    *kept = rest;
                    gone[first..last].fill(true);
                }
            }
            chunk /= 2;
        }
    }

    /// Only the groups that have a part in `these`; of what only looks, only what is in it.
    fn project(&self, kept: &Kept, groups: &[Vec<u32>], these: &std::collections::BTreeSet<u32>) -> Kept {
        let touched = groups.iter().filter(|group| group.iter().any(|id| these.contains(id)));
        let inside: std::collections::BTreeSet<u32> = touched.flatten().copied().collect();
        let grouped: std::collections::BTreeSet<u32> = groups.iter().flatten().copied().collect();
        let stays = |id: &u32, op: &Op| {
            inside.contains(id) || (!grouped.contains(id) && (op.open() || these.contains(id)))
        };
        self.prune(kept.iter().filter(|(id, op)| stays(id, op)).copied().collect())
    }

    fn groups(&self, kept: &Kept) -> Option<Vec<Vec<u32>>> {
        let mut groups: Vec<Vec<u32>> = Vec::new();
        let mut of: Map<u32, usize> = Map::default();
        let mut put = |name: u32, id: u32, fresh: bool| {
            if fresh || !of.contains_key(&name) {
                of.insert(name, groups.len());
                groups.push(Vec::new());
            }
            groups[of[&name]].push(id);
        };
        match self.object.model {
            Model::Queue | Model::UnorderedQueue => {
                let mut seen = crate::hash::Set::default();
                for &(id, op) in kept {
                    if op.f == F::Enqueue && !seen.insert(op.a) {
                        return None;
                    }
                    if op.f == F::Enqueue || (op.b == 0 && op.a != 0) {
                        put(op.a, id, false);
                    }
                }
            }
            Model::Set if !kept.iter().any(|(_, op)| op.f == F::Members) => {
                kept.iter().for_each(|&(id, op)| put(op.a, id, false));
            }
            Model::Lock | Model::FencedLock => {
                kept.iter().for_each(|&(id, op)| put(op.a, id, op.f == F::Acquire));
            }
            _ => return None,
        }
        Some(groups)
    }

    /// Leave out completed operations, many at a time first (delta debugging), until no single one can be.
    fn narrow(&mut self, kept: &mut Kept) {
        let mut chunk = kept.len().div_ceil(2).max(1);
        loop {
            let changed = self.pass(kept, chunk);
            if self.limits.over() {
                self.complete = false;
                return;
            }
            if chunk > 1 {
                chunk = chunk.div_ceil(2).min(kept.len().max(2).div_ceil(2));
            } else if !changed {
                return;
            }
        }
    }

    fn pass(&mut self, kept: &mut Kept, chunk: usize) -> bool {
        let mut changed = false;
        let mut first = 0;
        loop {
            let whole: Vec<u32> = kept.iter().filter(|(_, op)| !op.open()).map(|&(id, _)| id).collect();
            if first >= whole.len() {
                return changed;
            }
            let last = (first + chunk).min(whole.len());
            let (from, to) = (whole[first], whole[last - 1]);
            let rest = self.without(kept, &|id, _| from <= id && id <= to);
            if self.invalid(&rest) {
                *kept = rest;
                changed = true;
            } else {
                first = last;
            }
            if self.limits.over() {
                return changed;
            }
        }
    }
}

/// The same with nothing known of its outcome.
fn weaker(op: Op) -> Op {
    match op.f {
        F::Dequeue => Op { ret: NEVER, a: 0, b: 1, ..op },
        F::Acquire => Op { ret: NEVER, b: 0, ..op },
        _ => Op { ret: NEVER, ..op },
    }
}

fn prune_register(mut kept: Kept) -> Kept {
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
fn prune_queue(kept: Kept) -> Kept {
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

fn prune_set(object: &Object<'_>, kept: Kept) -> Kept {
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
fn prune_lock(kept: Kept) -> Kept {
    let last = kept.iter().filter(|(_, op)| !op.open()).map(|(_, op)| op.ret).max().unwrap_or(0);
    kept.into_iter().filter(|(_, op)| !op.open() || op.call < last).collect()
}

fn prune_counter(kept: Kept) -> Kept {
    let looks = kept.iter().any(|(_, op)| op.f == F::Total);
    kept.into_iter().filter(|(_, op)| looks || !op.open()).collect()
}
