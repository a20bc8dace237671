//! What a server answers, as it came: [`Reply`].
//!
//! <https://redis.io/docs/latest/develop/reference/protocol-spec/>, in its second version.

use std::io;

use bytes::Bytes;
use redis::{RedisError, Value};

/// The answers to the commands of one call, whole and as they came.
///
/// They are taken apart by who asked: a hash without a copy, all else by the `redis` crate.
pub(crate) struct Reply(Bytes);

impl From<Bytes> for Reply {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl Reply {
    /// The only answer.
    pub(crate) fn value(&self) -> Result<Value, RedisError> {
        self.any()?.extract_error()
    }

    /// The only answer, which may be an error.
    pub(super) fn any(&self) -> Result<Value, RedisError> {
        match number(&self.0, b':') {
            Some((number, end)) if end == self.0.len() => Ok(Value::Int(number)),
            _ => redis::parse_redis_value(&self.0),
        }
    }

    /// Whether the only answer is this number.
    pub(crate) fn is(&self, expected: i64) -> bool {
        number(&self.0, b':') == Some((expected, self.0.len()))
    }

    /// Whether the only answer is this text.
    pub(crate) fn is_text(&self, text: &str) -> bool {
        let rest = number(&self.0, b'$').and_then(|(_, end)| self.0.get(end..));
        rest.and_then(|rest| rest.strip_suffix(b"\r\n")) == Some(text.as_bytes())
    }

    /// The answer to each command.
    pub(super) fn parts(mut self) -> Result<Vec<Self>, RedisError> {
        let mut parts = Vec::new();
        while let Some(end) = Frame::default().end(&self.0, 1)? {
            parts.push(Self(self.0.split_to(end)));
        }
        Ok(parts)
    }

    /// The error, if the only answer is one.
    pub(super) fn error(&self) -> Option<RedisError> {
        self.0.starts_with(b"-").then(|| self.value().err())?
    }

    /// The only answer, unless it is an error.
    pub(super) fn ok(self) -> Result<Self, RedisError> {
        self.error().map_or(Ok(self), Err)
    }

    /// The texts, if the answer is a list of these alone.
    pub(crate) fn texts(&self) -> Option<Texts<'_>> {
        let text = str::from_utf8(&self.0).ok()?;
        let (_, rest) = text.strip_prefix('*')?.split_once("\r\n")?;
        Some(Texts(rest))
    }
}

/// The texts of a list, one after the other; it ends at the first that is none.
#[derive(Clone)]
pub(crate) struct Texts<'a>(&'a str);

impl<'a> Texts<'a> {
    /// Whether nothing is left.
    pub(crate) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    /// A text and what follows it.
    fn bulk(&self) -> Option<(&'a str, &'a str)> {
        let (length, at) = number(self.0.as_bytes(), b'$')?;
        let end = at.checked_add(usize::try_from(length).ok()?)?;
        let text = self.0.get(at..end)?;
        Some((text, self.0.get(end..)?.strip_prefix("\r\n")?))
    }
}

impl<'a> Iterator for Texts<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let (text, rest) = self.bulk()?;
        self.0 = rest;
        Some(text)
    }
}

/// How far answers that arrive in parts are known to be whole.
#[derive(Debug, Default)]
pub(super) struct Frame {
    at: usize,
    /// Whole answers before `at`.
    whole: usize,
    /// Values that the present answer lacks.
    left: u64,
}

impl Frame {
    /// Where so many answers end, if they are all there. Begins where it stopped with fewer bytes.
    pub(super) fn end(&mut self, bytes: &[u8], answers: usize) -> io::Result<Option<usize>> {
        while self.whole < answers {
            let Some(rest) = bytes.get(self.at..).filter(|rest| !rest.is_empty()) else {
                return Ok(None);
            };
            let kind = rest[0];
            let next = match kind {
                b'+' | b'-' => end_of_line(rest).map(|end| (0, end)),
                b':' | b'$' | b'*' => number(rest, kind),
                _ => return Err(malformed()),
            };
            let Some((length, end)) = next else {
                // A whole line that holds no number will never hold one.
                let is_open = end_of_line(rest).is_none();
                return if is_open { Ok(None) } else { Err(malformed()) };
            };
            let mut size = end;
            if kind == b'$' && length >= 0 {
                let length = usize::try_from(length).map_err(|_| malformed())?;
                size = end
                    .checked_add(length)
                    .and_then(|end| end.checked_add(2))
                    .ok_or_else(malformed)?;
                if rest.len() < size {
                    return Ok(None);
                }
            }
            self.at += size;
            self.left = self.left.saturating_sub(1);
            if kind == b'*' && length > 0 {
                self.left = self.left.saturating_add(length.unsigned_abs());
            }
            if self.left == 0 {
                self.whole += 1;
            }
        }
        Ok(Some(self.at))
    }
}

