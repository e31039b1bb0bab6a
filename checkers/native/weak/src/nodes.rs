//! The operations on registers and sets as sessions made them, and which write each read saw.
//!
//! An element of a set is a register that holds `OUT` until it is added: adding writes `IN`, removing writes `OUT`, and
//! a read of the whole set reads every element that the history names.

use columns::{Columns, Kind, NONE};
use linear::hash::Map;
use linear::ops::{parts, Model, Op, F};
use linear::values::Values;

/// What a read saw: the initial value of its key.
pub const INITIAL: u32 = u32::MAX;
/// What a read saw is not known: several writes have its value.
pub const AMBIGUOUS: u32 = u32::MAX - 1;
/// What an element of a set holds.
pub const OUT: u32 = 0;
const IN: u32 = 1;

/// What an operation read of one key.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub key: u32,
    pub value: u32,
    /// The node whose write it saw, `INITIAL` or `AMBIGUOUS`.
    pub source: u32,
}

/// One operation. A compare-and-set reads and writes.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// Number of the session, and the place in it.
    pub session: u32,
    pub place: u32,
    /// What it read: from where to where in `Nodes::seen`.
    reads: (u32, u32),
    /// The key that it wrote, and the value.
    pub write: Option<(u32, u32)>,
    /// Whether it may never have happened though its value was seen, for another write has that value too.
    pub optional: bool,
    /// Whether its outcome is unknown.
    pub open: bool,
    /// Position of the invocation.
    pub event: u32,
}

/// A history of registers or sets, by session.
#[derive(Default, Debug)]
pub struct Nodes {
    pub list: Vec<Node>,
    pub seen: Vec<Seen>,
    /// Nodes of each session in its order.
    pub sessions: Vec<Vec<u32>>,
    pub keys: u32,
    /// The initial value, for all keys.
    pub initial: u32,
    /// Of sets: the element that each key is, as a handle of the values.
    pub elements: Vec<u32>,
}

/// A read that no level can explain: no write has its value, or only writes that failed or came later in its session.
#[derive(Clone, Copy, Debug)]
pub struct Impossible {
    pub node: u32,
    pub key: u32,
    pub name: &'static str,
}

impl Nodes {
    /// What the operation read.
    pub fn reads(&self, node: &Node) -> &[Seen] {
        &self.seen[node.reads.0 as usize..node.reads.1 as usize]
    }

    /// Whether the operation read something.
    pub fn looks(&self, node: &Node) -> bool {
        node.reads.0 < node.reads.1
    }

    /// How many reads could have seen several writes.
    pub fn ambiguous(&self) -> usize {
        self.seen.iter().filter(|seen| seen.source == AMBIGUOUS).count()
    }

    /// The graph's number of the write that a read saw: a node, or the key's initial value behind all nodes.
    pub fn origin(&self, seen: &Seen) -> Option<u32> {
        match seen.source {
            AMBIGUOUS => None,
            INITIAL => Some(self.list.len() as u32 + seen.key),
            source => Some(source),
        }
    }

    /// All that the operation read whose origin is known, with the origin. Of an optional one nothing is.
    pub fn origins<'a>(&'a self, node: &'a Node) -> impl Iterator<Item = (u32, u32)> + 'a {
        let reads = if node.optional { &[][..] } else { self.reads(node) };
        reads.iter().filter_map(|seen| Some((seen.key, self.origin(seen)?)))
    }

    /// The history of these nodes alone (ascending). What a read saw is forgotten where a write is left out that it
    /// could have seen: a contradiction of the part is one of the whole.
    pub fn only(&self, kept: &[u32]) -> Nodes {
        let number: Map<u32, u32> = kept.iter().enumerate().map(|(new, &old)| (old, new as u32)).collect();
        let mut gone: Map<(u32, u32), ()> = Map::default();
        for (at, node) in self.list.iter().enumerate() {
            if let Some(write) = node.write.filter(|_| !number.contains_key(&(at as u32))) {
                gone.insert(write, ());
            }
        }
        self.part(kept, |_, seen| {
            let fits = !gone.contains_key(&(seen.key, seen.value));
            let source = match seen.source {
                source if source >= AMBIGUOUS => source,
                source => number.get(&source).copied().unwrap_or(AMBIGUOUS),
            };
            fits.then_some(Seen { source, ..*seen })
        })
    }

    /// The history of all writes and what this session read, as orders for one session see it.
    pub fn of_reader(&self, session: u32) -> Nodes {
        let all: Vec<u32> = (0..self.list.len() as u32)
            .filter(|&at| {
                let node = &self.list[at as usize];
                node.session == session || node.write.is_some()
            })
            .collect();
        let number: Map<u32, u32> = all.iter().enumerate().map(|(new, &old)| (old, new as u32)).collect();
        self.part(&all, |node, seen| {
            let source = number.get(&seen.source).copied().unwrap_or(seen.source);
            (node.session == session).then_some(Seen { source, ..*seen })
        })
    }

