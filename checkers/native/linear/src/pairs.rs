//! Queues whose values come again: which enqueue belongs to which dequeue, pair by pair in the order of the queue.
//!
//! What is inside need not be known. In a correct order the i-th dequeue takes what the i-th enqueue put in, so an order
//! is a list of pairs of equal values, with the empty answers between them, such that everything can be placed in time:
//! enqueues in the order of the pairs, dequeues and empty answers in that order, each dequeue after its enqueue, each
//! later enqueue after an empty answer. As early as possible, a dequeue is placed at the latest call of all before it.
//! So a state of the search is which enqueues and which dequeues are paired off, and how late it is; states are walked
//! depth first, what returns first tried first, and no state twice.
//!
//! What is left out, and why nothing is lost:
//! - an enqueue (or dequeue) is next only if it was called before every one left returned: else one left could not
//!   follow it. An empty answer is next only if no enqueue left had returned by then.
//! - of several enqueues (or dequeues) of one value the one that returns first, and another only if it makes it less late:
//!   where an order takes x here and the first to return later, they change places; x was called by then and returns
//!   later, and all that lies between is not later than it was. Operations of unknown outcome return last, and of these
//!   the one called first is enough.
//! - a state that was left in vain, and not later then.
//!
//! An order of all values leaves an order of some of them: without the others an empty answer still finds nothing. So
//! where one value or two by themselves are impossible, all are, which shows most contradictions at once.

use crate::hash::Map;
use crate::limits::Limits;
use crate::ops::{Op, F, NEVER};
use crate::portfolio::{Answer, Blame, Decision};
use crate::queue::replays;
use crate::search::config::Used;

/// States of the first look at everything, and of each look at a value or two.
const FEW: u64 = 20_000;
const SOME: u64 = 200_000;
/// Bytes of a state that was left, by estimate.
const STATE: usize = 160;
/// Most values of which each two are looked at by themselves.
const VALUES: usize = 16;

/// Which of a list sorted by calls are gone: all before `low`, and of those from there on the ones set.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Gone {
    low: u32,
    set: u128,
}

impl Gone {
    fn has(self, at: usize) -> bool {
        at < self.low as usize
            || (at - (self.low as usize) < 128 && self.set >> (at - self.low as usize) & 1 == 1)
    }

    /// None if it is too far ahead.
    fn with(mut self, at: usize) -> Option<Gone> {
        let ahead = at - self.low as usize;
        if ahead >= 128 {
            return None;
        }
        self.set |= 1 << ahead;
        let whole = self.set.trailing_ones();
        self.set = self.set.checked_shr(whole).unwrap_or(0);
        self.low += whole;
        Some(self)
    }
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Place {
    enqueues: Gone,
    dequeues: Gone,
    /// Enqueues of unknown outcome that were used, by value; dequeues of unknown outcome that were used.
    used: Used,
    takers: u32,
}

#[derive(Clone)]
struct State {
    place: Place,
    /// When the last dequeue or empty answer took effect, and when the last empty answer did.
    late: u32,
    floor: u32,
}

/// One step: an enqueue and a dequeue, or an empty answer alone.
#[derive(Clone, Copy)]
struct Step {
    enqueue: u32,
    dequeue: u32,
}

const NONE: u32 = u32::MAX;

struct Pairs<'a> {
    ops: &'a [Op],
    /// Those of known outcome, by their calls; empty answers are among the dequeues.
    enqueues: Vec<u32>,
    dequeues: Vec<u32>,
    /// Those of unknown outcome, by their calls.
    loose: Map<u32, Vec<u32>>,
    takers: Vec<u32>,
    /// Whether a candidate was out of reach, so that failure proves nothing.
    cut: bool,
}

enum Found {
    Order(Vec<u32>),
    Nothing,
    Unclear,
}

/// Decide a queue. None if the limits do not allow it, or a value is null.
#[must_use]
pub fn decide(ops: &[Op], limits: &Limits<'_>) -> Option<Decision> {
    if ops.iter().any(|op| op.f == F::Enqueue && op.a == 0) {
        return None;
    }
    let everything: Vec<u32> = (0..ops.len() as u32).collect();
    let done = |answer: Answer| Some(Decision { answer, engine: "pairs", bytes: ops.len() * 128 });
    let mut steps = FEW;
    loop {
        match Pairs::of(ops, &everything).search(steps.min(limits.steps), limits) {
            Found::Order(order) if replays(ops, &order, true) => return done(Answer::Valid(order)),
            Found::Order(_) => return None,
            Found::Nothing => return done(Answer::Invalid(Blame::These(everything))),
            Found::Unclear if steps == u64::MAX || steps >= limits.steps || limits.over() => return None,
            Found::Unclear => {}
        }
        if steps == FEW {
            if let Some(bad) = impossible(ops, limits) {
                return done(Answer::Invalid(Blame::These(bad)));
            }
        }
        steps = u64::MAX;
    }
}

