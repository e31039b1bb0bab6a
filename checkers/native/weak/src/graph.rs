//! What must come before what, and why; a cycle is a contradiction.

use std::collections::VecDeque;

/// Why one operation comes before another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// Its session did so.
    Session,
    /// The other one read what it wrote.
    ReadFrom,
    /// It was visible at the read `by`, which saw the other one.
    Seen,
    /// It read what `by` wrote, and the other one overwrote that.
    Overwritten,
    /// A queue gives what it was given first.
    Queue,
    /// A lock has one holder, and its tokens grow.
    Held,
    /// A counter only grows.
    Counted,
    /// The initial value comes before every write.
    Initial,
}

/// An edge; `round` is when it was derived.
#[derive(Clone, Copy, Debug)]
pub struct Edge {
    pub to: u32,
    pub why: Why,
    pub by: u32,
    pub round: u32,
}

/// An edge with both its ends.
pub type Step = (u32, Edge);

/// A directed graph whose edges carry reasons.
pub struct Graph {
    pub out: Vec<Vec<Edge>>,
}

impl Graph {
    pub fn new(nodes: usize) -> Self {
        Graph { out: vec![Vec::new(); nodes] }
    }

    pub fn add(&mut self, from: u32, to: u32, why: Why, by: u32, round: u32) {
        self.out[from as usize].push(Edge { to, why, by, round });
    }

    /// An order of all nodes; Err: the nodes that are left when no more can be placed.
    pub fn order(&self) -> Result<Vec<u32>, Vec<u32>> {
        let mut waits = vec![0u32; self.out.len()];
        self.out.iter().flatten().for_each(|edge| waits[edge.to as usize] += 1);
        let mut order: Vec<u32> = (0..self.out.len() as u32).filter(|&at| waits[at as usize] == 0).collect();
        let mut next = 0;
        while next < order.len() {
            for edge in &self.out[order[next] as usize] {
                waits[edge.to as usize] -= 1;
                if waits[edge.to as usize] == 0 {
                    order.push(edge.to);
                }
            }
            next += 1;
        }
        if order.len() == self.out.len() {
            return Ok(order);
        }
        Err((0..self.out.len() as u32).filter(|&at| waits[at as usize] > 0).collect())
    }

    /// A short cycle, if there is any: the shortest through one of the first nodes that are on any.
    pub fn cycle(&self) -> Option<Vec<Step>> {
        const STARTS: usize = 32;
        let left = self.order().err()?;
        let mut best: Option<Vec<Step>> = None;
        let mut found = 0;
        for &start in &left {
            if let Some(path) = self.path(start, start, u32::MAX) {
                found += 1;
                if best.as_ref().is_none_or(|best| path.len() < best.len()) {
                    best = Some(path);
                }
            }
            if found == STARTS {
                break;
            }
        }
        best
    }

    /// The shortest way of at least one edge from one node to another, by edges derived before this round.
    pub fn path(&self, from: u32, to: u32, before: u32) -> Option<Vec<Step>> {
        let mut came: Vec<Option<Step>> = vec![None; self.out.len()];
        let mut queue = VecDeque::from([from]);
        while let Some(at) = queue.pop_front() {
            for &edge in self.out[at as usize].iter().filter(|edge| edge.round < before) {
                if came[edge.to as usize].is_some() {
                    continue;
                }
                came[edge.to as usize] = Some((at, edge));
                if edge.to == to {
                    return Some(back(&came, from, to));
                }
                queue.push_back(edge.to);
            }
        }
        None
    }

    /// The steps of a cycle, and those from which its derived steps follow.
    pub fn grounds(&self, cycle: &[Step]) -> Vec<Step> {
        let mut all: Vec<Step> = Vec::new();
        let mut open: Vec<Step> = cycle.to_vec();
        while let Some((from, edge)) = open.pop() {
            if all.iter().any(|(known, other)| *known == from && other.to == edge.to && other.by == edge.by) {
                continue;
            }
            all.push((from, edge));
            let shown = match edge.why {
                Why::Seen => self.path(from, edge.by, edge.round),
                Why::Overwritten => self.path(edge.by, edge.to, edge.round),
                Why::Session | Why::ReadFrom | Why::Initial | Why::Held | Why::Counted | Why::Queue => None,
            };
            open.extend(shown.unwrap_or_default());
        }
        all
    }
}

fn back(came: &[Option<Step>], from: u32, to: u32) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut at = to;
    while let Some(step) = came[at as usize] {
        steps.push(step);
        at = step.0;
        if at == from {
            break;
        }
    }
    steps.reverse();
    steps
}
