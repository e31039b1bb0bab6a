//! The space of any object given as a state machine.
//!
//! Rules: what changes nothing and fits takes effect at once; of open operations with the same effect the one that
//! returns first goes first; one of unknown outcome is used only where no such open one is there, and is counted.
//!
//! Machines with operations that overwrite whatever was there (strings with append) are decided late, as registers
//! are (see `register`): a configuration remembers the moment of its last overwriting operation (`hides`), and what
//! was open then may, when it must return, turn out to have happened right before it: what is never refused by
//! itself, what looks behind an open overwriting operation that leads there. So at one return at most one overwriting
//! operation takes effect openly, and one that leads to a state that nothing sees only when it is the one to return.
//!
//! Every rule that leaves something out has its reason next to it, in the terms of
//! docs/decisions/search-rules.md (R1, R2, ...).

mod detours;

use super::config::{and, clear, has, set, slots, within, Bits, Config, Trail};
use super::{Mode, Space};
use crate::hash::Map;
use crate::ops::{Op, F};

/// A model as a state machine over numbered states. Equal states must have equal numbers.
pub trait Machine {
    /// The states after an operation; none where it cannot happen. `open`: its result is unknown.
    fn step(&mut self, state: u32, op: &Op, out: &mut Vec<u32>);
    /// Whether the operation never changes the state when it happens.
    fn pure(&self, op: &Op) -> bool;
    /// Whether few states can be reached however often operations happen; only then can a search be relaxed.
    fn finite(&self) -> bool;
    /// Whether the operation is never refused and leaves the same state whatever was there.
    fn resets(&self, _op: &Op) -> bool {
        false
    }
    /// Whether the operation is never refused and reveals nothing, in a machine that has operations that reset.
    fn blind(&self, _op: &Op) -> bool {
        false
    }
    /// Whether an operation that only looks, and does not fit this state, fits none that can follow either.
    fn passed(&self, _state: u32, _waiting: &Op) -> bool {
        false
    }
    /// Whether something that looks, and is called after this moment, fits no state that can follow this one.
    fn over(&self, _state: u32, _now: u32) -> bool {
        false
    }
    /// Whether nothing but an operation that resets can lead from this state to one that some operation sees.
    fn unseen(&self, _state: u32) -> bool {
        false
    }
    /// Bytes held, by estimate.
    fn bytes(&self) -> usize {
        0
    }
}

/// Ways out of one configuration through detours; beyond, the rest stays untried.
const WAYS_MAX: u32 = 20_000;

struct Class {
    ops: Vec<u32>,
    sample: Op,
}

/// The open operations on one object.
pub struct General<'a, M, const N: usize> {
    ops: &'a [Op],
    relaxed: bool,
    /// Whether a detour was left untried.
    cut: bool,
    machine: M,
    /// Class of each operation by what it does; open ones have separate classes.
    class_of: Map<(F, u32, u32, bool), u32>,
    samples: Vec<Op>,
    open: Vec<(u32, u32, usize)>,
    loose: Vec<(u32, Class)>,
    op_in: Vec<u32>,
    slot_of: Map<u32, usize>,
    memo: Map<(u32, u32), (u32, u32)>,
    states: Vec<u32>,
    looks: Bits<N>,
    blind: Bits<N>,
}

impl<'a, M: Machine, const N: usize> General<'a, M, N> {
    /// A space over this machine.
    pub fn new(ops: &'a [Op], machine: M, mode: Mode) -> Self {
        General {
            ops,
            relaxed: mode == Mode::Relaxed,
            cut: false,
            machine,
            class_of: Map::default(),
            samples: Vec::new(),
            open: Vec::new(),
            loose: Vec::new(),
            op_in: vec![u32::MAX; N * 64],
            slot_of: Map::default(),
            memo: Map::default(),
            states: Vec::new(),
            looks: [0; N],
            blind: [0; N],
        }
    }

    fn class(&mut self, op: &Op) -> u32 {
        let next = self.samples.len() as u32;
        let class = *self.class_of.entry((op.f, op.a, op.b, op.open())).or_insert(next);
        if class == next {
            self.samples.push(*op);
        }
        class
    }

