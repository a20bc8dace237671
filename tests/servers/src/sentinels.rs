//! A primary, its replicas, and the sentinels that watch them: [`Sentinels`].

use std::{
    fs,
    process::Command,
    sync::LazyLock,
    time::{Duration, Instant},
};

use crate::{
    Durability, PASSWORD, Redis,
    process::{PATIENCE, Process, free_port, succeeds},
};

/// Three servers, one of them the primary, and three sentinels, which agree by two.
///
/// The primary takes writes only while a replica follows it.
#[derive(Debug)]
pub struct Sentinels {
    servers: Vec<Redis>,
    sentinels: Vec<(Process, u16)>,
}

impl Sentinels {
    /// Starts all of them and waits until they know each other.
    ///
    /// They are patient: on a machine that stands still for some seconds, none is taken for lost.
    #[must_use]
    pub fn start() -> Self {
        let all = Self::hasty();
        for place in 0..all.sentinels.len() {
            all.ask(place, &["SENTINEL", "SET", "keep", "down-after-milliseconds", "60000"]);
        }
        for server in &all.servers {
            server.command(&["CONFIG", "SET", "min-replicas-max-lag", "60"]);
        }
        all
    }

    /// As [`start`](Self::start), of sentinels that take a server for lost after 0.7 seconds.
    #[must_use]
    pub fn hasty() -> Self {
        let primary = Redis::start_with(Durability::Lazy, |_| replicated());
        let follows = format!("127.0.0.1 {}", primary.port());
        let replica = || {
            let follows = ("replicaof", follows.clone());
            Redis::start_with(Durability::Lazy, |_| [vec![follows], replicated()].concat())
        };
        let servers = vec![primary, replica(), replica()];
        for replica in &servers[1..] {
            wait("a replica follows", || {
                replica.command(&["INFO", "replication"]).contains("master_link_status:up")
            });
        }
        // Only from now on: a primary without replicas takes no writes.
        for server in &servers {
            server.command(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
        }
        let sentinels = (0..3).map(|_| sentinel(servers[0].port())).collect();
        let all = Self { servers, sentinels };
        for place in 0..3 {
            wait("the sentinels know each other and the replicas", || {
                let known = all.ask(place, &["SENTINEL", "MASTER", "keep"]);
                let after = |name| known.lines().skip_while(|line| *line != name).nth(1);
                after("num-other-sentinels") == Some("2") && after("num-slaves") == Some("2")
            });
        }
        all
    }

    /// Those that the tests of one process share, whose servers nobody ends.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<Sentinels> = LazyLock::new(Sentinels::start);
        &SHARED
    }

    /// The URL of the first database of whoever is the primary.
    #[must_use]
    pub fn url(&self) -> String {
        let hosts: Vec<_> =
            self.sentinels.iter().map(|(_, port)| format!("127.0.0.1:{port}")).collect();
        format!("redis+sentinel://:{PASSWORD}@{}/keep", hosts.join(","))
    }

    /// The URL of a database that no other test uses.
    #[must_use]
    pub fn fresh_url(&self) -> String {
        let fresh = self.servers[0].fresh_url();
        let database = fresh.rsplit('/').next().unwrap();
        format!("{}/{database}", self.url())
    }

    /// The servers, whoever is the primary.
    #[must_use]
    pub fn servers(&self) -> &[Redis] {
        &self.servers
    }

    /// The one that the sentinels name as the primary.
    #[must_use]
    pub fn primary(&self) -> &Redis {
        let named = self.ask(0, &["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "keep"]);
        let port = named.lines().nth(1).unwrap().trim().parse().unwrap();
        self.servers.iter().find(|server| server.port() == port).unwrap()
    }

    /// Stops the sentinels where they are, so that nobody is told who the primary is.
    pub fn freeze(&self) {
        self.sentinels.iter().for_each(|(process, _)| process.signal("-STOP"));
    }

    /// Lets frozen sentinels go on.
    pub fn thaw(&self) {
        self.sentinels.iter().for_each(|(process, _)| process.signal("-CONT"));
    }

    fn ask(&self, place: usize, arguments: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        command.env("REDISCLI_AUTH", PASSWORD).args(["-p", &self.sentinels[place].1.to_string()]);
        crate::process::run(command.args(arguments))
    }
}

/// What servers need that replicate and may become the primary.
fn replicated() -> Vec<(&'static str, String)> {
    vec![("repl-diskless-sync-delay", "0".to_owned()), ("repl-ping-replica-period", "1".to_owned())]
}

fn sentinel(primary: u16) -> (Process, u16) {
    let process = Process::prepare("sentinel");
    let port = free_port();
    let file = process.directory().join("sentinel.conf");
    let settings = format!(
        "port {port}\nbind 127.0.0.1\ndir {}\nrequirepass {PASSWORD}\n\
         sentinel sentinel-pass {PASSWORD}\n\
         sentinel monitor keep 127.0.0.1 {primary} 2\n\
         sentinel auth-pass keep {PASSWORD}\n\
         sentinel down-after-milliseconds keep 700\n\
         sentinel failover-timeout keep 3000\n\
         sentinel parallel-syncs keep 2\n",
        process.directory().display(),
    );
    fs::write(&file, settings).unwrap();
    let command = || {
        let mut command = Command::new("redis-server");
        command.arg(&file).arg("--sentinel");
        command
    };
    let answers = || {
        let mut command = Command::new("redis-cli");
        command.env("REDISCLI_AUTH", PASSWORD).args(["-p", &port.to_string(), "-e", "PING"]);
        succeeds(&mut command)
    };
    process.start(command, answers);
    (process, port)
}

/// Waits until something is so, which must not take long.
pub(crate) fn wait(what: &str, is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
