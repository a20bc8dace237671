//! How the tests run the command: [`Tool`].

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;
use tower_keep_core::{NewRecord, SessionId, Store};
use tower_keep_file_store::FileStore;

use crate::common::{id, new_session};

/// A store for a test, and the command that looks after it.
pub(crate) struct Tool {
    pub(crate) url: String,
    _place: TempDir,
    pub(crate) directory: PathBuf,
}

/// What a run printed, and its exit code.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) code: i32,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
            code: output.status.code().unwrap_or(-1),
        }
    }
}

impl Ran {
    /// The one JSON object that was printed.
    pub(crate) fn json(&self) -> serde_json::Value {
        assert!(self.out.is_ascii() && self.err.is_empty(), "{self:?}");
        assert_eq!(self.out.matches('\n').count(), 1, "{self:?}");
        serde_json::from_str(&self.out).unwrap()
    }

    pub(crate) fn assert(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }
}

/// The path of the command.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_sessionctl");

/// The command without a store.
pub(crate) fn bare(arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    for variable in ["SESSION_STORE", "SESSION_STORE_TO", "SESSION_LAYER"] {
        command.env_remove(variable);
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

impl Tool {
    /// A directory without sessions.
    pub(crate) async fn empty() -> Self {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("sessions");
        FileStore::open(&directory).await.unwrap();
        Self { url: format!("file:{}", directory.display()), _place: place, directory }
    }

    /// The command over the store that a URL names, and a place for other stores.
    pub(crate) fn over(url: &str) -> Self {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("sessions");
        Self { url: url.to_owned(), _place: place, directory }
    }

    /// A directory with so many sessions, every second one ada's.
    pub(crate) async fn with(sessions: u64) -> Self {
        let tool = Self::empty().await;
        for number in 0..sessions {
            let user = (number % 2 == 0).then_some("ada");
            tool.add(number, &new_session(user, &[("cart", "[1,\"x\"]")])).await;
        }
        tool
    }

    pub(crate) async fn store(&self) -> FileStore {
        FileStore::open(&self.directory).await.unwrap()
    }

    pub(crate) async fn add(&self, number: u64, new: &NewRecord) -> SessionId {
        self.store().await.create(&id(number), new.clone()).await.unwrap();
        id(number)
    }

    pub(crate) async fn is_live(&self, number: u64) -> bool {
        self.store().await.load(&id(number)).await.unwrap().is_some()
    }

    /// How many session files there are.
    pub(crate) fn files(&self) -> u64 {
        let folders = std::fs::read_dir(&self.directory).unwrap();
        let folders = folders.filter_map(|entry| entry.ok().map(|entry| entry.path()));
        let is_hidden = |path: &PathBuf| path.file_name().unwrap().as_encoded_bytes()[0] == b'.';
        let folders = folders.filter(|path| !is_hidden(path));
        folders
            .map(|path| std::fs::read_dir(path).map_or(0, |entries| entries.count() as u64))
            .sum()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = bare(arguments);
        command.env("SESSION_STORE", &self.url);
        command
    }

    /// Runs it in pipes.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.command(arguments).output().unwrap().into()
    }

    /// Runs it on a terminal of so many columns, where the user types this.
    pub(crate) fn on_terminal(&self, columns: u32, arguments: &[&str], typed: &str) -> Ran {
        use std::io::Write;

        let words: Vec<String> = arguments.iter().map(|word| format!("'{word}'")).collect();
        let line = format!("stty cols {columns} rows 24; exec {PROGRAM} {}", words.join(" "));
        let mut child = Command::new("script")
            .args(["--quiet", "--return", "--command", &line, "/dev/null"])
            .env("SESSION_STORE", &self.url)
            .env("TERM", "xterm")
            .env("SHELL", "/bin/sh")
            .env_remove("SESSION_STORE_TO")
            .env_remove("SESSION_LAYER")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The pipe stays open until the end: its end would be typed as such.
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(typed.as_bytes()).unwrap();
        child.wait_with_output().unwrap().into()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        Path::new(self.directory.parent().unwrap()).join(name)
    }
}
