//! Hold the engines to histories whose verdict is known; exits 1 if any is wrong.
//!
//! `made [--histories N] [--largest OPERATIONS] [--seed N] [--steps N] [--threads N] [--model NAME] [--number N]
//! [--write]`: `--number` judges one history, `--write` prints it as JSON lines besides.

use columns::json::Value;
use columns::Columns;
use linear::ops::{Op, Values, F};
use made::judge::{history, judge, Tally};
use made::shape::MODELS;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Mutex;

struct Asked {
    histories: u64,
    largest: usize,
    seed: u64,
    steps: u64,
    threads: usize,
    models: Vec<&'static str>,
    number: Option<u64>,
    write: bool,
}

fn main() {
    let asked = match read(std::env::args().skip(1)) {
        Ok(asked) => asked,
        Err(error) => {
            eprintln!("made: {error}");
            std::process::exit(4);
        }
    };
    if let (Some(number), true) = (asked.number, asked.write) {
        return print(asked.models[0], asked.largest, number);
    }
    let mut clean = true;
    for name in &asked.models {
        let tally = run(name, &asked);
        clean &= tally.wrong.is_empty();
        println!("{}", line(name, &tally));
    }
    std::process::exit(i32::from(!clean));
}

fn read(mut arguments: impl Iterator<Item = String>) -> Result<Asked, String> {
    let mut asked = Asked {
        histories: 1_000,
        largest: 2_000,
        seed: 0,
        steps: 60_000,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        models: MODELS.to_vec(),
        number: None,
        write: false,
    };
    while let Some(name) = arguments.next() {
        if name == "--write" {
            asked.write = true;
            continue;
        }
        let value = arguments.next().ok_or(format!("{name} needs a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{name} needs a number, not {value}"));
        match name.as_str() {
            "--histories" => asked.histories = number()?,
            "--largest" => asked.largest = number()? as usize,
            "--seed" => asked.seed = number()?,
            "--steps" => asked.steps = number()?,
            "--threads" => asked.threads = number()? as usize,
            "--number" => asked.number = Some(number()?),
            "--model" => {
                let known = MODELS.into_iter().find(|known| *known == value);
                let known = known.ok_or(format!("no model {value}; there are {}", MODELS.join(", ")))?;
                asked.models = vec![known];
            }
            _ => return Err(format!("there is no option {name}")),
        }
    }
    Ok(asked)
}

/// Every thread takes the next number until all are judged.
fn run(name: &'static str, asked: &Asked) -> Tally {
    if let Some(number) = asked.number {
        let mut tally = Tally::default();
        judge(name, asked.largest, number, asked.steps, &mut tally);
        return tally;
    }
    let first = asked.seed << 32;
    let next = AtomicU64::new(0);
    let all = Mutex::new(Tally::default());
    std::thread::scope(|scope| {
        for _ in 0..asked.threads.max(1) {
            scope.spawn(|| {
                let mut tally = Tally::default();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= asked.histories {
                        break;
                    }
                    judge(name, asked.largest, first + number, asked.steps, &mut tally);
                }
                all.lock().expect("no thread panicked").add(tally);
            });
        }
    });
    all.into_inner().expect("no thread panicked")
}

fn line(name: &str, tally: &Tally) -> Value {
    let count = |number: u64| Value::Integer(number as i64);
    let answers = tally.answers.iter().map(|(name, &times)| (name.as_str(), count(times)));
    let wrong = tally.wrong.iter().map(|wrong| Value::String(wrong.as_str().into())).collect();
    Value::object([
        ("model", Value::String(name.into())),
        ("histories", count(tally.histories)),
        ("operations", count(tally.operations)),
        ("answers", Value::object(answers)),
        ("wrong", Value::Array(wrong)),
    ])
}

/// The history of this number as JSON lines.
fn print(name: &'static str, largest: usize, number: u64) {
    let columns = Columns::default();
    let mut values = Values::of(&columns);
    let (_, history, _) = history(name, largest, number, &mut values);
    let mut events: Vec<(u32, String)> = Vec::new();
    for (process, op) in history.ops.iter().enumerate() {
        let process = if matches!(op.f, F::Acquire | F::Release) { op.a as usize } else { process };
        let (f, asked, told) = written(op, &values);
        let event = |kind: &str, value: &str| {
            format!("{{\"process\":{process},\"type\":\"{kind}\",\"f\":\"{f}\",\"value\":{value}}}")
        };
        events.push((op.call, event("invoke", &asked)));
        if !op.open() {
            events.push((op.ret, event("ok", &told)));
        }
    }
    events.sort_unstable();
    events.iter().for_each(|(_, event)| println!("{event}"));
}

/// Function, what was asked and what was answered.
fn written(op: &Op, values: &Values<'_>) -> (&'static str, String, String) {
    let text = |value: u32| String::from_utf8_lossy(&values.json(value)).into_owned();
    let nothing = || "null".to_string();
    let same = |f, value: String| (f, value.clone(), value);
    match op.f {
        F::Read => ("read", nothing(), text(op.a)),
        F::Write => same("write", text(op.a)),
        F::Cas => same("cas", format!("[{},{}]", text(op.a), text(op.b))),
        F::Append => same("append", text(op.a)),
        F::Add => same("add", text(op.a)),
        F::Remove => same("remove", text(op.a)),
        F::Contains => ("contains", text(op.a), (op.b == 1).to_string()),
        F::Members => {
            let list: Vec<String> = values.list(op.a).unwrap_or_default().iter().map(|&a| text(a)).collect();
            ("read", nothing(), format!("[{}]", list.join(",")))
        }
        F::Enqueue => same("enqueue", text(op.a)),
        F::Dequeue => ("dequeue", nothing(), text(op.a)),
        F::Increment => same("add", op.number().to_string()),
        F::Total => ("read", nothing(), op.number().to_string()),
        F::Acquire => ("acquire", nothing(), text(op.b)),
        F::Release | F::Custom => same("release", nothing()),
    }
}
