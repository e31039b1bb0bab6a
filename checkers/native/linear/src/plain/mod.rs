//! Plain models, a file each: their functions, and what one operation does to a state. The search, minimising, the
//! certificate and the limits take them as they are, without rules for special cases; near-linear procedures and pruning
//! (`decide`, `prune`, `certify::left_out`) are what the other models have beside.
//!
//! The exhaustive oracle knows these models by the same step, so the judge that shares nothing with this file is the
//! Python record (`checkers/models/`), by which witnesses and contradictions are replayed.

mod rw_lock;

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
