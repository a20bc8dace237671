//! Starting, stopping and logging.

use std::{process::Stdio, time::Duration};

use reqwest::Method;

use crate::{Browser, lab};

#[cfg(unix)]
#[tokio::test]
async fn requests_in_flight_are_finished_before_the_end() {
    let mut server = lab(&[("LAB_GRPC_ADDR", "127.0.0.1:0")]).await;
    let browser = Browser::new(&server);
    let slow = tokio::spawn({
        let browser = browser.clone();
        async move { browser.send(Method::POST, "/incr?k=n&ms=6000").await }
    });
    tokio::time::sleep(Duration::from_secs(3)).await;
    server.terminate();
    let reply = slow.await.unwrap();
    assert_eq!(reply.status, 200);
    assert!(reply.cookie().is_some());
    assert!(server.ended().await.success());
    assert!(browser.try_post("/incr?k=n").await.is_err());
}

#[tokio::test]
async fn settings_that_cannot_work_are_told_at_start() {
    for (name, value) in [
        ("LAB_SEAL", "private"),
        ("LAB_KEYS", "c2VjcmV0"),
        ("LAB_STORE", "nowhere:"),
        ("LAB_STORE", "secret"),
        ("LAB_IDLE_MS", "soon"),
        ("LAB_IDLE_MS", "0"),
        ("LAB_COOKIE", "biscuit"),
        ("LAB_COOKIE_NAME", "__Host-id"),
        ("LAB_TRANSPORT", "pigeon"),
        ("LAB_TRANSPORT", "bearer,bearer"),
        ("LAB_OVER_LIMIT", "sometimes"),
        ("LAB_MAX_PER_USER", "0"),
    ] {
        let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_tower-keep-lab"))
            .env("LAB_SECURE", "0")
            .env(name, value)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(crate::support::PATIENCE, output);
        let output = output.await.unwrap().unwrap();
        assert!(!output.status.success(), "{name}={value}");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.starts_with("tower-keep-lab: "), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
}

#[tokio::test]
async fn log_holds_no_secret() {
    let server = lab(&[("LAB_SLOW_LOG", "1")]).await;
    let browser = Browser::new(&server);
    let mut secrets = vec!["x-value-x".to_owned()];
    secrets.push(browser.send(Method::POST, "/put?k=a&v=x-value-x").await.token());
    secrets.push(browser.send(Method::POST, "/login?u=ada").await.token());
    browser.post("/flash?v=x-value-x").await;
    browser.get("/all").await;
    browser.send(Method::POST, "/incr?k=a").await;
    let unknown = "abcdefghijklmnopqrstuvwxyzABC-_9";
    secrets.push(unknown.to_owned());
    browser.get_as(unknown, "/get?k=a").await;
    browser.try_post("/panic?k=p&v=x-value-x").await.unwrap_err();
    browser.post("/logout-all").await;

    let log = server.log_until("path=\"/logout-all\"").await;
    assert!(log.contains("TRACE") && log.contains("path=\"/put\""), "{log}");
    for secret in secrets {
        assert!(!log.contains(&secret), "{secret} in {log}");
    }
}
