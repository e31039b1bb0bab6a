//! Cycles in words: each edge with the reads and writes that prove it, then the contradiction.

use crate::append::Versions;
use crate::findings::{tail, when, Example, Findings, Step};
use crate::graph::{kind, Edge};
use crate::txns::{Mop, Txns, F};
use columns::NONE;

/// Steps of a cycle that the sentence names; the cycle itself is always whole.
const TOLD_MAX: usize = 6;

pub(crate) struct Teller<'a> {
    pub txns: &'a Txns,
    /// Only of list-append.
    pub versions: Option<&'a Versions>,
}

/// What a class of cycles means, without its suffix.
fn meaning(class: &str) -> &'static str {
    match class {
        "G-single-process" => return "a process missed the effect of what it had done itself (a stale read)",
        "G-single-realtime" => {
            return "a transaction missed what had certainly happened before it (a stale read)"
        }
        "G0-process" | "G0-realtime" => return "writes took effect in another order than they were done in",
        _ => {}
    }
    let base = class.trim_end_matches("-process").trim_end_matches("-realtime");
    match base {
        "G0" => "writes of several transactions are interleaved, each before the other",
        "G1c" => "information flows in a circle, each transaction saw or followed the other",
        "OTV" => "a transaction saw another's effect, and after that missed the rest of it",
        "fractured-read" => "one transaction saw a part of what another wrote",
        "G-single" => "one transaction saw a part of what another did and missed the rest",
        "G-nonadjacent" => {
            "transactions missed each other's effects although information flowed between them"
        }
        "long-fork" => "two readers saw two independent writes in opposite orders",
        "G2-item" => "transactions each missed what the other wrote, so neither can be first",
        _ => "transactions are ordered in a circle",
    }
}

/// How both ends of an edge are called: where they are first spoken of, and after that.
struct Ends {
    first_from: String,
    first_to: String,
    to: String,
}

impl Ends {
    fn plain(from: String, to: String) -> Ends {
        Ends { first_from: from, first_to: to.clone(), to }
    }
}

