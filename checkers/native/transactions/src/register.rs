//! Registers: what a transaction read shows who wrote it, for every value is written once. Version orders are inferred
//! only where that is sound: the initial null comes first, and what a transaction writes comes after what it had read
//! of the same key (any order that denies this has a circular flow of information, G1c).

use crate::append_told::{aborted_read, intermediate};
use crate::findings::{Example, Findings};
use crate::graph::{kind, Edges};
use crate::limits::{Halt, Limits};
use crate::table::{Table, ABSENT};
use crate::txns::{Mop, Outcome, Txns, F};
use columns::NONE;

/// The version that was there before any write.
const INITIAL: u32 = NONE;
/// The text of null.
const NULL: u32 = 0;

/// A committed transaction's dealings with one key. A read that contradicts what the transaction itself had done to the
/// key is a separate deal, without a write.
#[derive(Clone, Copy)]
pub(crate) struct Deal {
    pub key: u32,
    pub txn: u32,
    /// The read from outside, `NONE` if there was none.
    pub read: u32,
    /// The write that it saw, `INITIAL` for null, or `UNTOLD`.
    pub saw: u32,
    /// Its last write, `NONE` if there was none.
    pub wrote: u32,
}

/// A read whose write is unknown: of null, where null was written too, or of a value that was written twice.
pub(crate) const UNTOLD: u32 = NONE - 1;
/// A read of what the transaction writes itself: it says nothing of others.
const OWN: u32 = NONE - 2;

pub(crate) struct Registers {
    /// Sorted by transaction.
    pub deals: Vec<Deal>,
    /// Per transaction, the number of its first deal.
    starts: Vec<u32>,
    writes: Table,
    twice: Table,
    /// Keys to which null was written: there null does not mean the beginning.
    nulled: Vec<bool>,
    /// Those writes of null: key and transaction.
    nulls: Vec<(u32, u32)>,
}

impl Registers {
    /// Who wrote what, and what each transaction saw of others.
    pub fn of(txns: &mut Txns, findings: &mut Findings<'_>, limits: &Limits<'_>) -> Result<Registers, Halt> {
        let mut registers = Registers {
            deals: Vec::with_capacity(txns.mops.len()),
            starts: Vec::with_capacity(txns.list.len() + 1),
            writes: Table::with_room(txns.mops.len() / 2),
            twice: Table::with_room(16),
            nulled: vec![false; txns.keys.len()],
            nulls: Vec::new(),
        };
        for (number, mop) in txns.mops.iter().enumerate().filter(|(_, mop)| mop.f == F::Write) {
            if mop.value == NULL {
                registers.nulled[mop.key as usize] = true;
                registers.nulls.push((mop.key, mop.txn));
            }
            if registers.writes.put(mop.key, mop.value, number as u32) != ABSENT {
                registers.twice.put(mop.key, mop.value, 1);
                findings.doubt(|| {
                    let (value, key) = (txns.json(mop.value), txns.key_json(mop.key));
                    format!("{value} was written to key {key} by more than one operation, so reads do not tell which")
                });
            }
        }
        limits.check()?;
        registers.commit_observed(txns);
        let mut stamps = vec![(0, 0); txns.keys.len()];
        for number in 0..txns.list.len() as u32 {
            registers.starts.push(registers.deals.len() as u32);
            if txns.list[number as usize].committed {
                registers.one(txns, number, &mut stamps, findings);
            }
            if number % 4096 == 0 {
                limits.check()?;
            }
        }
        registers.starts.push(registers.deals.len() as u32);
        Ok(registers)
    }

    pub fn bytes(&self) -> usize {
        self.deals.capacity() * 40 + self.starts.len() * 4 + self.writes.bytes()
    }

    fn commit_observed(&self, txns: &mut Txns) {
        for number in 0..txns.mops.len() {
            let mop = txns.mops[number];
            if mop.f == F::Write || mop.value == NULL || self.twice.get(mop.key, mop.value) != ABSENT {
                continue;
            }
            let write = self.writes.get(mop.key, mop.value);
            if write != ABSENT {
                let txn = &mut txns.list[txns.mops[write as usize].txn as usize];
                txn.committed |= txn.outcome == Outcome::Info;
            }
        }
    }

