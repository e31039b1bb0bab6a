//! Atomic visibility: who sees one write of a transaction sees all of them (Bailis et al., "Scalable atomic visibility
//! with RAMP transactions", SIGMOD 2014). Fractured reads deny it; where what is missing was read after what was seen,
//! the transaction vanished again (OTV in Bailis et al., "Highly available transactions", VLDB 2014), which weaker models
//! forbid as well.
//!
//! Of registers the order of two versions may be unknown. Then the one that must come first, if reads are atomic, is an
//! edge of a separate kind: a circle with it is broken atomicity in one order and a plain circle in the other.

use crate::append::{External, Versions};
use crate::findings::{Example, Findings, Step};
use crate::graph::{kind, Edge};
use crate::limits::{Halt, Limits};
use crate::register::{Registers, UNTOLD};
use crate::txns::{Txns, F};
use columns::NONE;

/// One who saw a write of a transaction and missed another: micro-operations.
struct Miss {
    saw: u32,
    seen: u32,
    read: u32,
    missed: u32,
}

/// Look at the transactions that `wanted` names, in lists whose versions have a known order.
pub(crate) fn lists(
    txns: &Txns,
    versions: &Versions,
    wanted: impl Iterator<Item = u32>,
    findings: &mut Findings<'_>,
    limits: &Limits<'_>,
) -> Result<(), Halt> {
    for (number, txn) in wanted.enumerate() {
        let first = versions.reads.partition_point(|read| read.txn < txn);
        let count = versions.reads[first..].partition_point(|read| read.txn == txn);
        let mut reads: Vec<External> = versions.reads[first..first + count].to_vec();
        reads.sort_by_key(|read| (txns.mops[read.mop as usize].key, read.mop));
        for saw in &versions.reads[first..first + count] {
            let Some(seen) = versions.newest(txns, saw) else { continue };
            for missed in writes_beside(txns, seen) {
                let key = txns.mops[missed as usize].key;
                let start = reads.partition_point(|read| txns.mops[read.mop as usize].key < key);
                let there = reads[start..].iter().take_while(|read| txns.mops[read.mop as usize].key == key);
                for read in
                    there.filter(|read| read.mop != saw.mop && txns.mops[read.mop as usize].value == NONE)
                {
                    if versions.misses(txns, read, missed) {
                        told(txns, &Miss { saw: saw.mop, seen, read: read.mop, missed }, findings);
                    }
                }
            }
        }
        if number % 1024 == 0 {
            limits.check()?;
        }
    }
    Ok(())
}

/// All writes of the transaction that did this one, if it happened.
fn writes_beside(txns: &Txns, write: u32) -> impl Iterator<Item = u32> + '_ {
    let txn = &txns.list[txns.mops[write as usize].txn as usize];
    let end = if txn.committed { txn.end } else { txn.first };
    (txn.first..end).filter(|&at| txns.mops[at as usize].f == F::Write)
}

/// Look at all transactions on registers; what must come first comes back as edges.
pub(crate) fn registers(
    txns: &Txns,
    registers: &Registers,
    findings: &mut Findings<'_>,
    limits: &Limits<'_>,
) -> Result<Vec<Edge>, Halt> {
    misses(txns, registers, &mut |txns: &Txns, miss: &Miss| told(txns, miss, findings), limits)
}

fn misses(
    txns: &Txns,
    registers: &Registers,
    certain: &mut impl FnMut(&Txns, &Miss),
    limits: &Limits<'_>,
) -> Result<Vec<Edge>, Halt> {
    let mut edges = Vec::new();
    for txn in 0..txns.list.len() as u32 {
        if txn % 4096 == 0 {
            limits.check()?;
        }
        let mut reads: Vec<u32> =
            registers.deals_of(txn).filter(|&at| registers.deals[at as usize].read != NONE).collect();
        if reads.len() < 2 {
            continue;
        }
        reads.sort_by_key(|&at| registers.deals[at as usize].key);
        for &at in &reads {
            let saw = registers.deals[at as usize];
            if saw.saw >= UNTOLD || !txns.list[txns.mops[saw.saw as usize].txn as usize].committed {
                continue;
            }
            let writer = txns.mops[saw.saw as usize].txn;
            for other in registers.deals_of(writer).map(|at| registers.deals[at as usize]) {
                let start = reads.partition_point(|&at| registers.deals[at as usize].key < other.key);
                let there = reads[start..].iter().map(|&at| registers.deals[at as usize]);
                for read in there.take_while(|read| read.key == other.key) {
                    if other.wrote == NONE || read.read == saw.read || read.saw == other.wrote {
                        continue;
                    }
                    let miss = Miss { saw: saw.read, seen: saw.saw, read: read.read, missed: other.wrote };
                    if read.saw == NONE {
                        certain(txns, &miss);
                    } else if read.saw < UNTOLD && txns.mops[read.saw as usize].txn != writer {
                        let later = txns.mops[read.saw as usize].txn;
                        if txns.list[later as usize].committed {
                            let kind = if read.read > saw.read { kind::VANISHED } else { kind::FORCED };
                            edges.push(Edge { from: writer, to: later, why: read.read, kind });
                        }
                    }
                }
            }
        }
    }
    edges.sort_unstable_by_key(|edge| (edge.from, edge.to, edge.kind));
    edges.dedup_by_key(|edge| (edge.from, edge.to, edge.kind));
    Ok(edges)
}

/// The edges alone.
pub(crate) fn forced(txns: &Txns, seen: &Registers, limits: &Limits<'_>) -> Result<Vec<Edge>, Halt> {
    let mut unheard = |_: &Txns, _: &Miss| {};
    misses(txns, seen, &mut unheard, limits)
}

fn told(txns: &Txns, miss: &Miss, findings: &mut Findings<'_>) {
    let name = if miss.read > miss.saw { "OTV" } else { "fractured-read" };
    let [saw, seen, read, missed] =
        [miss.saw, miss.seen, miss.read, miss.missed].map(|mop| txns.mops[mop as usize]);
    let (reader, writer) = (findings.call(txns, saw.txn), findings.call(txns, seen.txn));
    let (seen_value, seen_key) = (txns.json(seen.value), txns.key_json(seen.key));
    let (missed_value, missed_key) = (txns.json(missed.value), txns.key_json(missed.key));
    findings.add(name, || Example {
        sentence: format!(
            "{reader} saw {seen_value} of key {seen_key}, written by {writer}, but {}read key {missed_key} without \
             {missed_value}, which that transaction wrote too: it saw a part of what the other did",
            if miss.read > miss.saw { "later " } else { "" },
        ),
        key: Some(read.key),
        txns: vec![seen.txn, saw.txn],
        cycle: vec![
            Step {
                from: seen.txn,
                to: saw.txn,
                kind: "wr",
                key: Some(seen.key),
                why: format!("T1 wrote {seen_value} to key {seen_key}, which T2 read"),
            },
            Step {
                from: saw.txn,
                to: seen.txn,
                kind: "rw",
                key: Some(read.key),
                why: format!("T2 read key {missed_key} as it was before T1 wrote {missed_value} to it"),
            },
        ],
    });
}
