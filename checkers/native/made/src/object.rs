//! The objects themselves, as plainly as they can be written, and the replay of an order against one.

use columns::Text;
use linear::ops::{Model, Op, Values, F};
use std::collections::{BTreeSet, HashMap, VecDeque};

/// The state of an object of any model.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct State {
    /// Register: the value.
    pub value: u32,
    /// Strings: the text, without quotes.
    pub string: Vec<u8>,
    /// Set: its elements.
    pub elements: BTreeSet<u32>,
    /// Queue or bag: what is inside, in the order in which it came.
    pub inside: VecDeque<u32>,
    /// Counter: the total.
    pub total: i64,
    /// Lock: who holds it, plus one.
    pub holder: u64,
    /// Lock: the highest token given out.
    pub token: Option<i64>,
}

/// The text of a string's handle, without quotes.
#[must_use]
pub fn letters(values: &Values<'_>, value: u32) -> Vec<u8> {
    if value == 0 {
        return Vec::new();
    }
    let json = values.json(value);
    json[1..json.len() - 1].to_vec()
}

/// Every state in which the operation, with this answer, can leave the object.
#[must_use]
pub fn after(model: Model, values: &Values<'_>, state: &State, op: &Op) -> Vec<State> {
    let mut next = state.clone();
    let fits = match (model, op.f) {
        (Model::Kv, F::Read) => state.string == letters(values, op.a),
        (Model::Kv, F::Write) => {
            next.string = letters(values, op.a);
            true
        }
        (Model::Kv, F::Append) => {
            next.string.extend(letters(values, op.a));
            true
        }
        (Model::Kv, F::Cas) => {
            next.string = letters(values, op.b);
            state.string == letters(values, op.a)
        }
        (_, F::Read) => state.value == op.a,
        (_, F::Write) => {
            next.value = op.a;
            true
        }
        (_, F::Cas) => {
            next.value = op.b;
            state.value == op.a
        }
        (_, F::Add) => {
            next.elements.insert(op.a);
            true
        }
        (_, F::Remove) => {
            next.elements.remove(&op.a);
            true
        }
        (_, F::Contains) => state.elements.contains(&op.a) == (op.b == 1),
        (_, F::Members) => {
            let list = values.list(op.a).unwrap_or_default();
            list.len() == state.elements.len() && list.iter().all(|element| state.elements.contains(element))
        }
        (_, F::Enqueue) => {
            next.inside.push_back(op.a);
            true
        }
        (_, F::Dequeue) => return taken(model, state, op),
        (_, F::Increment) => {
            next.total += op.number();
            true
        }
        (_, F::Total) => state.total == op.number(),
        (_, F::Acquire) => {
            let token = if op.b == 0 { None } else { Text(op.b).as_integer().map(i64::from) };
            next.holder = u64::from(op.a) + 1;
            next.token = token.or(state.token);
            state.holder == 0 && (token.is_none() || state.token.is_none() || token > state.token)
        }
        (_, F::Release) => {
            next.holder = 0;
            state.holder == u64::from(op.a) + 1
        }
        (_, F::Append | F::Custom | F::Looks | F::Changes | F::Unsure) => false,
    };
    if fits {
        vec![next]
    } else {
        Vec::new()
    }
}

fn taken(model: Model, state: &State, op: &Op) -> Vec<State> {
    if op.b == 0 && op.a == 0 {
        return if state.inside.is_empty() { vec![state.clone()] } else { Vec::new() };
    }
    let ends = if model == Model::Queue { state.inside.len().min(1) } else { state.inside.len() };
    let mut nexts: Vec<State> = Vec::new();
    for at in (0..ends).filter(|&at| op.b == 1 || state.inside[at] == op.a) {
        let mut next = state.clone();
        next.inside.remove(at);
        if model != Model::Queue {
            next.inside.make_contiguous().sort_unstable();
        }
        if !nexts.contains(&next) {
            nexts.push(next);
        }
    }
    nexts
}

/// What is wrong with an order that is said to be a linearization, if anything.
#[must_use]
pub fn replay(model: Model, values: &Values<'_>, ops: &[Op], order: &[u32]) -> Option<String> {
    let unknown = |op: &Op| op.f == F::Dequeue && op.b == 1;
    let bag = model == Model::UnorderedQueue && ops.iter().any(unknown);
    let mut used = vec![false; ops.len()];
    let mut states = vec![State::default()];
    let mut latest = 0;
    for &id in order {
        let op = &ops[id as usize];
        if std::mem::replace(&mut used[id as usize], true) {
            return Some(format!("operation {id} stands twice"));
        }
        if op.ret < latest {
            return Some(format!("operation {id} had returned before one that stands before it was called"));
        }
        latest = latest.max(op.call);
        if bag {
            continue;
        }
        let mut next: Vec<State> = Vec::new();
        for state in &states {
            for state in after(model, values, state, op) {
                if !next.contains(&state) {
                    next.push(state);
                }
            }
        }
        if next.is_empty() {
            return Some(format!("operation {id} does not fit: {op:?}"));
        }
        states = next;
    }
    let missing = (0..ops.len()).find(|&id| !used[id] && !ops[id].open());
    let missing = missing.map(|id| format!("operation {id} returned and is missing"));
    missing.or_else(|| bag.then(|| replay_bag(ops, order)).flatten())
}

/// A bag from which unknown elements are taken. Between two empty answers it starts with nothing. What can be taken
/// unseen up to a moment is, summed over the values, the least that is ever inside from then on.
fn replay_bag(ops: &[Op], order: &[u32]) -> Option<String> {
    let mut start = 0;
    for end in 0..=order.len() {
        let last = order.get(end).map(|&id| &ops[id as usize]);
        if last.is_some_and(|op| op.f == F::Enqueue || op.b == 1 || op.a != 0) {
            continue;
        }
        let epoch: Vec<&Op> = order[start..end].iter().map(|&id| &ops[id as usize]).collect();
        if !takes(&epoch, last.is_some()) {
            return Some(format!("what stands from place {start} to {end} of the order does not fit a bag"));
        }
        start = end + 1;
    }
    None
}

fn takes(epoch: &[&Op], empty_after: bool) -> bool {
    let mut counts: HashMap<u32, i64> = HashMap::new();
    let after: Vec<i64> = epoch
        .iter()
        .map(|op| {
            let count = counts.entry(op.a).or_insert(0);
            *count += if op.f == F::Enqueue { 1 } else { -i64::from(op.b == 0) };
            *count
        })
        .collect();
    let mut unseen = epoch.iter().filter(|op| op.f == F::Dequeue && op.b == 1).count() as i64;
    counts.retain(|&value, _| value != 0);
    let mut free: i64 = counts.values().sum();
    if empty_after && free != unseen {
        return false;
    }
    for (op, &count) in epoch.iter().zip(&after).rev() {
        if op.f == F::Dequeue && op.b == 1 {
            // All that were taken unseen up to here must have been there to take.
            if unseen > free {
                return false;
            }
            unseen -= 1;
            continue;
        }
        let least = counts.get_mut(&op.a).expect("counted");
        if count < 0 {
            return false;
        }
        // Before an operation is the state after the one before it on the same value.
        let before = if op.f == F::Enqueue { count - 1 } else { count + 1 };
        free -= *least - (*least).min(before);
        *least = (*least).min(before);
    }
    true
}
