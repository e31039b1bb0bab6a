//! What a foreign file leaves open, settled once all of it is known, as Knossos and Elle take it; each thing that was
//! done is reported.

use crate::builder::Facts;
use crate::keyed::{self, Keys};
use crate::scan::pair;
use crate::{Columns, Kind, Text, NEMESIS, NONE, NO_VERSION};
use std::collections::HashSet;

/// What the caller says of a file.
#[derive(Clone, Copy, Default, Debug)]
pub struct Settings {
    /// Whether values hold keys.
    pub keys: Keys,
    /// The file is our own journal: every field means what the exchange format says, nothing is settled.
    pub own: bool,
}

/// Settle the columns; `loose` where the syntax is Jepsen's, in which a missing value is not null.
pub(crate) fn settle(
    mut columns: Columns,
    mut facts: Facts,
    settings: Settings,
    loose: bool,
) -> Result<(Columns, Vec<String>), String> {
    let mut notes = told(&facts, &columns);
    if !facts.orphans.is_empty() && facts.invocations == 0 {
        columns = begun(columns, &mut facts);
        notes.push(
            "the file holds completions alone: each operation was taken to begin as soon as its process was free"
                .into(),
        );
    }
    if settings.own {
        return Ok((columns, notes));
    }
    let split = keyed::split(&mut columns, settings.keys, facts.keyed)?;
    let keyed = split.is_some() || facts.keyed;
    notes.extend(split);
    if settings.keys != Keys::No {
        notes.extend(keyed::versions(&mut columns, keyed));
    }
    if loose {
        notes.extend(valueless(&mut columns, &facts.valueless));
    }
    notes.extend(answered(&mut columns, loose)?);
    notes.extend(refusals(&mut columns));
    Ok((columns, notes))
}

fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn told(facts: &Facts, columns: &Columns) -> Vec<String> {
    const SHOWN: usize = 5;
    let mut notes = Vec::new();
    if facts.seconds {
        notes.push("times have fractions: they were taken as seconds".into());
    }
    if facts.late > 0 {
        let late = usize::try_from(facts.late).unwrap_or(usize::MAX);
        let what = plural(late, "operation was", "operations were");
        notes.push(format!("{what} answered after an info had been noted: the answer counts"));
    }
    if facts.nameless {
        notes.push("events without a process: each operation was taken as a client of its own".into());
    }
    if facts.crowded > 0 {
        let what = plural(facts.crowded, "operation", "operations");
        notes.push(format!(
            "{what} began while the same process had others under way: each counts as a client of its own"
        ));
    }
    if !facts.named.is_empty() {
        let mut names: Vec<String> = facts
            .named
            .iter()
            .take(SHOWN)
            .map(|&(name, number)| {
                format!("{} is {number}", String::from_utf8_lossy(&columns.texts.json(name)))
            })
            .collect();
        if facts.named.len() > SHOWN {
            names.push("…".into());
        }
        notes.push(format!("processes have names and were numbered: {}", names.join(", ")));
    }
    notes
}

/// Give each completion its invocation: the first of a process stands at the start, any other behind the completion
/// before it.
fn begun(old: Columns, facts: &mut Facts) -> Columns {
    let mut next: std::collections::HashMap<i64, usize> = std::collections::HashMap::new();
    let mut follower = vec![NONE; old.len()];
    let mut order: Vec<(usize, bool)> = Vec::with_capacity(old.len() * 2);
    for &at in &facts.orphans {
        match next.insert(old.process[at as usize], at as usize) {
            Some(before) => follower[before] = at,
            None => order.push((at as usize, true)),
        }
    }
    for (at, &after) in follower.iter().enumerate() {
        order.push((at, false));
        if after != NONE {
            order.push((after as usize, true));
        }
    }
    let mut columns = Columns { texts: old.texts, ..Columns::default() };
    let mut places = vec![NONE; old.process.len()];
    let mut starts = vec![NONE; old.process.len()];
    let earliest = old.time.iter().copied().min().unwrap_or_default();
    for (position, &(at, invoke)) in order.iter().enumerate() {
        let number = position as u32;
        let looks = matches!(&*columns.texts.json(old.f[at]), b"\"read\"" | b"\"get\"" | b"\"dequeue\"");
        let time = if invoke { columns.time.last().copied().unwrap_or(earliest) } else { old.time[at] };
        columns.index.push(i64::from(number));
        columns.time.push(time);
        columns.process.push(old.process[at]);
        columns.kind.push(if invoke { Kind::Invoke } else { old.kind[at] });
        columns.f.push(old.f[at]);
        columns.key.push(old.key[at]);
        columns.value.push(if invoke && looks { Text::NULL } else { old.value[at] });
        columns.version.push(if invoke { NO_VERSION } else { old.version[at] });
        columns.node.push(old.node[at]);
        columns.error.push(if invoke { Text::NULL } else { old.error[at] });
        columns.pair.push(if invoke { NONE } else { starts[at] });
        if invoke {
            starts[at] = number;
        } else {
            places[at] = number;
            if let Some(start) = columns.pair.get_mut(starts[at] as usize) {
                *start = number;
            }
        }
    }
    for (at, &pair) in old.pair.iter().enumerate() {
        if pair != NONE {
            columns.pair[places[at] as usize] = places[pair as usize];
        }
    }
    columns.extra = old.extra.iter().map(|&(at, text)| (places[at as usize], text)).collect();
    for at in &mut facts.valueless {
        *at = places[*at as usize];
    }
    columns
}

