//! Cycles by class. A class says which kinds of edges a cycle may have and must have; the search looks for a short one
//! in each strongly connected component.

use crate::graph::{kind, Arc, Edge, Graph};
use crate::limits::{Halt, Limits};
use std::collections::VecDeque;

/// What a walk has met so far.
mod met {
    /// An edge of the class's extra kind (process or time).
    pub const EXTRA: u8 = 1;
    /// A second anti-dependency.
    pub const SECOND: u8 = 2;
    /// The last edge was an anti-dependency.
    pub const LAST: u8 = 4;
    /// Two anti-dependencies in a row.
    pub const ADJACENT: u8 = 8;
}

/// A class of cycles (Adya, "Weak consistency", 1999; nonadjacent ones after Cerone and Gotsman, "Analysing snapshot
/// isolation", 2016).
pub(crate) struct Class {
    pub name: &'static str,
    /// The kind of the edge that every such cycle has, from which the search starts.
    seed: u8,
    /// The kinds of the other edges.
    rest: u8,
    /// What must have been met by the end.
    needs: u8,
    /// Whether anti-dependencies may follow each other.
    adjacent: bool,
    /// The kind that must occur: process, time, or none.
    pub extra: u8,
}

const DATA: u8 = kind::WW | kind::WR;
/// What must hold where reads are atomic.
const ATOMIC: u8 = kind::FORCED | kind::VANISHED;
const ALL: u8 = DATA | ATOMIC | kind::RW;
const BY_TIME: u8 = kind::PROCESS | kind::TIME;

const fn class(name: &'static str, seed: u8, rest: u8, needs: u8, adjacent: bool, extra: u8) -> Class {
    // What happened in real time includes what one client did one after the other.
    let more = if extra == kind::TIME { BY_TIME } else { extra };
    let needs = if extra == 0 { needs } else { needs | met::EXTRA };
    Class { name, seed, rest: rest | more, needs, adjacent, extra }
}

/// All classes, worst first. Where reads must be atomic to forbid a circle, one that needs it counts with those.
pub(crate) const CLASSES: [Class; 19] = [
    class("G0", kind::WW, kind::WW, 0, false, 0),
    class("G1c", kind::WR, DATA, 0, false, 0),
    class("OTV", kind::VANISHED, DATA | kind::VANISHED, 0, false, 0),
    class("fractured-read", kind::FORCED, DATA | ATOMIC, 0, false, 0),
    class("G-single", kind::RW, DATA | ATOMIC, 0, false, 0),
    class("G-nonadjacent", kind::RW, ALL, met::SECOND, false, 0),
    class("G2-item", kind::RW, ALL, met::SECOND | met::ADJACENT, true, 0),
    class("G0-process", kind::WW, kind::WW, 0, false, kind::PROCESS),
    class("G1c-process", kind::WR, DATA, 0, false, kind::PROCESS),
    class("fractured-read-process", ATOMIC, DATA | ATOMIC, 0, false, kind::PROCESS),
    class("G-single-process", kind::RW, DATA | ATOMIC, 0, false, kind::PROCESS),
    class("G-nonadjacent-process", kind::RW, ALL, met::SECOND, false, kind::PROCESS),
    class("G2-item-process", kind::RW, ALL, met::SECOND | met::ADJACENT, true, kind::PROCESS),
    class("G0-realtime", kind::WW, kind::WW, 0, false, kind::TIME),
    class("G1c-realtime", kind::WR, DATA, 0, false, kind::TIME),
    class("fractured-read-realtime", ATOMIC, DATA | ATOMIC, 0, false, kind::TIME),
    class("G-single-realtime", kind::RW, DATA | ATOMIC, 0, false, kind::TIME),
    class("G-nonadjacent-realtime", kind::RW, ALL, met::SECOND, false, kind::TIME),
    class("G2-item-realtime", kind::RW, ALL, met::SECOND | met::ADJACENT, true, kind::TIME),
];

/// Steps that all searches of one class in one component may take together; then the best so far counts.
const STEPS_MAX: usize = 20_000_000;

/// The part of the graph inside one component, with nodes numbered anew.
pub(crate) struct Part {
    pub nodes: Vec<u32>,
    graph: Graph,
}

impl Part {
    /// Whether there is a cycle by edges in `mask`.
    pub fn has_cycle(&self, mask: u8) -> bool {
        let edges = self.graph.edges(mask);
        Graph::of(&edges, self.graph.nodes(), u8::MAX).order().is_none()
    }

