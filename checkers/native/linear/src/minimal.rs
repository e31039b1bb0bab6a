//! The smallest part of an invalid history that is still invalid.
//!
//! An operation is left out only in a sound way, so that the rest being invalid proves the whole invalid: one that
//! only looks is dropped; any other is kept as one whose outcome is unknown. Of these, some can never matter and are
//! dropped too: a write whose value no operation left observes, and all but as many writes of a value as there are
//! observers (the earliest called serve best). All operations on one value of a queue, on one element of a set, or of
//! one hold of a lock can be left out together: what is left of a correct order is correct. Sets that are read as a
//! whole are cut down to some of their elements (see `scope`).

use crate::certify::bounds::{self, Bounds};
use crate::certify::left_out::{self, Claim};
use crate::certify::values_at;
use crate::decide::{decide, Object};
use crate::element::{as_of, as_register, of_element, OUT};
use crate::hash::Map;
use crate::limits::Limits;
use crate::ops::{Model, Op, F, NEVER};
use crate::portfolio::{Answer, Blame};
use crate::prune::{prune_counter, prune_lock, prune_queue, prune_register, prune_set, weaker};
use crate::scope::{self, Kept};
use crate::sources::sources;
use std::time::Duration;

/// A part of a history that is invalid by itself.
#[derive(Debug)]
pub struct Sub {
    /// Operations, and whether the completion is kept as well: those judged, and what they need to be understood.
    pub ops: Vec<(u32, bool)>,
    /// Those judged, with what is still known of each.
    pub kept: Kept,
    /// What returned before the call of this operation is not judged: whatever was there by then, the rest is wrong.
    pub since: Option<u32>,
    /// Of a counter: the sums that contradict each other.
    pub bounds: Option<Bounds>,
    /// The operation that could not have happened: of those kept whole the last to return.
    pub culprit: u32,
    /// Whether nothing more can be left out (else the time was up).
    pub minimal: bool,
    /// Of a set: the elements that matter. The operations stand for what they say of these.
    pub elements: Option<Vec<u32>>,
}

/// No single decision on the way takes longer.
const ONE: Duration = Duration::from_millis(500);
/// Below this many operations nothing is gained by cutting off the past.
const FEW: usize = 6;
/// The counterexample of a counter shows all additions up to so many; the certificate needs but a few of them.
const ADDITIONS: usize = 2_000;

struct Reducer<'a, 'b> {
    object: &'a Object<'a>,
    /// All operations of the part of the history that is judged.
    whole: &'a [Op],
    limits: &'a Limits<'b>,
    complete: bool,
    /// The values that were possible at the moment before which nothing is looked at.
    starts: Option<Vec<u32>>,
    /// Whether of alike writes of unknown outcome only as many stay as there are observers: a rule of registers, which
    /// is not one of the elements of a set that are looked at as such.
    counts: bool,
}

