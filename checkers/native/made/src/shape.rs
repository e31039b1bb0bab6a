//! What a history is like: its object, its size, its clients and values.

use fastrand::Rng;
use linear::ops::Model;

/// The names of the models that histories are made for.
pub const MODELS: [&str; 9] =
    ["register", "cas-register", "kv", "set", "queue", "unordered-queue", "counter", "lock", "fenced-lock"];

/// Parameters of one history.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Name of the model.
    pub name: &'static str,
    /// The model.
    pub model: Model,
    /// Operations that are called.
    pub operations: usize,
    /// Clients that work at once.
    pub clients: usize,
    /// How many different values there are; none: each is used once.
    pub values: Option<u32>,
    /// Share of operations whose outcome stays unknown.
    pub unknown: f64,
    /// Which operations are asked for, where a model has several mixes (see `client`).
    pub mix: u8,
    /// How long a client waits between two operations at most, as a share of how long an operation takes.
    pub idle: f64,
}

/// What is fixed of a shape that is random otherwise.
#[derive(Clone, Debug, Default)]
pub struct Fixed {
    /// See `Shape`.
    pub operations: Option<usize>,
    /// See `Shape`.
    pub clients: Option<usize>,
    /// See `Shape`; `Some(None)`: each value is used once.
    pub values: Option<Option<u32>>,
    /// See `Shape`.
    pub unknown: Option<f64>,
    /// See `Shape`.
    pub mix: Option<u8>,
}

impl Shape {
    /// A random shape for a model, of `operations` at most, but for what is fixed.
    ///
    /// # Panics
    /// If the model does not exist.
    #[must_use]
    pub fn random(name: &'static str, operations: usize, fixed: &Fixed, random: &mut Rng) -> Shape {
        let mut shape = Shape::any(name, operations, random);
        if random.bool() {
            // Where searches have most to leave out: few values that come again, many at once, a few unknown outcomes.
            shape.clients = [5, 10, 20][random.usize(..3)];
            shape.values = Some(random.u32(3..=6));
            shape.unknown = [0.01, 0.02, 0.05][random.usize(..3)];
            shape.idle = 0.02;
        }
        shape.operations = fixed.operations.unwrap_or(shape.operations);
        shape.clients = fixed.clients.unwrap_or(shape.clients);
        shape.values = fixed.values.unwrap_or(shape.values);
        shape.unknown = fixed.unknown.unwrap_or(shape.unknown);
        shape.mix = fixed.mix.unwrap_or(shape.mix);
        shape
    }

    fn any(name: &'static str, operations: usize, random: &mut Rng) -> Shape {
        let largest = operations.max(31) as f64;
        // As many histories of 30 to 300 operations as of 300 to 3,000.
        let size = 30.0 * (largest / 30.0).powf(random.f64());
        let clients = [2, 3, 5, 5, 10, 10, 20, 20, 35, 50];
        let unknown = [0.0, 0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2];
        Shape {
            name,
            model: Model::named(name).expect("a model of the list"),
            operations: size as usize,
            clients: clients[random.usize(..clients.len())],
            values: if random.u8(..4) == 0 { None } else { Some(random.u32(2..=8)) },
            unknown: unknown[random.usize(..unknown.len())],
            mix: random.u8(..3),
            idle: [0.05, 0.5, 2.0][random.usize(..3)],
        }
    }
}
