//! Engines, one by one, on histories whose verdict is known.

use crate::object::replay;
use crate::shape::{Fixed, Shape};
use crate::simulate::{simulate, History};
use crate::spoil::spoil;
use columns::Columns;
use fastrand::Rng;
use linear::decide::{decide, Object, Way};
use linear::limits::{Limits, Watch, UNSETTLED};
use linear::ops::{Op, Values};
use linear::portfolio::{Answer, Decision};
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// Each form of the search by itself, and whatever `auto` picks.
pub const WAYS: [&str; 6] = ["auto", "exact", "relaxed", "beam-1", "beam-32", "beam-512"];
/// Bytes that one search may hold.
const MEMORY: usize = 64 << 20;

/// What was found so far.
#[derive(Default)]
pub struct Tally {
    /// Histories judged.
    pub histories: u64,
    /// Operations in them.
    pub operations: u64,
    /// By way, engine, what is true, and what was said.
    pub answers: BTreeMap<String, u64>,
    /// Everything that is wrong, a sentence each.
    pub wrong: Vec<String>,
}

impl Tally {
    /// Take in another tally.
    pub fn add(&mut self, other: Tally) {
        self.histories += other.histories;
        self.operations += other.operations;
        for (name, count) in other.answers {
            *self.answers.entry(name).or_insert(0) += count;
        }
        self.wrong.extend(other.wrong);
    }
}

/// The history of this number, and what is wrong with it if it was made invalid.
pub fn history(
    name: &'static str,
    largest: usize,
    fixed: &Fixed,
    number: u64,
    values: &mut Values<'_>,
) -> (Shape, History, Option<&'static str>) {
    let mut random = Rng::with_seed(number);
    let shape = Shape::random(name, largest, fixed, &mut random);
    let mut history = simulate(&shape, values, &mut random);
    let spoiled = if random.bool() { spoil(shape.model, &mut history, &mut random) } else { None };
    (shape, history, spoiled)
}

/// What is asked of `judge`.
#[derive(Clone)]
pub struct Asked {
    /// The most operations of a history.
    pub largest: usize,
    /// What is not random.
    pub fixed: Fixed,
    /// Bounds each search.
    pub steps: u64,
    /// Of `WAYS`.
    pub ways: Vec<&'static str>,
}

/// Judge the history of this number in every way asked for.
pub fn judge(name: &'static str, number: u64, asked: &Asked, tally: &mut Tally) {
    let Asked { largest, ref fixed, steps, ref ways } = *asked;
    let columns = Columns::default();
    let mut values = Values::of(&columns);
    let (shape, history, spoiled) = history(name, largest, fixed, number, &mut values);
    tally.histories += 1;
    tally.operations += history.ops.len() as u64;
    for &way in ways {
        let object = Object {
            model: shape.model,
            values: &values,
            initial: 0,
            moments: history.moments,
            way: Way::named(way).expect("a way of the list"),
        };
        let decision = within(&object, &history.ops, steps);
        let (said, wrong) = match &decision.answer {
            Answer::Valid(order) => {
                let wrong = match spoiled {
                    Some(why) => Some(format!("valid, but {why}")),
                    None => replay(shape.model, &values, &history.ops, order)
                        .map(|why| format!("a wrong order: {why}")),
                };
                ("valid", wrong)
            }
            Answer::Invalid(_) => ("invalid", spoiled.is_none().then(|| "invalid, but it is valid".into())),
            Answer::Unknown(..) => ("unknown", None),
        };
        let truth = if spoiled.is_some() { "invalid" } else { "valid" };
        *tally.answers.entry(format!("{way} {} {truth} {said}", decision.engine)).or_insert(0) += 1;
        if let Some(wrong) = wrong {
            let from = format!("{name} --largest {largest} --number {number}");
            tally.wrong.push(format!("{from}: {way} ({}) says {wrong}; {shape:?}", decision.engine));
        }
    }
}

/// Decide within so many steps.
#[must_use]
pub fn within(object: &Object<'_>, ops: &[Op], steps: u64) -> Decision {
    let watch = Watch::more(usize::MAX / 2);
    let stop = AtomicBool::new(false);
    let deadline = Instant::now() + Duration::from_secs(600);
    let limits = Limits { deadline, memory: MEMORY, steps, stop: &stop, settled: &UNSETTLED, watch: &watch };
    decide(object, ops, &[], &limits)
}
