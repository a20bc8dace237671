//! Bodies that go on after the head.

use std::{convert::Infallible, time::Duration};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Frame};
use tower_keep::{ErrorKind, MemoryStore, Session, SessionLayer};
use tower_keep_tests::{
    Captured, Jar, Visit,
    visit::{our_cookies, text},
};

use crate::keep;

#[tokio::test]
async fn frames_trailers_and_size_of_a_body_pass_untouched() {
    let (_, layer) = keep();
    let visit = Visit::to(&layer).raw(async |request: Request<Body>| {
        let session = Session::load(request.extensions()).await.unwrap();
        session.insert("a", 1).unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        let frames = [
            Ok::<_, Infallible>(Frame::data(Bytes::from("one"))),
            Ok(Frame::data(Bytes::from("two"))),
            Ok(Frame::trailers(trailers)),
        ];
        let body = http_body_util::StreamBody::new(stream::iter(frames));
        Ok::<_, Infallible>(Response::new(Body::new(body)))
    });
    let body = visit.await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
    assert_eq!(body.to_bytes(), "onetwo");
    let visit = Visit::to(&layer).run(async |session: Session| {
        session.insert("a", 1).unwrap();
        "12345"
    });
    assert_eq!(visit.await.into_body().size_hint().exact(), Some(5));
}

#[tokio::test]
async fn head_leaves_before_a_stream_ends_and_each_event_can_save() {
    let (store, layer) = keep();
    let jar = Jar::signed_in(&layer, "ada").await;
    let visit = Visit::to(&layer).with(&jar).run(async |session: Session| {
        let events = stream::unfold((session, 0_u32), async |(session, n)| {
            if n == 5 {
                return None;
            }
            let n = session.update_now("streamed", move |n: &mut u32| *n += 1).await.unwrap();
            let event = Ok::<_, Infallible>(Bytes::from(format!("data: {n}\n\n")));
            Some((event, (session, n)))
        });
        Body::from_stream(events)
    });
    let response = visit.await;
    assert_eq!(response.status(), 200);
    assert_eq!(store.inner().only().1.fields.get("streamed"), None, "the head is out");
    let mut body = response.into_body();
    for n in 1..=5_u32 {
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), format!("data: {n}\n\n"));
        let stored = store.inner().only().1;
        assert_eq!(stored.fields.get("streamed"), Some(&*n.to_string()));
    }
    assert!(body.frame().await.is_none());
}

/// The handle of a request whose response is out.
async fn after_the_head(with: &Jar, layer: &SessionLayer) -> Session {
    let (give, take) = tokio::sync::oneshot::channel();
    let visit = Visit::to(layer).with(with).run(async |session: Session| {
        give.send(session).ok().unwrap();
        "head"
    });
    assert_eq!(text(visit.await).await, "head");
    take.await.unwrap()
}

/// What the response commits, and the record that this leaves, is what the task goes on from.
#[tokio::test]
async fn task_that_a_handler_leaves_behind_goes_on_from_the_responses_commit() {
    for layer in [keep().1, SessionLayer::new(MemoryStore::new())] {
        let jar = Jar::signed_in(&layer, "ada").await;
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        let (give, take) = tokio::sync::oneshot::channel();
        let visit = Visit::to(&layer).with(&jar).run(async |session: Session| {
            session.update("visits", |visits: &mut u32| *visits += 1).unwrap();
            let kept = session.clone();
            let task = tokio::spawn(async move {
                gone.await.unwrap();
                let visits = kept.update("visits", |visits: &mut u32| *visits += 1).unwrap();
                kept.save().await.map(|()| visits)
            });
            give.send(task).ok().unwrap();
            "head"
        });
        assert_eq!(text(visit.await).await, "head");
        go.send(()).unwrap();
        assert_eq!(take.await.unwrap().await.unwrap().unwrap(), 2);
        let stored = layer.sessions().open(&jar.token().unwrap()).await.unwrap().unwrap();
        assert_eq!(stored.get::<u32>("visits").unwrap(), Some(2));
        assert_eq!(layer.sessions().counters().conflicts, 0, "it knew the record");
    }
}

