//! List-append: version orders are read off the lists (Kingsbury and Alvaro, "Elle: inferring isolation anomalies from
//! experimental observations", VLDB 2021), then come dependencies and the anomalies that need no cycle.

use crate::append_told::{
    aborted_read, differing, dirty_update, duplicate, intermediate, pair, reordered, some_reader, unwritten,
};
use crate::findings::{call, Example, Findings};
use crate::graph::{kind, Edges};
use crate::limits::{Halt, Limits};
use crate::table::{Table, ABSENT};
use crate::txns::{Mop, Outcome, Txns, F};
use columns::NONE;
use std::collections::HashMap;

/// Where each append stands in its key's version order.
pub(crate) struct Versions {
    /// Per micro-operation: the place of this append in the trunk; `NONE` if no list shows it, or it is not an append.
    pub place: Vec<u32>,
    /// Per key, where its trunk starts in `writer`.
    starts: Vec<u32>,
    /// Per element of all trunks: the append that put it there, `NONE` if that is unknown.
    writer: Vec<u32>,
    /// Per element: the first append of a committed transaction from there on.
    next: Vec<u32>,
    /// Per key: the first element that a failed transaction appended.
    aborted: Vec<u32>,
    /// Keys whose lists contradict each other.
    strange: Vec<bool>,
    /// All appends by key and value, and those of which there is more than one.
    appends: Table,
    twice: Table,
    /// What transactions read from outside, in their order.
    pub reads: Vec<External>,
}

/// A read of what other transactions did: without the reader's own appends the list has `base` elements.
#[derive(Clone, Copy)]
pub(crate) struct External {
    pub txn: u32,
    pub mop: u32,
    pub base: u32,
}

impl Versions {
    /// Elements and their appends; observed transactions of unknown outcome become committed.
    pub fn of(txns: &mut Txns, findings: &mut Findings<'_>, limits: &Limits<'_>) -> Result<Versions, Halt> {
        let mut versions = Versions {
            place: vec![NONE; txns.mops.len()],
            starts: Vec::with_capacity(txns.trunks.len() + 1),
            writer: Vec::new(),
            next: Vec::new(),
            aborted: vec![NONE; txns.keys.len()],
            strange: vec![false; txns.keys.len()],
            appends: Table::with_room(txns.mops.len() / 2),
            twice: Table::with_room(16),
            reads: Vec::new(),
        };
        versions.enter_appends(txns, findings);
        limits.check()?;
        versions.starts.push(0);
        for key in 0..txns.keys.len() as u32 {
            versions.trunk(txns, key, findings);
            versions.starts.push(versions.writer.len() as u32);
            if key % 4096 == 0 {
                limits.check()?;
            }
        }
        if !txns.strange.is_empty() {
            versions.strange_lists(txns, findings);
        }
        for &mop in versions.writer.iter().filter(|&&mop| mop != NONE) {
            let txn = &mut txns.list[txns.mops[mop as usize].txn as usize];
            txn.committed |= txn.outcome == Outcome::Info;
        }
        versions.link_committed(txns);
        limits.check()?;
        Ok(versions)
    }

    pub fn bytes(&self) -> usize {
        self.place.len() * 4 + self.writer.len() * 8 + self.appends.bytes() + self.reads.capacity() * 12
    }

    fn enter_appends(&mut self, txns: &Txns, findings: &mut Findings<'_>) {
        for (number, mop) in txns.mops.iter().enumerate().filter(|(_, mop)| mop.f == F::Write) {
            if self.appends.put(mop.key, mop.value, number as u32) == ABSENT {
                continue;
            }
            self.twice.put(mop.key, mop.value, 1);
            findings.doubt(|| {
                let (value, key) = (txns.json(mop.value), txns.key_json(mop.key));
                format!("{value} was appended to key {key} by more than one operation, so lists do not tell which")
            });
        }
    }

    /// Find who appended each element of a key's trunk.
    fn trunk(&mut self, txns: &Txns, key: u32, findings: &mut Findings<'_>) {
        let trunk = &txns.trunks[key as usize];
        let columns = findings.columns();
        for (at, &value) in trunk.iter().enumerate() {
            let mop = self.appends.get(key, value);
            if mop == ABSENT {
                findings
                    .add("garbage-read", || unwritten(columns, txns, some_reader(txns, key, at), key, value));
                self.writer.push(NONE);
                continue;
            }
            if self.twice.get(key, value) != ABSENT {
                self.writer.push(NONE);
                continue;
            }
            if self.place[mop as usize] != NONE {
                findings.add("duplicate-elements", || {
                    duplicate(columns, txns, some_reader(txns, key, at), key, &trunk[..=at], mop)
                });
                self.writer.push(NONE);
                continue;
            }
            self.place[mop as usize] = at as u32;
            self.writer.push(mop);
            if let Some(earlier) = self.own_before(txns, mop) {
                if self.place[earlier as usize] == NONE {
                    findings.add("own-appends-reordered", || {
                        reordered(columns, txns, some_reader(txns, key, at), &trunk[..=at], earlier, mop)
                    });
                }
            }
            let failed = txns.list[txns.mops[mop as usize].txn as usize].outcome == Outcome::Fail;
            if failed && self.aborted[key as usize] == NONE {
                self.aborted[key as usize] = at as u32;
            }
        }
    }

