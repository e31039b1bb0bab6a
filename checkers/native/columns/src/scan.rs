//! Scanning JSON in place: one cursor, shared by the value parser and the streaming importer.

use crate::number;

/// Arrays and objects nested deeper than this are refused: no input can exhaust the stack.
pub(crate) const DEPTH_MAX: usize = 128;

/// Why scanning stopped.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The input ends before the value does: more may come.
    Incomplete,
    /// A byte that cannot stand there.
    Bad { at: usize, text: String },
}

pub(crate) struct Cursor<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
}

/// Bytes that stand for themselves inside a string.
const PLAIN: [bool; 256] = {
    let mut plain = [true; 256];
    let mut i = 0;
    while i < 32 {
        plain[i] = false;
        i += 1;
    }
    plain[b'"' as usize] = false;
    plain[b'\\' as usize] = false;
    plain
};

/// Numbers up to this length, without an exponent, are in range for certain.
const NUMBER_PLAIN: usize = 300;
/// Longer integers are refused, as Python does.
const INTEGER_DIGITS_MAX: usize = 4000;

/// Whether other languages can hold a number: a finite float, or an integer that is not absurdly long.
fn is_in_range(number: &[u8]) -> bool {
    if number.iter().all(|byte| matches!(byte, b'-' | b'0'..=b'9')) {
        return number.len() <= INTEGER_DIGITS_MAX;
    }
    let text = std::str::from_utf8(number).ok();
    text.and_then(|text| text.parse().ok()).is_some_and(f64::is_finite)
}

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Cursor { bytes, at: 0 }
    }

    pub fn bad(&self, text: impl Into<String>) -> Trouble {
        Trouble::Bad { at: self.at, text: text.into() }
    }

    pub fn peek(&self) -> Result<u8, Trouble> {
        self.bytes.get(self.at).copied().ok_or(Trouble::Incomplete)
    }

    pub fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    pub fn literal(&mut self, word: &[u8]) -> Result<(), Trouble> {
        let rest = &self.bytes[self.at..];
        if rest.starts_with(word) {
            self.at += word.len();
            Ok(())
        } else if word.starts_with(rest) {
            Err(Trouble::Incomplete)
        } else {
            Err(self.bad(format!("not a JSON value: {}", shown(rest))))
        }
    }

    /// The bytes of a number, checked against JSON's grammar.
    pub fn number(&mut self) -> Result<&'a [u8], Trouble> {
        let start = self.at;
        if self.peek()? == b'-' {
            self.at += 1;
        }
        match self.peek()? {
            b'0' => self.at += 1,
            b'1'..=b'9' => self.digits()?,
            _ => {
                self.at = start;
                return Err(self.bad(format!("not a JSON value: {}", shown(&self.bytes[start..]))));
            }
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
            if let b'+' | b'-' = self.peek()? {
                self.at += 1;
            }
            self.digits()?;
        }
        if let Some(b'0'..=b'9') = self.bytes.get(self.at) {
            return Err(self.bad("a number with a leading zero"));
        }
        let number = &self.bytes[start..self.at];
        let suspect = number.len() > NUMBER_PLAIN || number.iter().any(|byte| matches!(byte, b'e' | b'E'));
        if suspect && !is_in_range(number) {
            return Err(Trouble::Bad { at: start, text: "a number out of range".into() });
        }
        Ok(number)
    }

    fn digits(&mut self) -> Result<(), Trouble> {
        if !self.peek()?.is_ascii_digit() {
            return Err(self.bad("a digit is missing in a number"));
        }
        while let Some(b'0'..=b'9') = self.bytes.get(self.at) {
            self.at += 1;
        }
        Ok(())
    }

    pub fn deeper(&mut self, depth: usize) -> Result<(), Trouble> {
        if depth >= DEPTH_MAX {
            return Err(self.bad(format!("nested deeper than {DEPTH_MAX}")));
        }
        self.at += 1;
        Ok(())
    }

    /// Step to the next item of an array or object; false when its end was consumed.
    pub fn next_item(&mut self, end: u8, first: bool) -> Result<bool, Trouble> {
        self.space();
        let byte = self.peek()?;
        if byte == end {
            self.at += 1;
            return Ok(false);
        }
        if !first {
            if byte != b',' {
                return Err(self.bad(format!("\",\" or \"{}\" is missing", end as char)));
            }
            self.at += 1;
            self.space();
            if self.peek()? == end {
                return Err(self.bad("nothing after a comma"));
            }
        }
        if end == b'}' && self.peek()? != b'"' {
            return Err(self.bad("a field's name must be a string"));
        }
        Ok(true)
    }

    pub fn colon(&mut self) -> Result<(), Trouble> {
        self.space();
        if self.peek()? != b':' {
            return Err(self.bad("\":\" is missing after a field's name"));
        }
        self.at += 1;
        Ok(())
    }

    /// Read a string; append its text, as canonical JSON with quotes if `quoted`, else unescaped.
    pub fn string(&mut self, out: &mut Vec<u8>, quoted: bool) -> Result<(), Trouble> {
        let (opened, start) = (self.at, out.len());
        self.at += 1;
        if quoted {
            out.push(b'"');
        }
        loop {
            let run = self.plain();
            out.extend_from_slice(run);
            match self.peek()? {
                b'"' => break,
                b'\\' => {
                    let character = self.escape()?;
                    let mut utf8 = [0; 4];
                    for &byte in character.encode_utf8(&mut utf8).as_bytes() {
                        if quoted {
                            write_byte(byte, out);
                        } else {
                            out.push(byte);
                        }
                    }
                }
                _ => return Err(self.bad("a control character inside a string")),
            }
        }
        self.at += 1;
        if quoted {
            out.push(b'"');
        }
        if std::str::from_utf8(&out[start..]).is_err() {
            return Err(Trouble::Bad { at: opened, text: "a string that is not UTF-8".into() });
        }
        Ok(())
    }

    fn plain(&mut self) -> &'a [u8] {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|&byte| !PLAIN[byte as usize]).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn escape(&mut self) -> Result<char, Trouble> {
        let letter = *self.bytes.get(self.at + 1).ok_or(Trouble::Incomplete)?;
        let character = match letter {
            b'"' | b'\\' | b'/' => letter as char,
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'u' => return self.unicode(),
            _ => return Err(self.bad("an escape that JSON does not know")),
        };
        self.at += 2;
        Ok(character)
    }

    fn unicode(&mut self) -> Result<char, Trouble> {
        let mut code = self.hex(self.at + 2)?;
        let mut length = 6;
        if (0xd800..0xdc00).contains(&code) {
            let next = self.bytes.get(self.at + 6..self.at + 8);
            if next.is_none() && self.bytes.len() < self.at + 8 {
                return Err(Trouble::Incomplete);
            }
            if next == Some(b"\\u") {
                let low = self.hex(self.at + 8)?;
                if (0xdc00..0xe000).contains(&low) {
                    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                    length = 12;
                }
            }
        }
        let character = char::from_u32(code).ok_or_else(|| self.bad("half a surrogate pair in a string"))?;
        self.at += length;
        Ok(character)
    }

    fn hex(&self, at: usize) -> Result<u32, Trouble> {
        let digits = self.bytes.get(at..at + 4).ok_or(Trouble::Incomplete)?;
        digits.iter().try_fold(0, |code, &byte| {
            let digit =
                (byte as char).to_digit(16).ok_or_else(|| self.bad("\\u needs four hexadecimal digits"))?;
            Ok(code * 16 + digit)
        })
    }

    /// Read any value and give its canonical text: a slice of the input where that is canonical already, else of
    /// `scratch`.
    pub fn canonical<'s>(&mut self, scratch: &'s mut Vec<u8>) -> Result<&'s [u8], Trouble>
    where
        'a: 's,
    {
        self.space();
        let start = self.at;
        match self.peek()? {
            b'"' => {
                self.at += 1;
                let run = self.plain();
                if self.bytes.get(self.at) == Some(&b'"') && run.is_ascii() {
                    self.at += 1;
                    return Ok(&self.bytes[start..self.at]);
                }
                self.at = start;
            }
            b'0'..=b'9' => {
                let number = self.number()?;
                if number.iter().all(u8::is_ascii_digit) {
                    return Ok(number);
                }
                scratch.clear();
                number::canonical(number, scratch);
                return Ok(scratch);
            }
            _ => {}
        }
        scratch.clear();
        self.copy(scratch, 0)?;
        Ok(scratch)
    }

    fn copy(&mut self, out: &mut Vec<u8>, depth: usize) -> Result<(), Trouble> {
        self.space();
        match self.peek()? {
            b'"' => self.string(out, true)?,
            b'[' => {
                self.deeper(depth)?;
                out.push(b'[');
                let mut first = true;
                while self.next_item(b']', first)? {
                    if !first {
                        out.push(b',');
                    }
                    first = false;
                    self.copy(out, depth + 1)?;
                }
                out.push(b']');
            }
            b'{' => self.copy_object(out, depth)?,
            b'n' => {
                self.literal(b"null")?;
                out.extend_from_slice(b"null");
            }
            b't' => {
                self.literal(b"true")?;
                out.extend_from_slice(b"true");
            }
            b'f' => {
                self.literal(b"false")?;
                out.extend_from_slice(b"false");
            }
            _ => {
                number::canonical(self.number()?, out);
            }
        }
        Ok(())
    }

    /// Fields come out sorted by name, the last one winning where a name stands twice: equal objects, equal texts.
    fn copy_object(&mut self, out: &mut Vec<u8>, depth: usize) -> Result<(), Trouble> {
        self.deeper(depth)?;
        let mut fields: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        while self.next_item(b'}', fields.is_empty())? {
            let (mut name, mut value) = (Vec::new(), Vec::new());
            self.string(&mut name, true)?;
            self.colon()?;
            self.copy(&mut value, depth + 1)?;
            fields.push((name, value));
        }
        write_object(fields, out);
        Ok(())
    }
}

