//! What is reported where no order explains all.

use crate::findings::{Example, Findings};
use crate::judge::Case;
use crate::register::Registers;
use crate::seen::Seen;
use crate::settle::{Clash, Refutation};
use crate::txns::Txns;

impl Case<'_> {
    /// No order explains all: say which write fits nowhere.
    pub(crate) fn refuted(&self, name: &'static str, refutation: &Refutation, findings: &mut Findings<'_>) {
        let (txns, clash) = (self.txns, refutation.clash);
        let (sentence, key) = match (clash, self.seen) {
            (Clash::Read { deal, found }, Seen::Register(registers)) => {
                impossible(txns, registers, deal, found, findings)
            }
            (Clash::Read { found, .. }, Seen::Append(_)) => (String::new(), txns.mops[found as usize].key),
            (Clash::Write { first, second }, _) => {
                let (one, other) = (txns.mops[first as usize], txns.mops[second as usize]);
                let sentence = format!(
                    "{} and {} both wrote key {}, so one had committed before the other began, but neither can have \
                     been first, whatever the order of other such writes: some transaction would not have read a \
                     snapshot",
                    findings.call(txns, one.txn),
                    findings.call(txns, other.txn),
                    txns.key_json(one.key)
                );
                (sentence, one.key)
            }
        };
        let more = if refutation.whole { "" } else { " (with many others, which are not listed)" };
        findings.add(name, || Example {
            sentence: sentence + more,
            key: Some(key),
            txns: refutation.txns.clone(),
            cycle: vec![],
        });
    }

    /// Neither order of two writes will do.
    pub(crate) fn torn_views(&self, first: u32, second: u32, findings: &mut Findings<'_>) {
        let (one, other) = (self.txns.mops[first as usize], self.txns.mops[second as usize]);
        let (call, second) = (findings.call(self.txns, one.txn), findings.call(self.txns, other.txn));
        findings.add("G-single", || Example {
            sentence: format!(
                "{call} and {second} both wrote key {}, and whichever came first, some transaction saw a part \
                 of what another did and missed the rest",
                self.txns.key_json(one.key)
            ),
            key: Some(one.key),
            txns: vec![one.txn, other.txn],
            cycle: vec![],
        });
    }
}

fn impossible(
    txns: &Txns,
    registers: &Registers,
    deal: u32,
    found: u32,
    findings: &Findings<'_>,
) -> (String, u32) {
    let reader = &registers.deals[deal as usize];
    let (read, found) = (&txns.mops[reader.read as usize], &txns.mops[found as usize]);
    // Null may have been there from the beginning, or its writer is unknown.
    let writer = txns.mops.get(reader.saw as usize).map(|saw| saw.txn);
    let (call, other) = (findings.call(txns, reader.txn), findings.call(txns, found.txn));
    let by = writer.map_or_else(String::new, |txn| format!(", written by {}", findings.call(txns, txn)));
    let sentence = format!(
        "no order of the transactions explains every read: {call} read {} of key {}{by}, and {other} wrote {} \
         there, which can have come neither before nor after, whatever the order of the others",
        txns.json(read.value),
        txns.key_json(read.key),
        txns.json(found.value)
    );
    (sentence, read.key)
}
