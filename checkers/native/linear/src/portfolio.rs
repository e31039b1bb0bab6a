//! The three searches side by side, in growing slices; the first sound answer wins.

use crate::limits::Limits;
use crate::ops::Op;
use crate::search::{events, width, Mode, Search, Space, Status};

/// What a decision procedure says of one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// An order of all operations that happened (as numbers of operations).
    Valid(Vec<u32>),
    /// No order exists. Either the operations that contradict each other, or the first whose return nothing explains.
    Invalid(Blame),
    /// A limit was hit: the reason, and the longest order found.
    Unknown(String, Vec<u32>),
}

/// Where a contradiction shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blame {
    /// These operations contradict each other already.
    These(Vec<u32>),
    /// Everything up to this return does.
    Until(u32),
}

/// What was decided, by what, and at what cost.
#[derive(Debug, Clone)]
pub struct Decision {
    /// The answer.
    pub answer: Answer,
    /// Name of the procedure that gave it.
    pub engine: &'static str,
    /// The most bytes held, by estimate.
    pub bytes: usize,
}

/// Makes spaces for searches of any mode.
pub trait Maker {
    /// Run `visit` with searches over this object.
    type Space<'a, const N: usize>: Space<N>
    where
        Self: 'a;
    /// A new space.
    fn space<const N: usize>(&self, mode: Mode) -> Self::Space<'_, N>;
    /// The first state.
    fn initial(&self) -> u32;
    /// Whether a relaxed search ends.
    fn relaxable(&self) -> bool;
}

const FIRST_SLICE: u64 = 4_000;
// As a rule the cheapest few configurations are enough, and a beam costs its width: a wider one is only for what is left.
const FIRST_BEAM: usize = 8;
const LAST_BEAM: usize = 1 << 20;

/// Decide the operations within the limits.
pub fn decide<M: Maker>(maker: &M, ops: &[Op], only: Option<Mode>, limits: &Limits<'_>) -> Decision {
    let events = events(ops);
    match width(ops, &events) {
        0..=64 => race::<M, 1>(maker, ops, &events, only, limits),
        65..=128 => race::<M, 2>(maker, ops, &events, only, limits),
        129..=256 => race::<M, 4>(maker, ops, &events, only, limits),
        257..=1024 => race::<M, 16>(maker, ops, &events, only, limits),
        open => Decision {
            answer: Answer::Unknown(format!("{open} operations open at once, 1024 are the most"), Vec::new()),
            engine: "search",
            bytes: 0,
        },
    }
}

struct Racer<'a, S, const N: usize> {
    name: &'static str,
    search: Option<Search<'a, S, N>>,
    silent: bool,
}

fn race<M: Maker, const N: usize>(
    maker: &M,
    ops: &[Op],
    events: &[(u32, bool)],
    only: Option<Mode>,
    limits: &Limits<'_>,
) -> Decision {
    let over = || limits.over();
    let start = |mode: Mode| Search::new(ops, events, maker.space::<N>(mode), mode, maker.initial());
    let loose = ops.iter().any(Op::open);
    let mut racers = vec![Racer { name: "search", search: Some(start(Mode::Exact)), silent: false }];
    if loose && maker.relaxable() {
        racers.push(Racer { name: "relaxation", search: Some(start(Mode::Relaxed)), silent: false });
    }
    racers.push(Racer { name: "beam", search: Some(start(Mode::Beam(FIRST_BEAM))), silent: false });
    let mut beam = FIRST_BEAM;
    if let Some(mode) = only {
        let name = match mode {
            Mode::Exact => "search",
            Mode::Relaxed => "relaxation",
            Mode::Beam(_) => "beam",
        };
        if let Mode::Beam(k) = mode {
            beam = k;
        }
        let able = mode != Mode::Relaxed || maker.relaxable();
        racers = vec![Racer { name, search: able.then(|| start(mode)), silent: !able }];
    }
    let (mut slice, mut made, mut bytes) = (FIRST_SLICE, 0, 0);
    let mut longest: (usize, Vec<u32>) = (0, Vec::new());
    let mut reason = String::from("the search found no answer");
    loop {
        for racer in &mut racers {
            let Some(search) = &mut racer.search else { continue };
            // The exact search rarely wins once slices are long.
            let share = if racer.name == "search" && loose { slice / 4 } else { slice };
            let status = search.run(share.max(1024), limits.memory / 3, &over);
            bytes = bytes.max(search.peak);
            match status {
                Status::Valid(order) => {
                    return Decision { answer: Answer::Valid(order), engine: racer.name, bytes }
                }
                Status::Invalid(op) => {
                    return Decision { answer: Answer::Invalid(Blame::Until(op)), engine: racer.name, bytes }
                }
                Status::Running => {}
                Status::Silent | Status::Full => {
                    if racer.name != "relaxation" && search.explained() > longest.0 {
                        longest = (search.explained(), search.prefix());
                    }
                    if status == Status::Full {
                        reason = "memory limit".into();
                    }
                    racer.search = None;
                    racer.silent = true;
                }
            }
            if racer.silent && racer.name == "beam" && beam < LAST_BEAM && status != Status::Full {
                beam = (beam * 4).min(LAST_BEAM);
                racer.search = Some(start(Mode::Beam(beam)));
                racer.silent = false;
            }
            if limits.over() {
                break;
            }
        }
        made += slice;
        if limits.over() || made >= limits.steps || racers.iter().all(|racer| racer.search.is_none()) {
            break;
        }
        slice = slice.saturating_mul(2);
    }
    if limits.over() {
        reason = limits.reason().into();
    }
    for racer in racers.iter().filter(|racer| racer.name != "relaxation") {
        if let Some(search) = &racer.search {
            if search.explained() > longest.0 {
                longest = (search.explained(), search.prefix());
            }
        }
    }
    Decision { answer: Answer::Unknown(reason, longest.1), engine: "search", bytes }
}
