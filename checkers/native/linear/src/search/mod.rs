//! Just-in-time linearization (Lowe, "Testing for linearizability", 2017) over a space of configurations.
//!
//! The events are walked in order with the set of configurations that may be the case. At the return of an operation
//! only those stay in which it took effect, reached by letting open operations take effect where needed. One driver
//! runs in three ways: `exact` keeps everything that is not dominated; `beam` keeps the cheapest few, so an order it
//! finds is a witness but running dry proves nothing; `relaxed` lets operations of unknown outcome take effect any
//! number of times, so that running dry proves the history invalid but reaching the end proves nothing.
//!
//! R0, why it is enough to act at returns: take any order of all operations. Until the first return only the steps up to
//! the operation that returns are needed; what stands behind it has not returned and can be put off. By induction over
//! the returns the order is found, or one that differs by the exchanges that the rules of a space allow.

pub mod config;
pub mod front;
pub mod general;
pub mod register;

use crate::ops::Op;
use config::{clear, has, Config, Trail, ROOT};
use front::Front;

/// What the driver needs to know of an object.
pub trait Space<const N: usize> {
    /// An operation was called. Returns whether configurations must be settled again.
    fn begin(&mut self, op: u32) -> bool;
    /// The operation returned, and every configuration left has it done.
    fn end(&mut self, op: u32);
    /// The slot of an open operation whose outcome is known.
    fn slot(&self, op: u32) -> usize;
    /// Let everything take effect that changes nothing and fits.
    fn settle(&mut self, config: &mut Config<N>, trail: &mut Trail);
    /// The configurations one step further on the way to `goal`; `fresh`: this one was there before its return.
    fn moves(
        &mut self,
        from: &Config<N>,
        goal: u32,
        fresh: bool,
        trail: &mut Trail,
        out: &mut Vec<Config<N>>,
    );
    /// Configurations are compared only where this is equal. `now` is the moment of the return in progress.
    fn alike(&self, config: &Config<N>, now: u32) -> (u32, [u64; N]);
    /// Whether all that can follow `b` can follow `a`; both alike.
    fn dominates(&self, a: &Config<N>, b: &Config<N>) -> bool;
    /// The trail as an order of operations.
    fn order(&self, trail: &[u32]) -> Vec<u32>;
    /// Whether moves were left out, so that running dry proves nothing.
    fn cut(&self) -> bool {
        false
    }
    /// Bytes held by the space itself.
    fn bytes(&self) -> usize {
        0
    }
}

/// Comparisons per configuration; beyond, a dominated one may stay, which costs time and never soundness.
const COMPARE_EXACT: usize = 512;
const COMPARE_BEAM: usize = 24;

/// How much is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// All that is not dominated.
    Exact,
    /// The cheapest so many.
    Beam(usize),
    /// All, with operations of unknown outcome free.
    Relaxed,
}

/// Where a search stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Status {
    /// An order of all operations that count.
    Valid(Vec<u32>),
    /// No order exists: nothing explains the return of this operation.
    Invalid(u32),
    /// The way proved nothing.
    Silent,
    /// The budget of this slice is used up.
    Running,
    /// The memory is used up.
    Full,
}

struct Round<const N: usize> {
    goal: u32,
    work: Vec<Vec<(Config<N>, bool)>>,
    base: u32,
    /// The lowest cost, above the base, of a configuration that has the goal done.
    first: usize,
    seen: Front<N>,
    results: Front<N>,
}

/// A search that can be run in slices.
pub struct Search<'a, S, const N: usize> {
    ops: &'a [Op],
    space: S,
    mode: Mode,
    events: &'a [(u32, bool)],
    at: usize,
    frontier: Vec<Config<N>>,
    round: Option<Round<N>>,
    trail: Trail,
    trail_limit: usize,
    truncated: bool,
    out: Vec<Config<N>>,
    sample: u32,
    /// Steps made so far.
    pub work: u64,
    /// The most bytes held at once, by estimate.
    pub peak: usize,
}

