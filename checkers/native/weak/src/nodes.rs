//! The operations on registers as sessions made them, and which write each read saw.

use columns::{Columns, Kind, NONE};
use linear::hash::Map;
use linear::ops::{parts, Model, F};
use linear::values::Values;

/// What a read saw: the initial value of its key.
pub const INITIAL: u32 = u32::MAX;
/// What a read saw is not known: several writes have its value.
pub const AMBIGUOUS: u32 = u32::MAX - 1;

/// One operation. A compare-and-set reads and writes.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// Number of the session, and the place in it.
    pub session: u32,
    pub place: u32,
    pub key: u32,
    /// The value that it read, and the one that it wrote.
    pub read: Option<u32>,
    pub write: Option<u32>,
    /// The node whose write it saw, `INITIAL` or `AMBIGUOUS`; meaningless where nothing was read.
    pub source: u32,
    /// Position of the invocation.
    pub event: u32,
}

/// A history of registers, by session.
#[derive(Default, Debug)]
pub struct Nodes {
    pub list: Vec<Node>,
    /// Nodes of each session in its order.
    pub sessions: Vec<Vec<u32>>,
    pub keys: u32,
    /// The initial value, for all keys.
    pub initial: u32,
}

/// A read that no level can explain: nobody wrote its value, or only writes that failed or came later in its session.
#[derive(Clone, Copy, Debug)]
pub struct Impossible {
    pub node: u32,
    pub name: &'static str,
}

impl Nodes {
    /// How many reads could have seen several writes.
    pub fn ambiguous(&self) -> usize {
        self.list.iter().filter(|node| node.read.is_some() && node.source == AMBIGUOUS).count()
    }

    /// The graph's number of the write that a read saw: a node, or the key's initial value behind all nodes.
    pub fn origin(&self, node: &Node) -> Option<u32> {
        match (node.read, node.source) {
            (None, _) | (_, AMBIGUOUS) => None,
            (_, INITIAL) => Some(self.list.len() as u32 + node.key),
            (_, source) => Some(source),
        }
    }

    /// The history of these nodes alone (ascending). What a read saw is forgotten where a write is left out that it
    /// could have seen: a contradiction of the part is one of the whole.
    pub fn only(&self, kept: &[u32]) -> Nodes {
        let number: Map<u32, u32> = kept.iter().enumerate().map(|(new, &old)| (old, new as u32)).collect();
        let (all, left) = (self.writes(0..self.list.len() as u32), self.writes(kept.iter().copied()));
        let mut part = Nodes {
            sessions: vec![Vec::new(); self.sessions.len()],
            keys: self.keys,
            initial: self.initial,
            ..Nodes::default()
        };
        for &old in kept {
            let mut node = self.list[old as usize];
            let saw = node.read.map(|value| (node.key, value));
            if saw.is_some_and(|saw| all.get(&saw) != left.get(&saw)) {
                node.read = None;
            } else if node.source < AMBIGUOUS {
                node.source = number.get(&node.source).copied().unwrap_or(AMBIGUOUS);
            }
            node.place = part.sessions[node.session as usize].len() as u32;
            part.sessions[node.session as usize].push(part.list.len() as u32);
            part.list.push(node);
        }
        part
    }

    /// How many of these nodes write each value.
    fn writes(&self, nodes: impl Iterator<Item = u32>) -> Map<(u32, u32), u32> {
        let mut count = Map::default();
        for at in nodes {
            let node = &self.list[at as usize];
            if let Some(value) = node.write {
                *count.entry((node.key, value)).or_insert(0) += 1;
            }
        }
        count
    }
}

