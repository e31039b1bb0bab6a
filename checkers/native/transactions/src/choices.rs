//! Choices between two edges each, so that no circle is left: conflict-driven clause learning over a kept order.
//!
//! A choice says which of two writes of one key came first; either side stands for edges. A circle refutes the sides
//! whose edges it needs, at least one of which must be turned (Marques-Silva and Sakallah, "GRASP", 1999; acyclicity as a
//! theory as in Bayless et al., "SAT modulo monotonic theories", 2015). Choices are made only where an order of all that
//! is known contradicts what was read, so there are few of them.

use crate::limits::{Halt, Limits};
use crate::topo::{Circle, Topo, SURE};
use std::collections::{HashMap, HashSet};

/// A side of a choice: twice the number of the choice, and 1 for its second side.
type Lit = u32;

/// What refutes all that was tried: nodes of the circles that were met, or more of them than are worth reporting.
pub(crate) type Core = Vec<u32>;
/// Nodes kept of a refutation.
const CORE_MAX: usize = 400;
const OPEN: u8 = 2;

#[derive(Clone)]
struct Clause {
    lits: Vec<Lit>,
    core: Core,
}

pub(crate) struct Choices<'a, 'b> {
    pub topo: Topo<'a>,
    limits: &'b Limits<'b>,
    numbers: HashMap<(u32, u32), u32>,
    /// Per side, the edges that it stands for.
    edges: Vec<Vec<(u32, u32)>>,
    /// Per choice: the side taken (0, 1 or `OPEN`), the side taken last, at which depth, and the clause that forced it.
    side: Vec<u8>,
    saved: Vec<u8>,
    depth: Vec<u32>,
    reason: Vec<u32>,
    /// Per choice that was forced at depth 0: what refutes its other side.
    settled: HashMap<u32, Core>,
    trail: Vec<Lit>,
    /// Per depth: lengths of the trail and of the edges added before it.
    marks: Vec<(usize, usize)>,
    clauses: Vec<Clause>,
    watches: Vec<Vec<u32>>,
    /// Sides to be taken because of clauses, with the clause.
    waiting: Vec<(Lit, u32)>,
    pub conflicts: usize,
}

/// Whether all edges fit, or why they never will.
pub(crate) enum Fit {
    Yes,
    Never(Core),
}

impl<'a, 'b> Choices<'a, 'b> {
    pub fn new(topo: Topo<'a>, limits: &'b Limits<'b>) -> Self {
        Choices {
            topo,
            limits,
            numbers: HashMap::new(),
            edges: Vec::new(),
            side: Vec::new(),
            saved: Vec::new(),
            depth: Vec::new(),
            reason: Vec::new(),
            settled: HashMap::new(),
            trail: Vec::new(),
            marks: Vec::new(),
            clauses: Vec::new(),
            watches: Vec::new(),
            waiting: Vec::new(),
            conflicts: 0,
        }
    }

    /// The side "`first` before `second`" of the choice between two writes. A new choice gets the edges of its sides:
    /// `forth` if `first` comes first, `back` otherwise.
    pub fn lit(&mut self, first: u32, second: u32, forth: (u32, u32), back: (u32, u32)) -> Lit {
        let swapped = first > second;
        let pair = if swapped { (second, first) } else { (first, second) };
        let next = self.side.len() as u32;
        let number = *self.numbers.entry(pair).or_insert(next);
        if number == next {
            self.side.push(OPEN);
            self.saved.push(OPEN);
            self.depth.push(0);
            self.reason.push(SURE);
            self.edges.extend(if swapped { [vec![back], vec![forth]] } else { [vec![forth], vec![back]] });
            self.watches.extend([Vec::new(), Vec::new()]);
        }
        number * 2 + u32::from(swapped)
    }

    /// How many choices there are.
    pub fn count(&self) -> usize {
        self.side.len()
    }

    /// Whether the side is taken; None while the choice is open.
    pub fn taken(&self, lit: Lit) -> Option<bool> {
        let side = self.side[(lit / 2) as usize];
        (side != OPEN).then_some(u32::from(side) == lit % 2)
    }

    /// Take a side of an open choice, the one taken last if there is one.
    pub fn decide(&mut self, lit: Lit) -> Result<Fit, Halt> {
        let saved = self.saved[(lit / 2) as usize];
        let lit = if saved == OPEN { lit } else { lit / 2 * 2 + u32::from(saved) };
        self.marks.push((self.trail.len(), self.topo.added()));
        self.waiting.push((lit, SURE));
        self.propagate()
    }