/// Reduce the operations of one part, which were shown invalid.
#[must_use]
pub fn reduce(object: &Object<'_>, ops: &[Op], blame: &Blame, limits: &Limits<'_>) -> Sub {
    if object.model == Model::Counter {
        let initial = object.values.number(object.initial).unwrap_or(0);
        if let Some(bounds) = bounds::find(ops, initial, limits) {
            return of_sums(ops, bounds);
        }
    }
    let mut reducer = Reducer { object, whole: ops, limits, complete: true, starts: None, counts: true };
    let everything = || -> Kept { (0..).zip(ops.iter().copied()).collect() };
    let of_register =
        matches!(object.model, Model::Register | Model::Kv) && !ops.iter().any(|op| op.f == F::Append);
    let candidates = match blame {
        Blame::These(these) => {
            let these: std::collections::BTreeSet<u32> = these.iter().copied().collect();
            match reducer.groups(&everything()) {
                Some(groups) => reducer.project(&everything(), &groups, &these),
                None if object.model == Model::Queue => reducer.shortest(&everything()),
                None => match of_register.then(|| sources_of(ops, &these)).flatten() {
                    Some(few) => few,
                    None => reducer.without(&everything(), &|id, _| !these.contains(&id)),
                },
            }
        }
        Blame::Until(last) => reducer.until(&everything(), ops[*last as usize].ret),
    };
    if of_register && candidates.len() > FEW {
        if let Some((since, kept)) = reducer.cut(ops, &candidates) {
            return reducer.finish(ops, kept, Some(since), None);
        }
    }
    // Where the time is up before it is looked at again, the few that were blamed say more than all there are.
    let mut kept =
        if reducer.invalid(&candidates) || reducer.limits.over() { candidates } else { everything() };
    if object.model == Model::Set {
        let elements = if kept.iter().any(|(_, op)| op.f == F::Members) {
            let elements = reducer.narrow_elements(&mut kept);
            kept = kept.iter().map(|&(id, op)| (id, as_of(&ops[id as usize], &op))).collect();
            elements
        } else {
            reducer.drop_groups(&mut kept);
            scope::elements(&kept, object.values)
        };
        if let (&[element], true) = (&elements[..], kept.len() > FEW) {
            if let Some((since, kept)) = reducer.cut_element(ops, &kept, element) {
                return reducer.finish(ops, kept, Some(since), Some(elements));
            }
        }
        if !kept.iter().any(|(_, op)| op.f == F::Members) {
            reducer.narrow(&mut kept);
        }
        return reducer.finish(ops, kept, None, Some(elements));
    }
    reducer.drop_groups(&mut kept);
    reducer.narrow(&mut kept);
    reducer.finish(ops, kept, None, None)
}

/// Of a register: these, and of the others what can leave a value that is seen, all of unknown outcome. Nothing where
/// compare-and-sets chain for too long: then who can leave what is found out for all at once.
fn sources_of(ops: &[Op], these: &std::collections::BTreeSet<u32>) -> Option<Kept> {
    let left = |op: &Op| if op.f == F::Cas { op.b } else { op.a };
    let seen = these.iter().map(|&id| &ops[id as usize]).filter(|op| op.f != F::Write);
    let mut wanted: crate::hash::Set<u32> = seen.map(|op| op.a).collect();
    for _ in 0..ROUNDS {
        let before = wanted.len();
        for op in ops.iter().filter(|op| op.f == F::Cas) {
            if wanted.contains(&op.b) {
                wanted.insert(op.a);
            }
        }
        if wanted.len() == before {
            let some = (0u32..).zip(ops).filter_map(|(id, op)| match these.contains(&id) {
                true => Some((id, *op)),
                false if op.f != F::Read && wanted.contains(&left(op)) => Some((id, weaker(*op))),
                false => None,
            });
            return Some(prune_register(some.collect(), true));
        }
    }
    None
}

/// Passes over all operations before that.
const ROUNDS: usize = 4;

/// The part that shows sums which do not fit.
fn of_sums(ops: &[Op], bounds: Bounds) -> Sub {
    let read = bounds.read();
    let mut whole = vec![read];
    if let Bounds::Low { after, between, .. } = &bounds {
        whole.extend(after);
        whole.extend(between);
    }
    whole.sort_unstable();
    let end = ops[read as usize].ret;
    let asked = || (0u32..).zip(ops).filter(|(_, op)| op.f == F::Increment && op.call < end);
    let few = asked().take(ADDITIONS + 1).count() <= ADDITIONS;
    let mut kept: Kept = asked()
        .filter(|(id, _)| few && whole.binary_search(id).is_err())
        .map(|(id, op)| (id, weaker(*op)))
        .chain(whole.iter().map(|&id| (id, ops[id as usize])))
        .collect();
    kept.sort_unstable_by_key(|&(id, _)| id);
    let shown = kept.iter().map(|&(id, op)| (id, !op.open())).collect();
    Sub { ops: shown, kept, since: None, bounds: Some(bounds), culprit: read, minimal: true, elements: None }
}

