//! One server: [`Node`].

use std::{borrow::Borrow, slice, sync::Arc, time::Instant};

use redis::{ErrorKind, RedisError, Value};
use tower_keep_core::Timestamp;

use super::{Command, Reply, Settings, Target, lane::Lane};
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
        // Each server has a clock of its own.
        let clock = settings.clock.another();
        let lane = || Lane::new(Arc::clone(&target), settings.clone(), clock.clone());
        let reads = lane();
        let writes = if settings.replicas == 0 { Arc::clone(&reads) } else { lane() };
        let wait = settings.timeout.as_millis() / 2;
        Self(Arc::new(Inner {
            reads,
            writes,
            replicas: settings.replicas,
            wait_millis: u64::try_from(wait).unwrap_or(u64::MAX).max(1),
            clock,
        }))
    }

    pub(super) fn clock(&self) -> ServerClock {
        self.0.clock.clone()
    }

    /// Sends a command that only reads.
    pub(crate) async fn send(&self, command: &Command) -> Result<Reply, RedisError> {
        one(&self.0.reads, command).await
    }

    /// Sends a command that writes; it counts once so many replicas have it as were asked for.
    pub(crate) async fn write(&self, command: impl Borrow<Command>) -> Result<Reply, RedisError> {
        if self.0.replicas == 0 {
            return one(&self.0.writes, command).await;
        }
        let both = [command.borrow().clone(), self.wait()];
        let [reply, waited] = Box::pin(some(&self.0.writes, &both)).await?;
        self.acknowledged(reply, &waited)
    }

    /// The answer to a write that `WAIT` followed.
    fn acknowledged(&self, reply: Reply, waited: &Reply) -> Result<Reply, RedisError> {
        match waited.value()? {
            Value::Int(have) if have >= i64::from(self.0.replicas) => reply.ok(),
            // What was refused was not written, and is told as it is.
            _ => Err(reply.ok().err().unwrap_or_else(behind)),
        }
    }

    /// As [`write`](Self::write), several in a row. Answers may be errors.
    pub(crate) async fn write_all(
        &self,
        mut commands: Vec<Command>,
    ) -> Result<Vec<Value>, RedisError> {
        if self.0.replicas == 0 {
            return many(&self.0.writes, commands).await;
        }
        commands.push(self.wait());
        let mut answers = many(&self.0.writes, commands).await?;
        // What was refused was not written, and is told as it is.
        let is_error = |answer: &Value| matches!(answer, Value::ServerError(_));
        match answers.pop().unwrap_or(Value::Nil).extract_error()? {
            Value::Int(have) if have >= i64::from(self.0.replicas) => Ok(answers),
            _ if answers.iter().all(is_error) => Ok(answers),
            _ => Err(behind()),
        }
    }

    fn wait(&self) -> Command {
        let mut wait = Command::new("WAIT");
        wait.number(self.0.replicas).number(self.0.wait_millis);
        wait
    }

    /// Sends commands that do not depend on each other in one round trip. Answers may be errors.
    pub(crate) async fn send_all(&self, commands: Vec<Command>) -> Result<Vec<Value>, RedisError> {
        many(&self.0.reads, commands).await
    }

    /// Sends a command after `ASKING`, to a node that a slot is moving to.
    pub(crate) async fn asking(
        &self,
        command: &Command,
        writes: bool,
    ) -> Result<Reply, RedisError> {
        let asking = Command::new("ASKING");
        if writes && self.0.replicas > 0 {
            let all = [asking, command.clone(), self.wait()];
            let [_, reply, waited] = some(&self.0.writes, &all).await?;
            return self.acknowledged(reply, &waited);
        }
        let lane = if writes { &self.0.writes } else { &self.0.reads };
        let [_, reply] = some(lane, &[asking, command.clone()]).await?;
        reply.ok()
    }

    /// Sends a command, and tells the server's time.
    pub(crate) async fn send_at(&self, command: Command) -> Result<(Reply, Timestamp), RedisError> {
        if let Some(now) = self.0.clock.now() {
            return Ok((one(&self.0.reads, command).await?, now));
        }
        let asked = Instant::now();
        let both = [Command::new("TIME"), command];
        let [time, reply] = Box::pin(some(&self.0.reads, &both)).await?;
        let now = self.0.clock.set(&time.value()?, asked)?;
        Ok((reply.ok()?, now))
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
        let asked = Instant::now();
        self.0.clock.set(&self.send(&Command::new("TIME")).await?.value()?, asked)
    }
}

fn behind() -> RedisError {
    redis::make_extension_error(BEHIND.to_owned(), None)
}

async fn one(lane: &Arc<Lane>, command: impl Borrow<Command>) -> Result<Reply, RedisError> {
    let (wire, number) = lane.connection().await?;
    let answer = wire.send(slice::from_ref(command.borrow()));
    // It was copied to what is sent: one that is owned is not kept until the answer.
    drop(command);
    let reply = answer.await.map_err(RedisError::from);
    reply.and_then(Reply::ok).inspect_err(|error| lane.heed(number, error))
}

/// A few commands in a row, any of whose replies may be an error.
async fn some<const COUNT: usize>(
    lane: &Arc<Lane>,
    commands: &[Command; COUNT],
) -> Result<[Reply; COUNT], RedisError> {
    let missing = |_| (ErrorKind::Parse, "an answer is missing").into();
    all(lane, commands).await?.try_into().map_err(missing)
}

async fn many(lane: &Arc<Lane>, commands: Vec<Command>) -> Result<Vec<Value>, RedisError> {
    if commands.is_empty() {
        return Ok(Vec::new());
    }
    all(lane, &commands).await?.iter().map(Reply::any).collect()
}

async fn all(lane: &Arc<Lane>, commands: &[Command]) -> Result<Vec<Reply>, RedisError> {
    let (wire, number) = lane.connection().await?;
    let replies = wire.send(commands).await.map_err(RedisError::from);
    let replies = replies.and_then(Reply::parts).inspect_err(|error| lane.heed(number, error))?;
    for error in replies.iter().filter_map(Reply::error) {
        lane.heed(number, &error);
    }
    Ok(replies)
}