    /// One more edge of a side. If that is taken, the edge counts at once.
    pub fn edge(&mut self, lit: Lit, edge: (u32, u32)) -> Result<Fit, Halt> {
        if !self.edges[lit as usize].contains(&edge) {
            self.edges[lit as usize].push(edge);
        }
        if self.taken(lit) != Some(true) {
            return Ok(Fit::Yes);
        }
        let Some(circle) = self.topo.add(edge.0, edge.1, lit, self.limits)? else { return Ok(Fit::Yes) };
        let circle = with(circle, lit);
        match self.learn(circle.tags, circle.nodes)? {
            Fit::Yes => self.propagate(),
            never => Ok(never),
        }
    }

    /// An edge that must hold whatever is chosen.
    pub fn sure(&mut self, from: u32, to: u32) -> Result<Fit, Halt> {
        self.back_to(0);
        match self.topo.add(from, to, SURE, self.limits)? {
            None => Ok(Fit::Yes),
            Some(circle) => self.learn(circle.tags, circle.nodes),
        }
    }

    /// Take all sides that are waiting, and those that clauses force then.
    fn propagate(&mut self) -> Result<Fit, Halt> {
        while let Some((lit, reason)) = self.waiting.pop() {
            match self.taken(lit) {
                Some(true) => continue,
                Some(false) => {
                    // Another clause forced the other side meanwhile.
                    let against = if reason == SURE { vec![lit ^ 1] } else { self.negated(reason) };
                    let core = self.core(reason);
                    if let Fit::Never(core) = self.learn(against, core)? {
                        return Ok(Fit::Never(core));
                    }
                    continue;
                }
                None => {}
            }
            let clash = self.take(lit, reason)?.or_else(|| self.visit(lit));
            if let Some((against, core)) = clash {
                if let Fit::Never(core) = self.learn(against, core)? {
                    return Ok(Fit::Never(core));
                }
            }
        }
        Ok(Fit::Yes)
    }

    /// Take a side; what contradicts it, if anything: sides that cannot stand together, and why.
    fn take(&mut self, lit: Lit, reason: u32) -> Result<Option<(Vec<Lit>, Core)>, Halt> {
        let choice = (lit / 2) as usize;
        self.side[choice] = (lit % 2) as u8;
        self.saved[choice] = self.side[choice];
        self.depth[choice] = self.marks.len() as u32;
        self.reason[choice] = reason;
        self.trail.push(lit);
        if self.marks.is_empty() {
            let core = self.refutation(lit);
            self.settled.insert(lit / 2, core);
        }
        for at in 0..self.edges[lit as usize].len() {
            let (from, to) = self.edges[lit as usize][at];
            if let Some(circle) = self.topo.add(from, to, lit, self.limits)? {
                let circle = with(circle, lit);
                return Ok(Some((circle.tags, circle.nodes)));
            }
        }
        Ok(None)
    }

    /// Look at the clauses that watch the other side; a clause whose sides are all refuted comes back negated.
    fn visit(&mut self, lit: Lit) -> Option<(Vec<Lit>, Core)> {
        let falsified = lit ^ 1;
        let watching = std::mem::take(&mut self.watches[falsified as usize]);
        let mut clash = None;
        for (at, &number) in watching.iter().enumerate() {
            let free = |this: &Self, other: Lit| this.taken(other) != Some(false);
            let clause = &self.clauses[number as usize].lits;
            let slot = usize::from(clause[1] == falsified);
            let other = clause[1 - slot];
            if self.taken(other) == Some(true) {
                self.watches[falsified as usize].push(number);
                continue;
            }
            if let Some(place) = (2..clause.len()).find(|&place| free(self, clause[place])) {
                let lits = &mut self.clauses[number as usize].lits;
                lits.swap(slot, place);
                let moved = lits[slot];
                self.watches[moved as usize].push(number);
                continue;
            }
            self.watches[falsified as usize].push(number);
            if free(self, other) {
                self.waiting.push((other, number));
            } else {
                self.watches[falsified as usize].extend(&watching[at + 1..]);
                clash = Some((self.negated(number), self.clauses[number as usize].core.clone()));
                break;
            }
        }
        clash
    }

    fn negated(&self, clause: u32) -> Vec<Lit> {
        self.clauses[clause as usize].lits.iter().map(|lit| lit ^ 1).collect()
    }

    fn core(&self, clause: u32) -> Core {
        self.clauses.get(clause as usize).map_or_else(Vec::new, |clause| clause.core.clone())
    }