/// Append one byte of a string's UTF-8, escaped where JSON demands it.
pub(crate) fn write_byte(byte: u8, out: &mut Vec<u8>) {
    match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        8 => out.extend_from_slice(b"\\b"),
        12 => out.extend_from_slice(b"\\f"),
        0..=31 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
        _ => out.push(byte),
    }
}

/// Append a canonical object; names and values are canonical JSON already.
pub(crate) fn write_object(mut fields: Vec<(Vec<u8>, Vec<u8>)>, out: &mut Vec<u8>) {
    fields.sort_by(|a, b| a.0.cmp(&b.0));
    out.push(b'{');
    for (i, (name, value)) in fields.iter().enumerate() {
        // The sort is stable: of equal names the last stands last.
        if fields.get(i + 1).is_some_and(|next| next.0 == *name) {
            continue;
        }
        if out.last() != Some(&b'{') {
            out.push(b',');
        }
        out.extend_from_slice(name);
        out.push(b':');
        out.extend_from_slice(value);
    }
    out.push(b'}');
}

/// The start of some bytes, for an error message.
pub(crate) fn shown(bytes: &[u8]) -> String {
    const MOST: usize = 30;
    let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let cut = &line[..line.len().min(MOST)];
    let dots = if line.len() > MOST { "…" } else { "" };
    format!("`{}{dots}`", String::from_utf8_lossy(cut).trim_end())
}

