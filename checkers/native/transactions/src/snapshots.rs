//! Snapshot isolation where some writes of a key have no known order: of two that wrote one key, one had committed before
//! the other began, but which? Both orders are tried, together with those of all other such pairs.
//!
//! An order of all pairs gives every transaction a snapshot if no cycle is left in which no two anti-dependencies follow
//! each other (Cerone and Gotsman, "Analysing snapshot isolation", 2016). Orders that would close such a cycle are ruled
//! out first, which settles most pairs (as PolySI prunes, Huang et al., VLDB 2023); the rest is searched in bounds.

use crate::append::Versions;
use crate::graph::{kind, Edge};
use crate::limits::{Halt, Limits};
use crate::register::Registers;
use crate::txns::Txns;
use columns::NONE;

/// Transactions and helpers, beyond which nothing is tried: reachability is held for all pairs of nodes.
const NODES_MAX: u32 = 4_000;
const PAIRS_MAX: usize = 5_000;
/// Steps of building reachability, in words of 64 bits, that all tries may take together.
const STEPS_MAX: u64 = 400_000_000;
/// Choices held open at a time; each holds all edges.
const DEPTH_MAX: usize = 64;

pub(crate) enum Snapshots {
    /// Some order of the writes gives every transaction a snapshot.
    Found,
    /// No order does; one pair of which neither can be first.
    Never(Pair),
    /// Not known in the limits given.
    Open,
}

/// Two transactions that wrote one key, and what either order of them means.
#[derive(Clone)]
pub(crate) struct Pair {
    pub key: u32,
    pub first: u32,
    pub second: u32,
    sides: [Vec<Edge>; 2],
}

/// Pairs of transactions that appended to a key what no list shows.
pub(crate) fn pairs_of_lists(txns: &Txns, versions: &Versions) -> Option<Vec<Pair>> {
    let unseen = versions.unplaced(txns);
    let mut pairs = Vec::new();
    for group in unseen.chunk_by(|a, b| a.0 == b.0) {
        for (at, &(key, first, why)) in group.iter().enumerate() {
            for &(_, second, other) in &group[at + 1..] {
                let edge = |from, to, why| vec![Edge { from, to, why, kind: kind::WW }];
                pairs.push(Pair {
                    key,
                    first,
                    second,
                    sides: [edge(first, second, other), edge(second, first, why)],
                });
            }
            if pairs.len() > PAIRS_MAX {
                return None;
            }
        }
    }
    Some(pairs)
}

/// Pairs of transactions that wrote a register. Who read the earlier write came before the later. None if there are too
/// many, or if some read does not tell what it saw.
pub(crate) fn pairs_of_registers(txns: &Txns, registers: &Registers) -> Option<Vec<Pair>> {
    let mut writers: Vec<(u32, u32, u32)> = Vec::new();
    let mut readers: Vec<(u32, u32, u32)> = Vec::new();
    for deal in &registers.deals {
        if deal.wrote != NONE {
            writers.push((deal.key, deal.txn, deal.wrote));
        }
        if deal.read != NONE {
            // A read of the beginning comes before all writes, and those edges are there already.
            match txns.mops.get(deal.saw as usize) {
                Some(_) => readers.push((deal.saw, deal.txn, deal.read)),
                None if deal.saw == NONE => {}
                None => return None,
            }
        }
    }
    writers.sort_unstable();
    readers.sort_unstable();
    let order = |earlier: (u32, u32, u32), later: (u32, u32, u32)| {
        let mut edges = vec![Edge { from: earlier.1, to: later.1, why: later.2, kind: kind::WW }];
        let start = readers.partition_point(|reader| reader.0 < earlier.2);
        let those = readers[start..].iter().take_while(|reader| reader.0 == earlier.2);
        let others = those.filter(|reader| reader.1 != later.1);
        edges.extend(others.map(|&(_, from, why)| Edge { from, to: later.1, why, kind: kind::RW }));
        edges
    };
    let mut pairs = Vec::new();
    for group in writers.chunk_by(|a, b| a.0 == b.0) {
        for (at, &one) in group.iter().enumerate() {
            for &other in &group[at + 1..] {
                let sides = [order(one, other), order(other, one)];
                pairs.push(Pair { key: one.0, first: one.1, second: other.1, sides });
            }
            if pairs.len() > PAIRS_MAX {
                return None;
            }
        }
    }
    Some(pairs)
}

/// Whether some order of each pair leaves no cycle without neighbouring anti-dependencies.
pub(crate) fn search(
    nodes: u32,
    edges: Vec<Edge>,
    pairs: Vec<Pair>,
    limits: &Limits<'_>,
) -> Result<Snapshots, Halt> {
    if nodes > NODES_MAX {
        return Ok(Snapshots::Open);
    }
    let Some(first) = pairs.first().cloned() else { return Ok(Snapshots::Open) };
    let mut steps = STEPS_MAX;
    attempt(&Tries { nodes, limits }, edges, pairs, first, &mut steps, DEPTH_MAX)
}

