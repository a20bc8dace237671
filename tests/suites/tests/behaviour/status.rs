//! What is committed, by how the handler ended.

use std::{convert::Infallible, panic::AssertUnwindSafe};

use axum::{body::Body, response::IntoResponse};
use futures_util::FutureExt;
use http::{Request, StatusCode};
use tower::{Layer, ServiceExt, service_fn};
use tower_keep::Session;
use tower_keep_tests::{Call, Fault, Gate, Jar, Visit, visit::our_cookies};

use crate::{keep, keep_with, settle};

#[tokio::test]
async fn changes_are_committed_whatever_the_status() {
    for status in [200, 204, 302, 304, 400, 401, 404, 500, 503] {
        let status = StatusCode::from_u16(status).unwrap();
        let (store, layer) = keep();
        let mut jar = Jar::new();
        let visit = Visit::to(&layer).run(async move |session: Session| {
            session.insert("a", 1).unwrap();
            status
        });
        let response = visit.await;
        assert_eq!(response.status(), status);
        jar.take(&response);
        let visit = Visit::to(&layer).with(&jar).run(async move |session: Session| {
            session.set_user("ada").unwrap();
            status
        });
        let response = visit.await;
        assert_eq!(our_cookies(&response).len(), 1, "a rotation is never undone");
        jar.take(&response);
        assert_eq!(store.inner().only().1.user, Some("ada".into()));
        let visit = Visit::to(&layer).with(&jar).run(async move |session: Session| {
            session.destroy();
            status
        });
        assert_eq!(visit.await.status(), status);
        assert!(store.inner().live().is_empty(), "nor is a logout");
    }
}

#[tokio::test]
async fn discard_on_drops_the_changes_of_such_a_status_and_no_other() {
    let (store, layer) = keep_with(|layer| layer.discard_on(|status| status.is_server_error()));
    let jar = Jar::signed_in(&layer, "ada").await;
    for (status, expected) in [(500, None), (400, Some("1"))] {
        let visit = Visit::to(&layer).with(&jar).run(async move |session: Session| {
            session.insert("a", 1).unwrap();
            StatusCode::from_u16(status).unwrap()
        });
        let response = visit.await;
        assert_eq!(response.status(), status);
        assert!(our_cookies(&response).is_empty());
        assert_eq!(store.inner().only().1.fields.get("a"), expected);
    }
}

#[tokio::test]
async fn error_of_the_inner_service_passes_and_commits_nothing() {
    let (store, layer) = keep();
    let jar = Jar::signed_in(&layer, "ada").await;
    let before = store.inner().only();
    let _ = store.take_calls();
    let visit = Visit::to(&layer).with(&jar).raw(async |request: Request<Body>| {
        let session = Session::load(request.extensions()).await.unwrap();
        session.insert("a", 1).unwrap();
        session.set_user("eve").unwrap();
        Err::<axum::response::Response, _>("the inner service failed")
    });
    assert_eq!(visit.await.unwrap_err(), "the inner service failed");
    settle().await;
    assert_eq!(store.take_calls(), [(Call::Load, 1)]);
    assert_eq!(store.inner().only(), before);
}

/// Where a handler panics.
const STAGES: [fn(&Session); 4] = [
    |_| {},
    |session| session.insert("a", 1).unwrap(),
    |session| session.set_user("eve").unwrap(),
    Session::destroy,
];

#[tokio::test]
async fn panic_of_the_handler_commits_nothing() {
    let (store, layer) = keep();
    let jar = Jar::signed_in(&layer, "ada").await;
    let before = store.inner().only();
    let _ = store.take_calls();
    for stage in STAGES {
        let visit = Visit::to(&layer).with(&jar).run(async move |session: Session| {
            stage(&session);
            assert!(session.user() == Some("nobody".into()), "the handler panics");
        });
        assert!(AssertUnwindSafe(visit).catch_unwind().await.is_err());
    }
    settle().await;
    assert_eq!(store.take_calls(), [(Call::Load, 4)]);
    assert_eq!(store.inner().only(), before);
}