    fn one(&mut self, txns: &Txns, number: u32, stamps: &mut [(u32, u32)], findings: &mut Findings<'_>) {
        let txn = &txns.list[number as usize];
        for at in txn.first..txn.end {
            let mop = txns.mops[at as usize];
            let stamp = &mut stamps[mop.key as usize];
            if stamp.0 != number + 1 {
                *stamp = (number + 1, self.deals.len() as u32);
                self.deals.push(Deal { key: mop.key, txn: number, read: NONE, saw: UNTOLD, wrote: NONE });
            }
            let slot = stamp.1 as usize;
            let deal = self.deals[slot];
            if mop.f == F::Write {
                self.deals[slot].wrote = at;
                continue;
            }
            let last = self.newest(txns, &deal, at);
            if last != NONE {
                if !self.agrees(txns, &txns.mops[last as usize], &mop, findings) {
                    // It saw something from outside all the same, and that counts like any other read.
                    let saw = self.source(txns, number, at, findings);
                    if saw != OWN {
                        self.deals.push(Deal { key: mop.key, txn: number, read: at, saw, wrote: NONE });
                    }
                }
                continue;
            }
            let saw = self.source(txns, number, at, findings);
            if saw != OWN {
                self.deals[slot].read = at;
                self.deals[slot].saw = saw;
            }
        }
    }

    /// The last own write or read before `at` of the key.
    fn newest(&self, txns: &Txns, deal: &Deal, at: u32) -> u32 {
        let from = if deal.wrote == NONE { deal.read } else { deal.wrote };
        if from == NONE {
            return NONE;
        }
        let own = txns.mops[from as usize..at as usize].iter().rposition(|mop| mop.key == deal.key);
        own.map_or(from, |offset| from + offset as u32)
    }

    /// Whether a read is what the transaction itself did to the key before.
    fn agrees(&self, txns: &Txns, last: &Mop, mop: &Mop, findings: &mut Findings<'_>) -> bool {
        if last.value == mop.value {
            return true;
        }
        let call = findings.call(txns, mop.txn);
        findings.add("internal", || Example {
            sentence: format!(
                "{call} read {} of key {} right after it had {} {} there itself",
                txns.json(mop.value),
                txns.key_json(mop.key),
                if last.f == F::Write { "written" } else { "read" },
                txns.json(last.value)
            ),
            key: Some(mop.key),
            txns: vec![mop.txn],
            cycle: vec![],
        });
        false
    }

    /// The write that a read saw, and what is wrong with having seen it; `OWN` for one of the
    /// reader's own.
    fn source(&self, txns: &Txns, number: u32, at: u32, findings: &mut Findings<'_>) -> u32 {
        let mop = &txns.mops[at as usize];
        if mop.value == NULL {
            return if self.nulled[mop.key as usize] { UNTOLD } else { INITIAL };
        }
        let write = self.writes.get(mop.key, mop.value);
        if write == ABSENT {
            let call = findings.call(txns, number);
            findings.add("garbage-read", || Example {
                sentence: format!(
                    "{call} read {} of key {}, which was never written",
                    txns.json(mop.value),
                    txns.key_json(mop.key)
                ),
                key: Some(mop.key),
                txns: vec![number],
                cycle: vec![],
            });
            return UNTOLD;
        }
        if self.twice.get(mop.key, mop.value) != ABSENT {
            return UNTOLD;
        }
        let writer = txns.mops[write as usize];
        let call = findings.call(txns, number);
        if writer.txn == number {
            if write < at {
                return OWN;
            }
            findings.add("future-read", || Example {
                sentence: format!(
                    "{call} read {} of key {} before it wrote that itself",
                    txns.json(mop.value),
                    txns.key_json(mop.key)
                ),
                key: Some(mop.key),
                txns: vec![number],
                cycle: vec![],
            });
            return OWN;
        }
        if txns.list[writer.txn as usize].outcome == Outcome::Fail {
            let example = aborted_read(txns, findings, number, writer.txn, mop.key, mop.value);
            findings.add("G1a", || example);
            return write;
        }
        let end = txns.list[writer.txn as usize].end as usize;
        let rest = &txns.mops[write as usize + 1..end];
        if let Some(later) = rest.iter().find(|other| other.f == F::Write && other.key == mop.key) {
            let example = intermediate(txns, findings, number, &writer, *later);
            findings.add("G1b", || example);
        }
        write
    }

    /// Dependencies between transactions, and what goes wrong without a cycle of them.
    pub fn depend(
        &self,
        txns: &Txns,
        edges: &mut Edges,
        findings: &mut Findings<'_>,
        limits: &Limits<'_>,
    ) -> Result<(), Halt> {
        self.cyclic_versions(txns, findings);
        limits.check()?;
        for deal in &self.deals {
            if deal.saw < UNTOLD {
                let writer = txns.mops[deal.saw as usize].txn;
                if txns.list[writer as usize].committed {
                    // That its own write came later needs no separate edge: this one stands beside it.
                    edges.add(writer, deal.txn, kind::WR, deal.read);
                } else if deal.wrote != NONE && txns.list[writer as usize].outcome == Outcome::Fail {
                    self.dirty(txns, deal, findings);
                }
            }
        }
        limits.check()?;
        let mut deals = self.deals.clone();
        deals.sort_unstable_by_key(|deal| (deal.key, deal.saw, deal.txn));
        let groups = deals.chunk_by(|a, b| (a.key, a.saw) == (b.key, b.saw));
        let mut blind: (u32, Vec<(u32, u32)>) = (NONE, Vec::new());
        for group in groups {
            let (key, saw) = (group[0].key, group[0].saw);
            if key != blind.0 {
                blind = (key, Vec::new());
            }
            if saw == UNTOLD {
                // Writes without a read, and reads that showed nothing: they come after the beginning all the same.
                blind.1 = group
                    .iter()
                    .filter(|deal| deal.wrote != NONE)
                    .map(|deal| (deal.txn, deal.wrote))
                    .collect();
                continue;
            }
            let mut readers: Vec<(u32, u32)> = group.iter().map(|deal| (deal.txn, deal.read)).collect();
            readers.dedup_by_key(|reader| reader.0);
            let updates = group.iter().filter(|deal| deal.wrote != NONE);
            let mut writers: Vec<(u32, u32)> = updates.map(|deal| (deal.txn, deal.wrote)).collect();
            if writers.len() > 1 {
                lost(txns, group[0], &writers, findings);
            }
            if saw == INITIAL {
                writers.append(&mut blind.1);
            }
            edges.fan(&readers, &writers);
            limits.check()?;
        }
        Ok(())
    }

