//! What is printed: [`Output`].

use std::{
    fmt,
    io::{self, BufWriter, StdoutLock, Write},
};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// Prints to the standard output, for people or as one JSON object.
///
/// A reader that has seen enough, such as `head`, closes the pipe; the rest is printed nowhere then.
pub(crate) struct Output {
    pub(crate) is_json: bool,
    /// Whether the JSON object was begun and only the rest of it is to be printed.
    pub(crate) is_begun: bool,
    stdout: BufWriter<StdoutLock<'static>>,
    failed: Option<io::Error>,
}

impl Output {
    pub(crate) fn new(is_json: bool) -> Self {
        Self { is_json, is_begun: false, stdout: BufWriter::new(io::stdout().lock()), failed: None }
    }

    /// Prints a line for people.
    pub(crate) fn say(&mut self, line: impl fmt::Display) {
        if !self.is_json {
            self.write(format_args!("{line}\n"));
        }
    }

    /// Prints a part of the JSON object.
    pub(crate) fn json(&mut self, part: &impl Serialize) {
        if self.is_json {
            self.write(format_args!("{}", ascii(part)));
        }
    }

    /// Prints a part of the JSON object as it is.
    pub(crate) fn raw_json(&mut self, part: &str) {
        if self.is_json {
            self.write(format_args!("{part}"));
        }
    }

    /// Prints the whole JSON object, or the rest of it.
    pub(crate) fn object(&mut self, object: &impl Serialize) {
        let text = ascii(object);
        let rest = if self.is_begun { text.trim_start_matches('{') } else { &text };
        self.raw_json(rest);
        self.raw_json("\n");
    }

    /// Whether nobody reads any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.failed.is_some()
    }

    /// Shows what was printed so far.
    pub(crate) fn flush(&mut self) {
        if self.failed.is_none() {
            self.failed = self.stdout.flush().err();
        }
    }

    /// Ends the printing; fails if it did, but not for a reader that has seen enough.
    pub(crate) fn end(mut self) -> io::Result<()> {
        self.flush();
        match self.failed.take() {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        }
    }

    fn write(&mut self, text: fmt::Arguments<'_>) {
        if self.failed.is_none() {
            self.failed = self.stdout.write_fmt(text).err();
        }
    }
}

/// JSON of ASCII alone, so that no text in it means anything to a terminal.
fn ascii(value: &impl Serialize) -> String {
    let mut bytes = Vec::new();
    // What is printed here has only names that are text, and a vector takes any bytes.
    let _ = value.serialize(&mut Serializer::with_formatter(&mut bytes, Ascii));
    String::from_utf8(bytes).unwrap_or_default()
}

struct Ascii;

impl Ascii {
    /// Only within strings can there be anything but printed ASCII, and an escape means the same.
    fn write<W: ?Sized + Write>(writer: &mut W, fragment: &str) -> io::Result<()> {
        for part in fragment.split_inclusive(|c: char| !c.is_ascii() || c == '\u{7f}') {
            let last = part.chars().next_back().filter(|c| !c.is_ascii() || *c == '\u{7f}');
            let plain = &part[..part.len() - last.map_or(0, char::len_utf8)];
            writer.write_all(plain.as_bytes())?;
            for unit in last.iter().flat_map(|last| last.encode_utf16(&mut [0; 2]).to_vec()) {
                write!(writer, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }
}

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        Self::write(writer, fragment)
    }

    fn write_raw_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        Self::write(writer, fragment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_ascii_and_means_the_same() {
        let text = "a\u{1b}\u{7f}\u{9b}é\u{202e}𝄞\"\\";
        let json = ascii(&text);
        assert!(json.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        let raw: Box<serde_json::value::RawValue> =
            serde_json::from_str("{\"é\": [1e400]}").unwrap();
        assert_eq!(ascii(&raw), "{\"\\u00e9\": [1e400]}");
    }
}