/// Reads that completed without a value saw something that was not recorded: as Knossos takes them, they fit any state.
/// A dequeue without a value took something or found nothing.
fn valueless(columns: &mut Columns, reads: &[u32]) -> Option<String> {
    for &at in reads {
        columns.kind[at as usize] = Kind::Info;
    }
    let what = plural(reads.len(), "read", "reads");
    (!reads.is_empty()).then(|| {
        format!("{what} completed without a value, not even nil: what was seen is not known, so they fit any state")
    })
}

/// Values that only the completion has (an id that the service gave), or has otherwise: it counts, as in Knossos.
fn answered(columns: &mut Columns, loose: bool) -> Result<Option<String>, String> {
    let mut count = 0;
    let mut named: HashSet<Text> = HashSet::new();
    let mut unknown: Vec<usize> = Vec::new();
    for at in 0..columns.len() {
        if columns.kind[at] != Kind::Invoke || columns.process[at] == NEMESIS {
            continue;
        }
        let f = columns.texts.json(columns.f[at]);
        let differs = matches!(&*f, b"\"write\"" | b"\"put\"" | b"\"add\"" | b"\"enqueue\"");
        if !(differs || matches!(&*f, b"\"append\"" | b"\"cas\"" | b"\"remove\"" | b"\"increment\"")) {
            continue;
        }
        let (asked, end) = (columns.value[at], columns.pair[at]);
        if end == NONE || columns.kind[end as usize] != Kind::Ok {
            if asked.is_null() && (end == NONE || columns.kind[end as usize] == Kind::Info) {
                unknown.push(at);
            }
            continue;
        }
        let told = columns.value[end as usize];
        let json = columns.texts.json(told);
        if told.is_null() || told == asked || matches!(&*json, b"true" | b"false") {
            continue;
        }
        if asked.is_null() || (loose && differs) {
            columns.value[at] = told;
            named.insert(columns.f[at]);
            count += 1;
        }
    }
    if let Some(&at) = unknown.iter().find(|&&at| named.contains(&columns.f[at])) {
        return Err(format!(
            "event {} does not say its value, which others of its kind say in their completion, and it has no such \
             completion: what it did is not known, so that this history cannot be judged",
            columns.index[at]
        ));
    }
    let what = plural(count, "operation has", "operations have");
    Ok((count > 0).then(|| format!("{what} the value in the completion: it counts, as in Knossos")))
}

/// A refused compare-and-set that says what it saw is a read of that; one that says anything else (false, a reason) is
/// a refusal. What can be seen: a number where numbers are written, and any value that was written.
fn refusals(columns: &mut Columns) -> Option<String> {
    let refused: Vec<usize> = (0..columns.len())
        .filter(|&at| {
            let asked = columns.pair[at];
            columns.kind[at] == Kind::Fail
                && columns.process[at] != NEMESIS
                && !columns.value[at].is_null()
                && asked != NONE
                && columns.value[asked as usize] != columns.value[at]
                && *columns.texts.json(columns.f[at]) == *b"\"cas\""
        })
        .collect();
    if refused.is_empty() {
        return None;
    }
    let written = Written::of(columns);
    let mut count = 0;
    for at in refused {
        if written.can_be_seen(columns, columns.value[at]) {
            continue;
        }
        if columns.error[at].is_null() {
            let mut error = b"[\"refused\",".to_vec();
            let text = String::from_utf8_lossy(&columns.texts.json(columns.value[at])).into_owned();
            crate::json::write_string(&text, &mut error);
            error.push(b']');
            columns.error[at] = columns.texts.intern(&error);
        }
        columns.value[at] = Text::NULL;
        count += 1;
    }
    let what = plural(count, "refused cas carries", "refused cas carry");
    (count > 0)
        .then(|| format!("{what} a value that was never written: taken as the reason, not as what was seen"))
}

/// The values that a register can have been set to.
struct Written {
    values: HashSet<Text>,
    numbers: bool,
    /// Pieces are appended: any string may come of them.
    pieces: bool,
}

impl Written {
    fn of(columns: &Columns) -> Written {
        let mut written = Written { values: HashSet::new(), numbers: false, pieces: false };
        for at in 0..columns.len() {
            if columns.kind[at] != Kind::Invoke || columns.process[at] == NEMESIS {
                continue;
            }
            let json = columns.texts.json(columns.value[at]);
            let set = match &*columns.texts.json(columns.f[at]) {
                b"\"write\"" | b"\"put\"" => &*json,
                b"\"cas\"" => match pair(&json) {
                    Some((_, new)) => new,
                    None => continue,
                },
                b"\"append\"" => {
                    written.pieces = true;
                    continue;
                }
                _ => continue,
            };
            written.numbers |= is_number(set);
            written.values.extend(columns.texts.find(set));
        }
        written
    }

    fn can_be_seen(&self, columns: &Columns, value: Text) -> bool {
        let json = columns.texts.json(value);
        self.values.contains(&value)
            || (self.numbers && is_number(&json))
            || (self.pieces && json.starts_with(b"\""))
    }
}

fn is_number(json: &[u8]) -> bool {
    matches!(json.first(), Some(b'-' | b'0'..=b'9'))
}
