//! How long sessions live, and how many.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::time::sleep;

use crate::{Browser, lab};

#[tokio::test]
async fn idle_session_expires_and_one_in_use_does_not() {
    let server = lab(&[("LAB_IDLE_MS", "8000"), ("LAB_RENEW_AFTER_MS", "0")]).await;
    let (used, idle) = (Browser::new(&server), Browser::new(&server));
    used.put("a", "1").await;
    idle.put("a", "1").await;
    for _ in 0..5 {
        sleep(Duration::from_secs(2)).await;
        assert_eq!(used.get("/get?k=a").await, json!({"value": 1}));
    }
    assert_eq!(idle.get("/get?k=a").await, json!({"value": null}));
}

#[tokio::test]
async fn absolute_lifetime_ends_a_session_in_use() {
    let server = lab(&[("LAB_ABSOLUTE_MS", "1000")]).await;
    let browser = Browser::new(&server);
    let begun = browser.send(Method::POST, "/put?k=a&v=1").await;
    assert!(begun.cookie().unwrap().contains("Max-Age=1"));
    let cookie = format!("id={}", begun.token());
    let headers = [("cookie", cookie.as_str())];
    // A client that keeps the cookie longer than it may.
    let client = Browser::forgetful(&server);
    for _ in 0..6 {
        sleep(Duration::from_millis(200)).await;
        client.send_with(Method::GET, "/get?k=a", &headers).await;
    }
    let late = client.send_with(Method::GET, "/id", &headers).await;
    assert_eq!(late.json["is_new"], true);
}

#[tokio::test]
async fn session_too_many_is_refused() {
    let server = lab(&[("LAB_MAX_PER_USER", "1"), ("LAB_OVER_LIMIT", "refuse")]).await;
    let (first, second) = (Browser::new(&server), Browser::new(&server));
    first.post("/login?u=ada").await;
    second.put("a", "1").await;
    let refused = second.send(Method::POST, "/login?u=ada").await;
    assert_eq!((refused.status.as_u16(), refused.cookie()), (409, None));
    assert_eq!(first.get("/id").await["user"], "ada");
    // What was there before is as it was.
    assert_eq!(second.get("/get?k=a").await, json!({"value": 1}));
    assert_eq!(second.get("/id").await["user"], json!(null));
}

#[tokio::test]
async fn oldest_session_is_evicted() {
    let server = lab(&[("LAB_MAX_PER_USER", "1")]).await;
    let (first, second) = (Browser::new(&server), Browser::new(&server));
    first.post("/login?u=ada").await;
    sleep(Duration::from_millis(5)).await;
    second.post("/login?u=ada").await;
    assert_eq!(first.get("/id").await["is_new"], true);
    assert_eq!(second.get("/id").await["user"], "ada");
}