struct Tries<'a> {
    nodes: u32,
    limits: &'a Limits<'a>,
}

/// Try the orders of the pairs in `open`; `last` is the pair that was decided before.
fn attempt(
    tries: &Tries<'_>,
    mut edges: Vec<Edge>,
    mut open: Vec<Pair>,
    mut last: Pair,
    steps: &mut u64,
    depth: usize,
) -> Result<Snapshots, Halt> {
    let nodes = tries.nodes;
    let reach = loop {
        tries.limits.check()?;
        let cost = (edges.len() as u64 + u64::from(nodes)) * 2 * (u64::from(nodes) / 32 + 1);
        if *steps < cost {
            return Ok(Snapshots::Open);
        }
        *steps -= cost;
        let Some(reach) = Reach::of(nodes, &edges) else { return Ok(Snapshots::Never(last)) };
        let mut left = Vec::with_capacity(open.len());
        let before = edges.len();
        for pair in open {
            let fits = [0, 1].map(|side: usize| pair.sides[side].iter().all(|edge| reach.allows(edge)));
            match fits {
                [true, true] => left.push(pair),
                [false, false] => return Ok(Snapshots::Never(pair)),
                [first, _] => {
                    edges.extend(&pair.sides[usize::from(!first)]);
                    last = pair;
                }
            }
        }
        open = left;
        if edges.len() == before {
            break reach;
        }
    };
    // Mostly all that is open may be as one order of the rest has it.
    let mut guess = edges.clone();
    guess.extend(
        open.iter()
            .flat_map(|pair| &pair.sides[usize::from(reach.place(pair.first) > reach.place(pair.second))]),
    );
    if Reach::of(nodes, &guess).is_some() {
        return Ok(Snapshots::Found);
    }
    let Some(pair) = open.pop().filter(|_| depth > 0) else { return Ok(Snapshots::Open) };
    for side in &pair.sides {
        let mut more = edges.clone();
        more.extend(side);
        match attempt(tries, more, open.clone(), pair.clone(), steps, depth - 1)? {
            Snapshots::Never(_) => {}
            found => return Ok(found),
        }
    }
    Ok(Snapshots::Never(pair))
}

/// What can be reached from each node. Each is there twice: as it is come to by a dependency, and by an anti-dependency,
/// after which no other may follow.
struct Reach {
    nodes: u32,
    words: usize,
    bits: Vec<u64>,
    /// Where each node stands in some order that keeps all edges.
    places: Vec<u32>,
}

impl Reach {
    /// None if there is a cycle.
    fn of(nodes: u32, edges: &[Edge]) -> Option<Reach> {
        let twice = 2 * nodes as usize;
        let mut next: Vec<Vec<u32>> = vec![Vec::new(); twice];
        let mut incoming = vec![0u32; twice];
        for edge in edges {
            for (from, to) in doubled(nodes, edge) {
                next[from as usize].push(to);
                incoming[to as usize] += 1;
            }
        }
        let mut order: Vec<u32> = (0..twice as u32).filter(|&node| incoming[node as usize] == 0).collect();
        let mut at = 0;
        while at < order.len() {
            for &to in &next[order[at] as usize] {
                incoming[to as usize] -= 1;
                if incoming[to as usize] == 0 {
                    order.push(to);
                }
            }
            at += 1;
        }
        if order.len() < twice {
            return None;
        }
        let mut places = vec![0; twice];
        for (place, &node) in (0..).zip(&order) {
            places[node as usize] = place;
        }
        let words = twice.div_ceil(64);
        let mut bits = vec![0u64; twice * words];
        for &node in order.iter().rev() {
            let row = node as usize * words;
            bits[row + node as usize / 64] |= 1 << (node % 64);
            for &to in &next[node as usize] {
                for word in 0..words {
                    bits[row + word] |= bits[to as usize * words + word];
                }
            }
        }
        Some(Reach { nodes, words, bits, places })
    }

    fn place(&self, node: u32) -> u32 {
        self.places[node as usize]
    }

    /// Whether an edge closes no cycle by itself.
    fn allows(&self, edge: &Edge) -> bool {
        doubled(self.nodes, edge).all(|(from, to)| {
            self.bits[to as usize * self.words + from as usize / 64] >> (from % 64) & 1 == 0
        })
    }
}

/// An edge between the doubles of its nodes; `node + nodes` was come to by an anti-dependency.
fn doubled(nodes: u32, edge: &Edge) -> impl Iterator<Item = (u32, u32)> {
    let (from, to) = (edge.from, edge.to);
    let pairs = if edge.kind & kind::PASS != 0 {
        // The second half of an edge goes on as the first came.
        [Some((from, to)), Some((from + nodes, to + nodes))]
    } else if edge.kind & kind::RW != 0 {
        [Some((from, to + nodes)), None]
    } else {
        [Some((from, to)), Some((from + nodes, to))]
    };
    pairs.into_iter().flatten()
}
