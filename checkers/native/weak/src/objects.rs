//! Objects that are more than registers, as sessions used them: queues, bags, counters, locks, strings with append.

use crate::graph::{Graph, Why};
use columns::Columns;
use linear::hash::Map;
use linear::models::{Appended, Counted, Held, Queued};
use linear::ops::{parts, Model, Op, F};
use linear::values::Values;
use linear::Machine;

/// One operation.
#[derive(Clone, Copy, Debug)]
pub struct Item {
    pub op: Op,
    /// Number of the object, of the session, and the place in it.
    pub part: u32,
    pub session: u32,
    pub place: u32,
    /// Of open operations: what is equal in effect has an equal number.
    pub class: u32,
}

/// A history of objects, by session. An operation of unknown outcome is its own session, and may never happen.
#[derive(Debug)]
pub struct Objects {
    pub model: Model,
    pub items: Vec<Item>,
    pub sessions: Vec<Vec<u32>>,
    pub parts: u32,
    /// What a counter or a string starts with.
    pub initial: u32,
    pub start: i64,
}

impl Objects {
    /// Read a history. Err: why it is none of this model.
    pub fn read(
        columns: &Columns,
        values: &mut Values<'_>,
        model: Model,
        initial: &[u8],
        per_key: bool,
    ) -> Result<Objects, String> {
        let parts = parts(columns, values, model, per_key);
        if let Some(reason) = parts.iter().find_map(|part| part.foreign.clone()) {
            return Err(reason);
        }
        let initial = values.intern(initial);
        let start = values.number(initial).unwrap_or(0);
        let mut ops: Vec<(Op, u32)> = Vec::new();
        for (part, one) in (0u32..).zip(&parts) {
            ops.extend(one.ops.iter().map(|&op| (op, part)));
        }
        ops.sort_unstable_by_key(|(op, _)| op.event);
        let list = ops.into_iter().map(|(op, part)| (op, part, columns.process[op.event as usize])).collect();
        let objects = Objects {
            model,
            items: Vec::new(),
            sessions: Vec::new(),
            parts: parts.len() as u32,
            initial,
            start,
        };
        Ok(objects.with(list))
    }

    fn with(mut self, ops: Vec<(Op, u32, i64)>) -> Objects {
        let mut number: Map<i64, u32> = Map::default();
        let mut classes: Map<(u32, F, u32, u32), u32> = Map::default();
        for (op, part, process) in ops {
            let fresh = self.sessions.len() as u32;
            let session = if op.open() { fresh } else { *number.entry(process).or_insert(fresh) };
            if session == fresh {
                self.sessions.push(Vec::new());
            }
            let place = self.sessions[session as usize].len() as u32;
            let next = classes.len() as u32;
            let class = *classes.entry((part, op.f, op.a, op.b)).or_insert(next);
            self.sessions[session as usize].push(self.items.len() as u32);
            self.items.push(Item { op, part, session, place, class });
        }
        self
    }

    /// The history of these items alone (ascending).
    pub fn only(&self, kept: &[u32]) -> Objects {
        let ops = kept.iter().map(|&at| {
            let item = self.items[at as usize];
            (item.op, item.part, i64::from(item.session))
        });
        let empty = Objects { items: Vec::new(), sessions: Vec::new(), ..*self };
        empty.with(ops.collect())
    }

    /// A machine for each part.
    pub fn machines(&self, values: &Values<'_>) -> Result<Vec<Box<dyn Machine>>, String> {
        let mut ops: Vec<Vec<Op>> = vec![Vec::new(); self.parts as usize];
        self.items.iter().for_each(|item| ops[item.part as usize].push(item.op));
        ops.iter()
            .map(|ops| -> Result<Box<dyn Machine>, String> {
                Ok(match self.model {
                    Model::Queue => Box::new(Queued::new(true)),
                    Model::UnorderedQueue => Box::new(Queued::new(false)),
                    Model::Counter => Box::new(Counted::of(ops, self.start)),
                    Model::Lock | Model::FencedLock => Box::new(Held::of(ops, values)),
                    Model::Plain(_) | Model::Custom => return Err("not decided for this model".into()),
                    _ => Box::new(Appended::of(ops, values, self.initial)?),
                })
            })
            .collect()
    }

    /// Whether a counter only grows.
    pub fn grows(&self) -> bool {
        let mut steps = self.items.iter().filter(|item| item.op.f == F::Increment);
        self.model == Model::Counter && steps.all(|item| item.op.number() >= 0)
    }