/// The steps of a trail in order: one run per operation that overwrites openly; what was hidden before it goes to the
/// end of the run before.
#[must_use]
pub fn unhidden(trail: &[u32], resets: impl Fn(u32) -> bool) -> Vec<u32> {
    let mut runs: Vec<Vec<u32>> = vec![Vec::new()];
    for &step in trail {
        let id = step & !config::HIDDEN;
        if step & config::HIDDEN != 0 {
            let before = runs.len() - 2;
            runs[before].push(id);
            continue;
        }
        if resets(id) {
            runs.push(Vec::new());
        }
        runs.last_mut().expect("never empty").push(id);
    }
    runs.concat()
}

/// The calls and known returns of operations in order of their moments; true marks a return.
#[must_use]
pub fn events(ops: &[Op]) -> Vec<(u32, bool)> {
    let mut keyed: Vec<(u32, u32, bool)> = Vec::with_capacity(ops.len() * 2);
    for (id, op) in ops.iter().enumerate() {
        keyed.push((op.call, id as u32, false));
        if !op.open() {
            keyed.push((op.ret, id as u32, true));
        }
    }
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, id, ret)| (id, ret)).collect()
}

/// The largest number of operations with known outcome that are open at once.
#[must_use]
pub fn width(ops: &[Op], events: &[(u32, bool)]) -> usize {
    let (mut open, mut most) = (0usize, 0usize);
    for &(op, ret) in events {
        if ops[op as usize].open() {
            continue;
        }
        if ret {
            open -= 1;
        } else {
            open += 1;
            most = most.max(open);
        }
    }
    most
}

impl<'a, S: Space<N>, const N: usize> Search<'a, S, N> {
    /// A search from this state.
    pub fn new(ops: &'a [Op], events: &'a [(u32, bool)], space: S, mode: Mode, initial: u32) -> Self {
        let first = Config {
            state: initial,
            hides: 0,
            cost: 0,
            node: ROOT,
            done: [0; N],
            used: config::Used::default(),
        };
        Search {
            ops,
            space,
            mode,
            events,
            at: 0,
            frontier: vec![first],
            round: None,
            trail: Trail::recording(mode != Mode::Relaxed),
            trail_limit: 1 << 16,
            truncated: false,
            out: Vec::new(),
            sample: ROOT,
            work: 0,
            peak: 0,
        }
    }

    /// How many events are explained.
    #[must_use]
    pub fn explained(&self) -> usize {
        self.at
    }

    /// The order found so far, as far as it goes.
    #[must_use]
    pub fn prefix(&self) -> Vec<u32> {
        let node = self.frontier.first().map_or(self.sample, |best| best.node);
        self.space.order(&self.trail.path(node))
    }

    /// Run until decided, until about `budget` steps are made, until more than `memory` bytes are held, or until
    /// `stop` says so.
    pub fn run(&mut self, budget: u64, memory: usize, stop: &dyn Fn() -> bool) -> Status {
        let until = self.work.saturating_add(budget);
        loop {
            if self.round.is_some() {
                match self.expand(until, memory, stop) {
                    Some(status) => return status,
                    None => continue,
                }
            }
            let Some(&(op, ret)) = self.events.get(self.at) else { return self.finish() };
            self.work += 1;
            if self.work >= until || (self.work & 1023 == 0 && stop()) {
                self.work += u64::from(self.work < until);
                return Status::Running;
            }
            if ret {
                self.start(op);
            } else {
                if self.space.begin(op) {
                    for config in &mut self.frontier {
                        self.space.settle(config, &mut self.trail);
                    }
                    self.work += self.frontier.len() as u64 / 8;
                }
                self.at += 1;
            }
        }
    }

    fn finish(&mut self) -> Status {
        if self.mode == Mode::Relaxed {
            return Status::Silent;
        }
        let best = self.frontier.iter().min_by_key(|config| config.cost);
        best.map_or(Status::Silent, |best| Status::Valid(self.space.order(&self.trail.path(best.node))))
    }

