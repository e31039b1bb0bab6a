//! A request, an answer.

use crate::graph::{Step, Why};
use crate::levels::{contradicts, decide, smallest, Answer, Broken, Level, LEVELS};
use crate::limits::Limits;
use crate::nodes::{self, Nodes};
use crate::object_levels;
use crate::objects::Objects;
use crate::totals::Floor;
use columns::json::{self, Value};
use columns::Columns;
use linear::ops::{Model, Values};
use std::collections::HashSet;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// Making a contradiction small may take this long.
const SMALL: Duration = Duration::from_secs(3);

/// Judge a history of objects.
///
/// Request: `model`, `initial`, `per_key`, `time_s`, `memory_bytes`. Answer: `operations`; `impossible`, reads that no
/// level explains (`call`, `name`, `element`); `levels`, for each that is decided for the model `verdict`, `reason`, and
/// the `order` (positions of invocations) or the contradiction: `events` (positions of invocations, minimal), `session`,
/// `steps` of the circle, the `elements` of sets that it is about, the `sum` of a counter. A history that holds something
/// else than the model has `error`.
#[must_use]
pub fn check(columns: &Columns, request: &str, stop: &AtomicBool) -> String {
    answer(columns, request, stop)
        .unwrap_or_else(|error| Value::object([("error", error.into())]))
        .to_string()
}

fn answer(columns: &Columns, request: &str, stop: &AtomicBool) -> Result<Value, String> {
    let request = json::parse(request.as_bytes()).map_err(|error| format!("the request: {error}"))?;
    let time = request.get("time_s").and_then(Value::as_f64).unwrap_or(60.0);
    let time = Duration::try_from_secs_f64(time).unwrap_or(Duration::from_secs(60));
    let memory = request.get("memory_bytes").and_then(Value::as_i64).unwrap_or(1 << 30);
    let limits =
        Limits { deadline: Instant::now() + time, time, memory: usize::try_from(memory).unwrap_or(0), stop };
    let initial = request.get("initial").cloned().unwrap_or_default().to_string();
    let per_key = request.get("per_key").and_then(Value::as_bool).unwrap_or(true);
    let name = request.get("model").and_then(Value::as_str).unwrap_or("register");
    let model = Model::named(name).ok_or_else(|| format!("there is no model \"{name}\""))?;
    let mut values = Values::of(columns);
    let registers = match model {
        Model::Register | Model::Set => true,
        Model::Kv => !appends(columns),
        _ => false,
    };
    if registers {
        let (nodes, impossible) = nodes::read(columns, &mut values, model, initial.as_bytes(), per_key)?;
        return Ok(of_registers(&nodes, &impossible, &values, &limits));
    }
    let objects = Objects::read(columns, &mut values, model, initial.as_bytes(), per_key)?;
    Ok(of_objects(&objects, &values, &limits))
}

fn appends(columns: &Columns) -> bool {
    columns.f.iter().any(|&f| *columns.texts.json(f) == *b"\"append\"")
}

fn of_registers(
    nodes: &Nodes,
    impossible: &[nodes::Impossible],
    values: &Values<'_>,
    limits: &Limits<'_>,
) -> Value {
    let mut answers = Vec::new();
    let (mut sequential, mut pram) = (false, false);
    for (level, name) in LEVELS {
        if !impossible.is_empty() {
            break;
        }
        // The search for a sequential order leaves time for the others.
        let share = if level == Level::Sequential { limits.time.mul_f64(0.6) } else { limits.time };
        // What a stronger level explains, every weaker one allows.
        let of_pram = !matches!(level, Level::Causal | Level::WritesFollowReads);
        let implied = sequential || (pram && of_pram);
        let found =
            if implied { Answer::Holds(None) } else { decide(nodes, level, false, &limits.within(share)) };
        let holds = matches!(found, Answer::Holds(_));
        sequential |= level == Level::Sequential && holds;
        pram |= matches!(level, Level::Causal | Level::Pram) && holds;
        answers.push((name, told(nodes, values, level, found, limits)));
    }
    let impossible: Vec<Value> = impossible
        .iter()
        .map(|one| {
            let call = nodes.list[one.node as usize].event;
            let element = nodes.elements.get(one.key as usize).map(|&element| element_told(values, element));
            let one = [("call", call.into()), ("name", one.name.into()), ("element", element.into())];
            Value::object(one)
        })
        .collect();
    Value::object([
        ("operations", nodes.list.len().into()),
        ("impossible", impossible.into()),
        ("levels", Value::object(answers)),
    ])
}

