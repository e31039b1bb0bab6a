//! The way of a check: transactions, dependencies, an order and its replay, or cycles and what they mean.

use crate::answer::{write, Judgement};
use crate::append::Versions;
use crate::cycles::{length, parts, shortest, Part, CLASSES};
use crate::explain::Teller;
use crate::findings::{Example, Findings};
use crate::graph::{kind, Edge, Edges, Graph};
use crate::limits::{Halt, Limits};
use crate::nulls::{Nulls, Tried};
use crate::pairs::{self, Views};
use crate::register::Registers;
use crate::seen::Seen;
use crate::settle::{Clash, Problem, Refutation, Settled};
use crate::txns::{Model, Txns};
use crate::{atomic, complete, inside, models, replay, time, Request};
use columns::json::Value;
use columns::{Columns, NONE};

const FLOW: u8 = kind::WW | kind::WR;
const DATA: u8 = FLOW | kind::RW;
const SESSION: u8 = DATA | kind::PROCESS;
const REAL_TIME: u8 = SESSION | kind::TIME;

/// Judge a history.
pub(crate) fn judge(columns: &Columns, request: &Request, limits: &Limits<'_>) -> Result<Value, Halt> {
    let mut txns = Txns::read(columns, request.model, limits)?;
    if txns.list.is_empty() {
        return Err(Halt("there is no transaction in this history".into()));
    }
    let mut findings = Findings::new(columns);
    let mut edges = Edges::new(txns.list.len());
    let seen = depend(&mut txns, &mut edges, &mut findings, limits)?;
    time::process_edges(&txns, &mut edges);
    time::time_edges(columns, &txns, &mut edges, limits)?;
    let held = txns.bytes() + seen.bytes();
    limits.memory(held + edges.bytes())?;

    let mut judgement = Judgement {
        verdict: "valid",
        reason: String::new(),
        ruled_out: 0,
        held: 0,
        proved: false,
        witness: None,
        stats: Vec::new(),
    };
    let graph = Graph::of(&edges.list, edges.nodes, u8::MAX);
    judgement.stats.push(("edges", edges.list.len().into()));
    edges.list = Vec::new();
    limits.check()?;
    let case = Case { txns: &txns, seen: &seen, limits };
    let standing = case.stand(&graph, &mut findings, &mut judgement)?;
    conclude(&findings, request, standing, &mut judgement);
    let committed = txns.list.iter().filter(|txn| txn.committed).count();
    judgement.stats.push(("committed", committed.into()));
    judgement.stats.push(("keys", txns.keys.len().into()));
    judgement.stats.push(("micro_operations", txns.mops.len().into()));
    judgement.stats.push(("memory_mb", ((held >> 10) as f64 / 1024.0).into()));
    judgement.stats.push(("time_s", limits.elapsed_s().into()));
    Ok(write(columns, &txns, &findings, &judgement, request.expect))
}

fn depend(
    txns: &mut Txns,
    edges: &mut Edges,
    findings: &mut Findings<'_>,
    limits: &Limits<'_>,
) -> Result<Seen, Halt> {
    if txns.model == Model::Register {
        let registers = Registers::of(txns, findings, limits)?;
        registers.depend(txns, edges, findings, limits)?;
        return Ok(Seen::Register(registers));
    }
    let mut versions = Versions::of(txns, findings, limits)?;
    inside::follow(txns, &mut versions, findings, limits)?;
    versions.depend(txns, edges, findings, limits)?;
    Ok(Seen::Append(versions))
}

/// What is known of the models in the end.
struct Standing {
    ruled_out: models::Set,
    held: models::Set,
    /// An order that explains every read, and the strongest model that it proves.
    proof: Option<Proof>,
    /// Why some model was left open.
    open: Option<String>,
}

/// Transactions in an order that explains every read, and what it keeps.
struct Proof {
    order: Vec<u32>,
    level: u8,
}

/// Models of one order, of all transactions or of snapshots, by the edges that it must keep.
const SERIAL: [(&str, u8, &str); 3] = [
    ("strict-serializable", REAL_TIME, "cycle-realtime"),
    ("strong-session-serializable", SESSION, "cycle-process"),
    ("serializable", DATA, "cycle"),
];
/// Where a transaction contradicts itself it is not serializable, but its reads may still be of one order.
const REPEATABLE: (&str, u8, &str) = ("repeatable-read", DATA, "cycle");
const SNAPSHOTS: [(&str, u8, &str); 3] = [
    ("strong-snapshot-isolation", REAL_TIME, "write-conflict-realtime"),
    ("strong-session-snapshot-isolation", SESSION, "write-conflict-process"),
    ("snapshot-isolation", DATA, "write-conflict"),
];

