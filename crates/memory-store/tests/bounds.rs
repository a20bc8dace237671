//! What happens when the store is full, and what it counts.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use common::*;
use proptest::prelude::*;
use tower_keep_core::{
    Applied, Created, Purge, Query, Rotated, Store, StoreErrorKind, Sweep, Swept, Touch,
};
use tower_keep_memory_store::MemoryStore;

const EACH: u64 = MemoryStore::OVERHEAD_BYTES as u64;

#[test]
fn least_recently_used_session_goes() {
    let (store, _) = store_with(|settings| settings.max_sessions(3));
    for number in 0..3 {
        create(&store, number, &anonymous());
    }
    assert!(is_live(&store, 0));
    create(&store, 3, &anonymous());
    // Looking counts as use, so the listing looks.
    assert_eq!(listed(&store), sorted([0, 2, 3]));
    assert_eq!(store.dropped(), 1);
    assert_eq!(store.sessions(), 3);
}

#[test]
fn reads_and_writes_decide_the_order() {
    let (store, _) = store_with(|settings| settings.max_sessions(100));
    for number in 0..100 {
        create(&store, number, &anonymous());
    }
    // Used anew in this order: the even ones by reads, then the odd ones by touches and changes.
    for number in (0..100).step_by(2) {
        assert!(is_live(&store, number));
    }
    for number in (1..100).step_by(2) {
        if number % 4 == 1 {
            let record = now(store.load(&id(number))).unwrap().record;
            let touch = Touch { created_at: record.created_at, lifetime: LIFETIME };
            now(store.touch(&id(number), touch));
        } else {
            let change = change(&store, number);
            now(store.apply(&id(number), &change));
        }
    }
    let order = (0..100).step_by(2).chain((1..100).step_by(2));
    for (step, gone) in order.enumerate() {
        create(&store, 100 + step as u64, &anonymous());
        assert!(!listed(&store).contains(&id(gone)), "{gone} should be gone");
        assert_eq!(store.sessions(), 100);
    }
    assert_eq!(store.dropped(), 100);
}

#[test]
fn expired_sessions_go_first() {
    let (store, clock) = store_with(|settings| settings.max_sessions(10));
    for number in 0..5 {
        create(&store, number, &anonymous());
    }
    clock.advance(IDLE / 2);
    for number in 5..10 {
        create(&store, number, &anonymous());
    }
    clock.advance(IDLE / 2);
    create(&store, 10, &anonymous());
    assert_eq!(store.dropped(), 0);
    assert_eq!(listed(&store), sorted(5..11));
}

#[test]
fn bytes_are_bounded_and_a_giant_is_refused() {
    let max = 10 * (EACH + 100);
    let (store, _) = store_with(|settings| settings.max_bytes(max));
    for number in 0..30 {
        create(&store, number, &with_bytes(100));
        assert!(store.bytes() <= max);
    }
    assert_eq!(store.sessions(), 10);
    assert_eq!(listed(&store), sorted(20..30));

    let giant = with_bytes(max as usize);
    let error = try_now(store.create(&id(99), giant)).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Full);
    let mut change = change(&store, 25);
    let value = "9".repeat(max as usize);
    change.edits.set("g", &value);
    for error in [
        try_now(store.apply(&id(25), &change)).unwrap_err(),
        try_now(store.rotate(&id(25), &id(98), &change)).unwrap_err(),
    ] {
        assert_eq!(error.kind(), StoreErrorKind::Full);
    }
    assert_eq!(listed(&store), sorted(20..30));

    // A session that grows stays, and others make room.
    change.edits.set("g", &"9".repeat(500));
    assert!(matches!(now(store.apply(&id(25), &change)), Applied::Applied(_)));
    assert!(store.bytes() <= max);
    assert!(is_live(&store, 25));
}

#[test]
fn bound_of_one_keeps_what_is_written() {
    let (store, _) = store_with(|settings| settings.max_sessions(1));
    for number in 0..50 {
        create(&store, number, &anonymous());
        assert_eq!(listed(&store), [id(number)]);
    }
}

#[test]
fn large_store_drops_what_was_used_long_ago() {
    let (store, _) = store_with(|settings| settings.max_sessions(20_000));
    for number in 0..20_000 {
        create(&store, number, &anonymous());
    }
    for number in 0..10_000 {
        assert!(is_live(&store, number));
    }
    for number in 20_000..24_000 {
        create(&store, number, &anonymous());
    }
    let kept = (0..10_000).filter(|number| is_live(&store, *number)).count();
    assert_eq!(kept, 10_000);
    assert_eq!(store.dropped(), 4_000);
    assert_eq!(store.sessions(), 20_000);
}

