//! Reading and writing fields.

use std::collections::BTreeSet;

use reqwest::{Method, header::VARY};
use serde_json::{Value, json};

use crate::{Browser, lab};

#[tokio::test]
async fn request_that_leaves_its_session_alone_says_nothing_of_it() {
    let server = lab(&[]).await;
    let browser = Browser::new(&server);
    let peek = browser.send(Method::GET, "/peek").await;
    assert_eq!(peek.json, json!({"ok": true}));
    assert_eq!((peek.cookie(), peek.headers.get(VARY)), (None, None));

    let read = browser.send(Method::GET, "/get?k=a").await;
    assert_eq!(read.json, json!({"value": null}));
    assert_eq!(read.cookie(), None, "reading begins no session");
    assert_eq!(read.headers[VARY], "cookie");
}

#[tokio::test]
async fn values_come_back_as_they_went() {
    let server = lab(&[]).await;
    let browser = Browser::new(&server);
    for (name, text) in [
        ("", "0"),
        ("number", "123456789012345678901234567890"),
        ("object", r#"{"b":[1,2.50,null],"a":"\u0000"}"#),
        ("ünï & = ?", r#""日本""#),
    ] {
        browser.put(name, text).await;
    }
    browser.put("text", "not JSON & more").await;

    let mut all = browser.open("/all").await;
    let all = all.chunk().await.unwrap().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&all),
        concat!(
            r#"{"fields":{"":0,"number":123456789012345678901234567890,"#,
            r#""object":{"b":[1,2.50,null],"a":"\u0000"},"text":"not JSON & more","#,
            r#""ünï & = ?":"日本"}}"#,
        )
    );
    assert_eq!(browser.get("/read?k=text&ms=1").await, json!({"value": "not JSON & more"}));

    browser.post("/del?k=number").await;
    assert_eq!(browser.get("/get?k=number").await, json!({"value": null}));
    let id = browser.get("/id").await["id"].clone();
    browser.post("/clear").await;
    assert_eq!(browser.get("/all").await, json!({"fields": {}}));
    assert_eq!(browser.get("/id").await["id"], id);
}

#[tokio::test]
async fn increments_at_once_all_count() {
    let server = lab(&[]).await;
    let browser = Browser::new(&server);
    browser.post("/incr?k=n").await;
    let requests: Vec<_> = (0..20)
        .flat_map(|_| ["/incr?k=n&ms=5", "/incr-now?k=m"])
        .map(|route| {
            let browser = browser.clone();
            tokio::spawn(async move { (route, browser.post(route).await["value"].as_i64()) })
        })
        .collect();
    let mut committed = BTreeSet::new();
    for request in requests {
        let (route, value) = request.await.unwrap();
        if route.starts_with("/incr-now") {
            committed.insert(value.unwrap());
        }
    }
    assert_eq!(browser.get("/get?k=n").await, json!({"value": 21}));
    let exact: BTreeSet<i64> = (1..=20).collect();
    assert_eq!(committed, exact, "each saw the value that it committed");
}

#[tokio::test]
async fn lost_update_is_counted() {
    let server = lab(&[]).await;
    let browser = Browser::new(&server);
    browser.put("k", "0").await;
    let slow = tokio::spawn({
        let browser = browser.clone();
        async move { browser.post("/racy-incr?k=k&ms=1000").await }
    });
    // Every write in the second that the other waits is lost.
    let mut n = 0;
    while !slow.is_finished() {
        n += 1;
        browser.put("k", &n.to_string()).await;
    }
    let figures = browser.get("/stats").await;
    assert!(figures["counters"]["lost_updates"].as_u64() >= Some(1));
}

#[tokio::test]
async fn flash_is_read_once_and_is_no_field() {
    let server = lab(&[]).await;
    let browser = Browser::new(&server);
    browser.post("/flash?v=Saved.").await;
    assert_eq!(browser.get("/all").await, json!({"fields": {}}));
    assert_eq!(browser.get("/flash").await, json!({"value": "Saved."}));
    assert_eq!(browser.get("/flash").await, json!({"value": null}));
}

#[tokio::test]
async fn mistakes_are_answered_in_json() {
    let server = lab(&[]).await;
    let browser = Browser::new(&server);
    browser.put("text", "abc").await;
    for (method, route, status) in [
        (Method::GET, "/get", 400),
        (Method::POST, "/put?k=a", 400),
        (Method::POST, "/incr?k=n&ms=soon", 400),
        (Method::POST, "/remember?on=perhaps", 400),
        (Method::DELETE, "/sessions/none", 400),
        (Method::POST, "/status/99?k=a&v=1", 400),
        (Method::GET, "/nothing", 404),
        (Method::GET, "/put?k=a&v=1", 405),
        // A field of another type is the application's mistake.
        (Method::POST, "/incr?k=text", 500),
    ] {
        let reply = browser.send(method, route).await;
        assert_eq!(reply.status, status, "{route}");
        assert!(matches!(&reply.json["error"], Value::String(_)), "{route}");
    }
}
