//! Sequential consistency of any object by search: one order of all operations that keeps each session's own.
//!
//! What the graph says is kept to. At once is taken what changes nothing and fits, a value of a queue that was put once
//! and is taken once, and a whole hold of a free lock: whatever order there is, it can be changed to have them here,
//! for no other could have happened between or would be refused after. Of operations of unknown outcome that are
//! equal the first is tried alone. A position (how far each session is, and the state of each object) that led nowhere
//! is not entered twice.

use crate::graph::Graph;
use crate::limits::{Halt, Limits};
use crate::objects::Objects;
use linear::ops::{Model, Values, F};
use linear::Machine;
use std::collections::{BTreeMap, HashSet};

const SALT: u64 = 0x9e37_79b9_7f4a_7c15;

struct Search<'a> {
    objects: &'a Objects,
    machines: Vec<Box<dyn Machine>>,
    waits: Vec<Vec<u32>>,
    at: Vec<usize>,
    /// Open operations that are done, by class: equal ones are interchangeable.
    used: Vec<u32>,
    /// Sessions of known operations, and classes of open ones.
    known: Vec<u32>,
    classes: Vec<u32>,
    states: Vec<u32>,
    done: Vec<bool>,
    /// What was done, with the state of its object before.
    order: Vec<(u32, u32)>,
    /// Operations of known outcome that are still to come.
    left: usize,
    /// Values that were put once and are taken once.
    once: Vec<bool>,
    rank: Vec<u32>,
    taker: Vec<u32>,
    /// What is still to be read of each counter, and the operations still to come that see a string or overwrite it.
    totals: Vec<BTreeMap<i64, u32>>,
    looks: Vec<u32>,
    resets: Vec<u32>,
    entered: HashSet<(u64, u64)>,
    ways: Vec<u32>,
}

struct Frame {
    length: usize,
    choices: Vec<(u32, u32)>,
}

/// An order that explains everything of known outcome; None where there is none. `steps`: how many are tried at most.
pub fn search(
    objects: &Objects,
    values: &Values<'_>,
    graph: &Graph,
    steps: usize,
    limits: &Limits<'_>,
) -> Result<Option<Vec<u32>>, Halt> {
    let mut search = Search::new(objects, objects.machines(values).map_err(Halt)?, graph);
    search.eager();
    let mut frames = vec![Frame { length: search.order.len(), choices: search.choices() }];
    let mut tried = 0usize;
    while let Some(frame) = frames.last_mut() {
        if search.left == 0 {
            return Ok(Some(search.order.iter().map(|&(at, _)| at).collect()));
        }
        tried += 1;
        if tried > steps {
            return Err(Halt("the search was cut short".into()));
        }
        if tried.is_multiple_of(256) {
            limits.check()?;
            let machines: usize = search.machines.iter().map(|machine| machine.bytes()).sum();
            limits.hold(search.entered.len() * 24 + objects.items.len() * 100 + machines)?;
        }
        let length = frame.length;
        search.undo(length);
        let Some((item, state)) = frame.choices.pop() else {
            frames.pop();
            continue;
        };
        search.take(item, state);
        search.eager();
        if !search.lost() && search.entered.insert(search.mark()) {
            frames.push(Frame { length: search.order.len(), choices: search.choices() });
        }
    }
    Ok((search.left == 0).then(|| search.order.iter().map(|&(at, _)| at).collect()))
}

