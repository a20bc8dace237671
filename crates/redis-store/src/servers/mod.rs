//! The servers that commands go to: one, the primary that sentinels name, or the nodes of a cluster.

mod address;
mod cluster;
mod command;
mod dial;
mod lane;
mod node;
mod reply;
mod slots;
#[cfg(feature = "tls")]
mod tls;
mod wire;

use std::borrow::Borrow;

use redis::{ErrorKind, RedisError, Value};
use tower_keep_core::Timestamp;

use crate::clock::ServerClock;

pub(crate) use address::{Settings, Target, Url};
pub(crate) use command::Command;
pub(crate) use node::{BEHIND, Node};
pub(crate) use reply::Reply;

use cluster::Cluster;

/// The servers of a store.
///
/// Futures of a cluster are boxed here, so that those of one server stay small.
#[derive(Clone)]
pub(crate) enum Servers {
    /// One server, or the primary that sentinels name.
    One(Node),
    /// The primaries of a cluster.
    Cluster(Cluster),
}

/// A part of the keys that is listed by itself: all of one server, or those of a cluster's node.
#[derive(Clone)]
pub(crate) struct Shard {
    /// The first of its slots, by which it is found again whoever serves it then.
    pub(crate) first: u16,
    pub(crate) node: Node,
}

impl Servers {
    /// Finds the servers of a URL.
    pub(crate) async fn connect(url: Url, settings: Settings) -> Result<Self, RedisError> {
        match url {
            Url::One(target) => Ok(Self::One(Node::new(target, &settings))),
            Url::Cluster(seeds) => Ok(Self::Cluster(Cluster::connect(seeds, settings).await?)),
        }
    }

    /// Sends a command that only reads.
    pub(crate) async fn send(&self, command: &Command) -> Result<Reply, RedisError> {
        match self {
            Self::One(node) => node.send(command).await,
            Self::Cluster(cluster) => {
                Box::pin(cluster.send(command)).await.map(|(answer, _)| answer)
            }
        }
    }

    /// Sends a command that writes, and waits for the replicas where that was asked for.
    pub(crate) async fn write(&self, command: impl Borrow<Command>) -> Result<Reply, RedisError> {
        match self {
            Self::One(node) => node.write(command).await,
            Self::Cluster(cluster) => Box::pin(cluster.write(command.borrow())).await,
        }
    }

    /// Sends commands that write, one after the other, where one server has all keys. Answers may be errors.
    pub(crate) async fn write_all(&self, commands: Vec<Command>) -> Result<Vec<Value>, RedisError> {
        match self {
            Self::One(node) => node.write_all(commands).await,
            Self::Cluster(_) => Err((ErrorKind::Client, "keys of several nodes").into()),
        }
    }

    /// Sends commands that do not depend on each other, in one round trip to each server.
    pub(crate) async fn send_all(&self, commands: Vec<Command>) -> Result<Vec<Value>, RedisError> {
        match self {
            Self::One(node) => node.send_all(commands).await,
            Self::Cluster(cluster) => cluster.send_all(commands).await,
        }
    }

    /// Sends a command, and tells the time of the server that answered.
    pub(crate) async fn send_at(&self, command: Command) -> Result<(Reply, Timestamp), RedisError> {
        match self {
            Self::One(node) => node.send_at(command).await,
            Self::Cluster(cluster) => {
                let (answer, node) = Box::pin(cluster.send(&command)).await?;
                Ok((answer, Box::pin(node.time()).await?))
            }
        }
    }

    /// As [`send_all`](Self::send_all), each answer with the time of its server.
    pub(crate) async fn send_all_at(
        &self,
        commands: Vec<Command>,
    ) -> Result<Vec<(Value, Timestamp)>, RedisError> {
        match self {
            Self::One(node) => {
                let answers = node.send_all(commands).await?;
                let at = node.ask_time().await?;
                Ok(answers.into_iter().map(|answer| (answer, at)).collect())
            }
            Self::Cluster(cluster) => cluster.send_all_at(commands).await,
        }
    }

    /// The clock of the server that has a key, if that is known.
    pub(crate) fn clock(&self, key: &[u8]) -> Option<ServerClock> {
        match self {
            Self::One(node) => Some(node.clock()),
            Self::Cluster(cluster) => cluster.clock(key),
        }
    }

    /// All parts of the keys, in an order that holds as long as none of them is moved.
    pub(crate) async fn shards(&self) -> Result<Vec<Shard>, RedisError> {
        match self {
            Self::One(node) => Ok(vec![Shard { first: 0, node: node.clone() }]),
            Self::Cluster(cluster) => cluster.shards().await,
        }
    }
}
