//! An example that runs: [`Example`].

use std::{
    collections::HashMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::LazyLock,
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, BufReader};

use crate::support::{PATIENCE, Server};

pub(crate) const NAMES: [&str; 9] =
    ["counter", "grpc", "hyper", "login", "purge-on-startup", "shop", "sql", "typed", "websocket"];

/// The programs of the examples, by name.
///
/// Built with what `TOWER_KEEP_BUILD` says where that is set, which is how the tests were built.
pub(crate) static PROGRAMS: LazyLock<HashMap<String, PathBuf>> = LazyLock::new(|| {
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--message-format=json-render-diagnostics"]);
    // What tells of this package would make build scripts of others run again, and all that rests on them.
    for (name, _) in env::vars_os() {
        let of_package = ["CARGO_PKG_", "CARGO_MANIFEST_", "OUT_DIR"];
        if of_package.iter().any(|part| name.to_string_lossy().starts_with(part)) {
            command.env_remove(name);
        }
    }
    match env::var("TOWER_KEEP_BUILD") {
        Ok(built) => command.args(built.split_whitespace()),
        Err(_) => command.arg("--bins").args(NAMES.map(|name| format!("--package=example-{name}"))),
    };
    let output =
        command.current_dir(env!("CARGO_MANIFEST_DIR")).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success());
    let messages = String::from_utf8(output.stdout).unwrap();
    let programs = messages.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).unwrap();
        if message["profile"]["test"] == true {
            return None;
        }
        let program = message["executable"].as_str()?;
        let name = message["target"]["name"].as_str()?;
        Some((name.to_owned(), PathBuf::from(program)))
    });
    programs.collect()
});

/// A running example, and an empty folder to try it in.
pub(crate) struct Example {
    pub(crate) server: Server,
    pub(crate) commands: Vec<String>,
    pub(crate) folder: TempDir,
}

impl Example {
    pub(crate) async fn start(name: &str) -> Self {
        Self::start_with(name, &[]).await
    }

    pub(crate) async fn start_with(name: &str, variables: &[(&str, &str)]) -> Self {
        let program = program(name).await;
        // One of its own: tests of one example run beside each other.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        // What it needs of files lies beside its manifest.
        let _ = fs::copy(path(name, ".env"), folder.path().join(".env"));
        let variables = [&[("ADDR", "127.0.0.1:0")], variables].concat();
        let server = Server::start_in(folder.path(), program, &variables).await;
        Self { commands: commands(name, &server.address), server, folder }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address)
    }

    /// Runs a command, and gives what it prints until it ends or `enough` is printed.
    pub(crate) async fn run(&self, command: &str, enough: Option<&str>) -> String {
        let mut child = tokio::process::Command::new("sh")
            .args(["-c", &format!("exec {command}")])
            .current_dir(self.folder.path())
            .env("no_proxy", "*")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut text = Vec::new();
        let read = async {
            while stdout.read_buf(&mut text).await.unwrap() > 0 {
                let printed = String::from_utf8_lossy(&text);
                if enough.is_some_and(|enough| printed.contains(enough)) {
                    break;
                }
            }
        };
        tokio::time::timeout(PATIENCE, read).await.unwrap();
        String::from_utf8(text).unwrap()
    }

    /// What curl prints, with the cookies of the commands before it.
    pub(crate) async fn curl(&self, arguments: &str) -> String {
        let command = format!("curl --silent --cookie-jar jar --cookie jar {arguments}");
        self.run(&command, None).await
    }
}

/// The program of an example.
pub(crate) async fn program(name: &str) -> &'static Path {
    let programs = tokio::task::spawn_blocking(|| &*PROGRAMS).await.unwrap();
    &programs[&format!("example-{name}")]
}

/// A file of an example.
fn path(name: &str, file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name).join(file)
}

/// The curl commands in the first lines of an example, for a server at this address.
pub(crate) fn commands(name: &str, address: &str) -> Vec<String> {
    let source = fs::read_to_string(path(name, "src/main.rs")).unwrap();
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    let text = lines.collect::<Vec<_>>().join("\n");
    assert!(text.contains(&format!("Run: `cargo run -p example-{name}`")));
    assert!(text.contains("Try: "));
    text.split('`')
        .skip(1)
        .step_by(2)
        .filter(|code| code.starts_with("curl "))
        .map(|code| code.replace("127.0.0.1:3000", address))
        .collect()
}
