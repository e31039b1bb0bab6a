//! A configuration of the search, what it has used up, and the trail that leads to it.

use std::rc::Rc;

/// Bits of open operations, by slot.
pub type Bits<const N: usize> = [u64; N];

/// Whether every bit of `a` is in `b`.
#[must_use]
pub fn within<const N: usize>(a: &Bits<N>, b: &Bits<N>) -> bool {
    (0..N).all(|i| a[i] & !b[i] == 0)
}

/// Whether bit `slot` is set.
#[must_use]
pub fn has<const N: usize>(bits: &Bits<N>, slot: usize) -> bool {
    bits[slot / 64] >> (slot % 64) & 1 == 1
}

/// Set bit `slot`.
pub fn set<const N: usize>(bits: &mut Bits<N>, slot: usize) {
    bits[slot / 64] |= 1 << (slot % 64);
}

/// Clear bit `slot`.
pub fn clear<const N: usize>(bits: &mut Bits<N>, slot: usize) {
    bits[slot / 64] &= !(1 << (slot % 64));
}

/// Both.
#[must_use]
pub fn and<const N: usize>(a: &Bits<N>, b: &Bits<N>) -> Bits<N> {
    std::array::from_fn(|i| a[i] & b[i])
}

/// The set bits' slots.
pub fn slots<const N: usize>(bits: &Bits<N>) -> impl Iterator<Item = usize> + '_ {
    (0..N).flat_map(move |i| {
        let mut word = bits[i];
        std::iter::from_fn(move || {
            (word != 0).then(|| {
                let bit = word.trailing_zeros() as usize;
                word &= word - 1;
                i * 64 + bit
            })
        })
    })
}

/// How many operations of each class of unknown outcome took effect: sorted by class, no zeros.
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
pub struct Used(Option<Rc<[(u32, u32)]>>);

impl Used {
    /// How many of this class.
    #[must_use]
    pub fn of(&self, class: u32) -> u32 {
        let Some(list) = &self.0 else { return 0 };
        list.binary_search_by_key(&class, |&(class, _)| class).map_or(0, |at| list[at].1)
    }

    /// One more of this class.
    #[must_use]
    pub fn and(&self, class: u32) -> Used {
        let mut list = self.0.as_deref().map_or_else(Vec::new, <[(u32, u32)]>::to_vec);
        match list.binary_search_by_key(&class, |&(class, _)| class) {
            Ok(at) => list[at].1 += 1,
            Err(at) => list.insert(at, (class, 1)),
        }
        Used(Some(list.into()))
    }

    /// Whether no class was used more than in the other.
    #[must_use]
    pub fn at_most(&self, other: &Used) -> bool {
        let Some(mine) = &self.0 else { return true };
        let Some(theirs) = &other.0 else { return mine.is_empty() };
        let mut theirs = theirs.iter();
        mine.iter().all(|&(class, count)| {
            theirs
                .by_ref()
                .find(|&&(other, _)| other >= class)
                .is_some_and(|&(o, n)| o == class && n >= count)
        })
    }

    /// Bytes on the heap (shared ones counted each time).
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |list| 16 + list.len() * 8)
    }
}

/// What may be the case: the state, which open operations took effect, and what was used up.
#[derive(Clone, Debug)]
pub struct Config<const N: usize> {
    /// State of the object.
    pub state: u32,
    /// Operations called before this moment, and still not done, may be taken to have happened right before the last
    /// overwriting operation (see `register`). 0: none.
    pub hides: u32,
    /// How many operations of unknown outcome took effect.
    pub cost: u32,
    /// Where the trail ends.
    pub node: u32,
    /// Open operations that took effect, by slot.
    pub done: Bits<N>,
    /// Operations of unknown outcome that took effect, by class.
    pub used: Used,
}

/// The order in which operations took effect, as a tree with shared beginnings.
#[derive(Default)]
pub struct Trail {
    nodes: Vec<(u32, u32)>,
    off: bool,
}

/// Marks a step that happened right before the last overwriting operation.
pub const HIDDEN: u32 = 1 << 31;
/// The end of every trail.
pub const ROOT: u32 = u32::MAX;

impl Trail {
    /// An empty trail; one that does not record (a relaxed search proves nothing valid) stays empty.
    #[must_use]
    pub fn recording(on: bool) -> Trail {
        Trail { nodes: Vec::new(), off: !on }
    }

    /// A step after `node`.
    pub fn step(&mut self, node: u32, op: u32) -> u32 {
        if self.off {
            return ROOT;
        }
        self.nodes.push((node, op));
        (self.nodes.len() - 1) as u32
    }

    /// The steps up to `node`, first to last.
    #[must_use]
    pub fn path(&self, mut node: u32) -> Vec<u32> {
        let mut path = Vec::new();
        while node != ROOT {
            let (parent, op) = self.nodes[node as usize];
            path.push(op);
            node = parent;
        }
        path.reverse();
        path
    }

    /// Number of steps held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.nodes.len()
    }

    /// Keep only what leads to these configurations.
    pub fn keep<const N: usize>(&mut self, configs: &mut [Config<N>]) {
        let mut live = vec![false; self.nodes.len()];
        for config in configs.iter() {
            let mut node = config.node;
            while node != ROOT && !live[node as usize] {
                live[node as usize] = true;
                node = self.nodes[node as usize].0;
            }
        }
        let mut moved = vec![ROOT; self.nodes.len()];
        let mut next = 0;
        for at in 0..self.nodes.len() {
            if live[at] {
                let (parent, op) = self.nodes[at];
                let parent = if parent == ROOT { ROOT } else { moved[parent as usize] };
                self.nodes[next] = (parent, op);
                moved[at] = next as u32;
                next += 1;
            }
        }
        self.nodes.truncate(next);
        for config in configs {
            if config.node != ROOT {
                config.node = moved[config.node as usize];
            }
        }
    }
}
