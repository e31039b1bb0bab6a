//! The space of a register with read, write and compare-and-set, decided as late as possible.
//!
//! A write overwrites whatever was there, so any other open write may have happened right before it, unseen.
//! Deciding that at once is what makes searches explode. Here it is left open: a configuration remembers the moment
//! (`hides`) of the last write it let take effect, and an open operation called before that moment, and not done, may
//! still turn out to have happened just before that write. So when an operation must return it can
//!
//! * take effect now, after compare-and-sets from the present state, or after one write and compare-and-sets from it;
//! * turn out to have been hidden: a write by itself, a read or compare-and-set behind an open write of the value it
//!   needs and compare-and-sets in between. Such a detour starts with a write and ends before another one, so the
//!   present state is not touched, and everything in it was open at that moment.
//!
//! With equal states, having fewer writes done is better as long as the others can still be hidden, having more reads
//! done is better, and so is having used fewer operations of unknown outcome. An operation of unknown outcome is used
//! only where no open one with the same effect, which has to happen anyway, is there.
//!
//! Every rule that leaves something out has its reason next to it, in the terms of
//! docs/decisions/search-rules.md (R1, R2, ...).

mod detours;

use super::config::{and, has, set, slots, within, Bits, Config, Trail, Used};
use super::{Mode, Space};
use crate::hash::Map;
use crate::ops::{Op, F};
use std::cell::Cell;

const NONE: u32 = u32::MAX;
/// Ways out of one configuration; beyond, the rest stays untried.
const WAYS_MAX: u32 = 20_000;

/// What is open around one value.
struct Around<const N: usize> {
    writes: Vec<u32>,
    from: Vec<u32>,
    into: Vec<u32>,
    reads: Bits<N>,
    loose_write: u32,
    loose_from: Vec<u32>,
    loose_into: Vec<u32>,
}

impl<const N: usize> Default for Around<N> {
    fn default() -> Self {
        Around {
            writes: Vec::new(),
            from: Vec::new(),
            into: Vec::new(),
            reads: [0; N],
            loose_write: NONE,
            loose_from: Vec::new(),
            loose_into: Vec::new(),
        }
    }
}

/// Operations of unknown outcome with the same effect, in order of their calls.
struct Class {
    a: u32,
    b: u32,
    ops: Vec<u32>,
}

/// The open operations on one register. Values are numbered from 0.
pub struct Register<'a, const N: usize> {
    ops: &'a [Op],
    relaxed: bool,
    /// How many operations of unknown outcome a single detour may use.
    thrift: u32,
    /// Whether something was left untried for thrift, or because there were too many ways.
    cut: Cell<bool>,
    /// Ways tried since the last look at the clock.
    tried: Cell<u32>,
    /// Relaxed: from when on a value is free.
    free_since: Vec<u32>,
    around: Vec<Around<N>>,
    classes: Vec<Class>,
    class_of: Map<(F, u32, u32), u32>,
    slot_of: Map<u32, usize>,
    op_in: Vec<u32>,
    cas: Bits<N>,
    writes: Bits<N>,
    reads: Bits<N>,
}

/// A way in which something can take effect: an open operation, or one of a class.
#[derive(Clone, Copy)]
enum Way {
    Known(u32),
    Loose(u32),
    /// For nothing (relaxed).
    Free,
}

impl<'a, const N: usize> Register<'a, N> {
    /// A register whose operations take `values` different values.
    #[must_use]
    pub fn new(ops: &'a [Op], values: usize, mode: Mode) -> Self {
        let relaxed = mode == Mode::Relaxed;
        Register {
            ops,
            relaxed,
            thrift: if let Mode::Beam(k) = mode { k.ilog2() / 5 } else { u32::MAX },
            cut: Cell::new(false),
            tried: Cell::new(0),
            free_since: if relaxed { vec![u32::MAX; values] } else { Vec::new() },
            around: (0..values).map(|_| Around::default()).collect(),
            classes: Vec::new(),
            class_of: Map::default(),
            slot_of: Map::default(),
            op_in: vec![NONE; N * 64],
            cas: [0; N],
            writes: [0; N],
            reads: [0; N],
        }
    }

    fn op(&self, id: u32) -> &Op {
        &self.ops[id as usize]
    }

