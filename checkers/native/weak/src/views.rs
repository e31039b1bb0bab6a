//! Session guarantees: each session sees the writes in its own order.
//!
//! After Terry et al., "Session guarantees for weakly consistent replicated data" (PDIS 1994). A read of session `p`
//! is answered from a set of writes, and gives the last of them for its key in `p`'s order. A guarantee says what must
//! be in the set and in which order; the smallest sets are the best ones, so what is left is one graph: a write that
//! must be visible at a read comes before the one that was read. No cycle: such orders exist.
//!
//! At every level the writes of one session to one key are ordered as the session made them, and in a session's own
//! order its writes stand on top of what it had read of that key before.

use crate::graph::{Graph, Step, Why};
use crate::nodes::{Node, Nodes};
use linear::hash::Map;

/// What a level asks of a session's order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rule {
    /// What was read stays visible; the order of writes is free.
    Free,
    /// The same, and a session's writes to one key are in its order.
    Reads,
    /// Its own writes stay visible.
    Own,
    /// What was read stays visible, with what its session wrote before, to any key.
    Writes,
    /// What was read stays visible, with what its session had read before it wrote.
    Follow,
}

struct View<'a> {
    nodes: &'a Nodes,
    rule: Rule,
    graph: Graph,
    /// Which writes are visible, and those of each key that no later read of the key was held against yet.
    visible: Vec<bool>,
    pending: Vec<Vec<u32>>,
    /// How far each session was followed back.
    followed: Vec<usize>,
}

/// The contradiction in one session's view, if there is one. With `alone` this one of its reads is all that is known.
pub fn contradiction(
    nodes: &Nodes,
    session: usize,
    rule: Rule,
    alone: Option<u32>,
) -> Option<(Graph, Vec<Step>)> {
    let count = nodes.list.len();
    let mut view = View {
        nodes,
        rule,
        // Behind the nodes the initial value of each key, then the moments after each operation.
        graph: Graph::new(count * 2 + nodes.keys as usize),
        visible: vec![false; count],
        pending: vec![Vec::new(); nodes.keys as usize],
        followed: vec![0; nodes.sessions.len()],
    };
    view.base();
    match alone {
        Some(read) => view.reads(session, &[read]),
        None => view.reads(session, &nodes.sessions[session]),
    }
    let cycle = view.graph.cycle()?;
    Some((view.graph, cycle))
}

impl View<'_> {
    fn base(&mut self) {
        let nodes = self.nodes;
        for (at, node) in nodes.list.iter().enumerate() {
            if let Some((key, _)) = node.write {
                self.graph.add(nodes.list.len() as u32 + key, at as u32, Why::Initial, 0, 0);
            }
        }
        for ops in &nodes.sessions {
            let mut last: Map<u32, u32> = Map::default();
            for &at in ops {
                let Some((key, _)) = nodes.list[at as usize].write else { continue };
                let before = last.insert(if self.rule == Rule::Writes { 0 } else { key }, at);
                if let Some(before) = before.filter(|_| self.rule != Rule::Free) {
                    self.graph.add(before, at, Why::Session, 0, 0);
                }
            }
            if self.rule == Rule::Follow {
                self.moments(ops);
            }
        }
    }

    /// What a session has read comes before all that it writes later.
    fn moments(&mut self, ops: &[u32]) {
        let behind = self.nodes.list.len() as u32 + self.nodes.keys;
        for (place, &at) in ops.iter().enumerate() {
            let node = &self.nodes.list[at as usize];
            for (_, origin) in self.nodes.origins(node) {
                self.graph.add(origin, behind + at, Why::ReadFrom, at, 0);
                if node.write.is_some() {
                    self.graph.add(origin, at, Why::ReadFrom, at, 0);
                }
            }
            if let Some(&next) = ops.get(place + 1) {
                self.graph.add(behind + at, behind + next, Why::Session, at, 0);
                if self.nodes.list[next as usize].write.is_some() {
                    self.graph.add(behind + at, next, Why::Session, at, 0);
                }
            }
        }
    }

    fn reads(&mut self, session: usize, ops: &[u32]) {
        let nodes = self.nodes;
        let mut last: Vec<Option<(u32, u32)>> = vec![None; nodes.keys as usize];
        let mut own: Vec<Option<u32>> = vec![None; nodes.keys as usize];
        let writes = self.own_writes(session);
        for &at in ops {
            let node = &nodes.list[at as usize];
            // All of one read is one moment: everything it saw is visible to all of it.
            for (_, origin) in nodes.origins(node) {
                self.show(origin);
            }
            for (key, origin) in nodes.origins(node) {
                let slot = key as usize;
                let shown = if self.rule == Rule::Own {
                    own[slot].into_iter().collect()
                } else {
                    let before = last[slot].map(|(write, _)| write);
                    std::mem::take(&mut self.pending[slot]).into_iter().chain(before).collect::<Vec<u32>>()
                };
                for write in shown.into_iter().filter(|&write| write != origin) {
                    self.graph.add(write, origin, Why::Seen, at, 1);
                }
                if self.rule == Rule::Own && node.write.is_none() {
                    self.ahead(&writes, node, key, origin, at);
                }
                last[slot] = Some((origin, at));
            }
            if let Some((key, _)) = node.write {
                if let Some((origin, by)) = last[key as usize].filter(|_| self.rule != Rule::Own) {
                    self.graph.add(origin, at, Why::ReadFrom, by, 0);
                }
                if self.rule == Rule::Own {
                    for (_, origin) in nodes.origins(node) {
                        self.graph.add(origin, at, Why::ReadFrom, at, 0);
                    }
                }
                own[key as usize] = Some(at);
            }
        }
    }

    /// The session's writes of each key, in its order.
    fn own_writes(&self, session: usize) -> Map<u32, Vec<u32>> {
        let mut writes: Map<u32, Vec<u32>> = Map::default();
        for &at in &self.nodes.sessions[session] {
            if let Some((key, _)) = self.nodes.list[at as usize].write {
                writes.entry(key).or_default().push(at);
            }
        }
        writes
    }

    /// What was read comes before the session's next write to the key.
    fn ahead(&mut self, writes: &Map<u32, Vec<u32>>, node: &Node, key: u32, origin: u32, by: u32) {
        let list = writes.get(&key).map_or(&[][..], Vec::as_slice);
        let next = list.partition_point(|&at| self.nodes.list[at as usize].place <= node.place);
        if let Some(&next) = list.get(next).filter(|&&next| next != origin) {
            self.graph.add(origin, next, Why::ReadFrom, by, 0);
        }
    }

    /// Make a write visible, and what the level wants beside it.
    fn show(&mut self, write: u32) {
        let mut open = vec![write];
        while let Some(write) = open.pop() {
            let Some(seen) = self.visible.get_mut(write as usize) else { continue };
            if std::mem::replace(seen, true) {
                continue;
            }
            let node = &self.nodes.list[write as usize];
            if let Some((key, _)) = node.write {
                self.pending[key as usize].push(write);
            }
            let (session, until) = (node.session as usize, node.place as usize);
            if matches!(self.rule, Rule::Writes | Rule::Follow) && self.followed[session] <= until {
                for &before in &self.nodes.sessions[session][self.followed[session]..=until] {
                    let node = &self.nodes.list[before as usize];
                    match self.rule {
                        Rule::Writes => open.extend(node.write.map(|_| before)),
                        _ => open.extend(self.nodes.origins(node).map(|(_, origin)| origin)),
                    }
                }
                self.followed[session] = until + 1;
            }
        }
    }
}