/// One value, or two, that are impossible by themselves.
fn impossible(ops: &[Op], limits: &Limits<'_>) -> Option<Vec<u32>> {
    let mut values: Vec<u32> = ops.iter().filter(|op| op.b == 0 && op.a != 0).map(|op| op.a).collect();
    values.sort_unstable();
    values.dedup();
    let of = |values: &[u32]| -> Vec<u32> {
        let kept = |op: &Op| op.a == 0 || values.contains(&op.a);
        (0..ops.len() as u32).filter(|&id| kept(&ops[id as usize])).collect()
    };
    let fails = |kept: &[u32]| matches!(Pairs::of(ops, kept).search(SOME, limits), Found::Nothing);
    let one = values.iter().map(|&value| of(&[value])).find(|kept| fails(kept));
    if one.is_some() || values.len() > VALUES {
        return one;
    }
    let two = |a: usize| (0..a).map(move |b| (a, b));
    (0..values.len()).flat_map(two).map(|(a, b)| of(&[values[a], values[b]])).find(|kept| fails(kept))
}

impl<'a> Pairs<'a> {
    fn of(ops: &'a [Op], kept: &[u32]) -> Pairs<'a> {
        let some = |f: F, open: bool| -> Vec<u32> {
            let fits = |op: &Op| op.f == f && op.open() == open;
            kept.iter().copied().filter(|&id| fits(&ops[id as usize])).collect()
        };
        let mut loose: Map<u32, Vec<u32>> = Map::default();
        for id in some(F::Enqueue, true) {
            loose.entry(ops[id as usize].a).or_default().push(id);
        }
        Pairs {
            ops,
            enqueues: some(F::Enqueue, false),
            dequeues: some(F::Dequeue, false),
            loose,
            takers: some(F::Dequeue, true),
            cut: false,
        }
    }

    fn op(&self, id: u32) -> &Op {
        &self.ops[id as usize]
    }

    /// Those left that were called before any of those left returned, and when the first of these returns.
    fn next(&self, list: &[u32], gone: Gone, out: &mut Vec<usize>) -> u32 {
        let mut first = NEVER;
        out.clear();
        for (at, &id) in list.iter().enumerate().skip(gone.low as usize) {
            let op = self.op(id);
            if op.call > first {
                break;
            }
            if !gone.has(at) {
                first = first.min(op.ret);
                out.push(at);
            }
        }
        out.retain(|&at| self.op(list[at]).call < first);
        first
    }

    fn search(&mut self, steps: u64, limits: &Limits<'_>) -> Found {
        let place =
            Place { enqueues: Gone::default(), dequeues: Gone::default(), used: Used::default(), takers: 0 };
        if self.dequeues.is_empty() {
            return Found::Order(self.order(&[], Gone::default()));
        }
        let start = State { place, late: 0, floor: 0 };
        let mut left: Map<Place, (u32, u32)> = Map::default();
        let mut path: Vec<(Step, u32)> = Vec::new();
        let mut ways = vec![self.ways(&start)];
        let mut made = 0;
        while let Some(last) = ways.last_mut() {
            let Some((step, state)) = last.pop() else {
                ways.pop();
                path.pop();
                continue;
            };
            made += 1;
            if made > steps || (made & 255 == 0 && limits.over()) || left.len() * STATE > limits.memory {
                return Found::Unclear;
            }
            match left.get_mut(&state.place) {
                Some(&mut (late, floor)) if late <= state.late && floor <= state.floor => continue,
                Some(known) => *known = (state.late, state.floor),
                None => _ = left.insert(state.place.clone(), (state.late, state.floor)),
            }
            path.push((step, state.late));
            if state.place.dequeues.low as usize == self.dequeues.len() {
                return Found::Order(self.order(&path, state.place.enqueues));
            }
            let more = self.ways(&state);
            ways.push(more);
        }
        if self.cut {
            Found::Unclear
        } else {
            Found::Nothing
        }
    }

    /// The states one step further, the most urgent one last.
    fn ways(&mut self, from: &State) -> Vec<(Step, State)> {
        let (mut puts, mut takes) = (Vec::new(), Vec::new());
        let put_by = self.next(&self.enqueues, from.place.enqueues, &mut puts);
        let take_by = self.next(&self.dequeues, from.place.dequeues, &mut takes);
        takes.sort_unstable_by_key(|&at| self.op(self.dequeues[at]).ret);
        puts.sort_unstable_by_key(|&at| self.op(self.enqueues[at]).ret);
        let mut ways: Vec<(Step, State)> = Vec::new();
        // Of each value: how late it is at least by the dequeues tried so far.
        let mut tried: Vec<(u32, u32)> = Vec::new();
        for &at in &takes {
            let id = self.dequeues[at];
            let op = *self.op(id);
            let late = from.late.max(op.call);
            if tried.iter().any(|&(value, least)| value == op.a && least <= late) {
                continue;
            }
            tried.push((op.a, late));
            let Some(dequeues) = from.place.dequeues.with(at) else {
                self.cut = true;
                continue;
            };
            let mut next = State { late, ..from.clone() };
            next.place.dequeues = dequeues;
            if op.a != 0 {
                self.fill(&next, id, Some(op.a), (&puts, put_by, take_by), &mut ways);
            } else if late < put_by {
                next.floor = late;
                ways.push((Step { enqueue: NONE, dequeue: id }, next));
            }
        }
        ways.sort_by_key(|(step, _)| std::cmp::Reverse(self.urgent(*step)));
        let mut rest: Vec<(Step, State)> = Vec::new();
        if let Some(&id) = self.takers.get(from.place.takers as usize) {
            let late = from.late.max(self.op(id).call);
            if late < take_by {
                let mut next = State { late, ..from.clone() };
                next.place.takers += 1;
                self.fill(&next, id, None, (&puts, put_by, take_by), &mut rest);
            }
        }
        rest.append(&mut ways);
        rest
    }

    fn urgent(&self, step: Step) -> (u32, u32) {
        let by = |id: u32| if id == NONE { 0 } else { self.op(id).ret };
        let (put, take) = (by(step.enqueue), by(step.dequeue));
        (put.min(take), put.max(take))
    }

    /// Pair the dequeue, which `next` has taken, off with every enqueue that can be next (of this value, if it is known).
    fn fill(
        &mut self,
        next: &State,
        dequeue: u32,
        value: Option<u32>,
        (puts, put_by, take_by): (&[usize], u32, u32),
        out: &mut Vec<(Step, State)>,
    ) {
        let mut tried: Vec<(u32, u32)> = Vec::new();
        let mut fits = |op: &Op| {
            let late = next.late.max(op.call);
            let wanted = value.is_none_or(|value| value == op.a) && late < take_by;
            if !wanted || tried.iter().any(|&(value, least)| value == op.a && least <= late) {
                return None;
            }
            tried.push((op.a, late));
            Some(late)
        };
        for &at in puts {
            let enqueue = self.enqueues[at];
            let Some(late) = fits(&self.ops[enqueue as usize]) else { continue };
            let Some(enqueues) = next.place.enqueues.with(at) else {
                self.cut = true;
                continue;
            };
            let mut state = State { late, ..next.clone() };
            state.place.enqueues = enqueues;
            out.push((Step { enqueue, dequeue }, state));
        }
        for (&class, ids) in &self.loose {
            if value.is_some_and(|value| value != class) {
                continue;
            }
            let Some(&enqueue) = ids.get(next.place.used.of(class) as usize) else { continue };
            let op = &self.ops[enqueue as usize];
            if op.call > put_by {
                continue;
            }
            let Some(late) = fits(op) else { continue };
            let mut state = State { late, ..next.clone() };
            state.place.used = state.place.used.and(class);
            out.push((Step { enqueue, dequeue }, state));
        }
    }

    /// Everything placed as early as the pairs allow.
    fn order(&self, path: &[(Step, u32)], gone: Gone) -> Vec<u32> {
        let mut placed: Vec<(u32, usize, u8, u32)> = Vec::with_capacity(self.ops.len());
        let (mut entered, mut rank) = (0, 0);
        for &(Step { enqueue, dequeue }, late) in path {
            if enqueue == NONE {
                entered = entered.max(late);
            } else {
                entered = entered.max(self.op(enqueue).call);
                placed.push((entered, rank, 0, enqueue));
            }
            placed.push((late, rank, 1, dequeue));
            rank += 1;
        }
        let left = self.enqueues.iter().enumerate().filter(|(at, _)| !gone.has(*at));
        for (at, &enqueue) in left {
            entered = entered.max(self.op(enqueue).call);
            placed.push((entered, rank + at, 0, enqueue));
        }
        placed.sort_unstable();
        placed.into_iter().map(|(.., id)| id).collect()
    }
}
