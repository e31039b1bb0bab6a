//! The second judge by itself: the oracle, what may be left out, sums, and engines that lie.

use super::bounds::{self, Bounds};
use super::left_out::{unsound, Claim};
use super::oracle::{search, start, Subject, Word, LONG};
use super::{confirm, Second};
use crate::decide::{Object, Way};
use crate::limits::{Limits, Watch, UNSETTLED};
use crate::minimal::{self, Sub};
use crate::ops::{halves, Model, Op, Values, F, NEVER};
use crate::portfolio::Blame;
use columns::Columns;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

static STOP: AtomicBool = AtomicBool::new(false);

fn op(call: u32, ret: u32, f: F, a: u32, b: u32) -> Op {
    Op { call, ret, f, a, b, event: call }
}

fn add(call: u32, ret: u32, number: i64) -> Op {
    let (a, b) = halves(number);
    op(call, ret, F::Increment, a, b)
}

fn total(call: u32, ret: u32, number: i64) -> Op {
    let (a, b) = halves(number);
    op(call, ret, F::Total, a, b)
}

fn with<T>(run: impl FnOnce(&Values<'_>, &Limits<'_>) -> T) -> T {
    let columns = Columns::default();
    let watch = Watch::more(1 << 30);
    let limits = Limits {
        deadline: Instant::now() + Duration::from_secs(20),
        memory: 1 << 28,
        steps: u64::MAX,
        stop: &STOP,
        settled: &UNSETTLED,
        watch: &watch,
    };
    run(&Values::of(&columns), &limits)
}

fn orders(model: Model, ops: &[Op]) -> Word {
    with(|values, limits| {
        let subject = Subject::of(model, values, None, ops);
        search(&subject, ops, start(&subject, 0, false), LONG, limits)
    })
}

fn object<'a>(model: Model, values: &'a Values<'a>) -> Object<'a> {
    Object { model, values, initial: 0, moments: 1 << 16, way: Way::Auto }
}

#[test]
fn the_oracle_finds_an_order_where_there_is_one() {
    let ops = [
        op(0, 5, F::Write, 7, 0),
        op(1, 2, F::Read, 7, 0),
        op(3, 4, F::Read, 0, 0),
        op(6, NEVER, F::Cas, 7, 9),
        op(7, 8, F::Read, 9, 0),
    ];
    assert_eq!(orders(Model::Register, &ops), Word::NoOrder);
    let swapped = [op(0, 5, F::Write, 7, 0), op(1, 2, F::Read, 0, 0), ops[3], ops[4]];
    assert_eq!(orders(Model::Register, &swapped), Word::Order(vec![1, 0, 2, 3]));
}

#[test]
fn the_oracle_knows_queues_bags_and_locks() {
    let queue = [
        op(0, 1, F::Enqueue, 1, 0),
        op(2, 3, F::Enqueue, 2, 0),
        op(4, 5, F::Dequeue, 2, 0),
        op(6, NEVER, F::Dequeue, 0, 1),
        op(7, 8, F::Dequeue, 0, 0),
    ];
    assert_eq!(orders(Model::Queue, &queue), Word::NoOrder);
    assert_eq!(orders(Model::UnorderedQueue, &queue), Word::Order(vec![0, 1, 2, 3, 4]));
    let lock = [op(0, 1, F::Acquire, 1, 0), op(2, 5, F::Acquire, 2, 0), op(3, 4, F::Release, 1, 0)];
    assert_eq!(orders(Model::Lock, &lock), Word::Order(vec![0, 2, 1]));
    assert_eq!(orders(Model::Lock, &lock[..2]), Word::NoOrder);
}

#[test]
fn a_write_may_be_left_out_only_where_nothing_kept_needs_it() {
    let ops = [
        op(0, 1, F::Write, 1, 0),
        op(2, 3, F::Write, 2, 0),
        op(4, 5, F::Read, 2, 0),
        op(6, 7, F::Read, 1, 0),
    ];
    let claim = |kept: &[(u32, Op)], since| {
        with(|values, _| unsound(Model::Register, values, &Claim { ops: &ops, kept, since, elements: None }))
    };
    assert_eq!(claim(&[(0, ops[0]), (1, ops[1]), (3, ops[3])], None), None);
    assert!(claim(&[(0, ops[0]), (2, ops[2]), (3, ops[3])], None).is_some(), "the write of 2 is seen");
    let weaker = op(2, NEVER, F::Write, 2, 0);
    assert_eq!(claim(&[(0, ops[0]), (1, weaker), (2, ops[2]), (3, ops[3])], None), None);
    assert!(claim(&[(0, op(0, 1, F::Write, 2, 0)), (3, ops[3])], None).is_some(), "not the history's");
    assert!(claim(&[(3, ops[3]), (3, ops[3])], None).is_some(), "twice");
    assert_eq!(claim(&[(2, ops[2]), (3, ops[3])], Some(4)), None);
    assert!(claim(&[(1, ops[1]), (3, ops[3])], Some(4)).is_some(), "its answer came before the moment");
}

