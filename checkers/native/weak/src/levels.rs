//! The levels, each decided on its own.

use crate::graph::{Graph, Step};
use crate::limits::{Halt, Limits};
use crate::nodes::{Nodes, AMBIGUOUS};
use crate::saturate::{saturate, Past};
use crate::sequential::search;
use crate::views::{contradiction, Rule};

/// A consistency model of registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    Sequential,
    Causal,
    Pram,
    WritesFollowReads,
    MonotonicWrites,
    MonotonicReads,
    ReadYourWrites,
}

/// All of them, stronger ones first.
pub const LEVELS: [(Level, &str); 7] = [
    (Level::Sequential, "sequential"),
    (Level::Causal, "causal"),
    (Level::Pram, "pram"),
    (Level::WritesFollowReads, "writes-follow-reads"),
    (Level::MonotonicWrites, "monotonic-writes"),
    (Level::MonotonicReads, "monotonic-reads"),
    (Level::ReadYourWrites, "read-your-writes"),
];

/// What contradicts a level: what must come before what, in a circle, and the session whose view it is. `alone`: one
/// read is enough, whatever else the session saw.
pub struct Broken {
    pub alone: bool,
    pub session: Option<usize>,
    pub cycle: Vec<Step>,
    pub grounds: Vec<Step>,
}

/// The answer for one level.
pub enum Answer {
    /// It holds; for sequential consistency with the order.
    Holds(Option<Vec<u32>>),
    /// It does not; without circle where only a search that found no order says so.
    Fails(Option<Broken>),
    Unknown(String),
}

fn broken(session: Option<usize>, graph: &Graph, cycle: Vec<Step>) -> Broken {
    let grounds = graph.grounds(&cycle);
    Broken { alone: false, session, cycle, grounds }
}

/// A contradiction of the graph alone, the first that is found. With `alone` only within single reads.
pub fn contradicts(
    nodes: &Nodes,
    level: Level,
    alone: bool,
    limits: &Limits<'_>,
) -> Result<Option<Broken>, Halt> {
    if level == Level::Sequential {
        let (graph, cycle) = saturate(nodes, Past::Sequential, limits)?;
        return Ok(cycle.map(|cycle| broken(None, &graph, cycle)));
    }
    for session in 0..nodes.sessions.len() {
        limits.check()?;
        let reads = nodes.sessions[session].iter().any(|&at| nodes.looks(&nodes.list[at as usize]));
        if !reads {
            continue;
        }
        let found = match level {
            Level::Causal | Level::Pram => {
                let past = if level == Level::Pram { Past::Pram(session) } else { Past::Causal(session) };
                let (graph, cycle) = saturate(nodes, past, limits)?;
                cycle.map(|cycle| broken(Some(session), &graph, cycle))
            }
            _ => by_view(nodes, session, level, alone, limits)?,
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// How writes reached a session can be seen only where its reads do not go back by themselves: a session that breaks
/// monotonic reads is held against that guarantee, not against the order of writes. But one read of several things shows
/// by itself which writes were there and which were not.
fn by_view(
    nodes: &Nodes,
    session: usize,
    level: Level,
    alone: bool,
    limits: &Limits<'_>,
) -> Result<Option<Broken>, Halt> {
    let (first, rule) = match level {
        Level::MonotonicWrites => (Some(Rule::Free), Rule::Writes),
        Level::WritesFollowReads => (Some(Rule::Reads), Rule::Follow),
        Level::ReadYourWrites => (None, Rule::Own),
        _ => (None, Rule::Reads),
    };
    if !alone {
        let Some((graph, cycle)) = contradiction(nodes, session, rule, None) else { return Ok(None) };
        // Of a read that could have seen several writes it is not known whether it went back.
        let stays = |first| {
            let reads = |&at: &u32| nodes.reads(&nodes.list[at as usize]);
            let mut seen = nodes.sessions[session].iter().flat_map(reads);
            seen.all(|seen| seen.source != AMBIGUOUS) && contradiction(nodes, session, first, None).is_none()
        };
        if first.is_none_or(stays) {
            return Ok(Some(broken(Some(session), &graph, cycle)));
        }
    }
    for &at in &nodes.sessions[session] {
        if nodes.reads(&nodes.list[at as usize]).len() < 2 {
            continue;
        }
        limits.check()?;
        if let Some((graph, cycle)) = contradiction(nodes, session, rule, Some(at)) {
            return Ok(Some(Broken { alone: true, ..broken(Some(session), &graph, cycle) }));
        }
    }
    Ok(None)
}

/// Decide one level.
pub fn decide(nodes: &Nodes, level: Level, alone: bool, limits: &Limits<'_>) -> Answer {
    match attempt(nodes, level, alone, limits) {
        Ok(answer) => answer,
        Err(Halt(reason)) => Answer::Unknown(reason),
    }
}

fn attempt(nodes: &Nodes, level: Level, alone: bool, limits: &Limits<'_>) -> Result<Answer, Halt> {
    let ambiguous = nodes.ambiguous();
    if level != Level::Sequential {
        if let Some(broken) = contradicts(nodes, level, alone, limits)? {
            return Ok(Answer::Fails(Some(broken)));
        }
        if ambiguous == 0 {
            return Ok(Answer::Holds(None));
        }
        if level == Level::Pram {
            return pram(nodes, limits);
        }
        return Ok(Answer::Unknown(format!(
            "{ambiguous} reads saw a value that several writes wrote, so it is not known which write they saw: \
             unique values would tell"
        )));
    }
    let (graph, cycle) = saturate(nodes, Past::Sequential, limits)?;
    if let Some(cycle) = cycle {
        return Ok(Answer::Fails(Some(broken(None, &graph, cycle))));
    }
    Ok(match search(nodes, Some(&graph), limits)? {
        Some(order) => Answer::Holds(Some(order)),
        None => Answer::Fails(None),
    })
}

/// An order of all writes and its own reads for each session, searched where values are not unique.
fn pram(nodes: &Nodes, limits: &Limits<'_>) -> Result<Answer, Halt> {
    for session in 0..nodes.sessions.len() {
        let view = nodes.of_reader(session as u32);
        if search(&view, None, limits)?.is_none() {
            let broken =
                Broken { alone: false, session: Some(session), cycle: Vec::new(), grounds: Vec::new() };
            return Ok(Answer::Fails(Some(broken)));
        }
    }
    Ok(Answer::Holds(None))
}

/// Leave out operations while the contradiction stays, halves first. The first of the histories given that has it is
/// made small; with what is left, whether no operation of it can be missed.
pub fn smallest(
    nodes: &Nodes,
    level: Level,
    alone: bool,
    candidates: Vec<Vec<u32>>,
    limits: &Limits<'_>,
) -> (Vec<u32>, bool) {
    let fails = |kept: &[u32]| matches!(decide(&nodes.only(kept), level, alone, limits), Answer::Fails(_));
    let mut kept = Vec::new();
    for candidate in candidates {
        kept = candidate;
        if fails(&kept) {
            break;
        }
    }
    let mut size = kept.len().div_ceil(2).max(1);
    loop {
        let mut end = kept.len();
        while end > 0 && limits.check().is_ok() {
            let start = end.saturating_sub(size);
            let fewer = [&kept[..start], &kept[end..]].concat();
            if fails(&fewer) {
                kept = fewer;
            }
            end = start;
        }
        if size == 1 {
            return (kept, limits.check().is_ok());
        }
        size = size.div_ceil(2);
    }
}
