//! Real trouble: a directory that goes away, a disk that is full or read-only, a share that is not
//! mounted, too many open files.
//!
//! Those that need a file system of their own mount one in memory, which only root may. For others
//! they say that they were not run, and fail in a long run; `src/faults.rs` fails the same operations
//! for everybody.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use std::{
    error::Error,
    fs::{self, File},
    io::ErrorKind,
    path::{Path, PathBuf},
    process::Command,
};

use common::{Place, change, create, field, id, not_run, of_user};
use tower_keep_core::{
    Applied, Check, Created, Index, Purge, Query, Store, StoreError, StoreErrorKind, Touch, Touched,
};
use tower_keep_file_store::FileStore;

/// The kind of an error whose cause names the directory.
fn kind_at(error: &StoreError, directory: &Path) -> StoreErrorKind {
    let cause = error.source().unwrap().to_string();
    assert!(cause.contains(&*directory.to_string_lossy()), "{cause}");
    error.kind()
}

#[tokio::test]
async fn directory_that_goes_away_is_an_error_until_it_is_back() {
    let place = Place::new();
    let store = place.open().await;
    create(&store, 1, "one").await;
    let change = change(&store, 1).await;
    let aside = place.directory().with_extension("aside");
    fs::rename(place.directory(), &aside).unwrap();
    let (gone, at) = (StoreErrorKind::Misconfigured, place.directory());
    assert_eq!(kind_at(&store.load(&id(1)).await.unwrap_err(), &at), gone);
    assert_eq!(kind_at(&store.load(&id(9)).await.unwrap_err(), &at), gone);
    assert_eq!(kind_at(&store.apply(&id(1), &change).await.unwrap_err(), &at), gone);
    assert_eq!(kind_at(&store.delete(&id(1)).await.unwrap_err(), &at), gone);
    assert_eq!(kind_at(&Purge::purge(&store).await.unwrap_err(), &at), gone);
    assert_eq!(kind_at(&Index::list(&store, &Query::all()).await.unwrap_err(), &at), gone);
    fs::rename(&aside, place.directory()).unwrap();
    assert_eq!(field(&store, 1).await.as_deref(), Some("one"));
    assert!(matches!(store.apply(&id(1), &change).await, Ok(Applied::Applied(_))));
}

#[tokio::test]
async fn directory_that_was_emptied_by_hand_is_set_up_again() {
    let place = Place::new();
    let store = place.open().await;
    create(&store, 1, "one").await;
    fs::remove_dir_all(place.directory()).unwrap();
    fs::create_dir(place.directory()).unwrap();
    assert!(store.load(&id(1)).await.unwrap().is_none());
    create(&store, 1, "anew").await;
    assert_eq!(field(&store, 1).await.as_deref(), Some("anew"));
    assert_eq!(Check::check(&store).await.unwrap().problems, []);
}

#[tokio::test]
async fn directory_that_cannot_be_made_names_its_path() {
    let error = FileStore::open("/dev/null/sessions").await.unwrap_err();
    assert_eq!(kind_at(&error, Path::new("/dev/null/sessions")), StoreErrorKind::Misconfigured);
}

/// A file system in memory, unmounted when it is dropped.
struct Mounted(PathBuf);

impl Mounted {
    /// `None`, said aloud, if this user may not mount.
    fn new(test: &str, at: &Path, options: &str) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", options, "none"]).arg(at).output();
        match mount {
            Ok(output) if output.status.success() => Some(Self(at.to_owned())),
            _ => {
                not_run(test, "this user may not mount a file system");
                None
            }
        }
    }

    fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let mount = Command::new("mount").args(["-o", &options]).arg(&self.0).status();
        assert!(mount.unwrap().success());
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Fills a disk to its last byte.
fn fill(directory: &Path) -> PathBuf {
    let path = directory.join("filler");
    let mut filler = File::create(&path).unwrap();
    let mut part = 1 << 16;
    while part > 0 {
        match std::io::Write::write(&mut filler, &vec![0; part]) {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::StorageFull);
                part /= 2;
            }
        }
    }
    path
}

#[tokio::test]
async fn full_disk_is_full_and_nothing_is_lost() {
    let place = Place::new();
    let Some(disk) = Mounted::new(
        "full_disk_is_full_and_nothing_is_lost",
        &place.directory(),
        "size=1m,mode=0700",
    ) else {
        return;
    };
    let store = place.open().await;
    create(&store, 1, "one").await;
    create(&store, 3, "three").await;
    let mut change = change(&store, 1).await;
    change.edits.set("more", &"9".repeat(5_000));
    let filler = fill(&disk.0);
    let at = place.directory();
    let full = StoreErrorKind::Full;
    assert_eq!(kind_at(&store.apply(&id(1), &change).await.unwrap_err(), &at), full);
    assert_eq!(kind_at(&store.create(&id(2), of_user(None)).await.unwrap_err(), &at), full);
    let rotated = store.rotate(&id(1), &id(4), &change).await;
    assert_eq!(kind_at(&rotated.unwrap_err(), &at), full);
    assert_eq!(field(&store, 1).await.as_deref(), Some("one"));
    // What needs no room works: a touch, an end.
    let touch = Touch { created_at: change.created_at, lifetime: common::LIFETIME };
    assert!(matches!(store.touch(&id(1), touch).await, Ok(Touched::Touched(_))));
    assert!(store.delete(&id(3)).await.unwrap());
    assert!(store.load(&id(2)).await.unwrap().is_none());
    fs::remove_file(filler).unwrap();
    assert!(matches!(store.apply(&id(1), &change).await, Ok(Applied::Applied(_))));
    assert!(matches!(store.create(&id(2), of_user(None)).await, Ok(Created::Created(_))));
    assert_eq!(Check::check(&store).await.unwrap().problems, []);
}

