//! Uses the session in a WebSocket and in server-sent events, which go on after the response head.
//!
//! Run: `cargo run -p example-websocket`
//! Try: a browser at http://127.0.0.1:3000/, in two tabs, or
//! `curl --no-buffer --cookie-jar jar --cookie jar http://127.0.0.1:3000/events`.

use std::{convert::Infallible, time::Duration};

use axum::{
    Router,
    extract::{
        WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    response::{
        Html, Response, Sse,
        sse::{Event, KeepAlive},
    },
    routing::get,
};
use futures_util::{Stream, stream};
use tower_keep::{Error, Key, MemoryStore, Session, SessionCookie, SessionLayer};

const VISITS: Key<u64> = Key::new("visits");
const NOTES: Key<Vec<String>> = Key::new("notes");

/// Begins the session: a cookie can be sent only with the head of a response, so a WebSocket or a
/// stream finds it begun.
async fn home(session: Session) -> Result<Html<&'static str>, Error> {
    session.update(VISITS, |visits| *visits += 1)?;
    Ok(Html(include_str!("page.html")))
}

/// `SameSite=Lax`, the default, keeps the cookie from WebSockets that other sites open here.
async fn notes(session: Session, upgrade: WebSocketUpgrade) -> Result<Response, Error> {
    session.update(VISITS, |visits| *visits += 1)?;
    Ok(upgrade.on_upgrade(|socket| take_notes(session, socket)))
}

/// Adds each message to the notes, and answers how many there are.
async fn take_notes(session: Session, mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        let Message::Text(note) = message else {
            continue;
        };
        let count = add_note(&session, note.to_string()).await;
        let answer = match &count {
            Ok(count) => count.to_string(),
            // Such as that the session was destroyed meanwhile, and this socket ends with it.
            Err(error) => error.to_string(),
        };
        if socket.send(Message::text(answer)).await.is_err() || count.is_err() {
            return;
        }
    }
}

/// No response is coming that would commit the change, so the message saves it.
async fn add_note(session: &Session, note: String) -> Result<usize, Error> {
    let notes = session.update(NOTES, move |notes| notes.push(note.clone()))?;
    session.save().await?;
    Ok(notes.len())
}

/// Sends the number of notes each second, whoever took them, and keeps the session alive by it.
async fn events(
    session: Session,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Error> {
    session.update(VISITS, |visits| *visits += 1)?;
    let events = stream::unfold(session, |session| async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        // The stream ends with its session.
        let count = count_notes(&session).await.ok()?;
        Some((Ok(Event::default().data(count.to_string())), session))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

async fn count_notes(session: &Session) -> Result<usize, Error> {
    session.reload().await?;
    session.save().await?;
    Ok(session.get(NOTES)?.map_or(0, |notes| notes.len()))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Browsers and curl send `Secure` cookies over TLS only. Behind TLS the default cookie is right:
    // `SessionLayer::new(MemoryStore::new())`.
    let cookie = SessionCookie::named("id").insecure_over_plain_http();
    let layer = SessionLayer::builder(MemoryStore::new()).cookie(cookie).build()?;
    let app = Router::new()
        .route("/", get(home))
        .route("/notes", get(notes))
        .route("/events", get(events))
        .layer(layer);

    let address = std::env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:3000".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}
