//! Purge at startup.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use std::ffi::OsString;

use common::*;
use tower_keep_core::{Purged, Store, StoreErrorKind};
use tower_keep_memory_store::MemoryStore;
use tower_keep_purge::{PurgeErrorKind, on_startup, on_startup_with};
use tower_keep_tests::Captured;

fn set_to(value: &str) -> impl Fn(&str) -> Option<OsString> {
    let value = OsString::from(value);
    move |name| (name == "PURGE_SESSIONS_ON_STARTUP").then(|| value.clone())
}

async fn store_of_three() -> MemoryStore {
    let (store, _) = memory();
    for number in 0..3 {
        create(&store, number).await;
    }
    store
}

#[tokio::test]
async fn unset_and_true_purge_and_say_how_much() {
    for variable in [None, Some("True"), Some(" ON ")] {
        let (logged, _guard) = Captured::here();
        let store = store_of_three().await;
        let purged = match variable {
            // Nobody sets it for tests.
            None => on_startup(&store).await,
            Some(value) => on_startup_with(&store, set_to(value)).await,
        };
        let Purged { sessions, bytes } = purged.unwrap().unwrap();
        assert_eq!((sessions, store.sessions()), (3, 0));
        assert!(bytes > 0);
        let log = logged.text();
        assert!(log.contains("purged 3 sessions, ") && log.contains(" freed"), "{log}");
        assert!(log.contains("store=MemoryStore"), "{log}");
    }
}

#[tokio::test]
async fn false_keeps_everything_and_says_so() {
    let (logged, _guard) = Captured::here();
    let store = store_of_three().await;
    assert_eq!(on_startup_with(&store, set_to("No")).await.unwrap(), None);
    assert_eq!(store.sessions(), 3);
    let log = logged.text();
    assert!(log.contains("kept, as PURGE_SESSIONS_ON_STARTUP says"), "{log}");
}

#[tokio::test]
async fn anything_else_removes_nothing_and_names_the_variable() {
    for value in ["", "ture", "2", "hunter2"] {
        let (logged, _guard) = Captured::here();
        let store = store_of_three().await;
        let error = on_startup_with(&store, set_to(value)).await.unwrap_err();
        assert_eq!(error.kind(), PurgeErrorKind::Setting);
        assert_eq!(store.sessions(), 3);
        let log = logged.text();
        assert!(log.contains("PURGE_SESSIONS_ON_STARTUP"), "{log}");
        assert!(!log.contains("hunter2"), "{log}");
    }
}

#[tokio::test]
async fn a_boxed_store_is_purged_as_well() {
    let store = store_of_three().await;
    let boxed: std::sync::Arc<dyn Store> = std::sync::Arc::new(store.clone());
    on_startup_with(&boxed, set_to("yes")).await.unwrap();
    on_startup_with(&*boxed, set_to("yes")).await.unwrap();
    assert_eq!(store.sessions(), 0);
}

#[tokio::test]
async fn a_store_that_cannot_purge_is_an_error() {
    let store = Scripted::new([]);
    let error = on_startup_with(&store, set_to("1")).await.unwrap_err();
    assert_eq!(error.kind(), PurgeErrorKind::Unsupported);
    // Nobody asked for it, so nothing is wrong.
    assert_eq!(on_startup_with(&store, set_to("0")).await.unwrap(), None);
}

#[tokio::test]
async fn a_failing_store_is_logged_with_its_cause() {
    let (logged, _guard) = Captured::here();
    let store = Scripted::failing_purge(StoreErrorKind::Misconfigured);
    let error = on_startup_with(&store, set_to("1")).await.unwrap_err();
    assert_eq!(error.kind(), PurgeErrorKind::Store);
    let log = logged.text();
    assert!(log.contains("check that this process may read and delete"), "{log}");
    assert!(log.contains("a fault of the script"), "{log}");
}

#[tokio::test]
async fn two_processes_that_start_at_once_do_no_harm() {
    let store = store_of_three().await;
    let (one, other) =
        tokio::join!(on_startup_with(&store, set_to("1")), on_startup_with(&store, set_to("1")));
    let sessions = |purged: Result<Option<Purged>, _>| purged.unwrap().unwrap().sessions;
    assert_eq!(sessions(one) + sessions(other), 3);
    assert_eq!(store.sessions(), 0);
}
