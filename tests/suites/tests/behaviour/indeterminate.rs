//! A call that ran out of time may have been carried out.

use std::time::Duration;

use http::StatusCode;
use tokio::time::Instant;
use tower_keep::{ErrorKind, Session, StoreErrorKind};
use tower_keep_tests::{Call, Fault, Gate, Jar, Visit, visit::our_cookies};

use crate::{Keep, keep_with};

const DEADLINE: Duration = Duration::from_secs(3);

async fn signed_in() -> (Keep, Jar) {
    let (store, layer) = keep_with(|layer| layer.store_timeout(DEADLINE));
    let jar = Jar::signed_in(&layer, "ada").await;
    let _ = store.take_calls();
    ((store, layer), jar)
}

#[tokio::test(start_paused = true)]
async fn every_call_ends_with_its_deadline() {
    let acts: [(Call, tower_keep_tests::Act); 5] = [
        (Call::Load, |_| {}),
        (Call::Apply, |session| session.insert("a", 1).unwrap()),
        (Call::Rotate, Session::rotate),
        (Call::Delete, Session::destroy),
        (Call::Touch, |_| {}),
    ];
    for (call, act) in acts {
        for fault in [Fault::Silent, Fault::Lost] {
            let ((store, layer), jar) = signed_in().await;
            store.inner().clock().advance(Duration::from_secs(120));
            store.always(call, fault);
            let begin = Instant::now();
            let visit = Visit::to(&layer).with(&jar);
            let response = visit.run(async move |session: Session| act(&session)).await;
            // A touch changes nothing that the handler did, so the response stands.
            let expected = if call == Call::Touch { 200 } else { 503 };
            assert_eq!(response.status(), expected, "{call:?}");
            assert!(our_cookies(&response).is_empty());
            let took = begin.elapsed();
            assert!(took >= DEADLINE && took < DEADLINE * 2, "{call:?} took {took:?}");
        }
    }
    let (store, layer) = keep_with(|layer| layer.store_timeout(DEADLINE));
    store.always(Call::Create, Fault::Silent);
    let begin = Instant::now();
    let visit = Visit::to(&layer).run(async |session: Session| session.insert("a", 1));
    assert_eq!(visit.await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(begin.elapsed() < DEADLINE * 2);
}

#[tokio::test(start_paused = true)]
async fn manager_calls_end_with_their_deadline() {
    let ((store, layer), jar) = signed_in().await;
    store.everywhere(&Fault::Silent);
    let sessions = layer.sessions();
    let token = jar.token().unwrap();
    let begin = Instant::now();
    assert_eq!(sessions.create().await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(sessions.open(&token).await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(sessions.revoke(&token.id()).await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert!(begin.elapsed() < DEADLINE * 4);
}

/// After a write whose outcome is unknown the request writes nothing more and fails, whether the
/// handler looked at the error or not. An update is applied once or not at all, never twice.
#[tokio::test(start_paused = true)]
async fn unknown_outcome_is_never_tried_again() {
    for (fault, expected) in [
        (Fault::Lost, Some("1")),
        (Fault::FailsAfter(StoreErrorKind::Unavailable), Some("1")),
        (Fault::FailsAfter(StoreErrorKind::TimedOut), Some("1")),
        (Fault::Silent, None),
        (Fault::Fails(StoreErrorKind::Unavailable), None),
    ] {
        let ((store, layer), jar) = signed_in().await;
        store.next(Call::Apply, fault.clone());
        let visit = Visit::to(&layer).with(&jar).run(async |session: Session| {
            session.update("n", |n: &mut u64| *n += 1).unwrap();
            for _ in 0..3 {
                let _ = session.save().await.unwrap_err();
                session.insert("more", 1).unwrap();
            }
            "done"
        });
        assert_eq!(visit.await.status(), StatusCode::SERVICE_UNAVAILABLE, "{fault:?}");
        assert_eq!(store.count(Call::Apply), 1, "{fault:?}");
        let record = store.inner().only().1;
        assert_eq!(record.fields.get("n"), expected, "{fault:?}");
        assert_eq!(record.fields.get("more"), None, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn reload_begins_anew_after_an_unknown_outcome() {
    for (fault, expected) in [(Fault::Lost, "1"), (Fault::Silent, "0")] {
        let ((store, layer), jar) = signed_in().await;
        store.next(Call::Apply, fault);
        let visit = Visit::to(&layer).with(&jar).run(async move |session: Session| {
            session.update("n", |n: &mut u64| *n += 1)?;
            session.save().await.unwrap_err();
            session.reload().await?;
            // The handler can tell what happened, and decide.
            let seen = session.get::<u64>("n")?.unwrap_or_default();
            assert_eq!(seen.to_string(), expected);
            session.update("n", |n: &mut u64| *n = 1).map(drop)
        });
        assert_eq!(visit.await.status(), 200);
        assert_eq!(store.inner().only().1.fields.get("n"), Some("1"));
    }
}

#[tokio::test(start_paused = true)]
async fn rotation_of_unknown_outcome_leaves_one_session_and_sends_no_token() {
    for fault in [Fault::Lost, Fault::Silent] {
        let ((store, layer), jar) = signed_in().await;
        store.next(Call::Rotate, fault);
        let visit = Visit::to(&layer).with(&jar);
        let response = visit.run(async |session: Session| session.set_user("eve")).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(our_cookies(&response).is_empty());
        assert_eq!(store.count(Call::Rotate), 1);
        store.inner().only();
    }
}

#[tokio::test(start_paused = true)]
async fn response_waits_a_bounded_time_for_writers_before_it() {
    let ((store, layer), jar) = signed_in().await;
    // Every attempt meets another writer, for ever.
    let gate = Gate::new();
    store.always(Call::Apply, Fault::Parks(gate.clone()));
    let inner = store.inner().clone();
    let noise = tokio::spawn(async move {
        use tower_keep::Store;
        loop {
            gate.arrived(1).await;
            for (id, record) in inner.live() {
                let change = tower_keep::Change::new(&record, tower_keep::Lifetime::default());
                inner.apply(&id, &change).await.unwrap();
            }
            gate.open(1);
        }
    });
    let begin = Instant::now();
    let visit = Visit::to(&layer).with(&jar);
    let response =
        visit.run(async |session: Session| session.update("n", |n: &mut u64| *n += 1).map(drop));
    let response = response.await;
    noise.abort();
    assert_eq!(response.status(), 503);
    assert_eq!(store.count(Call::Apply), 64);
    assert!(begin.elapsed() < DEADLINE * 8);
}
