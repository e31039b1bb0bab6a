//! The models as state machines, for the general search. Equal states have equal numbers.

use crate::hash::Map;
use crate::ops::{Op, Values, F};
use crate::search::general::Machine;
use std::hash::Hash;

/// Numbers for states.
pub struct States<T> {
    list: Vec<T>,
    numbers: Map<T, u32>,
    heap: usize,
}

impl<T: Clone + Eq + Hash> States<T> {
    pub(crate) fn new(first: T) -> Self {
        States { list: vec![first.clone()], numbers: [(first, 0)].into_iter().collect(), heap: 0 }
    }

    pub(crate) fn get(&self, state: u32) -> &T {
        &self.list[state as usize]
    }

    pub(crate) fn bytes(&self) -> usize {
        self.heap
    }

    pub(crate) fn of(&mut self, state: T, size: usize) -> u32 {
        if let Some(&number) = self.numbers.get(&state) {
            return number;
        }
        self.list.push(state.clone());
        self.numbers.insert(state, (self.list.len() - 1) as u32);
        self.heap += size * 2 + 48;
        (self.list.len() - 1) as u32
    }
}

/// A string with append. An empty string is the same as none.
///
/// Only beginnings of strings that some operation sees (a read, a compare-and-set) are distinct states: whatever
/// is not such a beginning can grow into none, so all of these are one state, which only overwriting leaves. That keeps
/// the orders of concurrent appends from multiplying: all wrong ones are the same.
pub struct Appended {
    /// The strings that are seen, sorted.
    seen: Vec<Vec<u8>>,
    /// A beginning: of which seen string (the first in order that begins so), and how long. Unseen: `UNSEEN`.
    states: States<(u32, u32)>,
    texts: Map<u32, u32>,
    pieces: Map<u32, Vec<u8>>,
    unseen: u32,
}

const UNSEEN: (u32, u32) = (u32::MAX, 0);

impl Appended {
    /// The machine for these operations; fails where an append is not to a string.
    pub fn of(ops: &[Op], values: &Values<'_>, initial: u32) -> Result<Self, String> {
        let sees = |op: &&Op| matches!(op.f, F::Read | F::Cas);
        let mut seen: Vec<Vec<u8>> = ops.iter().filter(sees).map(|op| inner(values, op.a)).collect();
        seen.sort_unstable();
        seen.dedup();
        let first = beginning(&seen, 0, &inner(values, initial));
        let mut machine = Appended {
            seen,
            states: States::new(first),
            texts: Map::default(),
            pieces: Map::default(),
            unseen: 0,
        };
        machine.unseen = machine.states.of(UNSEEN, 0);
        for op in ops {
            if op.f == F::Append {
                if !values.json(op.a).starts_with(b"\"") {
                    return Err("append needs strings".into());
                }
                machine.pieces.entry(op.a).or_insert_with(|| inner(values, op.a));
                continue;
            }
            for value in [op.a, op.b].into_iter().take(if op.f == F::Cas { 2 } else { 1 }) {
                if !machine.texts.contains_key(&value) {
                    let state = beginning(&machine.seen, 0, &inner(values, value));
                    let state = machine.states.of(state, 0);
                    machine.texts.insert(value, state);
                }
            }
        }
        Ok(machine)
    }

    fn grown(&self, state: u32, piece: &[u8]) -> (u32, u32) {
        let (at, length) = self.states.list[state as usize];
        if at == u32::MAX {
            return UNSEEN;
        }
        let string = [&self.seen[at as usize][..length as usize], piece].concat();
        beginning(&self.seen, at as usize, &string)
    }
}

/// The first of the sorted strings, from `from` on, that begins with this one.
fn beginning(seen: &[Vec<u8>], from: usize, string: &[u8]) -> (u32, u32) {
    let at = from + seen[from..].partition_point(|other| other.as_slice() < string);
    let found = seen.get(at).is_some_and(|other| other.starts_with(string));
    if found {
        (at as u32, string.len() as u32)
    } else {
        UNSEEN
    }
}

