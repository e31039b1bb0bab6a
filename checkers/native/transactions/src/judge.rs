//! The way of a check: transactions, dependencies, an order and its replay, or cycles and what they mean.

use crate::answer::{write, Judgement};
use crate::append::Versions;
use crate::cycles::{parts_of, Part};
use crate::findings::Findings;
use crate::graph::{kind, Edges, Graph};
use crate::limits::{Halt, Limits};
use crate::prove::by_place;
use crate::register::Registers;
use crate::seen::Seen;
use crate::settle::{Found, Problem};
use crate::shape::Shape;
use crate::txns::{Model, Txns};
use crate::{atomic, inside, models, named, time, Request};
use columns::json::Value;
use columns::Columns;

pub(crate) const FLOW: u8 = kind::WW | kind::WR;
pub(crate) const DATA: u8 = FLOW | kind::RW;
pub(crate) const SESSION: u8 = DATA | kind::PROCESS;
pub(crate) const REAL_TIME: u8 = SESSION | kind::TIME;

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
    let shape = Problem::new(&txns, &seen, limits, graph.nodes(), false).apart().shape(&graph);
    let parts = if txns.model == Model::Append { knots(&graph, &shape) } else { Vec::new() };
    let case = Case { txns: &txns, seen: &seen, limits, graph: &graph, shape: &shape, parts };
    let standing = case.stand(&mut findings, &mut judgement)?;
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
pub(crate) struct Standing {
    pub ruled_out: models::Set,
    pub held: models::Set,
    /// An order that explains every read, and the strongest model that it proves.
    pub proof: Option<Proof>,
    /// Why some model was left open.
    pub open: Option<String>,
}

/// Transactions in an order that explains every read, and what it keeps.
pub(crate) struct Proof {
    pub found: Found,
    pub level: u8,
}

/// Models of one order, of all transactions or of snapshots, by the edges that it must keep.
pub(crate) const SERIAL: [(&str, u8, &str); 3] = [
    ("strict-serializable", REAL_TIME, "cycle-realtime"),
    ("strong-session-serializable", SESSION, "cycle-process"),
    ("serializable", DATA, "cycle"),
];
pub(crate) fn ruled_out(findings: &Findings<'_>) -> models::Set {
    findings.list.iter().fold(0, |set, finding| set | models::ruled_out(&finding.name))
}

/// The components of more than one node.
fn knots(graph: &Graph, shape: &Shape) -> Vec<Part> {
    let windows = shape.windows(graph, &[]);
    parts_of(&windows.edges(graph, u8::MAX, &shape.order, &shape.place), graph.nodes())
}

/// A history with what was read off it.
pub(crate) struct Case<'a> {
    pub txns: &'a Txns,
    pub seen: &'a Seen,
    pub limits: &'a Limits<'a>,
    /// What is known to depend on what.
    pub graph: &'a Graph,
    pub shape: &'a Shape,
    /// Of lists, the knots of the graph: the versions of all else have a known order.
    pub parts: Vec<Part>,
}

impl Case<'_> {
    /// Rule out and prove models until each is one of the two, or nothing more is known. The answer does not depend on
    /// what is expected, so that answers of one history never contradict each other.
    fn stand(&self, findings: &mut Findings<'_>, judgement: &mut Judgement) -> Result<Standing, Halt> {
        let mut standing = Standing { ruled_out: 0, held: 0, proof: None, open: None };
        let decided = self.decide(findings, judgement, &mut standing);
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
        findings: &mut Findings<'_>,
        judgement: &mut Judgement,
        standing: &mut Standing,
    ) -> Result<(), Halt> {
        let certain = findings.doubts.is_empty();
        if certain && self.shape.acyclic() && ruled_out(findings) == 0 {
            self.serial(&SERIAL[..1], findings, standing)?;
        }
        if standing.proof.is_none() {
            self.search(findings, judgement)?;
            if certain {
                self.prove(findings, standing)?;
            }
        }
        Ok(())
    }

    /// Find cycles and what single transactions saw of others; name them.
    fn search(&self, findings: &mut Findings<'_>, judgement: &mut Judgement) -> Result<(), Halt> {
        let made;
        let parts = match self.seen {
            Seen::Register(registers) => {
                let forced = atomic::registers(self.txns, registers, findings, self.limits)?;
                let windows = self.shape.windows(self.graph, &forced);
                let (order, place) = (&self.shape.order, &self.shape.place);
                let mut edges = windows.edges(self.graph, u8::MAX, order, place);
                let inside = |node: u32| windows.holds(place[node as usize]);
                edges.extend(forced.into_iter().filter(|edge| inside(edge.from) && inside(edge.to)));
                made = parts_of(&edges, self.graph.nodes());
                &made
            }
            Seen::Append(versions) => {
                // Who misses a part of what it saw is in a circle with the transaction that did it.
                let count = self.txns.list.len() as u32;
                let mut nodes: Vec<(usize, u32)> =
                    self.parts.iter().flat_map(|part| part.knotted(DATA)).collect();
                nodes.sort_by_key(|node| node.0);
                let txns = nodes.into_iter().map(|node| node.1).filter(|&node| node < count);
                atomic::lists(self.txns, versions, txns, findings, self.limits)?;
                &self.parts
            }
        };
        if !parts.is_empty() && named::search(parts, self.txns, self.seen, findings, self.limits, judgement)?
        {
            judgement.stats.push(("search_cut_short", true.into()));
        }
        Ok(())
    }
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
        judgement.witness = proof.map(|proof| by_place(&proof.found.place));
    }
}

/// The models that an order at a level proves.
fn proves(level: u8) -> models::Set {
    SERIAL.iter().find(|one| one.1 == level).map_or(0, |one| models::below(one.0))
}
