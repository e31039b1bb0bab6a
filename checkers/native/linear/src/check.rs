//! A whole history: keys in parallel, one verdict, the evidence.

use crate::certify::bounds::Bounds;
use crate::certify::{self, Second};
use crate::decide::{quickly, search, Object, Way};
use crate::limits::{Limits, Watch, UNSETTLED};
use crate::minimal::{self, Sub};
use crate::ops::{parts, Model, Op, Part, Values};
use crate::portfolio::{Answer, Decision};
use columns::json::{self, Value};
use columns::Columns;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

/// Operations that are not worth another thread.
const FEW: usize = 5_000;
/// How many steps each key is searched before any is searched to the end.
const FIRST_STEPS: u64 = 100_000;
/// Making a contradiction small may take this long for one key, and for all of them together: who waits for a verdict
/// wants it more than the last operation left out.
const EXPLAIN_ONE: Duration = Duration::from_secs(2);
const EXPLAIN_ALL: Duration = Duration::from_secs(15);
/// The second judge's time for one key.
const CONFIRM_ONE: Duration = Duration::from_secs(10);

/// What is asked.
pub struct Request {
    model: Model,
    way: Way,
    time: Duration,
    memory: usize,
    threads: usize,
    per_key: bool,
    initial: Value,
    witness: bool,
    explain: bool,
    all_parts: bool,
    every_key: bool,
}

impl Request {
    /// Read a request; see `crate::check`.
    pub fn read(text: &str) -> Result<Request, String> {
        let value = json::parse(text.as_bytes()).map_err(|error| format!("the request: {error}"))?;
        let name = value.get("model").and_then(Value::as_str).ok_or("the request names no model")?;
        let model = Model::named(name).ok_or_else(|| format!("there is no model \"{name}\""))?;
        let number = |field: &str, default: f64| value.get(field).and_then(Value::as_f64).unwrap_or(default);
        let flag = |field: &str, default: bool| value.get(field).and_then(Value::as_bool).unwrap_or(default);
        let engine = value.get("engine").and_then(Value::as_str).unwrap_or("linear");
        Ok(Request {
            model,
            way: Way::named(engine.strip_prefix("linear").unwrap_or(engine))
                .ok_or_else(|| format!("there is no engine \"{engine}\""))?,
            time: Duration::try_from_secs_f64(number("time_s", 60.0)).unwrap_or(Duration::from_secs(60)),
            memory: number("memory_bytes", f64::from(1u32 << 30)) as usize,
            threads: value
                .get("threads")
                .and_then(Value::as_i64)
                .map_or_else(cores, |n| n.clamp(1, 256) as usize),
            per_key: flag("per_key", true),
            initial: value.get("initial").cloned().unwrap_or_default(),
            witness: flag("witness", false),
            explain: flag("explain", true),
            all_parts: flag("parts", false),
            every_key: flag("every_key", false),
        })
    }
}

/// How many threads the system gives; asked once, for the answer stands in files.
fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

struct Outcome {
    decision: Decision,
    /// Of an invalid part, and of one of which it is not certain: what shows it.
    sub: Option<Sub>,
    /// Who agrees with it.
    confirmed_by: Option<&'static str>,
    /// What the second judge said: `agrees`, `refuses`, `silent`, or nothing where none was asked.
    second: &'static str,
    time: Duration,
}

/// Judge a history. A request that makes no sense is answered with an `error`.
#[must_use]
pub fn check(columns: &Columns, request: &str, stop: &AtomicBool) -> String {
    let started = Instant::now();
    let request = match Request::read(request) {
        Ok(request) => request,
        Err(error) => return Value::object([("error", Value::String(error.into()))]).to_string(),
    };
    let mut values = Values::of(columns);
    let initial = values.intern(request.initial.to_string().as_bytes());
    let parts = parts(columns, &mut values, request.model, request.per_key);
    let object = Object {
        model: request.model,
        values: &values,
        initial,
        moments: columns.len() + 1,
        way: request.way,
    };
    let deadline = started + request.time;
    let outcomes = judge(&object, &parts, &request, deadline, stop);
    report(columns, &values, &parts, &outcomes, &request, started.elapsed())
}

