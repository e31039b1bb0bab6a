//! The way of a check: transactions, dependencies, an order and its replay, or cycles and what they mean.

use crate::answer::{write, Judgement};
use crate::append::Versions;
use crate::cycles::{any_shortest, length, parts, shortest, Part, CLASSES};
use crate::explain::Teller;
use crate::findings::{Example, Finding, Findings};
use crate::graph::{kind, Edge, Edges, Graph};
use crate::limits::{Halt, Limits};
use crate::register::Registers;
use crate::replay::Mismatch;
use crate::settle::{Settled, Settling};
use crate::snapshots::{self, Snapshots};
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
        witness: None,
        stats: Vec::new(),
    };
    let graph = Graph::of(&edges.list, edges.nodes, u8::MAX);
    judgement.stats.push(("edges", edges.list.len().into()));
    edges.list = Vec::new();
    limits.check()?;
    let order = graph.order();
    if order.is_none() {
        let unfinished = search(&graph, &txns, &seen, &mut findings, limits, &mut judgement)?;
        if unfinished {
            judgement.stats.push(("search_cut_short", true.into()));
        }
    }
    let proof = prove(&txns, &seen, &graph, order, &mut findings, limits)?;
    let rule_out = |findings: &Findings<'_>| {
        findings.list.iter().fold(0, |set, finding| set | models::ruled_out(&finding.name))
    };
    if rule_out(&findings) & request.expect == 0 && findings.doubts.is_empty() {
        conflicts(&txns, &seen, &graph, request, proof.as_ref(), &mut findings, limits)?;
    }
    judgement.ruled_out = rule_out(&findings);
    conclude(&txns, &findings, request, proof, &mut judgement);
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
        let registers = Registers::of(txns, findings, limits)?;
        registers.depend(txns, edges, findings, limits)?;
        return Ok(Seen::Register(registers));
    }
    let mut versions = Versions::of(txns, findings, limits)?;
    inside::follow(txns, &mut versions, findings, limits)?;
    versions.depend(txns, edges, findings, limits)?;
    Ok(Seen::Append(versions))
}

/// The edges that an order must keep to prove the expected model.
fn level_of(expect: models::Set) -> u8 {
    let levels = [("strict-serializable", REAL_TIME), ("strong-session-serializable", SESSION)];
    levels.iter().find(|(name, _)| models::named(name) == Some(expect)).map_or(DATA, |&(_, level)| level)
}

/// Where snapshots are expected and no order of the transactions proves them: can those that wrote one key have
/// committed one before the other began?
fn conflicts(
    txns: &Txns,
    seen: &Seen,
    graph: &Graph,
    request: &Request,
    proof: Option<&Proof>,
    findings: &mut Findings<'_>,
    limits: &Limits<'_>,
) -> Result<(), Halt> {
    let expected = [
        ("snapshot-isolation", DATA, "write-conflict"),
        ("strong-session-snapshot-isolation", SESSION, "write-conflict-process"),
        ("strong-snapshot-isolation", REAL_TIME, "write-conflict-realtime"),
    ];
    let found = expected.into_iter().find(|(name, ..)| models::named(name) == Some(request.expect));
    let Some((_, level, name)) = found.filter(|&(_, level, _)| proof.is_none_or(|proof| proof.level < level))
    else {
        return Ok(());
    };
    let pairs = match seen {
        Seen::Append(versions) => snapshots::pairs_of_lists(txns, versions),
        Seen::Register(registers) => snapshots::pairs_of_registers(txns, registers),
    };
    let Some(pairs) = pairs else { return Ok(()) };
    let edges = graph.edges(level);
    if let Snapshots::Never(pair) = snapshots::search(graph.nodes(), edges, pairs, limits)? {
        let (first, second) = (findings.call(txns, pair.first), findings.call(txns, pair.second));
        findings.add(name, || Example {
            sentence: format!(
                "{first} and {second} both wrote key {}, so one had committed before the other began, but neither can \
                 have been first, whatever the order of other such writes: some transaction would not have read a \
                 snapshot",
                txns.key_json(pair.key)
            ),
            key: Some(pair.key),
            txns: vec![pair.first, pair.second],
            cycle: vec![],
        });
    }
    Ok(())
}

/// An order of transactions, and the edges that it keeps.
struct Proof {
    order: Vec<u32>,
    level: u8,
}

