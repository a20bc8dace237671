//! Servers whose disk is full: an error of that kind, with what was there before whole, until there is room.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tower_keep_core::{Applied, Created, NewRecord, SessionId, Store, StoreErrorKind};
use tower_keep_sql_store::MySqlStore;
use tower_keep_test_servers::{Durability, Postgres};

use crate::{
    LIFETIME, Shared, increment, random_id, record, small,
    support::{
        mysql::{Database, run},
        postgres::{Schema, client},
    },
};

/// A disk of a few megabytes, in memory. It goes with the test.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// A disk that a server's user owns; `None` where this may not be mounted.
    fn of(user: &str, test: &str) -> Option<Self> {
        let at = tempfile::tempdir().unwrap().keep();
        let command = |program: &str, arguments: &[&str]| -> Output {
            Command::new(program).args(arguments).arg(&at).output().unwrap()
        };
        let mounted = command("mount", &["-t", "tmpfs", "-o", "size=12m,mode=700", "none"]);
        if !mounted.status.success() {
            let why = String::from_utf8_lossy(&mounted.stderr).into_owned();
            assert!(std::env::var_os("TOWER_KEEP_LONG").is_none(), "{test} cannot run here: {why}");
            // Past what the harness captures.
            let _ = writeln!(std::io::stderr(), "\nNOT RUN: {test}: {why}");
            return None;
        }
        let disk = Self(at.clone());
        assert!(command("chown", &[user]).status.success());
        Some(disk)
    }

    fn path(&self) -> &Path {
        &self.0
    }

    /// Gives it more room.
    fn grow(&self) {
        let remount = ["-o", "remount,size=64m"];
        assert!(Command::new("mount").args(remount).arg(&self.0).status().unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
        drop(std::fs::remove_dir(&self.0));
    }
}

/// A session of 100,000 bytes that no compression shrinks.
fn large() -> NewRecord {
    let mut new = NewRecord::new("shop".into(), LIFETIME);
    let text: String = (0..1_600).map(|_| random_id().to_string()).collect();
    new.fields = [("n", "0"), ("f", &*format!("\"{text}\""))].into_iter().collect();
    new
}

/// Fills the disk with sessions, several at a time, and looks at what was answered.
async fn assert_full_and_whole(store: Shared, grow: impl AsyncFn()) {
    let counted: SessionId = random_id();
    store.create(&counted, small()).await.unwrap();
    let mut there = Vec::new();
    let mut refused = Vec::new();
    while refused.len() < 8 {
        let creates = (0..8).map(async |_| {
            let id = random_id();
            (id, store.create(&id, large()).await)
        });
        for (id, answer) in futures_util::future::join_all(creates).await {
            match answer {
                Ok(created) => {
                    assert!(matches!(created, Created::Created(_)));
                    there.push(id);
                }
                Err(error) => {
                    assert_eq!(error.kind(), StoreErrorKind::Full, "{error:?}");
                    refused.push(id);
                }
            }
        }
        assert!(there.len() < 2_000, "the disk does not fill up");
    }
    for id in &there {
        assert!(store.load(id).await.unwrap().is_some(), "what was answered is there");
    }
    for id in &refused {
        assert!(store.load(id).await.unwrap().is_none(), "what was refused is not");
    }
    assert_eq!(record(&store, &counted).await.fields.get("n"), Some("0"), "reads go on");
    grow().await;
    let id = random_id();
    assert!(matches!(store.create(&id, large()).await.unwrap(), Created::Created(_)));
    let change = increment(&record(&store, &counted).await.clone());
    assert!(matches!(store.apply(&counted, &change).await.unwrap(), Applied::Applied(_)));
    println!("{} sessions filled the disk, {} were refused", there.len(), refused.len());
}

#[tokio::test]
async fn full_disk_of_postgres_is_full_and_loses_nothing() {
    let test = "full_disk_of_postgres_is_full_and_loses_nothing";
    let Some(disk) = SmallDisk::of("postgres", test) else { return };
    let server = Postgres::start(Durability::Lazy);
    let schema = Schema::new();
    let store = schema.builder().connect(&server.url()).await.unwrap();
    store.migrate().await.unwrap();
    let client = client(&server.url()).await;
    let make = format!("CREATE TABLESPACE small LOCATION '{}'", disk.path().display());
    client.batch_execute(&make).await.unwrap();
    let table = format!("{}.tower_keep_sessions", schema.name);
    client.batch_execute(&format!("ALTER TABLE {table} SET TABLESPACE small")).await.unwrap();
    assert_full_and_whole(std::sync::Arc::new(store), async || disk.grow()).await;
}

/// InnoDB ends the whole server where a page cannot be written, which is the outage of a killed one. Before
/// it comes to that it says that the table is full, as a trigger does here.
#[tokio::test]
async fn full_table_of_mariadb_is_full_and_loses_nothing() {
    let database = Database::new();
    database.make().await;
    let store = MySqlStore::connect(&database.url()).await.unwrap();
    store.migrate().await.unwrap();
    let trigger = "CREATE TRIGGER full BEFORE INSERT ON tower_keep_sessions FOR EACH ROW \
                   IF (SELECT COUNT(*) FROM tower_keep_sessions) >= 21 THEN \
                   SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1114; END IF";
    run(&database.url(), trigger).await;
    let grow = async || run(&database.url(), "DROP TRIGGER full").await;
    assert_full_and_whole(std::sync::Arc::new(store), grow).await;
}
