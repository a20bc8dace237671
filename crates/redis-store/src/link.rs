//! Sends commands: [`Link`].

use std::{
    borrow::Borrow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Instant,
};

use redis::{ErrorKind, RedisError, ServerErrorKind, Value};
use tower_keep_core::{StoreError, Timestamp};

use crate::{
    clock::ServerClock,
    error::{failed, unexpected},
    key::SessionKey,
    script::Script,
    servers::{Command, Reply, Servers, Shard},
};

/// What sends commands, and tells errors of the store's kinds.
#[derive(Clone)]
pub(crate) struct Link {
    servers: Servers,
    clock: ServerClock,
    /// Whether the servers take new hashes whole, as far as is known.
    puts: Arc<AtomicBool>,
}

impl Link {
    pub(crate) fn new(servers: Servers, clock: ServerClock) -> Self {
        Self { servers, clock, puts: Arc::new(AtomicBool::new(true)) }
    }

    /// Sends a command that only reads.
    pub(crate) async fn send(&self, command: &Command) -> Result<Value, StoreError> {
        self.servers.send(command).await.and_then(|reply| reply.value()).map_err(failed)
    }

    /// Sends commands that do not depend on each other, in one round trip to each server.
    pub(crate) async fn send_all(&self, commands: Vec<Command>) -> Result<Vec<Value>, StoreError> {
        let answers = self.servers.send_all(commands).await.map_err(failed)?;
        answers.into_iter().map(|answer| answer.extract_error().map_err(failed)).collect()
    }

    /// Calls a script, and takes its answer apart.
    pub(crate) async fn call(
        &self,
        script: &Script,
        command: Command,
    ) -> Result<Answer, StoreError> {
        Answer::new(self.run(script, || &command).await?.value().map_err(failed)?)
    }

    /// Calls a script; sends its text where the server does not know it yet.
    ///
    /// Where the command is made anew for that, it need not be kept until its answer; who has it anyway lends it.
    pub(crate) async fn run<C: Borrow<Command>>(
        &self,
        script: &Script,
        command: impl Fn() -> C,
    ) -> Result<Reply, StoreError> {
        let reply = match self.servers.write(command()).await {
            Err(error) if is_unknown(&error) => {
                self.servers.write(with_text(script, command().borrow())).await
            }
            reply => reply,
        };
        reply.map_err(failed)
    }

    /// Whether one server has all keys, so that a script can touch several.
    pub(crate) fn is_one(&self) -> bool {
        matches!(self.servers, Servers::One(_))
    }

    /// Calls a script after another in one round trip, where one server has all keys.
    ///
    /// The first is sent as a text, since the second must not run without it.
    pub(crate) async fn call_after(
        &self,
        first: (&Script, Command),
        second: (&Script, Command),
    ) -> Result<(Answer, Answer), StoreError> {
        let both = [with_text(first.0, &first.1), second.1];
        let mut answers = self.servers.write_all(both.to_vec()).await.map_err(failed)?.into_iter();
        let mut next = || answers.next().ok_or_else(unexpected);
        let (before, after) = (next()?, next()?);
        let before = Answer::new(before.extract_error().map_err(failed)?)?;
        let after = match after.extract_error() {
            Err(error) if is_unknown(&error) => {
                let [_, second_call] = both;
                return Ok((before, self.call(second.0, second_call).await?));
            }
            after => Answer::new(after.map_err(failed)?)?,
        };
        Ok((before, after))
    }

    /// Puts a new hash under a key, with its end in the server's milliseconds. Returns whether it is done: if not,
    /// the key is taken or the server does not do that, and nothing was changed.
    pub(crate) async fn put(&self, key: &[u8], end: i64, hash: &[u8]) -> Result<bool, StoreError> {
        let mut command = Command::with_room("RESTORE", key.len() + hash.len() + 64);
        command.arg(key).number(end).arg(hash).arg("ABSTTL");
        match self.servers.write(command).await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("BUSYKEY") => Ok(false),
            // An older server, or a user without this permission.
            Err(error) if matches!(error.code(), Some("ERR" | "NOPERM")) => {
                self.puts.store(false, Relaxed);
                Ok(false)
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// The time at the server of a key, if it takes new hashes by [`put`](Self::put) and the time is known.
    pub(crate) fn put_at(&self, key: &[u8]) -> Option<Timestamp> {
        self.puts.load(Relaxed).then(|| self.reckoned(key))?
    }

    /// The time at the server of a key as this side reckons it, if it asked of late.
    pub(crate) fn reckoned(&self, key: &[u8]) -> Option<Timestamp> {
        self.servers.clock(key)?.estimate()
    }

    /// Takes the time that the server of a key told, and when it was asked.
    pub(crate) fn learn(&self, key: &[u8], now: Timestamp, asked: Instant) {
        if let Some(clock) = self.servers.clock(key) {
            clock.learn(now, asked);
        }
    }

    /// Reads a hash, and tells the time of its server.
    pub(crate) async fn read(&self, key: &[u8]) -> Result<(Reply, Timestamp), StoreError> {
        self.servers.send_at(hash_at(key)).await.map_err(failed)
    }

    /// Reads the state in a hash, and tells the time of its server.
    pub(crate) async fn state(&self, key: &[u8]) -> Result<(Reply, Timestamp), StoreError> {
        let mut state = Command::new("HGET");
        state.arg(key).arg("@state");
        self.servers.send_at(state).await.map_err(failed)
    }

    /// Reads hashes, each with the time of its server. A key that holds something else is an error of its own.
    pub(crate) async fn read_all(
        &self,
        keys: impl Iterator<Item = SessionKey>,
    ) -> Result<Vec<(Result<Value, StoreError>, Timestamp)>, StoreError> {
        self.ask_all(keys.map(|key| hash_at(&key)).collect()).await
    }

    /// Sends commands that do not depend on each other, each answered with the time of its server or with an
    /// error of its own.
    pub(crate) async fn ask_all(
        &self,
        commands: Vec<Command>,
    ) -> Result<Vec<(Result<Value, StoreError>, Timestamp)>, StoreError> {
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

fn hash_at(key: &[u8]) -> Command {
    let mut read = Command::new("HGETALL");
    read.arg(key);
    read
}

fn is_unknown(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

/// The same call, with the text in place of the digest.
fn with_text(script: &Script, command: &Command) -> Command {
    let mut full = Command::new("EVAL");
    full.arg(&script.text).args(command.words().skip(2));
    full
}

/// What a script answers: a number that says how it ended, and more.
pub(crate) struct Answer {
    pub(crate) how: i64,
    pub(crate) rest: Vec<Value>,
}

impl Answer {
    fn new(value: Value) -> Result<Self, StoreError> {
        let mut rest = match value {
            Value::Array(rest) => rest,
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
