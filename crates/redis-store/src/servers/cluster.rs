//! The nodes of a cluster: [`Cluster`].
//!
//! Commands go to the primary that has their key. Only answers that say that nothing was done are followed up
//! (`MOVED`, `ASK`): a command whose answer was lost may have been carried out, and is not sent again.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures_util::{StreamExt, future::join_all, stream::FuturesUnordered};
use redis::{ConnectionAddr, ConnectionInfo, ErrorKind, RedisError, ServerErrorKind, Value};
use tower_keep_core::Timestamp;

use crate::clock::ServerClock;

use super::{
    Command, Node, Reply, Settings, Shard, Target,
    slots::{Address, Slots, slot},
};

/// So many redirections at most are followed for one command.
const HOPS: usize = 5;

/// So long the map is not asked for again once it was.
const PAUSE: Duration = Duration::from_millis(100);

/// The primaries of a cluster, and who of them has which keys.
#[derive(Clone)]
pub(crate) struct Cluster(Arc<Inner>);

struct Inner {
    /// What the URL names: where to ask when no other node answers.
    seeds: Vec<ConnectionInfo>,
    settings: Settings,
    state: Mutex<State>,
    /// Held by whoever asks for the map; when that was done last.
    asked: tokio::sync::Mutex<Option<Instant>>,
}

#[derive(Default)]
struct State {
    slots: Arc<Slots>,
    nodes: HashMap<Address, Node>,
}

impl Cluster {
    pub(super) async fn connect(
        seeds: Vec<ConnectionInfo>,
        settings: Settings,
    ) -> Result<Self, RedisError> {
        let state = Mutex::default();
        let asked = tokio::sync::Mutex::default();
        let cluster = Self(Arc::new(Inner { seeds, settings, state, asked }));
        cluster.ask_for_map().await?;
        Ok(cluster)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a command that only reads; tells who answered.
    pub(super) async fn send(&self, command: &Command) -> Result<(Reply, Node), RedisError> {
        self.follow(command, false).await
    }

    /// Sends a command that writes.
    pub(super) async fn write(&self, command: &Command) -> Result<Reply, RedisError> {
        self.follow(command, true).await.map(|(answer, _)| answer)
    }

    async fn follow(&self, command: &Command, writes: bool) -> Result<(Reply, Node), RedisError> {
        let slot = slot(key(command));
        let mut node = self.owner(slot)?;
        let mut asking = false;
        for _ in 0..HOPS {
            let answer = match (asking, writes) {
                (true, _) => node.asking(command, writes).await,
                (false, true) => node.write(command).await,
                (false, false) => node.send(command).await,
            };
            let error = match answer {
                Ok(answer) => return Ok((answer, node)),
                Err(error) => error,
            };
            asking = error.kind() == ErrorKind::Server(ServerErrorKind::Ask);
            match error.kind() {
                ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask) => {
                    if !asking {
                        self.suspect_map();
                    }
                    // A node that does not know its own name means itself.
                    if let Some(address) = named(&error) {
                        node = self.node(&address)?;
                    }
                }
                // Demoted since: nothing was written, and the map tells who has the slot now.
                ErrorKind::Server(ServerErrorKind::ReadOnly) => {
                    self.ask_for_map().await?;
                    node = self.owner(slot)?;
                }
                _ => {
                    if error.is_io_error() || error.is_cluster_error() {
                        self.suspect_map();
                    }
                    return Err(error);
                }
            }
        }
        Err((ServerErrorKind::TryAgain.into(), "the cluster sends a command to and fro").into())
    }

    /// Sends commands that do not depend on each other, in one round trip to each node.
    pub(super) async fn send_all(&self, commands: Vec<Command>) -> Result<Vec<Value>, RedisError> {
        Ok(self.spread(commands, false).await?.into_iter().map(|(answer, _)| answer).collect())
    }

    /// As [`send_all`](Self::send_all), each answer with the time of its node.
    pub(super) async fn send_all_at(
        &self,
        commands: Vec<Command>,
    ) -> Result<Vec<(Value, Timestamp)>, RedisError> {
        self.spread(commands, true).await
    }

    async fn spread(
        &self,
        commands: Vec<Command>,
        timed: bool,
    ) -> Result<Vec<(Value, Timestamp)>, RedisError> {
        let count = commands.len();
        let mut of_nodes: HashMap<Address, (Node, Vec<usize>, Vec<Command>)> = HashMap::new();
        for (place, command) in commands.iter().enumerate() {
            let (address, node) = self.owner_of(slot(key(command)))?;
            let part = of_nodes.entry(address).or_insert_with(|| (node, Vec::new(), Vec::new()));
            part.1.push(place);
            part.2.push(command.clone());
        }
        let parts = of_nodes.into_values().map(|(node, places, commands)| async move {
            let answers = node.send_all(commands).await;
            let at = match (timed, &answers) {
                (true, Ok(_)) => node.ask_time().await?,
                _ => Timestamp::from_millis(0),
            };
            Ok::<_, RedisError>((places, answers?, at))
        });
        let mut found: Vec<Option<(Value, Timestamp)>> = vec![None; count];
        for part in join_all(parts).await {
            let (places, answers, at) = part.inspect_err(|error| {
                if error.is_io_error() {
                    self.suspect_map();
                }
            })?;
            for (place, answer) in places.into_iter().zip(answers) {
                found[place] = Some(match answer {
                    // By itself, wherever it has gone to.
                    Value::ServerError(error) if is_redirection(&error.clone().into()) => {
                        let (answer, node) = self.send(&commands[place]).await?;
                        let at = if timed { node.ask_time().await? } else { at };
                        (answer.value()?, at)
                    }
                    answer => (answer, at),
                });
            }
        }
        let missing = || (ServerErrorKind::TryAgain.into(), "a node left an answer out").into();
        found.into_iter().map(|answer| answer.ok_or_else(missing)).collect()
    }