    /// Whether there is a cycle by edges in `mask` in which no two anti-dependencies follow each other; `count` is the
    /// number of transactions. Beginnings and commits are separate nodes, so it is a plain cycle.
    pub fn has_unguarded_cycle(&self, mask: u8, count: u32) -> bool {
        let nodes = self.graph.nodes();
        let helper = |node: u32| self.nodes[node as usize] >= count;
        let mut edges = self.graph.edges(mask);
        for edge in &mut edges {
            let missed = edge.kind & kind::RW != 0;
            edge.from += if !helper(edge.from) && !missed { nodes } else { 0 };
            edge.to += if !helper(edge.to) && missed { nodes } else { 0 };
        }
        let both = (0..nodes).map(|node| Edge { from: node, to: node + nodes, why: 0, kind: kind::PROCESS });
        edges.extend(both);
        Graph::of(&edges, nodes * 2, u8::MAX).order().is_none()
    }

    /// The nodes that are in a cycle by edges in `mask`, with how many are in one with each.
    pub fn knotted(&self, mask: u8) -> Vec<(usize, u32)> {
        let component = self.graph.components(mask);
        let mut sizes = vec![0; component.len()];
        for &one in &component {
            sizes[one as usize] += 1;
        }
        let nodes = self.nodes.iter().zip(&component).map(|(&node, &one)| (sizes[one as usize], node));
        nodes.filter(|&(size, _)| size > 1).collect()
    }

    /// The edges inside, with the nodes of the whole graph.
    pub fn edges(&self) -> Vec<Edge> {
        let mut edges = self.graph.edges(u8::MAX);
        for edge in &mut edges {
            edge.from = self.nodes[edge.from as usize];
            edge.to = self.nodes[edge.to as usize];
        }
        edges
    }

    /// Some short cycle by edges in `mask`, if there is one.
    pub fn any_cycle(&self, mask: u8) -> Option<Vec<Edge>> {
        let component = self.graph.components(mask);
        let inside = |from: u32, arc: &Arc| {
            arc.kind & mask != 0 && component[arc.to as usize] == component[from as usize]
        };
        let nodes = 0..self.graph.nodes();
        let start =
            nodes.into_iter().find(|&node| self.graph.arcs(node).iter().any(|arc| inside(node, arc)))?;
        let mut came: Vec<Option<(u32, u32)>> = vec![None; self.nodes.len()];
        let mut queue = VecDeque::from([start]);
        while let Some(node) = queue.pop_front() {
            for number in self.graph.first(node)..self.graph.first(node + 1) {
                let arc = self.graph.arc(number);
                if inside(node, &arc) && came[arc.to as usize].is_none() {
                    came[arc.to as usize] = Some((node, number));
                    queue.push_back(arc.to);
                }
            }
        }
        let (mut cycle, mut to, start_node) = (Vec::new(), start, start);
        loop {
            let (from, number) = came[to as usize]?;
            let arc = self.graph.arc(number);
            let (start, end) = (self.nodes[from as usize], self.nodes[to as usize]);
            cycle.push(Edge { from: start, to: end, why: arc.why, kind: arc.kind });
            to = from;
            if to == start_node {
                break;
            }
        }
        cycle.reverse();
        // A cycle is reported from a transaction on, not from a helper in the middle of an edge.
        let first = cycle.iter().position(|edge| edge.kind & kind::PASS == 0)?;
        cycle.rotate_left(first);
        Some(cycle)
    }
}

/// The components of more than one node, small ones first.
pub(crate) fn parts(graph: &Graph, mask: u8) -> Vec<Part> {
    let component = graph.components(mask);
    let mut members: Vec<(u32, u32)> =
        (0..).zip(&component).map(|(node, &component)| (component, node)).collect();
    members.sort_unstable();
    let mut place = vec![0u32; component.len()];
    let mut parts = Vec::new();
    for group in members.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() > 1) {
        let nodes: Vec<u32> = group.iter().map(|&(_, node)| node).collect();
        for (at, &node) in nodes.iter().enumerate() {
            place[node as usize] = at as u32;
        }
        let mut edges = Vec::new();
        for &node in &nodes {
            for arc in graph.arcs(node).iter().filter(|arc| arc.kind & mask != 0) {
                if component[arc.to as usize] == group[0].0 {
                    let (from, to) = (place[node as usize], place[arc.to as usize]);
                    edges.push(Edge { from, to, why: arc.why, kind: arc.kind });
                }
            }
        }
        let graph = Graph::of(&edges, nodes.len() as u32, mask);
        parts.push(Part { nodes, graph });
    }
    parts.sort_by_key(|part| part.nodes.len());
    parts
}

