//! Plain models as state machines, and as the exhaustive oracle steps them.

use crate::models::States;
use crate::ops::{Op, Values, F, FUNCTION_BITS};
use crate::plain::{Asked, Plain, State, Word};
use crate::search::general::Machine;

/// What can follow a state.
#[must_use]
pub fn after(model: &Plain, values: &Values<'_>, state: &[i64], op: &Op) -> Vec<State> {
    let function = &model.functions[(op.b & ((1 << FUNCTION_BITS) - 1)) as usize];
    let word = |word: Word, value: u32| match word {
        Word::Integer => values.number(value).unwrap_or(0),
        Word::Nothing | Word::Process | Word::Value => i64::from(value),
    };
    let answer = (op.f != F::Unsure).then(|| word(function.answer, values.answer(op.b >> FUNCTION_BITS)));
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
        op.f == F::Looks
    }

    fn bytes(&self) -> usize {
        self.states.bytes()
    }
}
