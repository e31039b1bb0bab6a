//! One event at a time into columns: fields from canonical JSON, checked as they come.

use crate::pairing::Pairing;
use crate::scan::{pair, shown};
use crate::{json, Columns, Kind, Text, Texts, NEMESIS, NONE, NO_VERSION};

/// An event under construction. What was not written is None.
#[derive(Default)]
pub(crate) struct Draft {
    pub index: Option<i64>,
    pub time: Option<i64>,
    pub process: Option<i64>,
    pub kind: Option<Kind>,
    pub f: Option<Text>,
    pub key: Text,
    pub value: Text,
    pub version: Option<i64>,
    pub node: Text,
    pub error: Text,
    pub index_of_invoke: Option<i64>,
    /// Other fields, as the inside of a JSON object.
    pub extra: Vec<u8>,
    /// The value is known to be a key and a value (a tagged tuple of Jepsen's independent).
    pub tuple: bool,
}

impl Draft {
    pub fn clear(&mut self) {
        let mut extra = std::mem::take(&mut self.extra);
        extra.clear();
        *self = Draft { extra, ..Draft::default() };
    }

    /// Set a field from its canonical JSON.
    pub fn set(&mut self, name: &[u8], json: &[u8], texts: &mut Texts) -> Result<(), String> {
        match name {
            b"index" => self.index = integer(json, "index")?,
            b"time" => self.time = integer(json, "time")?,
            b"version" => self.version = integer(json, "version")?,
            b"index_of_invoke" => self.index_of_invoke = integer(json, "index_of_invoke")?,
            b"process" => self.process = process(json)?,
            b"type" => self.kind = Some(kind(json)?),
            b"f" => self.f = function(json, texts)?,
            b"key" => self.key = texts.intern(json),
            b"value" => self.value = texts.intern(json),
            b"node" => self.node = texts.intern(json),
            b"error" => self.set_error(json, texts),
            _ => {
                if !self.extra.is_empty() {
                    self.extra.push(b',');
                }
                self.extra.push(b'"');
                self.extra.extend_from_slice(name);
                self.extra.extend_from_slice(b"\":");
                self.extra.extend_from_slice(json);
            }
        }
        Ok(())
    }

    /// Errors come as `[code, text]`, as a bare code, or as whatever a client library said: all become the first.
    fn set_error(&mut self, json: &[u8], texts: &mut Texts) {
        if json == b"null" || (pair(json).is_some_and(|(code, text)| is_string(code) && is_string(text))) {
            self.error = texts.intern(json);
            return;
        }
        let mut out = b"[".to_vec();
        match json::parse(json) {
            Ok(json::Value::String(_)) => {
                out.extend_from_slice(json);
                out.extend_from_slice(b",\"\"");
            }
            Ok(json::Value::Array(items)) if items.first().is_some_and(|item| item.as_str().is_some()) => {
                items[0].write(&mut out);
                out.push(b',');
                let rest: Vec<String> = items[1..].iter().map(plain).collect();
                json::write_string(&rest.join(" "), &mut out);
            }
            _ => {
                out.extend_from_slice(b"\"error\",");
                json::write_string(&String::from_utf8_lossy(json), &mut out);
            }
        }
        out.push(b']');
        self.error = texts.intern(&out);
    }
}

