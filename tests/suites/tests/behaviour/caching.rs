//! What caches are told.

use std::convert::Infallible;

use axum::{body::Body, response::Response};
use http::Request;
use tower_keep::{Session, SessionCookie, Transport};
use tower_keep_tests::{Captured, Jar, Visit, visit::listed};

use crate::{keep, keep_with};

/// Every way to learn something of a session.
const ACCESSORS: [(&str, tower_keep_tests::Act); 17] = [
    ("load alone", |_| {}),
    ("get", |session| drop(session.get::<u64>("a"))),
    ("contains", |session| {
        let _ = session.contains("a");
    }),
    ("keys", |session| drop(session.keys())),
    ("id", |session| {
        let _ = session.id();
    }),
    ("is_new", |session| {
        let _ = session.is_new();
    }),
    ("created_at", |session| {
        let _ = session.created_at();
    }),
    ("expires_at", |session| {
        let _ = session.expires_at();
    }),
    ("user", |session| drop(session.user())),
    ("is_remembered", |session| {
        let _ = session.is_remembered();
    }),
    ("take_flash", |session| drop(session.take_flash::<u64>("a"))),
    ("take_new_token", |session| {
        let _ = session.take_new_token();
    }),
    ("insert", |session| session.insert("a", 1).unwrap()),
    ("update", |session| {
        drop(session.update("b", |n: &mut u64| *n += 1));
    }),
    ("remove", |session| session.remove("a").unwrap()),
    ("rotate", Session::rotate),
    ("destroy", Session::destroy),
];

#[tokio::test]
async fn every_accessor_makes_the_response_vary() {
    for anonymous in [true, false] {
        for (name, access) in ACCESSORS {
            let (_, layer) = keep();
            let jar = if anonymous { Jar::new() } else { Jar::signed_in(&layer, "ada").await };
            let visit = Visit::to(&layer).with(&jar);
            let response = visit.run(async move |session: Session| access(&session)).await;
            assert_eq!(listed(&response, "vary"), "cookie", "{name}");
        }
    }
}

#[tokio::test]
async fn every_response_that_carries_a_token_and_no_other_is_kept_from_caches() {
    for (name, access) in ACCESSORS {
        let (_, layer) = keep();
        let jar = Jar::signed_in(&layer, "ada").await;
        for jar in [Jar::new(), jar] {
            let visit = Visit::to(&layer).with(&jar);
            let response = visit.run(async move |session: Session| access(&session)).await;
            let has_token = response.headers().contains_key("set-cookie");
            let no_store = listed(&response, "cache-control") == "no-store";
            assert_eq!(has_token, no_store, "{name}");
        }
    }
}

#[tokio::test]
async fn untouched_response_says_nothing_of_sessions() {
    let (store, layer) = keep_with(|layer| layer.persistent());
    let jar = Jar::signed_in(&layer, "ada").await;
    let _ = store.take_calls();
    let visit = Visit::to(&layer).with(&jar).raw(async |_: Request<Body>| {
        let response = Response::builder().header("cache-control", "public, max-age=60");
        Ok::<_, Infallible>(response.body(Body::empty()).unwrap())
    });
    let response = visit.await.unwrap();
    assert_eq!(response.headers().len(), 1);
    assert_eq!(listed(&response, "cache-control"), "public, max-age=60");
    assert_eq!(store.take_calls(), []);
}

#[tokio::test]
async fn public_of_the_handler_gives_way_to_the_token_and_is_logged() {
    let (_, layer) = keep();
    let respond = |writes: bool| {
        let visit = Visit::to(&layer);
        visit.raw(async move |request: Request<Body>| {
            let session = Session::load(request.extensions()).await.unwrap();
            if writes {
                session.insert("a", 1).unwrap();
            }
            let response = Response::builder().header("cache-control", "public, s-maxage=60");
            let response = response.header("vary", "accept-encoding");
            Ok::<_, Infallible>(response.body(Body::empty()).unwrap())
        })
    };
    let (logged, _guard) = Captured::here();
    let read = respond(false).await.unwrap();
    assert_eq!(listed(&read, "cache-control"), "public, s-maxage=60");
    assert_eq!(listed(&read, "vary"), "accept-encoding, cookie");
    assert!(!logged.text().contains("no-store"));
    let written = respond(true).await.unwrap();
    assert_eq!(listed(&written, "cache-control"), "no-store");
    assert!(logged.text().contains("sent with `Cache-Control: no-store`"));
}

#[tokio::test]
async fn response_varies_by_each_header_that_could_carry_the_token() {
    let (_, layer) = keep_with(|layer| {
        let cookie = Transport::cookie(SessionCookie::default());
        let header = Transport::header(http::HeaderName::from_static("session-token"));
        layer.transports([cookie, Transport::bearer(), header])
    });
    let visit = Visit::to(&layer).run(async |session: Session| drop(session.keys()));
    assert_eq!(listed(&visit.await, "vary"), "cookie, authorization, session-token");
}
