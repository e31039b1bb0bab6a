//! What clients ask for. The mixes of each model:
//!
//! | model | 0 | 1 | 2 |
//! | --- | --- | --- | --- |
//! | register | reads and writes | the same | mostly reads |
//! | cas-register | a fifth compare-and-set | half | mostly compare-and-set |
//! | kv | no append | a quarter append | mostly append |
//! | set | one element at a time | only grows, read as a whole | removals, read as a whole |
//! | queues | as many in as out | more in | more out |
//! | counter | steps of 1 | steps of 3 | different steps |
//! | locks | a crashed client never comes back | the same | one that is not answered releases all the same |

use crate::object::State;
use crate::shape::Shape;
use columns::Text;
use fastrand::Rng;
use linear::ops::{halves, Model, Values, F};

/// A request: the function with its arguments (see `Op`; of what looks, not yet the answer).
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// What it does.
    pub f: F,
    /// First argument.
    pub a: u32,
    /// Second argument.
    pub b: u32,
}

/// Draws requests.
pub struct Draw {
    fresh: u32,
}

/// Strings that are longer are overwritten, not grown.
const LONG: usize = 12;

/// The handle of a small integer.
#[must_use]
pub fn integer(value: u32) -> u32 {
    Text::integer(value).map_or(0, |text| text.0)
}

/// The handle of a string.
pub fn string(values: &mut Values<'_>, letters: &[u8]) -> u32 {
    if letters.is_empty() {
        return 0;
    }
    values.intern(&[b"\"", letters, b"\""].concat())
}

impl Draw {
    /// Nothing drawn yet.
    #[must_use]
    pub fn new() -> Draw {
        Draw { fresh: 0 }
    }

    fn number(&mut self, shape: &Shape, random: &mut Rng) -> u32 {
        match shape.values {
            Some(count) => random.u32(1..=count),
            None => {
                self.fresh += 1;
                self.fresh
            }
        }
    }

    /// The next request of a client. `holds`: it has, as far as it knows, the lock.
    pub fn request(
        &mut self,
        shape: &Shape,
        values: &mut Values<'_>,
        state: &State,
        (process, holds): (u32, bool),
        random: &mut Rng,
    ) -> Request {
        let dice = random.u8(..100);
        match shape.model {
            Model::Kv => self.of_string(shape, values, state, dice, random),
            Model::Set => self.of_set(shape, state, dice, random),
            Model::Queue | Model::UnorderedQueue => {
                let share = [50, 60, 42][usize::from(shape.mix)];
                if dice < share {
                    Request { f: F::Enqueue, a: integer(self.number(shape, random)), b: 0 }
                } else {
                    Request { f: F::Dequeue, a: 0, b: 0 }
                }
            }
            Model::Counter => {
                if dice < 40 {
                    return Request { f: F::Total, a: 0, b: 0 };
                }
                let step = match shape.mix {
                    0 => 1,
                    1 => 3,
                    _ => random.u32(1..=shape.values.unwrap_or(100)),
                };
                let (a, b) = halves(i64::from(step));
                Request { f: F::Increment, a, b }
            }
            Model::Lock | Model::FencedLock => {
                Request { f: if holds { F::Release } else { F::Acquire }, a: process, b: 0 }
            }
            _ => self.of_register(shape, state, dice, random),
        }
    }

    fn of_register(&mut self, shape: &Shape, state: &State, dice: u8, random: &mut Rng) -> Request {
        let cas = match (shape.name, shape.mix) {
            ("register", _) => 0,
            (_, 0) => 20,
            (_, 1) => 50,
            _ => 75,
        };
        if dice < cas {
            let right = shape.values.is_none() || random.u8(..4) > 0;
            let from = if right { state.value } else { integer(self.number(shape, random)) };
            let to = integer(self.number(shape, random));
            return Request { f: F::Cas, a: from, b: to };
        }
        let reads = if shape.mix == 2 { 70 } else { 50 };
        if random.u8(..100) < reads {
            Request { f: F::Read, a: 0, b: 0 }
        } else {
            Request { f: F::Write, a: integer(self.number(shape, random)), b: 0 }
        }
    }

    fn piece(&mut self, shape: &Shape, random: &mut Rng) -> Vec<u8> {
        let number = self.number(shape, random);
        match shape.values {
            Some(_) => vec![b'a' + number as u8],
            None => format!("{number}.").into_bytes(),
        }
    }

    fn of_string(
        &mut self,
        shape: &Shape,
        values: &mut Values<'_>,
        state: &State,
        dice: u8,
        random: &mut Rng,
    ) -> Request {
        let (cas, append) = [(20, 20), (30, 55), (30, 80)][usize::from(shape.mix)];
        let piece = self.piece(shape, random);
        match dice {
            _ if dice < cas && dice.is_multiple_of(2) => {
                Request { f: F::Write, a: string(values, &piece), b: 0 }
            }
            _ if dice < 4 => Request { f: F::Write, a: 0, b: 0 },
            _ if dice < cas => {
                let from = string(values, &state.string);
                Request { f: F::Cas, a: from, b: string(values, &piece) }
            }
            _ if dice < append && state.string.len() < LONG => {
                Request { f: F::Append, a: string(values, &piece), b: 0 }
            }
            _ => Request { f: F::Read, a: 0, b: 0 },
        }
    }

    fn of_set(&mut self, shape: &Shape, state: &State, dice: u8, random: &mut Rng) -> Request {
        let whole = F::Members;
        if shape.mix == 1 {
            // Each element once, and few enough whole reads to keep the lists short in all.
            self.fresh += 1;
            let f = if dice < 4 { whole } else { F::Add };
            return Request { f, a: if f == whole { 0 } else { integer(self.fresh) }, b: 0 };
        }
        let known = state.elements.iter().next_back().copied();
        let one = match (shape.values, known) {
            (None, Some(element)) if dice >= 40 => element,
            _ => integer(self.number(shape, random)),
        };
        let f = match dice {
            0..40 => F::Add,
            40..65 => F::Remove,
            _ if shape.mix == 2 && shape.values.is_some() => whole,
            _ => F::Contains,
        };
        Request { f, a: if f == whole { 0 } else { one }, b: 0 }
    }
}

impl Default for Draw {
    fn default() -> Self {
        Draw::new()
    }
}
