//! A purge of many files.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use std::{fs, path::Path, time::Instant};

use common::{LIFETIME, Place};
use tower_keep_core::{Created, NewRecord, Purge, SessionId, Store};
use tower_keep_file_store::{Durability, FileStore};

/// The id with this number, spread as digests are.
fn id(number: u64) -> SessionId {
    let mut bytes = [0; 32];
    for (place, chunk) in bytes.chunks_exact_mut(8).enumerate() {
        let mixed = (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15 + 2 * place as u64);
        chunk.copy_from_slice(&(mixed ^ mixed >> 29).to_le_bytes());
    }
    SessionId::from_bytes(bytes)
}

async fn fill(store: &FileStore, sessions: u64) {
    let tasks = (0..8).map(|part| {
        let store = store.clone();
        tokio::spawn(async move {
            for number in (part..sessions).step_by(8) {
                let mut new = NewRecord::new("shop".into(), LIFETIME);
                new.user = (number % 3 == 0).then(|| format!("user-{}", number % 1_000).into());
                new.fields = [("number", &*number.to_string())].into_iter().collect();
                let created = store.create(&id(number), new).await;
                assert!(matches!(created, Ok(Created::Created(_))));
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

/// The sessions' files below a directory, dotfiles and all that lies in dotfolders left out.
fn session_files(directory: &Path) -> Vec<(std::path::PathBuf, u64)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            files.extend(session_files(&entry.path()));
        } else {
            files.push((entry.path(), entry.metadata().unwrap().len()));
        }
    }
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn purge_is_exact_and_leaves_what_begins_with_a_dot() {
    let long = std::env::var_os("TOWER_KEEP_LONG").is_some_and(|value| value == "1");
    let sessions = if long { 100_000 } else { 3_000 };
    let place = Place::new();
    let store = place.settings().durability(Durability::None).open().await.unwrap();
    fill(&store, sessions).await;
    let folder = place.directory().join("00");
    fs::create_dir_all(&folder).unwrap();
    let kept = [".gitkeep", ".folder_init", ".htaccess"];
    for name in kept {
        fs::write(place.directory().join(name), "kept").unwrap();
        fs::write(folder.join(name), "kept").unwrap();
    }
    let bytes: u64 = session_files(&place.directory()).iter().map(|(_, size)| size).sum();

    let began = Instant::now();
    let purged = Purge::purge(&store).await.unwrap();
    let took = began.elapsed();
    assert_eq!((purged.sessions, purged.bytes), (sessions, bytes));
    assert!(session_files(&place.directory()).is_empty());
    for name in kept {
        assert_eq!(fs::read(place.directory().join(name)).unwrap(), b"kept");
        assert_eq!(fs::read(folder.join(name)).unwrap(), b"kept");
    }

    // The floor: to find the same files and remove them, and nothing else.
    fill(&store, sessions).await;
    let began = Instant::now();
    for (path, _) in session_files(&place.directory()) {
        fs::remove_file(path).unwrap();
    }
    let floor = began.elapsed();
    println!("{sessions} sessions purged in {took:?}; unlinked one by one in {floor:?}");
}

/// Two processes that start at once each purge, and count each session once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_purges_at_once_do_no_harm() {
    let place = Place::new();
    let (one, other) = (place.open().await, place.open().await);
    let store = place.settings().durability(Durability::None).open().await.unwrap();
    fill(&store, 500).await;
    let (one, other) = tokio::join!(Purge::purge(&one), Purge::purge(&other));
    assert_eq!(one.unwrap().sessions + other.unwrap().sessions, 500);
}
