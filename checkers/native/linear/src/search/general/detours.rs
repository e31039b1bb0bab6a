//! Detours: what turns out, when it must return, to have happened right before the last overwriting operation.
//!
//! A detour starts with an open overwriting operation (or is one operation that is never refused, by itself), continues
//! through others that were open then, and ends before the last one: what it leaves behind is overwritten, so the
//! present state is not touched.

use super::super::config::{has, set, Bits, Config, Trail, Used, HIDDEN};
use super::{General, Machine, WAYS_MAX};
use crate::hash::Set;

/// Detours that wait to be prolonged: where they stand (nowhere before the first step), and what they took.
struct Going<const N: usize> {
    work: Vec<(Option<u32>, Config<N>)>,
    seen: Set<(u32, Bits<N>, Used)>,
    goal: usize,
}

impl<M: Machine, const N: usize> General<'_, M, N> {
    /// The goal turns out to have happened before the last overwriting operation.
    pub(super) fn detours(
        &mut self,
        from: &Config<N>,
        goal: u32,
        trail: &mut Trail,
        out: &mut Vec<Config<N>>,
    ) {
        let slot = self.slot_of[&goal];
        let op = self.ops[goal as usize];
        if self.machine.blind(&op) && !self.machine.resets(&op) {
            let mut alone = from.clone();
            set(&mut alone.done, slot);
            alone.node = trail.step(alone.node, goal | HIDDEN);
            out.push(alone);
        }
        let mut going = Going { work: vec![(None, from.clone())], seen: Set::default(), goal: slot };
        let mut tried = 0;
        while let Some((state, config)) = going.work.pop() {
            tried += 1;
            if tried > WAYS_MAX {
                self.cut = true;
                return;
            }
            self.prolong(state, &config, &mut going, trail, out);
        }
    }

    /// Prolong a detour by one step, every way.
    fn prolong(
        &mut self,
        state: Option<u32>,
        config: &Config<N>,
        going: &mut Going<N>,
        trail: &mut Trail,
        out: &mut Vec<Config<N>>,
    ) {
        let mut tried: Vec<u32> = Vec::new();
        for at in 0..self.open.len() {
            let (id, class, slot) = self.open[at];
            let op = self.ops[id as usize];
            // What looks took effect when it fitted (R1); what was called later was not there; of one class the first
            // to return, for all that are left here were called before the last overwriting operation (R4); a detour
            // starts with an operation that overwrites, and a second one would start another detour.
            if has(&config.done, slot)
                || has(&self.looks, slot)
                || op.call >= config.hides
                || tried.contains(&class)
                || self.machine.resets(&op) == state.is_some()
            {
                continue;
            }
            tried.push(class);
            let mut next = config.clone();
            set(&mut next.done, slot);
            next.node = trail.step(next.node, id | HIDDEN);
            let serves = slot == going.goal || !self.machine.blind(&op);
            self.arrive((state, class), &next, serves, going, trail, out);
        }
        for at in 0..self.loose.len() {
            let (class, sample) = (self.loose[at].0, self.loose[at].1.sample);
            // R3, R4; and as above.
            let known = self.class_of.get(&(sample.f, sample.a, sample.b, false));
            if known.is_some_and(|known| tried.contains(known))
                || self.machine.resets(&sample) == state.is_some()
            {
                continue;
            }
            let Some(id) = self.left(at, config, config.hides) else { continue };
            let mut next = config.clone();
            self.spend(&mut next, class, id, HIDDEN, trail);
            self.arrive((state, class), &next, false, going, trail, out);
        }
    }

    /// A step of this class was taken: what looks takes effect; the detour is one if it serves the goal and, with its
    /// last step, anything at all; it may continue.
    fn arrive(
        &mut self,
        (state, class): (Option<u32>, u32),
        config: &Config<N>,
        serves: bool,
        going: &mut Going<N>,
        trail: &mut Trail,
        out: &mut Vec<Config<N>>,
    ) {
        let (first, last) = self.successors(state.unwrap_or(0), class);
        for at in first..last {
            let to = self.states[at];
            let mut next = config.clone();
            self.look(&mut next, to, config.hides, HIDDEN, trail);
            // A last step that could as well be hidden by itself, or need not happen, and after which nothing is read, is
            // better left out (R6).
            if has(&next.done, going.goal) && (serves || next.done != config.done) {
                out.push(next.clone());
            }
            // Nothing is read from a state that nothing sees on, and what is never refused is hidden by itself. Equal
            // ends of detours continue alike.
            if !self.machine.unseen(to) && going.seen.insert((to, next.done, next.used.clone())) {
                going.work.push((Some(to), next));
            }
        }
    }
}
