//! Which procedure decides the operations on one object: the fastest that fits them.

use crate::hash::Map;
use crate::limits::Limits;
use crate::models::{Appended, Counted, Elements, Held, Queued};
use crate::ops::{Model, Op, Values, F};
use crate::portfolio::{self, Answer, Blame, Decision, Maker};
use crate::search::general::{General, Machine};
use crate::search::register::Register;
use crate::search::Mode;
use crate::stepped::Stepped;
use crate::{counter, guess, lock, pairs, queue, set, zones};

/// What the parts of one history have in common.
pub struct Object<'a> {
    /// The model.
    pub model: Model,
    /// All values.
    pub values: &'a Values<'a>,
    /// The first value of a register, or of a counter.
    pub initial: u32,
    /// Bounds all moments.
    pub moments: usize,
    /// Which procedures may be used.
    pub way: Way,
}

/// Which procedures may be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// Whatever fits best.
    Auto,
    /// The search in its three forms, none of the procedures for special cases.
    Search,
    /// One form of the search alone (for tests and measurements).
    Only(Mode),
}

impl Way {
    /// By name: `auto`, `search`, `exact`, `relaxed`, `beam-N`; an empty name is `auto`.
    #[must_use]
    pub fn named(name: &str) -> Option<Way> {
        Some(match name.trim_start_matches(':') {
            "" | "auto" => Way::Auto,
            "search" => Way::Search,
            "exact" => Way::Only(Mode::Exact),
            "relaxed" => Way::Only(Mode::Relaxed),
            other => Way::Only(Mode::Beam(other.strip_prefix("beam-")?.parse().ok()?)),
        })
    }

    fn only(self) -> Option<Mode> {
        match self {
            Way::Only(mode) => Some(mode),
            Way::Auto | Way::Search => None,
        }
    }
}

/// Decide the operations on one object.
#[must_use]
pub fn decide(object: &Object<'_>, ops: &[Op], versions: &[i64], limits: &Limits<'_>) -> Decision {
    quickly(object, ops, versions, limits).unwrap_or_else(|| search(object, ops, limits))
}

/// Decide by a near-linear procedure; none where none fits, or none may be used.
#[must_use]
pub fn quickly(object: &Object<'_>, ops: &[Op], versions: &[i64], limits: &Limits<'_>) -> Option<Decision> {
    if object.way == Way::Auto {
        quick(object, ops, versions, limits)
    } else {
        None
    }
}

/// Decide by search.
#[must_use]
pub fn search(object: &Object<'_>, ops: &[Op], limits: &Limits<'_>) -> Decision {
    match object.model {
        Model::Register | Model::Kv if !ops.iter().any(|op| op.f == F::Append) => {
            let (dense, values) = densely(ops, object.initial);
            portfolio::decide(&Registers { ops: &dense, values }, &dense, object.way.only(), limits)
        }
        Model::Register | Model::Kv => match Appended::of(ops, object.values, object.initial) {
            Ok(_) => by_machine(ops, object.way, limits, || {
                Appended::of(ops, object.values, object.initial).expect("it was possible a moment ago")
            }),
            Err(reason) => unknown(reason),
        },
        Model::Set => by_machine(ops, object.way, limits, || Elements::of(ops, object.values)),
        Model::Queue => {
            let paired = (object.way == Way::Auto).then(|| pairs::decide(ops, limits)).flatten();
            paired.unwrap_or_else(|| by_machine(ops, object.way, limits, || Queued::new(true)))
        }
        Model::UnorderedQueue => by_machine(ops, object.way, limits, || Queued::new(false)),
        Model::Counter => {
            let initial = object.values.number(object.initial).unwrap_or(0);
            by_machine(ops, object.way, limits, || Counted::of(ops, initial))
        }
        Model::Lock | Model::FencedLock => {
            by_machine(ops, object.way, limits, || Held::of(ops, object.values))
        }
        Model::Plain(model) => by_machine(ops, object.way, limits, || Stepped::of(model, object.values)),
        Model::Custom => unknown("a model from outside needs its state machine".into()),
    }
}