#[tokio::test]
async fn disk_without_room_for_names_is_full() {
    let place = Place::new();
    let Some(disk) = Mounted::new(
        "disk_without_room_for_names_is_full",
        &place.directory(),
        "size=1m,nr_inodes=200,mode=0700",
    ) else {
        return;
    };
    let store = place.open().await;
    create(&store, 1, "one").await;
    let mut fillers = 0;
    while File::create(disk.0.join(format!("filler-{fillers}"))).is_ok() {
        fillers += 1;
    }
    let error = store.create(&id(2), of_user(None)).await.unwrap_err();
    assert_eq!(kind_at(&error, &place.directory()), StoreErrorKind::Full);
    assert_eq!(field(&store, 1).await.as_deref(), Some("one"));
    assert_eq!(Purge::purge(&store).await.unwrap().sessions, 1);
}

#[tokio::test]
async fn read_only_file_system_can_be_read() {
    let place = Place::new();
    let Some(disk) =
        Mounted::new("read_only_file_system_can_be_read", &place.directory(), "size=1m,mode=0700")
    else {
        return;
    };
    let store = place.open().await;
    create(&store, 1, "one").await;
    create(&store, 2, "two").await;
    fs::write(place.file(2), "damaged").unwrap();
    let change = change(&store, 1).await;
    disk.remount("ro");
    assert_eq!(field(&store, 1).await.as_deref(), Some("one"));
    let at = place.directory();
    let wrong = StoreErrorKind::Misconfigured;
    // A damaged one cannot be set aside, which is an outage until it can.
    assert_eq!(kind_at(&store.load(&id(2)).await.unwrap_err(), &at), wrong);
    assert_eq!(kind_at(&store.apply(&id(1), &change).await.unwrap_err(), &at), wrong);
    let purge = Purge::purge(&store).await.unwrap_err();
    assert_eq!(purge.kind(), wrong);
    disk.remount("rw");
    assert!(matches!(store.apply(&id(1), &change).await, Ok(Applied::Applied(_))));
    assert_eq!(field(&store, 2).await, None);
}

/// An empty directory shows where the share was; it must not read as 'no such session'.
#[tokio::test]
async fn share_that_is_not_mounted_is_an_outage() {
    let place = Place::new();
    let Some(share) = Mounted::new(
        "share_that_is_not_mounted_is_an_outage",
        &place.directory(),
        "size=1m,mode=0700",
    ) else {
        return;
    };
    let store = place.open().await;
    create(&store, 1, "one").await;
    drop(share);
    let at = place.directory();
    let wrong = StoreErrorKind::Misconfigured;
    assert_eq!(kind_at(&store.load(&id(1)).await.unwrap_err(), &at), wrong);
    assert_eq!(kind_at(&store.create(&id(2), of_user(None)).await.unwrap_err(), &at), wrong);
    assert_eq!(kind_at(&Index::list(&store, &Query::all()).await.unwrap_err(), &at), wrong);
    assert_eq!(fs::read_dir(&at).unwrap().count(), 0, "nothing is written beside the share");
}

const LACKING: &str = "TOWER_KEEP_LACKS_FILES";

/// Not a test by itself: what the test below runs with few open files.
#[tokio::test]
async fn with_few_open_files() {
    if std::env::var_os(LACKING).is_none() {
        return;
    }
    let place = Place::new();
    let store = place.open().await;
    create(&store, 1, "one").await;
    let change = change(&store, 1).await;
    let mut taken = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        taken.push(file);
    }
    let at = place.directory();
    let lack = StoreErrorKind::Unavailable;
    let error = store.load(&id(1)).await.unwrap_err();
    assert_eq!(kind_at(&error, &at), lack);
    assert!(error.source().unwrap().to_string().contains("ulimit -n"));
    assert_eq!(kind_at(&store.apply(&id(1), &change).await.unwrap_err(), &at), lack);
    // Enough for some of what a write opens, but not for all.
    for free in 1..5 {
        taken.truncate(taken.len() - 1);
        if let Err(error) = store.apply(&id(1), &change).await {
            assert_eq!(kind_at(&error, &at), lack, "{free} free");
        }
        drop(store.load(&id(1)).await);
    }
    drop(taken);
    assert_eq!(field(&store, 1).await.as_deref(), Some("one"));
    create(&store, 2, "two").await;
    assert_eq!(Check::check(&store).await.unwrap().problems, []);
}

#[test]
fn lack_of_open_files_is_told_and_survived() {
    let test = std::env::current_exe().unwrap();
    let script = format!("ulimit -n 40 && exec '{}' with_few_open_files --exact", test.display());
    let run = Command::new("sh").args(["-c", &script]).env(LACKING, "1").output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
    assert!(String::from_utf8_lossy(&run.stdout).contains("1 passed"));
}
