//! Reading a history from chunks of bytes, in any of the formats, recognised by content.

use crate::builder::{Builder, Taken};
use crate::draft::Draft;
use crate::import::{self, Found, Import};
use crate::scan::{shown, Trouble};
use crate::settle::settle;
use crate::sniff::{self, Format};
use crate::Columns;
use std::fmt;

pub use crate::keyed::Keys;
pub use crate::settle::Settings;

/// An event longer than this many bytes is refused, so that no input can hold the whole memory.
const EVENT_BYTES_MAX: usize = 64 << 20;

/// Why a history cannot be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FormatError {
    /// Line on which it shows, counted from 1; 0 if it is the file as a whole.
    pub line: u64,
    /// What is wrong, in words.
    pub text: String,
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.text),
            line => write!(f, "line {line}: {}", self.text),
        }
    }
}

impl std::error::Error for FormatError {}

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
    settings: Settings,
    /// The input has ended: nothing more will complete what is incomplete.
    ended: bool,
    odd: Odd,
    /// Where a process first asked again before it had its answer.
    doubt: Option<FormatError>,
    notes: Vec<String>,
    timed: bool,
}

/// What was passed over.
#[derive(Default)]
struct Odd {
    count: u64,
    /// The first, and why it is not an event.
    first: Option<FormatError>,
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

    /// A reader that gets more of the file.
    #[must_use]
    pub fn with(format: Option<Format>, settings: Settings) -> Self {
        Reader { settings, ..Reader::new(format) }
    }

    /// What whoever reads a verdict on this history should know of how it was read. Known after `finish`.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Whether some event had a time. Known after `finish`.
    #[must_use]
    pub fn timed(&self) -> bool {
        self.timed
    }

