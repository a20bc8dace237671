//! A private Redis: [`Redis`].

use std::{
    path::Path,
    process::Command,
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
};

use crate::{
    Certificate, Durability, PASSWORD,
    process::{Process, free_port, run, succeeds},
};

/// A Redis server of one test. It asks for a password.
#[derive(Debug)]
pub struct Redis {
    process: Process,
    port: u16,
    durability: Durability,
    settings: Vec<(&'static str, String)>,
    databases: AtomicU32,
}

impl Redis {
    /// Starts a server.
    #[must_use]
    pub fn start(durability: Durability) -> Self {
        Self::start_with(durability, |_| Vec::new())
    }

    /// Starts a server with settings besides, for which its directory is given.
    pub(crate) fn start_with(
        durability: Durability,
        settings: impl FnOnce(&Path) -> Vec<(&'static str, String)>,
    ) -> Self {
        let process = Process::prepare("redis");
        let settings = settings(process.directory());
        let databases = AtomicU32::new(0);
        let server = Self { process, port: free_port(), durability, settings, databases };
        server.restart();
        server
    }

    /// Starts a server that answers over TLS alone, by a certificate.
    #[must_use]
    pub fn start_over_tls(certificate: &Certificate) -> Self {
        Self::start_with(Durability::Lazy, |directory| {
            let (certificate, key) = certificate.copy_to(directory);
            vec![
                ("tls-cert-file", certificate.display().to_string()),
                ("tls-key-file", key.display().to_string()),
                ("tls-auth-clients", "no".to_owned()),
            ]
        })
    }

    fn is_over_tls(&self) -> bool {
        self.settings.iter().any(|(name, _)| *name == "tls-cert-file")
    }

    /// The server that the tests of one process share. What it answers is not on disk.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<Redis> = LazyLock::new(|| Redis::start(Durability::Lazy));
        &SHARED
    }

    /// The URL of its first database, with the password.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_at(self.port)
    }

    /// The URL of a database that no other test uses.
    #[must_use]
    pub fn fresh_url(&self) -> String {
        format!("{}/{}", self.url(), self.databases.fetch_add(1, SeqCst) + 1)
    }

    /// As [`url`](Self::url), by way of a proxy that listens there.
    #[must_use]
    pub fn url_at(&self, port: u16) -> String {
        let scheme = if self.is_over_tls() { "rediss" } else { "redis" };
        format!("{scheme}://:{PASSWORD}@127.0.0.1:{port}")
    }

    /// The port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What the server answers to a command, which must not be an error.
    pub fn command(&self, arguments: &[&str]) -> String {
        run(self.client().arg("-e").args(arguments))
    }

    /// Whether the server was started and not ended.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.process.is_running()
    }

    /// Ends the server as a loss of power does.
    pub fn kill(&self) {
        self.process.kill();
    }

    /// Stops the server where it stands: it accepts and does not answer.
    pub fn freeze(&self) {
        self.process.signal("-STOP");
    }

    /// Lets a frozen server go on.
    pub fn thaw(&self) {
        self.process.signal("-CONT");
    }

    /// Starts the server again, with what was on disk.
    pub fn restart(&self) {
        let sync = if self.durability == Durability::Synced { "yes" } else { "no" };
        let command = || {
            let mut command = Command::new("redis-server");
            let port = if self.is_over_tls() { "tls-port" } else { "port" };
            if self.is_over_tls() {
                command.args(["--port", "0"]);
            }
            for (name, value) in [
                (port, self.port.to_string()),
                ("bind", "127.0.0.1".to_owned()),
                ("dir", self.process.directory().display().to_string()),
                ("requirepass", PASSWORD.to_owned()),
                ("masterauth", PASSWORD.to_owned()),
                ("databases", "10000".to_owned()),
                ("save", String::new()),
                ("appendonly", sync.to_owned()),
                ("appendfsync", "always".to_owned()),
                ("enable-debug-command", "local".to_owned()),
            ] {
                command.arg(format!("--{name}")).arg(value);
            }
            for (name, value) in &self.settings {
                command.arg(format!("--{name}")).args(value.split(' '));
            }
            command
        };
        self.process.start(command, || succeeds(self.client().args(["-e", "PING"])));
    }

    fn client(&self) -> Command {
        let mut command = Command::new("redis-cli");
        command.env("REDISCLI_AUTH", PASSWORD);
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]);
        if self.is_over_tls() {
            command.args(["--tls", "--insecure"]);
        }
        command
    }
}
