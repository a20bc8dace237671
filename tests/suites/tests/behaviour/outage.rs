//! A store that fails is never read as one that has no session.

use http::StatusCode;
use tower_keep::{ErrorKind, Session, StoreErrorKind};
use tower_keep_tests::{
    Call, Fault, Jar, Visit,
    visit::{listed, our_cookies, text},
};

use crate::{Keep, keep, minutes};

const OUTAGES: [StoreErrorKind; 3] =
    [StoreErrorKind::Unavailable, StoreErrorKind::TimedOut, StoreErrorKind::Misconfigured];

/// A live session with one field, and its browser.
async fn signed_in() -> (Keep, Jar) {
    let (store, layer) = keep();
    let jar = Jar::signed_in(&layer, "ada").await;
    let visit = Visit::to(&layer).with(&jar);
    visit.run(async |session: Session| session.insert("kept", 1)).await;
    ((store, layer), jar)
}

#[tokio::test]
async fn load_that_fails_answers_503_to_a_plain_session() {
    let ((store, layer), jar) = signed_in().await;
    for kind in OUTAGES {
        store.next(Call::Load, Fault::Fails(kind));
        let visit = Visit::to(&layer).with(&jar);
        let response = visit.run(async |_: Session| "the handler has a session").await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(our_cookies(&response).is_empty());
        assert_eq!(listed(&response, "vary"), "cookie");
        assert!(!text(response).await.contains("script"), "the cause is not the client's");
    }
    assert_eq!(layer.sessions().counters().store_errors, 3);
    assert_eq!(layer.sessions().counters().unknown_tokens, 0);
    let visit = Visit::to(&layer).with(&jar);
    let healed = visit.run(async |session: Session| assert!(session.contains("kept")));
    assert_eq!(healed.await.status(), 200, "the outage is over");
}

#[tokio::test]
async fn load_that_fails_gives_an_optional_session_of_none_and_no_new_one() {
    use axum::{Router, body::Body, routing::get};
    use tower::ServiceExt;
    let ((store, layer), jar) = signed_in().await;
    let router = Router::new()
        .route(
            "/",
            get(async |first: Option<Session>, second: Option<Session>| {
                format!("{} {}", first.is_some(), second.is_some())
            }),
        )
        .layer(layer);
    for (fails, expected) in [(true, "false false"), (false, "true true")] {
        if fails {
            store.next(Call::Load, Fault::Fails(StoreErrorKind::Unavailable));
        }
        let request = http::Request::get("/");
        let request = request.header("cookie", format!("__Host-id={}", jar.text().unwrap()));
        let request = request.body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(our_cookies(&response).is_empty());
        assert_eq!(text(response).await, expected);
    }
}