    fn begin_loose(&mut self, id: u32) {
        let op = *self.op(id);
        let next = self.classes.len() as u32;
        let class = *self.class_of.entry((op.f, op.a, op.b)).or_insert(next);
        if class == next {
            self.classes.push(Class { a: op.a, b: op.b, ops: Vec::new() });
            if op.f == F::Write {
                self.around[op.a as usize].loose_write = class;
            } else {
                self.around[op.a as usize].loose_from.push(class);
                self.around[op.b as usize].loose_into.push(class);
            }
        }
        self.classes[class as usize].ops.push(id);
        if self.relaxed && class == next {
            let from = if op.f == F::Write { None } else { Some(op.a) };
            if from.is_none_or(|from| self.free_since[from as usize] != NONE) {
                self.set_free(if op.f == F::Write { op.a } else { op.b }, op.call);
            }
        }
    }

    /// From now on `value` is free, and so is what loose compare-and-sets make of it.
    fn set_free(&mut self, value: u32, now: u32) {
        let mut todo = vec![value];
        while let Some(value) = todo.pop() {
            let since = &mut self.free_since[value as usize];
            if *since == NONE {
                *since = now;
                let from = &self.around[value as usize].loose_from;
                todo.extend(from.iter().map(|&class| self.classes[class as usize].b));
            }
        }
    }

    /// Relaxed: whether `value` is free by operations called before `by`.
    fn free(&self, value: u32, by: u32) -> bool {
        self.relaxed && self.free_since[value as usize] < by
    }

    /// Relaxed: what may be hidden, and could be had for nothing anyway, counts as done.
    ///
    /// R8: such an operation undone can serve only to reach a value that is free already (its own, or what it makes of
    /// a free one), and at its return it could be hidden behind that free value. Done, it asks for nothing any more.
    fn discharge(&self, config: &mut Config<N>) {
        for (slot, &id) in self.op_in.iter().enumerate() {
            if id == NONE || has(&config.done, slot) {
                continue;
            }
            let op = self.op(id);
            let free = |value| self.free(value, config.hides);
            if op.call < config.hides && free(op.a) && (op.f != F::Cas || free(op.b)) {
                set(&mut config.done, slot);
            }
        }
    }

    /// Whether one more way may be tried.
    fn more(&self) -> bool {
        let tried = self.tried.get() + 1;
        self.tried.set(tried);
        if tried > WAYS_MAX {
            self.cut.set(true);
        }
        tried <= WAYS_MAX
    }

    /// The operation of the class that would be used next, if one called before `by` is left.
    fn loose(&self, class: u32, used: &Used, by: u32) -> Option<u32> {
        let ops = &self.classes[class as usize].ops;
        let count = if self.relaxed { 0 } else { used.of(class) as usize };
        ops.get(count).copied().filter(|&op| self.op(op).call < by)
    }

    fn undone(&self, id: u32, done: &Bits<N>) -> bool {
        !has(done, self.slot_of[&id])
    }

    /// The way to write `value` with operations called before `by`: for nothing, else by the open write that returns
    /// first, else by one of unknown outcome.
    ///
    /// R3: one way is enough, for equal writes can change places. Say w returns first of the open writes of this value,
    /// and an order takes x (open or unknown) here and w later. If w stands openly later, or hidden before a later
    /// write, x can stand there. If w stands hidden before an earlier write, it starts a detour of which nothing has
    /// returned yet: the detour with x in place of w fits right before w here. For nothing is never worse: what was not
    /// taken is still there, and can be hidden before this write.
    fn writing(&self, value: u32, config: &Config<N>, by: u32) -> Option<Way> {
        if self.free(value, by) {
            return Some(Way::Free);
        }
        let around = &self.around[value as usize];
        let known = around.writes.iter().find(|&&id| self.op(id).call < by && self.undone(id, &config.done));
        if let Some(&id) = known {
            return Some(Way::Known(id));
        }
        if around.loose_write == NONE {
            return None;
        }
        self.loose(around.loose_write, &config.used, by).map(|_| Way::Loose(around.loose_write))
    }