    fn successors(&mut self, state: u32, class: u32) -> (usize, usize) {
        if let Some(&(first, last)) = self.memo.get(&(state, class)) {
            return (first as usize, last as usize);
        }
        let first = self.states.len();
        let op = self.samples[class as usize];
        let mut next = Vec::new();
        self.machine.step(state, &op, &mut next);
        self.states.append(&mut next);
        self.memo.insert((state, class), (first as u32, self.states.len() as u32));
        (first, self.states.len())
    }

    fn fits(&mut self, state: u32, class: u32) -> bool {
        let (first, last) = self.successors(state, class);
        last > first
    }

    /// Of a class of unknown outcome the operation to use next, if one called before `by` is left. They never return,
    /// so the one called first fits wherever another does.
    fn left(&self, at: usize, config: &Config<N>, by: u32) -> Option<u32> {
        let (class, Class { ops, .. }) = &self.loose[at];
        let count = if self.relaxed { 0 } else { config.used.of(*class) as usize };
        ops.get(count).copied().filter(|&id| self.ops[id as usize].call < by)
    }

    /// Use an operation of unknown outcome up; relaxed, it is free.
    fn spend(&self, config: &mut Config<N>, class: u32, id: u32, mark: u32, trail: &mut Trail) {
        if !self.relaxed {
            config.used = config.used.and(class);
            config.cost += 1;
            config.node = trail.step(config.node, id | mark);
        }
    }

    /// What looks, fits `state` and was called before `by` takes effect (R1).
    fn look(&mut self, config: &mut Config<N>, state: u32, by: u32, mark: u32, trail: &mut Trail) {
        for at in 0..self.open.len() {
            let (id, class, slot) = self.open[at];
            if !has(&config.done, slot)
                && has(&self.looks, slot)
                && self.ops[id as usize].call < by
                && self.fits(state, class)
            {
                set(&mut config.done, slot);
                config.node = trail.step(config.node, id | mark);
            }
        }
    }

    /// R12: what has passed a state that something has yet to see leads nowhere.
    fn emit(&mut self, config: Config<N>, now: u32, trail: &mut Trail, out: &mut Vec<Config<N>>) {
        if self.machine.over(config.state, now) {
            return;
        }
        let mut config = config;
        self.settle(&mut config, trail);
        let passed = self.open.iter().any(|&(id, _, slot)| {
            has(&self.looks, slot)
                && !has(&config.done, slot)
                && self.machine.passed(config.state, &self.ops[id as usize])
        });
        if !passed {
            out.push(config);
        }
    }
}

