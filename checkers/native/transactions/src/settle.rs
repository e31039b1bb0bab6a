//! An order of transactions that explains every read, one after the other or from snapshots, or the proof that there is
//! none.
//!
//! Some versions have no known order: writes of registers that were never read, or only by others, and appends that no
//! list shows. An order of the known dependencies is replayed; where a read finds another write than it had seen, or two
//! that wrote one key ran at once, which of the two writes came first is a choice (`choices`), decided by real time until
//! something contradicts it. Choices that nothing asks for are never made: unread writes stay where real time
//! has them. Limits are those of the check alone.
//!
//! Snapshots are the same with two nodes for each transaction, its beginning and its commit: reads happen at the one,
//! writes at the other, and of two that wrote one key one committed before the other began. That is snapshot isolation
//! (Cerone and Gotsman, "Analysing snapshot isolation", 2016).

use crate::append::Versions;
use crate::choices::{is_whole, Choices, Core, Fit};
use crate::graph::{kind, Edge, Graph};
use crate::limits::{Halt, Limits};
use crate::register::{Registers, UNTOLD};
use crate::seen::Seen;
use crate::shape::Shape;
use crate::topo::Topo;
use crate::txns::{Txns, F};
use columns::NONE;

pub(crate) enum Settled {
    /// An order that explains every read.
    Order(Found),
    /// There is none. The transactions that show it, and whether these are all that it takes; the write that fits
    /// nowhere in the end, and the read or write that it contradicts.
    Never(Refutation),
    /// The known dependencies go in a circle already.
    Circle,
    /// Not known: some read does not show which write it saw.
    Open,
}

/// An order that explains every read but those passed over.
pub(crate) struct Found {
    /// Where each transaction stands (at its commit); `NONE` for what did not happen.
    pub place: Vec<u32>,
    /// All nodes; with snapshots, beginnings and commits.
    pub order: Vec<u32>,
    pub passed: Vec<Clash>,
}

pub(crate) struct Refutation {
    pub txns: Vec<u32>,
    pub whole: bool,
    pub clash: Clash,
}

/// Something that the order at hand does not explain; micro-operations and deals by their numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Clash {
    /// The read of this deal finds another write.
    Read { deal: u32, found: u32 },
    /// Two that ran at once wrote the same key.
    Write { first: u32, second: u32 },
}

/// What an order does not explain, and what of that is passed over.
struct Wrong {
    clashes: Vec<Clash>,
    passed: Vec<Clash>,
}

pub(crate) struct Problem<'a> {
    txns: &'a Txns,
    seen: &'a Seen,
    limits: &'a Limits<'a>,
    /// Nodes of the graph of transactions and helpers.
    nodes: u32,
    snapshots: bool,
    /// Only these transactions; None: all.
    only: Option<Vec<bool>>,
    /// What goes wrong inside a knot of dependencies is passed over.
    apart: bool,
}

impl<'a> Problem<'a> {
    /// Transactions one after the other, or from snapshots.
    pub fn new(txns: &'a Txns, seen: &'a Seen, limits: &'a Limits<'a>, nodes: u32, snapshots: bool) -> Self {
        Problem { txns, seen, limits, nodes, snapshots, only: None, apart: false }
    }

    /// Leave out all but these transactions, which the caller knows to fit in.
    pub fn of(self, only: Option<Vec<bool>>) -> Self {
        Problem { only, ..self }
    }

    /// Pass over what goes wrong inside a knot.
    pub fn apart(self) -> Self {
        Problem { apart: true, ..self }
    }

    /// Whether a read that finds another write than it had seen has to do with a knot.
    fn in_knot(&self, shape: &Shape, reader: u32, saw: u32, found: u32) -> bool {
        let knot = |txn: u32| shape.knots.get(txn as usize).copied().filter(|&knot| knot != NONE);
        let of = |mop: u32| self.txns.mops.get(mop as usize).and_then(|mop| knot(mop.txn));
        let txn_of = |mop: u32| self.txns.mops.get(mop as usize).map(|mop| mop.txn);
        // What only a knot could explain, or nothing: a write that did not last, or did not happen.
        let lasting = |txn: u32| self.txns.list[txn as usize].committed && txn_of(found) != Some(txn);
        if txn_of(saw).is_some_and(|txn| !lasting(txn)) {
            return true;
        }
        let all = [knot(reader), of(saw), of(found)];
        (0..3).any(|at| all[at].is_some() && all[at] == all[(at + 1) % 3])
    }

