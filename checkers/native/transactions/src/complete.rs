//! Which models a history satisfies with one order of all versions, by what that order's dependencies leave out.
//!
//! A model holds if some order of the versions gives dependencies without the circles that it forbids (Adya, "Weak
//! consistency", 1999). So one order that does is a proof, and one that does not proves nothing.

use crate::append::Versions;
use crate::cycles::{shortest, Part, CLASSES};
use crate::graph::{kind, Edge};
use crate::limits::{Halt, Limits};
use crate::models::{self, Set};
use crate::register::{Registers, UNTOLD};
use crate::txns::Txns;
use columns::NONE;

const WRITES: u8 = kind::WW;
const FLOW: u8 = kind::WW | kind::WR;
const DATA: u8 = FLOW | kind::RW;
const SESSION: u8 = kind::PROCESS;
const REAL_TIME: u8 = kind::PROCESS | kind::TIME;

/// Models that all dependencies rule out, by the components of their graph; `count` is the number of transactions.
/// Models of what single transactions read are not looked at.
pub(crate) fn violated(parts: &[Part], count: u32, limits: &Limits<'_>) -> Result<Set, Halt> {
    let mut set = 0;
    let plain = [
        ("read-uncommitted", WRITES),
        ("read-committed", FLOW),
        ("repeatable-read", DATA),
        ("serializable", DATA),
        ("strong-session-read-uncommitted", WRITES | SESSION),
        ("strong-session-read-committed", FLOW | SESSION),
        ("strong-session-serializable", DATA | SESSION),
        ("strong-read-uncommitted", WRITES | REAL_TIME),
        ("strong-read-committed", FLOW | REAL_TIME),
        ("strict-serializable", DATA | REAL_TIME),
    ];
    let snapshots = [
        ("snapshot-isolation", DATA),
        ("strong-session-snapshot-isolation", DATA | SESSION),
        ("strong-snapshot-isolation", DATA | REAL_TIME),
    ];
    for part in parts {
        for (name, mask) in plain {
            if set & models::bit(name) == 0 && part.has_cycle(mask) {
                set |= models::above(name);
            }
        }
        for (name, mask) in snapshots {
            if set & models::bit(name) == 0 && part.has_unguarded_cycle(mask, count) {
                set |= models::above(name);
            }
        }
        if set & models::bit("consistent-view") == 0 && single(part, limits)? {
            set |= models::above("consistent-view");
        }
    }
    Ok(set)
}

