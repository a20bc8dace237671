//! The connection to the server: [`Link`].

use std::time::Duration;

use redis::{
    Arg, Client, Cmd, ErrorKind, RedisError, ServerErrorKind, Value,
    aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig},
};
use tower_keep_core::{StoreError, Timestamp};

use crate::{
    clock::ServerClock,
    error::{failed, unexpected},
    script::Script,
};

/// A connection that all callers share, made anew when it is lost.
///
/// Commands of all callers are pipelined on it, and one whose caller is gone is answered to nobody.
#[derive(Clone)]
pub(crate) struct Link {
    connection: ConnectionManager,
    pub(crate) clock: ServerClock,
}

impl Link {
    pub(crate) async fn connect(
        client: Client,
        clock: ServerClock,
        timeout: Duration,
    ) -> Result<Self, StoreError> {
        let config = ConnectionManagerConfig::new()
            // Whoever waits for a lost server is told soon, and the next one tries again.
            .set_number_of_retries(1)
            .set_min_delay(Duration::from_millis(10))
            .set_connection_timeout(Some(timeout))
            .set_response_timeout(Some(timeout));
        let connection =
            ConnectionManager::new_with_config(client, config).await.map_err(failed)?;
        Ok(Self { connection, clock })
    }

    /// Sends a command.
    pub(crate) async fn send(&self, command: &Cmd) -> Result<Value, StoreError> {
        ask(&mut self.connection.clone(), command).await.map_err(failed)
    }

    /// Sends commands that do not depend on each other in one round trip.
    pub(crate) async fn send_all(&self, commands: Vec<Cmd>) -> Result<Vec<Value>, StoreError> {
        let count = commands.len();
        if count == 0 {
            return Ok(Vec::new());
        }
        let mut pipeline = redis::Pipeline::with_capacity(count);
        for command in commands {
            pipeline.add_command(command);
        }
        let answers = self.connection.clone().req_packed_commands(&pipeline, 0, count).await;
        let answers = answers.map_err(failed)?;
        answers.into_iter().map(|answer| answer.extract_error().map_err(failed)).collect()
    }

    /// Calls a script; sends its text where the server does not know it yet.
    pub(crate) async fn call(&self, script: &Script, command: Cmd) -> Result<Answer, StoreError> {
        let mut connection = self.connection.clone();
        let answer = match ask(&mut connection, &command).await {
            Err(error) if is_unknown(&error) => {
                ask(&mut connection, &with_text(script, &command)).await
            }
            answer => answer,
        };
        Answer::new(answer.map_err(failed)?)
    }

    /// Reads a hash, and tells the server's time.
    pub(crate) async fn read(&self, key: &[u8]) -> Result<(Value, Timestamp), StoreError> {
        let mut read = redis::cmd("HGETALL");
        read.arg(key);
        if let Some(now) = self.clock.now() {
            return Ok((self.send(&read).await?, now));
        }
        let mut answers = self.send_all(vec![redis::cmd("TIME"), read]).await?.into_iter();
        let (Some(time), Some(hash)) = (answers.next(), answers.next()) else {
            return Err(unexpected());
        };
        Ok((hash, self.clock.set(&time)?))
    }

    /// What a test turned the server's clock by.
    pub(crate) fn shift(&self) -> i64 {
        self.clock.shift()
    }
}

async fn ask(connection: &mut ConnectionManager, command: &Cmd) -> Result<Value, RedisError> {
    connection.req_packed_command(command).await.and_then(Value::extract_error)
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
        let Value::Array(mut rest) = value else { return Err(unexpected()) };
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