    /// Whether every read shows which write it saw, so that versions are known but for their order.
    pub fn all_told(&self) -> bool {
        self.deals.iter().all(|deal| deal.read == NONE || deal.saw != UNTOLD)
    }

    /// The transactions that wrote null to a key and may have happened.
    pub fn nulls<'a>(&'a self, txns: &'a Txns, key: u32) -> impl Iterator<Item = u32> + 'a {
        let here = self.nulls.iter().filter(move |&&(other, _)| other == key);
        here.map(|&(_, txn)| txn).filter(|&txn| txns.list[txn as usize].outcome != Outcome::Fail)
    }

    /// The numbers of a transaction's deals.
    pub fn deals_of(&self, txn: u32) -> std::ops::Range<u32> {
        self.starts[txn as usize]..self.starts[txn as usize + 1]
    }

    fn dirty(&self, txns: &Txns, deal: &Deal, findings: &mut Findings<'_>) {
        let (failed, wrote) = (txns.mops[deal.saw as usize], txns.mops[deal.wrote as usize]);
        let (call, other) = (findings.call(txns, deal.txn), findings.call(txns, failed.txn));
        findings.add("dirty-update", || Example {
            sentence: format!(
                "{call} wrote {} to key {} on top of {}, written by {other}, which had failed",
                txns.json(wrote.value),
                txns.key_json(deal.key),
                txns.json(failed.value)
            ),
            key: Some(deal.key),
            txns: vec![failed.txn, deal.txn],
            cycle: vec![],
        });
    }

    /// Each version has at most one that it was made from, so a cycle is a walk that comes back.
    fn cyclic_versions(&self, txns: &Txns, findings: &mut Findings<'_>) {
        let mut from = vec![NONE; txns.mops.len()];
        for deal in self.deals.iter().filter(|deal| deal.wrote != NONE && deal.saw < UNTOLD) {
            from[deal.wrote as usize] = deal.saw;
        }
        let mut visited = vec![0u32; from.len()];
        for start in 0..from.len() {
            let mut at = start;
            while visited[at] == 0 && from[at] != NONE {
                visited[at] = start as u32 + 1;
                at = from[at] as usize;
            }
            if visited[at] != start as u32 + 1 || from[at] == NONE {
                continue;
            }
            let mut circle = vec![at];
            while from[circle[circle.len() - 1]] as usize != at {
                circle.push(from[circle[circle.len() - 1]] as usize);
            }
            circle.reverse();
            let values: Vec<String> = circle.iter().map(|&mop| txns.json(txns.mops[mop].value)).collect();
            let key = txns.mops[at].key;
            findings.add("cyclic-versions", || Example {
                sentence: format!(
                    "the values of key {} were each made by a transaction that had read the one before, in a circle: \
                     {} and {} again",
                    txns.key_json(key),
                    values.join(", "),
                    values[0]
                ),
                key: Some(key),
                txns: circle.iter().map(|&mop| txns.mops[mop].txn).collect(),
                cycle: vec![],
            });
        }
    }
}

fn lost(txns: &Txns, deal: Deal, writers: &[(u32, u32)], findings: &mut Findings<'_>) {
    let calls: Vec<String> = writers.iter().take(4).map(|&(txn, _)| findings.call(txns, txn)).collect();
    findings.add("lost-update", || Example {
        sentence: format!(
            "{} {} read {} of key {} and then wrote it: whichever came second overwrote an update that it had not seen",
            calls.join(" and "),
            if calls.len() == 2 { "both" } else { "all" },
            txns.json(txns.mops[deal.read as usize].value),
            txns.key_json(deal.key)
        ),
        key: Some(deal.key),
        txns: writers.iter().map(|&(txn, _)| txn).collect(),
        cycle: vec![],
    });
}
