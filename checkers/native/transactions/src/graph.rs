//! The dependency graph: transactions, helper nodes that save edges, and why each edge is there.

/// What an edge says. Values are bits, so that a class of cycles is a set of kinds.
pub(crate) mod kind {
    /// The second overwrote, or appended after, what the first wrote.
    pub const WW: u8 = 1;
    /// The second read what the first wrote.
    pub const WR: u8 = 2;
    /// The second overwrote what the first read.
    pub const RW: u8 = 4;
    /// The same client did the first, then the second.
    pub const PROCESS: u8 = 8;
    /// The first returned before the second was invoked.
    pub const TIME: u8 = 16;
    /// A third transaction saw a write of the first, which also wrote a key of which the third read what the second had
    /// written: the second came later, or the third saw only a part of the first.
    pub const FORCED: u8 = 32;
    /// The same, where the third had seen the first before it read that key.
    pub const VANISHED: u8 = 64;
    /// From a helper node on: the second half of an edge, of length 0.
    pub const PASS: u8 = 128;
}

/// An edge; `why` is the number of the micro-operation that shows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edge {
    pub from: u32,
    pub to: u32,
    pub why: u32,
    pub kind: u8,
}

/// Edges under construction.
pub(crate) struct Edges {
    pub list: Vec<Edge>,
    /// Number of nodes: transactions first, then helpers.
    pub nodes: u32,
}

impl Edges {
    pub fn new(txns: usize) -> Self {
        Edges { list: Vec::with_capacity(txns * 4), nodes: txns as u32 }
    }

    pub fn add(&mut self, from: u32, to: u32, kind: u8, why: u32) {
        if from != to {
            self.list.push(Edge { from, to, why, kind });
        }
    }

    pub fn helper(&mut self) -> u32 {
        self.nodes += 1;
        self.nodes - 1
    }

    /// An anti-dependency from every reader to every other transaction of `writers`; both lists hold a transaction and
    /// its micro-operation, transactions in each list only once.
    ///
    /// All pairs would be quadratic; a helper node between them is not. A transaction in both lists must not reach
    /// itself through the helper, so those are joined to a ring first: with two of them the ring is a real cycle, and
    /// with one it is linked to each writer by itself.
    pub fn fan(&mut self, readers: &[(u32, u32)], writers: &[(u32, u32)]) {
        let product = readers.len().saturating_mul(writers.len());
        if product <= 2 * (readers.len() + writers.len()) {
            for &(reader, why) in readers {
                for &(writer, _) in writers {
                    self.add(reader, writer, kind::RW, why);
                }
            }
            return;
        }
        let mut sorted: Vec<u32> = writers.iter().map(|&(txn, _)| txn).collect();
        sorted.sort_unstable();
        let (both, only): (Vec<_>, Vec<_>) =
            readers.iter().copied().partition(|(txn, _)| sorted.binary_search(txn).is_ok());
        for (at, &(txn, why)) in both.iter().enumerate() {
            self.add(txn, both[(at + 1) % both.len()].0, kind::RW, why);
        }
        if let Some(&(txn, why)) = both.first() {
            for &(writer, _) in writers {
                self.add(txn, writer, kind::RW, why);
            }
        }
        if only.is_empty() {
            return;
        }
        let helper = self.helper();
        for &(txn, why) in &only {
            self.add(txn, helper, kind::RW, why);
        }
        for &(txn, why) in writers {
            self.add(helper, txn, kind::RW | kind::PASS, why);
        }
    }

    pub fn bytes(&self) -> usize {
        // The list, and the same again with the start of each node in compressed rows.
        self.list.capacity() * 16 + self.list.len() * 12 + self.nodes as usize * 16
    }
}

/// One edge in compressed rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arc {
    pub to: u32,
    pub why: u32,
    pub kind: u8,
}

/// Edges by where they start.
pub(crate) struct Graph {
    starts: Vec<u32>,
    arcs: Vec<Arc>,
}

impl Graph {
    /// Take edges whose kind, helpers' bit aside, is in `mask`.
    pub fn of(edges: &[Edge], nodes: u32, mask: u8) -> Graph {
        let wanted = |edge: &&Edge| edge.kind & mask != 0;
        let mut starts = vec![0u32; nodes as usize + 1];
        for edge in edges.iter().filter(wanted) {
            starts[edge.from as usize + 1] += 1;
        }
        for node in 0..nodes as usize {
            starts[node + 1] += starts[node];
        }
        let mut next = starts.clone();
        let mut arcs = vec![Arc { to: 0, why: 0, kind: 0 }; starts[nodes as usize] as usize];
        for edge in edges.iter().filter(wanted) {
            let slot = &mut next[edge.from as usize];
            arcs[*slot as usize] = Arc { to: edge.to, why: edge.why, kind: edge.kind };
            *slot += 1;
        }
        Graph { starts, arcs }
    }

    /// All edges of kinds in `mask`.
    pub fn edges(&self, mask: u8) -> Vec<Edge> {
        let arcs = |from| {
            self.arcs(from).iter().map(move |arc| Edge { from, to: arc.to, why: arc.why, kind: arc.kind })
        };
        (0..self.nodes()).flat_map(arcs).filter(|edge| edge.kind & mask != 0).collect()
    }

    pub fn nodes(&self) -> u32 {
        self.starts.len() as u32 - 1
    }

    pub fn arcs(&self, node: u32) -> &[Arc] {
        &self.arcs[self.starts[node as usize] as usize..self.starts[node as usize + 1] as usize]
    }

    pub fn arc(&self, number: u32) -> Arc {
        self.arcs[number as usize]
    }

