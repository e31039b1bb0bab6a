//! Sequential consistency of queues, bags, counters, locks and strings, and what sessions see of counters.

use crate::fifo::{close, partners};
use crate::graph::{Graph, Step, Why};
use crate::limits::{Halt, Limits};
use crate::object_search::search;
use crate::objects::Objects;
use crate::totals::{contradiction, exact, Floor, Sum};
use linear::hash::Map;
use linear::ops::{Model, Values, F};
use std::collections::{BTreeMap, HashSet};

/// Steps of the search with which a smaller contradiction is looked for.
const SMALL_STEPS: usize = 20_000;

/// The answer for one level.
pub enum Answer {
    /// It holds; for sequential consistency with the order.
    Holds(Option<Vec<u32>>),
    Fails(Broken),
    Unknown(String),
}

/// What contradicts a level.
pub struct Broken {
    /// The items that do so by themselves.
    pub kept: Vec<u32>,
    pub minimal: bool,
    /// What must come before what, in a circle, if that is all there is to it.
    pub cycle: Vec<Step>,
    pub sum: Option<Sum>,
    pub session: Option<usize>,
}

/// One order of all operations.
pub fn sequential(objects: &Objects, values: &Values<'_>, limits: &Limits<'_>, small: &Limits<'_>) -> Answer {
    if objects.model == Model::Counter {
        if let Some(sum) = contradiction(objects, Floor::Both) {
            return Answer::Fails(by_sum(objects, sum));
        }
    }
    match attempt(objects, values, usize::MAX, limits) {
        Ok(Found::Order(order)) => Answer::Holds(Some(order)),
        Ok(Found::Nothing(near)) => Answer::Fails(smallest(objects, values, near, small)),
        Err(Halt(reason)) => Answer::Unknown(reason),
    }
}

/// What one session sees of counters.
pub fn session_level(objects: &Objects, values: &Values<'_>, floor: Floor, limits: &Limits<'_>) -> Answer {
    if let Some(sum) = contradiction(objects, floor) {
        return Answer::Fails(by_sum(objects, sum));
    }
    if floor != Floor::Both {
        return if exact(objects) {
            Answer::Holds(None)
        } else {
            Answer::Unknown("the additions differ, so it is not known which of them a read saw".into())
        };
    }
    for session in 0..objects.sessions.len() {
        let kept: Vec<u32> = (0..objects.items.len() as u32)
            .filter(|&at| {
                let item = &objects.items[at as usize];
                item.session == session as u32 || item.op.f != F::Total
            })
            .collect();
        match attempt(&objects.only(&kept), values, usize::MAX, limits) {
            Ok(Found::Order(_)) => {}
            Ok(Found::Nothing(_)) => {
                return Answer::Fails(Broken {
                    kept,
                    minimal: false,
                    cycle: Vec::new(),
                    sum: None,
                    session: Some(session),
                })
            }
            Err(Halt(reason)) => return Answer::Unknown(reason),
        }
    }
    Answer::Holds(None)
}

fn by_sum(objects: &Objects, sum: Sum) -> Broken {
    let mut kept = sum.between.clone();
    kept.extend(sum.after);
    kept.push(sum.read);
    kept.sort_unstable();
    let session = Some(objects.items[sum.read as usize].session as usize);
    Broken { kept, minimal: true, cycle: Vec::new(), sum: Some(sum), session }
}

enum Found {
    Order(Vec<u32>),
    /// There is none; and the operations that a circle speaks of.
    Nothing(Vec<u32>),
}

fn attempt(objects: &Objects, values: &Values<'_>, steps: usize, limits: &Limits<'_>) -> Result<Found, Halt> {
    if let Some(near) = unsupplied(objects) {
        return Ok(Found::Nothing(near));
    }
    let (graph, cycle) = graph(objects, values, limits)?;
    if let Some(cycle) = cycle {
        return Ok(Found::Nothing(grounds(objects, &graph, &cycle)));
    }
    let order = search(objects, values, &graph, steps, limits)?;
    Ok(order.map_or_else(|| Found::Nothing(Vec::new()), Found::Order))
}

