//! A lock that many may hold to read, or one to write. The state: who writes (-1: no process), then who reads, sorted.

use super::{Asked, Function, Plain, State, Word};

const fn function(name: &'static str) -> Function {
    Function { name, looks: false, argument: Word::Process, answer: Word::Nothing }
}

pub(super) static MODEL: Plain = Plain {
    name: "rw-lock",
    functions: &[function("acquire-read"), function("acquire-write"), function("release")],
    start: &[-1],
    step,
};

fn step(state: &[i64], asked: &Asked) -> Vec<State> {
    let (owner, writer, readers) = (asked.argument, state[0], &state[1..]);
    let mut next = state.to_vec();
    match asked.f {
        "acquire-read" if writer == -1 && !readers.contains(&owner) => {
            next.push(owner);
            next[1..].sort_unstable();
        }
        "acquire-write" if state == [-1] => next[0] = owner,
        "release" if writer == owner => next[0] = -1,
        "release" if readers.contains(&owner) => next.retain(|&reader| reader != owner),
        _ => return Vec::new(),
    }
    vec![next]
}
