//! An event under construction: fields from canonical JSON, checked as they come.

use crate::forms::Forms;
use crate::scan::{pair, shown};
use crate::{json, number, Kind, Text, Texts, NEMESIS, NO_VERSION};

/// Who did it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Who {
    /// A client, or `NEMESIS`.
    Number(i64),
    /// A client that goes by a name.
    Name(Text),
}

/// A time as written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Moment {
    /// A whole number: nanoseconds, or seconds where other times have fractions.
    Whole(i64),
    /// Nanoseconds of a time in seconds that has a fraction.
    Seconds(i64),
}

/// An event under construction. What was not written is None.
#[derive(Default)]
pub(crate) struct Draft {
    pub index: Option<i64>,
    pub time: Option<Moment>,
    pub process: Option<Who>,
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
    /// There was a field for the key, be it null.
    pub keyed: bool,
    /// There was a field for the value, be it null.
    pub valued: bool,
    /// What is wrong with the first field that cannot be: it counts only if this is an event.
    pub bad: Option<String>,
    /// The forms that names came in, over the whole file.
    pub forms: Forms,
}

impl Draft {
    pub fn clear(&mut self) {
        let mut extra = std::mem::take(&mut self.extra);
        extra.clear();
        let forms = std::mem::take(&mut self.forms);
        *self = Draft { extra, forms, ..Draft::default() };
    }

    /// Set a field from its canonical JSON.
    pub fn set(&mut self, name: &[u8], json: &[u8], texts: &mut Texts) {
        if let Err(text) = self.try_set(name, json, texts) {
            self.bad.get_or_insert(text);
        }
    }

    fn try_set(&mut self, name: &[u8], json: &[u8], texts: &mut Texts) -> Result<(), String> {
        match name {
            b"index" => self.index = integer(json, "index")?,
            b"time" => self.time = moment(json)?,
            b"version" => self.version = integer(json, "version")?,
            b"index_of_invoke" => self.index_of_invoke = integer(json, "index_of_invoke")?,
            b"process" => self.process = process(json, texts)?,
            b"type" => self.kind = Some(kind(json)?),
            b"f" => self.f = function(json, texts)?,
            b"key" => (self.key, self.keyed) = (texts.intern(json), true),
            b"value" => (self.value, self.valued) = (texts.intern(json), true),
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
    value.map(Some).ok_or_else(|| format!("{field} must be an integer of 64 bits, not {}", shown(json)))
}

fn moment(json: &[u8]) -> Result<Option<Moment>, String> {
    if json == b"null" {
        return Ok(None);
    }
    if let Some(whole) = std::str::from_utf8(json).ok().and_then(|text| text.parse().ok()) {
        return Ok(Some(Moment::Whole(whole)));
    }
    let is_number = matches!(json.first(), Some(b'-' | b'0'..=b'9'));
    let seconds = if is_number { number::nanoseconds(json) } else { None };
    seconds.map(|time| Some(Moment::Seconds(time))).ok_or_else(|| {
        format!("time must be nanoseconds in 64 bits, or seconds with a fraction, not {}", shown(json))
    })
}

fn process(json: &[u8], texts: &mut Texts) -> Result<Option<Who>, String> {
    match json {
        b"null" => return Ok(None),
        b"\"nemesis\"" | b"\":nemesis\"" => return Ok(Some(Who::Number(NEMESIS))),
        _ if is_string(json) => return Ok(Some(Who::Name(texts.intern(json)))),
        _ => {}
    }
    let text = std::str::from_utf8(json).ok();
    let value = text.and_then(|text| text.parse().ok()).filter(|&value: &i64| value >= 0);
    let refuse =
        || format!("process must be an integer from 0 on, a name, or \"nemesis\", not {}", shown(json));
    value.map(|number| Some(Who::Number(number))).ok_or_else(refuse)
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
