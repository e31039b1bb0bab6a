//! The exhaustive oracle: is there an order at all?
//!
//! A plain memoised search (Wing and Gong 1993, with the memory of Lowe 2017). At each step every operation that could
//! be the next is tried: those called before the earliest return of what is not done yet. What was seen before (the
//! same operations done, the same state) is not tried again. The other rules: of operations which are equal and of unknown
//! outcome the one called first goes first (in any order the others can take its place, for none of them returns); all
//! strings which begin none that is seen are one state, for appending makes none of them one that does, and nothing is
//! looked for behind that state while something is still to be seen and nothing overwrites. Nothing is shared with the
//! engines but the decoded operations, so that a mistake in an engine is not made here a second time.

use crate::limits::Limits;
use crate::ops::{Model, Op, Values, F, NEVER};
use crate::stepped;
use std::collections::{HashMap, HashSet};

/// What the oracle says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// This order explains everything (numbers of operations).
    Order(Vec<u32>),
    /// No order does; every one was tried.
    NoOrder,
    /// A limit was hit.
    Unknown,
}

/// An object's state; each model uses its own variant.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum State {
    /// A register's value.
    Value(u32),
    /// A string that can be appended to, if some string that is seen begins so.
    Text(Option<Vec<u8>>),
    /// A set's elements or a bag's, sorted; a queue's, head first.
    Items(Vec<u32>),
    /// A counter's total.
    Total(i64),
    /// A lock's holder and the highest token so far.
    Held(Option<u32>, Option<i64>),
    /// Of a plain model.
    Plain(Vec<i64>),
}

/// The object that operations are tried on.
pub struct Subject<'a> {
    /// The model.
    pub model: Model,
    /// All values.
    pub values: &'a Values<'a>,
    /// Of a set: the elements that count; the others are not looked at.
    pub elements: Option<&'a [u32]>,
    /// Of strings that are appended to: those that are seen.
    pub seen: Vec<Vec<u8>>,
    /// Whether some operation overwrites whatever there is.
    pub overwritten: bool,
}

impl<'a> Subject<'a> {
    /// The object of these operations.
    #[must_use]
    pub fn of(model: Model, values: &'a Values<'a>, elements: Option<&'a [u32]>, ops: &[Op]) -> Self {
        let appends = ops.iter().any(|op| op.f == F::Append);
        let sees = ops.iter().filter(|op| appends && matches!(op.f, F::Read | F::Cas));
        let seen = sees.map(|op| text(values, op.a)).collect();
        let overwritten = ops.iter().any(|op| op.f == F::Write);
        Subject { model, values, elements, seen, overwritten }
    }

    /// The state with this string, if some string that is seen begins with it; else the state of all that do not.
    fn string(&self, string: Vec<u8>) -> State {
        let begins = self.seen.iter().any(|seen| seen.starts_with(&string));
        State::Text(begins.then_some(string))
    }
}

/// More operations than this are not tried: each step looks at all.
const OPERATIONS: usize = 4_000;
/// Operations looked at before the oracle gives up: at first, and where no other judge could say either.
pub const A_LITTLE: usize = 4_000_000;
/// See `A_LITTLE`.
pub const LONG: usize = 200_000_000;
/// Bytes remembered before it gives up.
const BYTES: usize = 256 << 20;