/// The number of a line that begins with a sign, and where the line ends.
fn number(bytes: &[u8], sign: u8) -> Option<(i64, usize)> {
    let rest = bytes.strip_prefix(&[sign])?;
    let (is_negative, rest) = match rest.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    // Of the negative numbers there is one more.
    let mut number: i64 = 0;
    for (place, byte) in rest.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                number = number.checked_mul(10)?.checked_sub(i64::from(byte - b'0'))?;
            }
            b'\r' if place > 0 && rest.get(place + 1) == Some(&b'\n') => {
                let end = 1 + usize::from(is_negative) + place + 2;
                let number = if is_negative { number } else { number.checked_neg()? };
                return Some((number, end));
            }
            _ => return None,
        }
    }
    None
}

fn end_of_line(bytes: &[u8]) -> Option<usize> {
    bytes.windows(2).position(|pair| pair == b"\r\n").map(|at| at + 2)
}

fn malformed() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers of all kinds, one after the other.
    const ANSWERS: &[&str] = &[
        "+OK\r\n",
        "-ERR what: it is\r\n",
        ":-9223372036854775808\r\n",
        "$-1\r\n",
        "$0\r\n\r\n",
        "$4\r\na\r\nb\r\n",
        "*-1\r\n",
        "*0\r\n",
        "*2\r\n$1\r\na\r\n$1\r\nb\r\n",
        "*3\r\n:2\r\n*2\r\n*0\r\n$1\r\nx\r\n-ERR inside\r\n",
    ];

    fn reply(text: &str) -> Reply {
        Reply(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn end_is_found_however_the_answers_arrive() {
        let all = ANSWERS.concat();
        for step in 1..all.len() {
            let mut frame = Frame::default();
            for arrived in (0..all.len()).step_by(step) {
                let end = frame.end(&all.as_bytes()[..arrived], ANSWERS.len()).unwrap();
                assert_eq!(end, None, "{arrived}");
            }
            let more = format!("{all}+next");
            assert_eq!(frame.end(more.as_bytes(), ANSWERS.len()).unwrap(), Some(all.len()));
        }
    }

    #[test]
    fn answers_are_told_apart() {
        let parts = reply(&ANSWERS.concat()).parts().unwrap();
        let parts: Vec<_> = parts.iter().map(|part| str::from_utf8(&part.0).unwrap()).collect();
        assert_eq!(parts, ANSWERS);
    }

    #[test]
    fn answers_of_another_form_are_refused() {
        for wrong in ["x\r\n", ":1a\r\n", "$\r\n", "*99999999999999999999\r\n", "$1\ra"] {
            let error = Frame::default().end(format!("{wrong}\r\n").as_bytes(), 1);
            assert_eq!(error.unwrap_err().kind(), io::ErrorKind::InvalidData, "{wrong:?}");
        }
    }

    #[test]
    fn texts_are_those_of_the_list() {
        let texts: Vec<_> = reply(ANSWERS[8]).texts().unwrap().map(str::to_owned).collect();
        assert_eq!(texts, ["a", "b"]);
        // Lengths that lie, and what is no text.
        for wrong in ["*1\r\n$9\r\na\r\n", "*1\r\n$0\r\na\r\n", "*1\r\n:1\r\n", "*1\r\n$-1\r\n"] {
            let wrong = reply(wrong);
            let mut texts = wrong.texts().unwrap();
            assert_eq!(texts.next(), None);
            assert!(!texts.is_at_end());
        }
        assert!(Reply(Bytes::from_static(b"*1\r\n$1\r\n\xff\r\n")).texts().is_none());
    }
}