impl<'a> Search<'a> {
    fn new(objects: &'a Objects, machines: Vec<Box<dyn Machine>>, graph: &Graph) -> Self {
        let count = objects.items.len();
        // What stands between operations in the graph counts as done once all before it is.
        let mut waits = vec![Vec::new(); graph.out.len()];
        for (from, edges) in graph.out.iter().enumerate() {
            edges.iter().for_each(|edge| waits[edge.to as usize].push(from as u32));
        }
        let parts = objects.parts as usize;
        let open = |at: u32| objects.items[at as usize].op.open();
        let (alone, known): (Vec<u32>, Vec<u32>) = (0..objects.sessions.len() as u32)
            .partition(|&session| open(objects.sessions[session as usize][0]));
        let mut classes: Vec<u32> =
            alone.iter().map(|&at| objects.items[objects.sessions[at as usize][0] as usize].class).collect();
        classes.sort_unstable();
        classes.dedup();
        let mut search = Search {
            objects,
            machines,
            waits,
            at: vec![0; objects.sessions.len()],
            used: vec![0; count],
            known,
            classes,
            states: vec![0; parts],
            done: vec![false; graph.out.len()],
            order: Vec::with_capacity(count),
            left: objects.items.iter().filter(|item| !item.op.open()).count(),
            once: vec![false; count],
            rank: objects.items.iter().map(|item| item.op.event).collect(),
            totals: vec![BTreeMap::new(); parts],
            taker: vec![u32::MAX; count],
            looks: vec![0; parts],
            resets: vec![0; parts],
            entered: HashSet::new(),
            ways: Vec::new(),
        };
        for at in 0..count {
            search.count(at, true);
        }
        let all: Vec<u32> = (0..count as u32).collect();
        for part in 0..objects.parts {
            let own: Vec<u32> =
                all.iter().copied().filter(|&at| objects.items[at as usize].part == part).collect();
            for (put, take) in objects.once(&own) {
                search.rank[put as usize] =
                    take.map_or(u32::MAX, |take| objects.items[take as usize].op.event);
                if let Some(take) = take {
                    search.taker[put as usize] = take;
                    search.once[take as usize] = true;
                }
            }
        }
        search
    }

    /// Note that an operation is still to come, or no longer.
    fn count(&mut self, at: usize, comes: bool) {
        let item = &self.objects.items[at];
        let part = item.part as usize;
        let by = |count: &mut u32| if comes { *count += 1 } else { *count -= 1 };
        match item.op.f {
            F::Total => {
                let left = self.totals[part].entry(item.op.number()).or_insert(0);
                by(left);
                if *left == 0 {
                    self.totals[part].remove(&item.op.number());
                }
            }
            F::Read => by(&mut self.looks[part]),
            F::Cas if !item.op.open() => by(&mut self.looks[part]),
            F::Write => by(&mut self.resets[part]),
            _ => {}
        }
    }

    fn ready(&self, at: u32) -> bool {
        self.waits[at as usize].iter().all(|&other| {
            self.done[other as usize] || (other as usize >= self.objects.items.len() && self.ready(other))
        })
    }

    /// The states that an operation can lead to now.
    fn after(&mut self, at: u32) -> Vec<u32> {
        let item = &self.objects.items[at as usize];
        self.ways.clear();
        let state = self.states[item.part as usize];
        self.machines[item.part as usize].step(state, &item.op, &mut self.ways);
        std::mem::take(&mut self.ways)
    }

    fn take(&mut self, at: u32, state: u32) {
        let item = &self.objects.items[at as usize];
        self.at[item.session as usize] += 1;
        self.done[at as usize] = true;
        let before = std::mem::replace(&mut self.states[item.part as usize], state);
        self.order.push((at, before));
        if item.op.open() {
            self.used[item.class as usize] += 1;
        } else {
            self.left -= 1;
        }
        self.count(at as usize, false);
    }

    fn undo(&mut self, length: usize) {
        while self.order.len() > length {
            let Some((at, before)) = self.order.pop() else { return };
            let item = &self.objects.items[at as usize];
            self.at[item.session as usize] -= 1;
            self.done[at as usize] = false;
            self.states[item.part as usize] = before;
            if item.op.open() {
                self.used[item.class as usize] -= 1;
            } else {
                self.left += 1;
            }
            self.count(at as usize, true);
        }
    }

    fn next(&self, session: usize) -> Option<u32> {
        self.objects.sessions[session].get(self.at[session]).copied()
    }

    /// Take what can be taken at once, for as long as there is any.
    fn eager(&mut self) {
        let mut moved = true;
        while moved {
            moved = false;
            for session in 0..self.at.len() {
                while let Some(at) = self.next(session) {
                    if !self.at_once(at) {
                        break;
                    }
                    moved = true;
                }
            }
        }
    }