/// Whether some order of these operations is correct from this state, true to real time, and has every operation
/// whose outcome is known. Those of unknown outcome may stand anywhere after their call, or nowhere.
#[must_use]
pub fn search(
    subject: &Subject<'_>,
    ops: &[Op],
    initial: State,
    most_looks: usize,
    limits: &Limits<'_>,
) -> Word {
    if ops.len() > OPERATIONS {
        return Word::Unknown;
    }
    let known = ops.iter().filter(|op| op.ret != NEVER).count();
    let first = Step { op: u32::MAX, known, state: initial, next: 0 };
    let mut done = vec![0u64; ops.len().div_ceil(64)];
    let twins = twins(ops);
    let mut seen: HashSet<(Box<[u64]>, State)> = HashSet::new();
    let mut path = vec![first];
    let (mut looks, mut bytes, mut visits) = (0usize, 0usize, 0usize);
    while let Some(step) = path.last_mut() {
        if step.known == 0 {
            return Word::Order(path.iter().skip(1).map(|step| step.op).collect());
        }
        let bound = first_return(ops, &done);
        let mut found = None;
        while found.is_none() && (step.next as usize) < ops.len() * BRANCHES {
            let (at, branch) = (step.next as usize / BRANCHES, step.next as usize % BRANCHES);
            let op = &ops[at];
            looks += 1;
            if has(&done, at) || op.call > bound || twins[at].is_some_and(|twin| !has(&done, twin)) {
                step.next = ((at + 1) * BRANCHES) as u32;
                continue;
            }
            match after(subject, &step.state, op).into_iter().nth(branch) {
                Some(state) => {
                    step.next += 1;
                    found = Some((at, state));
                }
                None => step.next = ((at + 1) * BRANCHES) as u32,
            }
        }
        looks += ops.len() / 8;
        visits += 1;
        if looks > most_looks || bytes > BYTES.min(limits.memory) || (visits % 256 == 0 && limits.over()) {
            return Word::Unknown;
        }
        let Some((at, state)) = found else {
            let op = path.pop().map_or(u32::MAX, |step| step.op);
            if op != u32::MAX {
                done[op as usize / 64] &= !(1 << (op % 64));
            }
            continue;
        };
        if lost(subject, &state, ops, &done) {
            continue;
        }
        let known = step.known - usize::from(ops[at].ret != NEVER);
        done[at / 64] |= 1 << (at % 64);
        bytes += done.len() * 8 + size(&state) + 64;
        if seen.insert((done.clone().into(), state.clone())) {
            path.push(Step { op: at as u32, known, state, next: 0 });
        } else {
            done[at / 64] &= !(1 << (at % 64));
        }
    }
    Word::NoOrder
}

/// Of each operation of unknown outcome: the one before it that is equal, by their calls.
fn twins(ops: &[Op]) -> Vec<Option<usize>> {
    let mut by_call: Vec<usize> = (0..ops.len()).filter(|&at| ops[at].open()).collect();
    by_call.sort_by_key(|&at| ops[at].call);
    let mut last: HashMap<(F, u32, u32), usize> = HashMap::new();
    let mut twins = vec![None; ops.len()];
    for at in by_call {
        twins[at] = last.insert((ops[at].f, ops[at].a, ops[at].b), at);
    }
    twins
}

/// Whether a string that begins nothing seen is still to be seen as something, and nothing ever overwrites it.
fn lost(subject: &Subject<'_>, state: &State, ops: &[Op], done: &[u64]) -> bool {
    let sees = |(at, op): (usize, &Op)| !has(done, at) && op.ret != NEVER && matches!(op.f, F::Read | F::Cas);
    *state == State::Text(None) && !subject.overwritten && ops.iter().enumerate().any(sees)
}

/// An operation can lead to at most this many states: a dequeue of unknown outcome takes any element of a bag.
const BRANCHES: usize = 512;

struct Step {
    op: u32,
    /// How many operations of known outcome are not done yet.
    known: usize,
    state: State,
    next: u32,
}

fn has(done: &[u64], at: usize) -> bool {
    done[at / 64] >> (at % 64) & 1 == 1
}

/// The earliest return of an operation that is not done: nothing called after it can be the next.
fn first_return(ops: &[Op], done: &[u64]) -> u32 {
    let left = ops.iter().enumerate().filter(|(at, _)| !has(done, *at));
    left.map(|(_, op)| op.ret).min().unwrap_or(NEVER)
}

fn size(state: &State) -> usize {
    match state {
        State::Text(text) => text.as_ref().map_or(0, Vec::len),
        State::Items(items) => items.len() * 4,
        State::Plain(words) => words.len() * 8,
        State::Value(_) | State::Total(_) | State::Held(..) => 0,
    }
}

/// The state of an object that nothing has happened to.
#[must_use]
pub fn start(subject: &Subject<'_>, initial: u32, appends: bool) -> State {
    let values = subject.values;
    match subject.model {
        Model::Register | Model::Kv if appends => subject.string(text(values, initial)),
        Model::Register | Model::Kv | Model::Custom => State::Value(initial),
        Model::Set | Model::Queue | Model::UnorderedQueue => State::Items(Vec::new()),
        Model::Counter => State::Total(values.number(initial).unwrap_or(0)),
        Model::Lock | Model::FencedLock => State::Held(None, None),
        Model::Plain(model) => State::Plain(model.start.to_vec()),
    }
}

