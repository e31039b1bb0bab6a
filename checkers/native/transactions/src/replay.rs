//! Proof of `valid`: run the transactions one after the other, and see that each read what it should have.

use crate::append::Versions;
use crate::register::Registers;
use crate::txns::{Txns, F};
use columns::NONE;

/// The first transaction of the order that read something else than the transactions before it left behind, and the key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mismatch {
    pub at: usize,
    pub key: u32,
}

/// List-append: the state of a key is the number of its appends so far. That is enough: which append stands where was
/// read off the lists, and every list was compared with them element by element.
pub(crate) fn append(txns: &Txns, versions: &Versions, order: &[u32]) -> Result<(), Mismatch> {
    let mut lengths = vec![0u32; txns.keys.len()];
    for (at, &number) in order.iter().enumerate() {
        let first = versions.reads.partition_point(|read| read.txn < number);
        for read in versions.reads[first..].iter().take_while(|read| read.txn == number) {
            let key = txns.mops[read.mop as usize].key;
            if lengths[key as usize] != read.base {
                return Err(Mismatch { at, key });
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
                    return Err(Mismatch { at, key: mop.key });
                }
                *length += 1;
            }
        }
    }
    Ok(())
}

/// Registers: the state of a key is the write that came last. `deals` are in any order.
pub(crate) fn register(txns: &Txns, registers: &Registers, order: &[u32]) -> Result<(), Mismatch> {
    let mut sorted: Vec<u32> = (0..registers.deals.len() as u32).collect();
    sorted.sort_unstable_by_key(|&deal| registers.deals[deal as usize].txn);
    let mut state = vec![NONE; txns.keys.len()];
    for (at, &number) in order.iter().enumerate() {
        let first = sorted.partition_point(|&deal| registers.deals[deal as usize].txn < number);
        let own = sorted[first..].iter().map(|&deal| &registers.deals[deal as usize]);
        for deal in own.take_while(|deal| deal.txn == number) {
            if deal.read != NONE && state[deal.key as usize] != deal.saw {
                return Err(Mismatch { at, key: deal.key });
            }
            if deal.wrote != NONE {
                state[deal.key as usize] = deal.wrote;
            }
        }
    }
    Ok(())
}