fn ruled_out(findings: &Findings<'_>) -> models::Set {
    findings.list.iter().fold(0, |set, finding| set | models::ruled_out(&finding.name))
}

/// A history with what was read off it.
struct Case<'a> {
    txns: &'a Txns,
    seen: &'a Seen,
    limits: &'a Limits<'a>,
}

impl Case<'_> {
    /// Rule out and prove models until each is one of the two, or nothing more is known. The answer does not depend on
    /// what is expected, so that answers of one history never contradict each other.
    fn stand(
        &self,
        graph: &Graph,
        findings: &mut Findings<'_>,
        judgement: &mut Judgement,
    ) -> Result<Standing, Halt> {
        let mut standing = Standing { ruled_out: 0, held: 0, proof: None, open: None };
        let certain = findings.doubts.is_empty();
        let acyclic = graph.order().is_some();
        let decided = self.decide(graph, acyclic, certain, findings, judgement, &mut standing);
        // What was found by then stays found.
        standing.open = decided.err().map(|halt| halt.0).or(standing.open);
        standing.ruled_out = ruled_out(findings);
        if standing.held & standing.ruled_out != 0 {
            return Err(Halt("the checker contradicts itself: please report this history".into()));
        }
        Ok(standing)
    }

    fn decide(
        &self,
        graph: &Graph,
        acyclic: bool,
        certain: bool,
        findings: &mut Findings<'_>,
        judgement: &mut Judgement,
        standing: &mut Standing,
    ) -> Result<(), Halt> {
        if certain && acyclic && ruled_out(findings) == 0 {
            self.serial(graph, &SERIAL[..1], findings, standing)?;
        }
        if standing.proof.is_none() {
            self.search(graph, acyclic, findings, judgement)?;
            if certain {
                self.prove(graph, findings, standing)?;
            }
        }
        Ok(())
    }

    /// Find cycles and what single transactions saw of others; name them.
    fn search(
        &self,
        graph: &Graph,
        acyclic: bool,
        findings: &mut Findings<'_>,
        judgement: &mut Judgement,
    ) -> Result<(), Halt> {
        let mut forced = Vec::new();
        match self.seen {
            Seen::Register(registers) => {
                forced = atomic::registers(self.txns, registers, findings, self.limits)?;
            }
            Seen::Append(versions) if !acyclic => {
                // Who misses a part of what it saw is in a circle with the transaction that did it.
                let parts = parts(graph, DATA);
                let count = self.txns.list.len() as u32;
                let nodes = parts.iter().flat_map(|part| part.nodes.iter().copied());
                let txns = nodes.filter(|&node| node < count);
                atomic::lists(self.txns, versions, txns, findings, self.limits)?;
            }
            Seen::Append(_) => {}
        }
        let unfinished = if forced.is_empty() {
            !acyclic && search(graph, self.txns, self.seen, findings, self.limits, judgement)?
        } else {
            let mut edges = graph.edges(u8::MAX);
            edges.append(&mut forced);
            let graph = Graph::of(&edges, graph.nodes(), u8::MAX);
            graph.order().is_none() && search(&graph, self.txns, self.seen, findings, self.limits, judgement)?
        };
        if unfinished {
            judgement.stats.push(("search_cut_short", true.into()));
        }
        Ok(())
    }

    /// Decide what is left open: orders of all transactions, of snapshots, and of versions.
    fn prove(&self, graph: &Graph, findings: &mut Findings<'_>, standing: &mut Standing) -> Result<(), Halt> {
        self.serial(graph, &SERIAL, findings, standing)?;
        if models::bit("serializable") & ruled_out(findings) != 0 && matches!(self.seen, Seen::Register(_)) {
            self.serial(graph, &[REPEATABLE], findings, standing)?;
        }
        let parts = parts(graph, u8::MAX);
        let left = |standing: &Standing, findings: &Findings<'_>| {
            models::rest(0) & !(standing.held | ruled_out(findings))
        };
        let open = |standing: &Standing, findings: &Findings<'_>| left(standing, findings) != 0;
        if !open(standing, findings) {
            return Ok(());
        }
        // Where lists tell the whole order of what is in any circle, the circles tell all.
        let flow = [FLOW | kind::PROCESS | kind::TIME, FLOW | kind::PROCESS, FLOW];
        for candidate in 0..5 {
            let place = match candidate {
                // Where lists tell the order of all that is in a knot, any order of the rest will do.
                0 if matches!(self.seen, Seen::Append(_)) => Some((0..self.txns.list.len() as u32).collect()),
                // Where only the order of writes is left to be shown, that of the answers will do: it keeps real time.
                0 if left(standing, findings) & !models::below("strong-read-uncommitted") == 0 => {
                    Some(self.ranked(graph, &[]))
                }
                1 => self.placed(standing),
                2 => self.around_knots(graph)?,
                3 => Some(self.ranked(graph, &[REAL_TIME, SESSION, DATA, flow[0], flow[1], flow[2]])),
                4 => Some(self.ranked(graph, &flow)),
                _ => None,
            };
            let Some(place) = place else { continue };
            self.complete(graph, &parts, &place, findings, standing)?;
            if !open(standing, findings) {
                return Ok(());
            }
        }
        self.views(graph, &parts, findings, standing)?;
        if let Some(place) = self.snapshots(graph, &parts, findings, standing)? {
            self.complete(graph, &parts, &place, findings, standing)?;
        }
        if open(standing, findings) && standing.open.is_none() {
            let text = "no anomaly that it forbids was found, but some versions have no known order, and none was found \
                        that satisfies it";
            standing.open = Some(text.into());
        }
        Ok(())
    }

    /// Orders of the transactions one after the other, the strictest that explains every read.
    fn serial(
        &self,
        graph: &Graph,
        levels: &[(&'static str, u8, &'static str)],
        findings: &mut Findings<'_>,
        standing: &mut Standing,
    ) -> Result<(), Halt> {
        for &(model, level, name) in levels {
            if models::bit(model) & (ruled_out(findings) | standing.held) != 0 {
                continue;
            }
            let problem = Problem::new(self.txns, self.seen, self.limits, graph.nodes(), false);
            let mut order = None;
            let edges = if level == REAL_TIME { Vec::new() } else { graph.edges(level) };
            let settled =
                if level == REAL_TIME { problem.settle_on(graph)? } else { problem.settle(&edges)? };
            match settled {
                Settled::Order(place) => order = Some(by_place(&place)),
                Settled::Never(refutation) => self.refuted(name, &refutation, findings),
                Settled::Circle => {}
                Settled::Open => {
                    let edges = graph.edges(level);
                    order = self.nulls(&edges, graph.nodes(), name, findings, standing)?;
                }
            }
            if let Some(order) = order.filter(|order| self.replays(order)) {
                standing.held |= models::below(model);
                let serial = models::bit("serializable") & standing.held != 0;
                standing.proof = serial.then_some(Proof { order, level });
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
    ) -> Result<Option<Vec<u32>>, Halt> {
        let Seen::Register(registers) = self.seen else { return Ok(None) };
        let nulls = Nulls { txns: self.txns, registers, limits: self.limits, nodes };
        match nulls.settle(edges)? {
            Tried::Order(order) => return Ok(Some(committed(self.txns, &order))),
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
        graph: &Graph,
        parts: &[Part],
        findings: &mut Findings<'_>,
        standing: &mut Standing,
    ) -> Result<Option<Vec<u32>>, Halt> {
        for (model, level, name) in SNAPSHOTS {
            if models::bit(model) & (ruled_out(findings) | standing.held) != 0 {
                continue;
            }
            let edges: Vec<Edge> = match self.seen {
                Seen::Append(_) => {
                    parts.iter().flat_map(Part::edges).filter(|edge| edge.kind & level != 0).collect()
                }
                Seen::Register(_) => graph.edges(level),
            };
            let inside = self.inside(parts);
            let problem = Problem::new(self.txns, self.seen, self.limits, graph.nodes(), true).of(inside);
            match problem.settle(&edges)? {
                Settled::Order(place) => {
                    standing.held |= models::below(model);
                    return Ok(Some(place));
                }
                Settled::Never(refutation) => self.refuted(name, &refutation, findings),
                Settled::Circle | Settled::Open => {}
            }
        }
        Ok(None)
    }

    /// Consistent view, by both orders of each two writes whose order is open.
    fn views(
        &self,
        graph: &Graph,
        parts: &[Part],
        findings: &mut Findings<'_>,
        standing: &mut Standing,
    ) -> Result<(), Halt> {
        if models::bit("consistent-view") & (ruled_out(findings) | standing.held) != 0 {
            return Ok(());
        }
        let inside = self.inside(parts);
        let mut edges: Vec<Edge> = match self.seen {
            Seen::Append(_) => {
                parts.iter().flat_map(Part::edges).filter(|edge| edge.kind & DATA != 0).collect()
            }
            Seen::Register(_) => graph.edges(DATA),
        };
        if let Seen::Register(registers) = self.seen {
            edges.extend(atomic::forced(self.txns, registers, self.limits)?);
        }
        let found = pairs::consistent_view(
            self.txns,
            self.seen,
            graph.nodes(),
            edges,
            inside.as_deref(),
            self.limits,
        )?;
        match found {
            Views::Never(first, second) => {
                let (one, other) = (self.txns.mops[first as usize], self.txns.mops[second as usize]);
                let (call, second) = (findings.call(self.txns, one.txn), findings.call(self.txns, other.txn));
                findings.add("G-single", || Example {
                    sentence: format!(
                        "{call} and {second} both wrote key {}, and whichever came first, some transaction saw a part \
                         of what another did and missed the rest",
                        self.txns.key_json(one.key)
                    ),
                    key: Some(one.key),
                    txns: vec![one.txn, other.txn],
                    cycle: vec![],
                });
            }
            Views::Forced(more) => {
                let mut edges = graph.edges(u8::MAX);
                edges.extend(more);
                let graph = Graph::of(&edges, graph.nodes(), u8::MAX);
                let place = self.ranked(&graph, &[DATA, FLOW]);
                self.complete(&graph, parts, &place, findings, standing)?;
            }
            Views::Open => {}
        }
        Ok(())
    }

    /// Of lists, the transactions in any component: the versions of all others have a known order.
    fn inside(&self, parts: &[Part]) -> Option<Vec<bool>> {
        let Seen::Append(_) = self.seen else { return None };
        let mut inside = vec![false; self.txns.list.len()];
        for node in parts.iter().flat_map(|part| &part.nodes) {
            if let Some(slot) = inside.get_mut(*node as usize) {
                *slot = true;
            }
        }
        Some(inside)
    }

    /// Prove what one order of all versions satisfies.
    fn complete(
        &self,
        graph: &Graph,
        parts: &[Part],
        place: &[u32],
        findings: &Findings<'_>,
        standing: &mut Standing,
    ) -> Result<(), Halt> {
        let count = self.txns.list.len() as u32;
        let mut against = ruled_out(findings);
        let edges = match self.seen {
            Seen::Append(versions) => {
                let inside = self.inside(parts).unwrap_or_default();
                let together = |one: u32, other: u32| inside[one as usize] && inside[other as usize];
                let (mut more, lost) = complete::order_of_lists(self.txns, versions, place, together);
                if lost {
                    against |= models::above("cursor-stability") | models::above("rola");
                }
                more.extend(parts.iter().flat_map(Part::edges));
                more
            }
            Seen::Register(registers) => {
                if !registers.all_told() {
                    return Ok(());
                }
                for chained in [false, true] {
                    let (mut edges, set) = complete::order_of_registers(self.txns, registers, place, chained);
                    edges.extend(graph.edges(kind::PROCESS | kind::TIME));
                    let set = set | complete::violated(&edges, graph.nodes(), count, self.limits)?;
                    standing.held |= models::rest(against | set);
                    if models::rest(0) & !(standing.held | against) == 0 {
                        break;
                    }
                }
                return Ok(());
            }
        };
        against |= complete::violated(&edges, graph.nodes(), count, self.limits)?;
        standing.held |= models::rest(against);
        Ok(())
    }

    /// Where each transaction stands in an order that explains every read but those in a knot of dependencies.
    fn around_knots(&self, graph: &Graph) -> Result<Option<Vec<u32>>, Halt> {
        if matches!(self.seen, Seen::Append(_)) {
            return Ok(None);
        }
        for level in [REAL_TIME, SESSION, DATA] {
            let component = graph.components(level);
            let mut sizes = vec![0u32; component.len()];
            for &one in &component {
                sizes[one as usize] += 1;
            }
            let knots: Vec<Option<u32>> =
                component.iter().map(|&one| (sizes[one as usize] > 1).then_some(one)).collect();
            let mut edges = graph.edges(level);
            edges.retain(|edge| component[edge.from as usize] != component[edge.to as usize]);
            let problem = Problem::new(self.txns, self.seen, self.limits, graph.nodes(), false).apart(knots);
            if let Settled::Order(place) = problem.settle(&edges)? {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }

    /// Where each transaction stands in the order found.
    fn placed(&self, standing: &Standing) -> Option<Vec<u32>> {
        let proof = standing.proof.as_ref()?;
        let mut place = vec![NONE; self.txns.list.len()];
        for (at, &txn) in (0..).zip(&proof.order) {
            place[txn as usize] = at;
        }
        Some(place)
    }

    /// Where each transaction stands by the order of the components: inside one by that of the next kinds of edges, so that the order of versions closes no circle that weaker models mind.
    fn ranked(&self, graph: &Graph, masks: &[u8]) -> Vec<u32> {
        let count = self.txns.list.len();
        let mut place = vec![NONE; count];
        let ranks: Vec<Vec<u32>> = masks.iter().map(|&mask| graph.components(mask)).collect();
        let mut order: Vec<u32> = (0..count as u32).collect();
        order.sort_by_cached_key(|&txn| {
            let rank = ranks.iter().map(|rank| std::cmp::Reverse(rank[txn as usize]));
            (rank.collect::<Vec<_>>(), self.txns.list[txn as usize].complete)
        });
        for (at, &txn) in (0..).zip(&order) {
            place[txn as usize] = at;
        }
        place
    }

    /// No order explains all: say which write fits nowhere.
    fn refuted(&self, name: &'static str, refutation: &Refutation, findings: &mut Findings<'_>) {
        let (txns, clash) = (self.txns, refutation.clash);
        let (sentence, key) = match (clash, self.seen) {
            (Clash::Read { deal, found }, Seen::Register(registers)) => {
                impossible(txns, registers, deal, found, findings)
            }
            (Clash::Read { found, .. }, Seen::Append(_)) => (String::new(), txns.mops[found as usize].key),
            (Clash::Write { first, second }, _) => {
                let (one, other) = (txns.mops[first as usize], txns.mops[second as usize]);
                let sentence = format!(
                    "{} and {} both wrote key {}, so one had committed before the other began, but neither can have \
                     been first, whatever the order of other such writes: some transaction would not have read a \
                     snapshot",
                    findings.call(txns, one.txn),
                    findings.call(txns, other.txn),
                    txns.key_json(one.key)
                );
                (sentence, one.key)
            }
        };
        let more = if refutation.whole { "" } else { " (with many others, which are not listed)" };
        findings.add(name, || Example {
            sentence: sentence + more,
            key: Some(key),
            txns: refutation.txns.clone(),
            cycle: vec![],
        });
    }
}

fn impossible(
    txns: &Txns,
    registers: &Registers,
    deal: u32,
    found: u32,
    findings: &Findings<'_>,
) -> (String, u32) {
    let reader = &registers.deals[deal as usize];
    let (read, found) = (&txns.mops[reader.read as usize], &txns.mops[found as usize]);
    // Null may have been there from the beginning, or it cannot be told who wrote it.
    let writer = txns.mops.get(reader.saw as usize).map(|saw| saw.txn);
    let (call, other) = (findings.call(txns, reader.txn), findings.call(txns, found.txn));
    let by = writer.map_or_else(String::new, |txn| format!(", written by {}", findings.call(txns, txn)));
    let sentence = format!(
        "no order of the transactions explains every read: {call} read {} of key {}{by}, and {other} wrote {} \
         there, which can have come neither before nor after, whatever the order of the others",
        txns.json(read.value),
        txns.key_json(read.key),
        txns.json(found.value)
    );
    (sentence, read.key)
}

/// Those that have a place, by it.
fn by_place(place: &[u32]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..place.len() as u32).filter(|&at| place[at as usize] != NONE).collect();
    order.sort_unstable_by_key(|&at| place[at as usize]);
    order
}

/// Name the cycles: for each class the shortest.
fn search(
    graph: &Graph,
    txns: &Txns,
    seen: &Seen,
    findings: &mut Findings<'_>,
    limits: &Limits<'_>,
    judgement: &mut Judgement,
) -> Result<bool, Halt> {
    let parts = parts(graph, u8::MAX);
    judgement.stats.push(("components", parts.len().into()));
    judgement.stats.push(("largest_component", parts.last().map_or(0, |part| part.nodes.len()).into()));
    let versions = match seen {
        Seen::Append(versions) => Some(versions),
        Seen::Register(_) => None,
    };
    let teller = Teller { txns, versions };
    let mut ruled_out: models::Set = 0;
    let mut unfinished = false;
    let mut add = |name: &str, cycle: &[Edge]| {
        let example = teller.tell(name, cycle, findings);
        findings.add(name, || example);
    };
    for class in &CLASSES {
        // A weaker guarantee's violation says nothing new where a stronger one is broken already.
        if class.extra != 0 && models::ruled_out(class.name) & !ruled_out == 0 {
            continue;
        }
        let mut best: Option<Vec<Edge>> = None;
        for part in &parts {
            let below = best.as_ref().map_or(u32::MAX, |best| length(best));
            let (found, finished) = shortest(part, class, below, limits)?;
            unfinished |= !finished;
            best = found.or(best);
        }
        if let Some(cycle) = best {
            let fork = class.name == "G-nonadjacent" && is_long_fork(&cycle);
            add(if fork { "long-fork" } else { class.name }, &cycle);
            ruled_out |= models::ruled_out(class.name);
        }
    }
    Ok(unfinished | nameless(&parts, ruled_out, &mut add))
}

/// A cycle that no search named in its bounds is an anomaly all the same.
fn nameless(parts: &[Part], ruled_out: models::Set, add: &mut impl FnMut(&str, &[Edge])) -> bool {
    let atomic = kind::FORCED | kind::VANISHED;
    let levels = [
        ("cycle", DATA | atomic),
        ("cycle-process", SESSION | atomic),
        ("cycle-realtime", REAL_TIME | atomic),
    ];
    let mut any = false;
    for (name, mask) in levels {
        if any || models::ruled_out(name) & !ruled_out == 0 {
            continue;
        }
        if let Some(cycle) = parts.iter().find_map(|part| part.any_cycle(mask)) {
            add(name, &cycle);
            any = true;
        }
    }
    any
}

/// Two writers and two readers in turn: wr, rw, wr, rw.
fn is_long_fork(cycle: &[Edge]) -> bool {
    let kinds: Vec<u8> =
        cycle.iter().filter(|edge| edge.kind & kind::PASS == 0).map(|edge| edge.kind).collect();
    kinds == [kind::RW, kind::WR, kind::RW, kind::WR]
}

/// The verdict, from what is ruled out and what is proved.
fn conclude(findings: &Findings<'_>, request: &Request, standing: Standing, judgement: &mut Judgement) {
    judgement.ruled_out = standing.ruled_out;
    judgement.held = standing.held;
    judgement.proved = standing.proof.is_some();
    if standing.ruled_out & request.expect != 0 {
        judgement.verdict = "invalid";
        return;
    }
    if let Some(doubt) = findings.doubts.first() {
        judgement.verdict = "unknown";
        judgement.reason = doubt.clone();
        return;
    }
    if standing.held & request.expect == 0 {
        judgement.verdict = "unknown";
        let text = "no anomaly that the expected model forbids was found, and no proof that it holds";
        judgement.reason = standing.open.unwrap_or_else(|| text.into());
        return;
    }
    let proof = standing.proof.filter(|proof| request.expect & proves(proof.level) != 0);
    judgement.reason = match proof.as_ref().map(|proof| proof.level) {
        Some(REAL_TIME) => "one order explains every read and keeps real time".into(),
        Some(SESSION) => "one order explains every read and keeps the order of every process".into(),
        Some(_) => "one order explains every read".into(),
        None => "an order of the versions has none of the circles that the expected model forbids".into(),
    };
    if request.witness {
        judgement.witness = proof.map(|proof| proof.order);
    }
}

/// The models that an order at a level proves.
fn proves(level: u8) -> models::Set {
    SERIAL.iter().find(|one| one.1 == level).map_or(0, |one| models::below(one.0))
}

fn committed(txns: &Txns, order: &[u32]) -> Vec<u32> {
    let happened = |node: &u32| txns.list.get(*node as usize).is_some_and(|txn| txn.committed);
    order.iter().copied().filter(happened).collect()
}
