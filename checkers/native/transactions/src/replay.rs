//! Proof of `valid`: run the transactions one after the other, and see that each read what it should have.

use crate::append::Versions;
use crate::register::{Registers, UNTOLD};
use crate::txns::{Txns, F};
use columns::NONE;

/// Whether every read comes out right. List-append: the state of a key is the number of its appends so far. That is enough: which append stands where was
/// read off the lists, and every list was compared with them element by element.
pub(crate) fn append(txns: &Txns, versions: &Versions, order: &[u32]) -> bool {
    let mut lengths = vec![0u32; txns.keys.len()];
    for &number in order {
        let first = versions.reads.partition_point(|read| read.txn < number);
        for read in versions.reads[first..].iter().take_while(|read| read.txn == number) {
            let key = txns.mops[read.mop as usize].key;
            if lengths[key as usize] != read.base {
                return false;
            }
        }
        let txn = &txns.list[number as usize];
        for (mop, place) in
            (txn.first..txn.end).map(|mop| (txns.mops[mop as usize], versions.place[mop as usize]))
        {
            if mop.f == F::Write {
                let length = &mut lengths[mop.key as usize];
                let fits = if place == NONE {
                    *length as usize >= txns.trunks[mop.key as usize].len()
                } else {
                    place == *length
                };
                if !fits {
                    return false;
                }
                *length += 1;
            }
        }
    }
    true
}

/// Registers: the state of a key is the write that came last, and each read must find the one that it saw.
pub(crate) fn register(txns: &Txns, registers: &Registers, order: &[u32]) -> bool {
    let mut state = vec![NONE; txns.keys.len()];
    for &number in order {
        for at in registers.deals_of(number) {
            let deal = &registers.deals[at as usize];
            let found = state[deal.key as usize];
            // Of a read whose write is unknown, any write of its value will do.
            let same =
                || found == NONE || txns.mops[found as usize].value == txns.mops[deal.read as usize].value;
            if deal.read != NONE && found != deal.saw && !(deal.saw == UNTOLD && same()) {
                return false;
            }
        }
        for at in registers.deals_of(number) {
            let deal = &registers.deals[at as usize];
            if deal.wrote != NONE {
                state[deal.key as usize] = deal.wrote;
            }
        }
    }
    true
}
