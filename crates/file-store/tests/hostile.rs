//! A directory in which somebody meddles.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use std::{
    ffi::OsStr,
    fs::{self, File, Permissions},
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, PermissionsExt, chown, symlink},
    },
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use common::{LIFETIME, Place, change, create, field, id, not_run, of_user};
use tower_keep_core::{
    Applied, Check, Index, Problem, ProblemKind, Purge, Query, Store, StoreErrorKind, Sweep, Swept,
    Touch, Touched,
};
use tower_keep_file_store::FileStore;

async fn problems(store: &FileStore) -> Vec<(ProblemKind, String)> {
    let checked = Check::check(store).await.unwrap();
    let name = |problem: Problem| {
        let place = Path::new(&problem.place).file_name().unwrap().to_string_lossy().into_owned();
        (problem.kind, place)
    };
    checked.problems.into_iter().map(name).collect()
}

/// Damages the file of session 1 in a way, and looks at what becomes of it and of its neighbour.
async fn survives(damage: impl FnOnce(&Path)) {
    let place = Place::new();
    let store = place.open().await;
    create(&store, 1, "one").await;
    create(&store, 2, "two").await;
    let file = place.file(1);
    damage(&file);
    let began = Instant::now();
    let damaged = Check::check(&store).await.unwrap().problems;
    assert!(matches!(
        damaged[..],
        [Problem { kind: ProblemKind::Damaged | ProblemKind::Foreign, .. }]
    ));
    assert!(store.load(&id(1)).await.unwrap().is_none());
    assert!(began.elapsed() < Duration::from_secs(5));
    let found = problems(&store).await;
    assert!(matches!(&found[..], [(ProblemKind::SetAside, _)]), "{found:?}");
    assert!(fs::symlink_metadata(&file).is_err());
    create(&store, 1, "anew").await;
    assert_eq!(field(&store, 1).await.as_deref(), Some("anew"));
    assert_eq!(field(&store, 2).await.as_deref(), Some("two"));
}

#[tokio::test]
async fn truncated_file_costs_its_session_alone() {
    survives(|file| File::options().write(true).open(file).unwrap().set_len(150).unwrap()).await;
}

#[tokio::test]
async fn empty_file_costs_its_session_alone() {
    survives(|file| fs::write(file, "").unwrap()).await;
}

#[tokio::test]
async fn changed_byte_costs_its_session_alone() {
    survives(|file| {
        let mut bytes = fs::read(file).unwrap();
        let last = bytes.len() - 10;
        bytes[last] ^= 1;
        fs::write(file, bytes).unwrap();
    })
    .await;
}

#[tokio::test]
async fn file_of_a_gigabyte_is_not_read() {
    survives(|file| File::options().write(true).open(file).unwrap().set_len(1 << 30).unwrap())
        .await;
}

#[tokio::test]
async fn swapped_file_opens_nothing() {
    survives(|file| {
        let other = file.parent().unwrap().parent().unwrap();
        let other = other.join(common::path(2));
        fs::copy(other, file).unwrap();
    })
    .await;
}

#[tokio::test]
async fn link_is_neither_followed_nor_written_through() {
    let elsewhere = tempfile::tempdir().unwrap();
    let treasure = elsewhere.path().join("treasure");
    let place = Place::new();
    let other = place.open().await;
    create(&other, 1, "elsewhere").await;
    fs::copy(place.file(1), &treasure).unwrap();
    let before = fs::read(&treasure).unwrap();
    survives(|file| {
        fs::remove_file(file).unwrap();
        symlink(&treasure, file).unwrap();
    })
    .await;
    assert_eq!(fs::read(&treasure).unwrap(), before);
}

/// Who may write a shared directory must not be able to sign himself in as somebody else.
#[tokio::test]
async fn file_of_another_user_opens_nothing() {
    if chown(Place::new().directory().parent().unwrap(), Some(65_534), None).is_err() {
        return not_run("file_of_another_user_opens_nothing", "only root gives files away");
    }
    survives(|file| chown(file, Some(65_534), None).unwrap()).await;
    // On a share all of them can seem to be another's, and the directory too.
    let place = Place::new();
    let store = place.open().await;
    create(&store, 1, "one").await;
    chown(place.directory(), Some(65_534), None).unwrap();
    chown(place.file(1), Some(65_534), None).unwrap();
    assert_eq!(field(&store, 1).await.as_deref(), Some("one"));
}