    /// The same nodes with those that show that the ones of unknown outcome among them, which saw something, happened.
    pub fn shown(&self, mut kept: Vec<u32>) -> Vec<u32> {
        let mut next = 0;
        while let Some(&at) = kept.get(next) {
            next += 1;
            let node = &self.list[at as usize];
            if !node.open || !self.looks(node) {
                continue;
            }
            let saw = |reader: &u32| {
                let node = &self.list[*reader as usize];
                self.reads(node).iter().any(|seen| seen.source == at)
            };
            let readers = || (0..self.list.len() as u32).filter(saw);
            let known = readers().find(|&reader| !self.list[reader as usize].open);
            kept.extend(known.or_else(|| readers().next()).filter(|reader| !kept.contains(reader)));
        }
        kept.sort_unstable();
        kept
    }

    fn part(&self, kept: &[u32], read: impl Fn(&Node, &Seen) -> Option<Seen>) -> Nodes {
        let mut part = Nodes {
            sessions: vec![Vec::new(); self.sessions.len()],
            keys: self.keys,
            initial: self.initial,
            elements: self.elements.clone(),
            ..Nodes::default()
        };
        for &old in kept {
            let mut node = self.list[old as usize];
            let from = part.seen.len() as u32;
            part.seen.extend(self.reads(&node).iter().filter_map(|seen| read(&node, seen)));
            node.reads = (from, part.seen.len() as u32);
            node.place = part.sessions[node.session as usize].len() as u32;
            part.sessions[node.session as usize].push(part.list.len() as u32);
            part.list.push(node);
        }
        part
    }
}

/// An operation of the history: its part, and what it read and wrote.
struct Drafted {
    op: Op,
    reads: Vec<(u32, u32)>,
    write: Option<(u32, u32)>,
}

/// Read a history of registers or sets. Err: why it cannot be read as one.
pub fn read(
    columns: &Columns,
    values: &mut Values<'_>,
    model: Model,
    initial: &[u8],
    per_key: bool,
) -> Result<(Nodes, Vec<Impossible>), String> {
    let parts = parts(columns, values, model, per_key);
    if let Some(reason) = parts.iter().find_map(|part| part.foreign.clone()) {
        return Err(reason);
    }
    let (mut nodes, mut drafts) = match model {
        Model::Set => of_sets(&parts, values),
        _ => of_registers(&parts, values.intern(initial)),
    };
    drafts.sort_unstable_by_key(|draft| draft.op.event);
    place(&mut nodes, drafts, columns);
    let impossible = sources(&mut nodes, columns, values);
    Ok((nodes, impossible))
}

fn of_registers(parts: &[linear::ops::Part], initial: u32) -> (Nodes, Vec<Drafted>) {
    let mut drafts = Vec::new();
    for (key, part) in parts.iter().enumerate() {
        let key = key as u32;
        drafts.extend(part.ops.iter().filter_map(|&op| {
            let (read, write) = match op.f {
                F::Read => (Some(op.a), None),
                F::Write => (None, Some(op.a)),
                F::Cas => (Some(op.a), Some(op.b)),
                _ => return None,
            };
            let reads = read.map(|value| (key, value)).into_iter().collect();
            Some(Drafted { op, reads, write: write.map(|value| (key, value)) })
        }));
    }
    (Nodes { keys: parts.len() as u32, initial, ..Nodes::default() }, drafts)
}

fn of_sets(parts: &[linear::ops::Part], values: &Values<'_>) -> (Nodes, Vec<Drafted>) {
    let mut nodes = Nodes { initial: OUT, ..Nodes::default() };
    let mut drafts = Vec::new();
    for part in parts {
        let from = nodes.elements.len();
        let mut key_of: Map<u32, u32> = Map::default();
        for op in &part.ops {
            let one = [op.a];
            let named = if op.f == F::Members { values.list(op.a).unwrap_or_default() } else { &one };
            for &element in named {
                key_of.entry(element).or_insert_with(|| {
                    nodes.elements.push(element);
                    nodes.elements.len() as u32 - 1
                });
            }
        }
        let keys = from as u32..nodes.elements.len() as u32;
        for &op in &part.ops {
            let key = key_of.get(&op.a).copied().unwrap_or_default();
            let (reads, write) = match op.f {
                F::Add => (Vec::new(), Some((key, IN))),
                F::Remove => (Vec::new(), Some((key, OUT))),
                F::Contains => (vec![(key, op.b)], None),
                _ => {
                    let mut reads: Vec<(u32, u32)> = keys.clone().map(|key| (key, OUT)).collect();
                    for element in values.list(op.a).unwrap_or_default() {
                        // An element that is read twice is none that adding it can explain.
                        reads[key_of[element] as usize - from].1 += IN;
                    }
                    (reads, None)
                }
            };
            drafts.push(Drafted { op, reads, write });
        }
    }
    nodes.keys = nodes.elements.len() as u32;
    (nodes, drafts)
}

