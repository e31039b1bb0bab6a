//! Hold the engines to histories whose verdict is known; exits 1 if any is wrong.
//!
//! `made [--histories N] [--largest OPERATIONS] [--seed N] [--steps N] [--threads N] [--model NAME] [--way NAME]`, and to
//! fix what is random: `[--operations N] [--clients N] [--values N|unique] [--unknown SHARE] [--mix 0|1|2]`.
//! `--number N` judges one history, with `--write` it is printed as JSON lines instead.

use columns::json::Value;
use columns::Columns;
use linear::ops::{Op, Values, F};
use made::judge::{history, judge, Asked, Tally, WAYS};
use made::shape::{Fixed, MODELS};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Mutex;

struct Given {
    histories: u64,
    seed: u64,
    asked: Asked,
    threads: usize,
    models: Vec<&'static str>,
    number: Option<u64>,
    write: bool,
}

fn main() {
    let given = match read(std::env::args().skip(1)) {
        Ok(given) => given,
        Err(error) => {
            eprintln!("made: {error}");
            std::process::exit(4);
        }
    };
    if let (Some(number), true) = (given.number, given.write) {
        return print(given.models[0], &given.asked, number);
    }
    let mut clean = true;
    for name in &given.models {
        let tally = run(name, &given);
        clean &= tally.wrong.is_empty();
        println!("{}", line(name, &tally));
    }
    std::process::exit(i32::from(!clean));
}

fn read(mut arguments: impl Iterator<Item = String>) -> Result<Given, String> {
    let asked = Asked { largest: 2_000, fixed: Fixed::default(), steps: 60_000, ways: WAYS.to_vec() };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let models = MODELS.to_vec();
    let mut given = Given { histories: 1_000, seed: 0, asked, threads, models, number: None, write: false };
    while let Some(name) = arguments.next() {
        if name == "--write" {
            given.write = true;
            continue;
        }
        let value = arguments.next().ok_or(format!("{name} needs a value"))?;
        set(&mut given, &name, &value)?;
    }
    Ok(given)
}

fn set(given: &mut Given, name: &str, value: &str) -> Result<(), String> {
    let number = || value.parse::<u64>().map_err(|_| format!("{name} needs a number, not {value}"));
    let listed = |list: &[&'static str]| {
        let known = list.iter().copied().find(|known| *known == value);
        known.ok_or(format!("{name}: there is no {value}; there are {}", list.join(", ")))
    };
    let fixed = &mut given.asked.fixed;
    match name {
        "--histories" => given.histories = number()?,
        "--largest" => given.asked.largest = number()? as usize,
        "--seed" => given.seed = number()?,
        "--steps" => given.asked.steps = number()?,
        "--threads" => given.threads = number()? as usize,
        "--number" => given.number = Some(number()?),
        "--model" => given.models = vec![listed(&MODELS)?],
        "--way" => given.asked.ways = vec![listed(&WAYS)?],
        "--operations" => fixed.operations = Some(number()? as usize),
        "--clients" => fixed.clients = Some(number()?.max(1) as usize),
        "--values" if value == "unique" => fixed.values = Some(None),
        "--values" => fixed.values = Some(Some(number()?.max(1) as u32)),
        "--unknown" => {
            let share = value.parse().map_err(|_| format!("{name} needs a share, not {value}"))?;
            fixed.unknown = Some(share);
        }
        "--mix" => fixed.mix = Some(number()?.min(2) as u8),
        _ => return Err(format!("there is no option {name}")),
    }
    Ok(())
}

/// Every thread takes the next number until all are judged.
fn run(name: &'static str, given: &Given) -> Tally {
    if let Some(number) = given.number {
        let mut tally = Tally::default();
        judge(name, number, &given.asked, &mut tally);
        return tally;
    }
    let first = given.seed << 32;
    let next = AtomicU64::new(0);
    let all = Mutex::new(Tally::default());
    std::thread::scope(|scope| {
        for _ in 0..given.threads.max(1) {
            scope.spawn(|| {
                let mut tally = Tally::default();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= given.histories {
                        break;
                    }
                    judge(name, first + number, &given.asked, &mut tally);
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
fn print(name: &'static str, asked: &Asked, number: u64) {
    let columns = Columns::default();
    let mut values = Values::of(&columns);
    let (_, history, _) = history(name, asked.largest, &asked.fixed, number, &mut values);
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
        F::Release | F::Custom | F::Looks | F::Changes | F::Unsure => same("release", nothing()),
    }
}
