//! Rotation is one moment for everybody.

mod common;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use common::*;
use tower_keep_core::{Index, Purge, Query, Rotated, Store};

/// A session moves from id to id while others look. Three loads in a row tell what no single moment
/// could: two ids live one after the other mean that the second came after the first, so the first
/// must be gone; and if the old one is gone, the new one must be there.
#[test]
fn exactly_one_of_two_ids_is_live() {
    const ROUNDS: u64 = 50_000;
    let (store, _) = store_with(|settings| settings);
    create(&store, 0, &of_user("ada", None));
    let done = AtomicBool::new(false);
    let at = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(SeqCst) {
                    let before = at.load(SeqCst);
                    let new_first = is_live(&store, before + 1);
                    let old = is_live(&store, before);
                    let new = is_live(&store, before + 1);
                    // Live under the new id, it was never again live under the old one.
                    assert!(!(new_first && old), "both are live");
                    // Gone under the old id, it is live under the new one, unless that went too.
                    let moved_on = at.load(SeqCst) > before;
                    assert!(old || new || moved_on, "neither is live");
                }
            });
        }
        for round in 0..ROUNDS {
            let change = change(&store, round);
            let rotated = now(store.rotate(&id(round), &id(round + 1), &change));
            assert!(matches!(rotated, Rotated::Rotated(_)));
            at.store(round + 1, SeqCst);
        }
        done.store(true, SeqCst);
    });
    assert_eq!(store.sessions(), 1);
    let query = Query::new("shop").of_user("ada".into());
    assert_eq!(now(store.list(&query)).sessions.len(), 1);
}

/// Rotations of one session at once: one wins, the others find it gone, and nothing is doubled.
#[test]
fn one_of_many_rotations_wins() {
    let (store, _) = store_with(|settings| settings);
    for round in 0..500 {
        let base = round * 100;
        create(&store, base, &anonymous());
        let change = change(&store, base);
        let wins = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for thread in 1..=4 {
                let (store, change, wins) = (&store, &change, &wins);
                scope.spawn(move || {
                    match now(store.rotate(&id(base), &id(base + thread), change)) {
                        Rotated::Rotated(_) => wins.fetch_add(1, SeqCst),
                        Rotated::Gone => 0,
                        other => panic!("{other:?}"),
                    }
                });
            }
        });
        assert_eq!(wins.into_inner(), 1);
        assert_eq!(store.sessions(), round + 1);
    }
}

#[test]
fn no_session_slips_through_a_purge() {
    for _ in 0..20 {
        let (store, _) = store_with(|settings| settings);
        for number in 0..400 {
            create(&store, number, &of_user("ada", None));
        }
        std::thread::scope(|scope| {
            scope.spawn(|| now(Purge::purge(&store)));
            for thread in 0..4 {
                let store = &store;
                scope.spawn(move || {
                    let mut at = thread;
                    for round in 1..2_000 {
                        let Some(loaded) = now(store.load(&id(at))) else {
                            return;
                        };
                        let change = tower_keep_core::Change::new(&loaded.record, LIFETIME);
                        let next = round * 1_000 + thread;
                        match now(store.rotate(&id(at), &id(next), &change)) {
                            Rotated::Rotated(_) => at = next,
                            Rotated::Gone => return,
                            other => panic!("{other:?}"),
                        }
                    }
                });
            }
        });
        now(Purge::purge(&store));
        assert_eq!((store.sessions(), store.bytes()), (0, 0));
    }
}

/// All operations at once, on few ids: afterwards the counts and the index are those of what is left.
#[test]
fn storm_leaves_all_in_order() {
    let (store, _) = store_with(|settings| settings.max_sessions(40));
    std::thread::scope(|scope| {
        for thread in 0..6_u64 {
            let store = &store;
            scope.spawn(move || {
                let mut random = thread + 1;
                for _ in 0..20_000 {
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    let (a, b) = (random % 60, (random >> 8) % 60);
                    let user = ["ada", "bob", "eve"][(random >> 16) as usize % 3];
                    match (random >> 24) % 6 {
                        0 => {
                            let limit = (5, tower_keep_core::OverLimit::EvictOldest);
                            create(store, a, &of_user(user, Some(limit)));
                        }
                        1 => {
                            create(store, a, &with_bytes(1 + b as usize));
                        }
                        2 => {
                            now(store.delete(&id(a)));
                        }
                        kind => {
                            let Some(loaded) = now(store.load(&id(a))) else {
                                continue;
                            };
                            let mut change = tower_keep_core::Change::new(&loaded.record, LIFETIME);
                            change.user = Some(user.into());
                            change.edits.set("n", &"9".repeat(b as usize));
                            if kind == 3 {
                                now(store.apply(&id(a), &change));
                            } else {
                                now(store.rotate(&id(a), &id(b), &change));
                            }
                        }
                    }
                }
            });
        }
    });
    let query = Query::all().with_limit(1_000);
    let left = now(store.list(&query)).sessions;
    assert_eq!(left.len() as u64, store.sessions());
    for user in ["ada", "bob", "eve"] {
        let query = Query::new("shop").of_user(user.into());
        let found = now(store.list(&query)).sessions;
        let expected = left.iter().filter(|session| session.record.user == query.user);
        assert!(found.iter().map(|session| session.id).eq(expected.map(|session| session.id)));
    }
    for session in left {
        assert!(now(store.delete(&session.id)));
    }
    assert_eq!((store.sessions(), store.bytes()), (0, 0));
}
