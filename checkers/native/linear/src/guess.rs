//! The service's own versions as a guessed order of a register's operations: O(n log n) to verify.
//!
//! Successful writes stand in the order of their versions, every read behind the last write whose version is not
//! above the one it was given. Where a read or compare-and-set does not fit, an operation of unknown outcome that
//! explains it is put before it. If replay and real time agree, the order is a witness; if not, nothing is proved.

use crate::hash::Map;
use crate::ops::{Op, F};
use columns::NO_VERSION;

/// An order that holds, if the versions lead to one. Values are handles; `initial` is the first.
#[must_use]
pub fn order(ops: &[Op], versions: &[i64], initial: u32) -> Option<Vec<u32>> {
    if versions.len() != ops.len() {
        return None;
    }
    let known = |id: &u32| !ops[*id as usize].open();
    let mut sorted: Vec<u32> = (0..ops.len() as u32).filter(known).collect();
    if sorted.iter().any(|&id| versions[id as usize] == NO_VERSION) {
        return None;
    }
    sorted.sort_by_key(|&id| {
        let op = &ops[id as usize];
        (versions[id as usize], op.f == F::Read, op.call)
    });
    let mut loose: Map<u32, Vec<u32>> = Map::default();
    for id in (0..ops.len() as u32).rev().filter(|id| !known(id)) {
        let op = &ops[id as usize];
        loose.entry(if op.f == F::Cas { op.b } else { op.a }).or_default().push(id);
    }
    let mut order = Vec::with_capacity(ops.len());
    let mut value = initial;
    for id in sorted {
        let op = &ops[id as usize];
        if op.f != F::Write && op.a != value {
            let makers = loose.get_mut(&op.a)?;
            let fits = |&maker: &u32| {
                let maker = &ops[maker as usize];
                maker.call < op.ret && (maker.f == F::Write || maker.a == value)
            };
            let at = makers.iter().rposition(fits)?;
            order.push(makers.remove(at));
            value = op.a;
        }
        value = match op.f {
            F::Write => op.a,
            F::Cas => op.b,
            _ => value,
        };
        order.push(id);
    }
    let mut latest = 0;
    for &id in &order {
        let op = &ops[id as usize];
        if op.ret < latest {
            return None;
        }
        latest = latest.max(op.call);
    }
    Some(order)
}