/// A string's own bytes (still escaped, which appending does not mind); other values in a form no string has.
fn inner(values: &Values<'_>, value: u32) -> Vec<u8> {
    let json = values.json(value);
    match json.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) {
        Some(inner) => inner.to_vec(),
        None if value == 0 => Vec::new(),
        None => [b"\"", &*json].concat(),
    }
}

impl Machine for Appended {
    fn finite(&self) -> bool {
        true
    }

    fn step(&mut self, state: u32, op: &Op, out: &mut Vec<u32>) {
        match op.f {
            F::Append => {
                let grown = self.grown(state, &self.pieces[&op.a]);
                out.push(self.states.of(grown, 0));
            }
            F::Write => out.push(self.texts[&op.a]),
            F::Cas if self.texts[&op.a] == state => out.push(self.texts[&op.b]),
            F::Read if self.texts[&op.a] == state => out.push(state),
            _ => {}
        }
    }

    fn pure(&self, op: &Op) -> bool {
        op.f == F::Read
    }

    fn resets(&self, op: &Op) -> bool {
        op.f == F::Write
    }

    fn blind(&self, op: &Op) -> bool {
        matches!(op.f, F::Write | F::Append)
    }

    fn unseen(&self, state: u32) -> bool {
        state == self.unseen
    }

    fn bytes(&self) -> usize {
        self.seen.iter().map(|string| string.len() + 24).sum::<usize>() + self.states.heap
    }
}

/// A set; the state is the sorted list of its elements.
pub struct Elements {
    states: States<Vec<u32>>,
    lists: Map<u32, u32>,
}

impl Elements {
    /// The machine for these operations.
    #[must_use]
    pub fn of(ops: &[Op], values: &Values<'_>) -> Self {
        let mut machine = Elements { states: States::new(Vec::new()), lists: Map::default() };
        for op in ops.iter().filter(|op| op.f == F::Members) {
            let mut list = values.list(op.a).unwrap_or_default().to_vec();
            list.sort_unstable();
            let before = list.len();
            list.dedup();
            let number = if list.len() < before { u32::MAX } else { machine.states.of(list, before * 4) };
            machine.lists.insert(op.a, number);
        }
        machine
    }
}

impl Machine for Elements {
    fn finite(&self) -> bool {
        true
    }

    fn step(&mut self, state: u32, op: &Op, out: &mut Vec<u32>) {
        let list = &self.states.list[state as usize];
        let found = list.binary_search(&op.a);
        match (op.f, found) {
            (F::Add, Err(at)) => {
                let mut list = list.clone();
                list.insert(at, op.a);
                let size = list.len() * 4;
                out.push(self.states.of(list, size));
            }
            (F::Remove, Ok(at)) => {
                let mut list = list.clone();
                list.remove(at);
                let size = list.len() * 4;
                out.push(self.states.of(list, size));
            }
            (F::Add | F::Remove, _) => out.push(state),
            (F::Contains, found) if found.is_ok() == (op.b == 1) => out.push(state),
            (F::Members, _) if self.lists[&op.a] == state => out.push(state),
            _ => {}
        }
    }

    fn pure(&self, op: &Op) -> bool {
        op.f.looks_only()
    }

    fn bytes(&self) -> usize {
        self.states.heap
    }
}

/// A queue (the state is what is in it, head first) or a bag (the same, sorted).
pub struct Queued {
    states: States<Vec<u32>>,
    ordered: bool,
}

impl Queued {
    /// An empty queue, or bag.
    #[must_use]
    pub fn new(ordered: bool) -> Self {
        Queued { states: States::new(Vec::new()), ordered }
    }

    fn without(&mut self, state: u32, at: usize) -> u32 {
        let mut list = self.states.list[state as usize].clone();
        list.remove(at);
        let size = list.len() * 4;
        self.states.of(list, size)
    }
}

impl Machine for Queued {
    fn finite(&self) -> bool {
        false
    }