    /// Settle what the edges leave open.
    pub fn settle(&self, edges: &[Edge]) -> Result<Settled, Halt> {
        let graph = if self.snapshots {
            Graph::of(&self.doubled(edges), self.nodes * 2, u8::MAX)
        } else {
            Graph::of(edges, self.nodes, u8::MAX)
        };
        self.settle_on(&graph, &self.shape(&graph))
    }

    /// The same on a graph that has the edges already; with snapshots, of beginnings and commits.
    pub fn settle_on(&self, graph: &Graph, shape: &Shape) -> Result<Settled, Halt> {
        if !shape.acyclic() && !self.apart {
            return Ok(Settled::Circle);
        }
        let order = &shape.order;
        let held = self.txns.bytes() + self.seen.bytes();
        self.limits.memory(held + Topo::bytes(order.len(), graph.first(graph.nodes()) as usize))?;
        let mut wrong = self.replay(order, shape);
        if wrong.clashes.iter().any(|clash| self.untold(clash)) {
            return Ok(Settled::Open);
        }
        if wrong.clashes.is_empty() {
            return Ok(Settled::Order(self.found(order.clone(), wrong.passed)));
        }
        let untied;
        let graph = if shape.acyclic() {
            graph
        } else {
            untied = shape.untied(graph);
            &untied
        };
        let mut choices = Choices::new(Topo::new(graph, order.clone()), self.limits);
        loop {
            let before = (choices.count(), choices.conflicts, choices.topo.added());
            for &clash in &wrong.clashes {
                let fit = self.resolve(clash, &mut choices)?;
                if let Fit::Never(core) = fit {
                    return Ok(Settled::Never(self.refutation(core, clash)));
                }
            }
            self.limits.check()?;
            if before == (choices.count(), choices.conflicts, choices.topo.added()) {
                return Ok(Settled::Open);
            }
            wrong = self.replay(choices.topo.order(), shape);
            if wrong.clashes.is_empty() {
                return Ok(Settled::Order(self.found(choices.topo.order().to_vec(), wrong.passed)));
            }
            if wrong.clashes.iter().any(|clash| self.untold(clash)) {
                return Ok(Settled::Open);
            }
        }
    }

    /// The order of a shape, with all reads that it does not explain passed over.
    pub fn nearly(&self, shape: &Shape) -> Found {
        let wrong = self.replay(&shape.order, shape);
        self.found(shape.order.clone(), [wrong.clashes, wrong.passed].concat())
    }

    fn untold(&self, clash: &Clash) -> bool {
        match (clash, self.seen) {
            (Clash::Read { deal, .. }, Seen::Register(registers)) => {
                registers.deals[*deal as usize].saw == UNTOLD
            }
            (Clash::Read { .. }, Seen::Append(_)) => true,
            (Clash::Write { .. }, _) => false,
        }
    }

    fn begin(&self, txn: u32) -> u32 {
        txn
    }

    fn commit(&self, txn: u32) -> u32 {
        if self.snapshots {
            txn + self.nodes
        } else {
            txn
        }
    }

    /// The transaction of a node; helpers have none.
    fn txn_of(&self, node: u32) -> Option<u32> {
        let txn = if node >= self.nodes { node - self.nodes } else { node };
        let happened = self.txns.list.get(txn as usize).is_some_and(|txn| txn.committed);
        let wanted = self.only.as_ref().is_none_or(|only| only.get(txn as usize).copied().unwrap_or(false));
        (happened && wanted).then_some(txn)
    }

    fn refutation(&self, core: Core, clash: Clash) -> Refutation {
        let whole = is_whole(&core);
        let mut txns: Vec<u32> = core.into_iter().filter_map(|node| self.txn_of(node)).collect();
        let txn_of = |mop: u32| self.txns.mops.get(mop as usize).map(|mop| mop.txn);
        match (clash, self.seen) {
            (Clash::Read { deal, found }, Seen::Register(registers)) => {
                let deal = registers.deals[deal as usize];
                txns.extend(txn_of(deal.saw).into_iter().chain(txn_of(found)).chain([deal.txn]));
            }
            (Clash::Read { found, .. }, Seen::Append(_)) => txns.extend(txn_of(found)),
            (Clash::Write { first, second }, _) => {
                txns.extend(txn_of(first).into_iter().chain(txn_of(second)));
            }
        }
        txns.sort_unstable();
        txns.dedup();
        Refutation { txns, whole, clash }
    }

