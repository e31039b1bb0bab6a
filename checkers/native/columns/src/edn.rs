//! Scanning EDN into canonical JSON: keywords and symbols become strings, vectors, lists and sets arrays, maps
//! objects, tagged elements what they tag.

use crate::edn_number::number;
use crate::forms::{is_micro, Form, Forms};
use crate::json;
use crate::scan::{pair, shown, write_byte, write_object, Trouble, DEPTH_MAX};

pub(crate) struct Edn<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
    /// A tuple of Jepsen's independent was read.
    pub tuple: bool,
    /// In a key or a value, where keywords and strings are distinguished.
    pub data: bool,
    pub forms: Forms,
    /// How many forms are open, discarded ones included.
    depth: usize,
}

impl<'a> Edn<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Edn { bytes, at: 0, tuple: false, data: false, forms: Forms::default(), depth: 0 }
    }

    pub fn bad(&self, text: impl Into<String>) -> Trouble {
        Trouble::Bad { at: self.at, text: text.into() }
    }

    pub fn peek(&self) -> Result<u8, Trouble> {
        self.bytes.get(self.at).copied().ok_or(Trouble::Incomplete)
    }

    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// Skip white space, commas, comments and discarded forms.
    pub fn space(&mut self) -> Result<(), Trouble> {
        self.space_to_end().map(|_| ())
    }

    /// The same; true if only this is left.
    pub fn space_to_end(&mut self) -> Result<bool, Trouble> {
        loop {
            match self.bytes.get(self.at) {
                None => return Ok(true),
                Some(b' ' | b'\n' | b'\r' | b'\t' | b',' | 12) => self.at += 1,
                Some(b';') => {
                    let end = self.rest().iter().position(|&byte| byte == b'\n');
                    self.at += end.ok_or(Trouble::Incomplete)?;
                }
                Some(b'#') if self.rest().starts_with(b"#_") => {
                    self.at += 2;
                    self.value(&mut Vec::new())?;
                }
                Some(_) => return Ok(false),
            }
        }
    }

    /// Skip to the next form of a collection; false when its end was consumed.
    pub fn more(&mut self, end: u8) -> Result<bool, Trouble> {
        self.space()?;
        let byte = self.peek()?;
        if byte == end {
            self.at += 1;
            return Ok(false);
        }
        if matches!(byte, b']' | b')' | b'}') {
            return Err(self.bad(format!("\"{}\" where \"{}\" should be", byte as char, end as char)));
        }
        Ok(true)
    }

    /// Read one form and append its canonical JSON.
    pub fn value(&mut self, out: &mut Vec<u8>) -> Result<(), Trouble> {
        if self.depth >= DEPTH_MAX {
            return Err(self.bad(format!("nested deeper than {DEPTH_MAX}")));
        }
        self.depth += 1;
        let done = self.form(out);
        self.depth -= 1;
        done
    }

    fn form(&mut self, out: &mut Vec<u8>) -> Result<(), Trouble> {
        self.space()?;
        match self.peek()? {
            b'"' => {
                let start = out.len();
                self.string(out)?;
                self.told_apart(start, Form::Text, out);
                Ok(())
            }
            b'[' => self.sequence(b']', out),
            b'(' => self.sequence(b')', out),
            b'{' => self.map(out),
            b'#' => self.dispatch(out),
            b'\\' => self.character(out),
            b'^' => {
                // Metadata stands before the form that it is about.
                self.at += 1;
                self.value(&mut Vec::new())?;
                self.value(out)
            }
            b':' => {
                self.at += 1;
                let word = self.word()?;
                if word.is_empty() {
                    return Err(self.bad("a keyword without a name"));
                }
                let start = out.len();
                self.name(word, out)?;
                self.told_apart(start, Form::Keyword, out);
                Ok(())
            }
            b']' | b')' | b'}' => Err(self.bad("a closing bracket that nothing opened")),
            _ => self.atom(out),
        }
    }

    fn sequence(&mut self, end: u8, out: &mut Vec<u8>) -> Result<(), Trouble> {
        self.at += 1;
        out.push(b'[');
        let mut first = true;
        while self.more(end)? {
            if !first {
                out.push(b',');
            }
            first = false;
            self.value(out)?;
        }
        out.push(b']');
        Ok(())
    }

    /// Elements in one order whatever order they were printed in: equal sets have equal texts.
    fn set(&mut self, out: &mut Vec<u8>) -> Result<(), Trouble> {
        self.at += 1;
        let mut elements = Vec::new();
        while self.more(b'}')? {
            let mut element = Vec::new();
            self.value(&mut element)?;
            elements.push(element);
        }
        // By length first, which puts integers in their own order.
        elements.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
        elements.dedup();
        out.push(b'[');
        out.extend_from_slice(&elements.join(&b','));
        out.push(b']');
        Ok(())
    }

    /// Names that are not strings become the text of their JSON.
    fn map(&mut self, out: &mut Vec<u8>) -> Result<(), Trouble> {
        self.at += 1;
        let mut fields = Vec::new();
        while self.more(b'}')? {
            let (mut name, mut value) = (Vec::new(), Vec::new());
            self.value(&mut name)?;
            if !self.more(b'}')? {
                return Err(self.bad("a map with a key but no value"));
            }
            self.value(&mut value)?;
            if name.first() != Some(&b'"') {
                let text = String::from_utf8(name).expect("canonical JSON is UTF-8");
                name = Vec::new();
                json::write_string(&text, &mut name);
            }
            fields.push((name, value));
        }
        write_object(fields, out);
        Ok(())
    }

    fn dispatch(&mut self, out: &mut Vec<u8>) -> Result<(), Trouble> {
        match *self.bytes.get(self.at + 1).ok_or(Trouble::Incomplete)? {
            b'{' => {
                self.at += 1;
                self.set(out)
            }
            b'#' => {
                self.at += 2;
                let word = self.word()?;
                self.name(word, out)
            }
            b'"' => {
                self.at += 1;
                self.string(out)
            }
            _ => {
                let tag = self.tag()?;
                let start = out.len();
                self.space()?;
                if self.peek()? == b'"' {
                    self.string(out)?;
                    self.told_apart(start, Form::Tagged, out);
                    return Ok(());
                }
                self.value(out)?;
                if tag.ends_with(b"independent.Tuple") || tag.ends_with(b"MapEntry") {
                    self.untuple(start, out);
                }
                Ok(())
            }
        }
    }

    /// `{:key k :value v}` or `[k v]` as `[k,v]`.
    fn untuple(&mut self, start: usize, out: &mut Vec<u8>) {
        if let Ok(tuple @ json::Value::Object(_)) = json::parse(&out[start..]) {
            if let (Some(key), Some(value)) = (tuple.get("key"), tuple.get("value")) {
                out.truncate(start);
                json::Value::Array(vec![key.clone(), value.clone()]).write(out);
            }
        }
        self.tuple |= pair(&out[start..]).is_some();
    }

    /// Skip `#` and the symbol after it.
    pub fn tag(&mut self) -> Result<&'a [u8], Trouble> {
        self.at += 1;
        let word = self.word()?;
        // A map with a namespace, `#:ns{…}`: its names stand without it.
        let first = word.strip_prefix(b":").unwrap_or(word).first();
        if !first.is_some_and(|&first| first.is_ascii_alphabetic() || first == b':') {
            return Err(self.bad(format!("`#` before {}, which EDN does not know", shown(self.rest()))));
        }
        Ok(word)
    }

    /// The bytes up to the next delimiter, which must be there.
    fn word(&mut self) -> Result<&'a [u8], Trouble> {
        let rest = self.rest();
        let length = rest.iter().position(|&byte| is_delimiter(byte)).ok_or(Trouble::Incomplete)?;
        self.at += length;
        Ok(&rest[..length])
    }

    fn name(&self, word: &[u8], out: &mut Vec<u8>) -> Result<(), Trouble> {
        let text = std::str::from_utf8(word).map_err(|_| self.bad("a name that is not UTF-8"))?;
        json::write_string(text, out);
        Ok(())
    }

    fn atom(&mut self, out: &mut Vec<u8>) -> Result<(), Trouble> {
        let start = self.at;
        let word = self.word()?;
        match word {
            b"nil" => out.extend_from_slice(b"null"),
            b"true" | b"false" => out.extend_from_slice(word),
            b"" => return Err(self.bad(format!("not EDN: {}", shown(self.rest())))),
            _ => {
                let digits = word.strip_prefix(b"-").or_else(|| word.strip_prefix(b"+")).unwrap_or(word);
                let written = out.len();
                if !digits.first().is_some_and(u8::is_ascii_digit) {
                    self.name(word, out)?;
                    self.told_apart(written, Form::Symbol, out);
                    return Ok(());
                }
                let number = number(word).ok_or_else(|| Trouble::Bad {
                    at: start,
                    text: format!("not a number that can be read: {}", shown(word)),
                })?;
                out.extend_from_slice(&number);
                if number.contains(&b'/') {
                    self.told_apart(written, Form::Ratio, out);
                }
            }
        }
        Ok(())
    }

    /// Mark the string at `start` where, in a key or a value, the same name came first in another form.
    fn told_apart(&mut self, start: usize, form: Form, out: &mut Vec<u8>) {
        let name = &out[start + 1..out.len() - 1];
        if self.data && !is_micro(name) && self.forms.is_other(name, form) {
            let marked = form.marked(name);
            out.truncate(start);
            json::write_string(&String::from_utf8_lossy(&marked), out);
        }
    }

    fn string(&mut self, out: &mut Vec<u8>) -> Result<(), Trouble> {
        let (opened, start) = (self.at, out.len());
        self.at += 1;
        out.push(b'"');
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => {
                    let (character, length) = self.escape()?;
                    let mut utf8 = [0; 4];
                    for &byte in character.encode_utf8(&mut utf8).as_bytes() {
                        write_byte(byte, out);
                    }
                    self.at += length;
                }
                byte => {
                    write_byte(byte, out);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        out.push(b'"');
        if std::str::from_utf8(&out[start..]).is_err() {
            return Err(Trouble::Bad { at: opened, text: "a string that is not UTF-8".into() });
        }
        Ok(())
    }

    fn escape(&self) -> Result<(char, usize), Trouble> {
        let letter = *self.bytes.get(self.at + 1).ok_or(Trouble::Incomplete)?;
        Ok(match letter {
            b'"' | b'\\' => (letter as char, 2),
            b'n' => ('\n', 2),
            b'r' => ('\r', 2),
            b't' => ('\t', 2),
            b'b' => ('\u{8}', 2),
            b'f' => ('\u{c}', 2),
            b'u' => {
                let high = self.hex(self.at + 2)?;
                if (0xd800..0xdc00).contains(&high) {
                    let next = self.bytes.get(self.at + 6..self.at + 8).ok_or(Trouble::Incomplete)?;
                    let low = if next == b"\\u" { self.hex(self.at + 8)? } else { 0 };
                    if (0xdc00..0xe000).contains(&low) {
                        let code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                        return char::from_u32(code)
                            .map(|character| (character, 12))
                            .ok_or_else(|| self.bad("half a surrogate pair in a string"));
                    }
                }
                let character =
                    char::from_u32(high).ok_or_else(|| self.bad("half a surrogate pair in a string"))?;
                (character, 6)
            }
            _ => return Err(self.bad("an escape that EDN does not know")),
        })
    }

    fn hex(&self, at: usize) -> Result<u32, Trouble> {
        let digits = self.bytes.get(at..at + 4).ok_or(Trouble::Incomplete)?;
        digits.iter().try_fold(0, |code, &byte| {
            let digit =
                (byte as char).to_digit(16).ok_or_else(|| self.bad("\\u needs four hexadecimal digits"))?;
            Ok(code * 16 + digit)
        })
    }

    fn character(&mut self, out: &mut Vec<u8>) -> Result<(), Trouble> {
        self.at += 1;
        // The first character may itself be a delimiter: \( and \, are characters.
        let first = self.peek()?;
        let length = if first.is_ascii() { 1 } else { 0 };
        self.at += length;
        let rest = self.word()?;
        let word = &self.bytes[self.at - rest.len() - length..self.at];
        let text = std::str::from_utf8(word).map_err(|_| self.bad("a character that is not UTF-8"))?;
        let start = out.len();
        let named = match text {
            "newline" => "\n",
            "return" => "\r",
            "space" => " ",
            "tab" => "\t",
            "backspace" => "\u{8}",
            "formfeed" => "\u{c}",
            _ => text,
        };
        let unicode = named.strip_prefix('u').filter(|digits| digits.len() == 4);
        if let Some(code) = unicode.and_then(|digits| u32::from_str_radix(digits, 16).ok()) {
            let character = char::from_u32(code).ok_or_else(|| self.bad("half a surrogate pair"))?;
            json::write_string(character.encode_utf8(&mut [0; 4]), out);
        } else if named.chars().count() == 1 {
            json::write_string(named, out);
        } else {
            return Err(self.bad(format!("not a character: {}", shown(word))));
        }
        self.told_apart(start, Form::Character, out);
        Ok(())
    }
}

