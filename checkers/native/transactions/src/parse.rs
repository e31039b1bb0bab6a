//! Micro-operations straight from canonical JSON bytes: no white space, no tree of values.

use columns::{Text, Texts};

/// A value that is not a list of micro-operations: why.
pub(crate) struct Foreign(pub String);

pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Cursor { bytes, at: 0 }
    }

    fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    fn take(&mut self, byte: u8) -> Result<(), Foreign> {
        if self.peek() == byte {
            self.at += 1;
            return Ok(());
        }
        let text: String = String::from_utf8_lossy(self.bytes).chars().take(60).collect();
        Err(Foreign(format!("{text} is not a list like [[\"r\", key, null]]")))
    }

    pub fn open(&mut self) -> Result<(), Foreign> {
        self.take(b'[')
    }

    pub fn close(&mut self) -> Result<(), Foreign> {
        self.take(b']')
    }

    /// Whether the list ends here.
    pub fn closes(&self) -> bool {
        self.peek() == b']'
    }

    pub fn comma(&mut self) -> Result<(), Foreign> {
        self.take(b',')
    }

    /// Whether another element follows; the end of the list is consumed.
    pub fn more(&mut self, any: bool) -> Result<bool, Foreign> {
        if self.peek() == b']' {
            self.at += 1;
            return Ok(false);
        }
        if any {
            self.comma()?;
        }
        Ok(true)
    }

    /// Nothing may follow.
    pub fn end(&mut self) -> Result<(), Foreign> {
        if self.at == self.bytes.len() {
            return Ok(());
        }
        self.take(0)
    }

    /// A string without escapes: the name of a micro-operation.
    pub fn name(&mut self) -> Result<&'a [u8], Foreign> {
        self.take(b'"')?;
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|&byte| byte == b'"').unwrap_or(rest.len());
        self.at += length;
        self.take(b'"')?;
        Ok(&rest[..length])
    }

    /// Any value, as its handle in `texts`.
    pub fn value(&mut self, texts: &mut Texts) -> Result<u32, Foreign> {
        // Up to nine digits without a leading zero: the handle holds the integer itself.
        let start = self.at;
        let mut number: u32 = 0;
        while self.at - start < 9 && self.peek().is_ascii_digit() {
            number = number * 10 + u32::from(self.peek() - b'0');
            self.at += 1;
        }
        if self.at > start
            && matches!(self.peek(), b',' | b']')
            && (self.bytes[start] != b'0' || self.at == start + 1)
        {
            return Ok(Text::integer(number).map_or(0, |text| text.0));
        }
        self.at = start;
        self.skip()?;
        Ok(texts.intern(&self.bytes[start..self.at]).0)
    }

    /// A list of values, or null, which is an empty one.
    pub fn list(&mut self, texts: &mut Texts, out: &mut Vec<u32>) -> Result<(), Foreign> {
        out.clear();
        if self.bytes[self.at..].starts_with(b"null") {
            self.at += 4;
            return Ok(());
        }
        self.open()?;
        while self.more(!out.is_empty())? {
            let value = self.value(texts)?;
            out.push(value);
        }
        Ok(())
    }

    /// Pass one value of any kind.
    fn skip(&mut self) -> Result<(), Foreign> {
        let (mut depth, mut quoted) = (0usize, false);
        let start = self.at;
        loop {
            match self.peek() {
                0 if self.at >= self.bytes.len() => return self.take(b']'),
                b'\\' if quoted => self.at += 1,
                b'"' => quoted = !quoted,
                _ if quoted => {}
                b'[' | b'{' => depth += 1,
                b']' | b'}' | b',' if depth == 0 => break,
                b']' | b'}' => depth -= 1,
                _ => {}
            }
            self.at += 1;
        }
        if self.at == start {
            return self.take(b'"');
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_every_kind_are_taken() {
        let mut texts = Texts::default();
        let json = br#"[1,"a,]\"b",{"x":[1,2]},-5,0,null,12345678901,1.5,true,[],[[]]]"#;
        let mut out = Vec::new();
        let mut cursor = Cursor::new(json);
        assert!(cursor.list(&mut texts, &mut out).is_ok());
        assert!(cursor.end().is_ok());
        let shown: Vec<String> =
            out.iter().map(|&text| String::from_utf8(texts.json(Text(text)).into_owned()).unwrap()).collect();
        assert_eq!(format!("[{}]", shown.join(",")).as_bytes(), json);
    }

    #[test]
    fn cut_text_is_refused() {
        let json = br#"[1,"a",[2,{"b":3}]]"#;
        for end in 0..json.len() {
            let mut cursor = Cursor::new(&json[..end]);
            assert!(cursor.list(&mut Texts::default(), &mut Vec::new()).is_err(), "cut at {end}");
        }
    }
}
