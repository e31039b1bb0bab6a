//! From events to operations: one compact record per operation, grouped by key.
//!
//! What is kept: `ok` operations with their result; `info` and never completed ones as open for ever; a refused
//! compare-and-set that says what it saw, as a read of that value. What is dropped: nemesis events, other `fail`
//! operations (they did not happen), open operations that only look (they constrain nothing).

use crate::hash::Map;
use crate::plain::{self, Plain, Word};
pub use crate::values::Values;
use columns::{Columns, Kind, Text, NEMESIS, NONE, NO_VERSION};

/// The moment of a completion that never came.
pub const NEVER: u32 = u32::MAX;

/// What an operation does. The arguments are in `Op::a` and `Op::b`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
#[repr(u8)]
pub enum F {
    /// Register: the value is `a`.
    Read,
    /// Register: set to `a`.
    Write,
    /// Register: from `a` to `b`.
    Cas,
    /// String: append `a`.
    Append,
    /// Set: add `a`.
    Add,
    /// Set: remove `a`.
    Remove,
    /// Set: `a` is in it (`b` = 1) or is not (`b` = 0).
    Contains,
    /// Set: the elements are those of the list `a`.
    Members,
    /// Queue: put `a`.
    Enqueue,
    /// Queue: take `a`; null means that it was empty; `b` = 1 that what was taken is unknown.
    Dequeue,
    /// Counter: add the number in `a` and `b`.
    Increment,
    /// Counter: the total is the number in `a` and `b`.
    Total,
    /// Lock: process number `a` takes it, with token `b` (null: none given).
    Acquire,
    /// Lock: process number `a` gives it back.
    Release,
    /// A model from outside: class `a`.
    Custom,
    /// A plain model (`plain`), by the function's number: it never changes the object.
    Looks(u8),
    /// The same: it may change the object, and `b` is the answer.
    Changes(u8),
    /// The same, of unknown outcome.
    Unsure(u8),
}

impl F {
    /// Whether the operation never changes the object.
    #[must_use]
    pub fn looks_only(self) -> bool {
        matches!(self, F::Read | F::Contains | F::Members | F::Total | F::Looks(_))
    }
}

/// One operation. `call` and `ret` are moments (ranks of events): one operation precedes another if its `ret` is
/// smaller than the other's `call`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Op {
    /// Moment of the invocation.
    pub call: u32,
    /// Moment of the completion, `NEVER` while the outcome is unknown.
    pub ret: u32,
    /// What it does.
    pub f: F,
    /// First argument.
    pub a: u32,
    /// Second argument.
    pub b: u32,
    /// Position of the invocation in the columns.
    pub event: u32,
}

impl Op {
    /// Whether the outcome is unknown.
    #[must_use]
    pub fn open(&self) -> bool {
        self.ret == NEVER
    }

    /// The number held in both arguments.
    #[must_use]
    pub fn number(&self) -> i64 {
        (u64::from(self.b) << 32 | u64::from(self.a)) as i64
    }
}

/// Both halves of a number, as arguments.
#[must_use]
pub fn halves(number: i64) -> (u32, u32) {
    (number as u64 as u32, ((number as u64) >> 32) as u32)
}

/// The models (docs/reference/formats.md).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Model {
    /// `register` and `cas-register`.
    Register,
    /// Registers with delete and append.
    Kv,
    /// Set.
    Set,
    /// First in, first out.
    Queue,
    /// A bag.
    UnorderedQueue,
    /// Counter.
    Counter,
    /// Lock owned by a process.
    Lock,
    /// Lock whose tokens grow.
    FencedLock,
    /// A plain model.
    Plain(&'static Plain),
    /// A model from outside.
    Custom,
}

impl Model {
    /// By its documented name.
    #[must_use]
    pub fn named(name: &str) -> Option<Model> {
        Some(match name {
            "register" | "cas-register" => Model::Register,
            "kv" => Model::Kv,
            "set" => Model::Set,
            "queue" => Model::Queue,
            "unordered-queue" => Model::UnorderedQueue,
            "counter" => Model::Counter,
            "lock" => Model::Lock,
            "fenced-lock" => Model::FencedLock,
            "custom" => Model::Custom,
            _ => return plain::named(name).map(Model::Plain),
        })
    }
}