    fn found(&self, order: Vec<u32>, passed: Vec<Clash>) -> Found {
        let mut place = vec![NONE; self.txns.list.len()];
        for (at, &node) in (0..).zip(&order) {
            if self.snapshots && node < self.nodes {
                continue;
            }
            if let Some(txn) = self.txn_of(node) {
                place[txn as usize] = at;
            }
        }
        Found { place, order, passed }
    }

    /// Beginnings and commits instead of transactions.
    fn doubled(&self, edges: &[Edge]) -> Vec<Edge> {
        let count = self.txns.list.len() as u32;
        let mut doubled: Vec<Edge> = Vec::with_capacity(edges.len() + count as usize);
        for edge in edges {
            let missed = edge.kind & kind::RW != 0;
            let (mut from, mut to) = (edge.from, edge.to);
            if from < count && !missed {
                from = self.commit(from);
            }
            if to < count && missed {
                to = self.commit(to);
            }
            doubled.push(Edge { from, to, ..*edge });
        }
        let both =
            (0..count).map(|txn| Edge { from: txn, to: self.commit(txn), why: NONE, kind: kind::PROCESS });
        doubled.extend(both);
        doubled
    }

    /// Knots and an order of all nodes, by their deadlines where that helps: lists show the order of all that was read,
    /// so for them any order will do.
    pub fn shape(&self, graph: &Graph) -> Shape {
        let shape = Shape::of(graph);
        let lists = matches!(self.seen, Seen::Append(_)) && !self.snapshots;
        if lists || !(shape.acyclic() || self.apart) {
            return shape;
        }
        shape.by_deadline(graph, |node| {
            let txn = if node >= self.nodes { node - self.nodes } else { node };
            self.txns.list.get(txn as usize).map_or(NONE, |txn| txn.complete)
        })
    }

    /// All that an order does not explain.
    fn replay(&self, order: &[u32], shape: &Shape) -> Wrong {
        match self.seen {
            Seen::Append(versions) => {
                Wrong { clashes: self.replay_lists(versions, order), passed: Vec::new() }
            }
            Seen::Register(registers) => self.replay_registers(registers, order, shape),
        }
    }

    fn replay_registers(&self, registers: &Registers, order: &[u32], shape: &Shape) -> Wrong {
        let txns = self.txns;
        let mut state = vec![NONE; txns.keys.len()];
        let mut commits = vec![0u32; if self.snapshots { txns.keys.len() } else { 0 }];
        let mut begun = vec![0u32; if self.snapshots { txns.list.len() } else { 0 }];
        let mut wrong = Wrong { clashes: Vec::new(), passed: Vec::new() };
        for (place, &node) in (1..).zip(order) {
            let Some(txn) = self.txn_of(node) else { continue };
            let (reads, writes) =
                if self.snapshots { (node < self.nodes, node >= self.nodes) } else { (true, true) };
            if self.snapshots && reads {
                begun[txn as usize] = place;
            }
            for at in registers.deals_of(txn).filter(|_| reads) {
                let deal = &registers.deals[at as usize];
                let found = state[deal.key as usize];
                // Of a read whose write is unknown, any write of its value will do.
                let same = || txns.mops[found as usize].value == txns.mops[deal.read as usize].value;
                let fits = || found == deal.saw || (deal.saw == UNTOLD && (found == NONE || same()));
                if deal.read != NONE && !fits() {
                    let passed = self.apart && self.in_knot(shape, txn, deal.saw, found);
                    let list = if passed { &mut wrong.passed } else { &mut wrong.clashes };
                    list.push(Clash::Read { deal: at, found });
                }
            }
            for at in registers.deals_of(txn).filter(|_| writes) {
                let deal = &registers.deals[at as usize];
                let key = deal.key as usize;
                if deal.wrote == NONE {
                    continue;
                }
                if self.snapshots {
                    if state[key] != NONE && commits[key] > begun[txn as usize] {
                        wrong.clashes.push(Clash::Write { first: state[key], second: deal.wrote });
                    }
                    commits[key] = place;
                }
                state[key] = deal.wrote;
            }
        }
        wrong
    }

