//! List-append, one transaction at a time: what it read from outside, whether its reads agree with each other and with
//! its own appends, and updates that were lost.

use crate::append::{External, Versions};
use crate::findings::{tail, Example, Findings};
use crate::limits::{Halt, Limits};
use crate::txns::{Mop, Outcome, Txns, F};
use columns::NONE;

/// What a transaction did so far to one key.
#[derive(Clone, Copy)]
struct State {
    key: u32,
    /// Number of own appends.
    own: u32,
    /// The last read, `NONE` before the first, and the own appends before it.
    read: u32,
    own_at_read: u32,
    /// Length of the list from outside, `NONE` while unknown.
    base: u32,
    /// The first own append.
    append: u32,
    external: u32,
}

struct Follower<'a, 'b> {
    txns: &'a Txns,
    findings: &'a mut Findings<'b>,
    /// Per key: transaction + 1 that touched it last, and its state's number.
    stamps: Vec<(u32, u32)>,
    states: Vec<State>,
    late: Vec<Late>,
}

/// A transaction that read a list and then appended to it, but not to the version that it had read: key, version, and the
/// micro-operations of the read and of the append.
type Late = (u32, u32, u32, u32);

/// Follow all transactions; fill `versions.reads`.
pub(crate) fn follow(
    txns: &Txns,
    versions: &mut Versions,
    findings: &mut Findings<'_>,
    limits: &Limits<'_>,
) -> Result<(), Halt> {
    let stamps = vec![(0, 0); txns.keys.len()];
    let mut follower = Follower { txns, findings, stamps, states: Vec::new(), late: Vec::new() };
    for number in 0..txns.list.len() as u32 {
        if txns.list[number as usize].outcome == Outcome::Ok {
            follower.one(number, versions);
        }
        if number % 4096 == 0 {
            limits.check()?;
        }
    }
    let mut late = std::mem::take(&mut follower.late);
    late.sort_unstable();
    for group in late.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
        follower.lost(group, versions);
    }
    Ok(())
}

impl Follower<'_, '_> {
    fn state(&mut self, txn: u32, key: u32) -> usize {
        let stamp = &mut self.stamps[key as usize];
        if stamp.0 != txn + 1 {
            *stamp = (txn + 1, self.states.len() as u32);
            self.states.push(State {
                key,
                own: 0,
                read: NONE,
                own_at_read: 0,
                base: NONE,
                append: NONE,
                external: NONE,
            });
        }
        stamp.1 as usize
    }

    fn one(&mut self, number: u32, versions: &mut Versions) {
        self.states.clear();
        let txn = &self.txns.list[number as usize];
        for at in txn.first..txn.end {
            let mop = self.txns.mops[at as usize];
            let slot = self.state(number, mop.key);
            if mop.f == F::Write {
                let state = &mut self.states[slot];
                if state.own == 0 {
                    state.append = at;
                }
                state.own += 1;
                continue;
            }
            let state = self.states[slot];
            let agrees = self.agrees(&state, at, &mop);
            if !agrees {
                self.disagrees(&state, at, &mop);
            }
            let first = state.read == NONE;
            let state = &mut self.states[slot];
            state.read = at;
            state.own_at_read = state.own;
            if agrees && !first {
                continue;
            }
            // What contradicts the transaction itself was seen all the same, and counts like any other read.
            let length = if agrees { mop.len - state.own } else { mop.len };
            let base = self.outside(&mop, at, length, versions);
            let state = &mut self.states[slot];
            if state.external == NONE {
                state.base = base;
                state.external = at;
            }
            let read = External { txn: number, mop: at, base };
            let mut told = versions.reads.iter().rev().take_while(|read| read.txn == number);
            if first || mop.value != NONE || !told.any(|other| self.same(other, &read)) {
                versions.reads.push(read);
            }
        }
        for state in &self.states {
            let read_first = state.external != NONE && state.append != NONE && state.external < state.append;
            if read_first
                && self.txns.mops[state.external as usize].value == NONE
                && versions.certain(self.txns, state.append)
            {
                let place = versions.place[state.append as usize];
                if place != state.base {
                    self.late.push((state.key, state.base, state.external, state.append));
                }
            }
        }
    }

    fn same(&self, one: &External, other: &External) -> bool {
        let (a, b) = (&self.txns.mops[one.mop as usize], &self.txns.mops[other.mop as usize]);
        (a.key, a.value, one.base) == (b.key, b.value, other.base)
    }

    /// How much of a list that was read is not the reader's own at its end. What it appended only later is an anomaly.
    fn outside(&mut self, mop: &Mop, at: u32, length: u32, versions: &Versions) -> u32 {
        let mut base = length;
        if mop.value != NONE {
            return base;
        }
        loop {
            let newest = base.checked_sub(1).and_then(|place| versions.writer(mop.key, place));
            let own = |append: &u32| self.txns.mops[*append as usize].txn == mop.txn;
            let Some(append) = newest.filter(own) else { break };
            if append > at {
                self.of_the_future(mop, append);
            }
            base -= 1;
        }
        base
    }

