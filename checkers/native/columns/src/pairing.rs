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
            if *open != NONE {
                let before = columns.index[*open as usize];
                return Err(format!(
                    "process {process} asked again before its operation of event {before} completed; a client with \
                     several operations under way needs a process number for each"
                ));
            }
            *open = position;
            return Ok(NONE);
        }
        let invocation = std::mem::replace(open, NONE);
        if invocation == NONE {
            return Err(format!(
                "process {process} completed an operation that it had not begun; is the invocation missing, or \
                 are events out of order?"
            ));
        }
        let begun = columns.index[invocation as usize];
        match index_of_invoke {
            Some(index) if index != begun => Err(format!(
                "index_of_invoke is {index}, but the open operation of process {process} is event {begun}"
            )),
            _ if columns.f[invocation as usize] != f => Err(format!(
                "process {process} completed {}, but had asked for {} in event {begun}",
                String::from_utf8_lossy(&columns.texts.json(f)),
                String::from_utf8_lossy(&columns.texts.json(columns.f[invocation as usize])),
            )),
            _ => Ok(invocation),
        }
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
