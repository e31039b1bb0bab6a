//! Registers whose written values are all different: O(n log n), with compare-and-set and unknown outcomes.
//!
//! Operations are grouped by value: the one that wrote it and all that read it. A compare-and-set ties the group of
//! the value it found to the group of the value it left, with nothing in between, so groups join to chains. A write
//! or compare-and-set of unknown outcome whose value is never observed is left out (it can have happened at the very
//! end, or never); one whose value is observed did happen. Chains are blocks (see `blocks`); inside a chain the order
//! is fixed but for reads of one value, and one running maximum compares it with real time.

use crate::blocks::{self, Zone};
use crate::hash::Map;
use crate::ops::{Op, F, NEVER};

/// What the engine says.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// An order of all operations that happened.
    Valid(Vec<u32>),
    /// Operations that already contradict each other, with what binds them together.
    Invalid(Vec<u32>),
    /// Two operations write the same value, or one writes the initial value: not for this engine.
    NotUnique,
}

const NONE: u32 = u32::MAX;

struct Group {
    writer: u32,
    swap: u32,
    reads: u32,
}

/// Dense numbers for values; number 0 is the initial value.
struct Numbers {
    table: Vec<u32>,
    map: Map<u32, u32>,
    next: u32,
}

const INTEGER: u32 = 1 << 31;

impl Numbers {
    fn new(ops: &[Op]) -> Self {
        let top = ops.iter().map(|op| if op.f == F::Cas { op.a.max(op.b) } else { op.a });
        let top =
            top.filter(|&value| value & INTEGER != 0).max().map_or(0, |value| (value & !INTEGER) as usize);
        let size = if top <= ops.len() * 4 + 1024 { top + 1 } else { 0 };
        Numbers { table: vec![NONE; size], map: Map::default(), next: 0 }
    }

    fn of(&mut self, value: u32) -> u32 {
        let next = self.next;
        let slot = match self.table.get_mut((value & !INTEGER) as usize) {
            Some(slot) if value & INTEGER != 0 => slot,
            _ => self.map.entry(value).or_insert(NONE),
        };
        if *slot == NONE {
            *slot = next;
            self.next += 1;
        }
        *slot
    }
}

/// Decide the operations on one register that starts with the value `initial`. `moments` bounds all moments.
#[must_use]
pub fn check(ops: &[Op], initial: u32, moments: usize) -> Answer {
    let mut numbers = Numbers::new(ops);
    numbers.of(initial);
    let mut dense: Vec<(u32, u32)> = Vec::with_capacity(ops.len());
    let mut groups: Vec<Group> = vec![Group { writer: NONE, swap: NONE, reads: NONE }];
    for (id, op) in ops.iter().enumerate() {
        let a = numbers.of(op.a);
        let b = if op.f == F::Cas { numbers.of(op.b) } else { a };
        while groups.len() < numbers.next as usize {
            groups.push(Group { writer: NONE, swap: NONE, reads: NONE });
        }
        if op.f != F::Read {
            let group = &mut groups[b as usize];
            if b == 0 || group.writer != NONE {
                return Answer::NotUnique;
            }
            group.writer = id as u32;
        }
        dense.push((a, b));
    }
    Chains { ops, dense, groups, next_read: vec![NONE; ops.len()] }.check(moments)
}

struct Chains<'a> {
    ops: &'a [Op],
    dense: Vec<(u32, u32)>,
    groups: Vec<Group>,
    /// Reads of one group, latest call first.
    next_read: Vec<u32>,
}