/// Whether there is, or may be, a circle with one missed write.
fn single(part: &Part, limits: &Limits<'_>) -> Result<bool, Halt> {
    for class in CLASSES.iter().filter(|class| ["G0", "G1c", "G-single"].contains(&class.name)) {
        let (found, finished) = shortest(part, class, u32::MAX, limits)?;
        if found.is_some() || !finished {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The order of appends that no list shows, by where their transactions stand; only of those that are `inside` a knot of
/// dependencies: the others can stand where the knots' own order puts them. Who is left out must not part its neighbours:
/// of three writers the first still comes before the last. The flag says whether some reader of a key's last version appended to it, but not first.
pub(crate) fn order_of_lists(
    txns: &Txns,
    versions: &Versions,
    place: &[u32],
    inside: impl Fn(u32) -> bool,
) -> (Vec<Edge>, bool) {
    let unseen = versions.unplaced(txns);
    let (mut edges, mut lost) = (Vec::new(), false);
    for group in unseen.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() > 1) {
        let mut writers = group.to_vec();
        writers.sort_by_key(|writer| place[writer.1 as usize]);
        let knotted: Vec<_> = writers.iter().filter(|writer| inside(writer.1)).collect();
        for pair in knotted.windows(2) {
            edges.push(Edge { from: pair[0].1, to: pair[1].1, why: pair[1].2, kind: kind::WW });
        }
        lost |= writers[1..].iter().any(|writer| versions.read_before(txns, writer.1, writer.0, writer.2));
    }
    (edges, lost)
}

/// All dependencies of registers whose writes are ordered by where their transactions stand, and the models of single
/// transactions' reads that this order rules out.
///
/// `chained`: who read a version and then wrote the key comes right after that version, wherever it stands.
pub(crate) fn order_of_registers(
    txns: &Txns,
    registers: &Registers,
    place: &[u32],
    chained: bool,
) -> (Vec<Edge>, Set) {
    let mut writers: Vec<(u32, u32, u32)> = registers
        .deals
        .iter()
        .filter(|deal| deal.wrote != NONE)
        .map(|deal| (deal.key, place[deal.txn as usize], deal.wrote))
        .collect();
    writers.sort_unstable();
    if chained {
        writers = chains(txns, registers, &writers);
    }
    // Per write: its number among those of its key, and the write after it.
    let mut rank = vec![NONE; txns.mops.len()];
    let mut next = vec![NONE; txns.mops.len()];
    let mut first = vec![NONE; txns.keys.len()];
    let mut edges = Vec::with_capacity(writers.len() * 3);
    for group in writers.chunk_by(|a, b| a.0 == b.0) {
        first[group[0].0 as usize] = group[0].2;
        for (at, writer) in (0..).zip(group) {
            rank[writer.2 as usize] = at;
        }
        for pair in group.windows(2) {
            next[pair[0].2 as usize] = pair[1].2;
            edges.push(edge(txns, pair[0].2, pair[1].2, pair[1].2, kind::WW));
        }
    }
    let mut lost = false;
    for deal in registers.deals.iter().filter(|deal| deal.read != NONE && deal.saw != UNTOLD) {
        let follows = if deal.saw == NONE { first[deal.key as usize] } else { next[deal.saw as usize] };
        if deal.saw != NONE && txns.mops[deal.saw as usize].txn != deal.txn {
            edges.push(edge(txns, deal.saw, deal.read, deal.read, kind::WR));
        }
        if follows != NONE && txns.mops[follows as usize].txn != deal.txn {
            edges.push(edge(txns, deal.read, follows, deal.read, kind::RW));
        }
        if deal.wrote != NONE && follows != deal.wrote {
            lost = true;
        }
    }
    edges.retain(|edge| edge.from != edge.to);
    let set = if lost { overwritten() } else { 0 };
    let all = 0..txns.list.len() as u32;
    (edges, set | fractured(txns, registers, all, |write| rank[write as usize]))
}

/// Models that forbid to write on top of a version that is not the one that was read.
pub(crate) fn overwritten() -> Set {
    models::above("cursor-stability") | models::above("rola")
}

/// Writes in chains of those that read one another; chains stand where their first write does.
fn chains(txns: &Txns, registers: &Registers, writers: &[(u32, u32, u32)]) -> Vec<(u32, u32, u32)> {
    let mut after = vec![NONE; txns.mops.len()];
    let mut is_later = vec![false; txns.mops.len()];
    let mut begins = vec![false; txns.mops.len()];
    for deal in registers.deals.iter().filter(|deal| deal.wrote != NONE && deal.read != NONE) {
        if deal.saw == NONE {
            begins[deal.wrote as usize] = true;
        } else if deal.saw != UNTOLD && after[deal.saw as usize] == NONE {
            after[deal.saw as usize] = deal.wrote;
            is_later[deal.wrote as usize] = true;
        }
    }
    let mut heads: Vec<(u32, u32, u32)> =
        writers.iter().copied().filter(|writer| !is_later[writer.2 as usize]).collect();
    heads.sort_by_key(|head| (head.0, !begins[head.2 as usize], head.1));
    let mut ordered = Vec::with_capacity(writers.len());
    for head in heads {
        let mut at = head.2;
        while at != NONE && ordered.len() < writers.len() {
            ordered.push((head.0, head.1, at));
            at = after[at as usize];
        }
    }
    ordered
}

pub(crate) fn edge(txns: &Txns, from: u32, to: u32, why: u32, kind: u8) -> Edge {
    Edge { from: txns.mops[from as usize].txn, to: txns.mops[to as usize].txn, why, kind }
}

/// Models that forbid what some of these transactions saw of another and missed, with these ranks of versions.
pub(crate) fn fractured(
    txns: &Txns,
    registers: &Registers,
    readers: impl Iterator<Item = u32>,
    rank: impl Fn(u32) -> u32,
) -> Set {
    let (mut torn, mut vanished) = (false, false);
    for txn in readers {
        let reads = || {
            registers.deals_of(txn).map(|at| registers.deals[at as usize]).filter(|deal| deal.read != NONE)
        };
        if reads().count() < 2 {
            continue;
        }
        for saw in reads().filter(|saw| saw.saw < UNTOLD) {
            let writer = txns.mops[saw.saw as usize].txn;
            for other in registers.deals_of(writer).map(|at| registers.deals[at as usize]) {
                if other.wrote == NONE {
                    continue;
                }
                for read in reads().filter(|read| read.key == other.key && read.read != saw.read) {
                    let older = read.saw == NONE || (read.saw < UNTOLD && rank(read.saw) < rank(other.wrote));
                    if older && read.saw != other.wrote {
                        torn = true;
                        vanished |= read.read > saw.read;
                    }
                }
            }
        }
    }
    let torn = if torn { models::above("read-atomic") } else { 0 };
    torn | if vanished { models::above("monotonic-atomic-view") } else { 0 }
}
