//! One event at a time into columns.

use crate::draft::{Draft, Moment, Who};
use crate::pairing::Pairing;
use crate::scan::pair;
use crate::{Columns, Kind, Text, NEMESIS, NONE, NO_VERSION};
use std::collections::HashMap;

const NANOSECONDS: i64 = 1_000_000_000;

/// What became of a draft.
pub(crate) enum Taken {
    /// It is an event of the columns.
    Event,
    /// It is a record of something else; why.
    Odd(String),
}

/// Columns under construction.
#[derive(Default)]
pub(crate) struct Builder {
    pub columns: Columns,
    pub facts: Facts,
    pairing: Pairing,
    /// Some index was not above the one before: all are renumbered at the end.
    disordered: bool,
    /// Numbers of processes that have none, below `NEMESIS` until the end.
    names: HashMap<Text, i64>,
    unnumbered: i64,
    nameless: Vec<u32>,
    seconds: bool,
}

/// What was seen of a file besides its events.
#[derive(Default)]
pub(crate) struct Facts {
    /// Some event had a time.
    pub timed: bool,
    /// Times were seconds with fractions.
    pub seconds: bool,
    /// Some client's event had a field for the key.
    pub keyed: bool,
    /// Completions without an invocation; they stand before any invocation.
    pub orphans: Vec<u32>,
    /// Client invocations.
    pub invocations: u64,
    /// Completed reads that have no value, not even null.
    pub valueless: Vec<u32>,
    /// Answers that came after an `info` of the same operation.
    pub late: u64,
    /// Names of processes, each with the number that it got at the end.
    pub named: Vec<(Text, i64)>,
    /// An operation had no process.
    pub nameless: bool,
    /// A process asked again before it had its answer, and this file does not say how to pair.
    pub doubt: Option<String>,
    /// Some client's completion says which invocation it belongs to.
    pub indexed: bool,
    /// Operations that began while their process had others under way.
    pub crowded: usize,
}

impl Builder {
    /// Append an event, or say what is wrong with it.
    pub fn push(&mut self, draft: &mut Draft) -> Result<Taken, String> {
        let position = u32::try_from(self.columns.len()).ok().filter(|&position| position < NONE);
        let position = position.ok_or("more than 4 billion events")?;
        let f = match self.function(draft) {
            Ok(f) => f,
            Err(odd) => return odd.map(Taken::Odd),
        };
        if let Some(bad) = draft.bad.take() {
            return Err(bad);
        }
        let kind = draft.kind.ok_or("type is missing")?;
        if draft.tuple {
            self.split_tuple(draft);
        }
        let index = draft.index.unwrap_or(i64::from(position));
        let who = self.who(draft);
        if kind == Kind::Info && who.is_some_and(|process| self.ends_nothing(process, f, draft)) {
            return Ok(Taken::Odd("the process had nothing under way that this could be the end of".into()));
        }
        let (process, pair) = match who {
            Some(process) => (process, self.paired(draft, position, process, kind, f)?),
            None => match self.paired_without_process(draft, position, kind, f)? {
                Some(found) => found,
                None => return Ok(Taken::Odd("no operation that this could be the end of".into())),
            },
        };
        if process != NEMESIS {
            self.facts.indexed |= draft.index_of_invoke.is_some();
            self.facts.keyed |= draft.keyed;
            self.facts.invocations += u64::from(kind == Kind::Invoke);
            if kind == Kind::Ok && !draft.valued && self.is_read(f) {
                self.facts.valueless.push(position);
            }
        }
        let time = self.time(draft.time)?;
        let columns = &mut self.columns;
        self.disordered |= columns.index.last().is_some_and(|&last| index <= last);
        columns.index.push(index);
        columns.time.push(time);
        columns.process.push(process);
        columns.kind.push(kind);
        columns.f.push(f);
        columns.key.push(draft.key);
        columns.value.push(draft.value);
        columns.version.push(draft.version.unwrap_or(NO_VERSION));
        columns.node.push(draft.node);
        columns.error.push(draft.error);
        columns.pair.push(pair);
        if pair != NONE {
            let before = std::mem::replace(&mut columns.pair[pair as usize], position);
            if before != NONE {
                // A late answer: the operation's end is this event, and the `info` before stands alone.
                columns.pair[before as usize] = NONE;
                self.facts.late += u64::from(process != NEMESIS);
            }
        }
        if !draft.extra.is_empty() {
            let object = [b"{", &draft.extra[..], b"}"].concat();
            let text = columns.texts.intern(&object);
            columns.extra.push((position, text));
        }
        Ok(Taken::Event)
    }

    /// What comes from now on may have been cut: in doubt it is refused.
    pub fn strict(&mut self) {
        self.pairing.strict = true;
    }

    /// Whether a draft is a record of something else.
    pub fn is_odd(&mut self, draft: &Draft) -> bool {
        matches!(self.function(draft), Err(Ok(_)))
    }

