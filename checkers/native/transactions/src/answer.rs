//! The answer as JSON.

use crate::findings::{Example, Finding, Findings};
use crate::models;
use crate::txns::{Outcome, Txns};
use columns::json::{parse, Value};
use columns::{Columns, NONE};

/// What the judge found, before it is written down.
pub(crate) struct Judgement {
    pub verdict: &'static str,
    pub reason: String,
    pub ruled_out: models::Set,
    /// Models that were proved to hold.
    pub held: models::Set,
    pub proved: bool,
    /// Transactions in an order that explains all reads; None unless asked for and proved.
    pub witness: Option<Vec<u32>>,
    pub stats: Vec<(&'static str, Value)>,
}

/// Write a judgement down. `expect` is the set of the expected model.
pub(crate) fn write(
    columns: &Columns,
    txns: &Txns,
    findings: &Findings<'_>,
    judgement: &Judgement,
    expect: models::Set,
) -> Value {
    let anomalies: Vec<Value> = findings.list.iter().map(|one| finding(columns, txns, one, expect)).collect();
    let mut fields = vec![
        ("verdict", Value::from(judgement.verdict)),
        ("reason", judgement.reason.as_str().into()),
        ("operations", txns.list.len().into()),
        ("strongest", models::strongest(judgement.held).into()),
        ("not", models::weakest(judgement.ruled_out).into()),
        ("proved", judgement.proved.into()),
        ("anomalies", anomalies.into()),
        ("stats", Value::object(judgement.stats.iter().cloned())),
    ];
    if let Some(witness) = &judgement.witness {
        let index = |&txn: &u32| columns.index[txns.list[txn as usize].invoke as usize].into();
        fields.push(("witness", witness.iter().map(index).collect::<Vec<Value>>().into()));
    }
    Value::object(fields)
}

fn finding(columns: &Columns, txns: &Txns, finding: &Finding, expect: models::Set) -> Value {
    let ruled_out = models::ruled_out(&finding.name);
    let examples: Vec<Value> = finding.examples.iter().map(|one| example(columns, txns, one)).collect();
    Value::object([
        ("name", finding.name.as_str().into()),
        ("count", finding.count.into()),
        ("violates", (ruled_out & expect != 0).into()),
        ("not", models::weakest(ruled_out).into()),
        ("examples", examples.into()),
    ])
}

fn example(columns: &Columns, txns: &Txns, example: &Example) -> Value {
    let index = |at: u32| columns.index[at as usize];
    let mut events: Vec<i64> = Vec::new();
    for &number in &example.txns {
        let txn = &txns.list[number as usize];
        events.push(index(txn.invoke));
        if txn.complete != NONE {
            events.push(index(txn.complete));
        }
    }
    events.sort_unstable();
    events.dedup();
    let key = example.key.map_or(Value::Null, |key| parse(txns.key_json(key).as_bytes()).unwrap_or_default());
    let culprit = example.txns.last().map(|&number| index(txns.list[number as usize].invoke));
    let named: Vec<Value> =
        example.txns.iter().enumerate().map(|(at, &number)| transaction(columns, txns, at, number)).collect();
    let name = |number: u32| {
        let at = example.txns.iter().position(|&other| other == number).unwrap_or(0);
        format!("T{}", at + 1)
    };
    let cycle: Vec<Value> = example
        .cycle
        .iter()
        .map(|step| {
            let key =
                step.key.map_or(Value::Null, |key| parse(txns.key_json(key).as_bytes()).unwrap_or_default());
            Value::object([
                ("from", name(step.from).into()),
                ("to", name(step.to).into()),
                ("kind", step.kind.into()),
                ("key", key),
                ("why", step.why.as_str().into()),
            ])
        })
        .collect();
    Value::object([
        ("sentence", example.sentence.as_str().into()),
        ("key", key),
        ("events", events.into()),
        ("culprit", culprit.into()),
        ("transactions", named.into()),
        ("cycle", cycle.into()),
    ])
}

fn transaction(columns: &Columns, txns: &Txns, at: usize, number: u32) -> Value {
    let txn = &txns.list[number as usize];
    let outcome = match txn.outcome {
        Outcome::Ok => "ok",
        Outcome::Info => "info",
        Outcome::Fail => "fail",
    };
    let shown = if txn.outcome == Outcome::Ok && !columns.value[txn.complete as usize].is_null() {
        txn.complete
    } else {
        txn.invoke
    };
    Value::object([
        ("name", format!("T{}", at + 1).into()),
        ("index", columns.index[txn.invoke as usize].into()),
        ("process", txn.process.into()),
        ("outcome", outcome.into()),
        ("value", columns.texts.value(columns.value[shown as usize])),
    ])
}
