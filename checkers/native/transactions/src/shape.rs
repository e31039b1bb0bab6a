//! The shape of a graph: its knots, and an order of all nodes that only edges inside a knot may contradict.
//!
//! A knot is a strongly connected component of more than one node. A circle has to go back somewhere, so with such an
//! order at hand it lies within the stretches between the two ends of edges that point back (`Windows`): a long history
//! with one small knot is searched around that knot alone.

use crate::graph::{Edge, Graph};
use columns::NONE;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

pub(crate) struct Shape {
    /// All nodes. No edge points back but inside a knot.
    pub order: Vec<u32>,
    /// Where each node stands in it.
    pub place: Vec<u32>,
    /// Per node the knot that it is in, `NONE` outside; empty without a knot.
    pub knots: Vec<u32>,
}

impl Shape {
    /// Knots by taking away what has nothing before it (Kahn), then Tarjan's algorithm on the rest.
    pub fn of(graph: &Graph) -> Shape {
        let mut order = graph.kahn();
        let count = graph.nodes() as usize;
        let mut knots = Vec::new();
        if order.len() < count {
            knots = vec![NONE; count];
            let mut is_left = vec![true; count];
            for &node in &order {
                is_left[node as usize] = false;
            }
            let left: Vec<u32> = (0..graph.nodes()).filter(|&node| is_left[node as usize]).collect();
            let component = graph.components_from(u8::MAX, left.iter().copied());
            let mut members: Vec<(Reverse<u32>, u32)> =
                left.iter().map(|&node| (Reverse(component[node as usize]), node)).collect();
            members.sort_unstable();
            for group in members.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() > 1) {
                for &(number, node) in group {
                    knots[node as usize] = number.0;
                }
            }
            order.extend(members.iter().map(|&(_, node)| node));
        }
        let place = places(&order);
        Shape { order, place, knots }
    }

    /// The same with an order that goes by the earliest deadline of all that must follow, where the edges leave a
    /// choice: most stores take effect in about that order. `ended` says when a node was over, `NONE` for never.
    pub fn by_deadline(self, graph: &Graph, ended: impl Fn(u32) -> u32) -> Shape {
        let mut due = vec![NONE; self.order.len()];
        let mut open = vec![0u32; self.order.len()];
        for &node in self.order.iter().rev() {
            let mut earliest = ended(node);
            for arc in graph.arcs(node).iter().filter(|arc| !self.tied(node, arc.to)) {
                earliest = earliest.min(due[arc.to as usize]);
                open[arc.to as usize] += 1;
            }
            due[node as usize] = earliest;
        }
        let free = (0..graph.nodes()).filter(|&node| open[node as usize] == 0);
        let mut queue: BinaryHeap<Reverse<(u32, u32)>> =
            free.map(|node| Reverse((due[node as usize], node))).collect();
        let mut order = Vec::with_capacity(open.len());
        while let Some(Reverse((_, node))) = queue.pop() {
            order.push(node);
            for arc in graph.arcs(node).iter().filter(|arc| !self.tied(node, arc.to)) {
                open[arc.to as usize] -= 1;
                if open[arc.to as usize] == 0 {
                    queue.push(Reverse((due[arc.to as usize], arc.to)));
                }
            }
        }
        let place = places(&order);
        Shape { order, place, knots: self.knots }
    }

    /// Whether no edge at all points back.
    pub fn acyclic(&self) -> bool {
        self.knots.is_empty()
    }

    /// Whether two nodes are in one knot.
    pub fn tied(&self, one: u32, other: u32) -> bool {
        !self.knots.is_empty()
            && self.knots[one as usize] != NONE
            && self.knots[one as usize] == self.knots[other as usize]
    }

    /// The graph without the edges inside knots.
    pub fn untied(&self, graph: &Graph) -> Graph {
        let mut edges = graph.edges(u8::MAX);
        edges.retain(|edge| !self.tied(edge.from, edge.to));
        Graph::of(&edges, graph.nodes(), u8::MAX)
    }

    /// Where the graph's circles lie, with more edges than it has.
    pub fn windows(&self, graph: &Graph, more: &[Edge]) -> Windows {
        let mut back = Vec::new();
        for node in (0..self.knots.len() as u32).filter(|&node| self.knots[node as usize] != NONE) {
            for arc in graph.arcs(node).iter().filter(|arc| self.tied(node, arc.to)) {
                back.push((self.place[arc.to as usize], self.place[node as usize]));
            }
        }
        let ends = more.iter().map(|edge| (self.place[edge.to as usize], self.place[edge.from as usize]));
        back.extend(ends);
        Windows::of(back, self.order.len())
    }
}

