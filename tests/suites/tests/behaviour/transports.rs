//! The ways of a token: cookie, bearer, header and gRPC metadata.

use http::{HeaderName, StatusCode};
use tower_keep::{Session, SessionCookie, SessionLayer, Transport};
use tower_keep_tests::{Visit, visit::listed};

use crate::{Keep, keep_with};

fn keep() -> Keep {
    keep_with(|layer| {
        layer.transports([
            Transport::cookie(SessionCookie::default()),
            Transport::bearer(),
            Transport::header(HeaderName::from_static("session-token")),
        ])
    })
}

/// The three ways: the request header, and what comes before the token there.
const WAYS: [(&str, &str, &str); 3] = [
    ("cookie", "set-cookie", "__Host-id="),
    ("authorization", "authorization", "Bearer "),
    ("session-token", "session-token", ""),
];

async fn new_token(layer: &SessionLayer) -> String {
    let (session, token) = layer.sessions().create().await.unwrap();
    session.insert("a", 1).unwrap();
    session.save().await.unwrap();
    token.expose().to_owned()
}

#[tokio::test]
async fn new_token_goes_back_the_way_the_old_one_came_and_no_other() {
    let (_, layer) = keep();
    for (way, back, form) in WAYS {
        let token = new_token(&layer).await;
        let visit = Visit::to(&layer).header(way, format!("{form}{token}"));
        let response = visit.run(async |session: Session| session.set_user("ada")).await;
        assert_eq!(response.status(), StatusCode::OK);
        for (_, other, form) in WAYS {
            let sent = listed(&response, other);
            if other == back {
                assert_eq!(sent.split(';').next().unwrap().len(), form.len() + 32, "{sent}");
                assert!(sent.starts_with(form) && !sent.contains(&token));
            } else {
                assert_eq!(sent, "");
            }
        }
        assert_eq!(listed(&response, "cache-control"), "no-store");
    }
}

#[tokio::test]
async fn client_that_sent_no_token_is_told_by_the_first_way() {
    let (_, layer) = keep();
    let visit = Visit::to(&layer).run(async |session: Session| session.insert("a", 1));
    let response = visit.await;
    assert!(listed(&response, "set-cookie").starts_with("__Host-id="));
    assert_eq!(listed(&response, "authorization"), "");
}

#[tokio::test]
async fn client_whose_token_is_dead_is_told_by_the_way_it_uses() {
    let (_, layer) = keep();
    let visit = Visit::to(&layer).header("authorization", format!("Bearer {}", "A".repeat(32)));
    let response = visit.run(async |session: Session| session.insert("a", 1)).await;
    assert!(listed(&response, "authorization").starts_with("Bearer "));
    assert_eq!(listed(&response, "set-cookie"), "");
}

#[tokio::test]
async fn ways_are_asked_in_order_and_a_dead_token_lets_the_next_one_try() {
    let (_, layer) = keep();
    let live = new_token(&layer).await;
    let other = new_token(&layer).await;
    let dead = "A".repeat(32);
    for (cookie, bearer, expected) in
        [(&live, &other, &live), (&dead, &live, &live), (&"malformed".to_owned(), &live, &live)]
    {
        let visit = Visit::to(&layer)
            .header("cookie", format!("__Host-id={cookie}"))
            .header("authorization", format!("bearer {bearer}"));
        let id = expected.parse::<tower_keep::Token>().unwrap().id();
        let response = visit.run(async move |session: Session| assert_eq!(session.id(), Some(id)));
        assert_eq!(response.await.status(), 200);
    }
}

#[tokio::test]
async fn header_of_the_handler_by_the_name_of_the_token_gives_way() {
    let (_, layer) = keep_with(|layer| {
        layer.transports([Transport::header(HeaderName::from_static("session-token"))])
    });
    let visit = Visit::to(&layer).run(async |session: Session| {
        session.insert("a", 1).unwrap();
        [("session-token", "planted")]
    });
    assert_eq!(listed(&visit.await, "session-token").len(), 32);
}

#[tokio::test]
async fn logout_by_header_is_told_by_an_empty_header() {
    let (store, layer) = keep();
    let token = new_token(&layer).await;
    let visit = Visit::to(&layer).header("session-token", &token);
    let response = visit.run(async |session: Session| session.destroy()).await;
    assert!(response.headers().contains_key("session-token"));
    assert_eq!(listed(&response, "session-token"), "");
    assert!(store.inner().live().is_empty());
}