    /// Own appends to a key from the `skip`-th on, before micro-operation `at`.
    fn own(&self, at: u32, mop: &Mop, skip: u32) -> impl Iterator<Item = u32> + '_ {
        let (first, key) = (self.txns.list[mop.txn as usize].first, mop.key);
        let before = &self.txns.mops[first as usize..at as usize];
        let own = before.iter().filter(move |other| other.f == F::Write && other.key == key);
        own.skip(skip as usize).map(|other| other.value)
    }

    /// Whether a read is what the transaction's earlier reads and appends make it.
    fn agrees(&self, state: &State, at: u32, mop: &Mop) -> bool {
        if state.read == NONE && state.own == 0 {
            return true;
        }
        let content = self.txns.content(mop);
        if state.read == NONE {
            let known = content.len().checked_sub(state.own as usize);
            return known.is_some_and(|known| self.own(at, mop, 0).eq(content[known..].iter().copied()));
        }
        let before = self.txns.mops[state.read as usize];
        let since = (state.own - state.own_at_read) as usize;
        if content.len() != before.len as usize + since {
            return false;
        }
        let (old, new) = content.split_at(before.len as usize);
        let same = (before.value == NONE && mop.value == NONE) || old == self.txns.content(&before);
        same && (since == 0 || self.own(at, mop, state.own_at_read).eq(new.iter().copied()))
    }

    fn disagrees(&mut self, state: &State, at: u32, mop: &Mop) {
        let txns = self.txns;
        let mut expected = Vec::new();
        if state.read != NONE {
            expected.extend_from_slice(txns.content(&txns.mops[state.read as usize]));
        }
        expected.extend(self.own(at, mop, if state.read == NONE { 0 } else { state.own_at_read }));
        let call = self.findings.call(txns, mop.txn);
        self.findings.add("internal", || Example {
            sentence: format!(
                "{call} read list {} as {}, but by its own earlier reads and appends it should have {} {}",
                txns.key_json(mop.key),
                tail(txns, txns.content(mop)),
                if state.read == NONE { "ended in" } else { "been" },
                tail(txns, &expected)
            ),
            key: Some(mop.key),
            txns: vec![mop.txn],
            cycle: vec![],
        });
    }

    /// A transaction that read what it appended only later.
    fn of_the_future(&mut self, mop: &Mop, append: u32) {
        let txns = self.txns;
        let call = self.findings.call(txns, mop.txn);
        self.findings.add("future-read", || Example {
            sentence: format!(
                "{call} read {} in list {} before it appended that itself",
                txns.json(txns.mops[append as usize].value),
                txns.key_json(mop.key)
            ),
            key: Some(mop.key),
            txns: vec![mop.txn],
            cycle: vec![],
        });
    }

    /// Of all that read one version and then appended, one at most appended to that very version; and no other may
    /// have appended in between.
    fn lost(&mut self, group: &[Late], versions: &Versions) {
        let txns = self.txns;
        let (key, base, ..) = group[0];
        let mut readers: Vec<u32> = group.iter().map(|late| txns.mops[late.2 as usize].txn).collect();
        let between = versions.next(key, base).filter(|&mop| !readers.contains(&txns.mops[mop as usize].txn));
        if let Some(append) = between {
            let writer = txns.mops[append as usize].txn;
            let start = versions.reads.partition_point(|read| read.txn < writer);
            let own = versions.reads[start..].iter().take_while(|read| read.txn == writer);
            let read_it = own.clone().any(|read| {
                let mop = &txns.mops[read.mop as usize];
                mop.key == key && mop.value == NONE && read.base == base && read.mop < append
            });
            if read_it {
                readers.insert(0, writer);
            } else if readers.len() == 1 {
                self.overtaken(group[0], append);
                return;
            }
        }
        if readers.len() < 2 {
            return;
        }
        let calls: Vec<String> = readers.iter().take(4).map(|&txn| self.findings.call(txns, txn)).collect();
        let list = &txns.trunks[key as usize][..base as usize];
        self.findings.add("lost-update", || Example {
            sentence: format!(
                "{} {} read list {} as {} and then appended to it: whichever came second overwrote an update that it \
                 had not seen",
                calls.join(" and "),
                if calls.len() == 2 { "both" } else { "all" },
                txns.key_json(key),
                tail(txns, list)
            ),
            key: Some(key),
            txns: readers,
            cycle: vec![],
        });
    }

    /// One that read a list and then appended to it, after another had appended what it had not seen.
    fn overtaken(&mut self, (key, base, _, append): Late, between: u32) {
        let txns = self.txns;
        let (late, early) = (txns.mops[append as usize], txns.mops[between as usize]);
        let (call, other) = (self.findings.call(txns, late.txn), self.findings.call(txns, early.txn));
        let list = &txns.trunks[key as usize][..base as usize];
        self.findings.add("lost-update", || Example {
            sentence: format!(
                "{call} read list {} as {} and then appended {} to it, but {other} had appended {} in between, an update \
                 that it had not seen",
                txns.key_json(key),
                tail(txns, list),
                txns.json(late.value),
                txns.json(early.value)
            ),
            key: Some(key),
            txns: vec![early.txn, late.txn],
            cycle: vec![],
        });
    }
}