    /// The append of the same transaction to the same key right before this one. A transaction that certainly did not
    /// happen may have been taken back in pieces, so nothing is asked of it.
    fn own_before(&self, txns: &Txns, append: u32) -> Option<u32> {
        let mop = txns.mops[append as usize];
        let txn = &txns.list[mop.txn as usize];
        if append == txn.first || txn.outcome == Outcome::Fail {
            return None;
        }
        let own = |at: &u32| {
            let other = &txns.mops[*at as usize];
            other.f == F::Write && other.key == mop.key
        };
        let earlier = (txn.first..append).rev().find(own)?;
        (self.twice.get(mop.key, txns.mops[earlier as usize].value) == ABSENT).then_some(earlier)
    }

    /// What is wrong inside a list that is not a beginning of its key's trunk: an element twice, or appends of one
    /// transaction in another order than it did them in.
    fn inside_strange(&self, txns: &Txns, read: Mop, findings: &mut Findings<'_>) {
        let columns = findings.columns();
        let list = &txns.strange[read.value as usize];
        let mut places: HashMap<u32, usize> = HashMap::with_capacity(list.len());
        for (at, &value) in list.iter().enumerate() {
            let append = self.appends.get(read.key, value);
            if append == ABSENT || self.twice.get(read.key, value) != ABSENT {
                continue;
            }
            if places.insert(value, at).is_some() {
                findings.add("duplicate-elements", || {
                    duplicate(columns, txns, read.txn, read.key, &list[..=at], append)
                });
                continue;
            }
            let earlier = self.own_before(txns, append);
            if let Some(earlier) = earlier.filter(|&mop| !places.contains_key(&txns.mops[mop as usize].value))
            {
                findings.add("own-appends-reordered", || {
                    reordered(columns, txns, read.txn, &list[..=at], earlier, append)
                });
            }
        }
    }

    /// Lists that are not a beginning of their key's trunk: the versions of that key have no single order.
    fn strange_lists(&mut self, txns: &mut Txns, findings: &mut Findings<'_>) {
        for number in 0..txns.mops.len() {
            let mop = txns.mops[number];
            if mop.f != F::Read || mop.value == NONE {
                continue;
            }
            self.strange[mop.key as usize] = true;
            let (list, trunk) = (&txns.strange[mop.value as usize], &txns.trunks[mop.key as usize]);
            let other = txns.mops.iter().find(|other| {
                other.f == F::Read
                    && other.key == mop.key
                    && other.value == NONE
                    && other.len as usize == trunk.len()
            });
            let columns = findings.columns();
            findings.add("incompatible-order", || Example {
                sentence: format!(
                    "{} read list {} as {}, but {} read it as {}: neither is a beginning of the other, so no order of \
                     the appends explains both",
                    call(columns, txns, mop.txn),
                    txns.key_json(mop.key),
                    differing(txns, list, trunk),
                    other.map_or_else(|| "others".into(), |other| call(columns, txns, other.txn)),
                    differing(txns, trunk, list)
                ),
                key: Some(mop.key),
                txns: pair(other.map_or(mop.txn, |other| other.txn), mop.txn),
                cycle: vec![],
            });
            self.inside_strange(txns, mop, findings);
            let mut seen = Vec::new();
            for &value in &txns.strange[mop.value as usize] {
                let append = self.appends.get(mop.key, value);
                if append == ABSENT {
                    findings.add("garbage-read", || unwritten(columns, txns, mop.txn, mop.key, value));
                    continue;
                }
                let writer = txns.mops[append as usize].txn;
                match txns.list[writer as usize].outcome {
                    Outcome::Fail => {
                        let example = aborted_read(txns, findings, mop.txn, writer, mop.key, value);
                        findings.add("G1a", || example);
                    }
                    Outcome::Info => seen.push(writer),
                    Outcome::Ok => {}
                }
            }
            for writer in seen {
                txns.list[writer as usize].committed = true;
            }
        }
    }

