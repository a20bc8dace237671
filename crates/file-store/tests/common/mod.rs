//! What the tests of this crate share.
#![allow(clippy::unwrap_used, reason = "a test may")]
#![allow(dead_code, reason = "no test uses all of it")]

use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tempfile::TempDir;
use tower_keep_core::{
    Change, Created, Lifetime, NewRecord, OverLimit, SessionId, Store, TestClock, UserLimit,
};
use tower_keep_file_store::{FileStore, FileStoreBuilder};

pub(crate) const LIFETIME: Lifetime =
    Lifetime::new(Duration::from_secs(3_600), Duration::from_secs(86_400));

/// A directory of sessions that is removed with it, and the clock that they are judged by.
pub(crate) struct Place {
    place: TempDir,
    pub(crate) clock: Arc<TestClock>,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { place: tempfile::tempdir().unwrap(), clock: Arc::default() }
    }

    pub(crate) fn directory(&self) -> PathBuf {
        self.place.path().join("sessions")
    }

    pub(crate) fn settings(&self) -> FileStoreBuilder {
        FileStore::builder(self.directory()).clock(Arc::clone(&self.clock))
    }

    pub(crate) async fn open(&self) -> FileStore {
        self.settings().open().await.unwrap()
    }

    pub(crate) fn file(&self, number: u8) -> PathBuf {
        self.directory().join(path(number))
    }
}

/// The file of a session below a directory of the usual fan-out.
pub(crate) fn path(number: u8) -> PathBuf {
    Path::new(&format!("{number:02x}")).join(id(number).to_string())
}

pub(crate) fn id(number: u8) -> SessionId {
    SessionId::from_bytes([number; 32])
}

pub(crate) fn of_user(user: Option<&str>) -> NewRecord {
    let mut new = NewRecord::new("shop".into(), LIFETIME);
    new.user = user.map(Into::into);
    new.user_limit = user.map(|_| UserLimit::new(3, OverLimit::EvictOldest));
    new
}

pub(crate) async fn create(store: &FileStore, number: u8, value: &str) {
    let mut new = of_user(None);
    new.fields = [("value", &*format!("\"{value}\""))].into_iter().collect();
    assert!(matches!(store.create(&id(number), new).await, Ok(Created::Created(_))));
}

pub(crate) async fn field(store: &FileStore, number: u8) -> Option<String> {
    let loaded = store.load(&id(number)).await.unwrap()?;
    loaded.record.fields.get("value").map(|json| json.trim_matches('"').to_owned())
}

pub(crate) async fn change(store: &FileStore, number: u8) -> Change {
    Change::new(&store.load(&id(number)).await.unwrap().unwrap().record, LIFETIME)
}

/// Says aloud that a test did nothing, past what the harness captures; a long run fails instead.
pub(crate) fn not_run(test: &str, why: &str) {
    assert!(std::env::var_os("TOWER_KEEP_LONG").is_none(), "{test} cannot run here: {why}");
    let _ = writeln!(std::io::stderr(), "\nNOT RUN: {test}: {why}");
}