#[tokio::test]
async fn optional_session_without_a_layer_is_an_error_of_the_application() {
    use axum::{Router, body::Body, routing::get};
    use tower::ServiceExt;
    let router: Router = Router::new().route("/", get(async |_: Option<Session>| ()));
    let response = router.oneshot(http::Request::new(Body::empty())).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

/// What a handler does, the call that it leads to, and what a conflict-free store would answer.
const COMMITS: [(Call, tower_keep_tests::Act); 5] = [
    (Call::Apply, |session| session.insert("a", 1).unwrap()),
    (Call::Apply, |session| {
        drop(session.update("kept", |n: &mut u64| *n += 1));
    }),
    (Call::Rotate, Session::rotate),
    (Call::Rotate, |session| session.set_user("eve").unwrap()),
    (Call::Delete, Session::destroy),
];

#[tokio::test]
async fn commit_that_fails_replaces_the_response_and_leaves_the_session_whole() {
    for kind in OUTAGES.into_iter().chain([StoreErrorKind::Full]) {
        for (call, act) in COMMITS {
            let ((store, layer), jar) = signed_in().await;
            let before = store.inner().only();
            store.next(call, Fault::Fails(kind));
            let visit = Visit::to(&layer).with(&jar);
            let response = visit.run(async move |session: Session| {
                act(&session);
                ([("set-cookie", "theirs=1")], "done")
            });
            let response = response.await;
            assert_eq!(response.status(), 503, "{call:?} {kind:?}");
            assert_eq!(listed(&response, "set-cookie"), "");
            assert_eq!(listed(&response, "vary"), "cookie");
            assert_eq!(text(response).await, "", "nothing of the handler's response");
            assert_eq!(store.inner().only(), before, "{call:?} {kind:?}");
            // The old token works as before.
            let visit = Visit::to(&layer).with(&jar);
            let user = visit.run(async |session: Session| session.user().unwrap().to_string());
            assert_eq!(text(user.await).await, "ada");
        }
    }
}

#[tokio::test]
async fn first_write_that_fails_sends_no_cookie() {
    for fault in
        [Fault::Fails(StoreErrorKind::Unavailable), Fault::FailsAfter(StoreErrorKind::Unavailable)]
    {
        let (store, layer) = keep();
        store.next(Call::Create, fault);
        let visit = Visit::to(&layer).run(async |session: Session| session.insert("a", 1));
        let response = visit.await;
        assert_eq!(response.status(), 503);
        assert_eq!(listed(&response, "set-cookie"), "");
    }
}

#[tokio::test]
async fn corrupt_record_is_anonymous_and_disturbs_no_other_session() {
    let ((store, layer), jar) = signed_in().await;
    let other = Jar::signed_in(&layer, "eve").await;
    let before = store.inner().live();
    store.next(Call::Load, Fault::Fails(StoreErrorKind::Corrupt));
    let mut new = jar.clone();
    let visit = Visit::to(&layer).with(&jar);
    let response = visit.run(async |session: Session| {
        assert!(session.is_new());
        session.insert("a", 1)
    });
    let response = response.await;
    assert_eq!(response.status(), 200);
    new.take(&response);
    assert_ne!(new, jar, "the user begins anew, under another id");
    assert_eq!(store.inner().live().len(), before.len() + 1, "it stays for repair");
    let visit = Visit::to(&layer).with(&other);
    let user = visit.run(async |session: Session| session.user().unwrap().to_string());
    assert_eq!(text(user.await).await, "eve");
    assert_eq!(layer.sessions().counters().corrupt_records, 1);
}

#[tokio::test]
async fn save_that_failed_for_certain_can_be_tried_again_exactly() {
    let ((store, layer), jar) = signed_in().await;
    store.next(Call::Apply, Fault::Fails(StoreErrorKind::Full));
    let visit = Visit::to(&layer).with(&jar).run(async |session: Session| {
        session.update("kept", |n: &mut u64| *n += 1)?;
        let error = session.save().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Full);
        session.update("kept", |n: &mut u64| *n += 10)?;
        session.save().await
    });
    assert_eq!(visit.await.status(), 200);
    assert_eq!(store.inner().only().1.fields.get("kept"), Some("12"));
}

#[tokio::test]
async fn limit_that_refuses_keeps_what_was_there() {
    use tower_keep::Limits;
    let mut limits = Limits::default();
    (limits.field_bytes, limits.record_bytes, limits.fields) = (100, 150, 2);
    let (store, layer) = crate::keep_with(|layer| layer.limits(limits));
    let jar = Jar::signed_in(&layer, "ada").await;
    let visit = Visit::to(&layer).with(&jar).run(async |session: Session| {
        session.insert("a", "x".repeat(80))?;
        for refused in [
            session.insert("b", "x".repeat(98)),
            session.insert("b", "x".repeat(70)),
            session.update("a", |text: &mut String| text.push_str(&"x".repeat(90))).map(drop),
        ] {
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::TooLarge);
        }
        session.insert("b", 1)?;
        assert_eq!(session.insert("c", 1).unwrap_err().kind(), ErrorKind::TooLarge);
        session.insert("b", 2)
    });
    assert_eq!(visit.await.status(), 200);
    let record = store.inner().only().1;
    assert_eq!(record.fields.get("a").unwrap().len(), 82);
    assert_eq!((record.fields.get("b"), record.fields.len()), (Some("2"), 2));
}

#[tokio::test]
async fn touch_that_fails_leaves_the_response_and_sends_no_cookie() {
    let ((store, layer), jar) = signed_in().await;
    for kind in OUTAGES {
        store.inner().clock().advance(minutes(2));
        store.next(Call::Touch, Fault::Fails(kind));
        let visit = Visit::to(&layer).with(&jar);
        let response = visit.run(async |session: Session| assert!(session.contains("kept"))).await;
        assert_eq!(response.status(), 200, "nothing that the handler did is lost");
        assert!(our_cookies(&response).is_empty());
    }
    assert_eq!(layer.sessions().counters().store_errors, 3);
}
