//! Reading a history from chunks of bytes, in any of the formats, recognised by content.

use crate::builder::{Builder, Draft};
use crate::import::{self, Found, Import};
use crate::scan::{shown, Trouble};
use crate::Columns;
use std::fmt;

/// An event longer than this many bytes is refused, so that no input can hold the whole memory.
const EVENT_BYTES_MAX: usize = 64 << 20;

/// Why a history cannot be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FormatError {
    /// Line on which it shows, counted from 1.
    pub line: u64,
    /// What is wrong, in words.
    pub text: String,
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.text)
    }
}

impl std::error::Error for FormatError {}

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

    /// The format of a text that begins so; None if more of it is needed.
    fn of(bytes: &[u8]) -> Option<Format> {
        let mut rest = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace() && *byte != b',');
        match (rest.next()?, rest.next()) {
            (b'{', second) => Some(if second? == b'"' { Format::Json } else { Format::Edn }),
            (b'[', second) => match second? {
                b']' => Some(Format::Json),
                b'{' => Some(if rest.next()? == b'"' { Format::Json } else { Format::Edn }),
                _ => Some(Format::Edn),
            },
            (b'(' | b'#' | b';', _) => Some(Format::Edn),
            _ => Some(Format::Text),
        }
    }
}

/// Takes a history in chunks and builds columns.
#[derive(Default)]
pub struct Reader {
    format: Option<Format>,
    builder: Builder,
    draft: Draft,
    scratch: Vec<u8>,
    /// Bytes of an event that is not complete yet.
    rest: Vec<u8>,
    /// Do not look at the rest again before it is this long: a huge event is scanned a few times, not once a chunk.
    patience: usize,
    line: u64,
    started: bool,
    truncated: bool,
    array: Array,
    failed: Option<FormatError>,
}

/// Where the brackets and commas of a file may stand.
#[derive(Default, Clone, Copy, PartialEq, Eq, Debug)]
enum Array {
    /// Nothing was read yet.
    #[default]
    Unknown,
    /// Objects follow one another without a bracket around them.
    Lines,
    /// After the opening bracket.
    Opened,
    /// After an event.
    Event,
    /// After a comma.
    Comma,
    /// After the closing bracket.
    Closed,
}

impl Reader {
    /// A reader of one format, or of whatever the content turns out to be.
    #[must_use]
    pub fn new(format: Option<Format>) -> Self {
        Reader { format, line: 1, ..Reader::default() }
    }

    /// The format, once it is known.
    #[must_use]
    pub fn format(&self) -> Option<Format> {
        self.format
    }

    /// Whether the input ended in the middle of an event, which was left out. Known after `finish`.
    #[must_use]
    pub fn truncated(&self) -> bool {
        self.truncated
    }

