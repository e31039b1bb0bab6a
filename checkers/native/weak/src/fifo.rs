//! Queues: of two values the one that was put first is taken first, so each order implies the other.

use crate::graph::{Graph, Why};
use crate::limits::{Halt, Limits};
use crate::objects::Objects;
use linear::hash::Map;
use linear::ops::F;

type Partners = Map<u32, (u32, bool)>;

/// What an operation does to a queue.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Puts,
    Takes,
    Empty,
}

/// By session, object and kind: the places of operations, each with itself and its partner.
type Places = Map<(u32, u32, Kind), Vec<(u32, u32, u32)>>;

/// What is known of an operation from what of some kind came before it: the partner of that (or that itself, where it
/// found the queue empty) comes before the one given.
fn follows(objects: &Objects, other: &Partners, at: u32) -> Vec<(Kind, u32)> {
    match other.get(&at) {
        // What was put before is taken before.
        Some(&(take, true)) => vec![(Kind::Puts, take)],
        // What was taken before was put before; what found nothing before this was taken did so before it was put.
        Some(&(put, false)) => vec![(Kind::Takes, put), (Kind::Empty, put)],
        // All that was put before the queue was empty was taken before.
        None if empty(objects, at) => vec![(Kind::Puts, at)],
        None => Vec::new(),
    }
}

fn empty(objects: &Objects, at: u32) -> bool {
    let op = objects.items[at as usize].op;
    op.f == F::Dequeue && op.a == 0 && op.b == 0
}

/// The last operation of a session of some kind that comes before another one.
fn latest(
    objects: &Objects,
    places: &Places,
    clocks: &[u32],
    (at, session, kind): (u32, u32, Kind),
) -> Option<(u32, u32)> {
    let item = &objects.items[at as usize];
    let list = places.get(&(session, item.part, kind))?;
    let clock = clocks[at as usize * objects.sessions.len() + session as usize];
    let clock = clock - u32::from(item.session == session);
    let last = list.partition_point(|&(place, ..)| place < clock).checked_sub(1)?;
    Some((list[last].1, list[last].2))
}

/// Add what follows, until nothing is new or there is a circle.
pub fn close(objects: &Objects, graph: &mut Graph, limits: &Limits<'_>) -> Result<(), Halt> {
    let width = objects.sessions.len();
    limits.hold(graph.out.len() * (width * 4 + 120))?;
    let other = partners(objects);
    let places = places(objects, &other);
    let mut clocks = vec![0u32; graph.out.len() * width];
    for round in 1.. {
        limits.check()?;
        let Ok(order) = graph.order() else { return Ok(()) };
        measure(objects, graph, &order, &mut clocks);
        let mut new = Vec::new();
        for at in 0..objects.items.len() as u32 {
            for (kind, to) in follows(objects, &other, at) {
                for session in 0..width as u32 {
                    let last = latest(objects, &places, &clocks, (at, session, kind));
                    let Some((before, end)) = last else { continue };
                    let from = if kind == Kind::Empty { before } else { end };
                    let node = &objects.items[from as usize];
                    if from != to && clocks[to as usize * width + node.session as usize] <= node.place {
                        new.push((from, to, at));
                    }
                }
            }
        }
        if new.is_empty() {
            return Ok(());
        }
        new.sort_unstable();
        for (from, to, by) in new {
            graph.add(from, to, Why::Queue, by, round);
        }
        limits.hold(graph.out.iter().map(|edges| edges.capacity() * 16).sum::<usize>() + clocks.len() * 4)?;
    }
    Ok(())
}

/// Of each operation on a value that was put and taken once, the other one, and whether it put.
pub fn partners(objects: &Objects) -> Partners {
    let mut found = Map::default();
    for part in 0..objects.parts {
        let own: Vec<u32> =
            (0..objects.items.len() as u32).filter(|&at| objects.items[at as usize].part == part).collect();
        for (put, take) in objects.once(&own) {
            if let Some(take) = take {
                found.insert(put, (take, true));
                found.insert(take, (put, false));
            }
        }
    }
    found
}

fn places(objects: &Objects, other: &Partners) -> Places {
    let mut places = Places::default();
    for (at, item) in (0u32..).zip(&objects.items) {
        let (kind, end) = match other.get(&at) {
            Some(&(end, true)) => (Kind::Puts, end),
            Some(&(end, false)) => (Kind::Takes, end),
            None if empty(objects, at) => (Kind::Empty, at),
            None => continue,
        };
        places.entry((item.session, item.part, kind)).or_default().push((item.place, at, end));
    }
    places
}

/// For each node, how many operations of each session come before it or are it.
pub fn measure(objects: &Objects, graph: &Graph, order: &[u32], clocks: &mut [u32]) {
    let width = objects.sessions.len();
    clocks.fill(0);
    for &at in order {
        let from = at as usize * width;
        if let Some(item) = objects.items.get(at as usize) {
            clocks[from + item.session as usize] = item.place + 1;
        }
        for edge in &graph.out[at as usize] {
            let to = edge.to as usize * width;
            for session in 0..width {
                clocks[to + session] = clocks[to + session].max(clocks[from + session]);
            }
        }
    }
}