    /// How many bytes the columns and their texts take so far.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.builder.columns.bytes() + self.rest.capacity()
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
            let done = match found {
                Ok((Found::End, length)) => {
                    self.line += lines(&rest[..length]);
                    length
                }
                Ok((found, length)) => self.accept(found, rest, length)?,
                Err(Trouble::Incomplete) if self.ended && sniff::goes_on(self.format, rest) => {
                    self.odd_line(rest, 0, "brackets that nothing closes".into())?
                }
                Err(Trouble::Incomplete) => break,
                Err(Trouble::Bad { at, text }) => self.odd_line(rest, at, text)?,
            };
            if done == 0 {
                // More is needed to know.
                break;
            }
            used += done;
        }
        Ok(used)
    }

    /// Pass over the line that begins here, unless it was meant to be an event: its length, or 0 if its end must come
    /// first.
    fn odd_line(&mut self, rest: &[u8], at: usize, text: String) -> Result<usize, FormatError> {
        let start = rest.len() - rest.trim_ascii_start().len();
        let end_of = |from: usize| {
            let end = rest[from..].iter().position(|&byte| byte == b'\n').map(|length| from + length + 1);
            end.or(self.ended.then_some(rest.len()))
        };
        let at = at.clamp(start, rest.len());
        let (Some(end), Some(seen)) = (end_of(start), end_of(at)) else {
            // Without the line's end it is refused no later than an event would be.
            return Ok(0);
        };
        let structure = matches!(self.array, Array::Opened | Array::Comma | Array::Event);
        if structure
            || self.format == Some(Format::Text)
            || sniff::is_like_event(self.format, &rest[start..seen])
        {
            return Err(self.fail(at, rest, text));
        }
        self.pass_over(start, rest, text);
        self.line += lines(&rest[..end]);
        Ok(end)
    }

    fn pass_over(&mut self, at: usize, rest: &[u8], text: String) {
        self.odd.count += 1;
        if self.odd.first.is_none() {
            self.odd.first = Some(FormatError { line: self.line + lines(&rest[..at]), text });
        }
    }

    fn importer(&mut self, bytes: &[u8]) -> Option<Import> {
        if self.format.is_none() {
            self.format = sniff::format(bytes);
        }
        Some(match self.format? {
            Format::Json => import::json::import,
            Format::Edn => import::edn::import,
            Format::Text => import::text::import,
        })
    }

    /// Take what was found in the first `length` bytes; how many are done with.
    fn accept(&mut self, found: Found, rest: &[u8], length: usize) -> Result<usize, FormatError> {
        let taken = &rest[..length];
        let before = taken.len() - taken.trim_ascii_start().len();
        let is_event = matches!(found, Found::Event);
        if self.format != Some(Format::Text) {
            let byte = if is_event { b'{' } else { taken.last().copied().unwrap_or_default() };
            match step(self.format, self.array, byte) {
                Some(next) => self.array = next,
                // A record beside a history does no harm, nor does a bracket in a line of another kind.
                None if is_event && self.builder.is_odd(&self.draft) => {}
                None => {
                    let text = format!("{} cannot stand here", shown(&taken[before..]));
                    if is_event || self.array != Array::Lines {
                        return Err(self.fail(before, taken, text));
                    }
                    return self.odd_line(rest, before, text);
                }
            }
        }
        let odd = match found {
            Found::Event => match self.builder.push(&mut self.draft) {
                Ok(Taken::Event) => None,
                Ok(Taken::Odd(reason)) => Some(reason),
                Err(text) => return Err(self.fail(before, taken, text)),
            },
            Found::Odd(reason) => Some(reason),
            Found::Nothing | Found::End => None,
        };
        if let Some(doubt) = self.builder.facts.doubt.take().filter(|_| self.doubt.is_none()) {
            self.doubt = Some(FormatError { line: self.line + lines(&taken[..before]), text: doubt });
        }
        if let Some(reason) = odd {
            self.pass_over(before, taken, reason);
        }
        self.line += lines(taken);
        Ok(length)
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
        let text = self.format == Some(Format::Text) || self.format.is_none();
        if self.format.is_none() && sniff::format(&all).is_none() && !all.starts_with(b"{") {
            let comment = all.trim_ascii_start().starts_with(b";");
            self.format = Some(if comment { Format::Edn } else { Format::Text });
        }
        self.ended = !text;
        let mut used = self.events(&all)?;
        // A text line may end without a line's end, and so may a comment; elsewhere a token that nothing follows may
        // be the half of a longer one.
        let text = self.format == Some(Format::Text);
        let last = all[used..].rsplit(|&byte| byte == b'\n').next().unwrap_or_default();
        if (text && import::text::is_whole(last)) || last.trim_ascii_start().starts_with(b";") {
            all.push(b'\n');
            if text {
                self.builder.strict();
            }
            used += match self.events(&all[used..]) {
                // A text line that was cut cannot be distinguished from a bad one by its syntax.
                Err(_) if text && !self.is_empty() => 0,
                result => result?,
            };
        }
        self.truncated = !all[used..].iter().all(u8::is_ascii_whitespace)
            || matches!(self.array, Array::Opened | Array::Event | Array::Comma);
        self.settled()
    }

    fn settled(&mut self) -> Result<Columns, FormatError> {
        if let Some(first) = self.odd.first.take() {
            if self.is_empty() {
                return Err(first);
            }
            let what = match self.odd.count {
                1 => "1 line or record that is not an event was".to_owned(),
                count => format!("{count} lines or records that are not events were"),
            };
            self.notes.push(format!("{what} passed over, the first in {first}"));
        }
        let (columns, facts) = std::mem::take(&mut self.builder).finish();
        if let Some(doubt) = self.doubt.take().filter(|_| !facts.indexed) {
            return Err(doubt);
        }
        self.timed = facts.timed;
        let loose = matches!(self.format, Some(Format::Edn | Format::Text));
        let (columns, notes) =
            settle(columns, facts, self.settings, loose).map_err(|text| FormatError { line: 0, text })?;
        self.notes.extend(notes);
        Ok(columns)
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
