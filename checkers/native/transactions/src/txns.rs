//! Transactions out of columns: micro-operations in one flat list, keys and values as small numbers.

use crate::limits::{Halt, Limits};
use crate::parse::{Cursor, Foreign};
use crate::table::{Table, ABSENT};
use columns::{Columns, Kind, Text, Texts, NEMESIS, NONE};

/// Whether transactions append to lists or write registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Model {
    Append,
    Register,
}

/// What became of a transaction, as its client knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    Ok,
    Info,
    Fail,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum F {
    /// An append, or a write of a register.
    Write,
    Read,
}

/// One micro-operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mop {
    pub key: u32,
    /// Written or read value as a text of `Txns::texts`; for a read list its number in `Txns::strange`, or `NONE` if
    /// it is the beginning of the key's trunk.
    pub value: u32,
    /// Length of a read list.
    pub len: u32,
    pub txn: u32,
    pub f: F,
}

pub(crate) struct Txn {
    /// Positions of the events; `complete` is `NONE` while it never came.
    pub invoke: u32,
    pub complete: u32,
    pub process: i64,
    pub first: u32,
    pub end: u32,
    pub outcome: Outcome,
    /// It happened: ok, or info and somebody saw its effect.
    pub committed: bool,
}

pub(crate) struct Txns {
    pub model: Model,
    pub list: Vec<Txn>,
    pub mops: Vec<Mop>,
    /// Texts of keys and values.
    pub texts: Texts,
    /// The text of each key.
    pub keys: Vec<u32>,
    /// Per key the longest list read so far, of which all other reads but the strange ones are beginnings.
    pub trunks: Vec<Vec<u32>>,
    /// Lists that are not a beginning of their key's trunk.
    pub strange: Vec<Vec<u32>>,
    numbers: Table,
}

/// Whether an operation is a transaction by its value, whatever its function is called: some tests name it by what it
/// does (`write` of `[["w", 7, 1]]`).
fn looks_like_one(columns: &Columns, at: usize) -> bool {
    let json = columns.texts.json(columns.value[at]);
    let name = json.strip_prefix(b"[[\"").and_then(|rest| rest.split(|&byte| byte == b'"').next());
    matches!(name, Some(b"r" | b"w" | b"append" | b"read" | b"write"))
}

impl Txns {
    /// Read all transactions of clients. Operations that are not transactions are left out.
    pub fn read(columns: &Columns, model: Model, limits: &Limits<'_>) -> Result<Txns, Halt> {
        let mut txns = Txns {
            model,
            list: Vec::with_capacity(columns.len() / 2),
            mops: Vec::with_capacity(columns.len()),
            texts: Texts::default(),
            keys: Vec::new(),
            trunks: Vec::new(),
            strange: Vec::new(),
            numbers: Table::with_room(64),
        };
        let function = columns.texts.find(b"\"txn\"");
        let mut scratch = Vec::new();
        for at in 0..columns.len() {
            if columns.kind[at] != Kind::Invoke || columns.process[at] == NEMESIS {
                continue;
            }
            if Some(columns.f[at]) != function && !looks_like_one(columns, at) {
                continue;
            }
            txns.one(columns, at, &mut scratch).map_err(|reason| {
                Halt(format!("the transaction at index {} cannot be read: {}", columns.index[at], reason.0))
            })?;
            if at % 4096 < 2 {
                limits.check()?;
                limits.memory(txns.bytes())?;
            }
        }
        Ok(txns)
    }

    fn one(&mut self, columns: &Columns, at: usize, scratch: &mut Vec<u32>) -> Result<(), Foreign> {
        let complete = columns.pair[at];
        let kind = if complete == NONE { Kind::Info } else { columns.kind[complete as usize] };
        let outcome = match kind {
            Kind::Ok => Outcome::Ok,
            Kind::Fail => Outcome::Fail,
            Kind::Info | Kind::Invoke => Outcome::Info,
        };
        let mut value = columns.value[at];
        let known = outcome == Outcome::Ok && !columns.value[complete as usize].is_null();
        if known {
            value = columns.value[complete as usize];
        }
        let first = self.mops.len() as u32;
        if !value.is_null() {
            let json = columns.texts.json(value);
            self.micro_operations(&json, known, scratch)?;
        }
        self.list.push(Txn {
            invoke: at as u32,
            complete,
            process: columns.process[at],
            first,
            end: self.mops.len() as u32,
            outcome,
            committed: outcome == Outcome::Ok,
        });
        Ok(())
    }

