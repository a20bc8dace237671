//! What a worker process does.

use std::{
    env,
    io::{BufRead, BufReader, Lines, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use tower_keep_core::{
    Applied, Change, Created, Lifetime, NewRecord, OverLimit, Rotated, SessionId, Store, Touch,
    Touched, UserLimit,
};
use tower_keep_file_store::FileStore;

pub(crate) const LIFETIME: Lifetime =
    Lifetime::new(Duration::from_secs(3_600), Duration::from_secs(86_400));
/// How many sessions the processes of a run count in.
pub(crate) const COUNTERS: usize = 5;
/// How many sessions a writer keeps at once.
pub(crate) const SLOTS: usize = 6;
/// How many sessions the one user may have.
pub(crate) const USER_LIMIT: u32 = 3;
/// What begins the lines that a worker writes for whoever started it.
const MARK: &str = "@";

/// What a worker is told.
#[derive(Debug)]
pub(crate) struct Task {
    kind: String,
    directory: PathBuf,
    number: u64,
    rounds: usize,
}

impl Task {
    pub(crate) fn from_env() -> Option<Self> {
        Some(Self {
            kind: env::var("WORKER").ok()?,
            directory: env::var_os("WORKER_DIRECTORY")?.into(),
            number: env::var("WORKER_NUMBER").ok()?.parse().ok()?,
            rounds: env::var("WORKER_ROUNDS").ok()?.parse().ok()?,
        })
    }
}

/// A worker process. Dropped, it is killed.
pub(crate) struct Worker {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    pub(crate) fn start(kind: &str, directory: &Path, number: u64, rounds: usize) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["worker", "--exact", "--nocapture", "--test-threads=1"])
            .env("WORKER", kind)
            .env("WORKER_DIRECTORY", directory)
            .env("WORKER_NUMBER", number.to_string())
            .env("WORKER_ROUNDS", rounds.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next thing that the worker says; `None` once it has ended and all was read.
    pub(crate) fn next(&mut self) -> Option<String> {
        loop {
            let line = self.lines.next()?.ok()?;
            if let Some(said) = line.split_once(MARK).map(|(_, said)| said) {
                return Some(said.to_owned());
            }
        }
    }

    /// Kills the worker as the system would, at once; says all that it had said.
    pub(crate) fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        std::iter::from_fn(|| self.next()).collect()
    }

    pub(crate) fn wait(mut self) {
        while self.next().is_some() {}
        assert!(self.child.wait().unwrap().success(), "a worker failed");
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn say(what: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{MARK}{what}").unwrap();
    out.flush().unwrap();
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

pub(crate) fn run(task: Task) {
    runtime().block_on(async move {
        let store = FileStore::open(&task.directory).await.unwrap();
        match &*task.kind {
            "count" => count(&store, &task).await,
            "write" => write(&store, &task).await,
            other => panic!("no such task: {other}"),
        }
    });
}

/// The counter with this number.
pub(crate) fn counter(number: usize) -> SessionId {
    SessionId::from_bytes([number as u8 * 17 + 1; 32])
}

pub(crate) fn count_in(json: Option<&str>) -> u64 {
    json.map_or(0, |json| json.parse().unwrap())
}

/// Counts in sessions that all workers share, and signs one user in again and again.
async fn count(store: &FileStore, task: &Task) {
    for round in 0..task.rounds {
        let id = counter(round % COUNTERS);
        loop {
            let record = store.load(&id).await.unwrap().expect("a counter is lost").record;
            let mut change = Change::new(&record, LIFETIME);
            change.exact = true;
            let next = count_in(record.fields.get("count")) + 1;
            change.edits.set("count", &next.to_string());
            match store.apply(&id, &change).await.unwrap() {
                Applied::Applied(_) => break,
                Applied::Conflict(_) => {}
                Applied::Gone => panic!("a counter is gone"),
            }
        }
        if round % 5 == 0 {
            let mut new = NewRecord::new("shop".into(), LIFETIME);
            new.user = Some("ada".into());
            new.user_limit = Some(UserLimit::new(USER_LIMIT, OverLimit::EvictOldest));
            let id = fresh(task.number, round as u64);
            assert!(matches!(store.create(&id, new).await, Ok(Created::Created(_))));
        }
    }
}

/// Writes until it is killed, and says what it is about to do and what is done.
async fn write(store: &FileStore, task: &Task) {
    let mut random = Random(task.number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut slots: [Option<SessionId>; SLOTS] = [None; SLOTS];
    for round in 1_u64.. {
        let slot = random.below(SLOTS as u64) as usize;
        let new = fresh(task.number, round);
        let Some(id) = slots[slot] else {
            say(&format!("try {slot} {new} {round}"));
            let mut record = NewRecord::new("shop".into(), LIFETIME);
            record.user = (round % 2 == 0).then(|| "ada".into());
            record.fields = [("at", &*round.to_string())].into_iter().collect();
            assert!(matches!(store.create(&new, record).await, Ok(Created::Created(_))));
            say("done");
            slots[slot] = Some(new);
            continue;
        };
        let record = store.load(&id).await.unwrap().expect("a session is lost").record;
        let mut change = Change::new(&record, LIFETIME);
        change.edits.set("at", &round.to_string());
        // Large enough at times to be written in more than one piece.
        let bytes = if round % 7 == 0 { 200_000 } else { 10 };
        change.edits.set("ballast", &"9".repeat(bytes));
        match random.below(8) {
            0 => {
                say(&format!("try {slot} - 0"));
                assert!(store.delete(&id).await.unwrap());
                slots[slot] = None;
            }
            1 | 2 => {
                say(&format!("try {slot} {new} {round}"));
                let rotated = store.rotate(&id, &new, &change).await;
                assert!(matches!(rotated, Ok(Rotated::Rotated(_))));
                slots[slot] = Some(new);
            }
            3 => {
                let touch = Touch { created_at: record.created_at, lifetime: LIFETIME };
                assert!(matches!(store.touch(&id, touch).await, Ok(Touched::Touched(_))));
                continue;
            }
            _ => {
                say(&format!("try {slot} {id} {round}"));
                assert!(matches!(store.apply(&id, &change).await, Ok(Applied::Applied(_))));
            }
        }
        say("done");
    }
}

/// An id that no other worker and round has.
fn fresh(number: u64, round: u64) -> SessionId {
    let mut bytes = [0; 32];
    for (place, chunk) in bytes.chunks_exact_mut(8).enumerate() {
        let mixed = (round + 1)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .wrapping_add(number << 8 | place as u64)
            .wrapping_mul(0xBF58_476D_1CE4_E5B9);
        chunk.copy_from_slice(&(mixed ^ mixed >> 31).to_le_bytes());
    }
    SessionId::from_bytes(bytes)
}

/// Marsaglia's xorshift.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}