#[test]
fn an_engine_that_lies_is_refused() {
    let valid = [
        op(0, 1, F::Write, 1, 0),
        op(2, 5, F::Write, 2, 0),
        op(3, 4, F::Read, 1, 0),
        op(6, 7, F::Read, 2, 0),
    ];
    with(|values, limits| {
        let object = object(Model::Register, values);
        for blame in [Blame::Until(3), Blame::Until(2), Blame::These(vec![0, 3]), Blame::These(vec![2])] {
            let sub = minimal::reduce(&object, &valid, &blame, limits);
            for engine in ["search", "relaxation", "zones"] {
                assert!(
                    matches!(confirm(&object, &valid, engine, &sub, LONG, limits), Second::Refuses(_)),
                    "{blame:?} {sub:?}"
                );
            }
        }
        // What is left out unsoundly makes a contradiction that the whole does not have.
        let kept = vec![(0, valid[0]), (3, valid[3])];
        let forged = Sub {
            ops: Vec::new(),
            kept,
            since: None,
            bounds: None,
            culprit: 3,
            minimal: true,
            elements: None,
        };
        assert!(matches!(confirm(&object, &valid, "zones", &forged, LONG, limits), Second::Refuses(_)));
    });
}

#[test]
fn a_stale_read_after_a_thousand_operations_is_a_handful() {
    let mut ops: Vec<Op> = (0..1_000)
        .map(|n| {
            let f = if n % 2 == 0 { F::Write } else { F::Read };
            op(n * 4, n * 4 + 6, f, n / 2 % 5 + 1, 0)
        })
        .filter(|op| op.f == F::Write)
        .collect();
    ops.push(op(5_000, 5_001, F::Read, 5, 0));
    ops.push(op(5_002, 5_003, F::Read, 3, 0));
    with(|values, limits| {
        let object = object(Model::Register, values);
        let sub = minimal::reduce(&object, &ops, &Blame::Until(ops.len() as u32 - 1), limits);
        assert!(sub.minimal);
        assert_eq!(sub.kept.len(), 2, "{sub:?}");
        assert!(sub.ops.len() <= 4, "the writes of both values are shown");
        assert_eq!(confirm(&object, &ops, "search", &sub, LONG, limits), Second::Agrees(super::EXHAUSTIVE));
    });
}

#[test]
fn sums_that_do_not_fit_are_found_and_others_are_not() {
    let adds = [add(0, 1, 3), add(2, 3, 2), add(4, NEVER, 4)];
    let find = |read: Op| {
        let ops: Vec<Op> = adds.into_iter().chain([total(6, 7, 9), read]).collect();
        with(|_, limits| bounds::find(&ops, 0, limits).filter(|found| bounds::holds(&ops, 0, found)))
    };
    assert_eq!(find(total(8, 9, 9)), None);
    assert_eq!(find(total(8, 9, 5)), Some(Bounds::Low { read: 4, after: Some(3), between: Vec::new() }));
    assert_eq!(find(total(8, 9, 10)), Some(Bounds::High { read: 4 }));
    let even = [add(0, 1, 2), add(2, 3, 2), total(4, 5, 4), add(6, NEVER, 2), total(8, 9, 5)];
    let found = with(|_, limits| bounds::find(&even, 0, limits));
    assert_eq!(found, Some(Bounds::Step { read: 4 }));
    let forged = Bounds::Low { read: 2, after: None, between: vec![0, 0, 1] };
    assert!(!bounds::holds(&even, 0, &forged), "an addition counts once");
}

#[test]
fn every_sum_that_does_not_fit_is_one_of_three() {
    // Small counters of equal steps against the oracle: what it calls impossible has sums that do not fit.
    let mut state = 7u32;
    let mut draw = |most: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) % most
    };
    let mut wrong = 0;
    for _ in 0..3_000 {
        let mut moments: Vec<u32> = (0..14).collect();
        for at in 0..14 {
            moments.swap(at, draw(14) as usize);
        }
        let mut ops: Vec<Op> = (0..7)
            .map(|n| {
                let (a, b) = (moments[n * 2], moments[n * 2 + 1]);
                let (call, ret) = (a.min(b), a.max(b));
                if draw(2) == 0 {
                    add(call, if draw(4) == 0 { NEVER } else { ret }, 1)
                } else {
                    total(call, ret, i64::from(draw(4)))
                }
            })
            .collect();
        ops.sort_unstable_by_key(|op| op.call);
        let found = with(|_, limits| bounds::find(&ops, 0, limits));
        let word = orders(Model::Counter, &ops);
        assert_eq!(found.is_some(), word == Word::NoOrder, "{ops:?} {found:?}");
        assert!(found.is_none_or(|found| bounds::holds(&ops, 0, &found)));
        wrong += usize::from(word == Word::NoOrder);
    }
    assert!(wrong > 500);
}

