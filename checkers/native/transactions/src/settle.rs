//! Registers: writes that nobody read have no place in the graph yet. Find one for each, or show that there is none.
//!
//! An order of the graph is replayed; where a read finds another write than it had seen, that write belongs before the
//! one seen or after the read. If the graph forces one of the two, that is a new edge, and a cycle with it is an anomaly
//! (the rule by which consistency of a partial order of registers is saturated, Biswas and Enea, OOPSLA 2019). Else one
//! is guessed by real time. For few transactions all guesses are tried, so that the answer is exact.

use crate::graph::{kind, Edge, Graph};
use crate::limits::{Halt, Limits};
use crate::register::{Registers, UNTOLD};
use crate::replay::{register, Mismatch};
use crate::txns::Txns;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Rounds of replaying and mending a large history.
const ROUNDS_MAX: usize = 60;
/// How often one guess is turned over.
const TURNS_MAX: u8 = 3;
/// Steps of one search for a path inside the graph's order.
const STEPS_MAX: usize = 20_000;
/// Orders tried when all guesses are tried.
const ORDERS_MAX: usize = 5_000;
const ORDERS_TRIED_BELOW: usize = 2_000;

pub(crate) enum Settled {
    /// An order that explains every read.
    Order(Vec<u32>),
    /// Edges that the graph forces, and that make a cycle.
    Cycle(Vec<Edge>),
    /// Every choice ends in a cycle; a place where the choice failed.
    Impossible(Mismatch),
    /// Not known in the limits given.
    Open,
}

pub(crate) struct Settling<'a> {
    pub txns: &'a Txns,
    pub registers: &'a Registers,
    pub limits: &'a Limits<'a>,
    pub nodes: u32,
    pub edges: Vec<Edge>,
}

impl Settling<'_> {
    pub fn settle(mut self) -> Result<Settled, Halt> {
        let certain = self.edges.len();
        let mut forced: Vec<Edge> = Vec::new();
        let mut guessed: Vec<Guess> = Vec::new();
        for _ in 0..ROUNDS_MAX {
            self.limits.check()?;
            self.edges.truncate(certain);
            self.edges.extend(&forced);
            let sure = Graph::of(&self.edges, self.nodes, u8::MAX);
            self.edges.extend(guessed.iter().map(|guess| guess.edge));
            let graph = Graph::of(&self.edges, self.nodes, u8::MAX);
            let Some(order) = self.order(&graph) else {
                let Some(order) = self.order(&sure) else { return Ok(Settled::Cycle(forced)) };
                if reconsider(&graph, &sure, &places(&order), &mut guessed, &mut forced) {
                    continue;
                }
                break;
            };
            let wrong = register(self.txns, self.registers, &self.only_txns(&order));
            if wrong.is_empty() {
                return Ok(Settled::Order(order));
            }
            let place = places(&order);
            // Where null was written, a read of null leaves too much open to guess: all of it is tried below.
            let told: Vec<&Mismatch> = wrong.iter().filter(|mismatch| self.told(mismatch)).collect();
            if told.is_empty() {
                break;
            }
            // What a guess forces is a guess too.
            for mismatch in told {
                let sides = self.sides(mismatch);
                if let Some(edges) = by_force(&sure, &place, &sides) {
                    forced.extend(edges);
                } else {
                    let [after, before] = sides;
                    let edge = match by_force(&graph, &place, &sides).as_deref() {
                        Some([only]) => *only,
                        _ => self.guess(&sides),
                    };
                    let other = if edge.kind == after.kind { before } else { after };
                    guessed.push(Guess { edge, other, turned: 0 });
                }
            }
        }
        self.edges.truncate(certain);
        self.edges.extend(&forced);
        if self.txns.list.len() > ORDERS_TRIED_BELOW {
            return Ok(Settled::Open);
        }
        let mut budget = ORDERS_MAX;
        let found = self.exhaust(&mut budget)?;
        Ok(if matches!(found, Settled::Cycle(_)) { Settled::Cycle(forced) } else { found })
    }

    /// Try both sides of each choice, depth first.
    fn exhaust(&mut self, budget: &mut usize) -> Result<Settled, Halt> {
        self.limits.check()?;
        let graph = Graph::of(&self.edges, self.nodes, u8::MAX);
        let Some(order) = self.order(&graph) else { return Ok(Settled::Cycle(Vec::new())) };
        let Some(mismatch) = register(self.txns, self.registers, &self.only_txns(&order)).first().copied()
        else {
            return Ok(Settled::Order(order));
        };
        let Some(choices) = self.choices(&mismatch) else { return Ok(Settled::Open) };
        for choice in choices {
            if *budget == 0 {
                return Ok(Settled::Open);
            }
            *budget -= 1;
            let before = self.edges.len();
            self.edges.extend(choice);
            let found = self.exhaust(budget)?;
            self.edges.truncate(before);
            if matches!(found, Settled::Order(_) | Settled::Open) {
                return Ok(found);
            }
        }
        Ok(Settled::Impossible(mismatch))
    }

    fn told(&self, mismatch: &Mismatch) -> bool {
        self.registers.deals[mismatch.deal as usize].saw != UNTOLD
    }

    /// All that can mend a mismatch, each as edges that must hold together. A read of null whose write cannot be told
    /// comes before the intruder, or a write of null between the two. None if that one may be of unknown outcome.
    fn choices(&self, mismatch: &Mismatch) -> Option<Vec<Vec<Edge>>> {
        if self.told(mismatch) {
            return Some(self.sides(mismatch).into_iter().map(|side| vec![side]).collect());
        }
        let reader = &self.registers.deals[mismatch.deal as usize];
        let intruder = self.txns.mops[mismatch.found as usize].txn;
        let edge = |from, to, kind| Edge { from, to, why: reader.read, kind };
        let mut choices = vec![vec![edge(reader.txn, intruder, kind::RW)]];
        for txn in self.registers.nulls(self.txns, reader.key) {
            if !self.txns.list[txn as usize].committed {
                return None;
            }
            if txn != reader.txn && txn != intruder {
                choices.push(vec![edge(intruder, txn, kind::WW), edge(txn, reader.txn, kind::WR)]);
            }
        }
        Some(choices)
    }

    /// The intruder after the reader, or before the write that was seen.
    fn sides(&self, mismatch: &Mismatch) -> [Edge; 2] {
        let reader = &self.registers.deals[mismatch.deal as usize];
        let intruder = self.txns.mops[mismatch.found as usize].txn;
        let after = Edge { from: reader.txn, to: intruder, why: reader.read, kind: kind::RW };
        let Some(saw) = self.txns.mops.get(reader.saw as usize).map(|saw| saw.txn) else {
            // Nothing comes before the beginning.
            return [after, after];
        };
        [after, Edge { from: intruder, to: saw, why: reader.saw, kind: kind::WW }]
    }

    /// The side that fits the times of completion.
    fn guess(&self, [after, before]: &[Edge; 2]) -> Edge {
        let ended = |txn: u32| self.txns.list[txn as usize].complete;
        if ended(after.to) > ended(after.from) {
            *after
        } else {
            *before
        }
    }

    /// An order by the graph, and where that leaves a choice by the time of completion: most stores take effect in
    /// about that order.
    fn order(&self, graph: &Graph) -> Option<Vec<u32>> {
        let rank = |node: u32| self.txns.list.get(node as usize).map_or(0, |txn| txn.complete);
        let mut open = graph.incoming();
        let free = (0..graph.nodes()).filter(|&node| open[node as usize] == 0);
        let mut queue: BinaryHeap<Reverse<(u32, u32)>> =
            free.map(|node| Reverse((rank(node), node))).collect();
        let mut order = Vec::with_capacity(open.len());
        while let Some(Reverse((_, node))) = queue.pop() {
            order.push(node);
            for arc in graph.arcs(node) {
                open[arc.to as usize] -= 1;
                if open[arc.to as usize] == 0 {
                    queue.push(Reverse((rank(arc.to), arc.to)));
                }
            }
        }
        (order.len() == open.len()).then_some(order)
    }

    fn only_txns(&self, order: &[u32]) -> Vec<u32> {
        let happened = |node: &u32| self.txns.list.get(*node as usize).is_some_and(|txn| txn.committed);
        order.iter().copied().filter(happened).collect()
    }
}