    fn at_once(&mut self, at: u32) -> bool {
        let item = self.objects.items[at as usize];
        if item.op.open() || !self.ready(at) {
            return false;
        }
        let machine = &self.machines[item.part as usize];
        if machine.pure(&item.op) || self.once[at as usize] {
            let Some(&state) = self.after(at).first() else { return false };
            self.take(at, state);
            return true;
        }
        if item.op.f != F::Acquire {
            return false;
        }
        // A hold: nothing of this lock can happen between, and the lock is free again.
        let next = self.objects.sessions[item.session as usize].get(item.place as usize + 1).copied();
        let Some(release) = next.filter(|&next| {
            let next = &self.objects.items[next as usize];
            next.part == item.part && next.op.f == F::Release
        }) else {
            return false;
        };
        let Some(&state) = self.after(at).first() else { return false };
        self.take(at, state);
        let way = if self.ready(release) { self.after(release).first().copied() } else { None };
        let Some(state) = way else {
            self.undo(self.order.len() - 1);
            return false;
        };
        self.take(release, state);
        true
    }

    /// What can come next, the likeliest last, for they are taken from the end.
    fn choices(&mut self) -> Vec<(u32, u32)> {
        let mut found = Vec::new();
        let mut tried: Vec<u32> = Vec::new();
        for session in 0..self.at.len() {
            let Some(at) = self.next(session) else { continue };
            let item = self.objects.items[at as usize];
            if !self.ready(at) || (item.op.open() && tried.contains(&item.class)) {
                continue;
            }
            if item.op.open() {
                tried.push(item.class);
            }
            let state = self.states[item.part as usize];
            // An operation that changes nothing and need not happen is none that helps.
            let ways = self.after(at);
            found
                .extend(ways.into_iter().filter(|&way| way != state || !item.op.open()).map(|way| (at, way)));
        }
        found.sort_by_cached_key(|&(at, state)| std::cmp::Reverse(self.rank(at, state)));
        found
    }

    /// What is likelier comes first: a string that something sees, a value whose taker waits for it, what was taken or
    /// asked for earlier.
    fn rank(&self, at: u32, state: u32) -> (bool, bool, bool, u32, u32) {
        let item = &self.objects.items[at as usize];
        let unseen = self.machines[item.part as usize].unseen(state);
        let taker = self.taker[at as usize];
        let waits = taker != u32::MAX && {
            let taker = &self.objects.items[taker as usize];
            taker.place as usize > self.at[taker.session as usize]
        };
        (unseen, item.op.open(), waits, self.rank[at as usize], at)
    }

    /// Whether something that is still to come can certainly not come any more.
    fn lost(&self) -> bool {
        match self.objects.model {
            Model::Counter => self.states.iter().enumerate().any(|(part, &state)| {
                let least = self.totals[part].keys().next();
                least.is_some_and(|&least| self.passed(part, state, least))
            }),
            Model::Kv => self.states.iter().enumerate().any(|(part, &state)| {
                self.machines[part].unseen(state) && self.looks[part] > 0 && self.resets[part] == 0
            }),
            _ => false,
        }
    }

    /// Whether a counter has grown beyond what is still to be read.
    fn passed(&self, part: usize, state: u32, least: i64) -> bool {
        let (a, b) = linear::ops::halves(least);
        let waiting = linear::ops::Op { call: 0, ret: 0, f: F::Total, a, b, event: 0 };
        self.machines[part].passed(state, &waiting)
    }

    /// The position, hashed twice: 128 bits, so that two positions never pass for one in practice.
    fn mark(&self) -> (u64, u64) {
        let (mut one, mut two) = (SALT, !SALT);
        let places = self.known.iter().map(|&session| self.at[session as usize] as u64);
        let open = self.classes.iter().map(|&class| u64::from(self.used[class as usize]));
        for word in places.chain(self.states.iter().map(|&state| u64::from(state))).chain(open) {
            one = (one.rotate_left(23) ^ word).wrapping_mul(SALT);
            one ^= one >> 29;
            two = (two.rotate_left(41) ^ word.wrapping_add(SALT)).wrapping_mul(0xff51_afd7_ed55_8ccd);
            two ^= two >> 33;
        }
        (one, two)
    }
}
