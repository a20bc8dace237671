//! What a server is asked: [`Command`].

use std::fmt;

use itoa::{Buffer, Integer};

/// A command and its arguments, in the form in which they travel.
///
/// <https://redis.io/docs/latest/develop/reference/protocol-spec/>, in its second version.
#[derive(Clone)]
pub(crate) struct Command {
    arguments: usize,
    /// The arguments, each after its length: all but the line before them, which counts them.
    bytes: Vec<u8>,
}

impl Command {
    /// A command of one word, with room for the arguments of most.
    pub(crate) fn new(name: &str) -> Self {
        Self::with_room(name, 128)
    }

    /// A command of one word, with room for so many bytes of arguments.
    pub(crate) fn with_room(name: &str, bytes: usize) -> Self {
        let mut command = Self { arguments: 0, bytes: Vec::with_capacity(name.len() + 16 + bytes) };
        command.arg(name);
        command
    }

    /// A command that goes on where this one ends, with room for so many bytes more.
    pub(crate) fn longer(&self, bytes: usize) -> Self {
        let mut all = Vec::with_capacity(self.bytes.len() + bytes);
        all.extend_from_slice(&self.bytes);
        Self { arguments: self.arguments, bytes: all }
    }

    /// Adds an argument.
    pub(crate) fn arg(&mut self, argument: impl AsRef<[u8]>) -> &mut Self {
        let argument = argument.as_ref();
        self.arguments += 1;
        line(&mut self.bytes, b'$', argument.len());
        self.bytes.extend_from_slice(argument);
        self.bytes.extend_from_slice(b"\r\n");
        self
    }

    /// Adds a number.
    pub(crate) fn number(&mut self, number: impl Integer) -> &mut Self {
        self.arg(Buffer::new().format(number))
    }

    /// Adds several arguments.
    pub(crate) fn args<A: AsRef<[u8]>>(
        &mut self,
        arguments: impl IntoIterator<Item = A>,
    ) -> &mut Self {
        for argument in arguments {
            self.arg(argument);
        }
        self
    }

    /// The command's name and its arguments.
    pub(crate) fn words(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &*self.bytes;
        std::iter::from_fn(move || {
            let end = rest.iter().position(|byte| *byte == b'\r')?;
            let length: usize = str::from_utf8(&rest[1..end]).ok()?.parse().ok()?;
            let (word, after) = rest[end + 2..].split_at(length);
            rest = &after[2..];
            Some(word)
        })
    }

    /// Writes it as it travels.
    pub(super) fn write(&self, buffer: &mut Vec<u8>) {
        line(buffer, b'*', self.arguments);
        buffer.extend_from_slice(&self.bytes);
    }
}

fn line(buffer: &mut Vec<u8>, sign: u8, number: usize) {
    buffer.push(sign);
    buffer.extend_from_slice(Buffer::new().format(number).as_bytes());
    buffer.extend_from_slice(b"\r\n");
}

/// Shows how many arguments there are, and none of them: they are values and passwords.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command").field("arguments", &self.arguments).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_travels_as_its_arguments_with_their_lengths() {
        let mut command = Command::new("HSET");
        command.arg("key").args(["", "a\r\n$1"]).number(-1_234_567_890_123_i64);
        let mut bytes = b"before".to_vec();
        command.write(&mut bytes);
        let expected = "before*5\r\n$4\r\nHSET\r\n$3\r\nkey\r\n$0\r\n\r\n$5\r\na\r\n$1\r\n$14\r\n-1234567890123\r\n";
        assert_eq!(str::from_utf8(&bytes).unwrap(), expected);
        let words: Vec<_> = command.words().collect();
        assert_eq!(words, [&b"HSET"[..], b"key", b"", b"a\r\n$1", b"-1234567890123"]);
        assert!(!format!("{command:?}").contains("key"));
    }

    #[test]
    fn longer_command_leaves_the_one_that_it_goes_on_from() {
        let mut begun = Command::new("EVALSHA");
        begun.arg("digest");
        let mut call = begun.longer(0);
        call.arg("key");
        assert_eq!((begun.words().count(), call.words().count()), (2, 3));
    }
}