/// Where a store could have many small ones.
#[test]
fn of_few_large_sessions_the_oldest_goes() {
    let each = 200_000;
    let (store, _) = store_with(|settings| settings.max_bytes(10 * (EACH + each)));
    for number in 0..30 {
        create(&store, number, &with_bytes(each as usize));
    }
    assert_eq!(listed(&store), sorted(20..30));
}

/// Where only one of the bounds is large.
#[test]
fn small_bound_is_used_whole() {
    for (max_sessions, max_bytes) in [(2_000, 1 << 30), (10_000_000, 2_000 * (EACH + 10))] {
        let (store, _) =
            store_with(|settings| settings.max_sessions(max_sessions).max_bytes(max_bytes));
        for number in 0..2_100 {
            create(&store, number, &with_bytes(10));
        }
        assert_eq!((store.sessions(), store.dropped()), (2_000, 100));
    }
}

/// Where shards count for themselves, at first.
#[test]
fn figures_of_a_large_store_are_exact() {
    let (store, _) = store_with(|settings| settings);
    for number in 0..3_000 {
        create(&store, number, &with_bytes(100));
        assert_eq!(store.sessions(), number + 1);
    }
    assert_eq!(store.bytes(), 3_000 * (EACH + 100));
    for number in 0..3_000 {
        assert!(now(store.delete(&id(number))));
    }
    assert_eq!((store.sessions(), store.bytes()), (0, 0));
}

#[test]
fn large_store_keeps_its_bounds() {
    let (max_sessions, max_bytes) = (140_000, 140_000 * (EACH + 50));
    for (bytes, most) in [(10, max_sessions), (100, max_bytes / (EACH + 100))] {
        let (store, _) =
            store_with(|settings| settings.max_sessions(max_sessions).max_bytes(max_bytes));
        for number in 0..150_000 {
            create(&store, number, &with_bytes(bytes));
        }
        // A two-thousandth of a bound may be left free.
        assert!((most - most / 1_000..=most).contains(&store.sessions()), "{store:?}");
        assert!(store.dropped() >= 150_000 - most);
    }
}

#[test]
fn threads_keep_the_bounds() {
    let (store, _) = store_with(|settings| settings.max_sessions(500));
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let store = &store;
            scope.spawn(move || {
                for number in 0..2_000 {
                    create(store, thread * 10_000 + number, &of_user(&number.to_string(), None));
                    assert!(store.sessions() <= 500 + 8);
                }
            });
        }
    });
    assert_eq!(store.sessions(), 500);
    assert_eq!(store.dropped(), 8 * 2_000 - 500);
    assert_eq!(listed(&store).len(), 500);
}

#[test]
fn debug_prints_figures_only() {
    let (store, _) = store_with(|settings| settings.max_sessions(500));
    create(&store, 1, &of_user("ada", None));
    let text = format!("{store:?}");
    assert!(text.starts_with("MemoryStore { sessions: 1, max_sessions: 500, bytes: "), "{text}");
    assert!(!text.contains("ada") && !text.contains(&id(1).short().to_string()), "{text}");
}

fn listed(store: &MemoryStore) -> Vec<tower_keep_core::SessionId> {
    let query = Query::all().with_limit(1_000_000);
    let page = now(store.index().unwrap().list(&query));
    assert_eq!(page.next, None);
    page.sessions.iter().map(|session| session.id).collect()
}

fn sorted(numbers: impl IntoIterator<Item = u64>) -> Vec<tower_keep_core::SessionId> {
    let mut ids: Vec<_> = numbers.into_iter().map(id).collect();
    ids.sort();
    ids
}