/// The components of more than one node that these edges make, with the nodes of a larger graph.
pub(crate) fn parts_of(edges: &[Edge], nodes: u32) -> Vec<Part> {
    let mut touched: Vec<u32> = edges.iter().flat_map(|edge| [edge.from, edge.to]).collect();
    touched.sort_unstable();
    touched.dedup();
    let mut numbers = vec![0u32; nodes as usize];
    for (number, &node) in (0..).zip(&touched) {
        numbers[node as usize] = number;
    }
    let renamed =
        |edge: &Edge| Edge { from: numbers[edge.from as usize], to: numbers[edge.to as usize], ..*edge };
    let edges: Vec<Edge> = edges.iter().map(renamed).collect();
    let mut parts = parts(&Graph::of(&edges, touched.len() as u32, u8::MAX), u8::MAX);
    for node in parts.iter_mut().flat_map(|part| &mut part.nodes) {
        *node = touched[*node as usize];
    }
    parts
}

/// A shortest cycle of a class in a component that has fewer than `below` edges, helpers not counted; the edges as in
/// the whole graph. The flag is false if the search was cut short, so that a shorter one, or any, may exist.
pub(crate) fn shortest(
    part: &Part,
    class: &Class,
    below: u32,
    limits: &Limits<'_>,
) -> Result<(Option<Vec<Edge>>, bool), Halt> {
    let any =
        (0..part.graph.nodes()).flat_map(|node| part.graph.arcs(node)).any(|arc| arc.kind & class.seed != 0);
    if !any {
        return Ok((None, true));
    }
    // With the second halves of helpers' edges a helper's number is above those of all that it leads to.
    let component = part.graph.components(class.rest | kind::PASS);
    let mut search = Search::new(part, class, &component, limits)?;
    let mut best: Option<Vec<Edge>> = None;
    for from in 0..part.graph.nodes() {
        for number in part.graph.first(from)..part.graph.first(from + 1) {
            let arc = part.graph.arc(number);
            let reachable = component[arc.to as usize] >= component[from as usize];
            if arc.kind & class.seed == 0 || arc.kind & kind::PASS != 0 || !reachable {
                continue;
            }
            let bound = best.as_ref().map_or(below, |best| length(best));
            if bound <= 2 {
                return Ok((best, true));
            }
            if let Some(cycle) = search.from(from, number, bound)? {
                best = Some(cycle);
            }
            if search.steps > STEPS_MAX {
                return Ok((best, false));
            }
        }
    }
    Ok((best, true))
}

/// Number of edges, a helper's two counted as one.
pub(crate) fn length(cycle: &[Edge]) -> u32 {
    cycle.iter().filter(|edge| edge.kind & kind::PASS == 0).count() as u32
}

fn is_simple(cycle: &[Edge]) -> bool {
    let mut nodes: Vec<u32> = cycle.iter().map(|edge| edge.from).collect();
    nodes.sort_unstable();
    nodes.windows(2).all(|pair| pair[0] != pair[1])
}

struct Search<'a, 'b> {
    part: &'a Part,
    class: &'a Class,
    component: &'a [u32],
    limits: &'a Limits<'b>,
    /// Which met bits the class must distinguish; the others are always 0.
    tracked: u8,
    /// Sets of tracked bits, and the number of each set.
    bits: Vec<u8>,
    numbers: [u32; 16],
    /// Per node and set of bits: the search that was here last, its distance, and the arc and state that it came by.
    seen: Vec<u32>,
    distance: Vec<u32>,
    came: Vec<(u32, u32)>,
    round: u32,
    steps: usize,
}

impl<'a, 'b> Search<'a, 'b> {
    fn new(
        part: &'a Part,
        class: &'a Class,
        component: &'a [u32],
        limits: &'a Limits<'b>,
    ) -> Result<Self, Halt> {
        let mut tracked = class.needs;
        if class.rest & kind::RW != 0 {
            tracked |= met::LAST;
        }
        let bits: Vec<u8> = (0..16).filter(|bits| bits & !tracked == 0).collect();
        let mut numbers = [0; 16];
        for (number, &set) in (0..).zip(&bits) {
            numbers[set as usize] = number;
        }
        let states = part.nodes.len() * bits.len();
        limits.memory(states * 16)?;
        Ok(Search {
            part,
            class,
            component,
            limits,
            tracked,
            bits,
            numbers,
            seen: vec![0; states],
            distance: vec![0; states],
            came: vec![(0, 0); states],
            round: 0,
            steps: 0,
        })
    }