    /// The function of an event; the inner error is of a record that is none, which is not wrong by itself.
    ///
    /// An event has a type and either a function or a process. elle-cli's histories leave `f` out: a list of
    /// micro-operations is a transaction. A completion without a function completes what its process asked for.
    fn function(&mut self, draft: &Draft) -> Result<Text, Result<String, String>> {
        let json = self.columns.texts.json(draft.value);
        let is_txn = draft.f.is_none() && (json.starts_with(b"[[\"") || &*json == b"[]");
        let has_f = draft.f.is_some() || is_txn;
        let reason = |text: &str| draft.bad.clone().unwrap_or_else(|| text.to_owned());
        let Some(kind) = draft.kind else {
            let text = reason("type is missing");
            return Err(if has_f && draft.process.is_some() { Err(text) } else { Ok(text) });
        };
        if let Some(f) = draft.f {
            return Ok(f);
        }
        if is_txn {
            return Ok(self.columns.texts.intern(b"\"txn\""));
        }
        let number = match draft.process {
            None => return Err(Ok(reason("process and f are missing"))),
            Some(Who::Number(NEMESIS)) => return Ok(self.columns.texts.intern(b"\"\"")),
            Some(Who::Number(number)) => Some(number),
            Some(Who::Name(name)) => self.names.get(&name).copied(),
        };
        let open = number.filter(|_| kind != Kind::Invoke).and_then(|number| self.pairing.open(number));
        match open {
            Some(invocation) => Ok(self.columns.f[invocation as usize]),
            None if kind == Kind::Info => Err(Ok(reason("f is missing"))),
            None => Err(Err(reason("f is missing"))),
        }
    }

    /// Whether an `info` says nothing: of a client that had nothing under way, and of nothing that could have changed
    /// anything. Else its invocation may be missing, which is an error.
    fn ends_nothing(&self, process: i64, f: Text, draft: &Draft) -> bool {
        const CHANGES: [&[u8]; 26] = [
            b"\"write\"",
            b"\"put\"",
            b"\"set\"",
            b"\"w\"",
            b"\"cas\"",
            b"\"delete\"",
            b"\"append\"",
            b"\"add\"",
            b"\"remove\"",
            b"\"increment\"",
            b"\"inc\"",
            b"\"decrement\"",
            b"\"dec\"",
            b"\"enqueue\"",
            b"\"enq\"",
            b"\"dequeue\"",
            b"\"deq\"",
            b"\"push\"",
            b"\"pop\"",
            b"\"drain\"",
            b"\"acquire\"",
            b"\"lock\"",
            b"\"release\"",
            b"\"unlock\"",
            b"\"txn\"",
            b"\"transfer\"",
        ];
        process != NEMESIS
            && self.facts.invocations > 0
            && draft.index_of_invoke.is_none()
            && self.pairing.idle(process)
            && !CHANGES.contains(&&*self.columns.texts.json(f))
    }

    fn is_read(&self, f: Text) -> bool {
        matches!(
            &*self.columns.texts.json(f),
            b"\"read\"" | b"\"get\"" | b"\"dequeue\"" | b"\"deq\"" | b"\"pop\""
        )
    }

    fn who(&mut self, draft: &Draft) -> Option<i64> {
        Some(match draft.process? {
            Who::Number(number) => number,
            Who::Name(name) => match self.names.get(&name) {
                Some(&number) => number,
                None => {
                    let number = self.fresh();
                    self.names.insert(name, number);
                    number
                }
            },
        })
    }

    /// A process number that no file can have written; it becomes a proper one at the end.
    fn fresh(&mut self) -> i64 {
        self.unnumbered += 1;
        NEMESIS - self.unnumbered
    }

    fn paired(
        &mut self,
        draft: &Draft,
        position: u32,
        process: i64,
        kind: Kind,
        f: Text,
    ) -> Result<u32, String> {
        if process != NEMESIS && kind != Kind::Invoke && self.facts.invocations == 0 {
            self.facts.orphans.push(position);
            return Ok(NONE);
        }
        self.no_orphans()?;
        let pair = self.pairing.pair(&self.columns, position, process, kind, f, draft.index_of_invoke);
        let pair = pair.map_err(|text| match draft.process {
            // Until the end a process that has a name has a number that no file can have written.
            Some(Who::Name(name)) => {
                let name = String::from_utf8_lossy(&self.columns.texts.json(name)).into_owned();
                text.replace(&format!("process {process} "), &format!("process {name} "))
            }
            _ => text,
        })?;
        if self.facts.doubt.is_none() {
            self.facts.doubt = self.pairing.doubt.take();
        }
        Ok(pair)
    }

