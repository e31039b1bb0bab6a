//! Which completion belongs to which invocation.

use crate::{Columns, Kind, Text, NEMESIS, NONE};
use std::collections::HashMap;

/// Processes below this are looked up in an array.
const NEAR: usize = 1 << 20;
/// Faults that may be under way at once; beyond it the oldest are given up as never completed.
const NEMESIS_OPEN_MAX: usize = 10_000;

/// The open operations while a history is read.
#[derive(Default)]
pub(crate) struct Pairing {
    near: Vec<u32>,
    far: HashMap<i64, u32>,
    nemesis: Vec<u32>,
    /// Further open operations of clients that have several under way, oldest first.
    more: HashMap<i64, Vec<u32>>,
    /// The last operation of a process whose completion was `info`: its answer may still come.
    unanswered: HashMap<i64, u32>,
    /// What is wrong if no completion says which invocation it belongs to.
    pub doubt: Option<String>,
    /// Refuse at once a process that asks again: what comes may have been cut.
    pub strict: bool,
    /// Operations that began while their process had others under way.
    pub crowded: Vec<u32>,
}

impl Pairing {
    /// The position of the invocation that the event at `position` completes, or `NONE` if it begins something.
    pub fn pair(
        &mut self,
        columns: &Columns,
        position: u32,
        process: i64,
        kind: Kind,
        f: Text,
        index_of_invoke: Option<i64>,
    ) -> Result<u32, String> {
        if process == NEMESIS {
            return self.pair_nemesis(columns, position, kind, f, index_of_invoke);
        }
        let open = self.slot(process);
        if kind == Kind::Invoke {
            if *open == NONE {
                *open = position;
            } else {
                let text = again(columns, process, *open);
                if self.strict {
                    return Err(text);
                }
                self.doubt.get_or_insert(text);
                self.crowded.push(position);
                self.more.entry(process).or_default().push(position);
            }
            return Ok(NONE);
        }
        let oldest = *open;
        let begun = (oldest != NONE).then(|| columns.index[oldest as usize]);
        let invocation = match index_of_invoke {
            Some(index) if begun != Some(index) => self.elsewhere(columns, process, index)?,
            None if self.several(process) => return Err(again(columns, process, oldest)),
            _ if oldest == NONE => self.late(columns, process)?,
            _ => {
                *self.slot(process) = self.next(process);
                oldest
            }
        };
        let asked = columns.f[invocation as usize];
        if asked != f {
            return Err(format!(
                "process {process} completed {}, but had asked for {} in event {}",
                String::from_utf8_lossy(&columns.texts.json(f)),
                String::from_utf8_lossy(&columns.texts.json(asked)),
                columns.index[invocation as usize],
            ));
        }
        if kind == Kind::Info {
            self.unanswered.insert(process, invocation);
        }
        Ok(invocation)
    }

    /// The operation that a process has under way, the oldest if there are several.
    pub fn open(&self, process: i64) -> Option<u32> {
        let near = usize::try_from(process).ok().filter(|&near| near < NEAR);
        let open = near.map_or_else(|| self.far.get(&process), |near| self.near.get(near));
        open.copied().filter(|&open| open != NONE)
    }

    /// Whether a process has nothing under way, and nothing that may still be answered.
    pub fn idle(&self, process: i64) -> bool {
        self.open(process).is_none() && !self.unanswered.contains_key(&process)
    }

    fn several(&self, process: i64) -> bool {
        !self.more.is_empty() && self.more.get(&process).is_some_and(|more| !more.is_empty())
    }

    /// The next oldest open operation of a client.
    fn next(&mut self, process: i64) -> u32 {
        match self.more.get_mut(&process) {
            Some(more) if !more.is_empty() => more.remove(0),
            _ => NONE,
        }
    }

    /// The invocation of that index, if it is open and not the oldest one, or waits for a late answer.
    fn elsewhere(&mut self, columns: &Columns, process: i64, index: i64) -> Result<u32, String> {
        if let Some(more) = self.more.get_mut(&process) {
            if let Some(place) = more.iter().position(|&at| columns.index[at as usize] == index) {
                return Ok(more.remove(place));
            }
        }
        let at = columns.index.partition_point(|&before| before < index);
        if columns.index.get(at) == Some(&index) && columns.process[at] == process {
            let end = columns.pair[at];
            if columns.kind[at] == Kind::Invoke && end != NONE && columns.kind[end as usize] == Kind::Info {
                return Ok(u32::try_from(at).expect("positions fit 32 bits"));
            }
        }
        Err(match self.open(process) {
            Some(open) => format!(
                "index_of_invoke is {index}, but the open operation of process {process} is event {}",
                columns.index[open as usize]
            ),
            None => not_begun(process),
        })
    }

    /// The operation whose outcome was unknown, and which is answered after all.
    fn late(&mut self, columns: &Columns, process: i64) -> Result<u32, String> {
        let waiting = self.unanswered.remove(&process).ok_or_else(|| not_begun(process))?;
        let end = columns.pair[waiting as usize];
        let unknown = end != NONE && columns.kind[end as usize] == Kind::Info;
        unknown.then_some(waiting).ok_or_else(|| not_begun(process))
    }

    fn slot(&mut self, process: i64) -> &mut u32 {
        match usize::try_from(process) {
            Ok(near) if near < NEAR => {
                if self.near.len() <= near {
                    self.near.resize(near + 1, NONE);
                }
                &mut self.near[near]
            }
            _ => self.far.entry(process).or_insert(NONE),
        }
    }

    /// Faults overlap, and Jepsen writes both halves of one as `info`: pair by index, else by name; what pairs with
    /// nothing stands alone. Only an index that points nowhere is refused.
    fn pair_nemesis(
        &mut self,
        columns: &Columns,
        position: u32,
        kind: Kind,
        f: Text,
        index: Option<i64>,
    ) -> Result<u32, String> {
        let belongs = |open: &u32| match index {
            Some(index) => columns.index[*open as usize] == index,
            None => columns.f[*open as usize] == f,
        };
        let found = if kind == Kind::Invoke { None } else { self.nemesis.iter().rposition(belongs) };
        if let Some(found) = found {
            return Ok(self.nemesis.remove(found));
        }
        if let Some(index) = index.filter(|_| kind != Kind::Invoke) {
            return Err(format!(
                "index_of_invoke is {index}, but the nemesis has nothing open that began there"
            ));
        }
        if kind == Kind::Invoke || kind == Kind::Info {
            if self.nemesis.len() >= NEMESIS_OPEN_MAX {
                self.nemesis.remove(0);
            }
            self.nemesis.push(position);
        }
        Ok(NONE)
    }
}

fn again(columns: &Columns, process: i64, open: u32) -> String {
    let before = columns.index[open as usize];
    format!(
        "process {process} asked again before its operation of event {before} completed; a client with several \
         operations under way needs a process number for each, or completions that carry index_of_invoke"
    )
}

fn not_begun(process: i64) -> String {
    format!(
        "process {process} completed an operation that it had not begun; is the invocation missing, or are events out \
         of order?"
    )
}
