//! Sweeps where each file takes its time, as on a network share: no step outlasts its caller.

use std::{fs, path::Path};

use tower_keep_core::{Check, SessionId, Sweep, Swept};

use crate::{
    FileStore,
    faults::Failing,
    layout::{UserKey, session},
};

/// More than can be looked at in a second, and less than the looks of one step.
const FILES: u16 = 1_500;

fn ids() -> impl Iterator<Item = SessionId> {
    (0..FILES).map(|number| {
        let mut bytes = [7; 32];
        bytes[..2].copy_from_slice(&number.to_le_bytes());
        SessionId::from_bytes(bytes)
    })
}

async fn open(directory: &Path) -> (FileStore, Failing) {
    let files = Failing::in_directory(directory);
    let store = FileStore::builder(directory).open_in(files.clone()).await.unwrap();
    (store, files)
}

fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// Sweeps to the end; says how many steps that took.
async fn sweep_all(store: &FileStore) -> usize {
    for step in 1.. {
        if let Swept::Removed { more: false, .. } = Sweep::sweep(store, 100).await.unwrap() {
            return step;
        }
    }
    unreachable!()
}

#[tokio::test]
async fn step_of_a_sweep_ends_in_time_where_reads_are_slow() {
    let place = tempfile::tempdir().unwrap();
    let (store, files) = open(place.path()).await;
    for id in ids() {
        write(&place.path().join(session(&id, 1)), "theirs");
    }
    files.slow_down();
    assert!(sweep_all(&store).await > 1);
}

#[tokio::test]
async fn tidying_ends_in_time_where_reads_are_slow_and_goes_on() {
    let place = tempfile::tempdir().unwrap();
    let (store, files) = open(place.path()).await;
    for (number, id) in ids().enumerate() {
        let user = UserKey::new(&"shop".into(), &number.to_string().into());
        write(&place.path().join(user.marker(&id)), "");
    }
    assert_eq!(Check::check(&store).await.unwrap().problems.len(), usize::from(FILES));
    files.slow_down();
    assert!(sweep_all(&store).await > 1);
    assert_eq!(Check::check(&store).await.unwrap().problems, []);
}
