//! One server: [`Node`].

use std::sync::Arc;

use redis::{Cmd, Pipeline, RedisError, Value, aio::ConnectionLike};
use tower_keep_core::Timestamp;

use super::{Settings, Target, lane::Lane};
use crate::clock::ServerClock;

/// A server, and the connections to it.
#[derive(Clone)]
pub(crate) struct Node(Arc<Inner>);

struct Inner {
    reads: Arc<Lane>,
    /// Apart from the reads where writes wait for replicas: a waiting connection does nothing else.
    writes: Arc<Lane>,
    replicas: u32,
    wait_millis: u64,
    clock: ServerClock,
}

/// The answer of a server that has too few replicas up to date.
pub(crate) const BEHIND: &str = "BEHIND";

impl Node {
    pub(crate) fn new(target: Target, settings: &Settings) -> Self {
        let target = Arc::new(target);
        let reads = Lane::new(Arc::clone(&target), settings.clone());
        let writes = match settings.replicas {
            0 => Arc::clone(&reads),
            _ => Lane::new(target, settings.clone()),
        };
        let wait = settings.timeout.as_millis() / 2;
        Self(Arc::new(Inner {
            reads,
            writes,
            replicas: settings.replicas,
            wait_millis: u64::try_from(wait).unwrap_or(u64::MAX).max(1),
            // Each server has a clock of its own.
            clock: settings.clock.another(),
        }))
    }

    pub(super) fn clock(&self) -> ServerClock {
        self.0.clock.clone()
    }

    /// Sends a command that only reads.
    pub(crate) async fn send(&self, command: &Cmd) -> Result<Value, RedisError> {
        one(&self.0.reads, command).await
    }

    /// Sends a command that writes; it counts once so many replicas have it as were asked for.
    pub(crate) async fn write(&self, command: &Cmd) -> Result<Value, RedisError> {
        if self.0.replicas == 0 {
            return one(&self.0.writes, command).await;
        }
        let answers = self.write_all(vec![command.clone()]).await?;
        answers.into_iter().next().unwrap_or(Value::Nil).extract_error()
    }

    /// As [`write`](Self::write), several in a row. Answers may be errors.
    pub(crate) async fn write_all(&self, mut commands: Vec<Cmd>) -> Result<Vec<Value>, RedisError> {
        if self.0.replicas == 0 {
            return many(&self.0.writes, commands).await;
        }
        let mut wait = redis::cmd("WAIT");
        wait.arg(self.0.replicas).arg(self.0.wait_millis);
        commands.push(wait);
        let mut answers = many(&self.0.writes, commands).await?;
        // What was refused was not written, and is told as it is.
        let is_error = |answer: &Value| matches!(answer, Value::ServerError(_));
        match answers.pop().unwrap_or(Value::Nil).extract_error()? {
            Value::Int(have) if have >= i64::from(self.0.replicas) => Ok(answers),
            _ if answers.iter().all(is_error) => Ok(answers),
            _ => Err(redis::make_extension_error(BEHIND.to_owned(), None)),
        }
    }

    /// Sends commands that do not depend on each other in one round trip. Answers may be errors.
    pub(crate) async fn send_all(&self, commands: Vec<Cmd>) -> Result<Vec<Value>, RedisError> {
        many(&self.0.reads, commands).await
    }

    /// Sends a command after `ASKING`, to a node that a slot is moving to.
    pub(crate) async fn asking(&self, command: &Cmd, writes: bool) -> Result<Value, RedisError> {
        let lane = if writes { &self.0.writes } else { &self.0.reads };
        let answers = many(lane, vec![redis::cmd("ASKING"), command.clone()]).await?;
        answers.into_iter().next_back().unwrap_or(Value::Nil).extract_error()
    }

    /// Sends a command, and tells the server's time.
    pub(crate) async fn send_at(&self, command: Cmd) -> Result<(Value, Timestamp), RedisError> {
        if let Some(now) = self.0.clock.now() {
            return Ok((self.send(&command).await?, now));
        }
        let mut answers = self.send_all(vec![redis::cmd("TIME"), command]).await?.into_iter();
        let time = answers.next().unwrap_or(Value::Nil).extract_error()?;
        let answer = answers.next().unwrap_or(Value::Nil).extract_error()?;
        Ok((answer, self.0.clock.set(&time)?))
    }

    /// The server's time, asked for if it is due.
    pub(crate) async fn time(&self) -> Result<Timestamp, RedisError> {
        match self.0.clock.now() {
            Some(now) => Ok(now),
            None => self.ask_time().await,
        }
    }

    /// The server's time, asked for now.
    pub(crate) async fn ask_time(&self) -> Result<Timestamp, RedisError> {
        self.0.clock.set(&self.send(&redis::cmd("TIME")).await?)
    }
}

async fn one(lane: &Arc<Lane>, command: &Cmd) -> Result<Value, RedisError> {
    let (mut connection, number) = lane.connection().await?;
    let answer = connection.req_packed_command(command).await.and_then(Value::extract_error);
    answer.inspect_err(|error| lane.heed(number, error))
}

async fn many(lane: &Arc<Lane>, commands: Vec<Cmd>) -> Result<Vec<Value>, RedisError> {
    let count = commands.len();
    if count == 0 {
        return Ok(Vec::new());
    }
    let mut pipeline = Pipeline::with_capacity(count);
    for command in commands {
        pipeline.add_command(command);
    }
    let (mut connection, number) = lane.connection().await?;
    let answers = connection.req_packed_commands(&pipeline, 0, count).await;
    let answers = answers.inspect_err(|error| lane.heed(number, error))?;
    for answer in &answers {
        if let Value::ServerError(error) = answer {
            lane.heed(number, &error.clone().into());
        }
    }
    Ok(answers)
}