#[derive(Clone, Debug)]
enum Step {
    Create(u64, usize, Option<u8>),
    Apply(u64, usize, bool, Option<u8>),
    Rotate(u64, u64, usize),
    Delete(u64),
    Advance(u64),
    Sweep(usize),
    Import(u64, u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let user = prop::option::of(0..3_u8);
    let step = prop_oneof![
        4 => (0..12_u64, 1..200_usize, user.clone()).prop_map(|(n, b, u)| Step::Create(n, b, u)),
        4 => (0..12_u64, 0..4_000_usize, any::<bool>(), user)
            .prop_map(|(n, b, c, u)| Step::Apply(n, b, c, u)),
        3 => (0..12_u64, 0..12_u64, 0..300_usize).prop_map(|(a, b, c)| Step::Rotate(a, b, c)),
        1 => (0..12_u64).prop_map(Step::Delete),
        1 => (1..80_u64).prop_map(Step::Advance),
        1 => (0..5_usize).prop_map(Step::Sweep),
        1 => (0..12_u64, 0..12_u64).prop_map(|(a, b)| Step::Import(a, b)),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    #[test]
    fn counts_are_those_of_what_is_kept_and_return_to_zero(steps in steps(), purge: bool) {
        let (store, clock) = store_with(|settings| settings.max_sessions(9).max_bytes(12_000));
        for step in steps {
            match step {
                Step::Create(number, bytes, user) => {
                    let mut new = with_bytes(bytes);
                    new.user = user.map(|user| u32::from(user).into());
                    create(&store, number, &new);
                }
                Step::Apply(number, bytes, clear, user) => {
                    let Some(loaded) = now(store.load(&id(number))) else { continue };
                    let mut change = tower_keep_core::Change::new(&loaded.record, LIFETIME);
                    change.clear = clear;
                    change.user = user.map(|user| u32::from(user).into());
                    change.edits.set("g", &"9".repeat(bytes));
                    let applied = now(store.apply(&id(number), &change));
                    prop_assert!(matches!(applied, Applied::Applied(_)));
                }
                Step::Rotate(old, new, bytes) => {
                    let Some(loaded) = now(store.load(&id(old))) else { continue };
                    let mut change = tower_keep_core::Change::new(&loaded.record, LIFETIME);
                    change.edits.set("g", &"9".repeat(bytes));
                    let taken = is_live(&store, new);
                    let rotated = now(store.rotate(&id(old), &id(new), &change));
                    prop_assert_eq!(matches!(rotated, Rotated::Taken), taken);
                    prop_assert_eq!(is_live(&store, old), taken);
                    prop_assert!(is_live(&store, new));
                }
                Step::Delete(number) => {
                    let live = is_live(&store, number);
                    prop_assert_eq!(now(store.delete(&id(number))), live);
                }
                Step::Advance(seconds) => clock.advance(std::time::Duration::from_secs(seconds)),
                Step::Sweep(limit) => {
                    let swept = now(Store::sweep(&store).unwrap().sweep(limit));
                    let Swept::Removed { sessions, .. } = swept else { panic!() };
                    prop_assert!(sessions <= limit as u64);
                }
                Step::Import(from, to) => {
                    let Some(loaded) = now(store.load(&id(from))) else { continue };
                    let taken = is_live(&store, to);
                    let imported = now(store.import().unwrap().import(&id(to), &loaded.record));
                    prop_assert_eq!(matches!(imported, Created::Taken), taken);
                }
            }
            prop_assert!(store.sessions() <= 9 && store.bytes() <= 12_000);
            let query = Query::all();
            let live = now(store.index().unwrap().list(&query)).sessions;
            let bytes: usize = live.iter().map(|session| {
                let user = session.record.user.as_ref().map_or(0, |user| user.as_str().len());
                MemoryStore::OVERHEAD_BYTES + session.record.fields.bytes() + user
            }).sum();
            prop_assert!(bytes as u64 <= store.bytes());
            if live.len() as u64 == store.sessions() {
                prop_assert_eq!(bytes as u64, store.bytes());
            }
            for user in 0..3_u32 {
                let query = Query::new("shop").of_user(user.into());
                let found = now(store.index().unwrap().list(&query)).sessions;
                let expected = live.iter().filter(|session| session.record.user == query.user);
                prop_assert!(found.iter().map(|s| s.id).eq(expected.map(|s| s.id)));
            }
        }
        if purge {
            let (sessions, bytes) = (store.sessions(), store.bytes());
            let purged = now(Purge::purge(&store));
            prop_assert_eq!((purged.sessions, purged.bytes), (sessions, bytes));
        } else {
            clock.advance(std::time::Duration::from_secs(1_000_000));
            while let Swept::Removed { more: true, .. } = now(Sweep::sweep(&store, 3)) {}
        }
        prop_assert_eq!((store.sessions(), store.bytes()), (0, 0));
    }
}