#[tokio::test]
async fn panic_that_another_layer_catches_commits_nothing() {
    let (store, layer) = keep();
    let jar = Jar::signed_in(&layer, "ada").await;
    let before = store.inner().only();
    for stage in STAGES {
        let service = service_fn(move |request: Request<Body>| async move {
            let session = Session::load(request.extensions()).await.unwrap();
            stage(&session);
            assert!(session.user() == Some("nobody".into()), "the handler panics");
            Ok::<_, Infallible>(().into_response())
        });
        let outside = tower_http::catch_panic::CatchPanicLayer::new().layer(layer.layer(service));
        let mut request = Request::new(Body::empty());
        let cookie = format!("__Host-id={}", jar.text().unwrap());
        request.headers_mut().insert("cookie", cookie.parse().unwrap());
        let response = outside.oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!response.headers().contains_key("set-cookie"));
        settle().await;
        assert_eq!(store.inner().only(), before);
    }
}

#[tokio::test]
async fn panic_of_an_update_leaves_the_session_usable() {
    let (store, layer) = keep();
    let jar = Jar::signed_in(&layer, "ada").await;
    let visit = Visit::to(&layer).with(&jar).run(async |session: Session| {
        let inside = session.clone();
        let update = move |n: &mut u64| {
            *n = inside.keys().len() as u64;
            panic!("in the update");
        };
        let ended = std::panic::catch_unwind(AssertUnwindSafe(|| session.update("n", update)));
        assert!(ended.is_err());
        session.insert("a", 1)
    });
    assert_eq!(visit.await.status(), 200);
    let fields = &store.inner().only().1.fields;
    assert_eq!(fields.iter().collect::<Vec<_>>(), [("a", "1")]);
}

/// An update that panics when it is computed anew ends its request, whether the store answers at
/// once or later, and the session goes on.
#[tokio::test]
async fn panic_of_an_update_on_its_replay_commits_nothing() {
    for slow in [false, true] {
        let (store, layer) = keep();
        let jar = Jar::signed_in(&layer, "ada").await;
        if slow {
            store.everywhere(&Fault::Yields(2));
        }
        let gate = Gate::new();
        let inside = gate.clone();
        let visit = Visit::to(&layer).with(&jar).spawn(async move |session: Session| {
            session
                .update("n", |n: &mut u64| {
                    assert_eq!(*n, 0, "computed anew");
                    *n = 1;
                })
                .unwrap();
            session.insert("a", 1).unwrap();
            inside.pass().await;
            let _ = session.save().await;
        });
        gate.arrived(1).await;
        let other = Visit::to(&layer).with(&jar);
        other.run(async |session: Session| session.insert("n", 5)).await;
        gate.open(1);
        assert!(visit.await.unwrap_err().is_panic(), "slow: {slow}");
        let fields = &store.inner().only().1.fields;
        assert_eq!(fields.iter().collect::<Vec<_>>(), [("n", "5")]);
        let next = Visit::to(&layer).with(&jar);
        let next =
            next.run(async |session: Session| session.update("n", |n: &mut u64| *n += 1).map(drop));
        assert_eq!(next.await.status(), 200);
        assert_eq!(store.inner().only().1.fields.get("n"), Some("6"));
    }
}

#[tokio::test]
async fn value_that_cannot_be_written_as_json_changes_nothing() {
    struct Refuses;
    impl serde::Serialize for Refuses {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("never"))
        }
    }
    let (store, layer) = keep();
    let jar = Jar::signed_in(&layer, "ada").await;
    let before = store.inner().only();
    let visit = Visit::to(&layer).with(&jar);
    let response = visit.run(async |session: Session| session.insert("a", Refuses)).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(store.inner().only(), before);
}
