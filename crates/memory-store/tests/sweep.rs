//! Expiry in bounded steps.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use std::time::Duration;

use common::*;
use tower_keep_core::{Lifetime, Store, Sweep, Swept, Touch};

#[test]
fn sweep_goes_in_steps_and_spares_the_living() {
    let (store, clock) = store_with(|settings| settings);
    for number in 0..1_000 {
        create(&store, number, &anonymous());
    }
    clock.advance(IDLE / 2);
    for number in 0..100 {
        touch(&store, number, LIFETIME);
    }
    clock.advance(IDLE / 2);
    let mut removed = 0;
    let mut steps = 0;
    loop {
        let Swept::Removed { sessions, more } = now(Sweep::sweep(&store, 50)) else {
            panic!("nobody else sweeps")
        };
        assert!(sessions <= 50);
        removed += sessions;
        steps += 1;
        if !more {
            break;
        }
    }
    assert_eq!(removed, 900);
    assert!((18..=22).contains(&steps), "{steps}");
    assert_eq!(store.sessions(), 100);
    // The living are not looked at again before their own deadline.
    let swept = now(Sweep::sweep(&store, 50));
    assert_eq!(swept, Swept::Removed { sessions: 0, more: false });
    clock.advance(IDLE / 2);
    let swept = now(Sweep::sweep(&store, 1_000));
    assert_eq!(swept, Swept::Removed { sessions: 100, more: false });
}

#[test]
fn expiry_is_found_to_the_millisecond() {
    let (store, clock) = store_with(|settings| settings);
    clock.advance(Duration::from_millis(123));
    create(&store, 1, &anonymous());
    clock.advance(IDLE - Duration::from_millis(1));
    assert!(is_live(&store, 1));
    assert_eq!(now(Sweep::sweep(&store, 9)), Swept::Removed { sessions: 0, more: false });
    clock.advance(Duration::from_millis(1));
    assert!(!is_live(&store, 1));
    assert_eq!(now(Sweep::sweep(&store, 9)), Swept::Removed { sessions: 1, more: false });
}

#[test]
fn shortened_lifetime_is_found_in_time() {
    let (store, clock) = store_with(|settings| settings);
    let mut new = anonymous();
    new.lifetime = Lifetime::REMEMBER;
    for number in 0..3 {
        create(&store, number, &new);
    }
    touch(&store, 0, LIFETIME);
    now(store.apply(&id(1), &change(&store, 1)));
    now(store.rotate(&id(2), &id(3), &change(&store, 2)));
    clock.advance(IDLE);
    let swept = now(Sweep::sweep(&store, 9));
    assert_eq!(swept, Swept::Removed { sessions: 3, more: false });
}

#[test]
fn sessions_that_never_expire_and_odd_clocks_are_survived() {
    let (store, clock) = store_with(|settings| settings);
    let mut new = anonymous();
    new.lifetime = Lifetime::new(Duration::MAX, Duration::MAX);
    create(&store, 1, &new);
    clock.set(tower_keep_core::Timestamp::from_millis(-5));
    create(&store, 2, &anonymous());
    clock.set(tower_keep_core::Timestamp::from_millis(i64::MAX - 1));
    assert_eq!(store.sessions(), 2);
    let Swept::Removed { sessions, .. } = now(Sweep::sweep(&store, 9)) else {
        panic!("nobody else sweeps")
    };
    assert_eq!(sessions, 1);
    assert!(is_live(&store, 1));
}

#[test]
fn full_store_survives_a_clock_far_ahead() {
    let (store, clock) = store_with(|settings| settings.max_sessions(2));
    clock.set(tower_keep_core::Timestamp::from_millis(i64::MAX / 2));
    let mut new = anonymous();
    new.lifetime = Lifetime::new(Duration::MAX, Duration::MAX);
    for number in 0..4 {
        create(&store, number, &new);
    }
    assert_eq!((store.sessions(), store.dropped()), (2, 2));
    assert_eq!(now(Sweep::sweep(&store, 9)), Swept::Removed { sessions: 0, more: false });
}

fn touch(store: &impl Store, number: u64, lifetime: Lifetime) {
    let created_at = now(store.load(&id(number))).unwrap().record.created_at;
    now(store.touch(&id(number), Touch { created_at, lifetime }));
}