    /// Take a list of micro-operations apart. What an unknown or failed transaction read is not known: left out.
    fn micro_operations(&mut self, json: &[u8], known: bool, scratch: &mut Vec<u32>) -> Result<(), Foreign> {
        let txn = self.list.len() as u32;
        let mut cursor = Cursor::new(json);
        cursor.open()?;
        let mut any = false;
        while cursor.more(any)? {
            any = true;
            cursor.open()?;
            let name = cursor.name()?;
            cursor.comma()?;
            let key = cursor.value(&mut self.texts)?;
            let key = self.key(key);
            if matches!(name, b"r" | b"read") && cursor.closes() {
                // A read without a value: what it saw is not known.
                cursor.close()?;
                continue;
            }
            cursor.comma()?;
            match (name, self.model) {
                (b"append", Model::Append) | (b"w" | b"write", Model::Register) => {
                    let value = cursor.value(&mut self.texts)?;
                    self.mops.push(Mop { key, value, len: 0, txn, f: F::Write });
                }
                (b"r" | b"read", Model::Append) => {
                    cursor.list(&mut self.texts, scratch)?;
                    if known {
                        let (len, value) = self.offer(key, scratch);
                        self.mops.push(Mop { key, value, len, txn, f: F::Read });
                    }
                }
                (b"r" | b"read", Model::Register) => {
                    let value = cursor.value(&mut self.texts)?;
                    if known {
                        self.mops.push(Mop { key, value, len: 0, txn, f: F::Read });
                    }
                }
                _ => {
                    return Err(Foreign(format!(
                        "\"{}\" is not an operation of this model",
                        String::from_utf8_lossy(name)
                    )))
                }
            }
            cursor.close()?;
        }
        cursor.end()
    }

    /// The small number of a key.
    fn key(&mut self, text: u32) -> u32 {
        let found = self.numbers.get(0, text);
        if found != ABSENT {
            return found;
        }
        let number = self.keys.len() as u32;
        self.numbers.put(0, text, number);
        self.keys.push(text);
        self.trunks.push(Vec::new());
        number
    }

    /// Hold a list against the key's trunk; a longer one lets the trunk grow.
    fn offer(&mut self, key: u32, list: &[u32]) -> (u32, u32) {
        let trunk = &mut self.trunks[key as usize];
        let common = trunk.len().min(list.len());
        if trunk[..common] == list[..common] {
            trunk.extend_from_slice(&list[common..]);
            return (list.len() as u32, NONE);
        }
        self.strange.push(list.to_vec());
        (list.len() as u32, self.strange.len() as u32 - 1)
    }

    /// The list that a read returned.
    pub fn content(&self, read: &Mop) -> &[u32] {
        if read.value == NONE {
            return &self.trunks[read.key as usize][..read.len as usize];
        }
        &self.strange[read.value as usize]
    }

    pub fn mops_of(&self, txn: u32) -> &[Mop] {
        let txn = &self.list[txn as usize];
        &self.mops[txn.first as usize..txn.end as usize]
    }

    /// The JSON of a key or value.
    pub fn json(&self, text: u32) -> String {
        String::from_utf8_lossy(&self.texts.json(Text(text))).into_owned()
    }

    /// The JSON of a key by its number.
    pub fn key_json(&self, key: u32) -> String {
        self.json(self.keys[key as usize])
    }

    /// About the memory that this holds.
    pub fn bytes(&self) -> usize {
        let trunks: usize = if self.trunks.len() < 1 << 16 {
            self.trunks.iter().map(|trunk| trunk.capacity() * 4 + 24).sum()
        } else {
            self.trunks.len() * 96
        };
        self.list.capacity() * 32
            + self.mops.capacity() * 20
            + trunks
            + self.numbers.bytes()
            + self.keys.len() * 4
    }
}
