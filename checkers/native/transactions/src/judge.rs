//! The way of a check: transactions, dependencies, an order and its replay, or cycles and what they mean.

use crate::answer::{write, Judgement};
use crate::append::Versions;
use crate::cycles::{length, parts, shortest, Part, CLASSES};
use crate::explain::Teller;
use crate::findings::{Finding, Findings};
use crate::graph::{kind, Edge, Edges, Graph};
use crate::limits::{Halt, Limits};
use crate::register::Registers;
use crate::txns::{Model, Txns};
use crate::{inside, models, replay, time, Request};
use columns::json::Value;
use columns::Columns;

const DATA: u8 = kind::WW | kind::WR | kind::RW;
const SESSION: u8 = DATA | kind::PROCESS;
const REAL_TIME: u8 = SESSION | kind::TIME;

/// What was read off the values.
enum Seen {
    Append(Versions),
    Register(Registers),
}

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
        proved: false,
        witness: Vec::new(),
        stats: Vec::new(),
    };
    let graph = Graph::of(&edges.list, edges.nodes, u8::MAX);
    judgement.stats.push(("edges", edges.list.len().into()));
    edges.list = Vec::new();
    limits.check()?;
    let mut order = graph.order();
    let mut level = REAL_TIME;
    if order.is_none() {
        let unfinished = search(&graph, &txns, &seen, &mut findings, limits, &mut judgement)?;
        if unfinished {
            judgement.stats.push(("search_cut_short", true.into()));
        }
        // The order that proves the expected model, if that asks for less than the whole graph.
        (order, level) = weaker_order(&graph, request.expect);
    }
    for finding in &findings.list {
        judgement.ruled_out |= models::ruled_out(&finding.name);
    }
    let order: Option<Vec<u32>> =
        order.map(|order| order.into_iter().filter(|&node| (node as usize) < txns.list.len()).collect());
    conclude(&txns, &seen, &findings, request, order, level, &mut judgement);
    let committed = txns.list.iter().filter(|txn| txn.committed).count();
    judgement.stats.push(("committed", committed.into()));
    judgement.stats.push(("keys", txns.keys.len().into()));
    judgement.stats.push(("micro_operations", txns.mops.len().into()));
    judgement.stats.push(("memory_mb", ((held >> 10) as f64 / 1024.0).into()));
    judgement.stats.push(("time_s", limits.elapsed_s().into()));
    Ok(write(columns, &txns, &findings, &judgement, request.expect))
}

impl Seen {
    fn bytes(&self) -> usize {
        match self {
            Seen::Append(versions) => versions.bytes(),
            Seen::Register(registers) => registers.bytes(),
        }
    }
}

fn depend(
    txns: &mut Txns,
    edges: &mut Edges,
    findings: &mut Findings<'_>,
    limits: &Limits<'_>,
) -> Result<Seen, Halt> {
    if txns.model == Model::Register {
        let mut registers = Registers::of(txns, findings, limits)?;
        registers.depend(txns, edges, findings, limits)?;
        return Ok(Seen::Register(registers));
    }
    let mut versions = Versions::of(txns, findings, limits)?;
    inside::follow(txns, &mut versions, findings, limits)?;
    versions.depend(txns, edges, findings, limits)?;
    Ok(Seen::Append(versions))
}

/// An order by as much of the graph as the expected model cares about, and which part that was.
fn weaker_order(graph: &Graph, expect: models::Set) -> (Option<Vec<u32>>, u8) {
    let masks = [("strict-serializable", REAL_TIME), ("strong-session-serializable", SESSION)];
    let asked =
        masks.iter().find(|(name, _)| models::named(name) == Some(expect)).map_or(DATA, |&(_, mask)| mask);
    (graph.part(asked).order(), asked)
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
    let levels = [("cycle", DATA), ("cycle-process", SESSION), ("cycle-realtime", REAL_TIME)];
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

fn conclude(
    txns: &Txns,
    seen: &Seen,
    findings: &Findings<'_>,
    request: &Request,
    order: Option<Vec<u32>>,
    level: u8,
    judgement: &mut Judgement,
) {
    let replayed = order.as_ref().map(|order| match seen {
        Seen::Append(versions) => replay::append(txns, versions, &committed(txns, order)),
        Seen::Register(registers) => replay::register(txns, registers, &committed(txns, order)),
    });
    judgement.proved =
        matches!(replayed, Some(Ok(()))) && findings.list.iter().all(is_cycle) && findings.doubts.is_empty();
    if judgement.ruled_out & request.expect != 0 {
        judgement.verdict = "invalid";
        return;
    }
    if let Some(doubt) = findings.doubts.first() {
        judgement.verdict = "unknown";
        judgement.reason = doubt.clone();
        return;
    }
    let serial = models::ruled_out("cycle") & request.expect != 0;
    if serial && !judgement.proved {
        judgement.verdict = "unknown";
        judgement.reason =
            "no anomaly was found, but the order of writes that nobody read remains open, and the one \
                            tried does not explain every read"
                .into();
        return;
    }
    if judgement.proved {
        judgement.reason = match level {
            REAL_TIME => "one order explains every read and keeps real time".into(),
            SESSION => "one order explains every read and keeps the order of every process".into(),
            _ => "one order explains every read".into(),
        };
        if request.witness {
            judgement.witness = order.map(|order| committed(txns, &order)).unwrap_or_default();
        }
        return;
    }
    judgement.reason = "no anomaly of the kinds that the expected model forbids was found".into();
}

fn is_cycle(finding: &Finding) -> bool {
    finding.examples.iter().all(|example| !example.cycle.is_empty())
}

fn committed(txns: &Txns, order: &[u32]) -> Vec<u32> {
    order.iter().copied().filter(|&txn| txns.list[txn as usize].committed).collect()
}