#[tokio::test]
async fn pipe_holds_nobody_up() {
    survives(|file| {
        fs::remove_file(file).unwrap();
        assert!(Command::new("mkfifo").arg(file).status().unwrap().success());
    })
    .await;
}

#[tokio::test]
async fn folder_in_the_place_of_a_file_is_set_aside() {
    survives(|file| {
        fs::remove_file(file).unwrap();
        fs::create_dir(file).unwrap();
        fs::write(file.join("inside"), "kept").unwrap();
    })
    .await;
}

#[tokio::test]
async fn link_in_the_place_of_a_folder_is_an_error() {
    let place = Place::new();
    let store = place.open().await;
    create(&store, 1, "one").await;
    let folder = place.file(1).parent().unwrap().to_owned();
    let moved = tempfile::tempdir().unwrap();
    let moved = moved.path().join("moved");
    fs::rename(&folder, &moved).or_else(|_| fs::create_dir(&moved)).unwrap();
    let _ = fs::remove_dir_all(&folder);
    symlink(&moved, &folder).unwrap();
    let error = store.load(&id(1)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Misconfigured);
    let created = store.create(&id(1), of_user(None)).await;
    assert_eq!(created.unwrap_err().kind(), StoreErrorKind::Misconfigured);
}

#[tokio::test]
async fn directory_that_is_a_link_is_refused_with_and_without_a_slash() {
    let place = tempfile::tempdir().unwrap();
    let link = place.path().join("link");
    fs::create_dir(place.path().join("real")).unwrap();
    symlink(place.path().join("real"), &link).unwrap();
    for path in [link.display().to_string(), format!("{}/", link.display())] {
        let error = FileStore::open(&path).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Misconfigured);
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("link") && cause.contains("not followed"), "{cause}");
    }
}

#[tokio::test]
async fn what_is_not_ours_is_left_alone_and_named() {
    let place = Place::new();
    for fan_out in [0, 1, 2] {
        let directory = place.directory().join(fan_out.to_string());
        let store = FileStore::builder(&directory).fan_out(fan_out).open().await.unwrap();
        create(&store, 1, "one").await;
        let foreign: [&OsStr; 6] = [
            OsStr::new(".gitkeep"),
            OsStr::new(".htaccess"),
            OsStr::new("notes.txt"),
            // What cachelib names its files: 64 hexadecimal digits of another meaning.
            OsStr::new("2029240f6d1128be89ddc32729463129aa29240f6d1128be89ddc32729463129"),
            OsStr::from_bytes(b"not\xffutf-8"),
            OsStr::new("0B"),
        ];
        for name in foreign {
            fs::write(directory.join(name), "\x04\x03theirs").unwrap();
        }
        let found = problems(&store).await;
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(found.iter().all(|(kind, _)| *kind == ProblemKind::Foreign), "{found:?}");
        assert_eq!(Index::list(&store, &Query::all()).await.unwrap().sessions.len(), 1);
        while let Swept::Removed { more: true, .. } = Sweep::sweep(&store, 10).await.unwrap() {}
        assert_eq!(Purge::purge(&store).await.unwrap().sessions, 1);
        for name in foreign {
            assert_eq!(fs::read(directory.join(name)).unwrap(), b"\x04\x03theirs");
        }
    }
}

#[tokio::test]
async fn modes_keep_everybody_else_out() {
    let place = Place::new();
    let store = place.open().await;
    create(&store, 1, "one").await;
    store.create(&id(2), of_user(Some("ada"))).await.unwrap();
    let mut folders = vec![place.directory().to_owned()];
    let mut entries = 0;
    while let Some(folder) = folders.pop() {
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700, "{folder:?}");
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            entries += 1;
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                assert_eq!(entry.metadata().unwrap().mode() & 0o777, 0o600, "{entry:?}");
            }
        }
    }
    assert!(entries > 8, "{entries}");
}

