//! Queues and bags whose values are enqueued at most once: O(n log n), unknown outcomes included.
//!
//! A queue with known outcomes is correct unless a value comes out that never went in, comes out twice or before it
//! went in; a value overtakes another (went in certainly later, came out certainly earlier); or an empty answer falls
//! entirely into time in which something was certainly inside (Henzinger, Sezgin, Vafeiadis, CONCUR 2013; Bouajjani,
//! Emmi, Enea, Hamza, ICALP 2015). Unknown outcomes: an enqueue without a dequeue is left out; dequeues of unknown
//! outcome take what stayed inside, oldest first, each as early as it was called, which is optimal because what is in the
//! way, by when it must be gone, and the time it covers all depend on the moment from which it was certainly inside. The
//! order built for a valid history is replayed before it is believed.

use crate::hash::Map;
use crate::ops::{Op, F, NEVER};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What the procedure says.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// An order of all operations that happened.
    Valid(Vec<u32>),
    /// Operations that contradict each other; empty: look for them.
    Invalid(Vec<u32>),
    /// Not for this procedure.
    Unfit,
}

const NONE: u32 = u32::MAX;
/// Later than everything that returned.
const LATE: u64 = u64::MAX / 4;

/// One value, or an empty answer (then both intervals are its own, shrunk to a moment).
#[derive(Clone, Copy, Debug)]
struct Item {
    enqueue: u32,
    dequeue: u32,
    came: (u64, u64),
    went: (u64, u64),
}

/// Moments are doubled, so that there is a moment between any two.
fn moment(at: u32) -> u64 {
    if at == NEVER {
        LATE
    } else {
        u64::from(at) * 2
    }
}

/// Decide a queue (`ordered`) or a bag.
#[must_use]
pub fn check(ops: &[Op], ordered: bool) -> Answer {
    let mut items = match gather(ops) {
        Ok(items) => items,
        Err(answer) => return answer,
    };
    let empties: Vec<u32> = known(ops, |op| op.f == F::Dequeue && op.b == 0 && op.a == 0);
    let takers: Vec<u32> = known(ops, |op| op.f == F::Dequeue && op.b == 1);
    if let Err(bad) = clear_away(ops, &mut items, &empties, &takers, ordered) {
        return Answer::Invalid(bad);
    }
    for item in &mut items {
        item.came.1 = item.came.1.min(item.went.1);
        item.went.0 = item.went.0.max(item.came.0);
    }
    if ordered {
        if let Some(bad) = overtaken(&items) {
            return Answer::Invalid(bad);
        }
    }
    let points = match empty_points(ops, &items, &empties) {
        Ok(points) => points,
        Err(bad) => return Answer::Invalid(bad),
    };
    let order = if ordered { queue_order(&items, &points) } else { bag_order(&items, &points) };
    match order {
        Some(order) if replays(ops, &order, ordered) => Answer::Valid(order),
        _ => Answer::Unfit,
    }
}

fn known(ops: &[Op], wanted: impl Fn(&Op) -> bool) -> Vec<u32> {
    (0..ops.len() as u32).filter(|&id| wanted(&ops[id as usize])).collect()
}

/// One item per value that was inside.
fn gather(ops: &[Op]) -> Result<Vec<Item>, Answer> {
    let mut of: Map<u32, (u32, u32)> = Map::default();
    let mut twice = None;
    for (id, op) in ops.iter().enumerate() {
        let id = id as u32;
        if op.f == F::Enqueue {
            let entry = of.entry(op.a).or_insert((NONE, NONE));
            if entry.0 != NONE || op.a == 0 {
                return Err(Answer::Unfit);
            }
            entry.0 = id;
        } else if op.b == 0 && op.a != 0 {
            let entry = of.entry(op.a).or_insert((NONE, NONE));
            if entry.1 != NONE {
                twice = Some(vec![entry.0, entry.1, id]);
            }
            entry.1 = id;
        }
    }
    if let Some(mut bad) = twice {
        bad.retain(|&id| id != NONE);
        return Err(Answer::Invalid(bad));
    }
    let mut items = Vec::with_capacity(of.len());
    for (enqueue, dequeue) in of.into_values() {
        if enqueue == NONE {
            return Err(Answer::Invalid(vec![dequeue]));
        }
        let came = &ops[enqueue as usize];
        if dequeue == NONE {
            if !came.open() {
                let came = (moment(came.call), moment(came.ret));
                items.push(Item { enqueue, dequeue, came, went: (LATE, LATE) });
            }
            continue;
        }
        let went = &ops[dequeue as usize];
        if went.ret < came.call {
            return Err(Answer::Invalid(vec![enqueue, dequeue]));
        }
        items.push(Item {
            enqueue,
            dequeue,
            came: (moment(came.call), moment(came.ret)),
            went: (moment(went.call), moment(went.ret)),
        });
    }
    items.sort_unstable_by_key(|item| (item.came.1, item.came.0));
    Ok(items)
}