    /// The clock of the node that has a key.
    pub(super) fn clock(&self, key: &[u8]) -> Option<ServerClock> {
        self.owner(slot(key)).ok().map(|node| node.clock())
    }

    /// The primaries and the first of their slots, as the cluster tells them now.
    pub(super) async fn shards(&self) -> Result<Vec<Shard>, RedisError> {
        self.ask_for_map().await?;
        let slots = Arc::clone(&self.state().slots);
        let shards = slots.primaries().into_iter();
        shards.map(|(first, address)| Ok(Shard { first, node: self.node(address)? })).collect()
    }

    /// The node that has a slot.
    fn owner(&self, slot: u16) -> Result<Node, RedisError> {
        self.owner_of(slot).map(|(_, node)| node)
    }

    fn owner_of(&self, slot: u16) -> Result<(Address, Node), RedisError> {
        let slots = Arc::clone(&self.state().slots);
        let Some(address) = slots.primary(slot) else {
            self.suspect_map();
            return Err((ServerErrorKind::ClusterDown.into(), "no node has the slot").into());
        };
        Ok((address.clone(), self.node(address)?))
    }

    /// The node at an address; connected to when it is first needed.
    fn node(&self, address: &Address) -> Result<Node, RedisError> {
        let mut state = self.state();
        if let Some(node) = state.nodes.get(address) {
            return Ok(node.clone());
        }
        let target = Target::fixed(at(&self.0.seeds[0], address), &self.0.settings);
        let node = Node::new(target, &self.0.settings);
        state.nodes.insert(address.clone(), node.clone());
        Ok(node)
    }

    /// Asks for the map in the background, unless that is being done or was just done.
    fn suspect_map(&self) {
        if let Ok(asked) = self.0.asked.try_lock()
            && asked.is_none_or(|asked| asked.elapsed() >= PAUSE)
        {
            drop(asked);
            let cluster = self.clone();
            tokio::spawn(async move {
                if let Err(error) = cluster.ask_for_map().await {
                    tracing::debug!(%error, "no node of the cluster tells its map");
                }
            });
        }
    }

    /// Asks for the map: first the nodes that are known, then those that the URL names.
    async fn ask_for_map(&self) -> Result<(), RedisError> {
        let begin = Instant::now();
        let mut asked = self.0.asked.lock().await;
        // Another asked while this one waited.
        if asked.is_some_and(|asked| asked >= begin) {
            return Ok(());
        }
        let mut nodes: Vec<Address> = self.state().nodes.keys().cloned().collect();
        for seed in &self.0.seeds {
            if let ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } =
                seed.addr()
            {
                nodes.push((host.clone(), *port));
            }
        }
        let mut command = Command::new("CLUSTER");
        command.arg("SLOTS");
        // All at once: one that does not answer holds up nobody.
        let command = &command;
        let answers = nodes.iter().map(|address| async move {
            let answer = self.node(address)?.send(command).await?.value()?;
            let unknown = || RedisError::from((ErrorKind::Parse, "a map of no known form"));
            Slots::read(&answer, &address.0).ok_or_else(unknown)
        });
        let mut answers: FuturesUnordered<_> = answers.collect();
        let mut trouble = (ErrorKind::InvalidClientConfig, "the URL names no node").into();
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(slots) => {
                    *asked = Some(Instant::now());
                    let mut state = self.state();
                    let known = slots.primaries();
                    state.nodes.retain(|node, _| known.iter().any(|(_, address)| *address == node));
                    state.slots = Arc::new(slots);
                    return Ok(());
                }
                Err(error) => trouble = error,
            }
        }
        *asked = Some(Instant::now());
        Err(trouble)
    }
}

fn is_redirection(error: &RedisError) -> bool {
    use ServerErrorKind::{Ask, Moved};
    matches!(error.kind(), ErrorKind::Server(Moved | Ask))
}

/// The node that a redirection names.
fn named(error: &RedisError) -> Option<Address> {
    let (host, port) = error.redirect_node()?.0.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    (!host.is_empty()).then_some((host.to_owned(), port.parse().ok()?))
}

/// The key of a command: that of a script stands after its digest and the count of its keys.
fn key(command: &Command) -> &[u8] {
    let mut words = command.words();
    let place = match words.next() {
        Some(b"EVALSHA" | b"EVAL") => 2,
        _ => 0,
    };
    words.nth(place).unwrap_or_default()
}

/// The server at an address, with the password, TLS and the rest as those that the URL names.
fn at(seed: &ConnectionInfo, (host, port): &Address) -> ConnectionInfo {
    let mut address = seed.addr().clone();
    match &mut address {
        ConnectionAddr::Tcp(own, of) => (*own, *of) = (host.clone(), *port),
        ConnectionAddr::TcpTls { host: own, port: of, .. } => (*own, *of) = (host.clone(), *port),
        _ => {}
    }
    seed.clone().set_addr(address)
}