    /// Fill `next` once it is known who committed.
    fn link_committed(&mut self, txns: &Txns) {
        self.next = vec![NONE; self.writer.len()];
        for key in 0..txns.keys.len() {
            let mut last = NONE;
            for at in (self.starts[key] as usize..self.starts[key + 1] as usize).rev() {
                let mop = self.writer[at];
                if mop != NONE && txns.list[txns.mops[mop as usize].txn as usize].committed {
                    last = mop;
                }
                self.next[at] = last;
            }
        }
    }

    /// The newest append of another transaction that a read saw, if that is known.
    pub fn newest(&self, txns: &Txns, read: &External) -> Option<u32> {
        let mop = txns.mops[read.mop as usize];
        if mop.value == NONE {
            let append = read.base.checked_sub(1).and_then(|place| self.writer(mop.key, place))?;
            return (txns.mops[append as usize].txn != read.txn).then_some(append);
        }
        let mut appends = txns.strange[mop.value as usize].iter().rev().map(|&value| {
            if self.twice.get(mop.key, value) == ABSENT {
                self.appends.get(mop.key, value)
            } else {
                ABSENT
            }
        });
        let foreign = |append: &u32| *append == ABSENT || txns.mops[*append as usize].txn != read.txn;
        appends.find(foreign).filter(|&append| append != ABSENT)
    }

    /// A transaction's read from outside by its micro-operation.
    pub fn read_at(&self, txn: u32, mop: u32) -> Option<&External> {
        let start = self.reads.partition_point(|read| read.txn < txn);
        self.reads[start..].iter().take_while(|read| read.txn == txn).find(|read| read.mop == mop)
    }

    /// Whether a transaction read a key from outside before it did this append to it.
    pub fn read_before(&self, txns: &Txns, txn: u32, key: u32, append: u32) -> bool {
        let start = self.reads.partition_point(|read| read.txn < txn);
        let own = self.reads[start..].iter().take_while(|read| read.txn == txn);
        own.into_iter().any(|read| txns.mops[read.mop as usize].key == key && read.mop < append)
    }

    /// Whether lists show where this append stands, or that it is in none.
    pub fn certain(&self, txns: &Txns, append: u32) -> bool {
        let mop = txns.mops[append as usize];
        !self.strange[mop.key as usize] && self.twice.get(mop.key, mop.value) == ABSENT
    }

    /// Whether a read certainly did not see an append, because that comes later in every order of the versions.
    pub fn misses(&self, txns: &Txns, read: &External, append: u32) -> bool {
        let place = self.place[append as usize];
        self.certain(txns, append) && (place == NONE || place >= read.base)
    }

    /// The append behind an element, if there is one for sure.
    pub fn writer(&self, key: u32, place: u32) -> Option<u32> {
        let at = self.starts[key as usize] + place;
        let mop = if at < self.starts[key as usize + 1] { self.writer[at as usize] } else { NONE };
        (mop != NONE).then_some(mop)
    }

    /// The first append of a committed transaction from a place on.
    pub fn next(&self, key: u32, place: u32) -> Option<u32> {
        let at = self.starts[key as usize] + place;
        let mop = if at < self.starts[key as usize + 1] { self.next[at as usize] } else { NONE };
        (mop != NONE).then_some(mop)
    }

    fn length(&self, key: u32) -> u32 {
        self.starts[key as usize + 1] - self.starts[key as usize]
    }

    /// Dependencies between transactions, and what goes wrong without a cycle.
    pub fn depend(
        &mut self,
        txns: &Txns,
        edges: &mut Edges,
        findings: &mut Findings<'_>,
        limits: &Limits<'_>,
    ) -> Result<(), Halt> {
        self.order_of_appends(txns, edges, findings);
        limits.check()?;
        let reads = std::mem::take(&mut self.reads);
        for (number, read) in reads.iter().enumerate() {
            self.dependencies_of(txns, *read, edges, findings);
            if number % 4096 == 0 {
                limits.check()?;
            }
        }
        self.reads = reads;
        self.unseen(txns, edges);
        Ok(())
    }

    fn order_of_appends(&self, txns: &Txns, edges: &mut Edges, findings: &mut Findings<'_>) {
        for key in 0..txns.keys.len() {
            let (mut last, mut failed) = (NONE, NONE);
            for at in self.starts[key] as usize..self.starts[key + 1] as usize {
                let mop = self.writer[at];
                if mop == NONE {
                    continue;
                }
                let txn = txns.mops[mop as usize].txn;
                if !txns.list[txn as usize].committed {
                    failed = mop;
                    continue;
                }
                if failed != NONE {
                    let example = dirty_update(txns, findings, failed, mop);
                    findings.add("dirty-update", || example);
                    failed = NONE;
                }
                if last != NONE {
                    edges.add(txns.mops[last as usize].txn, txn, kind::WW, mop);
                }
                last = mop;
            }
        }
    }