/// Give what stayed inside, and was in the way, to the dequeues of unknown outcome. Items are sorted by their
/// enqueue's return.
fn clear_away(
    ops: &[Op],
    items: &mut [Item],
    empties: &[u32],
    takers: &[u32],
    ordered: bool,
) -> Result<(), Vec<u32>> {
    // By when must a value that was certainly inside at some moment be gone? Nothing that came in certainly later
    // may have returned as dequeued before, and no empty answer called later may have returned before.
    let mut deadlines: Vec<(u64, u64, u32)> = empties
        .iter()
        .map(|&id| (moment(ops[id as usize].call), moment(ops[id as usize].ret), id))
        .chain(
            items
                .iter()
                .filter(|item| ordered && item.dequeue != NONE)
                .map(|item| (item.came.0, item.went.1, item.dequeue)),
        )
        .collect();
    deadlines.sort_unstable_by_key(|&(after, ..)| Reverse(after));
    let mut taker = takers.iter();
    // Whatever stayed inside is given away as far as takers go, oldest first, needed or not: that only uncovers time.
    let mut wanting: Vec<(usize, u64, u32)> = Vec::new();
    let (mut next, mut soonest) = (0, (LATE, NONE));
    for at in (0..items.len()).rev() {
        if items[at].dequeue != NONE {
            continue;
        }
        while next < deadlines.len() && deadlines[next].0 > items[at].came.1 {
            if deadlines[next].1 < soonest.0 {
                soonest = (deadlines[next].1, deadlines[next].2);
            }
            next += 1;
        }
        wanting.push((at, soonest.0, soonest.1));
    }
    for (at, deadline, witness) in wanting.into_iter().rev() {
        let Some(&id) = taker.next() else {
            if witness == NONE {
                break;
            }
            let few = takers.is_empty().then(|| vec![items[at].enqueue, witness]);
            return Err(few.unwrap_or_default());
        };
        let call = moment(ops[id as usize].call);
        if call > deadline {
            return Err(Vec::new());
        }
        items[at].dequeue = id;
        items[at].went = (call, LATE);
    }
    Ok(())
}

/// Two values of which one certainly came in later and certainly went out earlier.
fn overtaken(items: &[Item]) -> Option<Vec<u32>> {
    // Items are sorted by the return of their enqueue as written; what was shortened is handled by sorting again.
    let mut by_return: Vec<&Item> = items.iter().collect();
    by_return.sort_unstable_by_key(|item| item.came.1);
    let mut by_call: Vec<&Item> = items.iter().collect();
    by_call.sort_unstable_by_key(|item| item.came.0);
    let mut next = 0;
    let mut last: Option<&Item> = None;
    for item in by_call {
        while next < by_return.len() && by_return[next].came.1 < item.came.0 {
            if last.is_none_or(|last| by_return[next].went.0 > last.went.0) {
                last = Some(by_return[next]);
            }
            next += 1;
        }
        if let Some(last) = last.filter(|last| last.went.0 > item.went.1) {
            let ids = [last.enqueue, item.enqueue, item.dequeue, last.dequeue];
            return Some(ids.into_iter().filter(|&id| id != NONE).collect());
        }
    }
    None
}

/// A moment for each empty answer at which nothing was certainly inside.
fn empty_points(ops: &[Op], items: &[Item], empties: &[u32]) -> Result<Vec<(u64, u32)>, Vec<u32>> {
    let mut inside: Vec<(u64, u64)> = items
        .iter()
        .filter(|item| item.came.1 < item.went.0)
        .map(|item| (item.came.1, item.went.0))
        .collect();
    inside.sort_unstable();
    let mut spans: Vec<(u64, u64)> = Vec::new();
    for (from, to) in inside {
        match spans.last_mut() {
            Some(last) if from < last.1 => last.1 = last.1.max(to),
            _ => spans.push((from, to)),
        }
    }
    let mut points = Vec::with_capacity(empties.len());
    for &id in empties {
        let (call, ret) = (moment(ops[id as usize].call), moment(ops[id as usize].ret));
        let at = spans.partition_point(|&(from, _)| from < call);
        let point = match at.checked_sub(1).map(|at| spans[at]) {
            Some((_, to)) if to > call => to + 1,
            _ => call + 1,
        };
        if point > ret {
            return Err(Vec::new());
        }
        points.push((point, id));
    }
    Ok(points)
}

