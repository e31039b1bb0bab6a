//! Writing events: JSON lines (the exchange format) and Jepsen's EDN.

use crate::json::{self, Value};
use crate::sniff::Format;
use crate::{Columns, Kind, Text, NEMESIS, NONE, NO_VERSION};
use std::ops::Range;

pub use crate::keyed::can_join;

/// Writes ranges of one history's events.
pub struct Writer<'a> {
    columns: &'a Columns,
    format: Format,
    /// EDN only: keys stand in the values, as Jepsen's independent prints them.
    joined: bool,
}

impl<'a> Writer<'a> {
    /// A writer of JSON lines or EDN; None for a format that is only read. `can_join` is the answer of the function
    /// of that name, which looks at the whole history and so is asked once, however many ranges are written.
    #[must_use]
    pub fn new(columns: &'a Columns, format: Format, can_join: impl FnOnce() -> bool) -> Option<Self> {
        let joined = format == Format::Edn && can_join();
        (format != Format::Text).then_some(Writer { columns, format, joined })
    }

    /// Append these events, one a line.
    pub fn write(&self, events: Range<usize>, out: &mut Vec<u8>) {
        let first = u32::try_from(events.start).unwrap_or(NONE);
        let mut extra = self.columns.extra.partition_point(|&(position, _)| position < first);
        for position in events {
            let own = self.columns.extra.get(extra).filter(|&&(at, _)| at as usize == position);
            extra += usize::from(own.is_some());
            let own = own.map(|&(_, text)| text);
            if self.format == Format::Edn {
                self.edn(position, own, out);
            } else {
                self.json(position, own, out);
            }
            out.push(b'\n');
        }
    }

    fn json(&self, at: usize, extra: Option<Text>, out: &mut Vec<u8>) {
        let columns = self.columns;
        let text = |out: &mut Vec<u8>, name: &str, text: Text| {
            if !text.is_null() {
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(&columns.texts.json(text));
            }
        };
        out.extend_from_slice(
            format!("{{\"index\":{},\"time\":{}", columns.index[at], columns.time[at]).as_bytes(),
        );
        match columns.process[at] {
            NEMESIS => out.extend_from_slice(b",\"process\":\"nemesis\""),
            process => out.extend_from_slice(format!(",\"process\":{process}").as_bytes()),
        }
        out.extend_from_slice(format!(",\"type\":\"{}\",\"f\":", kind(columns.kind[at])).as_bytes());
        out.extend_from_slice(&columns.texts.json(columns.f[at]));
        text(out, ",\"key\":", columns.key[at]);
        text(out, ",\"value\":", columns.value[at]);
        text(out, ",\"node\":", columns.node[at]);
        if columns.version[at] != NO_VERSION {
            out.extend_from_slice(format!(",\"version\":{}", columns.version[at]).as_bytes());
        }
        text(out, ",\"error\":", columns.error[at]);
        if let Some(invocation) = self.invocation(at) {
            out.extend_from_slice(format!(",\"index_of_invoke\":{}", columns.index[invocation]).as_bytes());
        }
        if let Some(extra) = extra {
            let object = columns.texts.json(extra);
            out.push(b',');
            out.extend_from_slice(&object[1..object.len() - 1]);
        }
        out.push(b'}');
    }

    fn invocation(&self, at: usize) -> Option<usize> {
        let pair = self.columns.pair[at];
        (pair != NONE && (pair as usize) < at).then_some(pair as usize)
    }