fn plain(value: &json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn is_string(json: &[u8]) -> bool {
    json.first() == Some(&b'"')
}

fn integer(json: &[u8], field: &str) -> Result<Option<i64>, String> {
    if json == b"null" {
        return Ok(None);
    }
    let text = std::str::from_utf8(json).ok();
    let value = text.and_then(|text| text.parse().ok()).filter(|&value| value != NO_VERSION);
    let unit = if field == "time" { " (nanoseconds)" } else { "" };
    value.map(Some).ok_or_else(|| format!("{field} must be an integer of 64 bits{unit}, not {}", shown(json)))
}

fn process(json: &[u8]) -> Result<Option<i64>, String> {
    match json {
        b"null" => return Ok(None),
        b"\"nemesis\"" => return Ok(Some(NEMESIS)),
        _ => {}
    }
    let text = std::str::from_utf8(json).ok();
    let value = text.and_then(|text| text.parse().ok()).filter(|&value: &i64| value >= 0);
    let refuse = || format!("process must be an integer from 0 on or \"nemesis\", not {}", shown(json));
    value.map(Some).ok_or_else(refuse)
}

fn kind(json: &[u8]) -> Result<Kind, String> {
    match json {
        b"\"invoke\"" => Ok(Kind::Invoke),
        b"\"ok\"" => Ok(Kind::Ok),
        b"\"fail\"" => Ok(Kind::Fail),
        b"\"info\"" => Ok(Kind::Info),
        _ => Err(format!("type must be invoke, ok, fail or info, not {}", shown(json))),
    }
}

fn function(json: &[u8], texts: &mut Texts) -> Result<Option<Text>, String> {
    match json {
        b"null" => Ok(None),
        _ if is_string(json) => Ok(Some(texts.intern(json))),
        _ => Err(format!("f must be a name, not {}", shown(json))),
    }
}

/// Columns under construction.
#[derive(Default)]
pub(crate) struct Builder {
    pub columns: Columns,
    pairing: Pairing,
    /// Some index was not above the one before: all are renumbered at the end.
    disordered: bool,
}

impl Builder {
    /// Append an event, or say what is wrong with it.
    pub fn push(&mut self, draft: &mut Draft) -> Result<(), String> {
        let position = u32::try_from(self.columns.len()).ok().filter(|&position| position < NONE);
        let position = position.ok_or("more than 4 billion events")?;
        let kind = draft.kind.ok_or("type is missing")?;
        let process = draft.process.ok_or("process is missing")?;
        let f = self.function(draft, process)?;
        if draft.tuple {
            self.split_tuple(draft);
        }
        let index = draft.index.unwrap_or(i64::from(position));
        let pair = self.pairing.pair(&self.columns, position, process, kind, f, draft.index_of_invoke)?;
        let columns = &mut self.columns;
        self.disordered |= columns.index.last().is_some_and(|&last| index <= last);
        // Without a clock the position orders events; it only has to rise.
        let time = draft.time.unwrap_or_else(|| columns.time.last().map_or(0, |last| last.saturating_add(1)));
        columns.index.push(index);
        columns.time.push(time);
        columns.process.push(process);
        columns.kind.push(kind);
        columns.f.push(f);
        columns.key.push(draft.key);
        columns.value.push(draft.value);
        columns.version.push(draft.version.unwrap_or(NO_VERSION));
        columns.node.push(draft.node);
        columns.error.push(draft.error);
        columns.pair.push(pair);
        if pair != NONE {
            columns.pair[pair as usize] = position;
        }
        if !draft.extra.is_empty() {
            let object = [b"{", &draft.extra[..], b"}"].concat();
            let text = columns.texts.intern(&object);
            columns.extra.push((position, text));
        }
        Ok(())
    }

    /// elle-cli's histories leave `f` out: a list of micro-operations is a transaction.
    fn function(&mut self, draft: &Draft, process: i64) -> Result<Text, String> {
        if let Some(f) = draft.f {
            return Ok(f);
        }
        let json = self.columns.texts.json(draft.value);
        if json.starts_with(b"[[\"") || &*json == b"[]" {
            return Ok(self.columns.texts.intern(b"\"txn\""));
        }
        if process == NEMESIS {
            return Ok(self.columns.texts.intern(b"\"\""));
        }
        Err("f is missing".into())
    }

    fn split_tuple(&mut self, draft: &mut Draft) {
        let json = self.columns.texts.json(draft.value).into_owned();
        if let Some((key, value)) = pair(&json) {
            draft.key = self.columns.texts.intern(key);
            draft.value = self.columns.texts.intern(value);
        }
    }

    /// The finished columns.
    pub fn finish(mut self) -> Columns {
        if self.disordered {
            for (position, index) in self.columns.index.iter_mut().enumerate() {
                *index = i64::try_from(position).expect("positions fit 32 bits");
            }
        }
        crate::keyed::split(&mut self.columns);
        self.columns
    }
}
