//! Sequential consistency by search: one order of all operations that keeps each session's own.
//!
//! Gibbons and Korach, "Testing shared memories" (1997): NP-complete, so the graph of what must hold is asked first, and
//! the search keeps to it. A read that fits is taken at once: it changes nothing, and taking it later could only be
//! harder. A write is not tried while the value that it ends is still to be read and is not written again. A
//! position (how far each session is, and what each key holds) that led nowhere is not entered twice.

use crate::graph::Graph;
use crate::limits::{Halt, Limits};
use crate::nodes::Nodes;
use linear::hash::Map;
use std::collections::HashSet;

const SALT: u64 = 0x9e37_79b9_7f4a_7c15;

struct Search<'a> {
    nodes: &'a Nodes,
    waits: Vec<Vec<u32>>,
    at: Vec<usize>,
    holds: Vec<u32>,
    done: Vec<bool>,
    order: Vec<u32>,
    /// Reads and writes of each key and value that are still to come.
    to_read: Map<(u32, u32), u32>,
    to_write: Map<(u32, u32), u32>,
    /// Operations that are still to come and cannot be left out.
    mandatory: usize,
    entered: HashSet<(u64, u64)>,
}

struct Frame {
    length: usize,
    /// Values overwritten since, to be put back.
    choices: Vec<u32>,
}

/// An order that explains everything; None where there is none.
pub fn search(nodes: &Nodes, graph: Option<&Graph>, limits: &Limits<'_>) -> Result<Option<Vec<u32>>, Halt> {
    let mut search = Search::new(nodes, graph);
    let mut overwritten: Vec<(u32, u32)> = Vec::new();
    search.take_reads();
    let mut frames = vec![Frame { length: search.order.len(), choices: search.choices() }];
    let mut steps = 0usize;
    while let Some(frame) = frames.last_mut() {
        if search.mandatory == 0 {
            return Ok(Some(search.order));
        }
        steps += 1;
        if steps.is_multiple_of(256) {
            limits.check()?;
            limits.hold(search.entered.len() * 24 + nodes.list.len() * 100)?;
        }
        let length = frame.length;
        search.undo(length, &mut overwritten);
        let Some(choice) = frame.choices.pop() else {
            frames.pop();
            continue;
        };
        let (key, _) = nodes.list[choice as usize].write.unwrap_or_default();
        overwritten.push((choice, search.holds[key as usize]));
        search.take(choice);
        search.take_reads();
        if search.entered.insert(search.mark()) {
            frames.push(Frame { length: search.order.len(), choices: search.choices() });
        }
    }
    Ok((search.mandatory == 0).then_some(search.order))
}

impl<'a> Search<'a> {
    fn new(nodes: &'a Nodes, graph: Option<&Graph>) -> Self {
        let count = nodes.list.len();
        let mut waits = vec![Vec::new(); count];
        for from in 0..graph.map_or(0, |_| count) {
            for edge in graph.map_or(&[][..], |graph| &graph.out[from]) {
                if (edge.to as usize) < count {
                    waits[edge.to as usize].push(from as u32);
                }
            }
        }
        let (mut to_read, mut to_write, mut mandatory) = (Map::default(), Map::default(), 0);
        for node in &nodes.list {
            if !node.optional {
                for seen in nodes.reads(node) {
                    *to_read.entry((seen.key, seen.value)).or_insert(0) += 1;
                }
                mandatory += 1;
            }
            if let Some(write) = node.write {
                *to_write.entry(write).or_insert(0) += 1;
            }
        }
        Search {
            nodes,
            waits,
            at: vec![0; nodes.sessions.len()],
            holds: vec![nodes.initial; nodes.keys as usize],
            done: vec![false; count],
            order: Vec::with_capacity(count),
            to_read,
            to_write,
            mandatory,
            entered: HashSet::new(),
        }
    }

    fn next(&self, session: usize) -> Option<u32> {
        self.nodes.sessions[session].get(self.at[session]).copied()
    }

    fn fits(&self, at: u32) -> bool {
        let node = &self.nodes.list[at as usize];
        self.nodes.reads(node).iter().all(|seen| self.holds[seen.key as usize] == seen.value)
            && self.waits[at as usize].iter().all(|&other| self.done[other as usize])
    }

    fn take(&mut self, at: u32) {
        let node = &self.nodes.list[at as usize];
        self.at[node.session as usize] += 1;
        self.done[at as usize] = true;
        self.order.push(at);
        if !node.optional {
            self.mandatory -= 1;
            for seen in self.nodes.reads(node) {
                self.to_read.entry((seen.key, seen.value)).and_modify(|count| *count -= 1);
            }
        }
        if let Some((key, value)) = node.write {
            self.to_write.entry((key, value)).and_modify(|count| *count -= 1);
            self.holds[key as usize] = value;
        }
    }

    fn undo(&mut self, length: usize, overwritten: &mut Vec<(u32, u32)>) {
        while self.order.len() > length {
            let Some(at) = self.order.pop() else { return };
            let node = &self.nodes.list[at as usize];
            self.at[node.session as usize] -= 1;
            self.done[at as usize] = false;
            if !node.optional {
                self.mandatory += 1;
                for seen in self.nodes.reads(node) {
                    self.to_read.entry((seen.key, seen.value)).and_modify(|count| *count += 1);
                }
            }
            if let Some((key, value)) = node.write {
                self.to_write.entry((key, value)).and_modify(|count| *count += 1);
                if let Some((_, before)) = overwritten.pop() {
                    self.holds[key as usize] = before;
                }
            }
        }
    }

    fn take_reads(&mut self) {
        let mut moved = true;
        while moved {
            moved = false;
            for session in 0..self.at.len() {
                while let Some(at) = self.next(session) {
                    if self.nodes.list[at as usize].write.is_some() || !self.fits(at) {
                        break;
                    }
                    self.take(at);
                    moved = true;
                }
            }
        }
    }

    /// Writes that can come next, the first in real time last, for they are taken from the end.
    fn choices(&self) -> Vec<u32> {
        let mut found: Vec<u32> = (0..self.at.len()).filter_map(|session| self.next(session)).collect();
        found.retain(|&at| {
            let node = &self.nodes.list[at as usize];
            let Some((key, _)) = node.write else { return false };
            let held = (key, self.holds[key as usize]);
            let own = u32::from(self.nodes.looks(node) && !node.optional);
            let wanted = self.to_read.get(&held).copied().unwrap_or(0) > own;
            let again = self.to_write.get(&held).copied().unwrap_or(0) > 0;
            self.fits(at) && (!wanted || again)
        });
        found.sort_unstable_by_key(|&at| std::cmp::Reverse(self.nodes.list[at as usize].event));
        found
    }

    /// The position, hashed twice: 128 bits, so that two positions never pass for one in practice.
    fn mark(&self) -> (u64, u64) {
        let (mut one, mut two) = (SALT, !SALT);
        let places = self.at.iter().map(|&at| at as u64);
        for word in places.chain(self.holds.iter().map(|&value| u64::from(value))) {
            one = (one.rotate_left(23) ^ word).wrapping_mul(SALT);
            one ^= one >> 29;
            two = (two.rotate_left(41) ^ word.wrapping_add(SALT)).wrapping_mul(0xff51_afd7_ed55_8ccd);
            two ^= two >> 33;
        }
        (one, two)
    }
}