/// The operations on one object, in the order of their invocations.
#[derive(Debug, Default)]
pub struct Part {
    /// The key, null where there is none.
    pub key: Option<Text>,
    /// The operations.
    pub ops: Vec<Op>,
    /// The service's version of each operation, in the same order; empty where none was reported.
    pub versions: Vec<i64>,
    /// Why this part cannot be judged by the model, if so.
    pub foreign: Option<String>,
}

/// The moment of each event. Where timestamps tie, invocations come before completions, so that ties only widen
/// intervals; the one exception keeps a process's own order where it alone both returned and asked again at that time.
/// A history without times was given rising ones when it was read.
#[must_use]
pub fn moments(columns: &Columns) -> Option<Vec<u32>> {
    let time = &columns.time;
    let ties = time.windows(2).any(|pair| pair[0] == pair[1]);
    if !ties {
        return None;
    }
    let mut moments: Vec<u32> = Vec::with_capacity(time.len());
    let mut start = 0;
    let mut order: Vec<usize> = Vec::new();
    while start < time.len() {
        let mut end = start + 1;
        while end < time.len() && time[end] == time[start] {
            end += 1;
        }
        moments.resize(end, 0);
        order.clear();
        order.extend(start..end);
        if end - start > 1 {
            let again = asks_again(columns, start, end);
            order.sort_by_key(|&at| match (again == Some(columns.process[at]), columns.kind[at]) {
                (true, _) => 1,
                (false, Kind::Invoke) => 0,
                (false, _) => 2,
            });
        }
        for (offset, &at) in order.iter().enumerate() {
            moments[at] = (start + offset) as u32;
        }
        start = end;
    }
    Some(moments)
}

/// The only process that both returned and then asked again within these events, if there is exactly one.
fn asks_again(columns: &Columns, start: usize, end: usize) -> Option<i64> {
    let mut found = None;
    for at in start..end {
        let process = columns.process[at];
        if columns.kind[at] == Kind::Invoke || process == NEMESIS || found == Some(process) {
            continue;
        }
        let again = (at + 1..end).any(|later| columns.process[later] == process);
        if again && found.is_some() {
            return None;
        }
        if again {
            found = Some(process);
        }
    }
    found
}

/// Reads the operations of a model out of the columns, one part per key (or a single one).
pub fn parts(columns: &Columns, values: &mut Values<'_>, model: Model, per_key: bool) -> Vec<Part> {
    let moments = moments(columns);
    let moment = |at: usize| moments.as_ref().map_or(at as u32, |moments| moments[at]);
    let mut names = Names::default();
    let mut by_key: Map<u32, usize> = Map::default();
    let mut parts: Vec<Part> = Vec::new();
    let mut last: (u32, usize) = (u32::MAX, 0);
    for at in 0..columns.len() {
        if columns.kind[at] != Kind::Invoke || columns.process[at] == NEMESIS {
            continue;
        }
        let key = if per_key { columns.key[at] } else { Text::NULL };
        let slot = if key.0 == last.0 {
            last.1
        } else {
            *by_key.entry(key.0).or_insert_with(|| {
                parts.push(Part { key: (!key.is_null()).then_some(key), ..Part::default() });
                parts.len() - 1
            })
        };
        last = (key.0, slot);
        let other = columns.pair[at];
        let end = if other == NONE { None } else { Some(other as usize) };
        let kind = end.map_or(Kind::Info, |end| columns.kind[end]);
        let name = names.of(columns, columns.f[at]);
        let decoded = decode(columns, values, model, name, at, end, kind);
        let part = &mut parts[slot];
        match decoded {
            Ok(None) => {}
            Ok(Some((f, a, b))) => {
                let ret = match (kind, end) {
                    (Kind::Ok | Kind::Fail, Some(end)) => moment(end),
                    _ => NEVER,
                };
                part.ops.push(Op { call: moment(at), ret, f, a, b, event: at as u32 });
                note_version(part, end.map_or(NO_VERSION, |end| columns.version[end]));
            }
            Err(reason) => {
                part.foreign.get_or_insert(reason);
            }
        }
    }
    if moments.is_some() {
        for part in &mut parts {
            sort_by_call(part);
        }
    }
    parts
}