    /// What must come before what, whatever the order is: nodes are the items, and some that stand between them.
    pub fn graph(&self, values: &Values<'_>) -> Graph {
        let mut graph = Graph::new(self.items.len());
        for ops in &self.sessions {
            for pair in ops.windows(2) {
                graph.add(pair[0], pair[1], Why::Session, 0, 0);
            }
        }
        for part in 0..self.parts {
            let own: Vec<u32> =
                (0..self.items.len() as u32).filter(|&at| self.items[at as usize].part == part).collect();
            match self.model {
                Model::Queue | Model::UnorderedQueue => self.taken(&own, &mut graph),
                Model::Lock | Model::FencedLock => self.held(&own, values, &mut graph),
                Model::Counter if self.grows() => self.counted(&own, &mut graph),
                _ => {}
            }
        }
        graph
    }

    /// Of values that were put once and taken once: where. In the order of the items.
    pub fn once(&self, own: &[u32]) -> Vec<(u32, Option<u32>)> {
        let mut puts: Map<u32, (u32, u32)> = Map::default();
        let mut takes: Map<u32, (u32, u32)> = Map::default();
        for &at in own {
            let op = self.items[at as usize].op;
            let count = match op.f {
                F::Enqueue => &mut puts,
                F::Dequeue if op.b == 0 && op.a != 0 => &mut takes,
                _ => continue,
            };
            count.entry(op.a).or_insert((at, 0)).1 += 1;
        }
        let mut found: Vec<(u32, Option<u32>)> = puts
            .iter()
            .filter(|(value, (_, count))| {
                *count == 1 && takes.get(value).is_none_or(|(_, count)| *count == 1)
            })
            .map(|(value, (put, _))| (*put, takes.get(value).map(|(take, _)| *take)))
            .collect();
        found.sort_unstable();
        found
    }

    /// What is taken was put before. In a queue what was never taken was put after all that was, if no dequeue can have
    /// taken it untold.
    fn taken(&self, own: &[u32], graph: &mut Graph) {
        let once = self.once(own);
        let untold = own
            .iter()
            .any(|&at| self.items[at as usize].op.f == F::Dequeue && self.items[at as usize].op.open());
        let last = graph.out.len() as u32;
        graph.out.push(Vec::new());
        for &(put, take) in &once {
            match take {
                Some(take) => {
                    graph.add(put, take, Why::ReadFrom, take, 0);
                    if self.model == Model::Queue && !untold && !self.items[put as usize].op.open() {
                        graph.add(put, last, Why::Queue, take, 0);
                    }
                }
                None if self.model == Model::Queue && !untold && !self.items[put as usize].op.open() => {
                    graph.add(last, put, Why::Queue, put, 0);
                }
                None => {}
            }
        }
    }

    /// Tokens grow, and a hold that was never ended is the last.
    fn held(&self, own: &[u32], values: &Values<'_>, graph: &mut Graph) {
        let mut by_session: Map<u32, Vec<u32>> = Map::default();
        for &at in own {
            if !self.items[at as usize].op.open() {
                by_session.entry(self.items[at as usize].session).or_default().push(at);
            }
        }
        let mut tokens: Vec<(i64, u32, u32)> = Vec::new();
        for (session, ops) in &by_session {
            for (place, &at) in ops.iter().enumerate() {
                let op = self.items[at as usize].op;
                if op.f != F::Acquire {
                    continue;
                }
                let next = ops.get(place + 1).copied();
                if let Some(token) = values.number(op.b).filter(|_| op.b != 0) {
                    let ends = |next: &u32| self.items[*next as usize].op.f == F::Release;
                    tokens.push((token, at, next.filter(ends).unwrap_or(at)));
                }
                let untold = own.iter().map(|&other| self.items[other as usize].op);
                let released =
                    untold.filter(|other| other.open() && other.f == F::Release && other.a == op.a);
                if next.is_none() && released.count() == 0 {
                    let others = by_session.iter().filter(|(other, _)| *other != session);
                    for &before in others.filter_map(|(_, ops)| ops.last()) {
                        graph.add(before, at, Why::Held, at, 0);
                    }
                }
            }
        }
        tokens.sort_unstable();
        for pair in tokens.windows(2) {
            let ((one, first, end), (other, second, _)) = (pair[0], pair[1]);
            graph.add(end, second, Why::Held, second, 0);
            if one == other {
                graph.add(second, first, Why::Held, first, 0);
            }
        }
    }

    /// A counter that only grows: reads of less come first.
    fn counted(&self, own: &[u32], graph: &mut Graph) {
        let mut reads: Vec<(i64, u32)> = own
            .iter()
            .filter(|&&at| self.items[at as usize].op.f == F::Total)
            .map(|&at| (self.items[at as usize].op.number(), at))
            .collect();
        reads.sort_unstable();
        let mut before: Option<u32> = None;
        for group in reads.chunk_by(|one, other| one.0 == other.0) {
            let gate = graph.out.len() as u32;
            graph.out.push(Vec::new());
            for &(_, read) in group {
                graph.add(read, gate, Why::Counted, read, 0);
                if let Some(before) = before {
                    graph.add(before, read, Why::Counted, read, 0);
                }
            }
            before = Some(gate);
        }
    }
}
