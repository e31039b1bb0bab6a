//! Isolation of transactions: dependency graphs, cycles, anomalies.
//!
//! A history of transactions becomes a graph: who wrote what another read, overwrote or missed, and who came first in
//! real time. No cycle, and a replay of the transactions in the graph's order proves that they could have happened one
//! after the other. A cycle is an anomaly; which edges it needs says which consistency models it rules out.
#![forbid(unsafe_code)]

mod answer;
mod append;
mod append_told;
mod around;
mod atomic;
mod choices;
mod complete;
mod cycles;
mod explain;
mod findings;
mod graph;
mod inside;
mod judge;
mod limits;
mod models;
mod named;
mod nulls;
mod pairs;
mod parse;
mod prove;
mod refuted;
mod register;
mod replay;
mod seen;
mod settle;
mod shape;
mod table;
mod time;
mod topo;
mod txns;

use columns::json::{self, Value};
use columns::Columns;
use std::sync::atomic::AtomicBool;

const MEMORY_BYTES: i64 = 1 << 30;
const TIME_S: f64 = 60.0;

/// What is asked for.
pub(crate) struct Request {
    model: txns::Model,
    expect: models::Set,
    time_s: f64,
    memory_bytes: usize,
    /// Hand out the order of transactions that proves `valid`.
    witness: bool,
}

/// Judge a history as a JSON request asks; the answer is a JSON object.
///
/// Request: `model` (`append` or `rw`), `expect` (a consistency model; `strict-serializable` by default), `time_s`,
/// `memory_bytes`, `witness` (true to be given the order). Answer: `verdict`, `reason`, `strongest` (models that still
/// hold), `not` (the weakest that do not), `anomalies` with examples, `proved` (a replay in the graph's order gave every
/// read), `stats`. A history that is not a list of transactions is `unknown` with the reason.
#[must_use]
pub fn check(columns: &Columns, request: &str, stop: &AtomicBool) -> String {
    let answer = read(request).map_or_else(
        |reason| refusal(&reason),
        |request| {
            let limits = limits::Limits::new(request.time_s, request.memory_bytes, stop);
            judge::judge(columns, &request, &limits).unwrap_or_else(|halt| refusal(&halt.0))
        },
    );
    answer.to_string()
}

fn refusal(reason: &str) -> Value {
    Value::object([("verdict", "unknown".into()), ("reason", reason.into())])
}

fn read(request: &str) -> Result<Request, String> {
    let request =
        json::parse(request.as_bytes()).map_err(|error| format!("the request is not JSON: {error}"))?;
    let text = |name: &str| request.get(name).and_then(Value::as_str);
    let model = match text("model") {
        None | Some("append" | "list-append") => txns::Model::Append,
        Some("rw" | "rw-register") => txns::Model::Register,
        Some(other) => return Err(format!("no transactions are called \"{other}\" (known: append, rw)")),
    };
    let expect = text("expect").unwrap_or("strict-serializable");
    let expect = models::named(expect).ok_or_else(|| {
        format!("no consistency model is called \"{expect}\" (known: {})", models::names().join(", "))
    })?;
    let memory = request.get("memory_bytes").and_then(Value::as_i64).unwrap_or(MEMORY_BYTES);
    Ok(Request {
        model,
        expect,
        time_s: request.get("time_s").and_then(Value::as_f64).unwrap_or(TIME_S),
        memory_bytes: usize::try_from(memory).unwrap_or(0),
        witness: request.get("witness").and_then(Value::as_bool).unwrap_or(false),
    })
}