    fn edn(&self, at: usize, extra: Option<Text>, out: &mut Vec<u8>) {
        let columns = self.columns;
        let f = columns.texts.value(columns.f[at]);
        let process = match columns.process[at] {
            NEMESIS => ":nemesis".to_owned(),
            process => process.to_string(),
        };
        let (index, time, kind) = (columns.index[at], columns.time[at], kind(columns.kind[at]));
        out.extend_from_slice(
            format!("{{:index {index}, :time {time}, :type :{kind}, :process {process}").as_bytes(),
        );
        out.extend_from_slice(b", :f ");
        keyword(f.as_str().unwrap_or_default(), out);
        let value = columns.texts.value(columns.value[at]);
        let value = if f.as_str() == Some("txn") { Edn::Transaction(&value) } else { Edn::Plain(&value) };
        if self.joined && columns.process[at] != NEMESIS {
            out.extend_from_slice(b", :value [");
            Edn::Plain(&columns.texts.value(columns.key[at])).write(out);
            out.push(b' ');
            value.write(out);
            out.push(b']');
        } else {
            if !columns.key[at].is_null() {
                out.extend_from_slice(b", :key ");
                Edn::Plain(&columns.texts.value(columns.key[at])).write(out);
            }
            out.extend_from_slice(b", :value ");
            value.write(out);
        }
        self.edn_rest(at, extra, out);
        out.push(b'}');
    }

    fn edn_rest(&self, at: usize, extra: Option<Text>, out: &mut Vec<u8>) {
        let columns = self.columns;
        if !columns.node[at].is_null() {
            out.extend_from_slice(b", :node ");
            Edn::Plain(&columns.texts.value(columns.node[at])).write(out);
        }
        if columns.version[at] != NO_VERSION {
            out.extend_from_slice(format!(", :version {}", columns.version[at]).as_bytes());
        }
        if !columns.error[at].is_null() {
            out.extend_from_slice(b", :error ");
            Edn::Error(&columns.texts.value(columns.error[at])).write(out);
        }
        if let Some(Value::Object(fields)) = extra.map(|extra| columns.texts.value(extra)) {
            for (name, value) in &fields {
                out.extend_from_slice(b", ");
                keyword(name, out);
                out.push(b' ');
                Edn::Plain(value).write(out);
            }
        }
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Invoke => "invoke",
        Kind::Ok => "ok",
        Kind::Fail => "fail",
        Kind::Info => "info",
    }
}

/// A keyword if the text can be one, else a string.
fn keyword(text: &str, out: &mut Vec<u8>) {
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.*+!?<>=".contains(&byte);
    if text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.bytes().all(letters) {
        out.push(b':');
        out.extend_from_slice(text.as_bytes());
    } else {
        json::write_string(text, out);
    }
}

/// A value with what is known of it: which of its strings are names, which Clojure would write as keywords.
enum Edn<'a> {
    Plain(&'a Value),
    Transaction(&'a Value),
    MicroOperation(&'a Value),
    Error(&'a Value),
}

impl Edn<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Edn::Transaction(Value::Array(items)) => {
                sequence(items.iter().map(Edn::MicroOperation), out);
            }
            Edn::MicroOperation(Value::Array(items)) | Edn::Error(Value::Array(items)) => {
                out.push(b'[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(b' ');
                    }
                    match item {
                        Value::String(name) if i == 0 => keyword(name, out),
                        _ => Edn::Plain(item).write(out),
                    }
                }
                out.push(b']');
            }
            Edn::Plain(value) | Edn::Transaction(value) | Edn::MicroOperation(value) | Edn::Error(value) => {
                plain(value, out);
            }
        }
    }
}

fn plain(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"nil"),
        Value::Array(items) => sequence(items.iter().map(Edn::Plain), out),
        Value::Object(fields) => {
            out.push(b'{');
            for (i, (name, value)) in fields.iter().enumerate() {
                if i > 0 {
                    out.extend_from_slice(b", ");
                }
                json::write_string(name, out);
                out.push(b' ');
                plain(value, out);
            }
            out.push(b'}');
        }
        // Booleans, numbers and strings are written alike; both know the same escapes.
        _ => value.write(out),
    }
}

fn sequence<'v>(items: impl Iterator<Item = Edn<'v>>, out: &mut Vec<u8>) {
    out.push(b'[');
    for (i, item) in items.enumerate() {
        if i > 0 {
            out.push(b' ');
        }
        item.write(out);
    }
    out.push(b']');
}
