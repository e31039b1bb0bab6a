//! Consistency models: which implies which, and which anomaly rules out which (after Adya 1999, Bailis et al. 2014,
//! Cerone et al. 2015, and the map that Elle draws from them).

/// A model, and those that it implies directly.
struct Model {
    name: &'static str,
    implies: &'static [&'static str],
}

const fn model(name: &'static str, implies: &'static [&'static str]) -> Model {
    Model { name, implies }
}

/// Weaker ones first. The last seven are decided through the others alone: what implies them proves them, what they
/// imply rules them out.
const MODELS: [Model; 25] = [
    model("read-uncommitted", &[]),
    model("read-committed", &["read-uncommitted"]),
    model("cursor-stability", &["read-committed"]),
    model("monotonic-atomic-view", &["read-committed"]),
    model("read-atomic", &["monotonic-atomic-view"]),
    model("consistent-view", &["cursor-stability", "monotonic-view"]),
    model("repeatable-read", &["cursor-stability", "monotonic-atomic-view"]),
    model("parallel-snapshot-isolation", &["consistent-view", "causal-cerone", "rola"]),
    model(
        "snapshot-isolation",
        &["parallel-snapshot-isolation", "forward-consistent-view", "monotonic-snapshot-read", "prefix"],
    ),
    model("serializable", &["repeatable-read", "snapshot-isolation", "update-serializable"]),
    model("strong-session-read-uncommitted", &["read-uncommitted"]),
    model("strong-session-read-committed", &["strong-session-read-uncommitted", "read-committed"]),
    model("strong-session-snapshot-isolation", &["strong-session-read-committed", "snapshot-isolation"]),
    model("strong-session-serializable", &["strong-session-snapshot-isolation", "serializable"]),
    model("strong-read-uncommitted", &["strong-session-read-uncommitted"]),
    model("strong-read-committed", &["strong-session-read-committed", "strong-read-uncommitted"]),
    model("strong-snapshot-isolation", &["strong-session-snapshot-isolation", "strong-read-committed"]),
    model("strict-serializable", &["strong-session-serializable", "strong-snapshot-isolation"]),
    model("monotonic-view", &["read-committed"]),
    model("monotonic-snapshot-read", &["read-committed"]),
    model("forward-consistent-view", &["consistent-view"]),
    model("update-serializable", &["forward-consistent-view"]),
    model("causal-cerone", &["read-atomic"]),
    model("prefix", &["causal-cerone"]),
    model("rola", &["read-atomic"]),
];
/// The models that are named in "what still holds".
const SHOWN: Set = (1 << 18) - 1;

/// A set of models, one bit each.
pub(crate) type Set = u32;

/// The weakest models that an anomaly rules out.
fn forbidden_by(anomaly: &str) -> &'static [&'static str] {
    match anomaly {
        "G0" | "duplicate-elements" | "garbage-read" | "own-appends-reordered" => &["read-uncommitted"],
        "G1a" | "G1b" | "G1c" | "incompatible-order" | "dirty-update" | "future-read" | "cyclic-versions" => {
            &["read-committed"]
        }
        "internal" => &["read-atomic"],
        "lost-update" => &["cursor-stability", "rola"],
        "OTV" => &["monotonic-atomic-view", "consistent-view", "repeatable-read"],
        "fractured-read" => &["read-atomic", "consistent-view", "repeatable-read"],
        "G-single" => &["consistent-view", "repeatable-read"],
        "G-nonadjacent" | "long-fork" => &["snapshot-isolation", "repeatable-read"],
        "G2-item" => &["repeatable-read"],
        "G0-process" => &["strong-session-read-uncommitted"],
        "G1c-process" => &["strong-session-read-committed"],
        "fractured-read-process" | "G-single-process" | "G-nonadjacent-process" => {
            &["strong-session-snapshot-isolation"]
        }
        "G0-realtime" => &["strong-read-uncommitted"],
        "G1c-realtime" => &["strong-read-committed"],
        "fractured-read-realtime" | "G-single-realtime" | "G-nonadjacent-realtime" => {
            &["strong-snapshot-isolation"]
        }
        "write-conflict" => &["snapshot-isolation"],
        "write-conflict-process" => &["strong-session-snapshot-isolation"],
        "write-conflict-realtime" => &["strong-snapshot-isolation"],
        // Any circle of what items depend on: all but G0 and G1c are G2-item, and those are worse.
        "cycle" => &["repeatable-read", "serializable"],
        "G2-item-process" | "cycle-process" => &["strong-session-serializable"],
        _ => &["strict-serializable"],
    }
}