fn graph(
    objects: &Objects,
    values: &Values<'_>,
    limits: &Limits<'_>,
) -> Result<(Graph, Option<Vec<Step>>), Halt> {
    let mut graph = objects.graph(values);
    if objects.model == Model::Queue {
        close(objects, &mut graph, limits)?;
    }
    let cycle = if graph.order().is_err() { graph.cycle() } else { None };
    Ok((graph, cycle))
}

/// A value that was taken more often than it was put, with all that put it or took it.
fn unsupplied(objects: &Objects) -> Option<Vec<u32>> {
    if !matches!(objects.model, Model::Queue | Model::UnorderedQueue) {
        return None;
    }
    let mut left: Map<(u32, u32), i64> = Map::default();
    for item in &objects.items {
        match item.op.f {
            F::Enqueue => *left.entry((item.part, item.op.a)).or_insert(0) += 1,
            F::Dequeue if item.op.b == 0 && item.op.a != 0 => {
                *left.entry((item.part, item.op.a)).or_insert(0) -= 1;
            }
            _ => {}
        }
    }
    let short =
        objects.items.iter().find(|item| left.get(&(item.part, item.op.a)).is_some_and(|&n| n < 0))?;
    let alike = |at: &u32| {
        let item = &objects.items[*at as usize];
        item.part == short.part && item.op.a == short.op.a && item.op.b == 0
    };
    Some((0..objects.items.len() as u32).filter(alike).collect())
}

/// The items that a circle speaks of, with those that its derived steps rest on.
fn grounds(objects: &Objects, graph: &Graph, cycle: &[Step]) -> Vec<u32> {
    let other = if objects.model == Model::Queue { partners(objects) } else { Map::default() };
    let mut found: Vec<u32> = Vec::new();
    let mut known: Vec<(u32, u32, u32)> = Vec::new();
    let mut open: Vec<Step> = cycle.to_vec();
    while let Some((from, edge)) = open.pop() {
        if known.contains(&(from, edge.to, edge.by)) {
            continue;
        }
        known.push((from, edge.to, edge.by));
        found.extend([from, edge.to, edge.by]);
        if edge.why == Why::Queue && edge.round > 0 {
            // What found the queue empty stands for itself.
            let start = other.get(&from).map_or(from, |&(start, _)| start);
            open.extend(graph.path(start, edge.by, edge.round).unwrap_or_default());
        }
    }
    found.retain(|&at| (at as usize) < objects.items.len());
    found
}

/// Leave out what the rest does not need, many at a time; what can be left out without making a good history bad is
/// written down in `units`.
fn smallest(objects: &Objects, values: &Values<'_>, near: Vec<u32>, limits: &Limits<'_>) -> Broken {
    let fails = |kept: &[u32]| {
        let part = objects.only(kept);
        matches!(attempt(&part, values, SMALL_STEPS, limits), Ok(Found::Nothing(_)))
    };
    let mut parts: Vec<Vec<u32>> = vec![Vec::new(); objects.parts as usize];
    (0u32..).zip(&objects.items).for_each(|(at, item)| parts[item.part as usize].push(at));
    let (parts, _) = fewest(parts, &[], &near, limits, &fails);
    let mut kept = parts.concat();
    kept.sort_unstable();
    let (fixed, units) = units(objects, &kept);
    let (units, minimal) = fewest(units, &fixed, &near, limits, &fails);
    let kept = together(&fixed, &units);
    let cycle = graph(&objects.only(&kept), values, limits).ok().and_then(|(_, cycle)| cycle);
    Broken { kept, minimal, cycle: cycle.unwrap_or_default(), sum: None, session: None }
}

