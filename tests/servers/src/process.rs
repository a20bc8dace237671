//! A server's process and its directory: [`Process`].

use std::{
    fs::{self, File},
    io,
    net::{Ipv4Addr, TcpListener},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// A server that does not come up within this time never will.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// A server's process, the directory that it keeps its data in, and what ends both.
#[derive(Debug)]
pub(crate) struct Process {
    directory: PathBuf,
    child: Mutex<Option<Child>>,
    /// Closed when this process ends, however it ends; then the watch cleans up.
    watch: Mutex<Option<(Child, ChildStdin)>>,
}

impl Process {
    /// A new directory, and a watch that removes it, and ends the server in it, with this process.
    pub(crate) fn prepare(name: &str) -> Self {
        let directory = TempDir::with_prefix(format!("tower-keep-{name}-")).unwrap().keep();
        let script = r#"cat >/dev/null; test -f "$0/pid" && kill -9 "$(cat "$0/pid")" 2>/dev/null; sleep 0.2; rm -rf "$0""#;
        let mut watch = Command::new("sh")
            .args(["-c", script])
            .arg(&directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // So that an interrupt of the tests does not end the watch before its work.
            .process_group(0)
            .spawn()
            .unwrap();
        let open = watch.stdin.take().unwrap();
        Self { directory, child: Mutex::default(), watch: Mutex::new(Some((watch, open))) }
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Starts the server and waits until it answers.
    pub(crate) fn start(&self, command: impl Fn() -> Command, answers: impl Fn() -> bool) {
        let begin = Instant::now();
        let mut slot = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let log = File::options().create(true).append(true).open(self.log()).unwrap();
            let mut command = command();
            let spawned = command
                .stdin(Stdio::null())
                .stdout(log.try_clone().unwrap())
                .stderr(log)
                .process_group(0)
                .spawn();
            let mut child = match spawned {
                Ok(child) => child,
                Err(error) => panic!("{command:?} does not start: {error}; run tests/run once"),
            };
            fs::write(self.directory.join("pid"), child.id().to_string()).unwrap();
            while begin.elapsed() < PATIENCE {
                if answers() {
                    *slot = Some(child);
                    return;
                }
                // What a killed server left behind may hinder the next one for a moment.
                if child.try_wait().unwrap().is_some() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            if begin.elapsed() >= PATIENCE {
                let log = fs::read_to_string(self.log()).unwrap_or_default();
                panic!("{command:?} does not answer:\n{log}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.child.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Ends the server as a loss of power does.
    pub(crate) fn kill(&self) {
        let mut slot = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut child) = slot.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Stops the process where it stands, or lets it go on, so that it accepts and does not answer.
    pub(crate) fn signal(&self, signal: &str) {
        let slot = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let id = slot.as_ref().expect("the server runs").id().to_string();
        run(Command::new("kill").args([signal, &id]));
    }

    fn log(&self) -> PathBuf {
        self.directory.join("log")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        let watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((mut watch, open)) = watch {
            drop(open);
            drop(watch.wait());
        }
    }
}

/// A port of this machine that nobody listens on.
///
/// Below those of outgoing connections, and none is given again soon: of two servers that were given the same, the
/// one that came first would be taken for the other, and end in the middle of its test.
pub(crate) fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    loop {
        let place = std::process::id().wrapping_mul(97).wrapping_add(GIVEN.fetch_add(1, SeqCst));
        let port = 10_000 + u16::try_from(place % 10_000).unwrap_or_default();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// Runs a command that must succeed.
pub(crate) fn run(command: &mut Command) -> String {
    let output = match command.stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            panic!("{command:?} is not installed: run tests/run once")
        }
        Err(error) => panic!("{command:?}: {error}"),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Whether a command succeeds.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Whether the tests run as root, which the servers refuse to do.
pub(crate) fn is_root() -> bool {
    run(Command::new("id").arg("-u")).trim() == "0"
}