    fn replay_lists(&self, versions: &Versions, order: &[u32]) -> Vec<Clash> {
        let txns = self.txns;
        let keys = txns.keys.len();
        let mut lengths = vec![0u32; keys];
        let mut last = vec![(NONE, 0u32); keys];
        let mut begun = vec![0u32; txns.list.len()];
        let mut wrong = Vec::new();
        for (place, &node) in (1..).zip(order) {
            let Some(txn) = self.txn_of(node) else { continue };
            let (reads, writes) =
                if self.snapshots { (node < self.nodes, node >= self.nodes) } else { (true, true) };
            if reads {
                begun[txn as usize] = place;
                let first = versions.reads.partition_point(|read| read.txn < txn);
                for read in versions.reads[first..].iter().take_while(|read| read.txn == txn) {
                    if self.only.is_none() && lengths[txns.mops[read.mop as usize].key as usize] != read.base
                    {
                        wrong.push(Clash::Read { deal: read.mop, found: read.mop });
                    }
                }
            }
            if !writes {
                continue;
            }
            let one = &txns.list[txn as usize];
            for number in one.first..one.end {
                let mop = txns.mops[number as usize];
                if mop.f != F::Write {
                    continue;
                }
                let key = mop.key as usize;
                let spot = versions.place[number as usize];
                let seen = if spot == NONE { txns.trunks[key].len() as u32 } else { spot };
                if self.only.is_none() && (lengths[key] < seen || (spot != NONE && lengths[key] != spot)) {
                    wrong.push(Clash::Read { deal: number, found: number });
                }
                lengths[key] += 1;
                let (before, committed) = last[key];
                let other = before != NONE && txns.mops[before as usize].txn != txn;
                if self.snapshots && other && committed > begun[txn as usize] {
                    wrong.push(Clash::Write { first: before, second: number });
                }
                if before == NONE || other {
                    last[key] = (number, place);
                }
            }
        }
        wrong
    }

    fn resolve(&self, clash: Clash, choices: &mut Choices<'_, '_>) -> Result<Fit, Halt> {
        match (clash, self.seen) {
            (Clash::Read { deal, found }, Seen::Register(registers)) => {
                self.resolve_read(registers, deal, found, choices)
            }
            (Clash::Read { .. }, Seen::Append(_)) => Ok(Fit::Yes),
            (Clash::Write { first, second }, _) => {
                let lit = self.choice(first, second, choices);
                let (one, other) = (self.txns.mops[first as usize].txn, self.txns.mops[second as usize].txn);
                match choices.taken(lit) {
                    None if self.ended(one) <= self.ended(other) => choices.decide(lit),
                    None => choices.decide(lit ^ 1),
                    Some(true) => choices.edge(lit, (self.commit(one), self.begin(other))),
                    Some(false) => Ok(Fit::Yes),
                }
            }
        }
    }

    fn resolve_read(
        &self,
        registers: &Registers,
        deal: u32,
        found: u32,
        choices: &mut Choices<'_, '_>,
    ) -> Result<Fit, Halt> {
        let reader = &registers.deals[deal as usize];
        if found == NONE {
            // The order has the write after its reader, against an edge: an order that changed meanwhile.
            return Ok(Fit::Yes);
        }
        let intruder = self.txns.mops[found as usize].txn;
        let edge = (self.begin(reader.txn), self.commit(intruder));
        if reader.saw == NONE {
            return choices.sure(edge.0, edge.1);
        }
        let lit = self.choice(reader.saw, found, choices);
        match choices.taken(lit) {
            Some(false) => Ok(Fit::Yes),
            Some(true) => choices.edge(lit, edge),
            None => {
                let fit = choices.edge(lit, edge)?;
                if matches!(fit, Fit::Never(_)) {
                    return Ok(fit);
                }
                let later = self.ended(intruder) > self.ended(reader.txn);
                choices.decide(if later { lit } else { lit ^ 1 })
            }
        }
    }

    /// The side "`first` came before `second`" of two writes of one key.
    fn choice(&self, first: u32, second: u32, choices: &mut Choices<'_, '_>) -> u32 {
        let (one, other) = (self.txns.mops[first as usize].txn, self.txns.mops[second as usize].txn);
        let forth = (self.commit(one), self.begin(other));
        let back = (self.commit(other), self.begin(one));
        choices.lit(first, second, forth, back)
    }

    fn ended(&self, txn: u32) -> u32 {
        self.txns.list[txn as usize].complete
    }
}