/// The near-linear procedures; none where they do not fit.
fn quick(object: &Object<'_>, ops: &[Op], versions: &[i64], limits: &Limits<'_>) -> Option<Decision> {
    let everything = || (0..ops.len() as u32).collect::<Vec<u32>>();
    let these = |ids: Vec<u32>| {
        let ids = if ids.is_empty() { everything() } else { ids };
        Answer::Invalid(Blame::These(ids))
    };
    let (engine, answer) = match object.model {
        Model::Register | Model::Kv if ops.iter().any(|op| op.f == F::Append) => return None,
        Model::Register | Model::Kv => match zones::check(ops, object.initial, object.moments) {
            zones::Answer::Valid(order) => ("zones", Answer::Valid(order)),
            zones::Answer::Invalid(ids) => ("zones", these(ids)),
            zones::Answer::NotUnique => {
                ("versions", Answer::Valid(guess::order(ops, versions, object.initial)?))
            }
        },
        Model::Queue | Model::UnorderedQueue => match queue::check(ops, object.model == Model::Queue) {
            queue::Answer::Valid(order) => ("queue", Answer::Valid(order)),
            queue::Answer::Invalid(ids) => ("queue", these(ids)),
            queue::Answer::Unfit => return None,
        },
        Model::Counter => {
            let initial = object.values.number(object.initial).unwrap_or(0);
            match (counter::out_of_bounds(ops, initial), counter::check(ops, initial)) {
                (Some(read), _) => ("counter", these(read)),
                (None, answer) => ("counter", answer?.map_or_else(|| these(Vec::new()), Answer::Valid)),
            }
        }
        Model::Lock | Model::FencedLock => {
            let fenced = object.model == Model::FencedLock;
            match lock::check(ops, object.values, fenced, object.moments) {
                lock::Answer::Valid(order) => ("lock", Answer::Valid(order)),
                lock::Answer::Invalid(ids) => ("lock", these(ids)),
                lock::Answer::Unfit => return None,
            }
        }
        Model::Set => match set::elements(ops) {
            Some(elements) => return Some(by_element(ops, &elements, limits)),
            None => match set::snapshots(ops, object.values) {
                set::Answer::Valid(order) => ("snapshots", Answer::Valid(order)),
                set::Answer::Invalid(ids) => ("snapshots", these(ids)),
                set::Answer::Unfit => return None,
            },
        },
        Model::Plain(_) | Model::Custom => return None,
    };
    Some(Decision { answer, engine, bytes: ops.len() * 64 })
}

/// A set, each element by itself.
fn by_element(ops: &[Op], elements: &[(Vec<Op>, Vec<u32>)], limits: &Limits<'_>) -> Decision {
    let mut orders = Vec::with_capacity(elements.len());
    let (mut bytes, mut reason) = (ops.len() * 64, None);
    for (inner, ids) in elements {
        let decision = portfolio::decide(&Registers { ops: inner, values: 2 }, inner, None, limits);
        bytes = bytes.max(decision.bytes);
        match decision.answer {
            Answer::Valid(order) => orders.push(order.into_iter().map(|op| ids[op as usize]).collect()),
            Answer::Invalid(_) => {
                let answer = Answer::Invalid(Blame::These(ids.clone()));
                return Decision { answer, engine: "elements", bytes };
            }
            Answer::Unknown(why, _) => reason = Some(why),
        }
    }
    let order = set::merge(ops, &orders);
    let answer =
        reason.map_or_else(|| Answer::Valid(order.clone()), |why| Answer::Unknown(why, order.clone()));
    Decision { answer, engine: "elements", bytes }
}

fn unknown(reason: String) -> Decision {
    Decision { answer: Answer::Unknown(reason, Vec::new()), engine: "", bytes: 0 }
}

fn by_machine<M: Machine>(ops: &[Op], way: Way, limits: &Limits<'_>, machine: impl Fn() -> M) -> Decision {
    portfolio::decide(&Machines { ops, machine }, ops, way.only(), limits)
}

/// The same operations with values numbered from 0, which is the initial one.
fn densely(ops: &[Op], initial: u32) -> (Vec<Op>, usize) {
    let mut numbers: Map<u32, u32> = Map::default();
    numbers.insert(initial, 0);
    let mut number = |value: u32| {
        let next = numbers.len() as u32;
        *numbers.entry(value).or_insert(next)
    };
    let dense = ops
        .iter()
        .map(|op| Op { a: number(op.a), b: if op.f == F::Cas { number(op.b) } else { 0 }, ..*op })
        .collect();
    (dense, numbers.len())
}

struct Registers<'o> {
    ops: &'o [Op],
    values: usize,
}

impl Maker for Registers<'_> {
    type Space<'a, const N: usize>
        = Register<'a, N>
    where
        Self: 'a;

    fn space<const N: usize>(&self, mode: Mode) -> Register<'_, N> {
        Register::new(self.ops, self.values, mode)
    }

    fn initial(&self) -> u32 {
        0
    }

    fn relaxable(&self) -> bool {
        true
    }
}

struct Machines<'o, F> {
    ops: &'o [Op],
    machine: F,
}

impl<M: Machine, F: Fn() -> M> Maker for Machines<'_, F> {
    type Space<'a, const N: usize>
        = General<'a, M, N>
    where
        Self: 'a;

    fn space<const N: usize>(&self, mode: Mode) -> General<'_, M, N> {
        General::new(self.ops, (self.machine)(), mode)
    }

    fn initial(&self) -> u32 {
        0
    }

    fn relaxable(&self) -> bool {
        (self.machine)().finite()
    }
}