impl Teller<'_> {
    /// An example of a class from its cycle, helpers and all.
    pub fn tell(&self, class: &str, cycle: &[Edge], findings: &Findings<'_>) -> Example {
        let joined = self.join(cycle);
        let mut names: Vec<u32> = Vec::new();
        for &(edge, _) in &joined {
            if !names.contains(&edge.from) {
                names.push(edge.from);
            }
        }
        let name =
            |txn: u32| format!("T{}", names.iter().position(|&other| other == txn).map_or(0, |at| at + 1));
        let mut told = String::new();
        let mut introduced = vec![false; names.len()];
        let mut first = |txn: u32| {
            let at = names.iter().position(|&other| other == txn).unwrap_or(0);
            if std::mem::replace(&mut introduced[at], true) {
                return name(txn);
            }
            let process = self.txns.list[txn as usize].process;
            format!("{} (p{process}, {})", name(txn), when(findings.columns(), self.txns, txn))
        };
        for (edge, to_why) in joined.iter().take(TOLD_MAX) {
            if !told.is_empty() {
                told += "; ";
            }
            let ends = Ends { first_from: first(edge.from), first_to: first(edge.to), to: name(edge.to) };
            told += &self.why(edge, *to_why, &ends);
        }
        if joined.len() > TOLD_MAX {
            told += &format!("; and so on through {} more", joined.len() - TOLD_MAX);
        }
        let steps: Vec<Step> = joined
            .iter()
            .map(|(edge, to_why)| Step {
                from: edge.from,
                to: edge.to,
                kind: kind_name(edge.kind),
                key: (edge.why != u32::MAX).then(|| self.txns.mops[edge.why as usize].key),
                why: self.why(edge, *to_why, &Ends::plain(name(edge.from), name(edge.to))),
            })
            .collect();
        let sentence = format!(
            "{}: {told}. So each came before the next, and the last before the first, which cannot be",
            meaning(class)
        );
        Example { sentence, key: steps.iter().find_map(|step| step.key), txns: names, cycle: steps }
    }

    /// Edges between transactions only; with each the micro-operation at its end, if a helper has it.
    fn join(&self, cycle: &[Edge]) -> Vec<(Edge, u32)> {
        let count = self.txns.list.len() as u32;
        let mut joined: Vec<(Edge, u32)> = Vec::new();
        for edge in cycle {
            match joined.last_mut() {
                Some((last, why)) if last.to >= count => {
                    last.to = edge.to;
                    *why = edge.why;
                }
                _ => joined.push((*edge, u32::MAX)),
            }
        }
        joined
    }

    fn why(&self, edge: &Edge, to_why: u32, ends: &Ends) -> String {
        let (from, to) = (&ends.first_from, &ends.first_to);
        match edge.kind & !kind::PASS {
            kind::PROCESS => format!("the same process did {from} and then {to}"),
            kind::TIME => format!("{from} had returned before {to} was invoked"),
            kind::WW => self.overwrote(edge, from, ends),
            kind::WR => self.saw(edge, from, to),
            kind::FORCED | kind::VANISHED => self.forced(edge, from, to),
            _ => self.missed(edge, to_why, from, to),
        }
    }

    fn overwrote(&self, edge: &Edge, from: &str, ends: &Ends) -> String {
        let txns = self.txns;
        let mop = txns.mops[edge.why as usize];
        let (key, value, first_to) = (txns.key_json(mop.key), txns.json(mop.value), &ends.first_to);
        let Some(versions) = self.versions else {
            return format!(
                "{from} wrote to key {key} too, and cannot have come after {first_to} wrote {value}, for that was \
                 still read later"
            );
        };
        let trunk = &txns.trunks[mop.key as usize];
        let place = versions.place[edge.why as usize];
        let end = if place == NONE { trunk.len() as u32 } else { place };
        let own = |place: &u32| {
            versions.writer(mop.key, *place).is_some_and(|append| txns.mops[append as usize].txn == edge.from)
        };
        let earlier = (0..end).rev().find(own).map_or_else(String::new, |at| txns.json(trunk[at as usize]));
        if place == NONE {
            return format!(
                "{from} appended {earlier} to list {key}, and {value}, which {first_to} appended, is in no list that \
                 anybody read, so {} came later",
                ends.to
            );
        }
        let list = tail(txns, &trunk[..=place as usize]);
        format!("{from} appended {earlier} to list {key} and {first_to} appended {value} after it, as {list} shows")
    }

    fn saw(&self, edge: &Edge, from: &str, to: &str) -> String {
        let txns = self.txns;
        let mop = txns.mops[edge.why as usize];
        let key = txns.key_json(mop.key);
        if self.versions.is_none() {
            let value = txns.json(mop.value);
            return format!("{from} wrote {value} to key {key}, which {to} read");
        }
        let list = self.outside(&mop, edge.why);
        let value = list.last().map_or_else(String::new, |&value| txns.json(value));
        let list = tail(txns, list);
        format!("{from} appended {value} to list {key}, which {to} read with it, as {list}")
    }

    /// A third transaction saw one of `from`, which also wrote the key of which it read what `to` had written.
    fn forced(&self, edge: &Edge, from: &str, to: &str) -> String {
        let read = self.txns.mops[edge.why as usize];
        let process = self.txns.list[read.txn as usize].process;
        format!(
            "{from} wrote to key {key} too, but p{process}'s transaction, which saw another write of it, read {value}, \
             which {to} wrote: {to} came later, or only a part of {from} was seen",
            key = self.txns.key_json(read.key),
            value = self.txns.json(read.value),
        )
    }

    fn missed(&self, edge: &Edge, to_why: u32, from: &str, to: &str) -> String {
        let txns = self.txns;
        let mop = txns.mops[edge.why as usize];
        let key = txns.key_json(mop.key);
        let Some(versions) = self.versions else {
            let writes = txns.mops_of(edge.to).iter().rev();
            let write = writes.clone().find(|other| other.f == F::Write && other.key == mop.key);
            let (old, new) =
                (txns.json(mop.value), write.map_or_else(String::new, |write| txns.json(write.value)));
            return format!("{from} read {old} of key {key}, which {to} replaced by {new}");
        };
        let list = self.outside(&mop, edge.why);
        let trunk = &txns.trunks[mop.key as usize];
        let told = (to_why != u32::MAX).then(|| txns.mops[to_why as usize].value);
        let of_to = |place: &u32| {
            versions.writer(mop.key, *place).is_some_and(|append| txns.mops[append as usize].txn == edge.to)
        };
        let placed =
            || (list.len() as u32..trunk.len() as u32).find(of_to).map(|place| trunk[place as usize]);
        let unplaced = || {
            let own = txns.mops_of(edge.to).iter().find(|other| other.f == F::Write && other.key == mop.key);
            own.map(|own| own.value)
        };
        let value = told.or_else(placed).or_else(unplaced).map_or_else(String::new, |value| txns.json(value));
        let list = tail(txns, list);
        format!("{from} read list {key} as {list}, without {value}, which {to} appended")
    }

    /// A read list without the reader's own appends at its end.
    fn outside(&self, mop: &Mop, number: u32) -> &[u32] {
        let content = self.txns.content(mop);
        let told = self.versions.and_then(|versions| versions.read_at(mop.txn, number));
        let base = told.filter(|_| mop.value == NONE).map_or(content.len(), |read| read.base as usize);
        &content[..base.min(content.len())]
    }
}

fn kind_name(kinds: u8) -> &'static str {
    match kinds & !kind::PASS {
        kind::WW => "ww",
        kind::WR => "wr",
        kind::FORCED | kind::VANISHED => "atomic",
        kind::PROCESS => "process",
        kind::TIME => "realtime",
        _ => "rw",
    }
}