    /// The shortest cycle through this arc, if it has fewer than `bound` edges.
    fn from(&mut self, from: u32, number: u32, bound: u32) -> Result<Option<Vec<Edge>>, Halt> {
        self.round += 1;
        let arc = self.part.graph.arc(number);
        let start = if arc.kind & kind::RW != 0 { met::LAST & self.tracked } else { 0 };
        let mut queue = VecDeque::new();
        self.reach(arc.to, start, 1, (number, u32::MAX), &mut queue, false);
        while let Some(state) = queue.pop_front() {
            let (node, bits) = self.split(state);
            let distance = self.distance[state as usize];
            if node == from && self.closes(bits) {
                let cycle = self.trace(from, state);
                // A walk that goes twice around a smaller cycle shows no more than that one does.
                if is_simple(&cycle) {
                    return Ok(Some(cycle));
                }
            }
            for next in self.part.graph.first(node)..self.part.graph.first(node + 1) {
                self.steps += 1;
                if self.steps.is_multiple_of(65_536) {
                    self.limits.check()?;
                }
                let arc = self.part.graph.arc(next);
                let free = arc.kind & kind::PASS != 0;
                // If the first edge led to a helper, that must be left by an edge of the same kind.
                let seed = free && arc.kind & self.class.seed != 0 && self.came[state as usize].1 == u32::MAX;
                if arc.kind & self.class.rest == 0 && !seed {
                    continue;
                }
                if self.component[arc.to as usize] < self.component[from as usize] {
                    continue;
                }
                let Some(bits) = self.step(bits, arc.kind) else { continue };
                let distance = distance + u32::from(!free);
                if distance < bound {
                    self.reach(arc.to, bits, distance, (next, state), &mut queue, free);
                }
            }
        }
        Ok(None)
    }

    /// The node and the met bits of a state.
    fn split(&self, state: u32) -> (u32, u8) {
        let width = self.bits.len() as u32;
        (state / width, self.bits[(state % width) as usize])
    }

    fn reach(
        &mut self,
        node: u32,
        bits: u8,
        distance: u32,
        came: (u32, u32),
        queue: &mut VecDeque<u32>,
        free: bool,
    ) {
        let state = node * self.bits.len() as u32 + self.numbers[bits as usize];
        let slot = state as usize;
        if self.seen[slot] == self.round && self.distance[slot] <= distance {
            return;
        }
        self.seen[slot] = self.round;
        self.distance[slot] = distance;
        self.came[slot] = came;
        if free {
            queue.push_front(state);
        } else {
            queue.push_back(state);
        }
    }

    /// What has been met after one more edge; None if the class forbids it here.
    fn step(&self, bits: u8, kinds: u8) -> Option<u8> {
        if kinds & kind::PASS != 0 {
            return Some(bits);
        }
        let mut next = bits & !met::LAST;
        if kinds & kind::RW != 0 {
            if bits & met::LAST != 0 {
                if !self.class.adjacent {
                    return None;
                }
                next |= met::ADJACENT;
            }
            next |= met::SECOND | met::LAST;
        }
        if kinds & self.class.extra != 0 {
            next |= met::EXTRA;
        }
        Some(next & self.tracked)
    }

    fn closes(&self, mut bits: u8) -> bool {
        // The edge that the search started from follows the last one.
        if bits & met::LAST != 0 && self.class.seed == kind::RW {
            if !self.class.adjacent {
                return false;
            }
            bits |= met::ADJACENT;
        }
        bits & self.class.needs == self.class.needs
    }

    fn trace(&self, from: u32, end: u32) -> Vec<Edge> {
        let mut cycle = Vec::new();
        let (mut state, mut to) = (end, from);
        while state != u32::MAX {
            let (number, before) = self.came[state as usize];
            let arc = self.part.graph.arc(number);
            let start = if before == u32::MAX { from } else { self.split(before).0 };
            let nodes = &self.part.nodes;
            cycle.push(Edge {
                from: nodes[start as usize],
                to: nodes[to as usize],
                why: arc.why,
                kind: arc.kind,
            });
            to = start;
            state = before;
        }
        cycle.reverse();
        cycle
    }
}
