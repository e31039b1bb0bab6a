//! A whole history: keys in parallel, one verdict, the evidence.

use crate::decide::{decide, Object, Way};
use crate::limits::{Limits, Watch};
use crate::minimal::{self, Sub};
use crate::ops::{parts, Model, Part, Values};
use crate::portfolio::{Answer, Decision};
use columns::json::{self, Value};
use columns::Columns;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Mutex;
use std::time::{Duration, Instant};

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
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Request {
            model,
            way: Way::named(engine.strip_prefix("linear").unwrap_or(engine))
                .ok_or_else(|| format!("there is no engine \"{engine}\""))?,
            time: Duration::try_from_secs_f64(number("time_s", 60.0)).unwrap_or(Duration::from_secs(60)),
            memory: number("memory_bytes", f64::from(1u32 << 30)) as usize,
            threads: value.get("threads").and_then(Value::as_i64).map_or(cores, |n| n.clamp(1, 256) as usize),
            per_key: flag("per_key", true),
            initial: value.get("initial").cloned().unwrap_or_default(),
            witness: flag("witness", false),
            explain: flag("explain", true),
            all_parts: flag("parts", false),
        })
    }
}

struct Outcome {
    decision: Decision,
    sub: Option<Sub>,
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
    report(columns, &parts, &outcomes, &request, started.elapsed())
}

fn judge(
    object: &Object<'_>,
    parts: &[Part],
    request: &Request,
    deadline: Instant,
    stop: &AtomicBool,
) -> Vec<Outcome> {
    let threads = request.threads.min(parts.len()).max(1);
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by_key(|&part| std::cmp::Reverse(parts[part].ops.len()));
    let watch = Watch::more(request.memory);
    let limits = Limits { deadline, memory: request.memory / threads, stop, watch: &watch };
    let next = AtomicUsize::new(0);
    let outcomes: Vec<Mutex<Option<Outcome>>> = parts.iter().map(|_| Mutex::new(None)).collect();
    let work = || loop {
        let Some(&part) = order.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
        let outcome = one(object, &parts[part], request.explain, &limits);
        if let Ok(mut slot) = outcomes[part].lock() {
            *slot = Some(outcome);
        }
    };
    if threads == 1 {
        work();
    } else {
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(work);
            }
        });
    }
    outcomes
        .into_iter()
        .map(|slot| slot.into_inner().ok().flatten().expect("every part was judged"))
        .collect()
}

fn one(object: &Object<'_>, part: &Part, explain: bool, limits: &Limits<'_>) -> Outcome {
    let started = Instant::now();
    let decision = match &part.foreign {
        Some(reason) => {
            Decision { answer: Answer::Unknown(reason.clone(), Vec::new()), engine: "", bytes: 0 }
        }
        None => decide(object, &part.ops, &part.versions, limits),
    };
    let sub = match &decision.answer {
        Answer::Invalid(blame) if explain => Some(minimal::reduce(object, &part.ops, blame, limits)),
        _ => None,
    };
    Outcome { decision, sub, time: started.elapsed() }
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
            keys.push(describe(columns, part, outcome));
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

fn describe(columns: &Columns, part: &Part, outcome: &Outcome) -> Value {
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
        let event = |op: u32| part.ops[op as usize].event;
        let kept = |&(op, whole): &(u32, bool)| {
            let call = event(op);
            let end = if whole { count(columns.pair[call as usize] as usize) } else { Value::Null };
            Value::Array(vec![count(call as usize), end])
        };
        fields.push(("minimal", Value::Bool(sub.minimal)));
        fields.push(("culprit", count(event(sub.culprit) as usize)));
        fields.push(("events", Value::Array(sub.ops.iter().map(kept).collect())));
    }
    Value::object(fields)
}
