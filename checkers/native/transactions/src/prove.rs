//! What holds: orders of all transactions, of snapshots and of versions that prove a model, or the proof that there are
//! none.

use crate::cycles::{self, Part};
use crate::findings::Findings;
use crate::graph::{kind, Edge, Graph};
use crate::judge::{ruled_out, Case, Proof, Standing, DATA, FLOW, REAL_TIME, SERIAL, SESSION};
use crate::limits::Halt;
use crate::models;
use crate::nulls::{Nulls, Tried};
use crate::pairs::{self, Views};
use crate::seen::Seen;
use crate::settle::{Clash, Found, Problem, Refutation, Settled};
use crate::txns::Txns;
use crate::{around, atomic, complete, replay};
use columns::NONE;
use std::cmp::Ordering;

/// Where a transaction contradicts itself it is not serializable, but its reads may still be of one order.
const REPEATABLE: (&str, u8, &str) = ("repeatable-read", DATA, "cycle");
const SNAPSHOTS: [(&str, u8, &str); 3] = [
    ("strong-snapshot-isolation", REAL_TIME, "write-conflict-realtime"),
    ("strong-session-snapshot-isolation", SESSION, "write-conflict-process"),
    ("snapshot-isolation", DATA, "write-conflict"),
];

impl Case<'_> {
    /// Decide what is left open: orders of all transactions, of snapshots, and of versions.
    pub(crate) fn prove(&self, findings: &mut Findings<'_>, standing: &mut Standing) -> Result<(), Halt> {
        self.serial(&SERIAL, findings, standing)?;
        let left = |standing: &Standing, findings: &Findings<'_>| {
            models::undecided(standing.held | ruled_out(findings))
        };
        let open = |standing: &Standing, findings: &Findings<'_>| left(standing, findings) != 0;
        if !open(standing, findings) {
            return Ok(());
        }
        // Where only the order of writes is left to be shown, that of the answers will do: it keeps real time.
        let flow_only = left(standing, findings) & !models::below("strong-read-uncommitted") == 0;
        if self.shape.acyclic() || flow_only {
            self.nearly(findings, standing)?;
        }
        if !open(standing, findings) {
            return Ok(());
        }
        if models::bit("serializable") & ruled_out(findings) != 0 && matches!(self.seen, Seen::Register(_)) {
            self.serial(&[REPEATABLE], findings, standing)?;
        }
        if self.shape.acyclic() {
            let snapshots = SNAPSHOTS.iter().fold(0, |set, one| set | models::bit(one.0));
            if left(standing, findings) & !snapshots == 0 {
                self.snapshots(findings, standing)?;
            }
            if !open(standing, findings) {
                return Ok(());
            }
        }
        // Where lists show the whole order of what is in any circle, the circles show all.
        let flow = [FLOW | kind::PROCESS | kind::TIME, FLOW | kind::PROCESS, FLOW];
        for candidate in 0..5 {
            let place = match candidate {
                // Where lists show the order of all that is in a knot, any order of the rest will do.
                0 if matches!(self.seen, Seen::Append(_)) => Some((0..self.txns.list.len() as u32).collect()),
                // Where only the order of writes is left to be shown, that of the answers will do: it keeps real time.
                0 if left(standing, findings) & !models::below("strong-read-uncommitted") == 0 => {
                    Some(self.ranked(self.graph, &[]))
                }
                1 => match self.proved(findings, standing)? {
                    Some(_) if !open(standing, findings) => return Ok(()),
                    place => place,
                },
                2 => match self.around_knots(findings, standing)? {
                    Some(_) if !open(standing, findings) => return Ok(()),
                    found => found,
                },
                3 => Some(self.ranked(self.graph, &[REAL_TIME, SESSION, DATA, flow[0], flow[1], flow[2]])),
                4 => Some(self.ranked(self.graph, &flow)),
                _ => None,
            };
            let Some(place) = place else { continue };
            let lists = matches!(self.seen, Seen::Append(_));
            let tried = !lists && matches!(candidate, 1 | 2);
            let chained: &[bool] = if tried { &[true] } else { &[false, true] };
            self.complete(&place, chained, findings, standing)?;
            if !open(standing, findings) {
                return Ok(());
            }
        }
        self.views(findings, standing)?;
        if let Some(place) = self.snapshots(findings, standing)? {
            self.complete(&place, &[false, true], findings, standing)?;
        }
        if open(standing, findings) && standing.open.is_none() {
            let text = "no anomaly that it forbids was found, but some versions have no known order, and none was found \
                        that satisfies it";
            standing.open = Some(text.into());
        }
        Ok(())
    }

    /// Orders of the transactions one after the other, the strictest that explains every read.
    pub(crate) fn serial(
        &self,
        levels: &[(&'static str, u8, &'static str)],
        findings: &mut Findings<'_>,
        standing: &mut Standing,
    ) -> Result<(), Halt> {
        for &(model, level, name) in levels {
            if models::bit(model) & (ruled_out(findings) | standing.held) != 0 {
                continue;
            }
            let problem = Problem::new(self.txns, self.seen, self.limits, self.graph.nodes(), false);
            let mut found = None;
            let settled = if level == REAL_TIME {
                problem.settle_on(self.graph, self.shape)?
            } else {
                problem.settle(&self.graph.edges(level))?
            };
            match settled {
                Settled::Order(order) => found = Some(order),
                Settled::Never(refutation) => self.refuted(name, &refutation, findings),
                Settled::Circle => {}
                Settled::Open => {
                    let edges = self.graph.edges(level);
                    found = self.nulls(&edges, self.graph.nodes(), name, findings, standing)?;
                }
            }
            if let Some(found) = found.filter(|found| self.replays(&by_place(&found.place))) {
                standing.held |= models::below(model);
                let serial = models::bit("serializable") & standing.held != 0;
                standing.proof = serial.then_some(Proof { found, level });
                return Ok(());
            }
        }
        Ok(())
    }

    /// Whether, by other code than that which found it, an order of the transactions makes every read come out right.
    fn replays(&self, order: &[u32]) -> bool {
        match self.seen {
            Seen::Append(versions) => replay::append(self.txns, versions, order),
            Seen::Register(registers) => replay::register(self.txns, registers, order),
        }
    }

    fn nulls(
        &self,
        edges: &[Edge],
        nodes: u32,
        name: &'static str,
        findings: &mut Findings<'_>,
        standing: &mut Standing,
    ) -> Result<Option<Found>, Halt> {
        let Seen::Register(registers) = self.seen else { return Ok(None) };
        let nulls = Nulls { txns: self.txns, registers, limits: self.limits, nodes };
        match nulls.settle(edges)? {
            Tried::Order(order) => {
                let mut place = vec![NONE; self.txns.list.len()];
                for (at, txn) in (0..).zip(committed(self.txns, &order)) {
                    place[txn as usize] = at;
                }
                return Ok(Some(Found { place, order, passed: Vec::new() }));
            }
            Tried::Never(deal, found) => {
                let clash = Clash::Read { deal, found };
                let everybody =
                    (0..self.txns.list.len() as u32).filter(|&at| self.txns.list[at as usize].committed);
                let refutation = Refutation { txns: everybody.collect(), whole: true, clash };
                self.refuted(name, &refutation, findings);
            }
            Tried::Open => {
                let text = "null was written too, so reads of null do not tell what they saw, and there are too many ways";
                standing.open = Some(text.into());
            }
        }
        Ok(None)
    }

    /// Snapshots of the components, which are all that can matter; where transactions stand in the order found.
    fn snapshots(
        &self,
        findings: &mut Findings<'_>,
        standing: &mut Standing,
    ) -> Result<Option<Vec<u32>>, Halt> {
        for (model, level, name) in SNAPSHOTS {
            if models::bit(model) & (ruled_out(findings) | standing.held) != 0 {
                continue;
            }
            let edges: Vec<Edge> = match self.seen {
                Seen::Append(_) => {
                    self.parts.iter().flat_map(Part::edges).filter(|edge| edge.kind & level != 0).collect()
                }
                Seen::Register(_) => self.graph.edges(level),
            };
            let inside = self.inside();
            let problem =
                Problem::new(self.txns, self.seen, self.limits, self.graph.nodes(), true).of(inside);
            match problem.settle(&edges)? {
                Settled::Order(found) => {
                    standing.held |= models::below(model);
                    return Ok(Some(found.place));
                }
                Settled::Never(refutation) => self.refuted(name, &refutation, findings),
                Settled::Circle | Settled::Open => {}
            }
        }
        Ok(None)
    }

    /// Consistent view, by both orders of each two writes whose order is open.
    fn views(&self, findings: &mut Findings<'_>, standing: &mut Standing) -> Result<(), Halt> {
        if models::bit("consistent-view") & (ruled_out(findings) | standing.held) != 0 {
            return Ok(());
        }
        let inside = self.inside();
        let mut edges: Vec<Edge> = match self.seen {
            Seen::Append(_) => {
                self.parts.iter().flat_map(Part::edges).filter(|edge| edge.kind & DATA != 0).collect()
            }
            Seen::Register(_) => self.graph.edges(DATA),
        };
        if let Seen::Register(registers) = self.seen {
            edges.extend(atomic::forced(self.txns, registers, self.limits)?);
        }
        let found = pairs::consistent_view(
            self.txns,
            self.seen,
            self.graph.nodes(),
            edges,
            inside.as_deref(),
            self.limits,
        )?;
        match found {
            Views::Never(first, second) => self.torn_views(first, second, findings),
            Views::Forced(more) => {
                let mut edges = self.graph.edges(u8::MAX);
                edges.extend(more);
                let graph = Graph::of(&edges, self.graph.nodes(), u8::MAX);
                let place = self.ranked(&graph, &[DATA, FLOW]);
                self.complete(&place, &[false, true], findings, standing)?;
            }
            Views::Open => {}
        }
        Ok(())
    }

    /// Of lists, the transactions in any component: the versions of all others have a known order.
    fn inside(&self) -> Option<Vec<bool>> {
        let Seen::Append(_) = self.seen else { return None };
        let mut inside = vec![false; self.txns.list.len()];
        for node in self.parts.iter().flat_map(|part| &part.nodes) {
            if let Some(slot) = inside.get_mut(*node as usize) {
                *slot = true;
            }
        }
        Some(inside)
    }

    /// Prove what one order of all versions satisfies.
    fn complete(
        &self,
        place: &[u32],
        chained: &[bool],
        findings: &Findings<'_>,
        standing: &mut Standing,
    ) -> Result<(), Halt> {
        let count = self.txns.list.len() as u32;
        let mut against = ruled_out(findings);
        let edges = match self.seen {
            Seen::Append(versions) => {
                let inside = self.inside().unwrap_or_default();
                let among = |txn: u32| inside[txn as usize];
                let (mut more, lost) = complete::order_of_lists(self.txns, versions, place, among);
                if lost {
                    against |= models::above("cursor-stability") | models::above("rola");
                }
                more.extend(self.parts.iter().flat_map(Part::edges));
                more
            }
            Seen::Register(registers) => {
                if !registers.all_told() {
                    return Ok(());
                }
                for &chained in chained {
                    let (mut edges, set) = complete::order_of_registers(self.txns, registers, place, chained);
                    edges.extend(self.graph.edges(kind::PROCESS | kind::TIME));
                    let parts = cycles::parts(&Graph::of(&edges, self.graph.nodes(), u8::MAX), u8::MAX);
                    let set = set | complete::violated(&parts, count, self.limits)?;
                    standing.held |= models::rest(against | set);
                    if models::undecided(standing.held | against) == 0 {
                        break;
                    }
                }
                return Ok(());
            }
        };
        let parts = cycles::parts_of(&edges, self.graph.nodes());
        against |= complete::violated(&parts, count, self.limits)?;
        standing.held |= models::rest(against);
        Ok(())
    }

    /// Prove what the order by deadlines satisfies, which keeps real time, whatever reads it does not explain.
    fn nearly(&self, findings: &Findings<'_>, standing: &mut Standing) -> Result<(), Halt> {
        let Seen::Register(registers) = self.seen else { return Ok(()) };
        if registers.all_told() {
            let problem = Problem::new(self.txns, self.seen, self.limits, self.graph.nodes(), false);
            let found = problem.nearly(self.shape);
            let set = around::ruled_out(self.txns, registers, self.graph, &found, self.limits)?;
            standing.held |= models::rest(ruled_out(findings) | set);
        }
        Ok(())
    }

    /// Prove what an order satisfies that explains every read but those in a knot of dependencies; where each transaction
    /// stands in it.
    fn around_knots(
        &self,
        findings: &Findings<'_>,
        standing: &mut Standing,
    ) -> Result<Option<Vec<u32>>, Halt> {
        let Seen::Register(registers) = self.seen else { return Ok(None) };
        for level in [REAL_TIME, SESSION, DATA] {
            let problem = Problem::new(self.txns, self.seen, self.limits, self.graph.nodes(), false).apart();
            let settled = if level == REAL_TIME {
                problem.settle_on(self.graph, self.shape)?
            } else {
                problem.settle(&self.graph.edges(level))?
            };
            let Settled::Order(found) = settled else { continue };
            if registers.all_told() {
                let set = around::ruled_out(self.txns, registers, self.graph, &found, self.limits)?;
                standing.held |= models::rest(ruled_out(findings) | set);
            }
            return Ok(Some(found.place));
        }
        Ok(None)
    }

    /// Prove what the order found satisfies beside the model that it was looked for; where each transaction stands in it.
    fn proved(&self, findings: &Findings<'_>, standing: &mut Standing) -> Result<Option<Vec<u32>>, Halt> {
        let Some(Proof { found, .. }) = &standing.proof else { return Ok(None) };
        let place = found.place.clone();
        if let Seen::Register(registers) = self.seen {
            if registers.all_told() {
                let set = around::ruled_out(self.txns, registers, self.graph, found, self.limits)?;
                standing.held |= models::rest(ruled_out(findings) | set);
            }
        }
        Ok(Some(place))
    }

    /// Where each transaction stands by the order of the components: inside one by that of the next kinds of edges, so that
    /// the order of versions closes no circle that weaker models mind.
    fn ranked(&self, graph: &Graph, masks: &[u8]) -> Vec<u32> {
        let count = self.txns.list.len();
        let mut ranks: Vec<Vec<u32>> = Vec::new();
        for &mask in masks {
            let component = graph.components(mask);
            let whole = component.iter().max().is_none_or(|&last| last as usize + 1 == component.len());
            ranks.push(component);
            // Where no two are in one component, their order is known.
            if whole {
                break;
            }
        }
        let mut order: Vec<u32> = (0..count as u32).collect();
        order.sort_by(|&one, &other| {
            let by_rank = ranks.iter().map(|rank| rank[other as usize].cmp(&rank[one as usize]));
            let ended = |txn: u32| self.txns.list[txn as usize].complete;
            by_rank.fold(Ordering::Equal, Ordering::then).then_with(|| ended(one).cmp(&ended(other)))
        });
        let mut place = vec![NONE; count];
        for (at, &txn) in (0..).zip(&order) {
            place[txn as usize] = at;
        }
        place
    }
}

/// Those that have a place, by it.
pub(crate) fn by_place(place: &[u32]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..place.len() as u32).filter(|&at| place[at as usize] != NONE).collect();
    order.sort_unstable_by_key(|&at| place[at as usize]);
    order
}

fn committed(txns: &Txns, order: &[u32]) -> Vec<u32> {
    let happened = |node: &u32| txns.list.get(*node as usize).is_some_and(|txn| txn.committed);
    order.iter().copied().filter(happened).collect()
}
