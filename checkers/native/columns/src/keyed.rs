//! Jepsen's independent histories: every value is `[key value]`; and those of its etcd suite: `[key [version value]]`.
//!
//! Jepsen prints its tuples as plain vectors, so that they must be recognised. They are split only where every operation
//! fits and at least one of them fits only that: a read that asks `[key nil]`, or asks `key` and is answered `[key
//! value]`, or a compare-and-set of `[key [old new]]`. Without such proof nothing is split; where reads prove it and
//! others do not fit, nothing is guessed: the file is refused until `keys` says what it is.

use crate::scan::pair;
use crate::{Columns, Kind, NEMESIS, NONE, NO_VERSION};
use std::collections::HashSet;

/// Whether values hold keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Keys {
    /// Where it is proved.
    #[default]
    Auto,
    /// Yes: what does not fit belongs to an object without a key.
    Yes,
    /// No: values are taken whole.
    No,
}

impl Keys {
    /// By the name in `--keys`.
    #[must_use]
    pub fn named(name: &str) -> Option<Keys> {
        match name {
            "auto" => Some(Keys::Auto),
            "yes" => Some(Keys::Yes),
            "no" => Some(Keys::No),
            _ => None,
        }
    }
}

/// How one operation fits.
enum Fit {
    /// Its invocation holds `[key value]`.
    Pair,
    /// Its invocation holds the key, its completion `[key value]`.
    Bare,
    /// It does not, and it says nothing: it was refused, or only looked and has no answer.
    Silent,
    /// It does not.
    Stray,
}

/// Move keys out of the values if this is an independent history without a field for keys; what to say of it.
pub(crate) fn split(columns: &mut Columns, keys: Keys, keyed: bool) -> Result<Option<String>, String> {
    if keys == Keys::No || keyed {
        return Ok(None);
    }
    let survey = Survey::of(columns);
    match (keys, survey.fitting, survey.stray) {
        (Keys::Yes, 0, Some(at)) => {
            return Err(format!(
                "no operation carries [key value], the first one that does not is event {}",
                columns.index[at]
            ))
        }
        (Keys::Yes, ..) => {}
        _ if !survey.asked && !survey.proved => return Ok(None),
        (_, fitting, Some(at)) if survey.asked => {
            return Err(format!(
                "{fitting} operations carry [key value], but that of event {} does not: say whether values hold keys \
                 (--keys yes: the others then belong to an object without a key; --keys no: values are taken whole)",
                columns.index[at]
            ))
        }
        (_, _, Some(_)) => return Ok(None),
        _ => {}
    }
    let keys = apply(columns);
    let plural = if keys == 1 { "" } else { "s" };
    Ok(Some(format!("values were taken as [key value], {keys} key{plural}; --keys no takes them whole")))
}

#[derive(Default)]
struct Survey {
    fitting: usize,
    stray: Option<usize>,
    /// A read asks for a key, which only a read does.
    asked: bool,
    /// A compare-and-set of `[key [old new]]` with a plain key.
    proved: bool,
}

impl Survey {
    fn of(columns: &Columns) -> Survey {
        let mut survey = Survey::default();
        let txn = columns.texts.find(b"\"txn\"");
        for at in invocations(columns) {
            let f = columns.texts.json(columns.f[at]);
            let json = columns.texts.json(columns.value[at]);
            let fit = if Some(columns.f[at]) == txn { Fit::Stray } else { fit(columns, at, &f, &json) };
            match fit {
                Fit::Pair => {
                    survey.fitting += 1;
                    let (key, value) = pair(&json).expect("that is how it fits");
                    let plain = !key.starts_with(b"[") && !key.starts_with(b"{");
                    survey.proved |= plain && &*f == b"\"cas\"" && pair(value).is_some();
                    survey.asked |= asks(&f) && matches!(value, b"null" | b"[null,null]");
                }
                Fit::Bare => {
                    survey.fitting += 1;
                    survey.asked = true;
                }
                Fit::Silent => {}
                Fit::Stray => {
                    survey.stray.get_or_insert(at);
                }
            }
        }
        survey
    }
}

fn invocations(columns: &Columns) -> impl Iterator<Item = usize> + '_ {
    (0..columns.len()).filter(|&at| columns.process[at] != NEMESIS && columns.kind[at] == Kind::Invoke)
}

/// Whether an operation of this function carries nothing but its key when it asks.
fn asks(f: &[u8]) -> bool {
    matches!(f, b"\"read\"" | b"\"get\"" | b"\"dequeue\"" | b"\"drain\"" | b"\"acquire\"" | b"\"release\"")
}