fn is_delimiter(byte: u8) -> bool {
    matches!(
        byte,
        b' ' | b'\n' | b'\r' | b'\t' | b',' | 12 | b';' | b'"' | b'[' | b']' | b'(' | b')' | b'{' | b'}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Result<String, Trouble> {
        let mut out = Vec::new();
        let text = format!("{text} ");
        Edn::new(text.as_bytes()).value(&mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn forms_become_json() {
        for (edn, expected) in [
            ("nil", "null"),
            (":timed-out", "\"timed-out\""),
            ("[:append 3 [1 2N -0 +4 1.5M 2/3]]", "[\"append\",3,[1,2,0,4,1.5,\"2/3\"]]"),
            ("#{1 2}", "[1,2]"),
            ("#{10 :a 9 9.0}", "[9,10,\"a\"]"),
            ("#:ns{:a 1}", "{\"a\":1}"),
            ("[1.50M 1e2 +1.0]", "[1.5,100,1]"),
            ("(a \\b \\newline \\( \\u0041)", "[\"a\",\"b\",\"\\n\",\"(\",\"A\"]"),
            ("{:b 1, 2 #_gone \"x\\ny\" ; comment\n}", "{\"2\":\"x\\ny\",\"b\":1}"),
            ("#inst \"2020\"", "\"2020\""),
            ("#jepsen.history.Op{:f :r}", "{\"f\":\"r\"}"),
            ("^{:m 1} [1]", "[1]"),
            ("##NaN", "\"NaN\""),
            ("#object[a.b 0x1f \"t\"]", "[\"a.b\",31,\"t\"]"),
        ] {
            assert_eq!(json(edn).unwrap_or_default(), expected, "{edn}");
        }
    }

    #[test]
    fn tuples_are_recognised() {
        for text in ["#jepsen.independent.Tuple{:key 1, :value nil} ", "#jepsen.independent.Tuple [1 nil] "] {
            let mut edn = Edn::new(text.as_bytes());
            let mut out = Vec::new();
            edn.value(&mut out).unwrap();
            assert!(edn.tuple);
            assert_eq!(out, b"[1,null]");
        }
    }

    #[test]
    fn keywords_are_no_strings_where_a_file_has_both() {
        let mut edn = Edn::new(b"[:on \"on\" :r \"r\" \"off\" :off] [\"on\" :on :off \"only\"] ");
        edn.data = true;
        let mut out = Vec::new();
        edn.value(&mut out).unwrap();
        edn.value(&mut out).unwrap();
        let expected = r#"["on","\"on\"","r","r","off",":off"]["\"on\"","on",":off","only"]"#;
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn other_forms_of_a_name_are_other_values() {
        let mut edn = Edn::new(b"[a \"a\" \\a :a 1/2 \"1/2\" #uuid \"a\" \"1\" :1 \\1 1 #inst \"t\" \"t\"] ");
        edn.data = true;
        let mut out = Vec::new();
        edn.value(&mut out).unwrap();
        let expected = r##"["a","\"a\"","\\a",":a","1/2","\"1/2\"","#a","1",":1","\\1",1,"t","\"t\""]"##;
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn nonsense_is_refused() {
        let deep = "[".repeat(100_000);
        assert!(json(&format!("{}1", "#_".repeat(100_000))).is_err());
        assert!(json(&"[#_".repeat(100_000)).is_err());
        for edn in ["]", "{:a}", "[1)", "\"\\x\"", "#", "#1", ":", "009", "1x", "\\abc", "\"\\ud800\"", &deep]
        {
            assert!(json(edn).is_err(), "{edn:.20}");
        }
    }
}
