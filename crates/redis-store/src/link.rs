//! Sends commands: [`Link`].

use redis::{Arg, Cmd, ErrorKind, RedisError, ServerErrorKind, Value};
use tower_keep_core::{StoreError, Timestamp};

use crate::{
    clock::ServerClock,
    error::{failed, unexpected},
    keep::how,
    script::Script,
    servers::{Servers, Shard},
};

/// What sends commands, and tells errors of the store's kinds.
#[derive(Clone)]
pub(crate) struct Link {
    servers: Servers,
    clock: ServerClock,
}

impl Link {
    pub(crate) fn new(servers: Servers, clock: ServerClock) -> Self {
        Self { servers, clock }
    }

    /// Sends a command that only reads.
    pub(crate) async fn send(&self, command: &Cmd) -> Result<Value, StoreError> {
        self.servers.send(command).await.map_err(failed)
    }

    /// Sends commands that do not depend on each other, in one round trip to each server.
    pub(crate) async fn send_all(&self, commands: Vec<Cmd>) -> Result<Vec<Value>, StoreError> {
        let answers = self.servers.send_all(commands).await.map_err(failed)?;
        answers.into_iter().map(|answer| answer.extract_error().map_err(failed)).collect()
    }

    /// Calls a script; sends its text where the server does not know it yet.
    pub(crate) async fn call(&self, script: &Script, command: Cmd) -> Result<Answer, StoreError> {
        let answer = match self.servers.write(&command).await {
            Err(error) if is_unknown(&error) => {
                self.servers.write(&with_text(script, &command)).await
            }
            answer => answer,
        };
        Answer::new(answer.map_err(failed)?)
    }

    /// Reads a hash, and tells the time of its server.
    pub(crate) async fn read(&self, key: &[u8]) -> Result<(Value, Timestamp), StoreError> {
        self.servers.send_at(hash_at(key)).await.map_err(failed)
    }

    /// Reads hashes, each with the time of its server. One that is none is an error by itself.
    pub(crate) async fn read_all(
        &self,
        keys: impl Iterator<Item = Vec<u8>>,
    ) -> Result<Vec<(Result<Value, StoreError>, Timestamp)>, StoreError> {
        let commands = keys.map(|key| hash_at(&key)).collect();
        let answers = self.servers.send_all_at(commands).await.map_err(failed)?;
        let each = answers.into_iter();
        Ok(each.map(|(answer, at)| (answer.extract_error().map_err(failed), at)).collect())
    }

    /// All parts of the keys, each of which is listed by itself.
    pub(crate) async fn shards(&self) -> Result<Vec<Shard>, StoreError> {
        self.servers.shards().await.map_err(failed)
    }

    /// What a test turned the servers' clocks by.
    pub(crate) fn shift(&self) -> i64 {
        self.clock.shift()
    }
}

fn hash_at(key: &[u8]) -> Cmd {
    let mut read = redis::cmd("HGETALL");
    read.arg(key);
    read
}

fn is_unknown(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

/// The same call, with the text in place of the digest.
fn with_text(script: &Script, command: &Cmd) -> Cmd {
    let mut full = redis::cmd("EVAL");
    full.arg(&*script.text);
    for argument in command.args_iter().skip(2) {
        if let Arg::Simple(bytes) = argument {
            full.arg(bytes);
        }
    }
    full
}

/// What a script answers: a number that says how it ended, and more.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) how: i64,
    pub(crate) rest: Vec<Value>,
}

impl Answer {
    fn new(value: Value) -> Result<Self, StoreError> {
        let mut rest = match value {
            Value::Array(rest) => rest,
            // What is most often answered, in short: it is done, at this time.
            times @ Value::BulkString(_) => return Ok(Self { how: how::DONE, rest: vec![times] }),
            _ => return Err(unexpected()),
        };
        match rest.first() {
            Some(Value::Int(how)) => {
                let how = *how;
                rest.remove(0);
                Ok(Self { how, rest })
            }
            _ => Err(unexpected()),
        }
    }

    /// The time of a write and of the session's end, where the answer is these alone.
    pub(crate) fn times(&self) -> Result<Option<(Timestamp, Timestamp)>, StoreError> {
        if self.rest.len() != 1 {
            return Ok(None);
        }
        let (at, end) = self.text(0)?.split_once(',').ok_or_else(unexpected)?;
        let time = |text: &str| text.parse().map(Timestamp::from_millis).map_err(|_| unexpected());
        Ok(Some((time(at)?, time(end)?)))
    }

    pub(crate) fn number(&self, place: usize) -> Result<i64, StoreError> {
        match self.rest.get(place) {
            Some(Value::Int(number)) => Ok(*number),
            _ => Err(unexpected()),
        }
    }

    pub(crate) fn text(&self, place: usize) -> Result<&str, StoreError> {
        self.rest.get(place).ok_or_else(unexpected).and_then(crate::hash::text)
    }

    pub(crate) fn texts(&self, place: usize) -> Result<Vec<String>, StoreError> {
        match self.rest.get(place) {
            Some(Value::Array(values)) => {
                values.iter().map(|value| Ok(crate::hash::text(value)?.to_owned())).collect()
            }
            _ => Err(unexpected()),
        }
    }
}
