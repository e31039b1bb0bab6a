//! Small histories of every model against an exhaustive search: verdicts, and every order that is handed out.

use columns::Columns;
use fastrand::Rng;
use linear::decide::{Object, Way};
use linear::ops::{halves, Model, Op, Values, F};
use linear::portfolio::Answer;
use made::client::{integer, string};
use made::judge::within;
use made::object::replay;
use made::oracle::linearizable;

const WAYS: [&str; 5] = ["auto", "search", "exact", "relaxed", "beam-1"];
const STEPS: u64 = 1 << 22;

/// Operations with overlapping intervals and random answers: about as many valid histories as invalid ones.
fn random(model: Model, size: u32, values: &mut Values<'_>, random: &mut Rng) -> Vec<Op> {
    let mut moments: Vec<u32> = (0..size * 2).collect();
    // Intervals as short as those of three clients or so.
    for at in 0..moments.len() {
        let other = (at + random.usize(..5)).min(moments.len() - 1);
        moments.swap(at, other);
    }
    let mut ops: Vec<Op> = (0..size)
        .map(|at| {
            let pair = (moments[at as usize * 2], moments[at as usize * 2 + 1]);
            let (call, ret) = (pair.0.min(pair.1), pair.0.max(pair.1));
            let open = random.u8(..6) == 0;
            let (f, a, b) = draw(model, open, values, random);
            Op { call, ret: if open { linear::ops::NEVER } else { ret }, f, a, b, event: at }
        })
        .filter(|op| !(op.open() && op.f.looks_only()))
        .collect();
    ops.sort_by_key(|op| op.call);
    ops
}

fn draw(model: Model, open: bool, values: &mut Values<'_>, random: &mut Rng) -> (F, u32, u32) {
    let value = |random: &mut Rng| integer(random.u32(0..3));
    let dice = random.u8(..10);
    match model {
        Model::Register if dice < 4 => (F::Read, value(random), 0),
        Model::Register if dice < 7 => (F::Write, value(random), 0),
        Model::Register => {
            let from = random.u32(0..3);
            (F::Cas, integer(from), integer((from + random.u32(1..3)) % 3))
        }
        Model::Kv => {
            let text = |values: &mut Values<'_>, random: &mut Rng, most| {
                let letters: Vec<u8> = (0..random.usize(0..=most)).map(|_| b'a' + random.u8(..2)).collect();
                string(values, &letters)
            };
            match dice {
                0..4 => (F::Read, text(values, random, 2), 0),
                4..6 => (F::Write, text(values, random, 1), 0),
                6..9 => (F::Append, string(values, &[b'a' + random.u8(..2)]), 0),
                _ => {
                    let (a, b) = (text(values, random, 1), text(values, random, 2));
                    if a == b {
                        (F::Append, string(values, b"a"), 0)
                    } else {
                        (F::Cas, a, b)
                    }
                }
            }
        }
        Model::Set => match dice {
            0..3 => (F::Add, value(random), 0),
            3..5 => (F::Remove, value(random), 0),
            5..8 => (F::Contains, value(random), random.u32(..2)),
            _ => {
                let list = (0..3).filter(|_| random.bool()).map(integer).collect();
                (F::Members, values.put_list(list), 0)
            }
        },
        Model::Queue | Model::UnorderedQueue => match dice {
            0..5 => (F::Enqueue, value(random), 0),
            _ if open => (F::Dequeue, 0, 1),
            5 => (F::Dequeue, 0, 0),
            _ => (F::Dequeue, value(random), 0),
        },
        Model::Counter => {
            let (a, b) = halves(if dice < 5 { random.i64(0..9) } else { random.i64(1..4) });
            (if dice < 5 { F::Total } else { F::Increment }, a, b)
        }
        _ => {
            let process = random.u32(0..2);
            let token = if model == Model::FencedLock && !open { integer(random.u32(1..5)) } else { 0 };
            match dice {
                0..5 => (F::Acquire, process, token),
                _ => (F::Release, process, 0),
            }
        }
    }
}

fn agree(model: Model, size: u32, count: u64) {
    let columns = Columns::default();
    let (mut valid, mut invalid) = (0, 0);
    for seed in 0..count {
        let mut values = Values::of(&columns);
        let mut dice = Rng::with_seed(seed);
        let ops = random(model, 2 + (seed % u64::from(size)) as u32, &mut values, &mut dice);
        let truth = linearizable(model, &values, &ops);
        *(if truth { &mut valid } else { &mut invalid }) += 1;
        for way in WAYS {
            let way = Way::named(way).expect("a way of the list");
            let moments = ops.len() * 2 + 40;
            let object = Object { model, values: &values, initial: 0, moments, way };
            let context = || format!("{model:?}, seed {seed}, {way:?}: {ops:#?}");
            match within(&object, &ops, STEPS).answer {
                Answer::Valid(order) => {
                    assert!(truth, "said valid: {}", context());
                    let wrong = replay(model, &values, &ops, &order);
                    assert!(wrong.is_none(), "{wrong:?} in the order {order:?}: {}", context());
                }
                Answer::Invalid(_) => assert!(!truth, "said invalid: {}", context()),
                Answer::Unknown(..) => {
                    assert!(matches!(way, Way::Only(_)), "undecided: {}", context());
                }
            }
        }
    }
    assert!(
        valid > count / 20 && invalid > count / 20,
        "{valid} valid and {invalid} invalid ones prove little"
    );
}

#[test]
fn registers() {
    agree(Model::Register, 9, 4_000);
}

#[test]
fn strings() {
    agree(Model::Kv, 9, 4_000);
}

#[test]
fn sets() {
    agree(Model::Set, 8, 3_000);
}

#[test]
fn queues() {
    agree(Model::Queue, 9, 4_000);
}

#[test]
fn bags() {
    agree(Model::UnorderedQueue, 9, 4_000);
}

#[test]
fn counters() {
    agree(Model::Counter, 8, 3_000);
}

#[test]
fn locks() {
    agree(Model::Lock, 7, 3_000);
}

#[test]
fn fenced_locks() {
    agree(Model::FencedLock, 7, 3_000);
}
