//! The cookie that a response carries.

use std::convert::Infallible;

use axum::{body::Body, response::Response};
use http::{Request, StatusCode, header::SET_COOKIE};
use tower_keep::{Error, Session, SessionCookie};
use tower_keep_tests::{
    Jar, Visit,
    visit::{listed, our_cookies},
};

use crate::{keep, keep_with, minutes, settle};

#[tokio::test]
async fn first_write_sends_one_cookie_with_its_attributes() {
    let (_, layer) = keep();
    let visit = Visit::to(&layer).run(async |session: Session| session.insert("a", 1));
    let cookies = our_cookies(&visit.await);
    let [line] = &cookies[..] else { panic!("{cookies:?}") };
    let (pair, attributes) = line.split_once("; ").unwrap();
    assert_eq!(pair.len(), "__Host-id=".len() + 32);
    let mut attributes: Vec<&str> = attributes.split("; ").collect();
    attributes.sort_unstable();
    assert_eq!(attributes, ["HttpOnly", "Path=/", "SameSite=Lax", "Secure"]);
}

#[tokio::test]
async fn write_to_a_live_session_sends_no_cookie() {
    let (_, layer) = keep();
    let jar = Jar::signed_in(&layer, "ada").await;
    let visit = Visit::to(&layer).with(&jar);
    let response = visit.run(async |session: Session| session.insert("a", 1)).await;
    assert!(our_cookies(&response).is_empty());
}

#[tokio::test]
async fn reads_and_logouts_make_neither_a_record_nor_a_cookie() {
    let (store, layer) = keep();
    let acts: [fn(Session); 9] = [
        |session| drop(session.get::<u64>("a")),
        |session| drop(session.keys()),
        |session| drop(session.take_flash::<u64>("a")),
        |session| session.destroy(),
        |session| session.clear(),
        |session| session.rotate(),
        |session| session.remember(false),
        |session| session.remove("a").unwrap(),
        |session| {
            session.insert("a", 1).unwrap();
            session.destroy();
        },
    ];
    for jar in [Jar::new(), Jar::holding(&"A".repeat(32))] {
        for act in acts {
            let visit = Visit::to(&layer).with(&jar);
            let response = visit.run(async move |session| act(session)).await;
            assert!(our_cookies(&response).is_empty());
            assert!(store.inner().live().is_empty());
        }
    }
}

#[tokio::test]
async fn several_commits_of_one_request_send_one_cookie_the_last() {
    let (store, layer) = keep();
    let mut jar = Jar::new();
    let visit = Visit::to(&layer).run(async |session: Session| {
        session.insert("a", 1)?;
        session.save().await?;
        session.rotate();
        session.save().await?;
        session.set_user("ada")?;
        session.save().await?;
        session.destroy();
        session.save().await?;
        session.insert("b", 1)
    });
    let response = visit.await;
    assert_eq!(our_cookies(&response).len(), 1);
    jar.take(&response);
    assert_eq!(store.inner().only().0, jar.id().unwrap());
}

#[tokio::test]
async fn lines_of_the_handler_are_kept_but_for_our_name() {
    let (_, layer) = keep();
    let visit = Visit::to(&layer).raw(async |request: Request<Body>| {
        let session = Session::load(request.extensions()).await.unwrap();
        session.insert("a", 1).unwrap();
        let response = Response::builder()
            .header(SET_COOKIE, "theme=dark")
            .header(SET_COOKIE, "__Host-id=planted; Path=/; Secure")
            .header(SET_COOKIE, "__Host-id2=x")
            .header(SET_COOKIE, "lang=en; Expires=Thu, 01 Jan 2026 00:00:00 GMT");
        Ok::<_, Infallible>(response.body(Body::empty()).unwrap())
    });
    let response = visit.await.unwrap();
    let ours = our_cookies(&response);
    assert_eq!(ours.len(), 1, "{ours:?}");
    assert!(!ours[0].contains("planted"));
    let all: Vec<_> = response.headers().get_all(SET_COOKIE).iter().collect();
    assert_eq!(all.len(), 4, "never joined by commas: {all:?}");
    for theirs in ["theme=dark", "__Host-id2=x"] {
        assert!(all.iter().any(|line| *line == theirs));
    }
}

#[tokio::test]
async fn removal_carries_the_attributes_of_the_cookie_and_a_past_expiry() {
    let (store, layer) = keep_with(|layer| {
        let cookie = SessionCookie::named("__Secure-id").domain("example.com");
        layer.cookie(cookie.path("/app").partitioned())
    });
    let visit = Visit::to(&layer).run(async |session: Session| session.insert("a", 1));
    let made = listed(&visit.await, "set-cookie");
    let token = &made["__Secure-id=".len()..][..32];
    let visit = Visit::to(&layer).header("cookie", format!("__Secure-id={token}"));
    let removed = visit.run(async |session: Session| session.destroy()).await;
    let removed = listed(&removed, "set-cookie");
    assert_eq!(
        removed,
        made.replace(token, "") + "; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT"
    );
    assert!(store.inner().live().is_empty());
}