fn note_version(part: &mut Part, version: i64) {
    if part.versions.is_empty() && version == NO_VERSION {
        return;
    }
    part.versions.resize(part.ops.len() - 1, NO_VERSION);
    part.versions.push(version);
}

fn sort_by_call(part: &mut Part) {
    if !part.versions.is_empty() {
        part.versions.resize(part.ops.len(), NO_VERSION);
        let mut order: Vec<usize> = (0..part.ops.len()).collect();
        order.sort_by_key(|&at| part.ops[at].call);
        part.versions = order.iter().map(|&at| part.versions[at]).collect();
    }
    part.ops.sort_by_key(|op| op.call);
}

/// Function names by handle, decoded once.
#[derive(Default)]
struct Names {
    known: Map<u32, Name>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Name {
    Read,
    Write,
    Cas,
    Delete,
    Append,
    Add,
    Increment,
    Remove,
    Contains,
    Enqueue,
    Dequeue,
    Acquire,
    Release,
    Other,
}

impl Names {
    fn of(&mut self, columns: &Columns, f: Text) -> Name {
        *self.known.entry(f.0).or_insert_with(|| match &*columns.texts.json(f) {
            b"\"read\"" | b"\"get\"" => Name::Read,
            b"\"write\"" | b"\"put\"" => Name::Write,
            b"\"cas\"" => Name::Cas,
            b"\"delete\"" => Name::Delete,
            b"\"append\"" => Name::Append,
            b"\"add\"" => Name::Add,
            b"\"increment\"" => Name::Increment,
            b"\"remove\"" => Name::Remove,
            b"\"contains\"" => Name::Contains,
            b"\"enqueue\"" => Name::Enqueue,
            b"\"dequeue\"" => Name::Dequeue,
            b"\"acquire\"" => Name::Acquire,
            b"\"release\"" => Name::Release,
            _ => Name::Other,
        })
    }
}

type Decoded = Result<Option<(F, u32, u32)>, String>;

fn decode(
    columns: &Columns,
    values: &mut Values<'_>,
    model: Model,
    name: Name,
    at: usize,
    end: Option<usize>,
    kind: Kind,
) -> Decoded {
    // In `kv` an empty string and no value are the same, as in the services that it models.
    let empty = values.empty;
    let plain = |text: Text| if model == Model::Kv && text.0 == empty { Text::NULL } else { text };
    let asked = plain(columns.value[at]);
    let told = end.map_or(Text::NULL, |end| plain(columns.value[end]));
    if kind == Kind::Fail {
        let saw = name == Name::Cas && matches!(model, Model::Register | Model::Kv);
        let seen = saw && !told.is_null() && told != asked;
        return Ok(seen.then_some((F::Read, told.0, 0)));
    }
    if let Model::Plain(model) = model {
        return decode_plain(model, columns, values, at, end, kind);
    }
    let ok = kind == Kind::Ok;
    let looked = |f: F, a: u32, b: u32| Ok(ok.then_some((f, a, b)));
    match (model, name) {
        (Model::Register | Model::Kv, Name::Read) => looked(F::Read, told.0, 0),
        (Model::Register | Model::Kv, Name::Write) => Ok(Some((F::Write, asked.0, 0))),
        (Model::Register | Model::Kv, Name::Delete) => Ok(Some((F::Write, 0, 0))),
        (Model::Register | Model::Kv, Name::Cas) => match values.pair(asked) {
            Some((a, b)) => {
                let (a, b) = (plain(Text(a)).0, plain(Text(b)).0);
                if a == b {
                    return Ok(ok.then_some((F::Read, a, 0)));
                }
                Ok(Some((F::Cas, a, b)))
            }
            None => Err(format!("event {at}: the value of a cas must be [old, new]")),
        },
        // An empty piece is a string, not nothing.
        (Model::Kv, Name::Append) => Ok(Some((F::Append, columns.value[at].0, 0))),
        (Model::Set, Name::Add) => Ok(Some((F::Add, asked.0, 0))),
        (Model::Set, Name::Remove) => Ok(Some((F::Remove, asked.0, 0))),
        (Model::Set, Name::Contains) => match &*values.json(told.0) {
            b"true" => looked(F::Contains, asked.0, 1),
            b"false" => looked(F::Contains, asked.0, 0),
            _ if ok => Err(format!("event {at}: contains must answer true or false")),
            _ => Ok(None),
        },
        (Model::Set, Name::Read) if ok => {
            values.learn_list(told.0);
            match values.list(told.0) {
                Some(_) => looked(F::Members, told.0, 0),
                None => Err(format!("event {at}: a read of a set must see a list")),
            }
        }
        (Model::Set, Name::Read) => Ok(None),
        (Model::Queue | Model::UnorderedQueue, Name::Enqueue) if asked.is_null() => Err(format!(
            "event {at}: what is enqueued must not be null, which a dequeue answers where nothing is there"
        )),
        (Model::Queue | Model::UnorderedQueue, Name::Enqueue) => Ok(Some((F::Enqueue, asked.0, 0))),
        (Model::Queue | Model::UnorderedQueue, Name::Dequeue) => {
            Ok(Some((F::Dequeue, if ok { told.0 } else { 0 }, u32::from(!ok))))
        }
        (Model::Counter, Name::Add | Name::Increment) => {
            let number = values.number(asked.0).ok_or(format!("event {at}: add needs an integer"))?;
            let (a, b) = halves(number);
            Ok(Some((F::Increment, a, b)))
        }
        (Model::Counter, Name::Read) if ok => {
            let number = values.number(told.0).ok_or(format!("event {at}: read must see an integer"))?;
            let (a, b) = halves(number);
            looked(F::Total, a, b)
        }
        (Model::Counter, Name::Read) => Ok(None),
        (Model::Lock | Model::FencedLock, Name::Acquire) => {
            let token = if ok && model == Model::FencedLock { told.0 } else { 0 };
            if token != 0 && values.number(token).is_none() {
                return Err(format!("event {at}: a fencing token must be an integer"));
            }
            Ok(Some((F::Acquire, columns.process[at] as u32, token)))
        }
        (Model::Lock | Model::FencedLock, Name::Release) => {
            Ok(Some((F::Release, columns.process[at] as u32, 0)))
        }
        _ => Err(format!(
            "event {at}: the model knows no function {}",
            String::from_utf8_lossy(&columns.texts.json(columns.f[at]))
        )),
    }
}

/// The same of a plain model.
fn decode_plain(
    model: &Plain,
    columns: &Columns,
    values: &Values<'_>,
    at: usize,
    end: Option<usize>,
    kind: Kind,
) -> Decoded {
    let asked = columns.texts.json(columns.f[at]);
    let name = asked.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(&asked);
    let Some(number) = model.functions.iter().position(|function| function.name.as_bytes() == name) else {
        return Err(format!("event {at}: the model knows no function {}", String::from_utf8_lossy(&asked)));
    };
    let function = &model.functions[number];
    let word = |word: Word, at: usize, value: Text| match word {
        Word::Nothing => Ok(0),
        Word::Process => Ok(columns.process[at] as u32),
        Word::Value => Ok(value.0),
        Word::Integer if values.number(value.0).is_some() => Ok(value.0),
        Word::Integer => Err(format!("event {at}: {} goes with an integer", function.name)),
    };
    let argument = word(function.argument, at, columns.value[at])?;
    let number = number as u8;
    match (kind, end) {
        (Kind::Ok, Some(end)) => {
            let answer = word(function.answer, end, columns.value[end])?;
            Ok(Some((if function.looks { F::Looks(number) } else { F::Changes(number) }, argument, answer)))
        }
        _ if function.looks => Ok(None),
        _ => Ok(Some((F::Unsure(number), argument, 0))),
    }
}