/// What is in a directory that somebody else made may belong to others as well.
#[tokio::test]
async fn mode_of_a_directory_that_was_there_is_left() {
    let place = Place::new();
    fs::create_dir(place.directory()).unwrap();
    fs::set_permissions(place.directory(), Permissions::from_mode(0o755)).unwrap();
    let store = place.open().await;
    create(&store, 1, "one").await;
    assert_eq!(fs::metadata(place.directory()).unwrap().mode() & 0o777, 0o755);
}

#[tokio::test]
async fn fan_out_is_that_of_the_directory() {
    let place = Place::new();
    let flat = FileStore::builder(place.directory()).fan_out(0).open().await.unwrap();
    create(&flat, 1, "one").await;
    assert!(place.directory().join(id(1).to_string()).is_file());
    let again = place.open().await;
    assert_eq!(field(&again, 1).await.as_deref(), Some("one"));
    let error = FileStore::builder(place.directory()).fan_out(2).open().await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Misconfigured);
}

#[tokio::test]
async fn file_of_a_later_release_is_neither_read_nor_set_aside() {
    let place = Place::new();
    let store = place.open().await;
    create(&store, 1, "one").await;
    let text = fs::read_to_string(place.file(1)).unwrap();
    fs::write(place.file(1), text.replacen("session 1 ", "session 2 ", 1)).unwrap();
    assert_eq!(store.load(&id(1)).await.unwrap_err().kind(), StoreErrorKind::Corrupt);
    assert_eq!(problems(&store).await, [(ProblemKind::LaterRelease, id(1).to_string())]);
    // Nor does it hold up a sweep.
    while let Swept::Removed { more: true, .. } = Sweep::sweep(&store, 10).await.unwrap() {}
    assert!(place.file(1).is_file());
}

/// Whoever signs a user out everywhere finds the user's sessions by these marks.
#[tokio::test]
async fn mark_of_a_user_that_was_removed_is_made_again_by_a_sweep() {
    let place = Place::new();
    let store = place.open().await;
    store.create(&id(1), of_user(Some("ada"))).await.unwrap();
    store.create(&id(2), of_user(None)).await.unwrap();
    let of_ada = Query::new("shop").of_user("ada".into());
    let found = async || Index::list(&store, &of_ada).await.unwrap().sessions.len();
    // The second time in the same process, which has swept already.
    for _ in 0..2 {
        fs::remove_dir_all(place.directory().join(".tower-keep")).unwrap();
        // A write sets the store up again.
        store.delete(&id(9)).await.unwrap();
        assert_eq!(problems(&store).await, [(ProblemKind::Orphaned, id(1).to_string())]);
        assert_eq!(found().await, 0);
        while let Swept::Removed { more: true, .. } = Sweep::sweep(&store, 10).await.unwrap() {}
        assert_eq!(problems(&store).await, []);
        assert_eq!(found().await, 1);
    }
}

#[tokio::test]
async fn clock_that_goes_back_loses_nothing() {
    let place = Place::new();
    let store = place.open().await;
    create(&store, 1, "one").await;
    place.clock.advance(Duration::from_secs(1_000));
    let change = change(&store, 1).await;
    place.clock.set(tower_keep_core::Timestamp::from_millis(1_000));
    assert!(matches!(store.apply(&id(1), &change).await, Ok(Applied::Applied(_))));
    let touch = Touch { created_at: change.created_at, lifetime: LIFETIME };
    assert!(matches!(store.touch(&id(1), touch).await, Ok(Touched::Touched(_))));
    assert_eq!(field(&store, 1).await.as_deref(), Some("one"));
}

#[tokio::test]
async fn debug_shows_the_directory_and_no_session() {
    let place = Place::new();
    let store = place.open().await;
    create(&store, 1, "s3cret").await;
    let debug = format!("{store:?}");
    assert!(debug.contains(&place.directory().display().to_string()), "{debug}");
    assert!(!debug.contains("s3cret"));
}