    /// The same nodes with all edges turned around.
    pub fn reversed(&self) -> Graph {
        let mut starts = vec![0u32; self.starts.len()];
        for arc in &self.arcs {
            starts[arc.to as usize + 1] += 1;
        }
        for node in 1..starts.len() {
            starts[node] += starts[node - 1];
        }
        let mut next = starts.clone();
        let mut arcs = vec![Arc { to: 0, why: 0, kind: 0 }; self.arcs.len()];
        for from in 0..self.nodes() {
            for arc in self.arcs(from) {
                let slot = &mut next[arc.to as usize];
                arcs[*slot as usize] = Arc { to: from, why: arc.why, kind: arc.kind };
                *slot += 1;
            }
        }
        Graph { starts, arcs }
    }

    /// The number of a node's first arc; for the number after the last node that of the last arc + 1.
    pub fn first(&self, node: u32) -> u32 {
        self.starts[node as usize]
    }

    /// How many arcs lead to each node.
    pub fn incoming(&self) -> Vec<u32> {
        let mut incoming = vec![0u32; self.nodes() as usize];
        for arc in &self.arcs {
            incoming[arc.to as usize] += 1;
        }
        incoming
    }

    /// An order in which no edge points back, smaller numbers first where the edges leave a choice among those that
    /// became free together; None if there is a cycle (Kahn, "Topological sorting of large networks", 1962).
    pub fn order(&self) -> Option<Vec<u32>> {
        let order = self.kahn();
        (order.len() == self.nodes() as usize).then_some(order)
    }

    /// The same for all nodes that no cycle leads to, in such an order; all edges from others lead to others.
    pub fn kahn(&self) -> Vec<u32> {
        let nodes = self.nodes();
        let mut open = self.incoming();
        let mut order: Vec<u32> = Vec::with_capacity(nodes as usize);
        order.extend((0..nodes).filter(|&node| open[node as usize] == 0));
        let mut at = 0;
        while at < order.len() {
            for arc in self.arcs(order[at]) {
                open[arc.to as usize] -= 1;
                if open[arc.to as usize] == 0 {
                    order.push(arc.to);
                }
            }
            at += 1;
        }
        order
    }

    /// The strongly connected component of each node by edges in `mask`; an edge never leads to a component of a higher
    /// number (Tarjan, "Depth-first search and linear graph algorithms", 1972, without recursion).
    pub fn components(&self, mask: u8) -> Vec<u32> {
        self.components_from(mask, 0..self.nodes())
    }

    /// The same for what can be reached from some nodes; `u32::MAX` for all others.
    pub fn components_from(&self, mask: u8, roots: impl Iterator<Item = u32>) -> Vec<u32> {
        const NEW: u32 = u32::MAX;
        let nodes = self.nodes() as usize;
        let mut component = vec![NEW; nodes];
        let mut low = vec![NEW; nodes];
        let (mut visits, mut found) = (0u32, 0u32);
        let mut waiting: Vec<u32> = Vec::new();
        let mut path: Vec<(u32, u32, u32)> = Vec::new();
        for root in roots {
            if low[root as usize] != NEW {
                continue;
            }
            path.push((root, self.first(root), visits));
            low[root as usize] = visits;
            visits += 1;
            waiting.push(root);
            while let Some((node, next, number)) = path.pop() {
                let end = self.starts[node as usize + 1];
                let mut at = next;
                let mut deeper = None;
                while at < end {
                    let arc = self.arcs[at as usize];
                    at += 1;
                    if arc.kind & mask == 0 {
                        continue;
                    }
                    let to = arc.to as usize;
                    if low[to] == NEW {
                        deeper = Some(arc.to);
                        break;
                    }
                    if component[to] == NEW {
                        low[node as usize] = low[node as usize].min(low[to]);
                    }
                }
                if let Some(to) = deeper {
                    path.push((node, at, number));
                    path.push((to, self.first(to), visits));
                    low[to as usize] = visits;
                    visits += 1;
                    waiting.push(to);
                    continue;
                }
                if low[node as usize] == number {
                    while let Some(member) = waiting.pop() {
                        component[member as usize] = found;
                        if member == node {
                            break;
                        }
                    }
                    found += 1;
                }
                if let Some(&(parent, _, _)) = path.last() {
                    let lowest = low[node as usize];
                    if component[node as usize] == NEW {
                        low[parent as usize] = low[parent as usize].min(lowest);
                    }
                }
            }
        }
        component
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(nodes: u32, pairs: &[(u32, u32)]) -> Graph {
        let edges: Vec<Edge> =
            pairs.iter().map(|&(from, to)| Edge { from, to, why: 0, kind: kind::WW }).collect();
        Graph::of(&edges, nodes, kind::WW)
    }

    #[test]
    fn components_are_those_of_mutual_reach() {
        let mut seed = 7u64;
        for _ in 0..500 {
            let mut pairs = Vec::new();
            for _ in 0..9 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                pairs.push(((seed >> 33) as u32 % 7, (seed >> 45) as u32 % 7));
            }
            let mut reach = [[false; 7]; 7];
            for &(a, b) in &pairs {
                reach[a as usize][b as usize] = true;
            }
            for k in 0..7 {
                for i in 0..7 {
                    for j in 0..7 {
                        reach[i][j] |= reach[i][k] && reach[k][j];
                    }
                }
            }
            let graph = graph(7, &pairs);
            let component = graph.components(kind::WW);
            for i in 0..7 {
                for j in 0..7 {
                    let same = i == j || (reach[i][j] && reach[j][i]);
                    assert_eq!(component[i] == component[j], same, "{pairs:?}");
                    assert!(!reach[i][j] || component[i] >= component[j], "{pairs:?}");
                }
            }
            let cyclic = (0..7).any(|i| reach[i][i]);
            assert_eq!(graph.order().is_none(), cyclic, "{pairs:?}");
        }
    }
}
