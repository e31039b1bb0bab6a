//! An order of a graph's nodes that is kept while edges come and go (Pearce and Kelly, "A dynamic topological sort
//! algorithm for directed acyclic graphs", 2006). Only nodes between the two ends of an edge that points back are moved.

use crate::graph::Graph;
use crate::limits::{Halt, Limits};
use std::collections::VecDeque;

/// An edge that depends on no choice.
pub(crate) const SURE: u32 = u32::MAX;
const NOWHERE: u32 = u32::MAX;

#[derive(Clone, Copy)]
struct Link {
    to: u32,
    /// The choice that it belongs to, or `SURE`.
    tag: u32,
}

/// A path that an edge would close, by the tags and the ends of its edges; the edge itself is not in it.
pub(crate) struct Circle {
    pub tags: Vec<u32>,
    pub nodes: Vec<u32>,
}

pub(crate) struct Topo<'a> {
    out: &'a Graph,
    into: Graph,
    more_out: Vec<Vec<Link>>,
    more_in: Vec<Vec<Link>>,
    /// Edges added, in their order.
    added: Vec<(u32, u32)>,
    place: Vec<u32>,
    node: Vec<u32>,
    /// Per node, in a search forward: the round, and how it was come to.
    seen: Vec<u32>,
    came: Vec<(u32, u32)>,
    round: u32,
    steps: usize,
}

impl<'a> Topo<'a> {
    /// Start from an order of the graph.
    pub fn new(out: &'a Graph, order: Vec<u32>) -> Self {
        let nodes = order.len();
        let mut place = vec![0; nodes];
        for (at, &node) in (0..).zip(&order) {
            place[node as usize] = at;
        }
        Topo {
            out,
            into: out.reversed(),
            more_out: vec![Vec::new(); nodes],
            more_in: vec![Vec::new(); nodes],
            added: Vec::new(),
            place,
            node: order,
            seen: vec![0; nodes],
            came: vec![(NOWHERE, SURE); nodes],
            round: 0,
            steps: 0,
        }
    }

    pub fn bytes(nodes: usize, edges: usize) -> usize {
        nodes * 80 + edges * 12
    }

    pub fn order(&self) -> &[u32] {
        &self.node
    }

    pub fn place(&self, node: u32) -> u32 {
        self.place[node as usize]
    }

    pub fn added(&self) -> usize {
        self.added.len()
    }

    /// Take back all edges but the first `count` that were added. The order stays one.
    pub fn retract(&mut self, count: usize) {
        while self.added.len() > count {
            if let Some((from, to)) = self.added.pop() {
                self.more_out[from as usize].pop();
                self.more_in[to as usize].pop();
            }
        }
    }

    /// Add an edge; if it would close a circle, it is left out and the circle comes back.
    pub fn add(&mut self, from: u32, to: u32, tag: u32, limits: &Limits<'_>) -> Result<Option<Circle>, Halt> {
        if from == to {
            return Ok(Some(Circle { tags: Vec::new(), nodes: vec![from] }));
        }
        if self.place(from) > self.place(to) {
            if let Some(circle) = self.make_room(from, to, limits)? {
                return Ok(Some(circle));
            }
        }
        self.more_out[from as usize].push(Link { to, tag });
        self.more_in[to as usize].push(Link { to: from, tag });
        self.added.push((from, to));
        Ok(None)
    }

    /// Move all that `to` leads to behind all that leads to `from`.
    fn make_room(&mut self, from: u32, to: u32, limits: &Limits<'_>) -> Result<Option<Circle>, Halt> {
        let (low, high) = (self.place(to), self.place(from));
        let mut after = self.forward(to, from, high, limits)?;
        if self.seen[from as usize] == self.round {
            return Ok(Some(self.trace(to, from)));
        }
        let mut before = self.backward(from, low, limits)?;
        before.sort_unstable_by_key(|&node| self.place[node as usize]);
        after.sort_unstable_by_key(|&node| self.place[node as usize]);
        before.extend(after);
        let mut places: Vec<u32> = before.iter().map(|&node| self.place[node as usize]).collect();
        places.sort_unstable();
        for (&node, &place) in before.iter().zip(&places) {
            self.place[node as usize] = place;
            self.node[place as usize] = node;
        }
        Ok(None)
    }

    fn forward(&mut self, start: u32, goal: u32, high: u32, limits: &Limits<'_>) -> Result<Vec<u32>, Halt> {
        self.round += 1;
        let round = self.round;
        let mut found = vec![start];
        let mut queue = VecDeque::from([start]);
        self.seen[start as usize] = round;
        while let Some(node) = queue.pop_front() {
            let arcs = self.out.arcs(node).iter().map(|arc| Link { to: arc.to, tag: SURE });
            for link in arcs.chain(self.more_out[node as usize].iter().copied()) {
                let to = link.to as usize;
                if self.place[to] > high || self.seen[to] == round {
                    continue;
                }
                self.seen[to] = round;
                self.came[to] = (node, link.tag);
                if link.to == goal {
                    return Ok(found);
                }
                found.push(link.to);
                queue.push_back(link.to);
            }
            self.steps += 1;
            if self.steps.is_multiple_of(65_536) {
                limits.check()?;
            }
        }
        Ok(found)
    }

    fn backward(&mut self, start: u32, low: u32, limits: &Limits<'_>) -> Result<Vec<u32>, Halt> {
        self.round += 1;
        let round = self.round;
        let mut found = vec![start];
        self.seen[start as usize] = round;
        let mut at = 0;
        while at < found.len() {
            let node = found[at];
            at += 1;
            let arcs = self.into.arcs(node).iter().map(|arc| arc.to);
            for to in arcs.chain(self.more_in[node as usize].iter().map(|link| link.to)) {
                if self.place[to as usize] >= low && self.seen[to as usize] != round {
                    self.seen[to as usize] = round;
                    found.push(to);
                }
            }
            self.steps += 1;
            if self.steps.is_multiple_of(65_536) {
                limits.check()?;
            }
        }
        Ok(found)
    }

    fn trace(&self, start: u32, end: u32) -> Circle {
        let (mut tags, mut nodes) = (Vec::new(), vec![end]);
        let mut at = end;
        while at != start {
            let (before, tag) = self.came[at as usize];
            if tag != SURE {
                tags.push(tag);
            }
            nodes.push(before);
            at = before;
        }
        nodes.reverse();
        tags.sort_unstable();
        tags.dedup();
        Circle { tags, nodes }
    }
}