fn element_told(values: &Values<'_>, element: u32) -> Value {
    json::parse(&values.json(element)).unwrap_or_default()
}

fn of_objects(objects: &Objects, values: &Values<'_>, limits: &Limits<'_>) -> Value {
    use object_levels::Answer;
    let small = |limits: &Limits<'_>| limits.deadline.min(Instant::now() + limits.time.mul_f64(0.6) + SMALL);
    let first = limits.within(limits.time.mul_f64(0.6));
    let found =
        object_levels::sequential(objects, values, &first, &Limits { deadline: small(limits), ..first });
    let holds = matches!(found, Answer::Holds(_));
    let mut answers = vec![("sequential", object_told(objects, found))];
    let mut implied = holds;
    let levels = [("pram", Floor::Both), ("monotonic-reads", Floor::Reads), ("read-your-writes", Floor::Own)];
    for (name, floor) in levels.into_iter().filter(|_| objects.model == Model::Counter) {
        let found = if implied {
            Answer::Holds(None)
        } else {
            object_levels::session_level(objects, values, floor, limits)
        };
        implied |= floor == Floor::Both && matches!(found, Answer::Holds(_));
        answers.push((name, object_told(objects, found)));
    }
    Value::object([
        ("operations", objects.items.len().into()),
        ("impossible", Vec::<Value>::new().into()),
        ("levels", Value::object(answers)),
    ])
}

fn object_told(objects: &Objects, answer: object_levels::Answer) -> Value {
    use object_levels::Answer;
    let event = |at: u32| -> Value { objects.items[at as usize].op.event.into() };
    let events = |list: &[u32]| -> Vec<Value> { list.iter().map(|&at| event(at)).collect() };
    match answer {
        Answer::Holds(order) => {
            Value::object([("verdict", "valid".into()), ("order", order.map(|order| events(&order)).into())])
        }
        Answer::Unknown(reason) => Value::object([("verdict", "unknown".into()), ("reason", reason.into())]),
        Answer::Fails(broken) => {
            let part = objects.only(&broken.kept);
            let known = |at: u32| part.items.get(at as usize).map(|item| item.op.event);
            let steps = broken.cycle.iter().filter_map(|step| step_told(known, step));
            let process = broken.session.and_then(|session| objects.sessions[session].first().copied());
            let sum = broken.sum.map(|sum| {
                Value::object([
                    ("kind", sum.kind.into()),
                    ("read", event(sum.read)),
                    ("after", sum.after.map(event).into()),
                    ("between", events(&sum.between).into()),
                ])
            });
            Value::object([
                ("verdict", "invalid".into()),
                ("events", events(&broken.kept).into()),
                ("minimal", broken.minimal.into()),
                ("session", process.map(event).into()),
                ("steps", steps.collect::<Vec<Value>>().into()),
                ("sum", sum.into()),
            ])
        }
    }
}

fn told(nodes: &Nodes, values: &Values<'_>, level: Level, answer: Answer, limits: &Limits<'_>) -> Value {
    let events = |list: &[u32]| -> Vec<Value> {
        list.iter().map(|&at| nodes.list[at as usize].event.into()).collect()
    };
    match answer {
        Answer::Holds(order) => {
            Value::object([("verdict", "valid".into()), ("order", order.map(|order| events(&order)).into())])
        }
        Answer::Unknown(reason) => Value::object([("verdict", "unknown".into()), ("reason", reason.into())]),
        Answer::Fails(broken) => {
            let limits = &limits.within(SMALL);
            let alone = broken.as_ref().is_some_and(|broken| broken.alone);
            let (kept, minimal) = smallest(nodes, level, alone, candidates(nodes, broken), limits);
            let (kept, elements) = of_elements(nodes, nodes.shown(kept));
            let part = nodes.only(&kept);
            let shown = contradicts(&part, level, alone, limits).unwrap_or_default();
            let session = shown.as_ref().and_then(|shown| shown.session);
            let known = |at: u32| part.list.get(at as usize).map(|node| node.event);
            let steps: Vec<Value> = shown
                .iter()
                .flat_map(|shown| &shown.cycle)
                .filter_map(|step| step_told(known, step))
                .collect();
            let process = session.and_then(|session| part.sessions[session].first().copied());
            let elements: Option<Vec<Value>> = (!nodes.elements.is_empty())
                .then(|| elements.iter().map(|&element| element_told(values, element)).collect());
            Value::object([
                ("verdict", "invalid".into()),
                ("events", events(&kept).into()),
                ("minimal", minimal.into()),
                ("alone", alone.into()),
                ("session", process.map(|at| part.list[at as usize].event).into()),
                ("steps", steps.into()),
                ("elements", elements.into()),
            ])
        }
    }
}