#[test]
fn layers_of_pairs_say_what_the_oracle_says() {
    let mut random = fastrand::Rng::with_seed(11);
    let mut said = [0, 0];
    for _ in 0..3_000 {
        let (mut ops, mut inside) = (Vec::new(), std::collections::VecDeque::new());
        // A correct queue with intervals around each moment, then one answer changed in every other history.
        for at in 0..random.u32(3..=9) {
            let moment = 10 * at + 20;
            let call = moment - random.u32(1..20);
            let ret = if random.u8(..8) == 0 { NEVER } else { moment + random.u32(1..20) };
            let happens = ret != NEVER || random.bool();
            if random.bool() {
                let value = random.u32(1..=2);
                ops.push(op(call, ret, F::Enqueue, value, 0));
                if happens {
                    inside.push_back(value);
                }
            } else {
                let taken = if happens { inside.pop_front().unwrap_or(0) } else { 0 };
                let (a, b) = if ret == NEVER { (0, 1) } else { (taken, 0) };
                ops.push(op(call, ret, F::Dequeue, a, b));
            }
        }
        if random.bool() {
            let answers: Vec<usize> =
                (0..ops.len()).filter(|&at| ops[at].f == F::Dequeue && !ops[at].open()).collect();
            if let Some(&at) = random.choice(&answers) {
                ops[at].a = random.u32(0..=2);
            }
        }
        // Moments are all different.
        let mut ends: Vec<(u32, bool, usize)> = Vec::new();
        for (at, op) in ops.iter().enumerate() {
            ends.push((op.call, false, at));
            ends.push((op.ret, true, at));
        }
        ends.sort_unstable();
        for (moment, &(time, is_return, at)) in (0..).zip(&ends) {
            match is_return {
                false => ops[at].call = moment,
                true if time != NEVER => ops[at].ret = moment,
                true => {}
            }
        }
        ops.sort_unstable_by_key(|op| op.call);
        let wanted = matches!(orders(Model::Queue, &ops), Word::Order(_));
        let found = match with(|_, limits| super::layers::search(&ops, limits)) {
            Word::Order(_) => true,
            Word::NoOrder => false,
            Word::Unknown => panic!("{ops:?}"),
        };
        assert_eq!(found, wanted, "{ops:?}");
        said[usize::from(found)] += 1;
    }
    assert!(said[0] > 300 && said[1] > 300, "{said:?}");
}

#[test]
fn who_took_an_element_is_kept_where_another_was_left_out_because_of_it() {
    // Put in once and taken twice: without the first taker the empty answer is wrong too, but only because of the second.
    let ops = [
        op(0, 1, F::Enqueue, 7, 0),
        op(2, 3, F::Dequeue, 7, 0),
        op(4, 5, F::Dequeue, 0, 0),
        op(6, 8, F::Dequeue, 7, 0),
        op(7, 9, F::Enqueue, 8, 0),
    ];
    for model in [Model::Queue, Model::UnorderedQueue] {
        with(|values, limits| {
            let sub = minimal::reduce(&object(model, values), &ops, &Blame::Until(3), limits);
            let claim = Claim { ops: &ops, kept: &sub.kept, since: None, elements: None };
            assert_eq!(unsound(model, values, &claim), None, "{:?}", sub.kept);
            assert_eq!(
                confirm(&object(model, values), &ops, "search", &sub, LONG, limits),
                Second::Agrees(super::EXHAUSTIVE)
            );
        });
    }
}

#[test]
fn many_equal_operations_of_unknown_outcome_are_few_orders() {
    let mut ops: Vec<Op> = (0..40).map(|at| op(at, NEVER, F::Increment, halves(3).0, halves(3).1)).collect();
    ops.push(total(40, 41, 100));
    assert_eq!(orders(Model::Counter, &ops), Word::NoOrder);
    ops[40] = total(40, 41, 99);
    assert!(matches!(orders(Model::Counter, &ops), Word::Order(_)));
}

#[test]
fn what_only_looks_and_returned_later_is_no_reason_to_refuse_the_whole() {
    // The read that returns last is cut off with its answer; the part before it is wrong by itself.
    let ops = [op(0, 1, F::Write, 7, 0), op(2, 5, F::Read, 9, 0), op(3, 8, F::Read, 7, 0)];
    with(|values, limits| {
        let object = object(Model::Register, values);
        let part = minimal::reduce(&object, &ops, &Blame::Until(1), limits);
        let whole = minimal::unreduced(&ops, &part);
        assert_eq!(confirm(&object, &ops, "search", &whole, LONG, limits), Second::Agrees(super::EXHAUSTIVE));
    });
}
