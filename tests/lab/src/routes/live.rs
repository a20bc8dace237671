//! Work that goes on after the head of the response.

use std::convert::Infallible;

use axum::{
    extract::{
        Query, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    response::{Response, Sse, sse::Event},
};
use futures_util::{Stream, stream};
use serde::{Deserialize, Serialize};
use tower_keep::{Error, Key, Session};

use super::wait;
use crate::value::{DONE, Json, Value, from_text};

const STREAMED: Key<u64> = Key::new("streamed");

#[derive(Deserialize)]
pub(super) struct Events {
    #[serde(default = "three")]
    n: u64,
    #[serde(default)]
    ms: u64,
}

fn three() -> u64 {
    3
}

/// Sends the numbers from 1 to `n`, each when it has been saved.
pub(super) async fn stream(
    session: Session,
    Query(Events { n, ms }): Query<Events>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Error> {
    // A new session needs a token, which can be sent only with the head.
    session.begin();
    let events = stream::unfold(Some(1), move |next| {
        let session = session.clone();
        async move {
            let number = next.filter(|number| *number <= n)?;
            if number > 1 {
                wait(ms).await;
            }
            let event = Event::default();
            Some(match save_number(&session, number).await {
                Ok(()) => (Ok(event.data(number.to_string())), Some(number + 1)),
                Err(error) => (Ok(event.event("error").data(error.to_string())), None),
            })
        }
    });
    Ok(Sse::new(events))
}

async fn save_number(session: &Session, number: u64) -> Result<(), Error> {
    session.insert(STREAMED, number)?;
    session.save().await
}

pub(super) async fn ws(session: Session, upgrade: WebSocketUpgrade) -> Result<Response, Error> {
    // A new session needs a token, which can be sent only with the head.
    session.begin();
    Ok(upgrade.on_upgrade(|socket| converse(session, socket)))
}

async fn converse(session: Session, mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        let Message::Text(line) = message else {
            continue;
        };
        let answer = obey(&session, &line).await;
        let text = match &answer {
            Ok(text) => text.clone(),
            Err(error) => json(&Failure { error: error.to_string() }),
        };
        // A session that has ended, or whose store is away, ends its socket.
        if socket.send(Message::text(text)).await.is_err() || answer.is_err() {
            return;
        }
    }
}

/// Carries out `put K V` or `get K`.
async fn obey(session: &Session, line: &str) -> Result<String, Error> {
    let mut words = line.splitn(3, ' ');
    match (words.next(), words.next(), words.next()) {
        (Some("put"), Some(name), Some(value)) => {
            session.insert(name, from_text(value))?;
            session.save().await?;
            Ok(json(&DONE))
        }
        (Some("get"), Some(name), None) => {
            // What others have written meanwhile counts, and so does the use.
            session.reload().await?;
            session.save().await?;
            let value: Option<Json> = session.get(name)?;
            Ok(json(&Value { value }))
        }
        _ => Ok(json(&Failure { error: "use `put K V` or `get K`".into() })),
    }
}

#[derive(Serialize)]
struct Failure {
    error: String,
}

fn json(answer: &impl Serialize) -> String {
    // These answers always have a form in JSON.
    serde_json::to_string(answer).unwrap_or_default()
}
