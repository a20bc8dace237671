//! Programs that are started for a test and end with it.

#![allow(dead_code, reason = "each test program uses a part")]

use std::{
    ffi::OsStr,
    path::Path,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A server that runs until it is dropped.
pub(crate) struct Server {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    log: Arc<Mutex<String>>,
    /// Where it listens, as `127.0.0.1:PORT`.
    pub(crate) address: String,
}

impl Server {
    /// Starts a server and waits until it is ready.
    pub(crate) async fn start(program: impl AsRef<OsStr>, variables: &[(&str, &str)]) -> Self {
        Self::start_in(".", program, variables).await
    }

    /// Starts a server in a folder and waits until it is ready.
    pub(crate) async fn start_in(
        folder: impl AsRef<Path>,
        program: impl AsRef<OsStr>,
        variables: &[(&str, &str)],
    ) -> Self {
        let mut child = Command::new(program)
            .current_dir(folder)
            .envs(variables.iter().copied())
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let log = Arc::new(Mutex::new(String::new()));
        tokio::spawn(copy(child.stderr.take().unwrap(), Arc::clone(&log)));
        let mut server = Self { child, lines, log, address: String::new() };
        server.address = server.line("listening on http://").await;
        server
    }

    /// Waits for a line that begins so, and gives the rest of it.
    pub(crate) async fn line(&mut self, start: &str) -> String {
        let find = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                if let Some(rest) = line.strip_prefix(start) {
                    return rest.to_owned();
                }
            }
            panic!("no line begins with {start:?}; the log: {}", self.log());
        };
        tokio::time::timeout(PATIENCE, find).await.unwrap()
    }

    /// What it has logged so far.
    fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// What it has logged, once that has this text in it.
    pub(crate) async fn log_until(&self, text: &str) -> String {
        let find = async {
            loop {
                let log = self.log();
                if log.contains(text) {
                    return log;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, find).await.unwrap()
    }

    /// Asks it to stop.
    pub(crate) fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Stops it as ctrl-c does.
    pub(crate) fn interrupt(&self) {
        self.signal("-INT");
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().unwrap().to_string();
        let status = std::process::Command::new("kill").args([name, &id]).status();
        assert!(status.unwrap().success());
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let end = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        end.unwrap().unwrap()
    }
}

async fn copy(mut from: impl AsyncReadExt + Unpin, to: Arc<Mutex<String>>) {
    let mut part = [0; 8_192];
    while let Ok(read @ 1..) = from.read(&mut part).await {
        let text = String::from_utf8_lossy(&part[..read]);
        to.lock().unwrap().push_str(&text);
    }
}