    fn dependencies_of(&self, txns: &Txns, read: External, edges: &mut Edges, findings: &mut Findings<'_>) {
        let mop = txns.mops[read.mop as usize];
        if mop.value != NONE {
            // A strange list still proves that its last element was seen.
            let Some(append) = self.newest(txns, &read) else { return };
            let writer = txns.mops[append as usize];
            if txns.list[writer.txn as usize].committed {
                edges.add(writer.txn, read.txn, kind::WR, read.mop);
                if let Some(later) = later_append(txns, append) {
                    let example = intermediate(txns, findings, read.txn, &writer, later);
                    findings.add("G1b", || example);
                }
            }
            return;
        }
        if self.aborted[mop.key as usize] < read.base {
            let append = self.writer(mop.key, self.aborted[mop.key as usize]).unwrap_or(0);
            let writer = txns.mops[append as usize];
            let example = aborted_read(txns, findings, read.txn, writer.txn, mop.key, writer.value);
            findings.add("G1a", || example);
        }
        if let Some(append) = read.base.checked_sub(1).and_then(|place| self.writer(mop.key, place)) {
            let writer = txns.mops[append as usize];
            if txns.list[writer.txn as usize].committed && writer.txn != read.txn {
                edges.add(writer.txn, read.txn, kind::WR, read.mop);
                if let Some(later) = later_append(txns, append) {
                    let example = intermediate(txns, findings, read.txn, &writer, later);
                    findings.add("G1b", || example);
                }
            }
        }
        if let Some(append) = self.next(mop.key, read.base) {
            edges.add(read.txn, txns.mops[append as usize].txn, kind::RW, read.mop);
        }
    }

    /// Appends that happened and that no list shows: key, transaction (once a key) and micro-operation, sorted.
    pub fn unplaced(&self, txns: &Txns) -> Vec<(u32, u32, u32)> {
        let unseen = |(number, mop): &(usize, &Mop)| {
            mop.f == F::Write
                && self.place[*number] == NONE
                && !self.strange[mop.key as usize]
                && txns.list[mop.txn as usize].committed
                && self.twice.get(mop.key, mop.value) == ABSENT
        };
        let found = txns.mops.iter().enumerate().filter(unseen);
        let mut writers: Vec<(u32, u32, u32)> =
            found.map(|(number, mop)| (mop.key, mop.txn, number as u32)).collect();
        writers.sort_unstable();
        writers.dedup_by_key(|writer| (writer.0, writer.1));
        writers
    }

    /// Appends that happened and that no list shows come after all that lists show.
    fn unseen(&self, txns: &Txns, edges: &mut Edges) {
        let writers = self.unplaced(txns);
        let mut wanted = vec![false; txns.keys.len()];
        for writer in &writers {
            wanted[writer.0 as usize] = true;
        }
        let mut readers: Vec<(u32, u32, u32)> = Vec::new();
        for read in &self.reads {
            let mop = &txns.mops[read.mop as usize];
            if wanted[mop.key as usize] && mop.value == NONE && read.base == self.length(mop.key) {
                readers.push((mop.key, read.txn, read.mop));
            }
        }
        readers.sort_unstable();
        let mut from = 0;
        for group in writers.chunk_by(|a, b| a.0 == b.0) {
            let key = group[0].0;
            if let Some(last) = self.last_committed(txns, key) {
                for &(_, txn, why) in group {
                    edges.add(last, txn, kind::WW, why);
                }
            }
            let start = from + readers[from..].partition_point(|reader| reader.0 < key);
            from = start + readers[start..].partition_point(|reader| reader.0 == key);
            let plain = |list: &[(u32, u32, u32)]| -> Vec<(u32, u32)> {
                list.iter().map(|&(_, txn, why)| (txn, why)).collect()
            };
            edges.fan(&plain(&readers[start..from]), &plain(group));
        }
    }

    fn last_committed(&self, txns: &Txns, key: u32) -> Option<u32> {
        let range = self.starts[key as usize] as usize..self.starts[key as usize + 1] as usize;
        let writers = self.writer[range].iter().rev().filter(|&&mop| mop != NONE);
        writers.map(|&mop| txns.mops[mop as usize].txn).find(|&txn| txns.list[txn as usize].committed)
    }
}

/// A later append to the same key in the same transaction.
fn later_append(txns: &Txns, append: u32) -> Option<Mop> {
    let mop = txns.mops[append as usize];
    let end = txns.list[mop.txn as usize].end;
    let later = &txns.mops[append as usize + 1..end as usize];
    later.iter().find(|other| other.f == F::Write && other.key == mop.key).copied()
}