impl<M: Machine, const N: usize> Space<N> for General<'_, M, N> {
    fn begin(&mut self, id: u32) -> bool {
        let op = self.ops[id as usize];
        let class = self.class(&op);
        if op.open() {
            match self.loose.iter_mut().find(|(other, _)| *other == class) {
                Some((_, class)) => class.ops.push(id),
                None => self.loose.push((class, Class { ops: vec![id], sample: op })),
            }
            return false;
        }
        let slot = self.op_in.iter().position(|&op| op == u32::MAX).expect("the width was measured");
        self.op_in[slot] = id;
        self.slot_of.insert(id, slot);
        let ops = self.ops;
        let at = self.open.partition_point(|&(other, ..)| ops[other as usize].ret < op.ret);
        self.open.insert(at, (id, class, slot));
        let looks = self.machine.pure(&op);
        if looks {
            set(&mut self.looks, slot);
        }
        if self.machine.blind(&op) {
            set(&mut self.blind, slot);
        }
        looks
    }

    fn end(&mut self, id: u32) {
        let slot = self.slot_of.remove(&id).expect("open");
        self.op_in[slot] = u32::MAX;
        clear(&mut self.looks, slot);
        clear(&mut self.blind, slot);
        self.open.retain(|&(other, ..)| other != id);
    }

    fn slot(&self, op: u32) -> usize {
        self.slot_of[&op]
    }

    fn settle(&mut self, config: &mut Config<N>, trail: &mut Trail) {
        self.look(config, config.state, u32::MAX, 0, trail);
    }

    fn moves(
        &mut self,
        from: &Config<N>,
        goal: u32,
        fresh: bool,
        trail: &mut Trail,
        out: &mut Vec<Config<N>>,
    ) {
        let now = self.ops[goal as usize].ret;
        // R5.
        if fresh && self.ops[goal as usize].call < from.hides {
            self.detours(from, goal, trail, out);
        }
        let overwrites = self.machine.resets(&self.ops[goal as usize]);
        let mut tried: Vec<(u32, bool)> = Vec::new();
        for at in 0..self.open.len() {
            let (id, class, slot) = self.open[at];
            let op = self.ops[id as usize];
            let resets = self.machine.resets(&op);
            // R4: of open operations with the same effect the first to return is enough, where any two of them can
            // change places. An append that was called before the last overwriting operation can stand in a detour,
            // where one called after it cannot: of each kind one is tried. (Other operations start from one state and
            // end in one, and change places as compare-and-sets of a register do.)
            let keeps = !resets && op.call < from.hides && self.machine.blind(&op);
            if has(&from.done, slot) || tried.contains(&(class, keeps)) {
                continue;
            }
            tried.push((class, keeps));
            // What looks took effect when it fitted (R1). Two that overwrite at one return: R2.
            let twice = resets && (from.hides == now || (id != goal && overwrites));
            if self.machine.pure(&op) || twice {
                continue;
            }
            let (first, last) = self.successors(from.state, class);
            for next in first..last {
                let state = self.states[next];
                // R11: what nothing sees can wait for its own return: any other state can be followed by all that follows
                // one that nothing sees, and if it was overwritten by then it can be hidden.
                if id != goal && self.machine.blind(&op) && self.machine.unseen(state) {
                    continue;
                }
                let mut config = from.clone();
                config.state = state;
                config.hides = if resets { now } else { from.hides };
                set(&mut config.done, slot);
                config.node = trail.step(config.node, id);
                self.emit(config, now, trail, out);
            }
        }
        for at in 0..self.loose.len() {
            let (class, Class { sample, .. }) = &self.loose[at];
            let (class, sample) = (*class, *sample);
            let resets = self.machine.resets(&sample);
            // R2.
            if resets && (from.hides == now || overwrites) {
                continue;
            }
            let Some(id) = self.left(at, from, u32::MAX) else { continue };
            // R3, R4: an open operation with the same effect goes first, and this one may take its place later; but not
            // where that place is before the last overwriting operation and this one was called after it.
            let known = self.class_of.get(&(sample.f, sample.a, sample.b, false));
            let replaces = |keeps: bool| !keeps || self.ops[id as usize].call < from.hides;
            if known
                .is_some_and(|&known| tried.iter().any(|&(class, keeps)| class == known && replaces(keeps)))
            {
                continue;
            }
            let (first, last) = self.successors(from.state, class);
            for next in first..last {
                let state = self.states[next];
                // What need not happen and changes nothing is better left out; what leads to a state that nothing sees
                // as well (R11).
                if (state == from.state && !resets) || self.machine.unseen(state) {
                    continue;
                }
                let mut config = from.clone();
                config.state = state;
                config.hides = if resets { now } else { from.hides };
                self.spend(&mut config, class, id, 0, trail);
                self.emit(config, now, trail, out);
            }
        }
    }

    fn alike(&self, config: &Config<N>, now: u32) -> (u32, Bits<N>) {
        let wrote = u32::from(config.hides == now);
        let told = std::array::from_fn(|i| config.done[i] & !self.looks[i] & !self.blind[i]);
        (config.state << 1 | wrote, told)
    }

    /// R6, with appends beside writes: one that only b has done a can hide by itself.
    fn dominates(&self, a: &Config<N>, b: &Config<N>) -> bool {
        if a.hides < b.hides || a.cost > b.cost {
            return false;
        }
        let (a_blind, b_blind) = (and(&a.done, &self.blind), and(&b.done, &self.blind));
        if !within(&a_blind, &b_blind) || !within(&and(&b.done, &self.looks), &a.done) {
            return false;
        }
        let more: Bits<N> = std::array::from_fn(|i| b_blind[i] & !a_blind[i]);
        slots(&more).all(|slot| self.ops[self.op_in[slot] as usize].call < a.hides) && a.used.at_most(&b.used)
    }

    fn order(&self, trail: &[u32]) -> Vec<u32> {
        super::unhidden(trail, |id| self.machine.resets(&self.ops[id as usize]))
    }

    fn cut(&self) -> bool {
        self.cut
    }

    fn bytes(&self) -> usize {
        self.machine.bytes() + self.memo.len() * 32 + self.states.len() * 4
    }
}
