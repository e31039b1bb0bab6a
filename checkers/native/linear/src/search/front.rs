//! A set of configurations of which none dominates another.

use super::config::Config;
use super::Space;
use crate::hash::Map;

const END: u32 = u32::MAX;

/// The set, grouped by what the space holds to be comparable.
pub struct Front<const N: usize> {
    heads: Map<(u32, [u64; N]), u32>,
    items: Vec<(Option<Config<N>>, u32)>,
    live: usize,
    heap: usize,
    compare: usize,
}

impl<const N: usize> Front<N> {
    /// An empty set that makes at most so many comparisons per configuration.
    pub fn comparing(compare: usize) -> Self {
        Front { heads: Map::default(), items: Vec::new(), live: 0, heap: 0, compare }
    }

    /// Number of configurations.
    pub fn count(&self) -> usize {
        self.live
    }

    /// Bytes held, by estimate.
    pub fn bytes(&self) -> usize {
        self.items.len() * (std::mem::size_of::<Config<N>>() + 8)
            + self.heads.len() * (16 + 8 * N + 8)
            + self.heap
    }

    /// Add the configuration unless one dominates it; those that it dominates leave.
    pub fn insert<S: Space<N>>(&mut self, space: &S, config: Config<N>, now: u32) -> bool {
        let key = space.alike(&config, now);
        let head = self.heads.entry(key).or_insert(END);
        let (mut at, mut compared) = (*head, 0);
        while at != END && compared < self.compare {
            let (item, next) = &mut self.items[at as usize];
            if let Some(held) = item {
                if space.dominates(held, &config) {
                    return false;
                }
                if space.dominates(&config, held) {
                    self.heap -= held.used.bytes();
                    *item = None;
                    self.live -= 1;
                }
                compared += 1;
            }
            at = *next;
        }
        self.heap += config.used.bytes();
        self.items.push((Some(config), *head));
        *head = (self.items.len() - 1) as u32;
        self.live += 1;
        true
    }

    /// As `insert`; gives the configuration back if it was added.
    pub fn admit<S: Space<N>>(&mut self, space: &S, config: Config<N>, now: u32) -> Option<Config<N>> {
        self.insert(space, config.clone(), now).then_some(config)
    }

    /// Whether something in the set has come to dominate this member since it was added (itself aside). Then it is not
    /// there any more; what took its place was put to work when it was added, so nothing is lost. A member that is not
    /// found within the comparisons made counts as still there.
    pub fn beaten<S: Space<N>>(&self, space: &S, config: &Config<N>, now: u32) -> bool {
        let Some(&head) = self.heads.get(&space.alike(config, now)) else { return false };
        let (mut at, mut compared) = (head, 0);
        while at != END && compared < 64 {
            let (item, next) = &self.items[at as usize];
            if let Some(held) = item {
                if held.node == config.node && held.done == config.done && held.used == config.used {
                    return false;
                }
                compared += 1;
            }
            at = *next;
        }
        at == END
    }

    /// The members.
    pub fn into_vec(self) -> Vec<Config<N>> {
        self.items.into_iter().filter_map(|(item, _)| item).collect()
    }
}

/// Keep the `k` cheapest, and a fair share of each state. Only for beams, whose running dry then proves nothing.
pub fn best<const N: usize>(configs: &mut Vec<Config<N>>, k: usize) {
    if configs.len() <= k {
        return;
    }
    configs.sort_by_key(|config| (config.cost, std::cmp::Reverse(config.hides)));
    let share = (k / 8).max(1);
    let mut taken: Map<u32, usize> = Map::default();
    let mut kept = vec![false; configs.len()];
    let mut left = k;
    for (at, config) in configs.iter().enumerate() {
        let of_state = taken.entry(config.state).or_insert(0);
        if *of_state < share && left > k / 2 {
            *of_state += 1;
            kept[at] = true;
            left -= 1;
        }
    }
    for keep in &mut kept {
        if !*keep && left > 0 {
            *keep = true;
            left -= 1;
        }
    }
    let mut kept = kept.into_iter();
    configs.retain(|_| kept.next().unwrap_or(false));
}
