//! A cluster: [`Cluster`].

use std::{process::Command, sync::LazyLock};

use crate::{
    Durability, PASSWORD, Redis,
    process::{free_port, run},
    sentinels::wait,
};

/// Three primaries, each with a replica. A node that is lost takes only its own slots with it.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Redis>,
}

impl Cluster {
    /// Starts all nodes and waits until they are a cluster.
    ///
    /// They are patient: on a machine that stands still for some seconds, no node is taken for lost.
    #[must_use]
    pub fn start() -> Self {
        let cluster = Self::hasty();
        for node in &cluster.nodes {
            node.command(&["CONFIG", "SET", "cluster-node-timeout", "60000"]);
        }
        cluster
    }

    /// As [`start`](Self::start), of nodes that take one for lost after a second and a half.
    #[must_use]
    pub fn hasty() -> Self {
        let nodes: Vec<Redis> = (0..6).map(|_| node()).collect();
        let mut create = Command::new("redis-cli");
        create.env("REDISCLI_AUTH", PASSWORD).args(["--cluster", "create"]);
        create.args(nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())));
        run(create.args(["--cluster-replicas", "1", "--cluster-yes"]));
        let cluster = Self { nodes };
        for node in &cluster.nodes {
            wait("all nodes agree, and the replicas follow", || {
                let roles = node.command(&["CLUSTER", "NODES"]);
                node.command(&["CLUSTER", "INFO"]).contains("cluster_state:ok")
                    && roles.lines().filter(|line| line.contains("slave")).count() == 3
                    && !node.command(&["INFO", "replication"]).contains("master_link_status:down")
            });
        }
        for primary in cluster.nodes.iter().filter(|node| is_primary(node)) {
            wait("each primary has a replica", || {
                primary.command(&["INFO", "replication"]).contains("state=online")
            });
        }
        cluster
    }

    /// The one that the tests of one process share, whose nodes nobody ends.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<Cluster> = LazyLock::new(Cluster::start);
        &SHARED
    }

    /// Its URL, which names two of the nodes.
    #[must_use]
    pub fn url(&self) -> String {
        let (one, other) = (self.nodes[0].port(), self.nodes[4].port());
        format!("redis+cluster://:{PASSWORD}@127.0.0.1:{one},127.0.0.1:{other}")
    }

    /// All nodes.
    #[must_use]
    pub fn nodes(&self) -> &[Redis] {
        &self.nodes
    }

    /// The primary that has a key, as a node tells it that runs.
    #[must_use]
    pub fn primary_of(&self, key: &str) -> &Redis {
        let asked = self.nodes.iter().find(|node| node.is_running()).unwrap();
        let slot: u16 = asked.command(&["CLUSTER", "KEYSLOT", key]).trim().parse().unwrap();
        let known = asked.command(&["CLUSTER", "NODES"]);
        let has = |line: &str| {
            line.split(' ').skip(8).any(|range| {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                matches!((first.parse(), last.parse()), (Ok(first), Ok(last)) if (first..=last).contains(&slot))
            })
        };
        let line = known.lines().find(|line| has(line)).unwrap();
        let address = line.split(' ').nth(1).unwrap();
        let port = address.split(['@', ',']).next().unwrap().rsplit(':').next().unwrap();
        self.nodes.iter().find(|node| node.port().to_string() == port).unwrap()
    }

    /// A primary other than `node`.
    #[must_use]
    pub fn other_primary(&self, node: &Redis) -> &Redis {
        let mut others = self.nodes.iter().filter(|other| other.port() != node.port());
        others.find(|other| other.is_running() && is_primary(other)).unwrap()
    }
}

fn is_primary(node: &Redis) -> bool {
    node.command(&["INFO", "replication"]).contains("role:master")
}

fn node() -> Redis {
    Redis::start_with(Durability::Lazy, |_| {
        [
            ("cluster-enabled", "yes"),
            ("cluster-node-timeout", "1500"),
            ("cluster-require-full-coverage", "no"),
            ("repl-diskless-sync-delay", "0"),
        ]
        .map(|(name, value)| (name, value.to_owned()))
        .into_iter()
        // Not the port and ten thousand, which may be too large.
        .chain([("cluster-port", free_port().to_string())])
        .collect()
    })
}