/// Two rounds. The near-linear procedures decide every key that they can. Then the others are searched, cheap ones
/// first and each only a little before any is searched to the end; once a key is shown invalid, searches can change
/// no verdict any more, and unless every key is asked for they are given up.
fn judge(
    object: &Object<'_>,
    parts: &[Part],
    request: &Request,
    deadline: Instant,
    stop: &AtomicBool,
) -> Vec<Outcome> {
    let size: usize = parts.iter().map(|part| part.ops.len()).sum();
    let threads = if size < FEW { 1 } else { request.threads.min(parts.len()).max(1) };
    let watch = Watch::more(request.memory);
    let settled = AtomicBool::new(false);
    let limits = Limits {
        deadline,
        memory: request.memory / threads,
        steps: u64::MAX,
        stop,
        settled: &UNSETTLED,
        watch: &watch,
    };
    let explained_by = OnceLock::new();
    let outcomes: Vec<Mutex<Option<Outcome>>> = parts.iter().map(|_| Mutex::new(None)).collect();
    let put = |part: usize, decision: Decision, started: Instant| {
        let until = || *explained_by.get_or_init(|| Instant::now() + EXPLAIN_ALL);
        let outcome = certified(object, &parts[part].ops, decision, request, &limits, &until, started);
        let bad = matches!(outcome.decision.answer, Answer::Invalid(_));
        settled.fetch_or(bad && !request.every_key, Ordering::Relaxed);
        if let Ok(mut slot) = outcomes[part].lock() {
            *slot = Some(outcome);
        }
    };
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by_key(|&part| std::cmp::Reverse(parts[part].ops.len()));
    share(threads, &order, |part| {
        let (started, operations) = (Instant::now(), &parts[part]);
        if let Some(decision) = near_linear(object, operations, &limits) {
            put(part, decision, started);
        }
    });
    let undecided = |part: &usize| outcomes[*part].lock().is_ok_and(|outcome| outcome.is_none());
    order.reverse();
    for steps in [FIRST_STEPS, u64::MAX] {
        order.retain(undecided);
        let last = steps == u64::MAX || order.len() < 2;
        let limits = Limits { settled: &settled, steps: if last { u64::MAX } else { steps }, ..limits };
        share(threads, &order, |part| {
            let started = Instant::now();
            let decision = search(object, &parts[part].ops, &limits);
            if last || !matches!(decision.answer, Answer::Unknown(..)) {
                put(part, decision, started);
            }
        });
    }
    outcomes
        .into_iter()
        .map(|slot| slot.into_inner().ok().flatten().expect("every part was judged"))
        .collect()
}

/// What an engine calls invalid is made small and judged once more. Where the second judge refuses, nothing is known,
/// and where it gives up nothing is certain: the answer is `Unknown`, with what the engine blamed for others to judge.
fn certified(
    object: &Object<'_>,
    ops: &[Op],
    mut decision: Decision,
    request: &Request,
    limits: &Limits<'_>,
    until: &dyn Fn() -> Instant,
    started: Instant,
) -> Outcome {
    let Answer::Invalid(blame) = &decision.answer else {
        return Outcome { decision, sub: None, confirmed_by: None, second: "", time: started.elapsed() };
    };
    // Confirming may take a little longer than searching was allowed to, else what was found last is lost.
    let grace = limits.deadline + request.time / 16;
    let limits = Limits { deadline: grace.min(until()), ..*limits };
    let sub = minimal::reduce(object, ops, blame, &limits.within(EXPLAIN_ONE));
    let limits = Limits { deadline: grace, ..limits };
    let (sub, second) = certify::either(object, ops, decision.engine, sub, &limits.within(CONFIRM_ONE));
    let (engine, size) = (decision.engine, sub.kept.len());
    let (confirmed_by, second, reason) = match second {
        Second::Agrees(by) => (Some(by), "agrees", None),
        Second::Refuses(why) => {
            let reason = format!("{engine} found no order, but a second judge does not agree: {why}");
            (None, "refuses", Some(format!("{reason}; this is a bug in the engine, please report it")))
        }
        Second::Silent => {
            let reason = format!("{engine} found no order, but no second judge confirmed within the limits");
            (None, "silent", Some(format!("{reason} that the {size} operations that show it have none")))
        }
    };
    if let Some(reason) = reason {
        decision.answer = Answer::Unknown(reason, Vec::new());
    }
    Outcome { decision, sub: Some(sub), confirmed_by, second, time: started.elapsed() }
}

/// Do the work for each item, the first ones first.
fn share(threads: usize, items: &[usize], work: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    let some = || {
        while let Some(&item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            work(item);
        }
    };
    if threads.min(items.len()) < 2 {
        return some();
    }
    std::thread::scope(|scope| {
        for _ in 0..threads.min(items.len()) {
            scope.spawn(some);
        }
    });
}

fn near_linear(object: &Object<'_>, part: &Part, limits: &Limits<'_>) -> Option<Decision> {
    match &part.foreign {
        Some(reason) => {
            Some(Decision { answer: Answer::Unknown(reason.clone(), Vec::new()), engine: "", bytes: 0 })
        }
        None => quickly(object, &part.ops, &part.versions, limits),
    }
}

fn text(text: &str) -> Value {
    Value::String(text.into())
}

fn count(number: usize) -> Value {
    Value::Integer(number as i64)
}

fn verdict(answer: &Answer) -> &'static str {
    match answer {
        Answer::Valid(_) => "valid",
        Answer::Invalid(_) => "invalid",
        Answer::Unknown(..) => "unknown",
    }
}

fn seconds(time: Duration) -> Value {
    Value::Number(format!("{:.6}", time.as_secs_f64()).into())
}

