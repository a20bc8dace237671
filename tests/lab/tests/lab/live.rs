//! Work after the head of the response, and handlers that end badly.

use futures_util::{SinkExt, StreamExt};
use reqwest::{Method, header::SET_COOKIE};
use serde_json::{Value, json};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use crate::{Browser, lab, support::Server};

#[tokio::test]
async fn stream_saves_each_event_before_it_is_seen() {
    let server = lab(&[]).await;
    let browser = Browser::new(&server);
    let mut stream = browser.open("/stream?n=3&ms=200").await;
    let mut seen = 0;
    while let Some(chunk) = stream.chunk().await.unwrap() {
        for event in String::from_utf8_lossy(&chunk).lines() {
            let Some(number) = event.strip_prefix("data: ") else {
                continue;
            };
            seen += 1;
            assert_eq!(number, seen.to_string());
            let saved = browser.get("/get?k=streamed").await;
            assert!(saved["value"].as_u64() >= Some(seen), "{saved}");
        }
    }
    assert_eq!(seen, 3);
}

#[tokio::test]
async fn stream_ends_with_its_session() {
    let server = lab(&[]).await;
    let browser = Browser::new(&server);
    let mut stream = browser.open("/stream?n=1000000&ms=50").await;
    stream.chunk().await.unwrap();
    browser.post("/destroy").await;
    let mut text = String::new();
    while let Some(chunk) = stream.chunk().await.unwrap() {
        text.push_str(&String::from_utf8_lossy(&chunk));
    }
    assert!(text.contains("event: error"), "{text}");
    assert_eq!(browser.get("/id").await["is_new"], true);
}

#[tokio::test]
async fn websocket_saves_each_message() {
    let server = lab(&[]).await;
    let browser = Browser::new(&server);
    let begun = browser.send(Method::POST, "/put?k=a&v=1").await;
    let (mut socket, cookie) = connect(&server, Some(&begun.token())).await;
    assert_eq!(cookie, None);
    assert_eq!(ask(&mut socket, "get a").await, json!({"value": 1}));
    let value = "two words, {no JSON";
    assert_eq!(ask(&mut socket, &format!("put b {value}")).await, json!({"ok": true}));
    assert_eq!(browser.get("/get?k=b").await, json!({"value": value}));
    browser.put("b", "[3]").await;
    assert_eq!(ask(&mut socket, "get b").await, json!({"value": [3]}));
    assert!(ask(&mut socket, "what").await["error"].is_string());

    browser.post("/destroy").await;
    assert!(ask(&mut socket, "put b 4").await["error"].is_string());
    assert!(!matches!(socket.next().await, Some(Ok(Message::Text(_)))));
}

#[tokio::test]
async fn websocket_without_a_session_begins_one() {
    let server = lab(&[]).await;
    let (mut socket, cookie) = connect(&server, None).await;
    assert_eq!(ask(&mut socket, "put a 1").await, json!({"ok": true}));
    let cookie = cookie.unwrap();
    let token = cookie[3..].split(';').next().unwrap();
    let client = Browser::forgetful(&server);
    let all = client.get_as(token, "/all").await;
    assert_eq!(all, json!({"fields": {"a": 1}}));
}

#[tokio::test]
async fn changes_count_whatever_the_status_unless_the_handler_panics() {
    let server = lab(&[]).await;
    let browser = Browser::new(&server);
    for status in [200, 302, 404, 500, 503] {
        let route = format!("/status/{status}?k=last&v={status}");
        let reply = browser.send(Method::POST, &route).await;
        assert_eq!(reply.status, status);
        assert_eq!(reply.json["status"], status);
        assert_eq!(browser.get("/get?k=last").await, json!({"value": status}));
    }
    let panicked = browser.try_post("/panic?k=last&v=0").await;
    assert!(panicked.is_err());
    assert_eq!(browser.get("/get?k=last").await, json!({"value": 503}));
}

type Socket =
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

/// Opens the lab's socket, and gives the cookie that came with it.
async fn connect(server: &Server, token: Option<&str>) -> (Socket, Option<String>) {
    let url = format!("ws://{}/ws", server.address);
    let mut request = url.into_client_request().unwrap();
    if let Some(token) = token {
        let cookie = format!("id={token}").parse().unwrap();
        request.headers_mut().insert("cookie", cookie);
    }
    let (socket, response) = connect_async(request).await.unwrap();
    let cookie = response.headers().get(SET_COOKIE);
    let cookie = cookie.map(|cookie| cookie.to_str().unwrap().to_owned());
    (socket, cookie)
}

async fn ask(socket: &mut Socket, line: &str) -> Value {
    socket.send(Message::text(line)).await.unwrap();
    let answer = socket.next().await.unwrap().unwrap();
    serde_json::from_str(answer.to_text().unwrap()).unwrap()
}