/// Read a history of registers. Err: why it cannot be read as one.
pub fn read(columns: &Columns, initial: &[u8], per_key: bool) -> Result<(Nodes, Vec<Impossible>), String> {
    let mut values = Values::of(columns);
    let initial = values.intern(initial);
    let parts = parts(columns, &mut values, Model::Register, per_key);
    let mut ops = Vec::new();
    for (key, part) in parts.iter().enumerate() {
        if let Some(reason) = &part.foreign {
            return Err(reason.clone());
        }
        ops.extend(part.ops.iter().map(|op| (op, key as u32)));
    }
    ops.sort_unstable_by_key(|(op, _)| op.event);
    let seen = seen(&ops);
    let mut nodes = Nodes { keys: parts.len() as u32, initial, ..Nodes::default() };
    let mut number: Map<i64, u32> = Map::default();
    for &(op, key) in &ops {
        let (read, write) = match op.f {
            F::Read => (Some(op.a), None),
            F::Write => (None, Some(op.a)),
            F::Cas => (Some(op.a), Some(op.b)),
            _ => continue,
        };
        let written = write.unwrap_or(initial);
        if op.open() && !seen.contains_key(&(key, written)) {
            continue; // nobody saw it, so it may never have happened
        }
        let session = if op.open() {
            // It may take effect long after its session went on.
            nodes.sessions.push(Vec::new());
            nodes.sessions.len() as u32 - 1
        } else {
            *number.entry(columns.process[op.event as usize]).or_insert_with(|| {
                nodes.sessions.push(Vec::new());
                nodes.sessions.len() as u32 - 1
            })
        };
        let place = nodes.sessions[session as usize].len() as u32;
        nodes.sessions[session as usize].push(nodes.list.len() as u32);
        nodes.list.push(Node { session, place, key, read, write, source: AMBIGUOUS, event: op.event });
    }
    let impossible = sources(&mut nodes, columns);
    Ok((nodes, impossible))
}

/// Values that were read, by key.
fn seen(ops: &[(&linear::ops::Op, u32)]) -> Map<(u32, u32), ()> {
    let reads = ops.iter().filter(|(op, _)| matches!(op.f, F::Read | F::Cas) && !op.open());
    reads.map(|(op, key)| ((*key, op.a), ())).collect()
}

/// Find the write that each read saw.
fn sources(nodes: &mut Nodes, columns: &Columns) -> Vec<Impossible> {
    let mut wrote: Map<(u32, u32), Vec<u32>> = Map::default();
    for (at, node) in nodes.list.iter().enumerate() {
        if let Some(value) = node.write {
            wrote.entry((node.key, value)).or_default().push(at as u32);
        }
    }
    let mut impossible = Vec::new();
    for at in 0..nodes.list.len() {
        let node = nodes.list[at];
        let Some(value) = node.read else { continue };
        let all = wrote.get(&(node.key, value)).map_or(&[][..], Vec::as_slice);
        let later =
            |&&write: &&u32| nodes.list[write as usize].session == node.session && write as usize >= at;
        let first = all.iter().find(|write| !later(write)).copied();
        let possible = all.iter().filter(|write| !later(write)).take(2).count();
        nodes.list[at].source = match (first, possible, value == nodes.initial) {
            (None, _, true) => INITIAL,
            (Some(only), 1, false) => only,
            (None, ..) => {
                let name = match (all.is_empty(), failed(columns, &node)) {
                    (false, _) => "read from the future",
                    (true, true) => "aborted read",
                    (true, false) => "phantom value",
                };
                impossible.push(Impossible { node: at as u32, name });
                AMBIGUOUS
            }
            _ => AMBIGUOUS,
        };
    }
    impossible
}

/// Whether a write that certainly failed had the value that this read saw.
fn failed(columns: &Columns, node: &Node) -> bool {
    let end = columns.pair[node.event as usize];
    let Some(told) = (end != NONE).then(|| columns.value[end as usize]) else { return false };
    let key = columns.key[node.event as usize];
    (0..columns.len()).any(|at| {
        columns.kind[at] == Kind::Fail
            && columns.key[at] == key
            && columns.pair[at] != NONE
            && columns.value[columns.pair[at] as usize] == told
    })
}
