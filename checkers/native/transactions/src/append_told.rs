//! How appends and reads that contradict each other without a cycle are reported.

use crate::findings::{call, tail, Example, Findings};
use crate::txns::{Mop, Txns, F};
use columns::{Columns, NONE};

pub(crate) fn duplicate(
    columns: &Columns,
    txns: &Txns,
    reader: u32,
    key: u32,
    list: &[u32],
    append: u32,
) -> Example {
    let writer = txns.mops[append as usize];
    let sentence = format!(
        "{} read {} twice in list {}, as {}, but it was appended only once, by {}",
        call(columns, txns, reader),
        txns.json(writer.value),
        txns.key_json(key),
        tail(txns, list),
        call(columns, txns, writer.txn)
    );
    Example { sentence, key: Some(key), txns: pair(writer.txn, reader), cycle: vec![] }
}

pub(crate) fn reordered(
    columns: &Columns,
    txns: &Txns,
    reader: u32,
    list: &[u32],
    earlier: u32,
    later: u32,
) -> Example {
    let (earlier, later) = (txns.mops[earlier as usize], txns.mops[later as usize]);
    let sentence = format!(
        "{} read list {} as {}, with {} but without {} before it, though {} appended {} first",
        call(columns, txns, reader),
        txns.key_json(later.key),
        tail(txns, list),
        txns.json(later.value),
        txns.json(earlier.value),
        call(columns, txns, later.txn),
        txns.json(earlier.value),
    );
    Example { sentence, key: Some(later.key), txns: pair(later.txn, reader), cycle: vec![] }
}

/// Some transaction that read the element at this place of a key's trunk.
pub(crate) fn some_reader(txns: &Txns, key: u32, at: usize) -> u32 {
    let sees = |mop: &&Mop| mop.f == F::Read && mop.key == key && mop.value == NONE && mop.len as usize > at;
    txns.mops.iter().find(sees).map_or(0, |mop| mop.txn)
}

pub(crate) fn pair(first: u32, second: u32) -> Vec<u32> {
    if first == second {
        vec![second]
    } else {
        vec![first, second]
    }
}

/// A list as people read it: the end, up to where it first differs from another and a little further.
pub(crate) fn differing(txns: &Txns, list: &[u32], other: &[u32]) -> String {
    let same = list.iter().zip(other).take_while(|(a, b)| a == b).count();
    let end = list.len().min(same + 2);
    let shown = tail(txns, &list[..end]);
    match (shown.strip_suffix(']'), end < list.len()) {
        (Some(open), true) => format!("{open} ..]"),
        _ => shown,
    }
}

pub(crate) fn unwritten(columns: &Columns, txns: &Txns, reader: u32, key: u32, value: u32) -> Example {
    let sentence = format!(
        "{} read {} in list {}, which was never appended",
        call(columns, txns, reader),
        txns.json(value),
        txns.key_json(key)
    );
    Example { sentence, key: Some(key), txns: vec![reader], cycle: vec![] }
}

pub(crate) fn aborted_read(
    txns: &Txns,
    findings: &Findings<'_>,
    reader: u32,
    writer: u32,
    key: u32,
    value: u32,
) -> Example {
    let sentence = format!(
        "{} read {} of key {}, written by {}, which had failed and certainly did not happen",
        findings.call(txns, reader),
        txns.json(value),
        txns.key_json(key),
        findings.call(txns, writer)
    );
    Example { sentence, key: Some(key), txns: pair(writer, reader), cycle: vec![] }
}

pub(crate) fn intermediate(
    txns: &Txns,
    findings: &Findings<'_>,
    reader: u32,
    writer: &Mop,
    later: Mop,
) -> Example {
    let sentence = format!(
        "{} read {} as the newest of key {}, but {} went on to write {} before it committed: a state in the middle \
         of a transaction was seen",
        findings.call(txns, reader),
        txns.json(writer.value),
        txns.key_json(writer.key),
        findings.call(txns, writer.txn),
        txns.json(later.value)
    );
    Example { sentence, key: Some(writer.key), txns: pair(writer.txn, reader), cycle: vec![] }
}

pub(crate) fn dirty_update(txns: &Txns, findings: &Findings<'_>, failed: u32, after: u32) -> Example {
    let (failed, after) = (txns.mops[failed as usize], txns.mops[after as usize]);
    let sentence = format!(
        "{} appended {} to list {} on top of {}, which {} had appended, and that one had failed",
        findings.call(txns, after.txn),
        txns.json(after.value),
        txns.key_json(after.key),
        txns.json(failed.value),
        findings.call(txns, failed.txn)
    );
    Example { sentence, key: Some(after.key), txns: pair(failed.txn, after.txn), cycle: vec![] }
}
