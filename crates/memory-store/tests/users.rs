//! Limits of sessions per user, exact under concurrency.

mod common;

use std::sync::{
    Barrier,
    atomic::{AtomicU32, Ordering::SeqCst},
};

use common::*;
use tower_keep_core::{Created, Index, OverLimit, Query, Rotated, Store, UserLimit};
use tower_keep_memory_store::MemoryStore;

const THREADS: u64 = 64;

fn sessions_of(store: &MemoryStore, user: &str) -> usize {
    let query = Query::new("shop").of_user(user.into()).with_limit(10_000);
    now(store.list(&query)).sessions.len()
}

#[test]
fn no_more_sessions_than_allowed_are_created_at_once() {
    for over in [OverLimit::Refuse, OverLimit::EvictOldest] {
        let (store, _) = store_with(|settings| settings);
        let (made, refused, evicted) = (AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0));
        let barrier = Barrier::new(THREADS as usize);
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (store, barrier) = (&store, &barrier);
                let (made, refused, evicted) = (&made, &refused, &evicted);
                scope.spawn(move || {
                    barrier.wait();
                    for round in 0..20 {
                        let number = round * THREADS + thread;
                        match create(store, number, &of_user("ada", Some((3, over)))) {
                            Created::Created(receipt) => {
                                made.fetch_add(1, SeqCst);
                                evicted.fetch_add(receipt.evicted, SeqCst);
                            }
                            Created::OverLimit => {
                                refused.fetch_add(1, SeqCst);
                            }
                            Created::Taken => panic!("ids differ"),
                        }
                        assert!(sessions_of(store, "ada") <= 3);
                    }
                });
            }
        });
        assert_eq!(sessions_of(&store, "ada"), 3);
        assert_eq!(store.sessions(), 3);
        let (made, refused) = (made.into_inner(), refused.into_inner());
        assert_eq!(made + refused, 20 * THREADS as u32);
        assert_eq!(made - evicted.into_inner(), 3);
        assert_eq!(refused > 0, over == OverLimit::Refuse);
    }
}

#[test]
fn no_more_sessions_than_allowed_are_signed_in_at_once() {
    for over in [OverLimit::Refuse, OverLimit::EvictOldest] {
        let (store, _) = store_with(|settings| settings);
        let barrier = Barrier::new(THREADS as usize);
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (store, barrier) = (&store, &barrier);
                scope.spawn(move || {
                    create(store, thread, &anonymous());
                    let mut change = change(store, thread);
                    change.user = Some("ada".into());
                    change.user_limit = Some(UserLimit::new(2, over));
                    barrier.wait();
                    let rotated = now(store.rotate(&id(thread), &id(1_000 + thread), &change));
                    let moved = matches!(rotated, Rotated::Rotated(_));
                    assert!(moved || matches!(rotated, Rotated::OverLimit));
                    // What is refused is whole under its old id.
                    assert_eq!(is_live(store, thread), !moved);
                    assert!(sessions_of(store, "ada") <= 2);
                });
            }
        });
        assert_eq!(sessions_of(&store, "ada"), 2);
        let left = if over == OverLimit::Refuse { THREADS } else { 2 };
        assert_eq!(store.sessions(), left);
    }
}

#[test]
fn oldest_goes_and_the_session_itself_counts_once() {
    let (store, clock) = store_with(|settings| settings);
    for number in 0..3 {
        create(&store, number, &of_user("ada", None));
        clock.advance(IDLE / 10);
    }
    let limit = Some(UserLimit::new(3, OverLimit::Refuse));
    let mut change0 = change(&store, 0);
    change0.user = Some("ada".into());
    change0.user_limit = limit;
    assert!(matches!(now(store.rotate(&id(0), &id(10), &change0)), Rotated::Rotated(_)));
    assert_eq!(
        create(&store, 5, &of_user("ada", Some((3, OverLimit::Refuse)))),
        Created::OverLimit
    );
    let created = create(&store, 6, &of_user("ada", Some((2, OverLimit::EvictOldest))));
    assert!(matches!(created, Created::Created(receipt) if receipt.evicted == 2));
    // The rotated one kept its beginning, so it was the oldest.
    assert!(!is_live(&store, 10) && !is_live(&store, 1) && is_live(&store, 2));
    // Taken is taken, whatever the limit, and nobody is evicted for it.
    let taken = create(&store, 6, &of_user("ada", Some((1, OverLimit::EvictOldest))));
    assert_eq!(taken, Created::Taken);
    assert_eq!(sessions_of(&store, "ada"), 2);
}

#[test]
fn expired_sessions_do_not_count() {
    let (store, clock) = store_with(|settings| settings);
    create(&store, 0, &of_user("ada", None));
    clock.advance(IDLE);
    let created = create(&store, 1, &of_user("ada", Some((1, OverLimit::Refuse))));
    assert!(matches!(created, Created::Created(receipt) if receipt.evicted == 0));
    assert_eq!(sessions_of(&store, "ada"), 1);
}

#[test]
fn users_of_two_layers_are_strangers() {
    let (store, _) = store_with(|settings| settings);
    create(&store, 0, &of_user("ada", None));
    let mut new = of_user("ada", Some((1, OverLimit::Refuse)));
    new.layer = "admin".into();
    assert!(matches!(create(&store, 1, &new), Created::Created(_)));
    assert_eq!(sessions_of(&store, "ada"), 1);
    assert_eq!(now(store.stats(None)).users, 2);
    assert_eq!(now(store.stats(Some(&"shop".into()))).users, 1);
}
