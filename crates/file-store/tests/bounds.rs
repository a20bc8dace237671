//! The bound of the number of files.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use std::time::Duration;

use common::{Place, create, field, id, of_user};
use tower_keep_core::{Created, Lifetime, Store};

async fn live(store: &tower_keep_file_store::FileStore, numbers: std::ops::Range<u8>) -> Vec<u8> {
    let mut live = Vec::new();
    for number in numbers {
        if store.load(&id(number)).await.unwrap().is_some() {
            live.push(number);
        }
    }
    live
}

#[tokio::test]
async fn over_the_bound_expired_sessions_go_first_then_those_nearest_to_expiry() {
    let place = Place::new();
    let store = place.settings().max_files(5).open().await.unwrap();
    // They expire after 10, 90, 80, 70, 60 seconds.
    for (number, seconds) in [(1, 10), (2, 90), (3, 80), (4, 70), (5, 60)] {
        let mut new = of_user(None);
        let time = Duration::from_secs(seconds);
        new.lifetime = Lifetime::new(time, time);
        assert!(matches!(store.create(&id(number), new).await, Ok(Created::Created(_))));
    }
    place.clock.advance(Duration::from_secs(20));
    create(&store, 6, "six").await;
    assert_eq!((live(&store, 1..20).await, store.dropped()), (vec![2, 3, 4, 5, 6], 0));
    create(&store, 7, "seven").await;
    assert_eq!((live(&store, 1..20).await, store.dropped()), (vec![2, 3, 4, 6, 7], 1));
    create(&store, 8, "eight").await;
    assert_eq!((live(&store, 1..20).await, store.dropped()), (vec![2, 3, 6, 7, 8], 2));
}

#[tokio::test]
async fn bound_of_one_keeps_the_session_that_is_written() {
    let place = Place::new();
    let store = place.settings().max_files(1).open().await.unwrap();
    for number in 1..9 {
        create(&store, number, "it").await;
        assert_eq!(live(&store, 1..20).await, [number]);
    }
    assert_eq!(store.dropped(), 7);
}

#[tokio::test]
async fn files_of_other_processes_count() {
    let place = Place::new();
    let store = place.settings().max_files(10).open().await.unwrap();
    let other = place.settings().max_files(10).open().await.unwrap();
    for number in 1..30 {
        create(if number % 2 == 0 { &store } else { &other }, number, "it").await;
    }
    assert_eq!(live(&store, 1..40).await.len(), 10);
    assert_eq!(field(&store, 29).await.as_deref(), Some("it"));
}
