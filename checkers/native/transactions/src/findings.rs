//! Anomalies as they are found: each name with its count, a few examples and their sentences.

use crate::txns::{Outcome, Txns};
use columns::{Columns, NONE};

/// Examples kept of each name; the rest is counted.
const EXAMPLES_MAX: usize = 8;

/// One step of a cycle, ready to be reported.
pub(crate) struct Step {
    pub from: u32,
    pub to: u32,
    pub kind: &'static str,
    pub key: Option<u32>,
    pub why: String,
}

pub(crate) struct Example {
    pub sentence: String,
    pub key: Option<u32>,
    /// Those that show it, the one that could not have happened last.
    pub txns: Vec<u32>,
    pub cycle: Vec<Step>,
}

pub(crate) struct Finding {
    pub name: String,
    pub count: usize,
    pub examples: Vec<Example>,
}

pub(crate) struct Findings<'a> {
    columns: &'a Columns,
    pub list: Vec<Finding>,
    /// Why versions cannot be distinguished: not the service's fault, and no verdict `valid` is possible.
    pub doubts: Vec<String>,
}

impl<'a> Findings<'a> {
    pub fn new(columns: &'a Columns) -> Self {
        Findings { columns, list: Vec::new(), doubts: Vec::new() }
    }

    /// Count one, and keep it if it is among the first.
    pub fn add(&mut self, name: &str, example: impl FnOnce() -> Example) {
        let at = self.list.iter().position(|finding| finding.name == name).unwrap_or_else(|| {
            self.list.push(Finding { name: name.into(), count: 0, examples: Vec::new() });
            self.list.len() - 1
        });
        self.list[at].count += 1;
        if self.list[at].examples.len() < EXAMPLES_MAX {
            self.list[at].examples.push(example());
        }
    }

    pub fn doubt(&mut self, text: impl FnOnce() -> String) {
        if self.doubts.len() < EXAMPLES_MAX {
            self.doubts.push(text());
        }
    }

    /// How a transaction is called in a sentence.
    pub fn call(&self, txns: &Txns, txn: u32) -> String {
        call(self.columns, txns, txn)
    }

    /// For sentences that are only made where they are kept.
    pub fn columns(&self) -> &'a Columns {
        self.columns
    }
}

/// How a transaction is called in a sentence: by its process, and when it ran.
pub(crate) fn call(columns: &Columns, txns: &Txns, txn: u32) -> String {
    format!("p{}'s transaction ({})", txns.list[txn as usize].process, when(columns, txns, txn))
}

/// When a transaction ran, in seconds of the run.
pub(crate) fn when(columns: &Columns, txns: &Txns, txn: u32) -> String {
    let txn = &txns.list[txn as usize];
    let seconds = |at: u32| format!("{:.3}", columns.time[at as usize] as f64 / 1e9);
    let begun = seconds(txn.invoke);
    if txn.complete == NONE || txn.outcome == Outcome::Info {
        return format!("asked at {begun} s, outcome unknown");
    }
    let ended = seconds(txn.complete);
    if begun == ended {
        format!("{ended} s")
    } else {
        format!("{begun} to {ended} s")
    }
}

/// A list as people read it: long ones by their end.
pub(crate) fn tail(txns: &Txns, list: &[u32]) -> String {
    let shown: Vec<String> =
        list[list.len().saturating_sub(4)..].iter().map(|&value| txns.json(value)).collect();
    let dots = if list.len() > 4 { ".. " } else { "" };
    format!("[{dots}{}]", shown.join(" "))
}