/// All operations up to the last that the reduced part keeps whole, as they are; of those that returned later what only
/// looks says nothing.
#[must_use]
pub fn unreduced(ops: &[Op], sub: &Sub) -> Sub {
    let end = ops[sub.culprit as usize].ret;
    let kept: Kept = (0..)
        .zip(ops.iter().copied())
        .filter(|(_, op)| op.call < end && (op.ret <= end || !looks(op)))
        .map(|(id, op)| (id, if op.ret <= end { op } else { weaker(op) }))
        .collect();
    let shown = kept.iter().map(|&(id, op)| (id, !op.open())).collect();
    Sub { ops: shown, kept, since: None, bounds: None, culprit: sub.culprit, minimal: false, elements: None }
}

impl Reducer<'_, '_> {
    /// Leave out elements of a set, then operations, until neither can be; returns the elements left.
    fn narrow_elements(&mut self, kept: &mut Kept) -> Vec<u32> {
        let mut elements = scope::elements(kept, self.object.values);
        let (all, mut values) = scope::project(kept, self.object.values, &elements);
        *kept = all;
        loop {
            let object = Object { values: &values, ..*self.object };
            let mut reducer = Reducer {
                object: &object,
                whole: self.whole,
                limits: self.limits,
                complete: true,
                starts: None,
                counts: true,
            };
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
                let mut reducer = Reducer {
                    object: &object,
                    whole: self.whole,
                    limits: self.limits,
                    complete: true,
                    starts: None,
                    counts: true,
                };
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
        if !self.sound(kept) {
            return false;
        }
        let ops: Vec<Op> = kept.iter().map(|&(_, op)| op).collect();
        let starts = self.starts.clone().unwrap_or_else(|| vec![self.object.initial]);
        starts.into_iter().all(|initial| self.invalid_from(initial, &ops))
    }

    /// Whether the part proves the whole wrong if it is wrong. Of queues and bags one step after the other can be sound
    /// and all of them together prove nothing: who took an element is forgotten, after another was left out because of it.
    fn sound(&self, kept: &Kept) -> bool {
        let claim = Claim { ops: self.whole, kept, since: None, elements: None };
        !matches!(self.object.model, Model::Queue | Model::UnorderedQueue)
            || left_out::unsound(self.object.model, self.object.values, &claim).is_none()
    }

    fn invalid_from(&mut self, initial: u32, ops: &[Op]) -> bool {
        if self.limits.over() {
            self.complete = false;
            return false;
        }
        let object = Object { initial, ..*self.object };
        match decide(&object, ops, &[], &self.limits.within(ONE)).answer {
            Answer::Invalid(_) => true,
            Answer::Valid(_) => false,
            Answer::Unknown(..) => {
                self.complete = false;
                false
            }
        }
    }

    /// Everything up to the return that nothing explains.
    fn until(&self, everything: &Kept, end: u32) -> Kept {
        let called = everything.iter().filter(|(_, op)| op.call < end);
        let known = called.map(|&(id, op)| (id, if op.ret > end { weaker(op) } else { op }));
        self.prune(known.filter(|(_, op)| !(op.open() && op.f.looks_only())).collect())
    }

    /// Everything up to the first return by which it is wrong: what is wrong stays so, so halves will do.
    fn shortest(&mut self, everything: &Kept) -> Kept {
        let mut ends: Vec<u32> =
            everything.iter().map(|(_, op)| op.ret).filter(|&ret| ret != NEVER).collect();
        ends.sort_unstable();
        let (mut right, mut wrong) = (0, ends.len());
        while right < wrong && !self.limits.over() {
            let half = (right + wrong) / 2;
            if self.invalid(&self.until(everything, ends[half])) {
                wrong = half;
            } else {
                right = half + 1;
            }
        }
        ends.get(wrong).map_or_else(|| everything.clone(), |&end| self.until(everything, end))
    }

    /// Cut off a register's past: go back from the end, twice as far each time, until what is left is wrong whatever
    /// value was there before; then leave out what else can be. Returns the operation before whose call nothing counts.
    fn cut(&mut self, ops: &[Op], kept: &Kept) -> Option<(u32, Kept)> {
        let mut calls: Vec<(u32, u32)> =
            kept.iter().filter(|(_, op)| !op.open()).map(|&(id, op)| (op.call, id)).collect();
        calls.sort_unstable_by_key(|&call| std::cmp::Reverse(call));
        let complete = self.complete;
        let mut back = 1;
        while back < calls.len() {
            let (since, id) = calls[back - 1];
            let mut late = prune_register(after(kept, since), self.counts);
            self.starts = Some(values_at(ops, self.object.initial, since, &late));
            if self.invalid(&late) {
                self.complete = complete;
                self.narrow(&mut late);
                return Some((id, late));
            }
            if self.limits.over() {
                break;
            }
            back *= 2;
        }
        self.starts = None;
        self.complete = complete;
        None
    }

    /// The same for one element of a set, which is a register of two values.
    fn cut_element(&mut self, ops: &[Op], kept: &Kept, element: u32) -> Option<(u32, Kept)> {
        let bit = |op: &Op| as_register(op, element, self.object.values);
        let as_bits: Vec<Op> = ops.iter().map(|op| bit(op).unwrap_or(*op)).collect();
        let bits: Kept = kept.iter().filter_map(|(id, op)| Some((*id, bit(op)?))).collect();
        let object = Object { model: Model::Register, initial: OUT, ..*self.object };
        let mut reducer = Reducer {
            object: &object,
            whole: self.whole,
            limits: self.limits,
            complete: true,
            starts: None,
            counts: false,
        };
        let own: Vec<Op> = as_bits
            .into_iter()
            .zip(ops)
            .filter(|(_, op)| of_element(op, element))
            .map(|(bit, _)| bit)
            .collect();
        let (since, left) = reducer.cut(&own, &bits)?;
        self.complete &= reducer.complete;
        Some((since, left.iter().map(|&(id, bit)| (id, as_of(&ops[id as usize], &bit))).collect()))
    }

    fn finish(&self, ops: &[Op], kept: Kept, since: Option<u32>, elements: Option<Vec<u32>>) -> Sub {
        let culprit =
            kept.iter().filter(|(_, op)| !op.open()).max_by_key(|(_, op)| op.ret).map_or(0, |&(id, _)| id);
        let mut shown: Vec<(u32, bool)> = kept.iter().map(|&(id, op)| (id, !op.open())).collect();
        if let Some(since) = since {
            shown.extend(sources(ops, &kept, ops[since as usize].call, elements.as_deref()));
            shown.sort_unstable();
            shown.dedup_by_key(|&mut (id, _)| id);
        }
        Sub { ops: shown, kept, since, bounds: None, culprit, minimal: self.complete, elements }
    }

    /// Leave out the completed operations that `out` names, soundly.
    fn without(&self, kept: &Kept, out: &dyn Fn(u32, &Op) -> bool) -> Kept {
        let rest = kept.iter().filter_map(|&(id, op)| {
            if op.open() || !out(id, &op) {
                return Some((id, op));
            }
            (!looks(&op)).then_some((id, weaker(op)))
        });
        self.prune(rest.collect())
    }

    /// Drop what is of unknown outcome and can never matter.
    fn prune(&self, kept: Kept) -> Kept {
        match self.object.model {
            Model::Register | Model::Kv if !kept.iter().any(|(_, op)| op.f == F::Append) => {
                prune_register(kept, self.counts)
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
                // Where times tie, a process's own operations can overlap: then it is not clear what ends which hold.
                let mut busy: Map<u32, u32> = Map::default();
                for (_, op) in kept {
                    let until = busy.entry(op.a).or_insert(0);
                    if *until > op.call && *until != NEVER {
                        return None;
                    }
                    *until = op.ret;
                }
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

fn looks(op: &Op) -> bool {
    op.f.looks_only() || (op.f == F::Dequeue && op.a == 0 && op.b == 0)
}

/// What had not returned before the moment; what was called before it may have happened by then.
fn after(kept: &Kept, since: u32) -> Kept {
    let left = kept.iter().filter(|(_, op)| op.ret >= since);
    let left = left.map(|&(id, op)| (id, if op.call < since { weaker(op) } else { op }));
    left.filter(|(_, op)| !(op.open() && op.f.looks_only())).collect()
}
