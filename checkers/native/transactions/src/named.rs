//! The names of cycles: of each class the shortest, and what no search named in its bounds.

use crate::answer::Judgement;
use crate::cycles::{length, shortest, Part, CLASSES};
use crate::explain::Teller;
use crate::findings::Findings;
use crate::graph::{kind, Edge};
use crate::judge::{DATA, REAL_TIME, SESSION};
use crate::limits::{Halt, Limits};
use crate::models;
use crate::seen::Seen;
use crate::txns::Txns;

/// Name the cycles: for each class the shortest.
pub(crate) fn search(
    parts: &[Part],
    txns: &Txns,
    seen: &Seen,
    findings: &mut Findings<'_>,
    limits: &Limits<'_>,
    judgement: &mut Judgement,
) -> Result<bool, Halt> {
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
        for part in parts {
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
    Ok(unfinished | nameless(parts, ruled_out, &mut add))
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
