//! Counts the visits of each browser.
//!
//! Run: `cargo run -p example-counter`
//! Try: `curl --cookie-jar jar --cookie jar http://127.0.0.1:3000/`, twice, or a browser.

use axum::{Router, routing::get};
use tower_keep::{Key, MemoryStore, Session, SessionCookie, SessionLayer};

/// A field of the session, with its type.
const VISITS: Key<u64> = Key::new("visits");

async fn home(session: Session) -> Result<String, tower_keep::Error> {
    let visits = session.update(VISITS, |visits| *visits += 1)?;
    Ok(format!("visits: {visits}\n"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Browsers and curl send `Secure` cookies over TLS only. Behind TLS the default cookie is right:
    // `SessionLayer::new(MemoryStore::new())`.
    let cookie = SessionCookie::named("id").insecure_over_plain_http();
    let layer = SessionLayer::builder(MemoryStore::new()).cookie(cookie).build()?;
    let app = Router::new().route("/", get(home)).layer(layer);

    let address = std::env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:3000".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}