/// An order that explains every read and keeps as much as can be kept; what forbids more becomes a finding.
fn prove(
    txns: &Txns,
    seen: &Seen,
    graph: &Graph,
    whole: Option<Vec<u32>>,
    findings: &mut Findings<'_>,
    limits: &Limits<'_>,
) -> Result<Option<Proof>, Halt> {
    if !findings.list.iter().all(is_cycle) || !findings.doubts.is_empty() {
        return Ok(None);
    }
    for level in [REAL_TIME, SESSION, DATA] {
        let given = whole.clone().filter(|_| level == REAL_TIME);
        let order = given.or_else(|| Graph::of(&graph.edges(level), graph.nodes(), u8::MAX).order());
        let Some(order) = order else { continue };
        let order = match seen {
            Seen::Append(versions) => {
                Some(order).filter(|order| replay::append(txns, versions, &committed(txns, order)))
            }
            Seen::Register(registers) => settle(txns, registers, graph, level, findings, limits)?,
        };
        if let Some(order) = order {
            return Ok(Some(Proof { order, level }));
        }
    }
    Ok(None)
}

/// Find places for writes that nobody read.
fn settle(
    txns: &Txns,
    registers: &Registers,
    graph: &Graph,
    level: u8,
    findings: &mut Findings<'_>,
    limits: &Limits<'_>,
) -> Result<Option<Vec<u32>>, Halt> {
    let edges = graph.edges(level);
    limits.memory(txns.bytes() + registers.bytes() + edges.capacity() * 64)?;
    let settling = Settling { txns, registers, limits, nodes: graph.nodes(), edges };
    match settling.settle()? {
        Settled::Order(order) => return Ok(Some(order)),
        Settled::Open => {}
        Settled::Cycle(forced) => {
            let mut edges = graph.edges(level);
            edges.extend(forced);
            let parts = parts(&Graph::of(&edges, graph.nodes(), u8::MAX), u8::MAX);
            if let Some(cycle) = any_shortest(&parts, limits)? {
                let name = nameless_at(level);
                let example = Teller { txns, versions: None }.tell(name, &cycle, findings);
                findings.add(name, || example);
            }
        }
        Settled::Impossible(place) => impossible(txns, registers, &place, level, findings),
    }
    Ok(None)
}

fn nameless_at(level: u8) -> &'static str {
    match level {
        REAL_TIME => "cycle-realtime",
        SESSION => "cycle-process",
        _ => "cycle",
    }
}

fn impossible(txns: &Txns, registers: &Registers, place: &Mismatch, level: u8, findings: &mut Findings<'_>) {
    let reader = &registers.deals[place.deal as usize];
    let (read, found) = (&txns.mops[reader.read as usize], &txns.mops[place.found as usize]);
    // Null may have been there from the beginning, or it cannot be told who wrote it.
    let writer = txns.mops.get(reader.saw as usize).map(|saw| saw.txn);
    let (call, other) = (findings.call(txns, reader.txn), findings.call(txns, found.txn));
    let by = writer.map_or_else(String::new, |txn| format!(", written by {}", findings.call(txns, txn)));
    findings.add(nameless_at(level), || Example {
        sentence: format!(
            "no order of the transactions explains every read: {call} read {} of key {}{by}, and {other} wrote {} \
             there, which can have come neither before nor after, whatever the order of the others",
            txns.json(read.value),
            txns.key_json(read.key),
            txns.json(found.value)
        ),
        key: Some(read.key),
        txns: writer.into_iter().chain([found.txn, reader.txn]).collect(),
        cycle: vec![],
    });
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

/// The verdict, from what was found and whether some order explains every read.
fn conclude(
    txns: &Txns,
    findings: &Findings<'_>,
    request: &Request,
    proof: Option<Proof>,
    judgement: &mut Judgement,
) {
    judgement.proved = proof.is_some();
    if judgement.ruled_out & request.expect != 0 {
        judgement.verdict = "invalid";
        return;
    }
    if let Some(doubt) = findings.doubts.first() {
        judgement.verdict = "unknown";
        judgement.reason = doubt.clone();
        return;
    }
    let Some(proof) = proof.filter(|proof| proof.level >= level_of(request.expect)) else {
        if models::ruled_out("cycle") & request.expect != 0 {
            judgement.verdict = "unknown";
            judgement.reason =
                "no anomaly was found, but for some writes that nobody read no place was found".into();
        } else {
            judgement.reason = "no anomaly of the kinds that the expected model forbids was found".into();
        }
        return;
    };
    judgement.reason = match proof.level {
        REAL_TIME => "one order explains every read and keeps real time".into(),
        SESSION => "one order explains every read and keeps the order of every process".into(),
        _ => "one order explains every read".into(),
    };
    if request.witness {
        judgement.witness = Some(committed(txns, &proof.order));
    }
}

fn is_cycle(finding: &Finding) -> bool {
    finding.examples.iter().all(|example| !example.cycle.is_empty())
}

fn committed(txns: &Txns, order: &[u32]) -> Vec<u32> {
    let happened = |node: &u32| txns.list.get(*node as usize).is_some_and(|txn| txn.committed);
    order.iter().copied().filter(happened).collect()
}