    /// Sides that were taken cannot stand together: go back, and force one of the others.
    fn learn(&mut self, against: Vec<Lit>, core: Core) -> Result<Fit, Halt> {
        self.conflicts += 1;
        if self.conflicts.is_multiple_of(64) {
            self.limits.check()?;
            self.limits
                .memory(self.clauses.iter().map(|one| one.lits.len() * 4 + one.core.len() * 4 + 96).sum())?;
        }
        self.waiting.clear();
        let deepest = against.iter().map(|lit| self.depth[(lit / 2) as usize]).max().unwrap_or(0);
        if deepest == 0 {
            let mut all = core;
            for lit in against {
                join(&mut all, self.settled.get(&(lit / 2)).map_or(&[], Vec::as_slice));
            }
            return Ok(Fit::Never(all));
        }
        self.back_to(deepest);
        let (lits, core) = self.first_cut(&against, core, deepest);
        let back = lits[1..].iter().map(|lit| self.depth[(lit / 2) as usize]).max().unwrap_or(0);
        self.back_to(back);
        let (forced, number) = (lits[0], self.clauses.len() as u32);
        let mut lits = lits;
        if lits.len() > 1 {
            let deep = (1..lits.len()).max_by_key(|&at| self.depth[(lits[at] / 2) as usize]).unwrap_or(1);
            lits.swap(1, deep);
            self.watches[lits[0] as usize].push(number);
            self.watches[lits[1] as usize].push(number);
        }
        self.clauses.push(Clause { lits, core });
        self.waiting.push((forced, number));
        Ok(Fit::Yes)
    }

    /// The clause of the first unique implication point, and what refutes it: its first side is the one to be forced.
    fn first_cut(&self, against: &[Lit], core: Core, deepest: u32) -> (Vec<Lit>, Core) {
        let mut cut = Cut { marked: HashSet::new(), lower: Vec::new(), here: 0, core };
        for &lit in against {
            cut.mark(self, lit, deepest);
        }
        for &lit in self.trail.iter().rev() {
            if !cut.marked.contains(&lit) || self.depth[(lit / 2) as usize] != deepest {
                continue;
            }
            cut.here -= 1;
            if cut.here == 0 {
                let mut lits = vec![lit ^ 1];
                lits.append(&mut cut.lower);
                return (lits, cut.core);
            }
            let reason = self.reason[(lit / 2) as usize];
            join(&mut cut.core, &self.clauses[reason as usize].core);
            for other in self.negated(reason).into_iter().filter(|&other| other != lit ^ 1) {
                cut.mark(self, other, deepest);
            }
        }
        (cut.lower, cut.core)
    }

    /// What refutes the other side of one that a clause forced at depth 0.
    fn refutation(&self, lit: Lit) -> Core {
        let reason = self.reason[(lit / 2) as usize];
        let mut core = self.core(reason);
        for other in self.clauses.get(reason as usize).map_or(&[][..], |clause| &clause.lits) {
            if *other != lit {
                join(&mut core, self.settled.get(&(other / 2)).map_or(&[], Vec::as_slice));
            }
        }
        core
    }

    fn back_to(&mut self, depth: u32) {
        let Some(&(taken, added)) = self.marks.get(depth as usize) else { return };
        for lit in self.trail.drain(taken..) {
            self.side[(lit / 2) as usize] = OPEN;
        }
        self.topo.retract(added);
        self.marks.truncate(depth as usize);
    }
}

/// A clause under construction: sides met in its making, those of lower depths, and how many of this depth are left.
struct Cut {
    marked: HashSet<Lit>,
    lower: Vec<Lit>,
    here: usize,
    core: Core,
}

impl Cut {
    fn mark(&mut self, choices: &Choices<'_, '_>, lit: Lit, deepest: u32) {
        if !self.marked.insert(lit) {
            return;
        }
        match choices.depth[(lit / 2) as usize] {
            0 => join(&mut self.core, choices.settled.get(&(lit / 2)).map_or(&[], Vec::as_slice)),
            depth if depth == deepest => self.here += 1,
            _ => self.lower.push(lit ^ 1),
        }
    }
}

fn with(mut circle: Circle, lit: Lit) -> Circle {
    if !circle.tags.contains(&lit) {
        circle.tags.push(lit);
    }
    circle
}

/// Add nodes that are not there yet; a core that is full stays as it is, which says that it is not whole.
fn join(core: &mut Core, more: &[u32]) {
    if core.len() > CORE_MAX {
        return;
    }
    core.extend_from_slice(more);
    core.sort_unstable();
    core.dedup();
}

/// Whether a refutation has all that it needs.
pub(crate) fn is_whole(core: &Core) -> bool {
    core.len() <= CORE_MAX
}
