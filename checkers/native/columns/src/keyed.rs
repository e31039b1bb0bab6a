//! Jepsen's independent histories: every value is `[key value]`.
//!
//! Jepsen prints its tuples as plain vectors, so that they must be recognised: every client invocation carries a
//! pair, and at least one of them can be nothing else (a read that asks `[key nil]`, a compare-and-set of
//! `[key [old new]]`). Without such proof nothing is split.

use crate::scan::pair;
use crate::{Columns, Kind, Text, NEMESIS, NONE};

/// Move keys out of the values if this is an independent history without keys of its own.
pub(crate) fn split(columns: &mut Columns) {
    if !is_independent(columns) {
        return;
    }
    for position in 0..columns.len() {
        if columns.process[position] == NEMESIS {
            continue;
        }
        let json = columns.texts.json(columns.value[position]).into_owned();
        let parts = pair(&json).map(|(key, value)| (columns.texts.intern(key), columns.texts.intern(value)));
        let invocation = columns.pair[position];
        if columns.kind[position] == Kind::Invoke {
            (columns.key[position], columns.value[position]) = parts.expect("checked for every invocation");
        } else if invocation != NONE {
            let key = columns.key[invocation as usize];
            columns.key[position] = key;
            // A completion that lost its key (an error in place of the value) keeps the value as it stands.
            if let Some((_, value)) = parts.filter(|(own, _)| *own == key) {
                columns.value[position] = value;
            }
        }
    }
}

fn is_independent(columns: &Columns) -> bool {
    let of_client = |&(_, &process): &(&Text, &i64)| process != NEMESIS;
    if columns.key.iter().zip(&columns.process).filter(of_client).any(|(key, _)| !key.is_null()) {
        return false;
    }
    let cas = columns.texts.find(b"\"cas\"");
    let txn = columns.texts.find(b"\"txn\"");
    let mut proved = false;
    for position in 0..columns.len() {
        if columns.process[position] == NEMESIS || columns.kind[position] != Kind::Invoke {
            continue;
        }
        let f = Some(columns.f[position]);
        let json = columns.texts.json(columns.value[position]);
        let Some((key, value)) = pair(&json).filter(|_| f != txn) else {
            return false;
        };
        if key == b"null" {
            return false;
        }
        proved |= if f == cas { pair(value).is_some() } else { value == b"null" };
    }
    proved
}

/// Whether EDN can hold keys inside values, as Jepsen's independent prints them, and be read back as the same.
#[must_use]
pub fn can_join(columns: &Columns) -> bool {
    let cas = columns.texts.find(b"\"cas\"");
    let is_pair = |text: Text| pair(&columns.texts.json(text)).is_some();
    let mut proved = false;
    for position in 0..columns.len() {
        if columns.process[position] == NEMESIS {
            continue;
        }
        if columns.key[position].is_null() || Some(columns.f[position]) == columns.texts.find(b"\"txn\"") {
            return false;
        }
        let invoke = columns.kind[position] == Kind::Invoke;
        let value = columns.value[position];
        proved |= invoke && if Some(columns.f[position]) == cas { is_pair(value) } else { value.is_null() };
    }
    proved
}
