//! The second judge: whether the part of a history that is handed out is wrong indeed.
//!
//! What an engine found is believed only where somebody else agrees who shares no pruning with it: the sums of a
//! counter, the exhaustive oracle, or, where that one gives up, the exact search if another form found it. All of them
//! see only the part that is handed out, and what was left out of the whole must be left out soundly.

pub mod bounds;
pub mod layers;
pub mod left_out;
pub mod oracle;

use crate::decide::{self, Object, Way};
use crate::hash::Set;
use crate::limits::Limits;
use crate::minimal::{self, Sub};
use crate::ops::{Model, Op, F};
use crate::portfolio::Answer;
use crate::scope;
use crate::search::Mode;
use oracle::{State, Subject, Word};

/// What the second judge says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Second {
    /// It agrees; by name.
    Agrees(&'static str),
    /// It does not: the part proves nothing. A fault of the first judge.
    Refuses(String),
    /// It could not decide within the limits.
    Silent,
}

/// The name of the exhaustive oracle as a judge.
pub const EXHAUSTIVE: &str = "exhaustive search";
/// The name of the exact search as a judge.
pub const EXACT: &str = "exact search";
/// The name of the layers of pairs as a judge.
pub const LAYERS: &str = "layers of pairs";
/// Queues of fewer operations are left to the oracle.
const FEW: usize = 40;
/// The name of sums as a judge.
pub const SUMS: &str = "sums";

/// The part that an engine found, or all operations up to its last, whichever a second judge confirms: in the part
/// operations may have been weakened to open ones, any order of which has to be tried, and the whole has more of them.
/// Both are looked at a little before either is searched for long.
#[must_use]
pub fn either(
    object: &Object<'_>,
    ops: &[Op],
    engine: &str,
    part: Sub,
    limits: &Limits<'_>,
) -> (Sub, Second) {
    let whole = minimal::unreduced(ops, &part);
    let ask = |sub: &Sub, looks: usize| confirm(object, ops, engine, sub, looks, limits);
    let mut word = ask(&part, oracle::A_LITTLE);
    let mut other =
        if let Second::Agrees(_) = word { return (part, word) } else { ask(&whole, oracle::A_LITTLE) };
    if word == Second::Silent && other == Second::Silent {
        word = ask(&part, oracle::LONG);
    }
    if word == Second::Silent && other == Second::Silent {
        other = ask(&whole, oracle::LONG);
    }
    if let Second::Agrees(_) = other {
        return (whole, other);
    }
    (part, word)
}

/// Judge the part once more. `engine` is who found it, `looks` how much the exhaustive oracle may look at.
#[must_use]
pub fn confirm(
    object: &Object<'_>,
    ops: &[Op],
    engine: &str,
    sub: &Sub,
    looks: usize,
    limits: &Limits<'_>,
) -> Second {
    if let Some(bounds) = &sub.bounds {
        let initial = object.values.number(object.initial).unwrap_or(0);
        return if bounds::holds(ops, initial, bounds) {
            Second::Agrees(SUMS)
        } else {
            Second::Refuses("the sums do not contradict each other".into())
        };
    }
    let since = sub.since.map(|id| ops[id as usize].call);
    let claim = left_out::Claim { ops, kept: &sub.kept, since, elements: sub.elements.as_deref() };
    if let Some(reason) = left_out::unsound(object.model, object.values, &claim) {
        return Second::Refuses(reason);
    }
    let kept: Vec<Op> = sub.kept.iter().map(|&(_, op)| op).collect();
    let subject = Subject::of(object.model, object.values, sub.elements.as_deref(), &kept);
    if object.model == Model::Queue && kept.len() >= FEW {
        match layers::search(&kept, limits) {
            Word::NoOrder => return Second::Agrees(LAYERS),
            Word::Order(_) => return Second::Refuses("layers of pairs found an order".into()),
            Word::Unknown => {}
        }
    }
    let Some(starts) = starts(object, &subject, ops, sub, since) else {
        return Second::Refuses(
            "what came before a moment was left out, and what it left cannot be told".into(),
        );
    };
    let mut by = EXHAUSTIVE;
    for start in starts {
        match oracle::search(&subject, &kept, start.clone(), looks, limits) {
            Word::NoOrder => {}
            Word::Order(_) => return Second::Refuses("the exhaustive search found an order".into()),
            Word::Unknown if engine == "search" || looks < oracle::LONG => return Second::Silent,
            Word::Unknown => match exact(object, sub, &kept, &start, limits) {
                Answer::Invalid(_) => by = EXACT,
                Answer::Valid(_) => return Second::Refuses("the exact search found an order".into()),
                Answer::Unknown(..) => return Second::Silent,
            },
        }
    }
    Second::Agrees(by)
}

fn exact(object: &Object<'_>, sub: &Sub, kept: &[Op], start: &State, limits: &Limits<'_>) -> Answer {
    let way = Way::Only(Mode::Exact);
    let initial = if let State::Value(value) = start { *value } else { object.initial };
    let object = Object { way, initial, ..*object };
    match &sub.elements {
        Some(elements) => {
            let (kept, values) = scope::project(&sub.kept, object.values, elements);
            let kept: Vec<Op> = kept.iter().map(|&(_, op)| op).collect();
            decide::search(&Object { values: &values, ..object }, &kept, limits).answer
        }
        None => decide::search(&object, kept, limits).answer,
    }
}

/// The states that the object can have had at the moment before which nothing is looked at.
fn starts(
    object: &Object<'_>,
    subject: &Subject<'_>,
    ops: &[Op],
    sub: &Sub,
    since: Option<u32>,
) -> Option<Vec<State>> {
    let appends = sub.kept.iter().any(|(_, op)| op.f == F::Append);
    let first = oracle::start(subject, object.initial, appends);
    let Some(since) = since else { return Some(vec![first]) };
    match (object.model, sub.elements.as_deref()) {
        (Model::Register | Model::Kv, _) => {
            Some(values_at(ops, object.initial, since, &sub.kept).into_iter().map(State::Value).collect())
        }
        (Model::Set, Some(&[element])) => {
            let added = ops.iter().any(|op| op.f == F::Add && op.a == element && op.call < since);
            let inside = added.then(|| State::Items(vec![element]));
            Some(std::iter::once(first).chain(inside).collect())
        }
        _ => None,
    }
}

/// The values that a register can hold at a moment: the first one, and all that some operation called before leaves.
/// Of those that no kept operation observes one stands for all.
#[must_use]
pub fn values_at(ops: &[Op], initial: u32, since: u32, kept: &[(u32, Op)]) -> Vec<u32> {
    let observed: Set<u32> = kept.iter().filter(|(_, op)| op.f != F::Write).map(|(_, op)| op.a).collect();
    let left = ops.iter().filter(|op| op.call < since && op.f != F::Read);
    let left = left.map(|op| if op.f == F::Cas { op.b } else { op.a });
    let mut seen: Set<u32> = Set::default();
    let mut unseen = false;
    std::iter::once(initial)
        .chain(left)
        .filter(|value| {
            if observed.contains(value) {
                seen.insert(*value)
            } else {
                !std::mem::replace(&mut unseen, true)
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;
