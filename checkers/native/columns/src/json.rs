//! A small JSON value: parse and write. Histories never hold these in bulk; columns hold canonical texts.

use crate::scan::{write_byte, Cursor, Trouble};
use std::fmt;

/// Any JSON value. Numbers that do not fit an `i64` keep their text, so values can be compared and hashed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Value {
    /// `null`
    #[default]
    Null,
    /// `true` or `false`
    Bool(bool),
    /// An integer that fits 64 bits.
    Integer(i64),
    /// Any other number, as written.
    Number(Box<str>),
    /// A string, unescaped.
    String(Box<str>),
    /// An array.
    Array(Vec<Value>),
    /// An object, in the order written.
    Object(Vec<(Box<str>, Value)>),
}

/// Why a text is not one JSON value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Error {
    /// Offset of the byte that cannot stand there.
    pub at: usize,
    /// What is wrong, in words.
    pub text: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: {}", self.at, self.text)
    }
}

impl std::error::Error for Error {}

/// Parse one JSON value with nothing but white space around it.
///
/// # Errors
/// The first byte that cannot stand where it does, input that ends too early, or nesting beyond 128 levels.
pub fn parse(bytes: &[u8]) -> Result<Value, Error> {
    let mut cursor = Cursor::new(bytes);
    let value = value(&mut cursor, 0).and_then(|value| {
        cursor.space();
        if cursor.at < bytes.len() {
            return Err(cursor.bad("text after the value"));
        }
        Ok(value)
    });
    value.map_err(|trouble| match trouble {
        Trouble::Incomplete => Error { at: bytes.len(), text: "the value ends too early".into() },
        Trouble::Bad { at, text } => Error { at, text },
    })
}

fn value(cursor: &mut Cursor<'_>, depth: usize) -> Result<Value, Trouble> {
    cursor.space();
    match cursor.peek()? {
        b'n' => cursor.literal(b"null").map(|()| Value::Null),
        b't' => cursor.literal(b"true").map(|()| Value::Bool(true)),
        b'f' => cursor.literal(b"false").map(|()| Value::Bool(false)),
        b'"' => string(cursor).map(Value::String),
        b'[' => array(cursor, depth),
        b'{' => object(cursor, depth),
        _ => {
            let text = std::str::from_utf8(cursor.number()?).expect("digits are ASCII");
            Ok(text.parse().map_or_else(|_| Value::Number(text.into()), Value::Integer))
        }
    }
}

fn string(cursor: &mut Cursor<'_>) -> Result<Box<str>, Trouble> {
    let mut text = Vec::new();
    cursor.string(&mut text, false)?;
    Ok(String::from_utf8(text).expect("the scanner lets only UTF-8 through").into())
}

fn array(cursor: &mut Cursor<'_>, depth: usize) -> Result<Value, Trouble> {
    cursor.deeper(depth)?;
    let mut items = Vec::new();
    while cursor.next_item(b']', items.is_empty())? {
        items.push(value(cursor, depth + 1)?);
    }
    Ok(Value::Array(items))
}

fn object(cursor: &mut Cursor<'_>, depth: usize) -> Result<Value, Trouble> {
    cursor.deeper(depth)?;
    let mut fields = Vec::new();
    while cursor.next_item(b'}', fields.is_empty())? {
        let name = string(cursor)?;
        cursor.colon()?;
        fields.push((name, value(cursor, depth + 1)?));
    }
    Ok(Value::Object(fields))
}

impl Value {
    /// An object of these fields, in this order.
    pub fn object<'a>(fields: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
        Value::Object(fields.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }

    /// The field of an object; the last one where a name stands twice.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Object(fields) => {
                fields.iter().rev().find(|(key, _)| &**key == name).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// The integer, if this is one.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Value::Integer(value) => Some(*value),
            _ => None,
        }
    }

    /// The number as a float, if this is a number.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Integer(value) => Some(*value as f64),
            Value::Number(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The string, if this is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The boolean, if this is one.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The items, if this is an array.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Value::Array(items) => Some(items),
            _ => None,
        }
    }

    /// Whether this is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// Append this value's JSON without white space. Fields keep their order.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Value::Null => out.extend_from_slice(b"null"),
            Value::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
            Value::Integer(value) => out.extend_from_slice(value.to_string().as_bytes()),
            Value::Number(text) => out.extend_from_slice(text.as_bytes()),
            Value::String(text) => write_string(text, out),
            Value::Array(items) => {
                out.push(b'[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    item.write(out);
                }
                out.push(b']');
            }
            Value::Object(fields) => {
                out.push(b'{');
                for (i, (name, value)) in fields.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    write_string(name, out);
                    out.push(b':');
                    value.write(out);
                }
                out.push(b'}');
            }
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        self.write(&mut out);
        f.write_str(std::str::from_utf8(&out).expect("JSON is written as UTF-8"))
    }
}

/// Append a JSON string with the fewest escapes: quote, backslash and control characters.
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for &byte in text.as_bytes() {
        write_byte(byte, out);
    }
    out.push(b'"');
}

macro_rules! from_integer {
    ($($kind:ty),*) => {$(
        impl From<$kind> for Value {
            fn from(value: $kind) -> Value {
                i64::try_from(value).map_or_else(|_| Value::Number(value.to_string().into()), Value::Integer)
            }
        }
    )*};
}
from_integer!(i32, u32, i64, u64, usize);

impl From<f64> for Value {
    /// Not-a-number and the infinities have no JSON and become `null`.
    fn from(value: f64) -> Value {
        if value.is_finite() {
            Value::Number(format!("{value:?}").into())
        } else {
            Value::Null
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Bool(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Value {
        Value::String(value.into())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Value {
        Value::String(value.into())
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Value {
        Value::Array(items.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        parse(text.as_bytes()).unwrap().to_string()
    }

    #[test]
    fn values_survive() {
        for text in
            ["null", "true", "-5", "1.5e3", "\"a\\\"b\\\\\\n\"", "[1,[],{}]", "{\"b\":1,\"a\":[null]}"]
        {
            assert_eq!(canonical(text), text);
        }
        assert_eq!(canonical(" [ 1 , \"\\u00e9\\ud83d\\ude00\\/\" ] "), "[1,\"é😀/\"]");
        assert_eq!(canonical("18446744073709551616"), "18446744073709551616");
        assert_eq!(parse(b"{\"a\":1,\"a\":2}").unwrap().get("a"), Some(&Value::Integer(2)));
        assert_eq!(Value::from(0.1).to_string(), "0.1");
        assert_eq!(Value::from(1e300).as_f64(), Some(1e300));
    }

    #[test]
    fn nonsense_is_refused() {
        let deep = "[".repeat(200_000);
        for text in [
            "",
            " ",
            "nul",
            "nulL",
            "01",
            "1.",
            "-",
            "+1",
            "1e",
            ".5",
            "\"",
            "\"\\x\"",
            "\"\\ud800\"",
            "\"\n\"",
            "[1,]",
            "[1 2]",
            "{1:2}",
            "{\"a\"}",
            "{\"a\":1,}",
            "1 2",
            "[",
            "{\"a\":",
            "\"\\u12\"",
            &deep,
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text:.20}");
        }
        assert!(parse(b"\"\xff\"").is_err());
    }
}