    /// Number of events so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.builder.columns.len()
    }

    /// Whether no event was read so far.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Take the next bytes; chunks may be cut anywhere.
    ///
    /// # Errors
    /// The first event that cannot be read or cannot be, with its line. Any later call gives the same error.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<(), FormatError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let mut chunk = chunk;
        if !self.started && self.rest.len() + chunk.len() >= 3 {
            self.started = true;
            self.rest.extend_from_slice(chunk);
            let all = std::mem::take(&mut self.rest);
            return self.take(all.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&all));
        }
        if !self.rest.is_empty() || !self.started {
            self.rest.extend_from_slice(chunk);
            if self.rest.len() < self.patience || !self.started {
                return Ok(());
            }
            let all = std::mem::take(&mut self.rest);
            chunk = &all;
            return self.take(chunk);
        }
        self.take(chunk)
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), FormatError> {
        let used = self.events(bytes)?;
        let rest = &bytes[used..];
        if rest.len() > EVENT_BYTES_MAX {
            return Err(self.fail(0, rest, format!("an event longer than {} MiB", EVENT_BYTES_MAX >> 20)));
        }
        // The rest is short as a rule; it is copied so that the chunk needs not live on.
        self.rest.extend_from_slice(rest);
        self.patience = if used == 0 { (self.rest.len() * 2).min(EVENT_BYTES_MAX + 1) } else { 0 };
        Ok(())
    }

    /// Take all complete events; how many bytes they are.
    fn events(&mut self, bytes: &[u8]) -> Result<usize, FormatError> {
        let Some(import) = self.importer(bytes) else {
            return Ok(0);
        };
        let mut used = 0;
        while used < bytes.len() {
            self.draft.clear();
            let rest = &bytes[used..];
            let found = import(rest, &mut self.draft, &mut self.builder.columns.texts, &mut self.scratch);
            match found {
                Ok((Found::End, length)) => {
                    self.line += lines(&rest[..length]);
                    used += length;
                    break;
                }
                Ok((found, length)) => {
                    self.accept(&found, &rest[..length])?;
                    used += length;
                }
                Err(Trouble::Incomplete) => break,
                Err(Trouble::Bad { at, text }) => return Err(self.fail(at, rest, text)),
            }
        }
        Ok(used)
    }

    fn importer(&mut self, bytes: &[u8]) -> Option<Import> {
        if self.format.is_none() {
            self.format = Format::of(bytes);
        }
        Some(match self.format? {
            Format::Json => import::json::import,
            Format::Edn => import::edn::import,
            Format::Text => import::text::import,
        })
    }

    fn accept(&mut self, found: &Found, taken: &[u8]) -> Result<(), FormatError> {
        let before = taken.len() - taken.trim_ascii_start().len();
        if self.format != Some(Format::Text) {
            let event = matches!(found, Found::Event);
            let byte = if event { b'{' } else { taken.last().copied().unwrap_or_default() };
            match step(self.format, self.array, byte) {
                Some(next) => self.array = next,
                None => {
                    return Err(self.fail(
                        before,
                        taken,
                        format!("{} cannot stand here", shown(&taken[before..])),
                    ))
                }
            }
        }
        if matches!(found, Found::Event) {
            if let Err(text) = self.builder.push(&mut self.draft) {
                return Err(self.fail(before, taken, text));
            }
        }
        self.line += lines(taken);
        Ok(())
    }

    fn fail(&mut self, at: usize, bytes: &[u8], text: String) -> FormatError {
        let error = FormatError { line: self.line + lines(&bytes[..at.min(bytes.len())]), text };
        self.failed = Some(error.clone());
        error
    }

    /// The whole history. A last event that is cut short is left out and noted in `truncated`.
    ///
    /// # Errors
    /// As `feed`, for what was still waiting.
    pub fn finish(&mut self) -> Result<Columns, FormatError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.started = true;
        let mut all = std::mem::take(&mut self.rest);
        if let Some(rest) = all.strip_prefix(b"\xef\xbb\xbf").filter(|_| self.is_empty()) {
            all = rest.to_vec();
        }
        let mut used = self.events(&all)?;
        // A text line may end without a line's end, and so may a comment; elsewhere a token that nothing follows may
        // be the half of a longer one.
        let text = self.format == Some(Format::Text);
        let last = all[used..].rsplit(|&byte| byte == b'\n').next().unwrap_or_default();
        if (text && import::text::is_whole(last)) || last.trim_ascii_start().starts_with(b";") {
            all.push(b'\n');
            used += match self.events(&all[used..]) {
                // A text line that was cut cannot be told from a bad one by its syntax.
                Err(_) if text && !self.is_empty() => 0,
                result => result?,
            };
        }
        self.truncated = !all[used..].iter().all(u8::is_ascii_whitespace)
            || matches!(self.array, Array::Opened | Array::Event | Array::Comma);
        Ok(std::mem::take(&mut self.builder).finish())
    }
}

/// What the structure of a file allows after `array` when `byte` comes; `{` stands for an event.
fn step(format: Option<Format>, array: Array, byte: u8) -> Option<Array> {
    match (array, byte) {
        (Array::Unknown | Array::Lines, b'{') => Some(Array::Lines),
        (Array::Unknown, b'[' | b'(') => Some(Array::Opened),
        // EDN needs no comma, and takes it for white space where it stands.
        (Array::Event, b'{') if format == Some(Format::Edn) => Some(Array::Event),
        (Array::Opened | Array::Comma, b'{') => Some(Array::Event),
        (Array::Event, b',') => Some(Array::Comma),
        (Array::Opened | Array::Event, b']' | b')') => Some(Array::Closed),
        _ => None,
    }
}

fn lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|&&byte| byte == b'\n').count() as u64
}