fn fit(columns: &Columns, at: usize, f: &[u8], json: &[u8]) -> Fit {
    if pair(json).is_some_and(|(key, _)| key != b"null") {
        return Fit::Pair;
    }
    let end = (columns.pair[at] != NONE).then(|| columns.pair[at] as usize);
    let kind = end.map_or(Kind::Info, |end| columns.kind[end]);
    let looks = matches!(f, b"\"read\"" | b"\"get\"" | b"\"contains\"");
    let told = end.map(|end| columns.texts.json(columns.value[end]));
    let bare = json.strip_prefix(b"[").and_then(|json| json.strip_suffix(b"]")).unwrap_or(json);
    let answered = told.as_deref().and_then(pair).is_some_and(|(key, _)| key != b"null" && key == bare);
    match kind {
        Kind::Ok if looks && answered => Fit::Bare,
        Kind::Fail => Fit::Silent,
        Kind::Info if looks => Fit::Silent,
        _ => Fit::Stray,
    }
}

/// Take keys out of all operations that fit; how many keys there are.
fn apply(columns: &mut Columns) -> usize {
    let mut keys = HashSet::new();
    let chosen: Vec<usize> = invocations(columns).collect();
    for at in chosen {
        let f = columns.texts.json(columns.f[at]).into_owned();
        let json = columns.texts.json(columns.value[at]).into_owned();
        let end = (columns.pair[at] != NONE).then(|| columns.pair[at] as usize);
        let told = end.map_or(Vec::new(), |end| columns.texts.json(columns.value[end]).into_owned());
        let (key, value) = match fit(columns, at, &f, &json) {
            Fit::Pair => pair(&json).expect("that is how it fits"),
            Fit::Bare => (pair(&told).expect("that is how it fits").0, &b"null"[..]),
            Fit::Silent | Fit::Stray => continue,
        };
        let key = columns.texts.intern(key);
        keys.insert(key);
        columns.key[at] = key;
        columns.value[at] = columns.texts.intern(value);
        if let Some(end) = end {
            columns.key[end] = key;
            // A completion that lost its key (an error in place of the value) keeps the value as it stands.
            if let Some((own, value)) = pair(&told) {
                if columns.texts.find(own) == Some(key) {
                    columns.value[end] = columns.texts.intern(value);
                }
            }
        }
    }
    keys.len()
}

/// Move versions out of values that are `[version value]`, as Jepsen's etcd suite writes them: every invocation that
/// counts carries `[nil value]`, every answer an integer and the value.
pub(crate) fn versions(columns: &mut Columns, split: bool) -> Option<String> {
    if !split && !invocations(columns).any(|at| *columns.texts.json(columns.value[at]) == *b"[null,null]") {
        return None;
    }
    let (mut known, mut chosen) = (false, Vec::new());
    for at in 0..columns.len() {
        // A read that asks for `[nil nil]` asks for a version and a value, even where no answer has one.
        known |= columns.kind[at] == Kind::Invoke
            && asks(&columns.texts.json(columns.f[at]))
            && *columns.texts.json(columns.value[at]) == *b"[null,null]";
        if columns.process[at] == NEMESIS || columns.value[at].is_null() {
            continue;
        }
        let json = columns.texts.json(columns.value[at]);
        let parts = pair(&json);
        let kind = columns.kind[at];
        let version = parts.and_then(|(version, _)| std::str::from_utf8(version).ok()?.parse::<i64>().ok());
        let empty = parts.is_some_and(|(version, _)| version == b"null");
        if columns.version[at] != NO_VERSION || !(empty || (version.is_some() && kind != Kind::Invoke)) {
            if kind == Kind::Fail {
                continue;
            }
            return None;
        }
        known |= version.is_some();
        chosen.push((at, version));
    }
    if !known {
        return None;
    }
    for (at, version) in chosen {
        let json = columns.texts.json(columns.value[at]).into_owned();
        let (_, value) = pair(&json).expect("checked above");
        columns.value[at] = columns.texts.intern(value);
        columns.version[at] = version.unwrap_or(NO_VERSION);
    }
    Some("values were taken as [version value]; --keys no takes them whole".into())
}

/// Whether EDN can hold keys inside values, as Jepsen's independent prints them, and be read back as the same.
#[must_use]
pub fn can_join(columns: &Columns) -> bool {
    let cas = columns.texts.find(b"\"cas\"");
    let mut proved = false;
    for position in 0..columns.len() {
        if columns.process[position] == NEMESIS {
            continue;
        }
        if columns.key[position].is_null() || Some(columns.f[position]) == columns.texts.find(b"\"txn\"") {
            return false;
        }
        let invoke = columns.kind[position] == Kind::Invoke;
        let json = columns.texts.json(columns.value[position]);
        let key = columns.texts.json(columns.key[position]);
        // The same proof that `Survey` asks for.
        let by_cas = Some(columns.f[position]) == cas
            && pair(&json).is_some()
            && !matches!(key.first(), Some(b'[' | b'{'));
        let by_read =
            asks(&columns.texts.json(columns.f[position])) && matches!(&*json, b"null" | b"[null,null]");
        proved |= invoke && (by_cas || by_read);
    }
    proved
}
