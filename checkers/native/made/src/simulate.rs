//! Clients against one correct object in virtual time.

use crate::client::{integer, string, Draw, Request};
use crate::object::State;
use crate::shape::Shape;
use fastrand::Rng;
use linear::ops::{Model, Op, Values, F, NEVER};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A history of one object.
pub struct History {
    /// The operations that count, in the order of their calls.
    pub ops: Vec<Op>,
    /// Bounds all moments.
    pub moments: usize,
    /// Acquires that were refused, as if they had succeeded.
    pub refused: Vec<Op>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Effect(u32),
    Return(u32),
    Call(u32),
}

struct Running {
    request: Request,
    client: u32,
    call: u32,
    /// The answer once it took effect: both arguments, or a refusal.
    answer: Option<Option<(u32, u32)>>,
    lost: bool,
}

struct Client {
    process: u32,
    holds: bool,
}

struct World<'s, 'v, 'c> {
    shape: &'s Shape,
    values: &'v mut Values<'c>,
    state: State,
    draw: Draw,
    clients: Vec<Client>,
    processes: u32,
    running: Vec<Running>,
    ops: Vec<Option<Op>>,
    refused: Vec<Op>,
    heap: BinaryHeap<Reverse<(u64, u32, What)>>,
    ties: u32,
    moment: u32,
    /// How long an operation takes at most, on average.
    pace: u64,
}

/// Make a history.
pub fn simulate(shape: &Shape, values: &mut Values<'_>, random: &mut Rng) -> History {
    let clients = (0..shape.clients as u32).map(|process| Client { process, holds: false }).collect();
    let mut world = World {
        shape,
        values,
        state: State::default(),
        draw: Draw::new(),
        clients,
        processes: shape.clients as u32,
        running: Vec::with_capacity(shape.operations),
        ops: Vec::with_capacity(shape.operations),
        refused: Vec::new(),
        heap: BinaryHeap::new(),
        ties: 0,
        moment: 0,
        pace: [30, 300, 1_000][random.usize(..3)],
    };
    for client in 0..shape.clients as u32 {
        world.at(random.u64(..1_000), What::Call(client));
    }
    while let Some(Reverse((now, _, what))) = world.heap.pop() {
        match what {
            What::Call(client) if world.running.len() < shape.operations => world.call(now, client, random),
            What::Call(_) => {}
            What::Effect(op) => world.effect(op, random),
            What::Return(op) => world.give_back(now, op, random),
        }
    }
    let moments = world.moment as usize + 1;
    History { ops: world.ops.into_iter().flatten().collect(), moments, refused: world.refused }
}

