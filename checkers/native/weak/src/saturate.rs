//! Orders in which all of the past is visible: PRAM, causal and sequential consistency.
//!
//! After Bouajjani, Enea, Guerraoui and Hamza, "On verifying causal consistency" (POPL 2017), and AWDIT (PLDI 2025):
//! values are unique, so it is known which write each read saw; whatever write to the key must come before the read
//! comes before that one. The rule is applied until nothing is new. For PRAM and causal consistency, one session's
//! reads at a time, no cycle is a proof; for sequential consistency it is a start.

use crate::graph::{Graph, Step, Why};
use crate::limits::{Halt, Limits};
use crate::nodes::Nodes;

/// Which reads show where their value came from, and whose past is complete.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Past {
    /// The reads of this session; nothing is known of the others.
    Pram(usize),
    /// What others read counts as well.
    Causal(usize),
    /// One order for all.
    Sequential,
}

/// Writers of each key: sessions, and the places of their writes.
type Places = Vec<Vec<(u32, Vec<u32>)>>;

struct Saturation<'a> {
    nodes: &'a Nodes,
    graph: Graph,
    width: usize,
    clocks: Vec<u32>,
    places: Places,
    round: u32,
}

/// The graph of all that follows, and a cycle in it if there is one.
pub fn saturate(nodes: &Nodes, past: Past, limits: &Limits<'_>) -> Result<(Graph, Option<Vec<Step>>), Halt> {
    let width = nodes.sessions.len();
    let size = nodes.list.len() + nodes.keys as usize;
    limits.hold(size * (width * 4 + 120))?;
    let mut work = Saturation {
        nodes,
        graph: start(nodes, past),
        width,
        clocks: vec![0; size * width],
        places: places(nodes),
        round: 0,
    };
    loop {
        limits.check()?;
        work.round += 1;
        let Ok(order) = work.graph.order() else {
            let cycle = work.graph.cycle();
            return Ok((work.graph, cycle));
        };
        work.measure(&order);
        if !work.derive(past, limits)? {
            return Ok((work.graph, None));
        }
    }
}

fn start(nodes: &Nodes, past: Past) -> Graph {
    let count = nodes.list.len();
    let mut graph = Graph::new(count + nodes.keys as usize);
    for ops in &nodes.sessions {
        for pair in ops.windows(2) {
            graph.add(pair[0], pair[1], Why::Session, 0, 0);
        }
    }
    for (at, node) in nodes.list.iter().enumerate() {
        if let Some((key, _)) = node.write {
            graph.add(count as u32 + key, at as u32, Why::Initial, 0, 0);
        }
        let counts = match past {
            Past::Pram(session) => node.session as usize == session,
            Past::Causal(_) | Past::Sequential => true,
        };
        for (_, origin) in nodes.origins(node).filter(|_| counts) {
            graph.add(origin, at as u32, Why::ReadFrom, at as u32, 0);
        }
    }
    graph
}

fn places(nodes: &Nodes) -> Places {
    let mut places: Places = vec![Vec::new(); nodes.keys as usize];
    for (session, ops) in nodes.sessions.iter().enumerate() {
        for &at in ops {
            let node = &nodes.list[at as usize];
            let Some((key, _)) = node.write else { continue };
            let of_key = &mut places[key as usize];
            match of_key.last_mut() {
                Some((known, list)) if *known == session as u32 => list.push(node.place),
                _ => of_key.push((session as u32, vec![node.place])),
            }
        }
    }
    places
}

impl Saturation<'_> {
    /// For each node, how many operations of each session come before it or are it.
    fn measure(&mut self, order: &[u32]) {
        let width = self.width;
        self.clocks.fill(0);
        for &at in order {
            let from = at as usize * width;
            if let Some(node) = self.nodes.list.get(at as usize) {
                self.clocks[from + node.session as usize] = node.place + 1;
            }
            for edge in &self.graph.out[at as usize] {
                let to = edge.to as usize * width;
                for session in 0..width {
                    self.clocks[to + session] = self.clocks[to + session].max(self.clocks[from + session]);
                }
            }
        }
    }

    /// Whether node `from` comes before `to` as far as was measured.
    fn before(&self, from: u32, to: u32) -> bool {
        let node = &self.nodes.list[from as usize];
        self.clocks[to as usize * self.width + node.session as usize] > node.place
    }

    /// The last write to the key in each session that comes before this node.
    fn latest(&self, at: u32, key: u32) -> Vec<u32> {
        let own = self.nodes.list[at as usize].session;
        let mut found = Vec::new();
        for (session, places) in &self.places[key as usize] {
            let clock = self.clocks[at as usize * self.width + *session as usize];
            let clock = clock - u32::from(*session == own);
            if let Some(last) = places.partition_point(|&place| place < clock).checked_sub(1) {
                found.push(self.nodes.sessions[*session as usize][places[last] as usize]);
            }
        }
        found
    }

    /// Add what follows; false where nothing is new.
    fn derive(&mut self, past: Past, limits: &Limits<'_>) -> Result<bool, Halt> {
        let mut new = Vec::new();
        let all = past == Past::Sequential;
        let readers = if all { self.readers() } else { Vec::new() };
        for at in 0..self.nodes.list.len() as u32 {
            if at.is_multiple_of(4096) {
                limits.check()?;
            }
            let node = self.nodes.list[at as usize];
            let judged = match past {
                Past::Pram(session) | Past::Causal(session) => node.session as usize == session,
                Past::Sequential => true,
            };
            for (key, origin) in self.nodes.origins(&node).filter(|_| judged) {
                for write in self.latest(at, key) {
                    if write != origin && !self.before(write, origin) {
                        new.push((write, origin, Why::Seen, at));
                    }
                }
            }
            if let Some((key, _)) = node.write.filter(|_| all) {
                let initial = self.nodes.list.len() as u32 + key;
                for write in self.latest(at, key).into_iter().chain([initial]) {
                    let late =
                        readers[write as usize].iter().filter(|&&read| read != at && !self.before(read, at));
                    new.extend(late.map(|&read| (read, at, Why::Overwritten, write)));
                }
            }
        }
        for &(from, to, why, by) in &new {
            self.graph.add(from, to, why, by, self.round);
        }
        limits.hold(
            self.graph.out.iter().map(|edges| edges.capacity() * 16).sum::<usize>() + self.clocks.len() * 4,
        )?;
        Ok(!new.is_empty())
    }

    /// The last read of each write, and of each initial value, in each session.
    fn readers(&self) -> Vec<Vec<u32>> {
        let mut readers: Vec<Vec<u32>> = vec![Vec::new(); self.graph.out.len()];
        for ops in &self.nodes.sessions {
            for &at in ops {
                let node = &self.nodes.list[at as usize];
                for (_, origin) in self.nodes.origins(node) {
                    let list = &mut readers[origin as usize];
                    match list.last_mut() {
                        Some(last) if self.nodes.list[*last as usize].session == node.session => *last = at,
                        _ => list.push(at),
                    }
                }
            }
        }
        readers
    }
}