    fn step(&mut self, state: u32, op: &Op, out: &mut Vec<u32>) {
        let list = &self.states.list[state as usize];
        match op.f {
            F::Enqueue => {
                let mut list = list.clone();
                let at = if self.ordered { list.len() } else { list.partition_point(|&other| other < op.a) };
                list.insert(at, op.a);
                let size = list.len() * 4;
                out.push(self.states.of(list, size));
            }
            F::Dequeue if op.b == 1 => {
                let ends = if self.ordered { list.len().min(1) } else { list.len() };
                for at in 0..ends {
                    let next = self.without(state, at);
                    if !out.contains(&next) {
                        out.push(next);
                    }
                }
            }
            F::Dequeue if op.a == 0 && list.is_empty() => out.push(state),
            F::Dequeue if op.a == 0 => {}
            F::Dequeue => {
                let at = list.iter().position(|&value| value == op.a);
                if let Some(at) = at.filter(|&at| at == 0 || !self.ordered) {
                    let next = self.without(state, at);
                    out.push(next);
                }
            }
            _ => {}
        }
    }

    fn pure(&self, op: &Op) -> bool {
        op.f == F::Dequeue && op.a == 0 && op.b == 0
    }

    fn bytes(&self) -> usize {
        self.states.heap
    }
}

/// A counter; the state is its total.
pub struct Counted {
    states: States<i64>,
    /// Where it only grows: the calls of the reads in order, each with the least total that is read from there on.
    coming: Vec<(u32, i64)>,
    grows: bool,
}

impl Counted {
    /// A counter that starts at `initial`, for these operations.
    #[must_use]
    pub fn of(ops: &[Op], initial: i64) -> Self {
        let steps = || ops.iter().filter(|op| op.f == F::Increment).map(Op::number);
        let whole = steps().try_fold(initial, i64::checked_add);
        let grows = steps().all(|step| step >= 0) && whole.is_some();
        let reads = ops.iter().filter(|op| grows && op.f == F::Total);
        let mut coming: Vec<(u32, i64)> = reads.map(|op| (op.call, op.number())).collect();
        coming.sort_unstable();
        let mut least = i64::MAX;
        for (_, total) in coming.iter_mut().rev() {
            least = least.min(*total);
            *total = least;
        }
        Counted { states: States::new(initial), coming, grows }
    }
}

impl Machine for Counted {
    fn finite(&self) -> bool {
        false
    }

    fn passed(&self, state: u32, waiting: &Op) -> bool {
        self.grows && waiting.f == F::Total && waiting.number() < self.states.list[state as usize]
    }

    fn over(&self, state: u32, now: u32) -> bool {
        let next = self.coming.partition_point(|&(call, _)| call < now);
        self.coming.get(next).is_some_and(|&(_, least)| least < self.states.list[state as usize])
    }

    fn step(&mut self, state: u32, op: &Op, out: &mut Vec<u32>) {
        let total = self.states.list[state as usize];
        match op.f {
            F::Increment => out.push(self.states.of(total.wrapping_add(op.number()), 0)),
            F::Total if op.number() == total => out.push(state),
            _ => {}
        }
    }

    fn pure(&self, op: &Op) -> bool {
        op.f == F::Total || op.number() == 0
    }
}

/// A lock; the state is who holds it (0: free, else process number + 1) and the highest token so far.
pub struct Held {
    states: States<(u64, Option<i64>)>,
    tokens: Map<u32, i64>,
}

impl Held {
    /// A free lock.
    #[must_use]
    pub fn of(ops: &[Op], values: &Values<'_>) -> Self {
        let tokens = ops.iter().filter(|op| op.f == F::Acquire && op.b != 0);
        let tokens = tokens.filter_map(|op| Some((op.b, values.number(op.b)?))).collect();
        Held { states: States::new((0, None)), tokens }
    }
}

impl Machine for Held {
    fn finite(&self) -> bool {
        true
    }

    fn step(&mut self, state: u32, op: &Op, out: &mut Vec<u32>) {
        let (holder, highest) = self.states.list[state as usize];
        let owner = u64::from(op.a) + 1;
        match op.f {
            F::Acquire if holder == 0 => {
                let token = self.tokens.get(&op.b).copied().filter(|_| op.b != 0);
                if token.is_none() || highest.is_none() || token > highest {
                    out.push(self.states.of((owner, token.or(highest)), 0));
                }
            }
            F::Release if holder == owner => out.push(self.states.of((0, highest), 0)),
            _ => {}
        }
    }

    fn pure(&self, _op: &Op) -> bool {
        false
    }
}
