//! What an order of the transactions proves that explains every read but those around knots of dependencies.
//!
//! The versions of each key are taken in that order. Then what depends on another transaction stands after it, but for
//! the reads that were passed over and what real time says inside knots. A circle needs an edge that points back, so all
//! of them lie in the stretches between the ends of those edges, and who reads only what the order explains has seen
//! whole transactions and the newest versions. So the rest of the history need not be looked at again; the result is
//! that of `complete::order_of_registers` on all of it.

use crate::complete::{edge, fractured, overwritten, violated};
use crate::cycles::parts_of;
use crate::graph::{kind, Edge, Graph};
use crate::limits::{Halt, Limits};
use crate::models::Set;
use crate::register::{Deal, Registers, UNTOLD};
use crate::settle::{Clash, Found};
use crate::shape::{places, Windows};
use crate::txns::Txns;
use columns::NONE;
use std::collections::HashMap;

const CLOCKS: u8 = kind::PROCESS | kind::TIME;

/// A last write of a key in the stretches: key, place, micro-operation.
type Writer = (u32, u32, u32);

struct Around<'a> {
    txns: &'a Txns,
    registers: &'a Registers,
    /// Where each node stands.
    place: Vec<u32>,
    /// The deals whose reads the order does not explain, sorted.
    passed: Vec<u32>,
    /// Sorted.
    writers: Vec<Writer>,
    next: HashMap<u32, u32>,
}

/// Models that this order of the versions rules out. `graph` has the edges of the clients' own order and of real time;
/// every read must show which write it saw.
pub(crate) fn ruled_out(
    txns: &Txns,
    registers: &Registers,
    graph: &Graph,
    found: &Found,
    limits: &Limits<'_>,
) -> Result<Set, Halt> {
    let reads = found.passed.iter().filter_map(|clash| match clash {
        Clash::Read { deal, .. } => Some(*deal),
        Clash::Write { .. } => None,
    });
    let mut passed: Vec<u32> = reads.collect();
    passed.sort_unstable();
    let mut around = Around {
        txns,
        registers,
        place: places(&found.order),
        passed,
        writers: Vec::new(),
        next: HashMap::new(),
    };
    let windows = Windows::of(around.back(graph), found.order.len());
    let inside: Vec<u32> =
        windows.nodes(&found.order).filter(|&node| (node as usize) < txns.list.len()).collect();
    around.enter(&inside);
    let (mut edges, lost) = around.dependencies(&inside, &windows);
    edges.extend(windows.edges(graph, CLOCKS, &found.order, &around.place));
    edges.retain(|edge| edge.from != edge.to);
    let mut readers: Vec<u32> =
        around.passed.iter().map(|&deal| registers.deals[deal as usize].txn).collect();
    readers.dedup();
    let set = fractured(txns, registers, readers.into_iter(), |write| around.rank(write));
    let set = set | if lost { overwritten() } else { 0 };
    let count = txns.list.len() as u32;
    Ok(set | violated(&parts_of(&edges, graph.nodes()), count, limits)?)
}

impl Around<'_> {
    /// The edges that point back, by the places of their ends, or longer stretches that hold them.
    fn back(&self, graph: &Graph) -> Vec<(u32, u32)> {
        let mut back = Vec::new();
        for from in 0..graph.nodes() {
            let here = self.place[from as usize];
            let arcs = graph.arcs(from).iter().filter(|arc| arc.kind & CLOCKS != 0);
            back.extend(arcs.map(|arc| (self.place[arc.to as usize], here)).filter(|ends| ends.0 < ends.1));
        }
        let mut first = HashMap::new();
        for deal in self.deals(&self.passed).filter(|deal| deal.saw == NONE) {
            first.insert(deal.key, NONE);
        }
        if !first.is_empty() {
            for deal in self.registers.deals.iter().filter(|deal| deal.wrote != NONE) {
                if let Some(place) = first.get_mut(&deal.key) {
                    *place = (*place).min(self.place[deal.txn as usize]);
                }
            }
        }
        for deal in self.deals(&self.passed) {
            let reader = self.place[deal.txn as usize];
            let other = match deal.saw {
                NONE => first[&deal.key],
                saw => self.place[self.txns.mops[saw as usize].txn as usize],
            };
            if other != NONE {
                back.push((reader.min(other), reader.max(other)));
            }
        }
        back
    }

    fn deals<'b>(&'b self, numbers: &'b [u32]) -> impl Iterator<Item = Deal> + 'b {
        numbers.iter().map(|&deal| self.registers.deals[deal as usize])
    }

    /// Take the writes of these transactions.
    fn enter(&mut self, inside: &[u32]) {
        for &txn in inside {
            for at in self.registers.deals_of(txn) {
                let deal = self.registers.deals[at as usize];
                if deal.wrote != NONE {
                    self.writers.push((deal.key, self.place[txn as usize], deal.wrote));
                }
            }
        }
        self.writers.sort_unstable();
        for group in self.writers.chunk_by(|a, b| a.0 == b.0) {
            let following = group.iter().skip(1).map(|writer| writer.2).chain([NONE]);
            self.next.extend(group.iter().map(|writer| writer.2).zip(following));
        }
    }

    /// Who depends on whom inside, and whether some transaction overwrote what it had not read.
    fn dependencies(&self, inside: &[u32], windows: &Windows) -> (Vec<Edge>, bool) {
        let (mut edges, mut lost) = (Vec::new(), false);
        for pair in self.writers.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
            edges.push(edge(self.txns, pair[0].2, pair[1].2, pair[1].2, kind::WW));
        }
        for at in inside.iter().flat_map(|&txn| self.registers.deals_of(txn)) {
            let deal = self.registers.deals[at as usize];
            if deal.read == NONE || deal.saw == UNTOLD {
                continue;
            }
            let passed = self.passed.binary_search(&at).is_ok();
            let follows = self.follows(deal, passed);
            if deal.saw != NONE {
                let writer = self.txns.mops[deal.saw as usize].txn;
                if windows.holds(self.place[writer as usize]) {
                    edges.push(edge(self.txns, deal.saw, deal.read, deal.read, kind::WR));
                }
            }
            if follows != NONE {
                edges.push(edge(self.txns, deal.read, follows, deal.read, kind::RW));
            }
            lost |= passed && deal.wrote != NONE && follows != deal.wrote;
        }
        (edges, lost)
    }

    /// The write inside that comes after the one which was read, or `NONE`.
    fn follows(&self, deal: Deal, passed: bool) -> u32 {
        if let Some(&next) = self.next.get(&deal.saw) {
            return next;
        }
        // What the order explains saw the newest write that came before it.
        let after = match (passed, deal.saw) {
            (true, NONE) => 0,
            (true, _) => return NONE,
            (false, _) => self.place[deal.txn as usize],
        };
        let at = self.writers.partition_point(|writer| (writer.0, writer.1) < (deal.key, after));
        self.writers.get(at).filter(|writer| writer.0 == deal.key).map_or(NONE, |writer| writer.2)
    }

    /// Where a version stands; `NONE` for what did not last.
    fn rank(&self, write: u32) -> u32 {
        let txn = self.txns.mops[write as usize].txn;
        let mut deals = self.registers.deals_of(txn).map(|at| self.registers.deals[at as usize]);
        if deals.any(|deal| deal.wrote == write) {
            self.place[txn as usize]
        } else {
            NONE
        }
    }
}