    fn start(&mut self, goal: u32) {
        let slot = self.space.slot(goal);
        let now = self.ops[goal as usize].ret;
        let base = self.frontier.iter().map(|config| config.cost).min().unwrap_or(0);
        let compare = if matches!(self.mode, Mode::Beam(_)) { COMPARE_BEAM } else { COMPARE_EXACT };
        let mut round = Round {
            goal,
            work: Vec::new(),
            base,
            first: usize::MAX,
            seen: Front::comparing(compare),
            results: Front::comparing(compare),
        };
        let all_done = self.frontier.iter().all(|config| has(&config.done, slot));
        if all_done {
            for config in &mut self.frontier {
                clear(&mut config.done, slot);
            }
            self.space.end(goal);
            self.at += 1;
            return;
        }
        self.sample = self.frontier.first().map_or(ROOT, |config| config.node);
        for config in self.frontier.drain(..) {
            if has(&config.done, slot) {
                round.first = round.first.min((config.cost - base) as usize);
                round.results.insert(&self.space, config, now);
            } else {
                push(&mut round.work, (config.cost - base) as usize, (config, true));
            }
        }
        self.round = Some(round);
    }

    fn expand(&mut self, until: u64, memory: usize, stop: &dyn Fn() -> bool) -> Option<Status> {
        let mut round = self.round.take()?;
        let goal = round.goal;
        let slot = self.space.slot(goal);
        let now = self.ops[goal as usize].ret;
        let (enough, slack) = match self.mode {
            Mode::Beam(k) => (k, 1 + k.ilog2() as usize / 4),
            _ => (usize::MAX, usize::MAX),
        };
        let (mut level, mut unseen) = (0, 0);
        let mut out = std::mem::take(&mut self.out);
        loop {
            while level < round.work.len() && round.work[level].is_empty() {
                level += 1;
            }
            if level == round.work.len() {
                break;
            }
            // A beam leaves out what is dear or too much, and remembers that it did; the other forms leave out nothing.
            let dear = level > round.first.saturating_add(slack);
            if round.results.count() >= enough || dear {
                self.truncated = true;
                break;
            }
            if self.work >= until || (self.work & 1023 == 0 && stop()) {
                self.work += u64::from(self.work < until);
                self.round = Some(round);
                self.out = out;
                return Some(Status::Running);
            }
            let (config, fresh) = round.work[level].pop().expect("not empty");
            self.work += 1;
            if !fresh && round.seen.beaten(&self.space, &config, now) {
                continue;
            }
            self.space.moves(&config, goal, fresh, &mut self.trail, &mut out);
            for next in out.drain(..) {
                self.work += 1;
                if has(&next.done, slot) {
                    round.first = round.first.min((next.cost - round.base) as usize);
                    round.results.insert(&self.space, next, now);
                } else if let Some(next) = round.seen.admit(&self.space, next, now) {
                    let at = (next.cost - round.base) as usize;
                    push(&mut round.work, at, (next, false));
                }
            }
            unseen += 1;
            if unseen >= 64 {
                unseen = 0;
                let held = round.seen.bytes() * 2
                    + round.results.bytes()
                    + self.trail.held() * 8
                    + self.space.bytes();
                self.peak = self.peak.max(held);
                if held > memory {
                    self.frontier = round.results.into_vec();
                    return Some(Status::Full);
                }
            }
        }
        self.out = out;
        self.close(round, slot)
    }

    fn close(&mut self, round: Round<N>, slot: usize) -> Option<Status> {
        let goal = round.goal;
        self.frontier = round.results.into_vec();
        if self.frontier.is_empty() {
            let proof = !self.truncated && !self.space.cut();
            return Some(if proof { Status::Invalid(goal) } else { Status::Silent });
        }
        if let Mode::Beam(k) = self.mode {
            self.truncated |= self.frontier.len() > k;
            front::best(&mut self.frontier, k);
        }
        for config in &mut self.frontier {
            clear(&mut config.done, slot);
        }
        self.space.end(goal);
        self.at += 1;
        if self.trail.held() > self.trail_limit {
            self.trail.keep(&mut self.frontier);
            self.trail_limit = (self.trail.held() * 2).max(1 << 16);
        }
        None
    }
}

fn push<T>(buckets: &mut Vec<Vec<T>>, at: usize, item: T) {
    if buckets.len() <= at {
        buckets.resize_with(at + 1, Vec::new);
    }
    buckets[at].push(item);
}