/// The two items of a canonical array of exactly two.
pub(crate) fn pair(json: &[u8]) -> Option<(&[u8], &[u8])> {
    let inside = json.strip_prefix(b"[")?.strip_suffix(b"]")?;
    let (mut depth, mut quoted, mut escaped, mut commas, mut comma) = (0usize, false, false, 0, 0);
    for (at, &byte) in inside.iter().enumerate() {
        if quoted {
            quoted = escaped || byte != b'"';
            escaped = byte == b'\\' && !escaped;
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth -= 1,
            b',' if depth == 0 => (commas, comma) = (commas + 1, at),
            _ => {}
        }
    }
    (commas == 1).then(|| (&inside[..comma], &inside[comma + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_sorted_and_the_last_duplicate_wins() {
        let mut scratch = Vec::new();
        let mut cursor = Cursor::new(b"{\"b\": {\"z\":1,\"y\" : -0}, \"a\":[ ], \"b\":2, \"c\": {\"x\":{}}}");
        assert_eq!(cursor.canonical(&mut scratch).unwrap(), b"{\"a\":[],\"b\":2,\"c\":{\"x\":{}}}");
    }

    #[test]
    fn pairs_split_at_the_top_level_only() {
        assert_eq!(pair(b"[1,[2,3]]"), Some((&b"1"[..], &b"[2,3]"[..])));
        assert_eq!(pair(b"[\"a,\\\"\\\\\",null]"), Some((&b"\"a,\\\"\\\\\""[..], &b"null"[..])));
        for other in [&b"[1]"[..], b"[]", b"[1,2,3]", b"null", b"{\"a\":[1,2]}"] {
            assert_eq!(pair(other), None);
        }
    }

    #[test]
    fn a_cut_value_is_incomplete_at_every_byte() {
        let text = "{\"a\":[1.5e7,true,null,\"x\\u00e9\\ud83d\\ude00\\n\"],\"b\":{\"c\":false}}";
        for end in 0..text.len() {
            let found = Cursor::new(&text.as_bytes()[..end]).canonical(&mut Vec::new()).map(<[u8]>::to_vec);
            assert_eq!(found, Err(Trouble::Incomplete), "cut at {end}");
        }
    }
}
