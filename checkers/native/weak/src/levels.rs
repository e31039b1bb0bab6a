//! The levels, each decided on its own.

use crate::graph::{Graph, Step};
use crate::limits::{Halt, Limits};
use crate::nodes::Nodes;
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

/// What contradicts a level: what must come before what, in a circle, and the session whose view it is.
pub struct Broken {
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
    Broken { session, cycle, grounds }
}

/// A contradiction of the graph alone, the first that is found.
pub fn contradicts(nodes: &Nodes, level: Level, limits: &Limits<'_>) -> Result<Option<Broken>, Halt> {
    if level == Level::Sequential {
        let (graph, cycle) = saturate(nodes, Past::Sequential, limits)?;
        return Ok(cycle.map(|cycle| broken(None, &graph, cycle)));
    }
    for session in 0..nodes.sessions.len() {
        limits.check()?;
        let reads = nodes.sessions[session].iter().any(|&at| nodes.list[at as usize].read.is_some());
        if !reads {
            continue;
        }
        let found = match level {
            Level::Causal | Level::Pram => {
                let past = if level == Level::Pram { Past::Pram(session) } else { Past::Causal(session) };
                let (graph, cycle) = saturate(nodes, past, limits)?;
                cycle.map(|cycle| (graph, cycle))
            }
            _ => by_view(nodes, session, level),
        };
        if let Some((graph, cycle)) = found {
            return Ok(Some(broken(Some(session), &graph, cycle)));
        }
    }
    Ok(None)
}

/// How writes reached a session can be seen only where its reads do not go back by themselves: a session that breaks
/// monotonic reads is held against that guarantee, not against the order of writes.
fn by_view(nodes: &Nodes, session: usize, level: Level) -> Option<(Graph, Vec<Step>)> {
    let (first, rule) = match level {
        Level::MonotonicWrites => (Some(Rule::Free), Rule::Writes),
        Level::WritesFollowReads => (Some(Rule::Reads), Rule::Follow),
        Level::ReadYourWrites => (None, Rule::Own),
        _ => (None, Rule::Reads),
    };
    let found = contradiction(nodes, session, rule)?;
    first.is_none_or(|first| contradiction(nodes, session, first).is_none()).then_some(found)
}

/// Decide one level.
pub fn decide(nodes: &Nodes, level: Level, limits: &Limits<'_>) -> Answer {
    match attempt(nodes, level, limits) {
        Ok(answer) => answer,
        Err(Halt(reason)) => Answer::Unknown(reason),
    }
}

fn attempt(nodes: &Nodes, level: Level, limits: &Limits<'_>) -> Result<Answer, Halt> {
    let ambiguous = nodes.ambiguous();
    if level != Level::Sequential {
        return Ok(match contradicts(nodes, level, limits)? {
            Some(broken) => Answer::Fails(Some(broken)),
            None if ambiguous > 0 => Answer::Unknown(format!(
                "{ambiguous} reads saw a value that several writes wrote, so it is not known which write they saw: \
                 unique values would tell"
            )),
            None => Answer::Holds(None),
        });
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

/// Leave out operations while the contradiction stays, halves first. The first of the histories given that has it is
/// made small; with what is left, whether no operation of it can be missed.
pub fn smallest(
    nodes: &Nodes,
    level: Level,
    candidates: Vec<Vec<u32>>,
    limits: &Limits<'_>,
) -> (Vec<u32>, bool) {
    let fails = |kept: &[u32]| matches!(decide(&nodes.only(kept), level, limits), Answer::Fails(_));
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