/// Values in the order of the queue: of those left, always one whose enqueue and dequeue could both be the next.
fn queue_order(items: &[Item], points: &[(u64, u32)]) -> Option<Vec<u32>> {
    let mut all = items.to_vec();
    all.extend(points.iter().map(|&(at, id)| Item {
        enqueue: NONE,
        dequeue: id,
        came: (at, at),
        went: (at, at),
    }));
    let sorted = |key: &dyn Fn(&Item) -> u64| {
        let mut order: Vec<u32> = (0..all.len() as u32).collect();
        order.sort_unstable_by_key(|&at| key(&all[at as usize]));
        order
    };
    let lists = [
        (sorted(&|item| item.came.0), sorted(&|item| item.came.1)),
        (sorted(&|item| item.went.0), sorted(&|item| item.went.1)),
    ];
    let bounds = |item: &Item, which: usize| if which == 0 { item.came } else { item.went };
    let mut ready = vec![0u8; all.len()];
    let mut gone = vec![false; all.len()];
    let (mut called, mut returned) = ([0usize; 2], [0usize; 2]);
    let mut heap: BinaryHeap<Reverse<(u64, u32)>> = BinaryHeap::new();
    let mut ranked = Vec::with_capacity(all.len());
    while ranked.len() < all.len() {
        for which in 0..2 {
            let (by_call, by_return) = &lists[which];
            while returned[which] < by_return.len() && gone[by_return[returned[which]] as usize] {
                returned[which] += 1;
            }
            let horizon = bounds(&all[by_return[returned[which]] as usize], which).1;
            while called[which] < by_call.len()
                && bounds(&all[by_call[called[which]] as usize], which).0 <= horizon
            {
                let at = by_call[called[which]];
                ready[at as usize] += 1;
                if ready[at as usize] == 2 {
                    heap.push(Reverse((all[at as usize].went.0, at)));
                }
                called[which] += 1;
            }
        }
        let Reverse((_, at)) = heap.pop()?;
        gone[at as usize] = true;
        ranked.push(all[at as usize]);
    }
    Some(place(&ranked))
}

/// Everything as early as the order of the values allows.
fn place(ranked: &[Item]) -> Vec<u32> {
    let mut placed: Vec<(u64, usize, u8, u32)> = Vec::with_capacity(ranked.len() * 2);
    let (mut entered, mut left) = (0, 0);
    for (rank, item) in ranked.iter().enumerate() {
        entered = entered.max(item.came.0);
        if item.enqueue != NONE {
            placed.push((entered, rank, 0, item.enqueue));
        }
        if item.dequeue != NONE {
            left = left.max(item.went.0).max(entered);
            placed.push((left, rank, 1, item.dequeue));
        }
    }
    placed.sort_unstable();
    placed.into_iter().map(|(.., id)| id).collect()
}

/// In a bag a value need not be inside longer than it certainly was.
fn bag_order(items: &[Item], points: &[(u64, u32)]) -> Option<Vec<u32>> {
    let mut placed: Vec<(u64, u8, u64, u8, u32)> = Vec::new();
    for item in items {
        let left = item.went.0;
        let entered = item.came.1.min(left);
        placed.push((entered, 0, left, 0, item.enqueue));
        if item.dequeue != NONE {
            placed.push((left, 0, left, 1, item.dequeue));
        }
    }
    placed.extend(points.iter().map(|&(at, id)| (at, 0, at, 2, id)));
    placed.sort_unstable();
    Some(placed.into_iter().map(|(.., id)| id).collect())
}

/// Replay, and compare with real time: what was built is not believed unseen.
pub(crate) fn replays(ops: &[Op], order: &[u32], ordered: bool) -> bool {
    let mut latest = 0;
    let mut queue = std::collections::VecDeque::new();
    let mut bag = crate::hash::Set::default();
    let mut loose = 0usize;
    for &id in order {
        let op = &ops[id as usize];
        if op.ret < latest {
            return false;
        }
        latest = latest.max(op.call);
        let fits = match (op.f, op.b, op.a) {
            (F::Enqueue, ..) if ordered => {
                queue.push_back(op.a);
                true
            }
            (F::Enqueue, ..) => bag.insert(op.a),
            (_, 1, _) if ordered => queue.pop_front().is_some(),
            (_, 1, _) => {
                loose += 1;
                true
            }
            (_, _, 0) if ordered => queue.is_empty(),
            (_, _, 0) => bag.len() <= loose,
            _ if ordered => queue.pop_front() == Some(op.a),
            _ => bag.remove(&op.a),
        };
        if !fits {
            return false;
        }
    }
    true
}