impl World<'_, '_, '_> {
    fn at(&mut self, time: u64, what: What) {
        self.heap.push(Reverse((time, self.ties, what)));
        self.ties += 1;
    }

    fn call(&mut self, now: u64, client: u32, random: &mut Rng) {
        let Client { process, holds } = self.clients[client as usize];
        let request = self.draw.request(self.shape, self.values, &self.state, (process, holds), random);
        let op = self.running.len() as u32;
        // Most take about as long as each other, some ten times as long.
        let span = 2 + random.u64(..self.pace) * if random.u8(..20) == 0 { 10 } else { 1 };
        let lost = random.f64() < self.shape.unknown;
        let mut after = Some(1 + random.u64(..span - 1));
        if lost {
            let acts = match (self.shape.model, request.f) {
                (Model::Lock | Model::FencedLock, F::Release) => 95,
                // Whoever crashes with the lock keeps it for ever.
                (Model::Lock | Model::FencedLock, _) if self.shape.mix < 2 => 1,
                _ => 50,
            };
            let comes_back = self.shape.mix == 2 && request.f == F::Acquire;
            if random.u8(..100) >= acts {
                after = None;
            } else if random.u8(..3) == 0 && !comes_back {
                after = Some(1 + random.u64(..span * 100));
            }
        }
        self.running.push(Running { request, client, call: self.moment, answer: None, lost });
        self.moment += 1;
        self.ops.push(lost.then_some(Op {
            call: self.moment - 1,
            ret: NEVER,
            f: request.f,
            a: request.a,
            b: if request.f == F::Dequeue { 1 } else { request.b },
            event: 0,
        }));
        if lost && request.f.looks_only() || (lost && request.f == F::Cas && request.a == request.b) {
            self.ops.pop();
            self.ops.push(None);
        }
        if let Some(after) = after {
            self.at(now + after, What::Effect(op));
        }
        self.at(now + span, What::Return(op));
    }

    fn effect(&mut self, op: u32, random: &mut Rng) {
        let request = self.running[op as usize].request;
        let answer = self.apply(request, random);
        self.running[op as usize].answer = Some(answer);
    }

    /// The answer, with which the arguments of the operation are complete; none for a refusal.
    fn apply(&mut self, Request { f, a, b }: Request, random: &mut Rng) -> Option<(u32, u32)> {
        let state = &mut self.state;
        let strings = self.shape.model == Model::Kv;
        match f {
            F::Read if strings => return Some((string(self.values, &state.string), 0)),
            F::Read => return Some((state.value, 0)),
            F::Write if strings => state.string = crate::object::letters(self.values, a),
            F::Write => state.value = a,
            F::Append => state.string.extend(crate::object::letters(self.values, a)),
            F::Cas if strings => {
                if string(self.values, &state.string) != a {
                    return None;
                }
                state.string = crate::object::letters(self.values, b);
            }
            F::Cas if state.value != a => return None,
            F::Cas => state.value = b,
            F::Add => _ = state.elements.insert(a),
            F::Remove => _ = state.elements.remove(&a),
            F::Contains => return Some((a, u32::from(state.elements.contains(&a)))),
            F::Members => return Some((self.values.put_list(state.elements.iter().copied().collect()), 0)),
            F::Enqueue => state.inside.push_back(a),
            F::Dequeue => {
                let bag = self.shape.model == Model::UnorderedQueue && !state.inside.is_empty();
                let at = if bag { random.usize(..state.inside.len()) } else { 0 };
                return Some((state.inside.remove(at).unwrap_or(0), 0));
            }
            F::Increment => state.total += Op { call: 0, ret: 0, f, a, b, event: 0 }.number(),
            F::Total => return Some(linear::ops::halves(state.total)),
            F::Acquire if state.holder != 0 => return None,
            F::Acquire => {
                state.holder = u64::from(a) + 1;
                let token = state.token.unwrap_or(0) + random.i64(1..3);
                state.token = Some(token);
                let fenced = self.shape.model == Model::FencedLock;
                return Some((a, if fenced { integer(token as u32) } else { 0 }));
            }
            F::Release if state.holder != u64::from(a) + 1 => return None,
            F::Release => state.holder = 0,
            F::Custom | F::Looks | F::Changes | F::Unsure => return None,
        }
        Some((a, b))
    }

    fn give_back(&mut self, now: u64, op: u32, random: &mut Rng) {
        let Running { request, client, call, answer, lost } = self.running[op as usize];
        let idle = (self.pace as f64 * self.shape.idle) as u64;
        self.at(now + random.u64(..=idle), What::Call(client));
        let client = &mut self.clients[client as usize];
        if lost {
            // One who does not know whether he has the lock gives it back, or is never seen again.
            client.holds = request.f == F::Acquire && self.shape.mix == 2 && answer.flatten().is_some();
            if !client.holds {
                client.process = self.processes;
                self.processes += 1;
            }
            return;
        }
        let moment = self.moment;
        self.moment += 1;
        let Some(Some((a, b))) = answer else {
            client.holds = false;
            let refused = Op { call, ret: moment, f: request.f, a: request.a, b: request.b, event: 0 };
            if request.f == F::Acquire {
                self.refused.push(refused);
            }
            return;
        };
        client.holds = request.f == F::Acquire;
        let reads = request.f == F::Cas && a == b;
        let f = if reads { F::Read } else { request.f };
        let op_record = Op { call, ret: moment, f, a, b: if reads { 0 } else { b }, event: 0 };
        self.ops[op as usize] = Some(op_record);
    }
}
