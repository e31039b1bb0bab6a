//! Consistent view where some writes of a key have no known order: no circle may have fewer than two missed writes (Adya's
//! PL-2+). Of each two such writes either order is held against that; where one closes such a circle the other must
//! hold, and where both do, no order of the versions is left (as PolySI prunes, Huang et al., VLDB 2023). In small
//! histories: what reaches what is held for all pairs of nodes.

use crate::graph::{kind, Edge};
use crate::limits::{Halt, Limits};
use crate::seen::Seen;
use crate::txns::Txns;
use columns::NONE;

/// Transactions and helpers, and pairs of writes, beyond which nothing is tried.
const NODES_MAX: u32 = 3_000;
const PAIRS_MAX: usize = 20_000;

/// Two writes of one key, by their micro-operations, and the edges that either order means.
struct Pair {
    first: u32,
    second: u32,
    sides: [Vec<Edge>; 2],
}

pub(crate) enum Views {
    /// Neither order of these two writes will do.
    Never(u32, u32),
    /// What must hold besides the edges given.
    Forced(Vec<Edge>),
    /// Too large.
    Open,
}

/// Decide pairs by the edges of data; `inside` names the transactions that can matter, all if it is None.
pub(crate) fn consistent_view(
    txns: &Txns,
    seen: &Seen,
    nodes: u32,
    edges: Vec<Edge>,
    inside: Option<&[bool]>,
    limits: &Limits<'_>,
) -> Result<Views, Halt> {
    // Nodes that no edge touches are left out, so that a small knot in a large history is small.
    let mut numbers = vec![NONE; nodes as usize];
    let mut count = 0;
    for node in edges.iter().flat_map(|edge| [edge.from, edge.to]) {
        if numbers[node as usize] == NONE {
            numbers[node as usize] = count;
            count += 1;
        }
    }
    if count > NODES_MAX {
        return Ok(Views::Open);
    }
    let wanted = |txn: u32| inside.is_none_or(|inside| inside[txn as usize]) && numbers[txn as usize] != NONE;
    let Some(mut open) = pairs(txns, seen, wanted) else { return Ok(Views::Open) };
    let mut all = edges;
    let given = all.len();
    loop {
        limits.check()?;
        let Some(reach) = Reach::of(count, &all, &numbers) else { return Ok(Views::Open) };
        let before = all.len();
        let mut left = Vec::with_capacity(open.len());
        for pair in open {
            match [0, 1].map(|side: usize| pair.sides[side].iter().all(|edge| reach.allows(edge, &numbers))) {
                [true, true] => left.push(pair),
                [false, false] => return Ok(Views::Never(pair.first, pair.second)),
                [first, _] => all.extend(&pair.sides[usize::from(!first)]),
            }
        }
        open = left;
        if all.len() == before {
            return Ok(Views::Forced(all.split_off(given)));
        }
    }
}

fn pairs(txns: &Txns, seen: &Seen, wanted: impl Fn(u32) -> bool) -> Option<Vec<Pair>> {
    // Key, transaction, micro-operation of each write whose place is open; and the readers of each write.
    let mut writers: Vec<(u32, u32, u32)> = Vec::new();
    let mut readers: Vec<(u32, u32, u32)> = Vec::new();
    match seen {
        Seen::Append(versions) => writers = versions.unplaced(txns),
        Seen::Register(registers) => {
            for deal in &registers.deals {
                if deal.wrote != NONE {
                    writers.push((deal.key, deal.txn, deal.wrote));
                }
                if deal.read != NONE && (deal.saw as usize) < txns.mops.len() {
                    readers.push((deal.saw, deal.txn, deal.read));
                }
            }
        }
    }
    writers.retain(|writer| wanted(writer.1));
    writers.sort_unstable();
    readers.sort_unstable();
    let side = |earlier: (u32, u32, u32), later: (u32, u32, u32)| {
        let mut edges = vec![Edge { from: earlier.1, to: later.1, why: later.2, kind: kind::WW }];
        let start = readers.partition_point(|reader| reader.0 < earlier.2);
        let those = readers[start..].iter().take_while(|reader| reader.0 == earlier.2);
        let others = those.filter(|reader| reader.1 != later.1 && wanted(reader.1));
        edges.extend(others.map(|&(_, from, why)| Edge { from, to: later.1, why, kind: kind::RW }));
        edges
    };
    let mut pairs = Vec::new();
    for group in writers.chunk_by(|a, b| a.0 == b.0) {
        for (at, &one) in group.iter().enumerate() {
            for &other in &group[at + 1..] {
                pairs.push(Pair {
                    first: one.2,
                    second: other.2,
                    sides: [side(one, other), side(other, one)],
                });
            }
            if pairs.len() > PAIRS_MAX {
                return None;
            }
        }
    }
    Some(pairs)
}

/// What is reached from each node, without a missed write and with one: each node is there twice.
struct Reach {
    nodes: usize,
    words: usize,
    bits: Vec<u64>,
}

impl Reach {
    /// None if what flows goes in a circle.
    fn of(nodes: u32, edges: &[Edge], numbers: &[u32]) -> Option<Reach> {
        let nodes = nodes as usize;
        let twice = nodes * 2;
        let mut next: Vec<Vec<u32>> = vec![Vec::new(); twice];
        let mut incoming = vec![0u32; twice];
        let mut link = |from: usize, to: usize| {
            next[from].push(to as u32);
            incoming[to] += 1;
        };
        for edge in edges {
            let (from, to) = (numbers[edge.from as usize] as usize, numbers[edge.to as usize] as usize);
            if edge.kind & kind::RW != 0 && edge.kind & kind::PASS == 0 {
                link(from, to + nodes);
            } else {
                link(from, to);
                link(from + nodes, to + nodes);
            }
        }
        let mut order: Vec<usize> = (0..twice).filter(|&node| incoming[node] == 0).collect();
        let mut at = 0;
        while at < order.len() {
            for &to in &next[order[at]] {
                incoming[to as usize] -= 1;
                if incoming[to as usize] == 0 {
                    order.push(to as usize);
                }
            }
            at += 1;
        }
        if order.len() < twice {
            return None;
        }
        let words = twice.div_ceil(64);
        let mut bits = vec![0u64; twice * words];
        for &node in order.iter().rev() {
            let row = node * words;
            bits[row + node / 64] |= 1 << (node % 64);
            for &to in &next[node] {
                let other = to as usize * words;
                for word in 0..words {
                    bits[row + word] |= bits[other + word];
                }
            }
        }
        Some(Reach { nodes, words, bits })
    }

    fn reaches(&self, from: usize, to: usize) -> bool {
        self.bits[from * self.words + to / 64] >> (to % 64) & 1 == 1
    }

    /// Whether an edge closes no circle with fewer than two missed writes.
    fn allows(&self, edge: &Edge, numbers: &[u32]) -> bool {
        let (from, to) = (numbers[edge.from as usize] as usize, numbers[edge.to as usize] as usize);
        let missed = edge.kind & kind::RW != 0;
        !(self.reaches(to, from) || (!missed && self.reaches(to, from + self.nodes)))
    }
}
