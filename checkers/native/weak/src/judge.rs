//! A request, an answer.

use crate::graph::{Step, Why};
use crate::levels::{contradicts, decide, smallest, Answer, Broken, Level, LEVELS};
use crate::limits::Limits;
use crate::nodes::{self, Nodes};
use columns::json::{self, Value};
use columns::Columns;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// Making a contradiction small may take this long.
const SMALL: Duration = Duration::from_secs(3);

/// Judge a history of registers.
///
/// Request: `levels` (names; all without it), `initial`, `per_key`, `time_s`, `memory_bytes`. Answer: `operations`;
/// `impossible`, reads that no level explains (`call`, `name`); `levels`, for each `verdict`, `reason`, and the `order`
/// (positions of invocations) or the contradiction: `events` (positions of invocations, minimal), `session`, `steps` of
/// the circle. A history that holds something else than registers has `error`.
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
    let wanted: Option<Vec<&str>> = request
        .get("levels")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect());
    let (nodes, impossible) = nodes::read(columns, initial.as_bytes(), per_key)?;
    let mut answers = Vec::new();
    let mut sequential = false;
    for (level, name) in LEVELS {
        if !impossible.is_empty() || wanted.as_ref().is_some_and(|wanted| !wanted.contains(&name)) {
            continue;
        }
        // What a sequential order explains, every weaker model allows.
        // The search for a sequential order leaves time for the others.
        let share = if level == Level::Sequential { time.mul_f64(0.6) } else { time };
        let found =
            if sequential { Answer::Holds(None) } else { decide(&nodes, level, &limits.within(share)) };
        sequential |= level == Level::Sequential && matches!(found, Answer::Holds(_));
        answers.push((name, told(&nodes, level, found, &limits)));
    }
    let impossible: Vec<Value> = impossible
        .iter()
        .map(|one| {
            let call = nodes.list[one.node as usize].event;
            Value::object([("call", call.into()), ("name", one.name.into())])
        })
        .collect();
    Ok(Value::object([
        ("operations", nodes.list.len().into()),
        ("impossible", impossible.into()),
        ("levels", Value::object(answers)),
    ]))
}

fn told(nodes: &Nodes, level: Level, answer: Answer, limits: &Limits<'_>) -> Value {
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
            let (kept, minimal) = smallest(nodes, level, candidates(nodes, broken), limits);
            let part = nodes.only(&kept);
            let shown = contradicts(&part, level, limits).unwrap_or_default();
            let session = shown.as_ref().and_then(|shown| shown.session);
            let steps: Vec<Value> = shown
                .iter()
                .flat_map(|shown| &shown.cycle)
                .filter_map(|step| step_told(&part, step))
                .collect();
            let process = session.and_then(|session| part.sessions[session].first().copied());
            Value::object([
                ("verdict", "invalid".into()),
                ("events", events(&kept).into()),
                ("minimal", minimal.into()),
                ("session", process.map(|at| part.list[at as usize].event).into()),
                ("steps", steps.into()),
            ])
        }
    }
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
            Why::Session | Why::Initial => None,
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
        .filter_map(|&at| nodes.origin(&nodes.list[at as usize]))
        .filter(|&at| at < count)
        .collect();
    found.extend(origins);
    found.sort_unstable();
    found.dedup();
    found
}

fn step_told(nodes: &Nodes, (from, edge): &Step) -> Option<Value> {
    let event = |at: u32| nodes.list.get(at as usize).map(|node| node.event);
    let why = match edge.why {
        Why::Session => "session",
        Why::ReadFrom => "read",
        Why::Seen => "seen",
        Why::Overwritten => "overwritten",
        Why::Initial => return None,
    };
    Some(Value::object([
        ("from", event(*from).into()),
        ("to", event(edge.to).into()),
        ("why", why.into()),
        ("by", event(edge.by).into()),
    ]))
}
