//! What a session is and whose.

use reqwest::{
    Method,
    header::{CACHE_CONTROL, VARY},
};
use serde_json::json;

use crate::{Browser, lab};

#[tokio::test]
async fn session_has_an_id_and_times_once_it_is_written() {
    let server = lab(&[]).await;
    let browser = Browser::new(&server);
    assert_eq!(
        browser.get("/id").await,
        json!({"id": null, "is_new": true, "created_at": null, "expires_at": null, "user": null})
    );
    browser.put("a", "1").await;
    let id = browser.get("/id").await;
    assert_eq!(id["id"].as_str().map(str::len), Some(64));
    assert_eq!(id["is_new"], false);
    for time in ["created_at", "expires_at"] {
        let time = id[time].as_str().unwrap();
        assert!(time.contains('T') && time.ends_with('Z'), "{time}");
    }
}

#[tokio::test]
async fn rotation_keeps_the_fields_and_kills_the_token() {
    let server = lab(&[]).await;
    let browser = Browser::new(&server);
    let old = browser.send(Method::POST, "/put?k=a&v=1").await.token();
    let rotated = browser.send(Method::POST, "/rotate?ms=1").await;
    assert_ne!(rotated.token(), old);
    assert_eq!(rotated.headers[CACHE_CONTROL], "no-store");
    assert_eq!(browser.get("/get?k=a").await, json!({"value": 1}));
    let thief = Browser::forgetful(&server);
    assert_eq!(thief.get_as(&old, "/id").await["is_new"], true);
}

#[tokio::test]
async fn destroyed_session_is_gone_and_its_cookie_removed() {
    for route in ["/destroy", "/logout", "/logout-all"] {
        let server = lab(&[]).await;
        let browser = Browser::new(&server);
        let token = browser.send(Method::POST, "/login?u=ada").await.token();
        let reply = browser.send(Method::POST, route).await;
        assert!(reply.cookie().unwrap().contains("Max-Age=0"), "{route}");
        let thief = Browser::forgetful(&server);
        assert_eq!(thief.get_as(&token, "/id").await["is_new"], true, "{route}");
    }
}

#[tokio::test]
async fn late_write_to_a_destroyed_session_brings_nothing_back() {
    let server = lab(&[]).await;
    let browser = Browser::new(&server);
    let token = browser.send(Method::POST, "/put?k=a&v=1").await.token();
    let late = tokio::spawn({
        let browser = browser.clone();
        async move { browser.send(Method::POST, "/put?k=a&v=2&ms=6000").await }
    });
    // Long enough for the request to load the session, on a busy machine too.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    browser.post("/destroy").await;
    let late = late.await.unwrap();
    assert_eq!((late.status.as_u16(), late.cookie()), (200, None));
    let thief = Browser::forgetful(&server);
    assert_eq!(thief.get_as(&token, "/id").await["is_new"], true);
    assert_eq!(browser.get("/stats").await["counters"]["late_commits"], 1);
}

#[tokio::test]
async fn user_sees_and_ends_their_sessions() {
    let server = lab(&[]).await;
    let browsers: Vec<_> = (0..4).map(|_| Browser::new(&server)).collect();
    for browser in &browsers {
        browser.put("planted", "1").await;
        let planted = browser.get("/id").await;
        browser.post("/login?u=ada&ms=1").await;
        let id = browser.get("/id").await;
        assert_eq!(id["user"], "ada");
        assert_ne!(id["id"], planted["id"], "signing in makes a new token");
    }
    let stranger = Browser::new(&server);
    stranger.post("/login?u=grace").await;
    let sessions = async |user| {
        let found = stranger.get(&format!("/sessions?u={user}")).await;
        found["sessions"].as_array().unwrap().clone()
    };

    let found = sessions("ada").await;
    assert_eq!(found.len(), 4);
    for session in &found {
        for time in ["created_at", "last_active", "expires_at"] {
            assert!(session[time].as_str().unwrap().ends_with('Z'));
        }
        let client = json!({"address": "127.0.0.1", "agent": "lab-test"});
        assert_eq!(session["client"], client);
    }

    let id = browsers[3].get("/id").await["id"].clone();
    let route = format!("/sessions/{}", id.as_str().unwrap());
    for revoked in [true, false] {
        let reply = stranger.send(Method::DELETE, &route).await;
        assert_eq!(reply.json, json!({"revoked": revoked}));
    }
    assert_eq!(browsers[3].get("/id").await["is_new"], true);

    let others = browsers[0].post("/logout-others").await;
    assert_eq!(others, json!({"revoked": 2}));
    assert_eq!(sessions("ada").await.len(), 1);
    browsers[1].post("/login?u=ada").await;
    let all = browsers[0].post("/logout-all").await;
    assert_eq!(all, json!({"revoked": 2}));
    assert_eq!(sessions("ada").await.len(), 0);
    assert_eq!(sessions("grace").await.len(), 1);

    let figures = stranger.get("/stats").await;
    assert_eq!((&figures["active"], &figures["users"]), (&json!(1), &json!(1)));
    for route in ["/logout-others", "/logout-all"] {
        let nobody = Browser::new(&server).post(route).await;
        assert_eq!(nobody, json!({"revoked": 0}));
    }
}

#[tokio::test]
async fn remembered_session_outlives_the_browser() {
    let server = lab(&[("LAB_COOKIE", "browser")]).await;
    let browser = Browser::new(&server);
    let begun = browser.send(Method::POST, "/put?k=a&v=1").await;
    assert!(!begun.cookie().unwrap().contains("Max-Age"));
    let on = browser.send(Method::POST, "/remember?on=1").await;
    assert!(on.cookie().unwrap().contains("Max-Age=1209600"));
    let off = browser.send(Method::POST, "/remember?on=false").await;
    assert!(!off.cookie().unwrap().contains("Max-Age"));
}

#[tokio::test]
async fn cookie_is_as_set() {
    let server = lab(&[("LAB_SECURE", "1")]).await;
    let reply = Browser::new(&server).send(Method::POST, "/put?k=a&v=1").await;
    let line = reply.cookie().unwrap();
    assert!(line.starts_with("__Host-id="), "{line}");
    for attribute in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=1800"] {
        assert!(line.contains(attribute), "{line}");
    }
    let server = lab(&[("LAB_COOKIE_NAME", "shop")]).await;
    let reply = Browser::new(&server).send(Method::POST, "/put?k=a&v=1").await;
    assert!(reply.cookie().unwrap().starts_with("shop="));
}

#[tokio::test]
async fn token_goes_the_way_it_came() {
    let server = lab(&[("LAB_TRANSPORT", "header:x-session, bearer,cookie")]).await;
    let app = Browser::forgetful(&server);
    let reply = app.send(Method::POST, "/put?k=a&v=1").await;
    assert_eq!(reply.cookie(), None);
    assert_eq!(reply.headers[VARY], "x-session, authorization, cookie");
    let token = reply.headers["x-session"].to_str().unwrap().to_owned();

    let bearer = format!("Bearer {token}");
    for header in [("x-session", &token), ("authorization", &bearer)] {
        let headers = [(header.0, header.1.as_str())];
        let read = app.send_with(Method::GET, "/get?k=a", &headers).await;
        assert_eq!(read.json, json!({"value": 1}));
    }
    let headers = [("authorization", bearer.as_str())];
    let rotated = app.send_with(Method::POST, "/rotate", &headers).await;
    let new = rotated.headers["authorization"].to_str().unwrap();
    assert!(new.starts_with("Bearer ") && new != bearer);
}