/// What the state can be after the operation; empty where it cannot happen here.
fn after(subject: &Subject<'_>, state: &State, op: &Op) -> Vec<State> {
    let same = |holds: bool| if holds { vec![state.clone()] } else { Vec::new() };
    match state {
        State::Value(value) => match op.f {
            F::Read => same(*value == op.a),
            F::Write => vec![State::Value(op.a)],
            F::Cas if *value == op.a => vec![State::Value(op.b)],
            _ => Vec::new(),
        },
        State::Text(string) => {
            let is =
                |value: u32| string.as_ref().is_some_and(|string| *string == text(subject.values, value));
            match op.f {
                F::Read => same(is(op.a)),
                F::Write => vec![subject.string(text(subject.values, op.a))],
                F::Append => match string {
                    Some(string) => vec![subject.string([&string[..], &text(subject.values, op.a)].concat())],
                    None => same(true),
                },
                F::Cas if is(op.a) => vec![subject.string(text(subject.values, op.b))],
                _ => Vec::new(),
            }
        }
        State::Items(items) if subject.model == Model::Set => of_set(subject, items, op),
        State::Items(items) => of_queue(items, op, subject.model == Model::Queue),
        State::Total(total) => match op.f {
            F::Increment => total.checked_add(op.number()).map(State::Total).into_iter().collect(),
            F::Total => same(*total == op.number()),
            _ => Vec::new(),
        },
        State::Held(holder, highest) => match (op.f, holder) {
            (F::Acquire, None) => {
                let token = if op.b == 0 { None } else { subject.values.number(op.b) };
                let grows = token.is_none() || highest.is_none() || token > *highest;
                let taken = State::Held(Some(op.a), token.or(*highest));
                if grows {
                    vec![taken]
                } else {
                    Vec::new()
                }
            }
            (F::Release, Some(owner)) if *owner == op.a => vec![State::Held(None, *highest)],
            _ => Vec::new(),
        },
        State::Plain(words) => match subject.model {
            Model::Plain(model) => {
                stepped::after(model, subject.values, words, op).into_iter().map(State::Plain).collect()
            }
            _ => Vec::new(),
        },
    }
}

fn of_set(subject: &Subject<'_>, items: &[u32], op: &Op) -> Vec<State> {
    let mut next = items.to_vec();
    let inside = items.contains(&op.a);
    match op.f {
        F::Add if !inside => {
            next.push(op.a);
            next.sort_unstable();
        }
        F::Remove => next.retain(|&item| item != op.a),
        F::Add => {}
        F::Contains if inside == (op.b == 1) => {}
        F::Members => {
            let mut list = subject.values.list(op.a).unwrap_or_default().to_vec();
            list.retain(|element| subject.elements.is_none_or(|elements| elements.contains(element)));
            list.sort_unstable();
            if list != items {
                return Vec::new();
            }
        }
        _ => return Vec::new(),
    }
    vec![State::Items(next)]
}

fn of_queue(items: &[u32], op: &Op, ordered: bool) -> Vec<State> {
    let without = |at: usize| State::Items([&items[..at], &items[at + 1..]].concat());
    match op.f {
        F::Enqueue => {
            let mut next = items.to_vec();
            next.push(op.a);
            if !ordered {
                next.sort_unstable();
            }
            vec![State::Items(next)]
        }
        // What an answer that never came would have held: any element that could have been taken.
        F::Dequeue if op.b == 1 => {
            let ends = if ordered { items.len().min(1) } else { items.len() };
            (0..ends).map(without).collect()
        }
        F::Dequeue if op.a == 0 && items.is_empty() => vec![State::Items(Vec::new())],
        F::Dequeue if op.a == 0 => Vec::new(),
        F::Dequeue => {
            let at = items.iter().position(|&item| item == op.a).filter(|&at| at == 0 || !ordered);
            at.map(without).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// A string's bytes, still escaped; no value is the empty string, and values that are not strings are equal to none.
fn text(values: &Values<'_>, value: u32) -> Vec<u8> {
    let json = values.json(value);
    match json.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) {
        Some(inner) => inner.to_vec(),
        None if value == 0 => Vec::new(),
        None => [b"\"", &*json].concat(),
    }
}