fn number(name: &str) -> Option<usize> {
    let name = match name {
        "linearizable" | "strong-serializable" | "strict-1sr" => "strict-serializable",
        other => other,
    };
    MODELS.iter().position(|model| model.name == name)
}

/// A model and all that it implies.
fn implied(at: usize) -> Set {
    MODELS[at]
        .implies
        .iter()
        .filter_map(|name| number(name))
        .fold(1 << at, |set, weaker| set | implied(weaker))
}

/// The models that an anomaly rules out: the weakest, and all that imply one of them.
pub(crate) fn ruled_out(anomaly: &str) -> Set {
    let weakest =
        forbidden_by(anomaly).iter().filter_map(|name| number(name)).fold(0, |set, at| set | 1 << at);
    (0..MODELS.len()).filter(|&at| implied(at) & weakest != 0).fold(0, |set, at| set | 1 << at)
}

/// The set of one model by a name that is known.
pub(crate) fn bit(name: &str) -> Set {
    named(name).unwrap_or(0)
}

/// A model and all that imply it.
pub(crate) fn above(name: &str) -> Set {
    let Some(bit) = named(name) else { return 0 };
    (0..MODELS.len()).filter(|&at| implied(at) & bit != 0).fold(0, |set, at| set | 1 << at)
}

/// A model and all that it implies.
pub(crate) fn below(name: &str) -> Set {
    number(name).map_or(0, implied)
}

/// All that is proved where only these models are ruled out: those decided directly, and what they imply.
pub(crate) fn rest(ruled_out: Set) -> Set {
    (0..MODELS.len()).filter(|at| (SHOWN & !ruled_out) >> at & 1 == 1).fold(0, |set, at| set | implied(at))
}

/// The models that these leave open, of those decided directly: of others nothing more can be found.
pub(crate) fn undecided(decided: Set) -> Set {
    SHOWN & !decided
}

/// The set of one model by its name.
pub(crate) fn named(name: &str) -> Option<Set> {
    number(name).map(|at| 1 << at)
}

pub(crate) fn names() -> Vec<&'static str> {
    MODELS.iter().map(|model| model.name).collect()
}

/// The strongest of the models in a set.
pub(crate) fn strongest(set: Set) -> Vec<&'static str> {
    let left: Vec<usize> = (0..MODELS.len()).filter(|at| (SHOWN & set) >> at & 1 == 1).collect();
    let covered = |at: usize| left.iter().any(|&other| other != at && implied(other) >> at & 1 == 1);
    left.iter().filter(|&&at| !covered(at)).map(|&at| MODELS[at].name).collect()
}

/// The weakest of the models in a set.
pub(crate) fn weakest(set: Set) -> Vec<&'static str> {
    let set = set & SHOWN;
    let inside = (0..MODELS.len()).filter(|at| set >> at & 1 == 1);
    inside.filter(|&at| implied(at) & set == 1 << at).map(|at| MODELS[at].name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_known() {
        for model in &MODELS {
            assert!(model.implies.iter().all(|name| number(name).is_some()));
        }
        assert_eq!(strongest(rest(0)), ["strict-serializable"]);
        assert_eq!(strongest(rest(ruled_out("G0"))), Vec::<&str>::new());
    }

    #[test]
    fn the_usual_suspects() {
        assert_eq!(
            strongest(rest(ruled_out("G2-item"))),
            ["strong-snapshot-isolation"],
            "write skew is what snapshot isolation allows"
        );
        assert_eq!(
            strongest(rest(ruled_out("G-single-realtime"))),
            ["strong-session-serializable", "strong-read-committed"]
        );
        assert_eq!(weakest(ruled_out("G-nonadjacent")), ["repeatable-read", "snapshot-isolation"]);
        assert_eq!(strongest(rest(ruled_out("G1a"))), ["strong-read-uncommitted"]);
    }
}
