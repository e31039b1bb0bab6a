//! Detours: what turns out, when it must return, to have happened right before the last write.

use super::super::config::{set, Config, Trail, HIDDEN};
use super::{Register, Way};
use crate::ops::F;

impl<const N: usize> Register<'_, N> {
    /// The goal turns out to have happened before the last write.
    pub(super) fn detours(&self, from: &Config<N>, goal: u32, trail: &mut Trail, out: &mut Vec<Config<N>>) {
        let op = *self.op(goal);
        let way = Way::Known(goal);
        match op.f {
            F::Write => self.follow(from, &[(op.a, way)], trail, out),
            F::Cas => {
                let mut base = from.clone();
                set(&mut base.done, self.slot_of[&goal]);
                self.sources(from, &base, op.a, &mut vec![(op.b, way)], &[op.a], trail, out);
            }
            _ => self.sources(from, from, op.a, &mut Vec::new(), &[op.a], trail, out),
        }
    }

    /// Walk backwards from `value` to a write. `later` are the steps behind, last first; `base` has them taken;
    /// `visited` are the values since the last step that had to happen anyway.
    #[allow(clippy::too_many_arguments)] // one step of a recursion; a struct would only rename them
    fn sources(
        &self,
        from: &Config<N>,
        base: &Config<N>,
        value: u32,
        later: &mut Vec<(u32, Way)>,
        visited: &[u32],
        trail: &mut Trail,
        out: &mut Vec<Config<N>>,
    ) {
        if !self.more() {
            return;
        }
        let loose = |way: &Way| matches!(way, Way::Loose(_));
        let spent = later.iter().filter(|(_, way)| loose(way)).count() as u32;
        if let Some(way) = self.writing(value, base, from.hides) {
            later.push((value, way));
            let steps: Vec<(u32, Way)> = later.iter().rev().copied().collect();
            self.follow(from, &steps, trail, out);
            later.pop();
            // R9: what leads to a free value is a separate detour, hidden before this one, which nothing needs yet.
            if matches!(way, Way::Free) {
                return;
            }
        }
        let mut swaps = Vec::new();
        self.swaps(value, false, base, from.hides, &mut swaps);
        for (before, way) in swaps {
            let known = matches!(way, Way::Known(_));
            // R7: a circle of steps that need not happen serves nothing, and without it there is more left. Steps that
            // must happen begin a new stretch; there are as many as open operations.
            if !known && visited.contains(&before) {
                continue;
            }
            if !known && !self.relaxed && spent >= self.thrift {
                self.cut.set(true);
                continue;
            }
            let mut next = base.clone();
            match way {
                Way::Known(id) => set(&mut next.done, self.slot_of[&id]),
                Way::Loose(class) if !self.relaxed => next.used = next.used.and(class),
                Way::Loose(_) | Way::Free => {}
            }
            let mut fresh = if known { vec![before] } else { visited.to_vec() };
            if !known {
                fresh.push(before);
            }
            later.push((value, way));
            self.sources(from, &next, before, later, &fresh, trail, out);
            later.pop();
        }
    }

    /// Take a detour's steps, first to last, and every way to prolong it that serves something.
    fn follow(&self, from: &Config<N>, steps: &[(u32, Way)], trail: &mut Trail, out: &mut Vec<Config<N>>) {
        let mut config = from.clone();
        let mut value = 0;
        for &(to, way) in steps {
            self.take(&mut config, way, HIDDEN, trail);
            self.look(&mut config, to, from.hides, HIDDEN, trail);
            value = to;
        }
        let spent = config.cost - from.cost;
        self.prolong(&config, value, spent, &[value], trail, out);
        out.push(config);
    }

    fn prolong(
        &self,
        config: &Config<N>,
        value: u32,
        spent: u32,
        visited: &[u32],
        trail: &mut Trail,
        out: &mut Vec<Config<N>>,
    ) {
        // R9: what starts from a value that is free needs no help; it finds its own way when it returns.
        if self.free(value, config.hides) || !self.more() {
            return;
        }
        let mut swaps = Vec::new();
        self.swaps(value, true, config, config.hides, &mut swaps);
        for (to, way) in swaps {
            let known = matches!(way, Way::Known(_));
            // R7, forwards.
            if !known && visited.contains(&to) {
                continue;
            }
            if !known && !self.relaxed && spent >= self.thrift {
                self.cut.set(true);
                continue;
            }
            let mut next = config.clone();
            self.take(&mut next, way, HIDDEN, trail);
            let before = next.done;
            self.look(&mut next, to, config.hides, HIDDEN, trail);
            let mut fresh = if known { vec![to] } else { visited.to_vec() };
            if !known {
                fresh.push(to);
            }
            self.prolong(&next, to, spent + u32::from(!known), &fresh, trail, out);
            // A last step that need not happen and after which nothing is read is better left out (R6).
            if known || next.done != before {
                out.push(next);
            }
        }
    }
}