/// Of sets: the elements that a contradiction is about, those that it writes; and the same elements of every set that
/// it reads, with all that wrote what was read of them, so that reads can be shown with these elements alone.
fn of_elements(nodes: &Nodes, kept: Vec<u32>) -> (Vec<u32>, Vec<u32>) {
    let wrote = kept.iter().filter_map(|&at| nodes.list[at as usize].write);
    let mut elements: Vec<u32> =
        wrote.filter_map(|(key, _)| nodes.elements.get(key as usize).copied()).collect();
    elements.sort_unstable();
    elements.dedup();
    if elements.is_empty() {
        return (kept, elements);
    }
    let mut wanted: HashSet<(u32, u32)> = HashSet::new();
    for &at in &kept {
        let seen = nodes.reads(&nodes.list[at as usize]).iter();
        let about = seen.filter(|seen| elements.binary_search(&nodes.elements[seen.key as usize]).is_ok());
        wanted.extend(about.map(|seen| (seen.key, seen.value)));
    }
    let mut kept: Vec<u32> = kept;
    kept.extend(
        (0..nodes.list.len() as u32)
            .filter(|&at| nodes.list[at as usize].write.is_some_and(|write| wanted.contains(&write))),
    );
    kept.sort_unstable();
    kept.dedup();
    (kept, elements)
}

/// Where to look for a small contradiction: what the circle speaks of, that with all of its session, everything.
fn candidates(nodes: &Nodes, broken: Option<Broken>) -> Vec<Vec<u32>> {
    let all: Vec<u32> = (0..nodes.list.len() as u32).collect();
    let Some(broken) = broken else { return vec![all] };
    let near = touched(nodes, &broken.grounds);
    let own = broken.session.map_or(&[][..], |session| nodes.sessions[session].as_slice());
    let session = sorted([near.as_slice(), own].concat(), nodes);
    vec![sorted(near, nodes), session, all]
}

/// The nodes that steps speak of.
fn touched(nodes: &Nodes, steps: &[Step]) -> Vec<u32> {
    let count = nodes.list.len() as u32;
    let behind = count + nodes.keys;
    let mut found: Vec<u32> = Vec::new();
    for (from, edge) in steps {
        let by = match edge.why {
            Why::Seen | Why::ReadFrom | Why::Overwritten => Some(edge.by),
            Why::Session | Why::Initial | Why::Queue | Why::Held | Why::Counted => None,
        };
        found.extend([Some(*from), Some(edge.to), by].into_iter().flatten().filter_map(|at| match at {
            at if at < count => Some(at),
            at if at >= behind => Some(at - behind),
            _ => None,
        }));
    }
    found
}

/// In order and once, with the writes that were read.
fn sorted(mut found: Vec<u32>, nodes: &Nodes) -> Vec<u32> {
    let count = nodes.list.len() as u32;
    let origins: Vec<u32> = found
        .iter()
        .flat_map(|&at| nodes.origins(&nodes.list[at as usize]))
        .map(|(_, origin)| origin)
        .filter(|&at| at < count)
        .collect();
    found.extend(origins);
    found.sort_unstable();
    found.dedup();
    found
}

fn step_told(event: impl Fn(u32) -> Option<u32>, (from, edge): &Step) -> Option<Value> {
    let why = match edge.why {
        Why::Session => "session",
        Why::ReadFrom => "read",
        Why::Seen => "seen",
        Why::Overwritten => "overwritten",
        Why::Queue => "queue",
        Why::Held => "held",
        Why::Counted => "counted",
        Why::Initial => return None,
    };
    Some(Value::object([
        ("from", event(*from).into()),
        ("to", event(edge.to).into()),
        ("why", why.into()),
        ("by", event(edge.by).into()),
    ]))
}