#[tokio::test]
async fn persistent_cookie_follows_the_session_and_is_renewed_with_a_touch() {
    let (store, layer) = keep_with(|layer| layer.persistent().renew_after(minutes(1)));
    let mut jar = Jar::new();
    let visit = Visit::to(&layer).run(async |session: Session| session.insert("a", 1));
    let response = visit.await;
    assert!(our_cookies(&response)[0].ends_with("; Max-Age=1800"));
    jar.take(&response);
    let read = async || {
        let visit = Visit::to(&layer).with(&jar);
        let response = visit.run(async |session: Session| drop(session.keys())).await;
        our_cookies(&response)
    };
    assert!(read().await.is_empty(), "not due");
    store.inner().clock().advance(minutes(1));
    let renewed = read().await;
    assert_eq!(renewed.len(), 1);
    assert!(renewed[0].contains(jar.text().unwrap()) && renewed[0].ends_with("; Max-Age=1800"));
    assert!(read().await.is_empty(), "once");
    // Near the end of the absolute lifetime the cookie's life is what is left of it.
    for _ in 0..61 {
        store.inner().clock().advance(minutes(23));
        read().await;
    }
    store.inner().clock().advance(minutes(24 * 60 - 1 - 61 * 23 - 10));
    assert!(read().await[0].ends_with("; Max-Age=600"));
}

#[tokio::test]
async fn life_of_a_cookie_is_at_most_400_days() {
    let (_, layer) = keep_with(|layer| {
        let years = minutes(60 * 24 * 365 * 1_000);
        layer.idle_timeout(years).absolute_timeout(years).persistent()
    });
    let visit = Visit::to(&layer).run(async |session: Session| session.insert("a", 1));
    assert!(our_cookies(&visit.await)[0].ends_with("; Max-Age=34560000"));
}

#[tokio::test]
async fn remembered_session_outlives_the_browser_and_a_forgotten_one_does_not() {
    let (store, layer) = keep();
    let mut jar = Jar::signed_in(&layer, "ada").await;
    let token = jar.clone();
    let remember = async |jar: &Jar, on: bool| {
        let visit = Visit::to(&layer).with(jar);
        visit.run(async move |session: Session| session.remember(on)).await
    };
    let response = remember(&jar, true).await;
    assert!(our_cookies(&response)[0].ends_with("; Max-Age=1209600"), "two weeks");
    jar.take(&response);
    assert_eq!(jar, token, "the same token");
    assert!(store.inner().only().1.remember);
    store.inner().clock().advance(minutes(60 * 24 * 13));
    let response = remember(&jar, false).await;
    assert!(!our_cookies(&response)[0].contains("Max-Age"));
    store.inner().clock().advance(minutes(31));
    assert!(store.inner().live().is_empty());
}

#[tokio::test]
async fn save_that_the_handler_gave_up_on_still_tells_the_client() {
    use tower_keep_tests::{Call, Fault, Gate};
    for (call, act) in [
        (Call::Create, (|session| session.insert("a", 1)) as fn(&Session) -> Result<(), Error>),
        (Call::Rotate, |session| session.set_user("eve")),
    ] {
        let (store, layer) = keep();
        let mut jar = Jar::new();
        if call == Call::Rotate {
            jar = Jar::signed_in(&layer, "ada").await;
        }
        let before = jar.clone();
        let gate = Gate::new();
        store.next(call, Fault::ParksAfter(gate.clone()));
        let visit = Visit::to(&layer).with(&jar);
        let inside = gate.clone();
        let visit = visit.spawn(async move |session: Session| {
            act(&session)?;
            tokio::select! {
                biased;
                outcome = session.save() => outcome?,
                () = inside.arrived(1) => {}
            }
            Ok::<_, Error>(StatusCode::CREATED)
        });
        // The handler is through; its response must not be, before the token is known.
        settle().await;
        assert!(!visit.is_finished());
        gate.open(1);
        let response = visit.await.unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
        jar.take(&response);
        assert_ne!(jar, before);
        assert_eq!(store.inner().only().0, jar.id().unwrap());
    }
}

#[tokio::test]
async fn token_of_a_session_that_was_revoked_after_a_save_is_not_sent() {
    let (_, layer) = keep();
    let jar = Jar::signed_in(&layer, "ada").await;
    let visit = Visit::to(&layer).with(&jar).run(async |session: Session| {
        session.rotate();
        session.save().await?;
        session.sessions().revoke(&session.id().unwrap()).await?;
        session.insert("a", 1)
    });
    let response = visit.await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(our_cookies(&response).is_empty());
}
