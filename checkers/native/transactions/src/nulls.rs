//! Reads of null where null was written too, in small histories: such a read may have seen the beginning or any of those
//! writes, so each way of explaining it is tried, depth first.

use crate::graph::{kind, Edge, Graph};
use crate::limits::{Halt, Limits};
use crate::register::{Registers, UNTOLD};
use crate::txns::Txns;
use columns::NONE;

/// Orders tried; of more transactions than these none is.
const ORDERS_MAX: usize = 5_000;
const TXNS_MAX: usize = 2_000;

pub(crate) enum Tried {
    /// An order that explains every read, helpers and all.
    Order(Vec<u32>),
    /// Each way ends in a circle; the read that failed, and the write that it found.
    Never(u32, u32),
    Open,
}

pub(crate) struct Nulls<'a> {
    pub txns: &'a Txns,
    pub registers: &'a Registers,
    pub limits: &'a Limits<'a>,
    pub nodes: u32,
}

impl Nulls<'_> {
    /// Try all ways.
    pub fn settle(&self, edges: &[Edge]) -> Result<Tried, Halt> {
        if self.txns.list.len() > TXNS_MAX {
            return Ok(Tried::Open);
        }
        let mut budget = ORDERS_MAX;
        let found = self.attempt(&mut edges.to_vec(), &mut budget)?;
        Ok(found.unwrap_or(Tried::Open))
    }

    /// None where the edges go in a circle.
    fn attempt(&self, edges: &mut Vec<Edge>, budget: &mut usize) -> Result<Option<Tried>, Halt> {
        self.limits.check()?;
        let Some(order) = Graph::of(edges, self.nodes, u8::MAX).order() else { return Ok(None) };
        let Some((deal, found)) = self.mismatch(&order) else { return Ok(Some(Tried::Order(order))) };
        let Some(choices) = self.choices(deal, found) else { return Ok(Some(Tried::Open)) };
        for choice in choices {
            if *budget == 0 {
                return Ok(Some(Tried::Open));
            }
            *budget -= 1;
            let before = edges.len();
            edges.extend(choice);
            let tried = self.attempt(edges, budget)?;
            edges.truncate(before);
            if let Some(tried @ (Tried::Order(_) | Tried::Open)) = tried {
                return Ok(Some(tried));
            }
        }
        Ok(Some(Tried::Never(deal, found)))
    }

    /// The first read that finds another write than it had seen.
    fn mismatch(&self, order: &[u32]) -> Option<(u32, u32)> {
        let txns = self.txns;
        let mut state = vec![NONE; txns.keys.len()];
        for &number in order {
            if !txns.list.get(number as usize).is_some_and(|txn| txn.committed) {
                continue;
            }
            for at in self.registers.deals_of(number) {
                let deal = &self.registers.deals[at as usize];
                let found = state[deal.key as usize];
                let same = || txns.mops[found as usize].value == txns.mops[deal.read as usize].value;
                let fits = || found == deal.saw || found == NONE || (deal.saw == UNTOLD && same());
                if deal.read != NONE && !fits() {
                    return Some((at, found));
                }
                if deal.wrote != NONE {
                    state[deal.key as usize] = deal.wrote;
                }
            }
        }
        None
    }

    /// All that can explain a read, each as edges that must hold together: the other write after the read, or before the
    /// write that was seen, which of null may be any. None if a write of null may not have happened.
    fn choices(&self, deal: u32, found: u32) -> Option<Vec<Vec<Edge>>> {
        let reader = &self.registers.deals[deal as usize];
        let intruder = self.txns.mops[found as usize].txn;
        let edge = |from, to, kind| Edge { from, to, why: reader.read, kind };
        let mut choices = vec![vec![edge(reader.txn, intruder, kind::RW)]];
        if reader.saw != UNTOLD {
            let saw = self.txns.mops.get(reader.saw as usize).map(|saw| saw.txn);
            choices.extend(saw.map(|saw| vec![edge(intruder, saw, kind::WW)]));
            return Some(choices);
        }
        for txn in self.registers.nulls(self.txns, reader.key) {
            if !self.txns.list[txn as usize].committed {
                return None;
            }
            if txn != reader.txn && txn != intruder {
                choices.push(vec![edge(intruder, txn, kind::WW), edge(txn, reader.txn, kind::WR)]);
            }
        }
        Some(choices)
    }
}