/// Where each node stands in an order of all.
pub(crate) fn places(order: &[u32]) -> Vec<u32> {
    let mut place = vec![0; order.len()];
    for (at, &node) in (0..).zip(order) {
        place[node as usize] = at;
    }
    place
}

/// Stretches of an order that hold every circle.
pub(crate) struct Windows {
    /// From and to, both inside, apart from each other and in their order.
    ranges: Vec<(u32, u32)>,
    /// Per place of the order.
    inside: Vec<bool>,
}

impl Windows {
    /// Stretches that cover all edges which point back. Edges are given by the places of their ends, the end first;
    /// what points forward is passed over.
    pub fn of(mut back: Vec<(u32, u32)>, nodes: usize) -> Windows {
        back.retain(|&(to, from)| to < from);
        back.sort_unstable();
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for (first, last) in back {
            match ranges.last_mut() {
                Some(range) if first <= range.1 => range.1 = range.1.max(last),
                _ => ranges.push((first, last)),
            }
        }
        let mut inside = vec![false; nodes];
        for &(first, last) in &ranges {
            inside[first as usize..=last as usize].fill(true);
        }
        Windows { ranges, inside }
    }

    pub fn holds(&self, place: u32) -> bool {
        self.inside.get(place as usize).copied().unwrap_or(false)
    }

    /// The nodes inside, in their order.
    pub fn nodes<'a>(&'a self, order: &'a [u32]) -> impl Iterator<Item = u32> + 'a {
        let ranges = self.ranges.iter();
        ranges.flat_map(|&(first, last)| order[first as usize..=last as usize].iter().copied())
    }

    /// The graph's edges of kinds in `mask` with both ends inside.
    pub fn edges(&self, graph: &Graph, mask: u8, order: &[u32], place: &[u32]) -> Vec<Edge> {
        let mut edges = Vec::new();
        for from in self.nodes(order) {
            let arcs = graph.arcs(from).iter();
            for arc in arcs.filter(|arc| arc.kind & mask != 0 && self.holds(place[arc.to as usize])) {
                edges.push(Edge { from, to: arc.to, why: arc.why, kind: arc.kind });
            }
        }
        edges
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cycles::{parts, parts_of};
    use crate::graph::kind;

    /// Random graphs: the order is one but for knots, and the windows hold every knot of the graph with more edges.
    #[test]
    fn windows_hold_every_circle() {
        let mut seed = 5u64;
        for round in 0..2_000 {
            let mut next = |below: u64| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                ((seed >> 33) % below) as u32
            };
            let mut edges: Vec<Edge> = (0..14)
                .map(|_| Edge { from: next(12), to: next(12), why: 0, kind: kind::WW })
                .filter(|edge| edge.from != edge.to)
                .collect();
            let more: Vec<Edge> = (0..3)
                .map(|_| Edge { from: next(12), to: next(12), why: 0, kind: kind::FORCED })
                .filter(|edge| edge.from != edge.to)
                .collect();
            let graph = Graph::of(&edges, 12, u8::MAX);
            let shape = Shape::of(&graph);
            let shape = if round % 2 == 0 { shape } else { shape.by_deadline(&graph, |node| node * 7 % 5) };
            assert_eq!(shape.acyclic(), graph.order().is_some());
            for edge in &edges {
                let forward = shape.place[edge.from as usize] < shape.place[edge.to as usize];
                assert!(forward || shape.tied(edge.from, edge.to), "{edges:?}");
            }
            assert!(shape.untied(&graph).order().is_some());
            let windows = shape.windows(&graph, &more);
            let mut within = windows.edges(&graph, u8::MAX, &shape.order, &shape.place);
            let holds = |node: u32| windows.holds(shape.place[node as usize]);
            within.extend(more.iter().filter(|edge| holds(edge.from) && holds(edge.to)));
            let mut found: Vec<Vec<u32>> = parts_of(&within, 12).into_iter().map(|part| part.nodes).collect();
            edges.extend(&more);
            let all = Graph::of(&edges, 12, u8::MAX);
            let mut wanted: Vec<Vec<u32>> = parts(&all, u8::MAX).into_iter().map(|part| part.nodes).collect();
            found.sort();
            wanted.sort();
            assert_eq!(found, wanted, "{edges:?}");
        }
    }
}
