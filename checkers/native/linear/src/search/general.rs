//! The space of any object given as a state machine.
//!
//! Rules: what changes nothing and fits takes effect at once; of open operations with the same effect the one that
//! returns first goes first; one of unknown outcome is used only where no such open one is there, and is counted.

use super::config::{clear, has, set, within, Bits, Config, Trail};
use super::Space;
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
    /// Bytes held, by estimate.
    fn bytes(&self) -> usize {
        0
    }
}

struct Class {
    ops: Vec<u32>,
    sample: Op,
}

/// The open operations on one object.
pub struct General<'a, M, const N: usize> {
    ops: &'a [Op],
    relaxed: bool,
    machine: M,
    /// Class of each operation by what it does; open ones have classes of their own.
    class_of: Map<(F, u32, u32, bool), u32>,
    samples: Vec<Op>,
    open: Vec<(u32, u32, usize)>,
    loose: Vec<(u32, Class)>,
    op_in: Vec<u32>,
    slot_of: Map<u32, usize>,
    memo: Map<(u32, u32), (u32, u32)>,
    states: Vec<u32>,
    looks: Bits<N>,
}

impl<'a, M: Machine, const N: usize> General<'a, M, N> {
    /// A space over this machine.
    pub fn new(ops: &'a [Op], machine: M, relaxed: bool) -> Self {
        General {
            ops,
            relaxed,
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

    fn emit(&mut self, config: Config<N>, trail: &mut Trail, out: &mut Vec<Config<N>>) {
        let mut config = config;
        self.settle(&mut config, trail);
        out.push(config);
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
        looks
    }

    fn end(&mut self, id: u32) {
        let slot = self.slot_of.remove(&id).expect("open");
        self.op_in[slot] = u32::MAX;
        clear(&mut self.looks, slot);
        self.open.retain(|&(other, ..)| other != id);
    }

    fn slot(&self, op: u32) -> usize {
        self.slot_of[&op]
    }

    fn settle(&mut self, config: &mut Config<N>, trail: &mut Trail) {
        for at in 0..self.open.len() {
            let (id, class, slot) = self.open[at];
            if !has(&config.done, slot)
                && self.machine.pure(&self.ops[id as usize])
                && self.fits(config.state, class)
            {
                set(&mut config.done, slot);
                config.node = trail.step(config.node, id);
            }
        }
    }

    fn moves(
        &mut self,
        from: &Config<N>,
        _goal: u32,
        _fresh: bool,
        trail: &mut Trail,
        out: &mut Vec<Config<N>>,
    ) {
        let mut tried: Vec<u32> = Vec::new();
        for at in 0..self.open.len() {
            let (id, class, slot) = self.open[at];
            if has(&from.done, slot) || tried.contains(&class) {
                continue;
            }
            tried.push(class);
            if self.machine.pure(&self.ops[id as usize]) {
                continue;
            }
            let (first, last) = self.successors(from.state, class);
            for next in first..last {
                let mut config = from.clone();
                config.state = self.states[next];
                set(&mut config.done, slot);
                config.node = trail.step(config.node, id);
                self.emit(config, trail, out);
            }
        }
        for at in 0..self.loose.len() {
            let (class, Class { ops, sample }) = &self.loose[at];
            let (class, sample) = (*class, *sample);
            let count = if self.relaxed { 0 } else { from.used.of(class) as usize };
            let Some(&id) = ops.get(count) else { continue };
            let known = self.class_of.get(&(sample.f, sample.a, sample.b, false));
            if known.is_some_and(|known| tried.contains(known)) {
                continue;
            }
            let (first, last) = self.successors(from.state, class);
            for next in first..last {
                if self.states[next] == from.state {
                    continue;
                }
                let mut config = from.clone();
                config.state = self.states[next];
                if !self.relaxed {
                    config.used = config.used.and(class);
                    config.cost += 1;
                    config.node = trail.step(config.node, id);
                }
                self.emit(config, trail, out);
            }
        }
    }

    fn alike(&self, config: &Config<N>, _now: u32) -> (u32, Bits<N>) {
        (config.state, std::array::from_fn(|i| config.done[i] & !self.looks[i]))
    }

    fn dominates(&self, a: &Config<N>, b: &Config<N>) -> bool {
        a.cost <= b.cost && within(&b.done, &a.done) && a.used.at_most(&b.used)
    }

    fn order(&self, trail: &[u32]) -> Vec<u32> {
        trail.to_vec()
    }

    fn bytes(&self) -> usize {
        self.machine.bytes() + self.memo.len() * 32 + self.states.len() * 4
    }
}