#[tokio::test]
async fn new_token_after_the_head_is_an_error_and_nothing_is_written() {
    let (store, layer) = keep();
    let session = after_the_head(&Jar::new(), &layer).await;
    session.insert("a", 1).unwrap();
    assert_eq!(session.save().await.unwrap_err().kind(), ErrorKind::HeadSent);
    assert!(store.inner().live().is_empty(), "no record that nobody can open");
    let jar = Jar::signed_in(&layer, "ada").await;
    let before = store.inner().only();
    for act in [Session::rotate, |session: &Session| {
        session.set_user("eve").unwrap();
    }] {
        let session = after_the_head(&jar, &layer).await;
        act(&session);
        assert_eq!(session.save().await.unwrap_err().kind(), ErrorKind::HeadSent);
        assert_eq!(store.inner().only(), before);
    }
}

#[tokio::test]
async fn session_can_be_written_and_destroyed_after_the_head() {
    let (store, layer) = keep();
    let jar = Jar::signed_in(&layer, "ada").await;
    let session = after_the_head(&jar, &layer).await;
    session.insert("a", 1).unwrap();
    session.save().await.unwrap();
    assert_eq!(store.inner().only().1.fields.get("a"), Some("1"));
    session.destroy();
    session.save().await.unwrap();
    assert!(store.inner().live().is_empty());
    session.insert("a", 1).unwrap();
    assert_eq!(session.save().await.unwrap_err().kind(), ErrorKind::HeadSent);
}

#[tokio::test]
async fn save_keeps_an_idle_session_alive() {
    let (store, layer) = keep();
    let jar = Jar::signed_in(&layer, "ada").await;
    let session = after_the_head(&jar, &layer).await;
    for _ in 0..10 {
        store.inner().clock().advance(Duration::from_secs(60 * 20));
        session.save().await.unwrap();
    }
    store.inner().clock().advance(Duration::from_secs(60 * 31));
    assert_eq!(session.save().await.unwrap_err().kind(), ErrorKind::Gone);
}

#[tokio::test]
async fn changes_dropped_unsaved_after_the_head_are_warned_of() {
    let (store, layer) = keep();
    let jar = Jar::signed_in(&layer, "ada").await;
    let (logged, _guard) = Captured::here();
    let clean = after_the_head(&jar, &layer).await;
    drop(clean);
    let saved = after_the_head(&jar, &layer).await;
    saved.insert("a", "saved-value").unwrap();
    saved.save().await.unwrap();
    drop(saved);
    assert_eq!(layer.sessions().counters().dropped_changes, 0);
    let dirty = after_the_head(&jar, &layer).await;
    dirty.insert("a", "dropped-value").unwrap();
    drop(dirty);
    assert_eq!(layer.sessions().counters().dropped_changes, 1);
    let text = logged.text();
    assert_eq!(text.matches("dropped unsaved").count(), 1, "{text}");
    assert!(!text.contains("dropped-value") && !text.contains("saved-value"));
    assert_eq!(store.inner().only().1.fields.get("a"), Some("\"saved-value\""));
}

#[tokio::test]
async fn body_that_is_never_read_changes_nothing_of_the_commit() {
    let (store, layer) = keep();
    let visit = Visit::to(&layer).run(async |session: Session| {
        session.insert("a", 1).unwrap();
        let endless = stream::pending::<Result<Bytes, Infallible>>();
        (StatusCode::OK, Body::from_stream(endless))
    });
    drop(visit.await);
    store.inner().only();
}

#[tokio::test]
async fn session_that_was_begun_has_its_token_before_the_body_and_holds_nothing() {
    let (_, layer) = keep();
    let mut jar = Jar::new();
    let visit = Visit::to(&layer).run(async |session: Session| session.begin());
    jar.take(&visit.await);
    let visit = Visit::to(&layer).with(&jar).run(async |session: Session| {
        assert!(!session.is_new() && session.keys().is_empty());
        session.begin();
    });
    assert!(our_cookies(&visit.await).is_empty(), "it was there already");
}
