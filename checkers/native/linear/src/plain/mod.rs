//! Plain models, a file each: their functions, and what one operation does to a state. The search, minimising, the
//! certificate and the limits take them as they are, without rules for special cases; near-linear procedures and pruning
//! (`decide`, `prune`, `certify::left_out`) are what the other models have beside.
//!
//! The exhaustive oracle knows these models by the same step, so the judge that shares nothing with this file is the
//! Python record (`checkers/models/`), by which witnesses and contradictions are replayed.

mod rw_lock;

use crate::models::States;
use crate::ops::{Op, Values, F};
use crate::search::general::Machine;
use columns::{Columns, Kind, Text};

/// Every model of this kind: a new one is a module above and its line here.
pub static ALL: &[&Plain] = &[&rw_lock::MODEL];

/// The state of one object. Equal states are equal lists.
pub type State = Vec<i64>;

/// A model: a name, functions, a first state, a step.
#[derive(Debug)]
pub struct Plain {
    /// The name, as in `quorate list models`.
    pub name: &'static str,
    /// What can be asked.
    pub functions: &'static [Function],
    /// The state before the first operation.
    pub start: &'static [i64],
    /// Every state that can follow; none where the operation cannot happen.
    pub step: fn(&[i64], &Asked) -> Vec<State>,
}

impl PartialEq for Plain {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Plain {}

/// One function of a model.
#[derive(Debug)]
pub struct Function {
    /// Its name in histories.
    pub name: &'static str,
    /// Whether it never changes the object. Then one of unknown outcome says nothing and is left out.
    pub looks: bool,
    /// What the step gets as `Asked::argument`.
    pub argument: Word,
    /// What the step gets as `Asked::answer`.
    pub answer: Word,
}

/// What a word of an operation is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Word {
    /// Not looked at: 0.
    Nothing,
    /// The number of the process that asked.
    Process,
    /// Any value, by a number: equal values have equal ones, null is 0.
    Value,
    /// An integer; a history with anything else is not of this model.
    Integer,
}

/// One operation as a step sees it.
pub struct Asked {
    /// The function's name.
    pub f: &'static str,
    /// What was asked.
    pub argument: i64,
    /// What was answered; none where the outcome is unknown.
    pub answer: Option<i64>,
}

/// The model of this name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Plain> {
    ALL.iter().copied().find(|model| model.name == name)
}

/// Read one operation: what it does, its argument and its answer; none where it says nothing.
pub(crate) fn decode(
    model: &Plain,
    columns: &Columns,
    values: &Values<'_>,
    at: usize,
    end: Option<usize>,
    kind: Kind,
) -> Result<Option<(F, u32, u32)>, String> {
    let asked = columns.texts.json(columns.f[at]);
    let name = asked.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(&asked);
    let Some(number) = model.functions.iter().position(|function| function.name.as_bytes() == name) else {
        return Err(format!("event {at}: the model knows no function {}", String::from_utf8_lossy(&asked)));
    };
    let function = &model.functions[number];
    let word = |word: Word, at: usize, value: Text| match word {
        Word::Nothing => Ok(0),
        Word::Process => Ok(columns.process[at] as u32),
        Word::Value => Ok(value.0),
        Word::Integer if values.number(value.0).is_some() => Ok(value.0),
        Word::Integer => Err(format!("event {at}: {} goes with an integer", function.name)),
    };
    let argument = word(function.argument, at, columns.value[at])?;
    let number = number as u8;
    match (kind, end) {
        (Kind::Ok, Some(end)) => {
            let answer = word(function.answer, end, columns.value[end])?;
            Ok(Some((if function.looks { F::Looks(number) } else { F::Changes(number) }, argument, answer)))
        }
        _ if function.looks => Ok(None),
        _ => Ok(Some((F::Unsure(number), argument, 0))),
    }
}

/// What can follow a state.
#[must_use]
pub fn after(model: &Plain, values: &Values<'_>, state: &[i64], op: &Op) -> Vec<State> {
    let (F::Looks(number) | F::Changes(number) | F::Unsure(number)) = op.f else { return Vec::new() };
    let function = &model.functions[usize::from(number)];
    let word = |word: Word, value: u32| match word {
        Word::Integer => values.number(value).unwrap_or(0),
        Word::Nothing | Word::Process | Word::Value => i64::from(value),
    };
    let answer = (!matches!(op.f, F::Unsure(_))).then(|| word(function.answer, op.b));
    (model.step)(state, &Asked { f: function.name, argument: word(function.argument, op.a), answer })
}

/// A model of this kind for the general search.
pub struct Stepped<'a> {
    model: &'static Plain,
    values: &'a Values<'a>,
    states: States<State>,
}

impl<'a> Stepped<'a> {
    /// The machine, in the model's first state.
    #[must_use]
    pub fn of(model: &'static Plain, values: &'a Values<'a>) -> Self {
        Stepped { model, values, states: States::new(model.start.to_vec()) }
    }
}

impl Machine for Stepped<'_> {
    fn finite(&self) -> bool {
        false
    }

    fn step(&mut self, state: u32, op: &Op, out: &mut Vec<u32>) {
        for next in after(self.model, self.values, self.states.get(state), op) {
            let size = next.len() * 8;
            let next = self.states.of(next, size);
            if !out.contains(&next) {
                out.push(next);
            }
        }
    }

    fn pure(&self, op: &Op) -> bool {
        matches!(op.f, F::Looks(_))
    }

    fn bytes(&self) -> usize {
        self.states.bytes()
    }
}