/// A side that was chosen, and the one that was not.
struct Guess {
    edge: Edge,
    other: Edge,
    /// How often the choice was turned over.
    turned: u8,
}

/// Mend guesses that closed a cycle: what the sure edges rule out is settled for good, the rest is turned over. False if
/// nothing is left to change.
fn reconsider(
    graph: &Graph,
    sure: &Graph,
    place: &[u32],
    guessed: &mut Vec<Guess>,
    forced: &mut Vec<Edge>,
) -> bool {
    let component = graph.components(u8::MAX);
    let before = forced.len();
    let inside = |guess: &Guess| component[guess.edge.from as usize] == component[guess.edge.to as usize];
    guessed.retain(|guess| {
        let impossible = inside(guess) && reaches(sure, place, guess.edge.to, guess.edge.from);
        if impossible {
            forced.push(guess.other);
        }
        !impossible
    });
    if forced.len() > before {
        return true;
    }
    let mut changed = false;
    for guess in guessed.iter_mut().filter(|guess| guess.turned < TURNS_MAX && inside(guess)) {
        std::mem::swap(&mut guess.edge, &mut guess.other);
        guess.turned += 1;
        changed = true;
    }
    changed
}

/// The sides that must hold in any order of this graph; both if neither can, and None if either may.
fn by_force(graph: &Graph, place: &[u32], [after, before]: &[Edge; 2]) -> Option<Vec<Edge>> {
    let (reader, intruder, saw) = (after.from, after.to, before.to);
    let must_follow = reaches(graph, place, saw, intruder);
    let must_precede = reaches(graph, place, intruder, reader);
    match (must_follow, must_precede) {
        (true, true) => Some(vec![*after, *before]),
        (true, false) => Some(vec![*after]),
        (false, true) => Some(vec![*before]),
        (false, false) => None,
    }
}

fn places(order: &[u32]) -> Vec<u32> {
    let mut place = vec![0; order.len()];
    for (at, &node) in (0..).zip(order) {
        place[node as usize] = at;
    }
    place
}

/// Whether there is a path, as far as a bounded search can tell; only nodes between the two in the order can be on it.
fn reaches(graph: &Graph, place: &[u32], from: u32, to: u32) -> bool {
    if place[from as usize] >= place[to as usize] {
        return false;
    }
    let mut seen = std::collections::HashSet::from([from]);
    let mut waiting = vec![from];
    let mut steps = 0;
    while let Some(node) = waiting.pop() {
        for arc in graph.arcs(node) {
            if arc.to == to {
                return true;
            }
            steps += 1;
            if steps > STEPS_MAX {
                return false;
            }
            if place[arc.to as usize] < place[to as usize] && seen.insert(arc.to) {
                waiting.push(arc.to);
            }
        }
    }
    false
}
