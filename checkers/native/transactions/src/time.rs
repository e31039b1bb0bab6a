//! Edges that need no values: the order of a client's own transactions, and real time.

use crate::graph::{kind, Edges};
use crate::limits::{Halt, Limits};
use crate::txns::{Outcome, Txns};
use columns::{Columns, Kind, NONE};
use std::collections::HashMap;

const NOBODY: u32 = u32::MAX;

/// A client's transactions in their order. After an unknown outcome nothing is known: it may take effect later.
pub(crate) fn process_edges(txns: &Txns, edges: &mut Edges) {
    let mut last: HashMap<i64, u32> = HashMap::new();
    for (number, txn) in txns.list.iter().enumerate().filter(|(_, txn)| txn.committed) {
        let number = number as u32;
        let before = last.entry(txn.process).or_insert(NOBODY);
        if *before != NOBODY {
            edges.add(*before, number, kind::PROCESS, NOBODY);
        }
        *before = if txn.outcome == Outcome::Ok { number } else { NOBODY };
    }
}

/// Real time as a chain of helper nodes: a transaction that returned points to the next link, and each link to those
/// invoked after it. Linear where all pairs are quadratic.
pub(crate) fn time_edges(
    columns: &Columns,
    txns: &Txns,
    edges: &mut Edges,
    limits: &Limits<'_>,
) -> Result<(), Halt> {
    let mut txn_at = vec![NOBODY; columns.len()];
    for (number, txn) in txns.list.iter().enumerate().filter(|(_, txn)| txn.committed) {
        txn_at[txn.invoke as usize] = number as u32;
        if txn.outcome == Outcome::Ok && txn.complete != NONE {
            txn_at[txn.complete as usize] = number as u32;
        }
    }
    let mut chain = Chain { closed: NOBODY, open: NOBODY };
    for (start, end) in ties(columns) {
        // Equal timestamps only widen intervals: all that is invoked then comes before all that returns.
        for completions in [false, true] {
            for (&txn, &kind) in txn_at[start..end].iter().zip(&columns.kind[start..end]) {
                if txn != NOBODY && (kind != Kind::Invoke) == completions {
                    chain.event(txn, completions, edges);
                }
            }
        }
        if start % 4096 == 0 {
            limits.check()?;
        }
    }
    Ok(())
}

struct Chain {
    /// The last link that somebody came after.
    closed: u32,
    /// The link that transactions which return now point to.
    open: u32,
}

impl Chain {
    fn event(&mut self, txn: u32, completion: bool, edges: &mut Edges) {
        if completion {
            if self.open == NOBODY {
                self.open = edges.helper();
            }
            edges.add(txn, self.open, kind::TIME, NOBODY);
            return;
        }
        if self.open != NOBODY {
            if self.closed != NOBODY {
                edges.add(self.closed, self.open, kind::TIME | kind::PASS, NOBODY);
            }
            self.closed = self.open;
            self.open = NOBODY;
        }
        if self.closed != NOBODY {
            edges.add(self.closed, txn, kind::TIME | kind::PASS, NOBODY);
        }
    }
}

/// Ranges of events that are to be taken together because their times are equal. A history without times was given
/// rising ones when it was read.
fn ties(columns: &Columns) -> impl Iterator<Item = (usize, usize)> + '_ {
    let time = &columns.time;
    let mut start = 0;
    std::iter::from_fn(move || {
        if start >= time.len() {
            return None;
        }
        let mut end = start + 1;
        while end < time.len() && time[end] == time[start] {
            end += 1;
        }
        let range = (start, end);
        start = end;
        Some(range)
    })
}