fn report(
    columns: &Columns,
    values: &Values<'_>,
    parts: &[Part],
    outcomes: &[Outcome],
    request: &Request,
    time: Duration,
) -> String {
    let of = |name: &str| outcomes.iter().filter(|outcome| verdict(&outcome.decision.answer) == name).count();
    let overall = if of("invalid") > 0 {
        "invalid"
    } else if of("unknown") > 0 {
        "unknown"
    } else {
        "valid"
    };
    let mut engines: Vec<&str> = outcomes.iter().map(|outcome| outcome.decision.engine).collect();
    engines.sort_unstable();
    engines.dedup();
    engines.retain(|engine| !engine.is_empty());
    let mut keys = Vec::new();
    let mut witness = Vec::new();
    for (part, outcome) in parts.iter().zip(outcomes) {
        let valid = matches!(outcome.decision.answer, Answer::Valid(_));
        if request.all_parts || !valid {
            keys.push(describe(columns, values, part, outcome, request));
        }
        if let (true, Answer::Valid(order)) = (request.witness, &outcome.decision.answer) {
            let order = order.iter().map(|&op| count(part.ops[op as usize].event as usize)).collect();
            witness.push(Value::object([("key", key(columns, part)), ("order", Value::Array(order))]));
        }
    }
    let reason = outcomes.iter().find_map(|outcome| match &outcome.decision.answer {
        Answer::Unknown(reason, _) => Some(reason.as_str()),
        _ => None,
    });
    let operations: usize = parts.iter().map(|part| part.ops.len()).sum();
    let bytes = outcomes.iter().map(|outcome| outcome.decision.bytes).max().unwrap_or(0);
    let tally = ["valid", "invalid", "unknown"].map(|name| (name, count(of(name))));
    Value::object([
        ("verdict", text(overall)),
        ("engine", text(&engines.join("+"))),
        ("reason", text(if overall == "unknown" { reason.unwrap_or("") } else { "" })),
        ("operations", count(operations)),
        ("tally", Value::object(tally)),
        ("keys", Value::Array(keys)),
        ("witness", Value::Array(witness)),
        ("bytes", count(bytes)),
        ("time_s", seconds(time)),
    ])
    .to_string()
}

fn key(columns: &Columns, part: &Part) -> Value {
    part.key.map_or(Value::Null, |key| json::parse(&columns.texts.json(key)).unwrap_or_default())
}

fn describe(
    columns: &Columns,
    values: &Values<'_>,
    part: &Part,
    outcome: &Outcome,
    request: &Request,
) -> Value {
    let mut fields = vec![
        ("key", key(columns, part)),
        ("verdict", text(verdict(&outcome.decision.answer))),
        ("engine", text(outcome.decision.engine)),
        ("operations", count(part.ops.len())),
        ("time_s", seconds(outcome.time)),
    ];
    if let Answer::Unknown(reason, prefix) = &outcome.decision.answer {
        let order = prefix.iter().map(|&op| count(part.ops[op as usize].event as usize)).collect();
        fields.push(("reason", text(reason)));
        fields.push(("prefix", Value::Array(order)));
    }
    if let Some(sub) = &outcome.sub {
        if request.explain {
            fields.extend(evidence(columns, values, part, sub));
        }
        fields.push(("confirmed_by", outcome.confirmed_by.map_or(Value::Null, text)));
        fields.push(("second", text(outcome.second)));
    }
    Value::object(fields)
}

/// The part that shows it: positions of calls, and of completions as far as these are kept.
fn evidence(columns: &Columns, values: &Values<'_>, part: &Part, sub: &Sub) -> Vec<(&'static str, Value)> {
    let event = |op: u32| count(part.ops[op as usize].event as usize);
    let kept = |op: u32, whole: bool| {
        let call = part.ops[op as usize].event as usize;
        let end = if whole { count(columns.pair[call] as usize) } else { Value::Null };
        Value::Array(vec![count(call), end])
    };
    let mut fields = vec![
        ("minimal", Value::Bool(sub.minimal)),
        ("culprit", event(sub.culprit)),
        ("events", Value::Array(sub.ops.iter().map(|&(op, whole)| kept(op, whole)).collect())),
    ];
    let judged = || sub.kept.iter().map(|&(op, known)| kept(op, !known.open())).collect();
    let mut certificate = match &sub.bounds {
        Some(bounds) => sums(bounds, &event),
        None => vec![("kind", text("no-order")), ("operations", Value::Array(judged()))],
    };
    certificate.push(("since", sub.since.map_or(Value::Null, event)));
    if let Some(elements) = &sub.elements {
        let json = |&element: &u32| json::parse(&values.json(element)).unwrap_or_default();
        fields.push(("elements", Value::Array(elements.iter().map(json).collect())));
    }
    fields.push(("certificate", Value::object(certificate)));
    fields
}

fn sums(bounds: &Bounds, event: &dyn Fn(u32) -> Value) -> Vec<(&'static str, Value)> {
    let kind = match bounds {
        Bounds::Low { .. } => "sum-low",
        Bounds::High { .. } => "sum-high",
        Bounds::Step { .. } => "sum-step",
    };
    let mut fields = vec![("kind", text(kind)), ("read", event(bounds.read()))];
    if let Bounds::Low { after, between, .. } = bounds {
        fields.push(("after", after.map_or(Value::Null, event)));
        fields.push(("between", Value::Array(between.iter().map(|&id| event(id)).collect())));
    }
    fields
}