    /// The compare-and-sets from (or into) `value` that could take effect, called before `by`: for each other value the
    /// open one that returns first, else one of unknown outcome.
    ///
    /// R4: one of each is enough. Say k returns first of the open ones from a to b, and an order takes x from a to b
    /// here and k later. If x was called before k's place, they change places. Else k stands in a detour hidden before
    /// a write that x was called after: "w ... k X" with w a write, and nothing of it has returned. Then "k X w ... x"
    /// fits here instead of x: it starts in a, ends in b, and does the same.
    fn swaps(&self, value: u32, forward: bool, config: &Config<N>, by: u32, out: &mut Vec<(u32, Way)>) {
        let around = &self.around[value as usize];
        let (known, loose) =
            if forward { (&around.from, &around.loose_from) } else { (&around.into, &around.loose_into) };
        let first = out.len();
        for &id in known {
            let op = self.op(id);
            let other = if forward { op.b } else { op.a };
            if op.call < by
                && self.undone(id, &config.done)
                && !out[first..].iter().any(|&(taken, _)| taken == other)
            {
                out.push((other, Way::Known(id)));
            }
        }
        let last = out.len();
        for &class in loose {
            let Class { a, b, .. } = self.classes[class as usize];
            let other = if forward { b } else { a };
            if !out[first..last].iter().any(|&(taken, _)| taken == other)
                && self.loose(class, &config.used, by).is_some()
            {
                out.push((other, Way::Loose(class)));
            }
        }
    }

    /// Let an operation take effect; `mark` is `HIDDEN` in a detour.
    fn take(&self, config: &mut Config<N>, way: Way, mark: u32, trail: &mut Trail) {
        match way {
            Way::Known(id) => {
                set(&mut config.done, self.slot_of[&id]);
                config.node = trail.step(config.node, id | mark);
            }
            Way::Free => {}
            Way::Loose(_) if self.relaxed => {}
            Way::Loose(class) => {
                let count = config.used.of(class) as usize;
                let id = self.classes[class as usize].ops[count];
                config.used = config.used.and(class);
                config.cost += 1;
                config.node = trail.step(config.node, id | mark);
            }
        }
    }

    /// Reads of `value` called before `by` take effect. R1: a read changes nothing, so the first moment at which it
    /// fits is as good as any later one.
    fn look(&self, config: &mut Config<N>, value: u32, by: u32, mark: u32, trail: &mut Trail) {
        let reads = self.around[value as usize].reads;
        let fitting: Bits<N> = std::array::from_fn(|i| reads[i] & !config.done[i]);
        if fitting == [0; N] {
            return;
        }
        for slot in slots(&fitting) {
            let id = self.op_in[slot];
            if self.op(id).call < by {
                set(&mut config.done, slot);
                config.node = trail.step(config.node, id | mark);
            }
        }
    }

    /// The values from which compare-and-sets lead to `value`, itself included.
    ///
    /// R9: relaxed, nothing is sought behind a value that is free: a write and compare-and-sets that
    /// lead to it can be hidden right before it is had. The values beside it stay, a write of `value` itself among
    /// them.
    fn leading_to(&self, value: u32, config: &Config<N>) -> Vec<u32> {
        let mut reach = vec![value];
        let (mut next, mut swaps) = (0, Vec::new());
        while next < reach.len() {
            let to = reach[next];
            next += 1;
            if self.free(to, u32::MAX) {
                continue;
            }
            swaps.clear();
            self.swaps(to, false, config, u32::MAX, &mut swaps);
            for &(from, _) in &swaps {
                if !reach.contains(&from) {
                    reach.push(from);
                }
            }
        }
        reach
    }

    fn write_moves(
        &self,
        from: &Config<N>,
        goal: u32,
        now: u32,
        trail: &mut Trail,
        out: &mut Vec<Config<N>>,
    ) {
        let op = self.op(goal);
        if op.f == F::Write {
            let mut next = from.clone();
            next.state = op.a;
            next.hides = now;
            self.take(&mut next, Way::Known(goal), 0, trail);
            self.look(&mut next, op.a, u32::MAX, 0, trail);
            if self.relaxed {
                self.discharge(&mut next);
            }
            out.push(next);
            return;
        }
        for value in self.leading_to(op.a, from) {
            if let Some(way) = self.writing(value, from, u32::MAX) {
                let mut next = from.clone();
                next.state = value;
                next.hides = now;
                self.take(&mut next, way, 0, trail);
                self.look(&mut next, value, u32::MAX, 0, trail);
                if self.relaxed {
                    self.discharge(&mut next);
                }
                out.push(next);
            }
        }
    }
}

