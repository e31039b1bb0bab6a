//! Which format is this, and is a line that cannot be read part of the history?

use crate::import;

/// A syntax that histories are written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Objects, one per line or in an array.
    Json,
    /// Maps or vectors, one per line or in a vector.
    Edn,
    /// `process :type :f value`, alone on a line or after a log's prefix.
    Text,
}

impl Format {
    /// The format's name, as given to `--format` and in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Format::Json => "jsonl",
            Format::Edn => "edn",
            Format::Text => "text",
        }
    }

    /// The format of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Format> {
        match name {
            "json" | "jsonl" => Some(Format::Json),
            "edn" => Some(Format::Edn),
            "txt" | "text" | "log" => Some(Format::Text),
            _ => None,
        }
    }
}

/// After so many bytes without any line that decides, it is text.
const SNIFFED_MAX: usize = 1 << 20;

/// The format of a text that begins so; None if more of it is needed. Lines that belong to no format (a banner, a log's
/// first lines) are looked past.
pub(crate) fn format(bytes: &[u8]) -> Option<Format> {
    let mut rest = bytes;
    while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
        let line = rest[..end].trim_ascii();
        if import::text::is_event(line) {
            return Some(Format::Text);
        }
        if !line.is_empty() && line[0] != b';' {
            if let Some(known) = of_start(rest) {
                return known;
            }
        }
        rest = &rest[end + 1..];
    }
    if bytes.len() > SNIFFED_MAX {
        return Some(Format::Text);
    }
    // What has no line's end yet: only brackets decide.
    of_start(rest).flatten()
}

/// The format by the first bytes of a line; the outer None if the line is odd, the inner one if more is needed.
fn of_start(bytes: &[u8]) -> Option<Option<Format>> {
    let mut rest = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace() && *byte != b',');
    let first = rest.next()?;
    let second = rest.next();
    Some(match (first, second) {
        (b'{' | b'[' | b'(' | b'#' | b'^', None) => None,
        (b'{', Some(second)) => Some(if second == b'"' { Format::Json } else { Format::Edn }),
        (b'[', Some(b']')) => Some(Format::Json),
        (b'[', Some(b'{')) => rest.next().map(|third| if third == b'"' { Format::Json } else { Format::Edn }),
        // `[INFO] …` and `(main) …` begin lines of logs, not vectors of events.
        (b'[' | b'(', Some(second)) if second.is_ascii_alphabetic() && !first_line_has_type(bytes) => {
            return None
        }
        (b'[' | b'(' | b'#' | b'^', _) => Some(Format::Edn),
        _ => return None,
    })
}

fn first_line_has_type(bytes: &[u8]) -> bool {
    let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    [&b" :invoke "[..], b" :ok ", b" :fail ", b" :info "]
        .iter()
        .any(|word| line.windows(word.len()).any(|window| window == *word))
}

/// Whether a text that cannot be read was meant to be an event: then it must not be passed over.
pub(crate) fn is_like_event(format: Option<Format>, text: &[u8]) -> bool {
    let has = |word: &[u8]| text.windows(word.len()).any(|window| window == word);
    let count = |words: &[&[u8]]| words.iter().filter(|word| has(word)).count();
    match format {
        Some(Format::Json) => count(&[b"\"type\"", b"\"process\"", b"\"f\""]) >= 2,
        Some(Format::Edn) => {
            count(&[b":type", b":process", b":f ", b":value"]) >= 2
                || count(&[b":invoke", b":ok ", b":fail ", b":info "]) >= 1
        }
        Some(Format::Text) | None => import::text::is_event(text),
    }
}

/// Whether a later line of an unfinished form begins as events do: then the form is a stray bracket, not a cut event.
pub(crate) fn goes_on(format: Option<Format>, text: &[u8]) -> bool {
    let starts = |line: &[u8]| match format {
        Some(Format::Json) => line.starts_with(b"{\""),
        _ => {
            line.starts_with(b"{:") || (line.starts_with(b"[") && line.get(1).is_some_and(u8::is_ascii_digit))
        }
    };
    text.trim_ascii_start()
        .split(|&byte| byte == b'\n')
        .skip(1)
        .any(|line| starts(line) && is_like_event(format, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_behind_odd_lines() {
        for (text, expected) in [
            ("{\"a\"", Some(Format::Json)),
            ("{\n \"a\"", Some(Format::Json)),
            ("[{:a", Some(Format::Edn)),
            ("[0 :invoke", Some(Format::Edn)),
            ("Starting\n[INFO] x\n{\"type\"", Some(Format::Json)),
            ("[INFO] 0 :invoke :read nil\n", Some(Format::Text)),
            ("; comment\n#{", Some(Format::Edn)),
            ("{", None),
            ("hello", None),
            ("hello\n\n", None),
        ] {
            assert_eq!(format(text.as_bytes()), expected, "{text}");
        }
    }
}