    /// Completions alone make a history, and so do both halves; completions before the first invocation do not.
    fn no_orphans(&self) -> Result<(), String> {
        let answered = |&&at: &&u32| self.columns.kind[at as usize] != Kind::Info;
        match self.facts.orphans.iter().find(answered) {
            None => Ok(()),
            Some(&at) => Err(format!(
                "the operation that event {} completed had not begun, and here one begins; is the start of the file \
                 missing, or are events out of order?",
                self.columns.index[at as usize]
            )),
        }
    }

    /// Events without a process, as Elle takes them: each operation is its own process. None where an `info`
    /// ends nothing.
    fn paired_without_process(
        &mut self,
        draft: &Draft,
        position: u32,
        kind: Kind,
        f: Text,
    ) -> Result<Option<(i64, u32)>, String> {
        if kind == Kind::Invoke {
            self.no_orphans()?;
            self.facts.nameless = true;
            self.nameless.push(position);
            return Ok(Some((self.fresh(), NONE)));
        }
        let columns = &self.columns;
        let same = |&at: &u32| match draft.index_of_invoke {
            Some(index) => columns.index[at as usize] == index,
            None => columns.f[at as usize] == f,
        };
        let mut fitting: Vec<usize> =
            (0..self.nameless.len()).filter(|&place| same(&self.nameless[place])).collect();
        if fitting.len() > 1 {
            fitting.retain(|&place| columns.value[self.nameless[place] as usize] == draft.value);
            if fitting.len() != 1 {
                return Err(
                    "process is missing, and several operations are under way that this could be the end \
                            of: give each client a process number"
                        .into(),
                );
            }
        }
        if let Some(&place) = fitting.first() {
            let invocation = self.nameless.remove(place);
            return Ok(Some((columns.process[invocation as usize], invocation)));
        }
        if self.facts.invocations == 0 {
            self.facts.nameless = true;
            self.facts.orphans.push(position);
            return Ok(Some((self.fresh(), NONE)));
        }
        if kind == Kind::Info {
            return Ok(None);
        }
        Err("process is missing, and nothing was begun that this could be the end of".into())
    }

    /// Nanoseconds. Whole numbers are nanoseconds until a fraction shows that times are in seconds.
    fn time(&mut self, time: Option<Moment>) -> Result<i64, String> {
        const RANGE: &str =
            "some times have a fraction, which makes them seconds, and this one is too large for that";
        self.facts.timed |= time.is_some();
        Ok(match time {
            // Without a clock the position orders events; it only has to rise.
            None => self.columns.time.last().map_or(0, |last| last.saturating_add(1)),
            Some(Moment::Whole(whole)) if !self.seconds => whole,
            Some(Moment::Whole(whole)) => whole.checked_mul(NANOSECONDS).ok_or(RANGE)?,
            Some(Moment::Seconds(nanoseconds)) => {
                if !self.seconds {
                    (self.seconds, self.facts.seconds) = (true, true);
                    for time in &mut self.columns.time {
                        *time = time.checked_mul(NANOSECONDS).ok_or(RANGE)?;
                    }
                }
                nanoseconds
            }
        })
    }

    fn split_tuple(&mut self, draft: &mut Draft) {
        let json = self.columns.texts.json(draft.value).into_owned();
        if let Some((key, value)) = pair(&json) {
            draft.key = self.columns.texts.intern(key);
            draft.value = self.columns.texts.intern(value);
            draft.keyed = true;
        }
    }

    /// Operations that a process had under way beside others become separate processes: nothing orders them. Locks
    /// keep their owners.
    fn spread(&mut self) {
        for at in std::mem::take(&mut self.pairing.crowded) {
            let at = at as usize;
            if matches!(&*self.columns.texts.json(self.columns.f[at]), b"\"acquire\"" | b"\"release\"") {
                continue;
            }
            let process = self.fresh();
            self.columns.process[at] = process;
            if let Some(end) = self.columns.process.get_mut(self.columns.pair[at] as usize) {
                *end = process;
            }
            self.facts.crowded += 1;
        }
    }

    /// The columns, with indexes that rise and processes that are numbers, and what was seen of the file.
    pub fn finish(mut self) -> (Columns, Facts) {
        if self.disordered {
            for (position, index) in self.columns.index.iter_mut().enumerate() {
                *index = i64::try_from(position).expect("positions fit 32 bits");
            }
        }
        self.spread();
        if self.unnumbered > 0 {
            let next = self.columns.process.iter().max().map_or(0, |&most| most.max(-1) + 1);
            for process in &mut self.columns.process {
                if *process < NEMESIS {
                    *process = next + (NEMESIS - 1 - *process);
                }
            }
            let number = |(name, number): (Text, i64)| (name, next + (NEMESIS - 1 - number));
            self.facts.named = self.names.into_iter().map(number).collect();
            self.facts.named.sort_by_key(|&(_, number)| number);
        }
        (self.columns, self.facts)
    }
}
