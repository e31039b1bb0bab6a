//! Counters: what the sums of one session say by themselves.
//!
//! Where nothing is ever subtracted, a session whose reads stay visible sees at least what it saw before (monotonic
//! reads), what it added before (read your writes), and both together (PRAM). At every level a read is at most all that
//! its session did not add later, and a multiple of what every addition is a multiple of.

use crate::objects::Objects;
use linear::ops::F;

/// A read that has a total it cannot have.
#[derive(Clone, Debug)]
pub struct Sum {
    pub kind: &'static str,
    pub read: u32,
    /// Of a total that is too low: the earlier read, and the additions of the session since.
    pub after: Option<u32>,
    pub between: Vec<u32>,
}

/// Which totals are held against a read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Floor {
    Reads,
    Own,
    Both,
}

/// The first total that the level forbids.
pub fn contradiction(objects: &Objects, floor: Floor) -> Option<Sum> {
    (0..objects.sessions.len()).find_map(|session| {
        (0..objects.parts).find_map(|part| {
            impossible(objects, session, part).or_else(|| {
                if objects.grows() {
                    too_low(objects, session, part, floor)
                } else {
                    None
                }
            })
        })
    })
}

/// Whether the totals of single sessions are all there is to say: every addition of a counter is of the same size.
pub fn exact(objects: &Objects) -> bool {
    let adds = |part: u32| {
        let own = objects.items.iter().filter(move |item| item.part == part);
        own.filter(|item| item.op.f == F::Increment).map(|item| item.op.number())
    };
    objects.grows() && (0..objects.parts).all(|part| adds(part).all(|step| Some(step) == adds(part).next()))
}

fn of_part(objects: &Objects, session: usize, part: u32) -> impl DoubleEndedIterator<Item = u32> + '_ {
    let own = objects.sessions[session].iter().copied();
    own.filter(move |&at| objects.items[at as usize].part == part)
}

fn too_low(objects: &Objects, session: usize, part: u32, floor: Floor) -> Option<Sum> {
    let (mut least, mut after, mut between) = (objects.start, None, Vec::new());
    for at in of_part(objects, session, part) {
        let op = objects.items[at as usize].op;
        match op.f {
            F::Increment if floor != Floor::Reads => {
                least = least.saturating_add(op.number());
                between.push(at);
            }
            F::Total if op.number() < least => {
                return Some(Sum { kind: "sum-low", read: at, after, between })
            }
            // A total that is seen already holds what was added before.
            F::Total if floor != Floor::Own => {
                (least, after) = (op.number(), Some(at));
                between.clear();
            }
            _ => {}
        }
    }
    None
}

fn impossible(objects: &Objects, session: usize, part: u32) -> Option<Sum> {
    let adds = || {
        let own = objects.items.iter().filter(|item| item.part == part && item.op.f == F::Increment);
        own.map(|item| item.op.number())
    };
    let grows = adds().all(|step| step >= 0);
    let mut most = adds().fold(objects.start, i64::saturating_add);
    let step = adds().map(i64::unsigned_abs).fold(0, gcd);
    for at in of_part(objects, session, part).rev() {
        let op = objects.items[at as usize].op;
        if op.f == F::Increment && !op.open() {
            most = most.saturating_sub(op.number());
        }
        if op.f != F::Total {
            continue;
        }
        let sum = |kind| Some(Sum { kind, read: at, after: None, between: Vec::new() });
        let above = op.number().abs_diff(objects.start);
        if grows && op.number() > most {
            return sum("sum-high");
        }
        if grows && op.number() < objects.start {
            return sum("sum-low");
        }
        if (step == 0 && above != 0) || (step != 0 && !above.is_multiple_of(step)) {
            return sum("sum-step");
        }
    }
    None
}

fn gcd(one: u64, other: u64) -> u64 {
    if other == 0 {
        one
    } else {
        gcd(other, one % other)
    }
}