/// Put the operations into their sessions.
fn place(nodes: &mut Nodes, drafts: Vec<Drafted>, columns: &Columns) {
    let sure = happened(nodes, &drafts);
    let mut number: Map<i64, u32> = Map::default();
    for (Drafted { op, reads, write }, sure) in drafts.into_iter().zip(sure) {
        let Some(sure) = sure else { continue };
        let fresh = nodes.sessions.len() as u32;
        let session = if op.open() {
            fresh // it may take effect long after its session went on
        } else {
            *number.entry(columns.process[op.event as usize]).or_insert(fresh)
        };
        if session == fresh {
            nodes.sessions.push(Vec::new());
        }
        let place = nodes.sessions[session as usize].len() as u32;
        nodes.sessions[session as usize].push(nodes.list.len() as u32);
        let from = nodes.seen.len() as u32;
        nodes.seen.extend(reads.iter().map(|&(key, value)| Seen { key, value, source: AMBIGUOUS }));
        let reads = (from, nodes.seen.len() as u32);
        let (optional, open) = (!sure, op.open());
        nodes.list.push(Node { session, place, reads, write, optional, open, event: op.event });
    }
}

/// Of each operation whether it happened: surely, for it was answered, or it alone wrote what was surely seen; perhaps,
/// where another write explains that too; None where no operation can have seen it, so that it may be left out.
fn happened(nodes: &Nodes, drafts: &[Drafted]) -> Vec<Option<bool>> {
    let mut writers: Map<(u32, u32), Vec<usize>> = Map::default();
    for (at, draft) in drafts.iter().enumerate() {
        if let Some(write) = draft.write {
            writers.entry(write).or_default().push(at);
        }
    }
    let mut sure: Vec<Option<bool>> = drafts.iter().map(|draft| (!draft.op.open()).then_some(true)).collect();
    let mut todo: Vec<usize> = (0..drafts.len()).filter(|&at| sure[at].is_some()).collect();
    while let Some(reader) = todo.pop() {
        for read in &drafts[reader].reads {
            let wrote = writers.get(read).map_or(&[][..], Vec::as_slice);
            let alone = wrote.len() == 1 && read.1 != nodes.initial;
            let word = Some(alone && sure[reader] == Some(true));
            for &write in wrote {
                if sure[write] < word {
                    sure[write] = word;
                    todo.push(write);
                }
            }
        }
    }
    sure
}

/// Find the write that each read saw.
fn sources(nodes: &mut Nodes, columns: &Columns, values: &Values<'_>) -> Vec<Impossible> {
    let mut wrote: Map<(u32, u32), Vec<u32>> = Map::default();
    for (at, node) in nodes.list.iter().enumerate() {
        if let Some(write) = node.write {
            wrote.entry(write).or_default().push(at as u32);
        }
    }
    let mut impossible = Vec::new();
    for at in 0..nodes.list.len() {
        let node = nodes.list[at];
        for slot in node.reads.0..node.reads.1 {
            let Seen { key, value, .. } = nodes.seen[slot as usize];
            let all = wrote.get(&(key, value)).map_or(&[][..], Vec::as_slice);
            let later =
                |&&write: &&u32| nodes.list[write as usize].session == node.session && write as usize >= at;
            let first = all.iter().find(|write| !later(write)).copied();
            let possible = all.iter().filter(|write| !later(write)).take(2).count();
            nodes.seen[slot as usize].source = match (first, possible, value == nodes.initial) {
                (None, _, true) => INITIAL,
                (Some(only), 1, false) => only,
                (None, ..) if !node.optional => {
                    let name = match (all.is_empty(), failed(columns, values, nodes, &node, key)) {
                        (false, _) => "read from the future",
                        (true, true) => "aborted read",
                        (true, false) => "phantom value",
                    };
                    impossible.push(Impossible { node: at as u32, key, name });
                    AMBIGUOUS
                }
                _ => AMBIGUOUS,
            };
        }
    }
    impossible
}

/// Whether a write that certainly failed had the value that this read saw.
fn failed(columns: &Columns, values: &Values<'_>, nodes: &Nodes, node: &Node, key: u32) -> bool {
    let end = columns.pair[node.event as usize];
    let told = match nodes.elements.get(key as usize) {
        Some(&element) => values.json(element).into_owned(),
        None if end == NONE => return false,
        None => columns.texts.json(columns.value[end as usize]).into_owned(),
    };
    let key = columns.key[node.event as usize];
    (0..columns.len()).any(|at| {
        columns.kind[at] == Kind::Fail
            && columns.key[at] == key
            && columns.pair[at] != NONE
            && *columns.texts.json(columns.value[columns.pair[at] as usize]) == told[..]
    })
}