impl<const N: usize> Space<N> for Register<'_, N> {
    fn begin(&mut self, id: u32) -> bool {
        let op = *self.op(id);
        if op.open() {
            self.begin_loose(id);
            return false;
        }
        let slot = self.op_in.iter().position(|&op| op == NONE).expect("the width was measured");
        self.op_in[slot] = id;
        self.slot_of.insert(id, slot);
        let ops = self.ops;
        let by_return = |list: &mut Vec<u32>| {
            let at = list.partition_point(|&other| ops[other as usize].ret < op.ret);
            list.insert(at, id);
        };
        match op.f {
            F::Write => {
                by_return(&mut self.around[op.a as usize].writes);
                set(&mut self.writes, slot);
            }
            F::Cas => {
                by_return(&mut self.around[op.a as usize].from);
                by_return(&mut self.around[op.b as usize].into);
                set(&mut self.cas, slot);
            }
            _ => {
                set(&mut self.around[op.a as usize].reads, slot);
                set(&mut self.reads, slot);
                return true;
            }
        }
        false
    }

    fn end(&mut self, id: u32) {
        let op = *self.op(id);
        let slot = self.slot_of.remove(&id).expect("open");
        self.op_in[slot] = NONE;
        let around = &mut self.around;
        match op.f {
            F::Write => around[op.a as usize].writes.retain(|&other| other != id),
            F::Cas => {
                around[op.a as usize].from.retain(|&other| other != id);
                around[op.b as usize].into.retain(|&other| other != id);
            }
            _ => super::config::clear(&mut around[op.a as usize].reads, slot),
        }
        for bits in [&mut self.cas, &mut self.writes, &mut self.reads] {
            super::config::clear(bits, slot);
        }
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
        let now = self.op(goal).ret;
        self.tried.set(0);
        // R2: at one return at most one write takes effect openly, the last one. An order that has two, "w X v", has
        // "w X" hidden before v. If the goal is a write no other one does: the steps end with the goal.
        let wrote = from.hides == now;
        if !wrote {
            self.write_moves(from, goal, now, trail, out);
        }
        // R5: only a configuration from before this return takes the goal out of the past: what would be done now
        // besides is not needed for the goal and can wait for its own return. What was called after the last write
        // cannot have happened before it.
        if fresh && self.op(goal).call < from.hides {
            self.detours(from, goal, trail, out);
        }
        let mut swaps = Vec::new();
        self.swaps(from.state, true, from, u32::MAX, &mut swaps);
        for (to, way) in swaps {
            // R10: relaxed, a value that is free is had by itself, by `write_moves` from where this return began (it is
            // among the values that lead to the goal, or, if the goal is a write, hidden before that). What stands
            // before it here can be hidden before it there.
            if matches!(way, Way::Loose(_)) && self.free(to, u32::MAX) {
                continue;
            }
            let mut next = from.clone();
            next.state = to;
            self.take(&mut next, way, 0, trail);
            self.look(&mut next, to, u32::MAX, 0, trail);
            out.push(next);
        }
    }

    fn alike(&self, config: &Config<N>, now: u32) -> (u32, [u64; N]) {
        (config.state << 1 | u32::from(config.hides == now), and(&config.done, &self.cas))
    }

    /// R6: all that can follow b can follow a. They have the same state and compare-and-sets. A read that only a has
    /// done asks for nothing. A write that only b has done was called before a's last write, so a hides it at its
    /// return, and can use it until then. What b hides a can hide, for its last write is not earlier. Of each class of
    /// unknown outcome a has at least as many left. The costs matter to beams alone.
    fn dominates(&self, a: &Config<N>, b: &Config<N>) -> bool {
        if a.hides < b.hides || a.cost > b.cost || a.state != b.state {
            return false;
        }
        let (a_writes, b_writes) = (and(&a.done, &self.writes), and(&b.done, &self.writes));
        if !within(&a_writes, &b_writes) || !within(&and(&b.done, &self.reads), &a.done) {
            return false;
        }
        let more: Bits<N> = std::array::from_fn(|i| b_writes[i] & !a_writes[i]);
        slots(&more).all(|slot| self.op(self.op_in[slot]).call < a.hides) && a.used.at_most(&b.used)
    }

    fn order(&self, trail: &[u32]) -> Vec<u32> {
        super::unhidden(trail, |id| self.op(id).f == F::Write)
    }

    fn cut(&self) -> bool {
        self.cut.get()
    }

    fn bytes(&self) -> usize {
        self.around.len() * std::mem::size_of::<Around<N>>()
    }
}