fn together(fixed: &[u32], units: &[Vec<u32>]) -> Vec<u32> {
    let mut kept = [fixed, &units.concat()].concat();
    kept.sort_unstable();
    kept
}

/// The units that are needed, with what stays; and whether there was time to try to leave out each of them.
fn fewest(
    mut units: Vec<Vec<u32>>,
    fixed: &[u32],
    near: &[u32],
    limits: &Limits<'_>,
    fails: &impl Fn(&[u32]) -> bool,
) -> (Vec<Vec<u32>>, bool) {
    let touched: Vec<Vec<u32>> =
        units.iter().filter(|unit| unit.iter().any(|at| near.contains(at))).cloned().collect();
    if !near.is_empty() && fails(&together(fixed, &touched)) {
        units = touched;
    }
    let mut size = units.len().div_ceil(2).max(1);
    loop {
        let mut end = units.len();
        while end > 0 && limits.check().is_ok() {
            let start = end.saturating_sub(size);
            let fewer = [&units[..start], &units[end..]].concat();
            if fails(&together(fixed, &fewer)) {
                units = fewer;
            }
            end = start;
        }
        if size == 1 {
            return (units, limits.check().is_ok());
        }
        size = size.div_ceil(2);
    }
}

/// What stays of these items, and what can be left out together: a value of a queue with all that put it or took it,
/// all that a process did with a lock, or a hold where it did nothing but hold and give back, what only looks.
fn units(objects: &Objects, kept: &[u32]) -> (Vec<u32>, Vec<Vec<u32>>) {
    let mut fixed = Vec::new();
    let mut groups: BTreeMap<(u8, u32, u64), Vec<u32>> = BTreeMap::new();
    let holds: Map<u32, Option<u32>> =
        kept.iter().filter(|&&at| held(objects, at)).map(|&at| (at, hold(objects, at))).collect();
    let process = |at: u32| (objects.items[at as usize].part, objects.items[at as usize].op.a);
    let other: HashSet<(u32, u32)> =
        holds.iter().filter(|(_, hold)| hold.is_none()).map(|(&at, _)| process(at)).collect();
    for &at in kept {
        let item = &objects.items[at as usize];
        let value = (1, item.part, u64::from(item.op.a));
        let name = match item.op.f {
            F::Enqueue => value,
            F::Dequeue if item.op.b == 0 && item.op.a != 0 => value,
            F::Acquire | F::Release => match holds.get(&at).copied().flatten() {
                Some(acquire) if !other.contains(&process(at)) => (3, item.part, u64::from(acquire)),
                _ => (2, item.part, u64::from(item.op.a)),
            },
            f if f.looks_only() || (f == F::Dequeue && item.op.b == 0) => (0, item.part, u64::from(at)),
            _ => {
                fixed.push(at);
                continue;
            }
        };
        groups.entry(name).or_default().push(at);
    }
    (fixed, groups.into_values().collect())
}

fn held(objects: &Objects, at: u32) -> bool {
    matches!(objects.items[at as usize].op.f, F::Acquire | F::Release)
}

/// The acquire of the hold that this operation begins or ends, if both its ends are known and follow each other.
fn hold(objects: &Objects, at: u32) -> Option<u32> {
    let item = &objects.items[at as usize];
    let own: Vec<u32> = objects.sessions[item.session as usize]
        .iter()
        .copied()
        .filter(|&other| objects.items[other as usize].part == item.part)
        .collect();
    let place = own.iter().position(|&other| other == at)?;
    let is = |at: Option<&u32>, f: F| at.is_some_and(|&at| objects.items[at as usize].op.f == f);
    match item.op.f {
        _ if item.op.open() => None,
        F::Acquire => is(own.get(place + 1), F::Release).then_some(at),
        _ => {
            let before = own.get(place.checked_sub(1)?)?;
            is(Some(before), F::Acquire).then_some(*before)
        }
    }
}