impl Chains<'_> {
    fn op(&self, id: u32) -> &Op {
        &self.ops[id as usize]
    }

    fn check(mut self, moments: usize) -> Answer {
        if let Some(bad) = self.join() {
            return Answer::Invalid(bad);
        }
        let heads: Vec<u32> =
            (0..self.groups.len() as u32).filter(|&group| self.heads_chain(group)).collect();
        let mut zones = Vec::with_capacity(heads.len());
        let mut seen = 0;
        for &head in &heads {
            match self.zone(head) {
                Ok((zone, groups)) => {
                    seen += groups;
                    zones.push(zone);
                }
                Err(bad) => return Answer::Invalid(bad),
            }
        }
        let happened = (1..self.groups.len() as u32).filter(|&group| self.happened(group)).count() + 1;
        if seen < happened {
            return Answer::Invalid(self.circle(&heads));
        }
        match blocks::order(&zones, moments) {
            Ok(order) => Answer::Valid(self.witness(&order, &heads)),
            Err((a, b)) => Answer::Invalid(self.conflict(&heads, &zones, a, b)),
        }
    }

    /// Whether the group's value was ever there.
    fn happened(&self, group: u32) -> bool {
        self.groups[group as usize].writer != NONE
    }

    fn heads_chain(&self, group: u32) -> bool {
        group == 0 || {
            let writer = self.groups[group as usize].writer;
            writer != NONE && self.op(writer).f == F::Write
        }
    }

    /// Attach reads and compare-and-sets to their groups, leaving out what never showed.
    fn join(&mut self) -> Option<Vec<u32>> {
        for (id, op) in self.ops.iter().enumerate() {
            let group = &mut self.groups[self.dense[id].0 as usize];
            if op.f == F::Read {
                self.next_read[id] = group.reads;
                group.reads = id as u32;
            }
        }
        self.leave_out();
        for id in 0..self.ops.len() as u32 {
            let (a, b) = self.dense[id as usize];
            let f = self.op(id).f;
            if f == F::Write || (f == F::Cas && self.groups[b as usize].writer != id) {
                continue;
            }
            if a != 0 && self.groups[a as usize].writer == NONE {
                return Some(self.explain(&[id]));
            }
            if f == F::Cas {
                let other = std::mem::replace(&mut self.groups[a as usize].swap, id);
                if other != NONE {
                    return Some(self.explain(&[other, id]));
                }
            }
        }
        None
    }

    /// A writer of unknown outcome stays only if a read, or a compare-and-set that stays, observes its value.
    fn leave_out(&mut self) {
        let mut stays = vec![false; self.groups.len()];
        let mut todo: Vec<u32> = Vec::new();
        for (Group { writer, reads, .. }, stays) in self.groups.iter().zip(&mut stays) {
            if *writer != NONE && (*reads != NONE || !self.op(*writer).open()) {
                *stays = true;
                todo.push(*writer);
            }
        }
        while let Some(writer) = todo.pop() {
            if self.op(writer).f != F::Cas {
                continue;
            }
            let from = self.dense[writer as usize].0 as usize;
            let before = self.groups[from].writer;
            if before != NONE && !stays[from] {
                stays[from] = true;
                todo.push(before);
            }
        }
        for (group, stays) in self.groups.iter_mut().zip(stays) {
            if !stays {
                group.writer = NONE;
            }
        }
    }

    fn observer(&self, group: u32) -> Option<u32> {
        let Group { reads, swap, .. } = self.groups[group as usize];
        [reads, swap].into_iter().find(|&id| id != NONE)
    }

    /// Calls `each` with the operations of a chain in order; reads of one value in order of their calls.
    fn walk(&self, head: u32, each: &mut dyn FnMut(u32)) -> usize {
        let (mut group, mut groups, mut reads) = (head, 0, Vec::new());
        loop {
            groups += 1;
            let Group { writer, swap, reads: first } = self.groups[group as usize];
            if writer != NONE {
                each(writer);
            }
            reads.clear();
            let mut read = first;
            while read != NONE {
                reads.push(read);
                read = self.next_read[read as usize];
            }
            for &read in reads.iter().rev() {
                each(read);
            }
            if swap == NONE {
                return groups;
            }
            group = self.dense[swap as usize].1;
        }
    }

    fn zone(&self, head: u32) -> Result<(Zone, usize), Vec<u32>> {
        let mut zone = Zone::default();
        if head == 0 {
            zone.first_return = (0, NONE);
        }
        let mut latest: (u32, u32) = (0, NONE);
        let mut bad: Option<(u32, u32)> = None;
        let groups = self.walk(head, &mut |id| {
            let op = self.op(id);
            if latest.1 != NONE && op.ret < latest.0 && bad.is_none() {
                bad = Some((id, latest.1));
            }
            if latest.1 == NONE || op.call > latest.0 {
                latest = (op.call, id);
            }
            zone.add(id, op.call, op.ret);
        });
        match bad {
            None => Ok((zone, groups)),
            Some((early, late)) => Err(self.explain(&[early, late])),
        }
    }

    /// The operations together with those that bind them: writers of the values they saw, and so on back.
    fn explain(&self, ids: &[u32]) -> Vec<u32> {
        let mut bad: Vec<u32> = Vec::new();
        let mut todo: Vec<u32> = ids.to_vec();
        while let Some(id) = todo.pop() {
            if id == NONE || bad.contains(&id) {
                continue;
            }
            bad.push(id);
            let (a, b) = self.dense[id as usize];
            if self.op(id).f != F::Write {
                todo.push(self.groups[a as usize].writer);
            }
            if self.op(id).ret == NEVER {
                todo.extend(self.observer(b));
            }
            if bad.len() > 100_000 {
                break;
            }
        }
        bad
    }

    /// Compare-and-sets that hang together without a beginning.
    fn circle(&self, heads: &[u32]) -> Vec<u32> {
        let mut reached = vec![false; self.groups.len()];
        for &head in heads {
            let mut group = head;
            loop {
                reached[group as usize] = true;
                let swap = self.groups[group as usize].swap;
                if swap == NONE {
                    break;
                }
                group = self.dense[swap as usize].1;
            }
        }
        let start = (1..self.groups.len()).find(|&group| self.happened(group as u32) && !reached[group]);
        let mut bad = Vec::new();
        let mut group = start.unwrap_or(0) as u32;
        while !reached[group as usize] {
            reached[group as usize] = true;
            bad.push(self.groups[group as usize].writer);
            let swap = self.groups[group as usize].swap;
            if swap == NONE {
                break;
            }
            group = self.dense[swap as usize].1;
        }
        let seen: Vec<u32> = bad.iter().filter_map(|&id| self.observer(self.dense[id as usize].1)).collect();
        bad.extend(seen);
        bad
    }

    fn conflict(&self, heads: &[u32], zones: &[Zone], a: u32, b: u32) -> Vec<u32> {
        let mut ids = Vec::new();
        for block in [a, b] {
            let zone = &zones[block as usize];
            ids.extend([zone.first_return.1, zone.last_call.1]);
            // What lies between the two in the chain binds them.
            let mut between = false;
            self.walk(heads[block as usize], &mut |id| {
                let end = id == zone.first_return.1 || id == zone.last_call.1;
                if end || (between && self.op(id).f == F::Cas) {
                    ids.push(id);
                }
                between |= end;
            });
        }
        self.explain(&ids)
    }

    fn witness(&self, order: &[u32], heads: &[u32]) -> Vec<u32> {
        let mut witness = Vec::with_capacity(self.ops.len());
        for &block in order {
            self.walk(heads[block as usize], &mut |id| witness.push(id));
        }
        witness
    }
}
